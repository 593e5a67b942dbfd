"""Canonical files: what is read, what is rejected with its place, what refuses the file as a whole."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.datasets import BUILT_IN
from vigie.errors import ExtractError
from vigie_node.extracts.canonical import check
from vigie_node.quality import shape_of

DEBTS = BUILT_IN["debts"]
HEADER = "siren,month,employee_share,employer_share\n"
DEMO = Path(__file__).parents[2] / "data" / "demo"


def csv(tmp_path: Path, text: str, name: str = "debts.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", sorted(DEMO.glob("*/*.parquet")), ids=lambda path: path.stem)
def test_demo_files_are_valid_row_by_row(path: Path) -> None:
    report = check(path, BUILT_IN[path.stem]).report
    assert report.parsed == report.valid == pq.read_metadata(path).num_rows
    assert not report.rules


def test_every_rejection_has_its_place_and_no_content(tmp_path: Path) -> None:
    lines = [
        "012345678,2020-01-01,1.5,",
        "12345678,2020-01-01,1,2",
        "012345678,2020-01-01,1.5,",
        "012345678,2020-02-02,x,2",
        "987654321,2020-03-01,7654.25,nan",
        "111111111,2020-03-01,1,2",
        "111111111,2020-03-01,1,3",
        ",,,",
    ]
    report = check(csv(tmp_path, HEADER + "\n".join(lines) + "\n"), DEBTS).report
    places = [(one.line, one.column, one.rule) for one in report.rejections]
    assert places == [
        (3, "siren", "siren_form"),
        (5, "month", "not_first_of_month"),
        (6, "employer_share", "not_finite"),
        (7, "", "repeated_key"),
        (8, "", "repeated_key"),
        (9, "siren", "siren_missing"),
    ]
    assert (report.parsed, report.valid, report.rejected, report.skipped) == (8, 1, 6, 1)
    assert report.parsed == report.valid + report.rejected + report.skipped
    said = str(report.to_json())
    assert not any(content in said for content in ("12345678", "987654321", "7654.25"))


def test_leading_zeros_are_kept(tmp_path: Path) -> None:
    checked = check(csv(tmp_path, HEADER + "012345678,2020-01-01,1,2\n"), DEBTS)
    assert checked.sirens().to_pylist() == ["012345678"]


def test_zero_is_a_value_and_empty_is_none(tmp_path: Path) -> None:
    checked = check(csv(tmp_path, HEADER + "012345678,2020-01-01,0,\n"), DEBTS)
    assert checked.connection.sql("SELECT employee_share, employer_share FROM valid").fetchall() == [(0.0, None)]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "empty"),
        (HEADER, "no rows"),
        ("siren;month;employee_share;employer_share\n", "';'"),
        ("siren,month,employee_share\n", "'employer_share' not found"),
        ("siren,month,employee_share,employer_share,name\n", "outside the schema"),
        ("siren,month,month,employee_share,employer_share\n", "twice"),
        (HEADER + "1,2\n", "cannot be read"),
        (HEADER + '"1,2,3,4\n', "cannot be read"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused_with_a_hint(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ExtractError, match=said) as caught:
        check(csv(tmp_path, text), DEBTS)
    assert caught.value.hint


def parquet(tmp_path: Path, **columns: pa.Array) -> Path:
    table = {
        "siren": pa.array(["012345678"]),
        "month": pa.array([date(2020, 1, 1)]),
        "employee_share": pa.array([1.0]),
        "employer_share": pa.array([2.0]),
        **columns,
    }
    pq.write_table(pa.table(table), tmp_path / "debts.parquet")
    return tmp_path / "debts.parquet"


def test_parquet_is_read_by_name(tmp_path: Path) -> None:
    assert check(parquet(tmp_path), DEBTS).report.valid == 1


@pytest.mark.parametrize(
    "name, cells",
    [
        ("siren", pa.array([12345678])),
        ("employee_share", pa.array([1.0], pa.float32())),
        ("employee_share", pa.array(["1.0"])),
        ("month", pa.array([202001])),
    ],
)
def test_parquet_of_other_types_is_refused_never_converted(tmp_path: Path, name: str, cells: pa.Array) -> None:
    with pytest.raises(ExtractError, match=name):
        check(parquet(tmp_path, **{name: cells}), DEBTS)


def test_a_cut_off_parquet_file_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ExtractError, match="Parquet"):
        check(path, DEBTS)


def test_unknown_category_is_rejected_with_its_column(tmp_path: Path) -> None:
    plans = BUILT_IN["payment_plans"]
    good = "012345678,2020-01-01,2020-06-01,150,10,ccsf,approved\n"
    bad = "012345678,2020-01-02,2020-06-01,150,10,unheard,approved\n"
    header = ",".join(["siren", *plans.names]) + "\n"
    report = check(csv(tmp_path, header + good + bad, "payment_plans.csv"), plans).report
    assert (report.valid, report.rules["category_unknown:action"]) == (1, 1)


def test_a_check_digit_that_fails_is_a_warning_only(tmp_path: Path) -> None:
    report = check(csv(tmp_path, HEADER + "012345678,2020-01-01,1,2\n732829320,2020-01-01,1,2\n"), DEBTS).report
    assert (report.valid, report.warnings["siren_check_digit"]) == (2, 1)


@given(st.binary(max_size=300))
def test_no_input_escapes_as_anything_but_our_own_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for name in ("debts.csv", "debts.parquet"):
        (folder / name).write_bytes(HEADER.encode() + data if name.endswith("csv") else data)
        try:
            report = check(folder / name, DEBTS).report
        except ExtractError:
            continue
        assert report.parsed == report.valid + report.rejected + report.skipped


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_a_shape_shows_no_letter_or_digit_of_the_cell(cell: str) -> None:
    assert (
        not {character for character in shape_of(cell) if character.isalnum()}
        - {"9", "a"}
        - {character for character in cell if character.isnumeric() and not character.isdigit()}
    )
