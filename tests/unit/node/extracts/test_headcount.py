"""Traps of headcount files (reference section 1.8)."""

import re
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.readings import places, read_lines, text_source, values
from vigie.errors import ExtractError, VigieError
from vigie_node.extracts.headcount import EFFECTIF, EFFECTIF_ENT, last_delivered_month, month_of
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import kind_of
from vigie_node.extracts.sources import parquet_source
from vigie_node.extracts.workspace import Workspace

HEADER = "compte;siret;rais_soc;ape_ins;dep;eff201711;eff201712;eff201713;base;UR_EMET"
SIRET = "73282932000074"


def line(*cells: str, siret: str = SIRET) -> str:
    return f"951406823818346903;{siret};nom;1086e;23;{';'.join(cells)};733;965"


def test_months_come_from_the_names_of_columns(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("5", "6", "7"))
    assert values(reading, "siret, account, month, headcount", "month") == [
        (SIRET, "951406823818346903", date(2017, 1, 1), 5),
        (SIRET, "951406823818346903", date(2017, 2, 1), 6),
        (SIRET, "951406823818346903", date(2017, 3, 1), 7),
    ]


def test_zero_is_a_headcount_and_an_empty_cell_is_none(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("0", "", "000"))
    assert values(reading, "month, headcount", "month") == [(date(2017, 1, 1), 0), (date(2017, 3, 1), 0)]
    assert (reading.parsed, reading.valid) == (1, 1)


@pytest.mark.parametrize(
    "cell, number", [("089", 89), ("1 234", 1234), ("12 345 678", 12345678), ("1\u00a0234", 1234), (" 7 ", 7)]
)
def test_leading_zeros_and_spaces_between_thousands_are_read(cell: str, number: int, workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line(cell, "", ""))
    assert values(reading, "headcount") == [(number,)]


@pytest.mark.parametrize(
    "cell, shape",
    [("1.5", "9.9"), ("-5", "-9"), ("1,5", "9,9"), ("12 34", "99 99"), ("0x1F", "9a9a"), ("abc", "aaa"), ("+5", "+9")],
)
def test_what_the_real_system_would_strip_to_another_number_rejects_its_line(
    cell: str, shape: str, workspace: Workspace
) -> None:
    """There, every character that is no digit goes, so that 1.5 becomes 15 and -5 becomes 5."""
    reading = read_lines(workspace, EFFECTIF, HEADER, line("1", "2", "3"), line("4", cell, "6"), line("7", "8", "9"))
    assert places(reading) == [(3, "eff201712", "not_natural", shape)]
    assert (reading.parsed, reading.valid, reading.rejected, reading.skipped) == (3, 2, 1, 0)
    assert values(reading, "line, headcount", "line, month") == [(2, 1), (2, 2), (2, 3), (4, 7), (4, 8), (4, 9)]


def test_a_line_counts_once_and_shows_its_first_wrong_cell(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("-1", "x", "1.5"))
    assert places(reading) == [(2, "eff201711", "not_natural", "-9")]


def test_a_departement_is_never_a_headcount(workspace: Workspace) -> None:
    """prepare-import issue 49: cells were counted from the right, and the département fell among them."""
    header = "compte;siret;eff201711;dep;eff_dep;effectif;eff20171;eff201712"
    reading = read_lines(workspace, EFFECTIF, header, f"1;{SIRET};4;75;76;77;78;5")
    assert values(reading, "month, headcount", "month") == [(date(2017, 1, 1), 4), (date(2017, 2, 1), 5)]
    assert reading.extra == ["dep", "eff_dep", "effectif", "eff20171"]


@pytest.mark.parametrize("name", ["eff201710", "eff201762", "eff201753", "eff201704", "eff301711"])
def test_a_column_that_is_no_month_refuses_the_file(name: str, workspace: Workspace) -> None:
    with pytest.raises(ExtractError, match=f"extract.csv: line 1: column {name} is no month"):
        read_lines(workspace, EFFECTIF, f"compte;siret;eff201711;{name}", f"1;{SIRET};4;5")


def test_a_file_without_months_is_no_file_of_headcounts(workspace: Workspace) -> None:
    with pytest.raises(ExtractError, match="column effYYYYQM not found, aborting"):
        read_lines(workspace, EFFECTIF, "compte;siret;dep", f"1;{SIRET};75")


def test_a_month_that_stands_twice_refuses_the_file(workspace: Workspace) -> None:
    with pytest.raises(ExtractError, match="stands twice"):
        read_lines(workspace, EFFECTIF, "compte;siret;eff201711;EFF201711", f"1;{SIRET};4;5")


def test_months_at_the_end_that_no_line_fills_are_not_delivered(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("5", "6", ""), line("5", "", ""))
    assert last_delivered_month(reading) == date(2017, 2, 1)


def test_without_any_headcount_there_is_no_last_month(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("", "", ""))
    assert last_delivered_month(reading) is None
    assert (reading.parsed, reading.valid) == (1, 1)


def test_a_blank_siret_is_told_even_when_no_month_is_filled(workspace: Workspace) -> None:
    """prepare-import issue 56."""
    reading = read_lines(workspace, EFFECTIF, HEADER, line("", "", "", siret=""), line("1", "", "", siret="123"))
    assert places(reading) == [(2, "siret", "empty", "(empty)"), (3, "siret", "not_siret", "999")]


def test_a_provisional_siret_is_skipped(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("5", "", "", siret="UR117P00000001"), line("6", "", ""))
    assert (reading.valid, reading.rejected, reading.skipped) == (1, 0, 1)
    assert reading.rules == {("provisional_siret", "siret"): 1}


def test_odd_identifiers_are_counted_by_line(workspace: Workspace) -> None:
    reading = read_lines(workspace, EFFECTIF, HEADER, line("5", "6", "7", siret="73282932070007"), line("1", "", ""))
    assert reading.warnings == {"siret_check_digit:siret": 1, "pseudo_siret:siret": 1}


def test_the_perimeter_is_that_of_companies(workspace: Workspace) -> None:
    workspace.connection.execute("CREATE OR REPLACE TABLE kept AS SELECT '732829320' AS siren")
    reading = read_lines(
        workspace, EFFECTIF, HEADER, line("5", "6", "7"), line("1", "2", "3", siret="12345678900011"), perimeter="kept"
    )
    assert (reading.parsed, reading.valid, reading.skipped) == (2, 1, 1)
    assert values(reading, "headcount", "month") == [(5,), (6,), (7,)]


def test_both_layouts_of_companies_are_read_and_duplicates_kept(workspace: Workspace) -> None:
    """prepare-import issue 50: a SIREN stands once for each of its accounts; to add or to choose is not for a reader."""
    new = read_lines(workspace, EFFECTIF_ENT, "siren;eff201711;rais_soc", "732829320;5;nom", "732829320;7;nom")
    assert (new.layouts, values(new, "siren, headcount")) == (["2026"], [("732829320", 5), ("732829320", 7)])
    old = read_lines(workspace, EFFECTIF_ENT, "compte;siren;dep;eff201711", "1;732829320;75;5")
    assert (old.layouts, values(old, "siren, account, headcount")) == (["legacy"], [("732829320", "1", 5)])


def test_two_files_with_other_months_are_read_together(workspace: Workspace) -> None:
    sources = [
        text_source(f"compte;siret;{months}\n1;{SIRET};{cells}\n")
        for months, cells in (("eff201711;eff201712", "1;2"), ("eff201713", "3"))
    ]
    reading = read(EFFECTIF, sources, workspace)
    assert values(reading, "file, month, headcount", "month") == [
        (0, date(2017, 1, 1), 1), (0, date(2017, 2, 1), 2), (1, date(2017, 3, 1), 3)
    ]  # fmt: skip


def test_a_table_of_a_warehouse_is_read_alike(workspace: Workspace, tmp_path: Path) -> None:
    """Whole numbers as decimals are whole; a fraction and a negative number reject their line."""
    table = pa.table(
        {
            "compte": ["1", "2", "3"],
            "siret": [SIRET, SIRET, SIRET],
            "eff201711": pa.array([5.0, 1.5, None], pa.float64()),
            "eff201712": pa.array([6, 7, -1], pa.int32()),
        }
    )
    pq.write_table(table, tmp_path / "effectif.parquet")
    reading = read(EFFECTIF, [parquet_source(tmp_path / "effectif.parquet")], workspace)
    assert values(reading, "line, headcount", "month") == [(1, 5), (1, 6)]
    assert [one[:3] for one in places(reading)] == [(2, "eff201711", "not_natural"), (3, "eff201712", "not_natural")]


def test_a_column_of_lists_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    pq.write_table(pa.table({"compte": ["1"], "siret": [SIRET], "eff201711": [[1, 2]]}), tmp_path / "effectif.parquet")
    with pytest.raises(ExtractError, match="column 'eff201711' has a type that cannot be read"):
        read(EFFECTIF, [parquet_source(tmp_path / "effectif.parquet")], workspace)


def test_files_are_told_apart_by_their_headers() -> None:
    assert kind_of(text_source(f"{HEADER}\n")) is EFFECTIF
    assert kind_of(text_source("siren;eff201711;rais_soc\n")) is EFFECTIF_ENT
    with pytest.raises(ExtractError, match="not an extract"):
        kind_of(text_source("siren;dep\n"))


@pytest.mark.parametrize(
    "name, month",
    [
        ("eff201011", date(2010, 1, 1)),
        ("EFF201712", date(2017, 2, 1)),
        ("eff201631", date(2016, 7, 1)),
        ("eff201743", date(2017, 12, 1)),
        ("eff201744", None),
        ("eff2017111", None),
        ("base", None),
    ],
)
def test_the_month_of_a_column(name: str, month: date | None) -> None:
    assert month_of(name) == month


def twin(cell: str) -> int | None:
    """A headcount, None for an empty cell; raises ValueError for what is none."""
    cell = cell.strip(" \t")
    if not cell:
        return None
    if re.fullmatch("[0-9]{1,3}([ \u00a0\u202f][0-9]{3})+|[0-9]{1,15}", cell):
        return int(re.sub("[^0-9]", "", cell))
    raise ValueError


CELLS = st.one_of(
    st.integers(0, 10**16).map(str),
    st.from_regex(r"[ 0-9.,xXeE+-]{0,8}", fullmatch=True),
    st.text(st.characters(exclude_characters=';"\r\n\x00', exclude_categories=["Cs"]), max_size=5),
)


@settings(max_examples=40)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_lines_agree_with_a_plain_twin(rows: list[tuple[str, str]], lasting: Workspace) -> None:
    reading = read_lines(
        lasting, EFFECTIF_ENT, "siren;eff201711;eff201712", *(f"732829320;{one};{two}" for one, two in rows)
    )
    expected, rejected = [], []
    for number, row in enumerate(rows, start=2):
        try:
            cells = [twin(cell) for cell in row]
        except ValueError:
            rejected.append(number)
            continue
        expected += [(number, month, cell) for month, cell in enumerate(cells, start=1) if cell is not None]
    assert values(reading, "line, month(month), headcount", "line, month") == expected
    assert [one[0] for one in places(reading)] == rejected
    assert reading.parsed == len(rows) == reading.valid + reading.rejected


@settings(max_examples=60)
@given(data=st.one_of(st.binary(max_size=200), st.binary(max_size=80).map(lambda tail: f"{HEADER}\n".encode() + tail)))
def test_no_bytes_escape_as_anything_but_our_own_error(data: bytes, lasting: Workspace) -> None:
    try:
        reading = read(EFFECTIF, [text_source(data)], lasting)
    except VigieError:
        return
    assert reading.parsed == reading.valid + reading.rejected + reading.skipped
