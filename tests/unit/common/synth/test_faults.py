"""The catalogue of faults: many, named, planted where it says, and nothing else of the file is changed."""

import gzip
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vigie.errors import Missing
from vigie.synth import layout as of
from vigie.synth.extracts import Written, write_extracts
from vigie.synth.fault import Expected, Fault
from vigie.synth.faults import CATALOGUE, SAMPLE_LINES, catalogue, plant_faults
from vigie.synth.layout import LAYOUTS, Layout
from vigie.synth.sheet import Sheet

FILES_ONLY = ("empty", "binary", "other-type", "gzip-cut", "not-gzip")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_extracts(tmp_path_factory.mktemp("sound"), companies=1500, months=24, seed=6)


@pytest.fixture(scope="module")
def samples(sound: Written) -> dict[str, bytes]:
    """The beginning of each file."""
    made = {}
    for layout in LAYOUTS:
        text = sound.files[layout.kind].read_bytes().decode(layout.encoding)
        made[layout.kind] = "".join(text.splitlines(keepends=True)[:30]).encode(layout.encoding)
    return made


def lines(data: bytes, layout: Layout) -> list[str]:
    return data.decode(layout.encoding, errors="replace").removeprefix("\ufeff").split(layout.newline)


def test_there_are_more_than_a_hundred_with_names_of_their_own() -> None:
    names = [fault.name for fault in catalogue()]
    assert len(names) > 100
    assert len(set(names)) == len(names)
    assert all(name.startswith(f"{fault.kind}-") for name, fault in zip(names, catalogue(), strict=True))
    assert {fault.kind for fault in catalogue()} == {layout.kind for layout in LAYOUTS}
    assert {fault.expected for fault in catalogue()} == set(Expected)
    assert all(fault.description for fault in catalogue())
    assert all(count >= 25 for count in Counter(fault.kind for fault in catalogue()).values())


@pytest.mark.parametrize("fault", catalogue(), ids=lambda fault: fault.name)
def test_each_stands_where_it_says_and_nowhere_else(fault: Fault, samples: dict[str, bytes]) -> None:
    before = samples[fault.kind]
    made = fault.plant(before, np.random.default_rng(4))
    assert made == fault.plant(before, np.random.default_rng(4))
    if fault.name == f"{fault.kind}-not-gzip":
        assert made.data == before
        assert fault.suffix == ".gz"
        return
    assert made.data != before
    assert made.line >= 1
    if fault.expected is Expected.REFUSED:
        assert (made.line == 1) is not fault.name.startswith((f"{fault.kind}-latin-1", f"{fault.kind}-nul"))
        return
    was, now = lines(before, fault.layout), lines(made.data, fault.layout)
    same = next((at for at, (one, other) in enumerate(zip(was, now, strict=False)) if one != other), len(now))
    if fault.name.endswith(("twice", "again")):
        # A line more: those above and below are as they were.
        assert now[: made.line - 1] + now[made.line :] == was
        return
    if made.line > 1:
        assert same == made.line - 1
        assert now[made.line :] == was[made.line :] or fault.name.endswith("truncated-last-line")
    if made.line > 1 and fault.column:
        header = Sheet.read(before, fault.layout).header
        cells, others = (Sheet.read(data, fault.layout).lines[made.line - 1] for data in (before, made.data))
        changed = [header[at] for at, (one, other) in enumerate(zip(cells, others, strict=True)) if one != other]
        assert changed == [made.column]


def test_another_draw_puts_a_fault_elsewhere(samples: dict[str, bytes]) -> None:
    fault = next(one for one in catalogue() if one.name == "debit-empty-mt-po")
    places = {fault.plant(samples["debit"], np.random.default_rng(seed)).line for seed in range(20)}
    assert len(places) > 5


def test_what_is_not_gzip_and_what_is_cut(samples: dict[str, bytes]) -> None:
    cut = next(one for one in catalogue() if one.name == "cotisation-gzip-cut")
    made = cut.plant(samples["cotisation"], np.random.default_rng(1))
    with pytest.raises(EOFError):
        gzip.decompress(made.data)
    plain = next(one for one in catalogue() if one.name == "cotisation-not-gzip")
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(plain.plant(samples["cotisation"], np.random.default_rng(1)).data)


def test_latin_1_is_not_utf_8_at_its_line_alone(samples: dict[str, bytes]) -> None:
    fault = next(one for one in catalogue() if one.name == "delai-latin-1")
    made = fault.plant(samples["delai"], np.random.default_rng(1))
    for number, line in enumerate(made.data.split(b"\n"), start=1):
        if number == made.line:
            with pytest.raises(UnicodeDecodeError):
                line.decode()
        else:
            line.decode()


def test_a_file_without_rows_cannot_carry_a_fault() -> None:
    fault = next(one for one in catalogue() if one.name == "pge-text-actif")
    with pytest.raises(Missing):
        fault.plant(b"siren,actif\n", np.random.default_rng(1))
    with pytest.raises(Missing):
        fault.plant(b"siren,autre\n111111111,true\n", np.random.default_rng(1))


def test_cells_are_cut_and_joined_again_without_loss(samples: dict[str, bytes]) -> None:
    for layout in LAYOUTS:
        sheet = Sheet.read(samples[layout.kind], layout)
        assert sheet.encode() == samples[layout.kind]
        assert len({len(cells) for cells in sheet.lines}) == 1
    assert Sheet.read(b'a;"b;c";\n;"";x\n', of.CCSF).lines == [["a", '"b;c"', ""], ["", '""', "x"]]


# In a folder


def test_all_are_planted_each_into_a_copy_of_its_own_and_listed(sound: Written, tmp_path: Path) -> None:
    made = plant_faults(sound.files, tmp_path, seed=6)
    assert made.planted == catalogue()
    assert made.left_out == ()
    listed = json.loads((tmp_path / CATALOGUE).read_text(encoding="utf-8"))
    assert [entry["name"] for entry in listed] == [fault.name for fault in catalogue()]
    for entry, fault in zip(listed, catalogue(), strict=True):
        path = tmp_path / entry["file"]
        assert path.parent.name == fault.name
        assert path.name == sound.files[fault.kind].name + fault.suffix
        assert entry["expected"] == fault.expected
        if not fault.name.endswith(FILES_ONLY):
            # Within what was sampled, and inside the file that was written.
            assert entry["line"] <= path.read_bytes().decode(fault.layout.encoding, "ignore").count("\n") + 1
            assert entry["line"] <= SAMPLE_LINES + 1


def test_a_seed_draws_one_for_each_kind_of_file(sound: Written, tmp_path: Path) -> None:
    one = plant_faults(sound.files, tmp_path / "one", seed=1, one_each=True)
    again = plant_faults(sound.files, tmp_path / "again", seed=1, one_each=True)
    other = plant_faults(sound.files, tmp_path / "other", seed=2, one_each=True)
    assert [fault.kind for fault in one.planted] == [layout.kind for layout in LAYOUTS]
    assert one.planted == again.planted != other.planted
    assert (tmp_path / "one" / CATALOGUE).read_bytes() == (tmp_path / "again" / CATALOGUE).read_bytes()


def test_faults_of_files_without_rows_are_named(tmp_path: Path) -> None:
    few = write_extracts(tmp_path / "few", companies=3, months=2, seed=1)
    made = plant_faults(few.files, tmp_path / "faults", seed=1)
    assert "procol" not in few.rows and not list(tmp_path.rglob("sigfaible_pcoll.csv"))
    assert {fault.kind for fault in made.left_out} >= {"procol"}
    assert sorted(one.name for one in (*made.planted, *made.left_out)) == sorted(one.name for one in catalogue())
    assert not [path for path in (tmp_path / "faults").iterdir() if path.name.startswith("procol-")]
