"""Every fault of the catalogue, delivered: refused, or reported at its line and column, and no cell of it is shown.

What :mod:`vigie.synth.faults` says must become of a fault is what becomes of it, in the reading, in the reports and in the
datasets made of the file.
"""

from collections import Counter

import pytest

from support.faulty import Partner, Taken, secrets
from vigie.synth.fault import Expected, Fault, Planted
from vigie.synth.faults import catalogue
from vigie_node.quality import shape_of

_INSERTED = ("header-again", "twice")
"""Ends of the names of faults that are a line more; the others are in a line that was there."""


def of(expected: Expected) -> list[Fault]:
    return [fault for fault in catalogue() if fault.expected is expected]


@pytest.fixture(scope="session")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Partner:
    return Partner(tmp_path_factory.mktemp("partner"))


def take(partner: Partner, fault: Fault) -> tuple[Planted, Taken]:
    """Deliver a fault; what is said of it holds no cell of its file, and the counts are the real system's."""
    made = partner.planted(fault)
    taken = partner.take(fault.kind, made.data, fault.suffix)
    shown = {cell for cell in secrets(made.data, fault.layout) if cell in taken.said}
    assert not shown, f"{len(shown)} cells of the file are shown: {sorted(shown)}"
    if taken.error is None:
        assert taken.report.parsed == taken.report.valid + taken.report.rejected + taken.report.skipped
        assert taken.report.rejected == len(taken.findings)
        assert taken.report.files == (partner.names[fault.kind],)
    return made, taken


def test_the_sound_files_have_nothing_to_say(partner: Partner) -> None:
    for kind in partner.samples:
        sound = partner.sound(kind)
        assert sound.error is None
        assert sound.report.valid == sound.report.parsed > 0
        assert not sound.report.warnings


@pytest.mark.parametrize("fault", of(Expected.REFUSED), ids=lambda fault: fault.name)
def test_a_file_is_refused_by_its_name_with_a_hint(fault: Fault, partner: Partner) -> None:
    made, taken = take(partner, fault)
    assert taken.error is not None
    assert f"{partner.names[fault.kind]}{fault.suffix}" in taken.error.message
    assert taken.error.hint
    if made.line > 1:
        assert f"line {made.line}:" in taken.error.message
    elif fault.column and not fault.name.startswith(("paydex-new", "paydex-reordered")):
        named = "eff202051" if "fifth-quarter" in fault.name else made.column
        assert named.casefold() in taken.said.casefold()


@pytest.mark.parametrize("fault", of(Expected.REPORTED), ids=lambda fault: fault.name)
def test_a_row_is_reported_where_it_stands_and_goes_nowhere(fault: Fault, partner: Partner) -> None:
    made, taken = take(partner, fault)
    assert taken.error is None
    assert taken.findings
    for found in taken.findings:
        assert (found.file, found.line) == (partner.names[fault.kind], made.line)
        assert found.column == made.column or not fault.column
        assert found.rule
        assert found.shape in ("(empty)", shape_of(found.shape, limit=len(found.shape)))
    # A line of several years may be several rows, each with its finding; no other row is touched.
    assert len({found.column for found in taken.findings}) == 1
    assert made.line not in taken.lines
    without = partner.sound(fault.kind, 0 if fault.name.endswith(_INSERTED) else made.line)
    assert taken.typed == without.typed
    assert taken.datasets == without.datasets


@pytest.mark.parametrize("fault", of(Expected.WARNED), ids=lambda fault: fault.name)
def test_what_is_only_odd_is_counted(fault: Fault, partner: Partner) -> None:
    _, taken = take(partner, fault)
    sound = partner.sound(fault.kind)
    assert taken.error is None
    assert not taken.findings
    assert taken.report.valid == taken.report.parsed
    assert _said(taken) - _said(sound)


@pytest.mark.parametrize("fault", of(Expected.SKIPPED), ids=lambda fault: fault.name)
def test_what_is_nobodys_fault_is_left_out_and_counted(fault: Fault, partner: Partner) -> None:
    made, taken = take(partner, fault)
    without = partner.sound(fault.kind, made.line)
    assert taken.error is None
    assert not taken.findings
    assert taken.report.skipped == without.report.skipped + 1
    assert (taken.typed, taken.datasets) == (without.typed, without.datasets)


@pytest.mark.parametrize("fault", of(Expected.ACCEPTED), ids=lambda fault: fault.name)
def test_what_does_no_harm_changes_nothing(fault: Fault, partner: Partner) -> None:
    _, taken = take(partner, fault)
    sound = partner.sound(fault.kind)
    assert taken.error is None
    assert (taken.typed, taken.datasets) == (sound.typed, sound.datasets)
    assert _said(taken) == _said(sound)


def _said(taken: Taken) -> Counter[str]:
    """Warnings, rules and notes of the extract and of the datasets made of it, the former by their rows."""
    said = Counter[str]()
    for report in (taken.report, *taken.made):
        said += report.warnings + report.rules + Counter(report.notes)
    return said
