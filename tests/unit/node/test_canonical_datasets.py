"""Every built-in dataset, as a canonical file of text: a whole row and an empty one are valid, and can be made a lot."""

from pathlib import Path

import pyarrow as pa
import pytest

from vigie.datasets import BUILT_IN, Column, ColumnType, Dataset
from vigie_node.extracts.canonical import check
from vigie_node.lot import PseudonymisedRows

SIRENS = ("012345678", "987654321")
PSEUDONYMS = pa.table({"siren": SIRENS, "pseudonym": pa.array([bytes(16), b"\xff" * 16], pa.binary(16))})


def cell(column: Column) -> str:
    """A plausible value as text."""
    if column.categories:
        return column.categories[-1]
    if column.type in (ColumnType.MONTH, ColumnType.DATE):
        return "2020-03-01"
    if column.type is ColumnType.BOOLEAN:
        return "true"
    value = (column.minimum or 0.0) + 1.0 if column.maximum != 1.0 else 0.5
    return f"{value:.0f}" if column.type is ColumnType.INTEGER else str(value)


def write(folder: Path, one: Dataset, *rows: list[str]) -> Path:
    path = folder / f"{one.name}.csv"
    path.write_text("\n".join(",".join(row) for row in (["siren", *one.names], *rows)) + "\n")
    return path


@pytest.mark.parametrize("one", BUILT_IN.values(), ids=BUILT_IN)
def test_a_whole_row_and_an_empty_one_are_valid_and_become_a_lot(tmp_path: Path, one: Dataset) -> None:
    whole = [SIRENS[0], *map(cell, one.columns)]
    empty = [SIRENS[1], *("" if column.nullable else cell(column) for column in one.columns)]
    checked = check(write(tmp_path, one, whole, empty), one)
    assert (checked.report.parsed, checked.report.valid) == (2, 2)
    assert not checked.report.rules
    assert set(checked.report.warnings) == {"siren_check_digit"}
    rows = PseudonymisedRows(checked, PSEUDONYMS, 4)
    first, last = rows.bucket(0), rows.bucket(3)
    assert first.schema.equals(last.schema) and first.schema.names == ["pseudonym", *one.names]
    assert all(value is not None for value in first.to_pylist()[0].values())
    assert [name for name, value in last.to_pylist()[0].items() if value is None] == [
        column.name for column in one.columns if column.nullable
    ]
    assert len(rows.digest(lambda _done, _total: None)) == 32
    checked.connection.close()


@pytest.mark.parametrize("one", BUILT_IN.values(), ids=BUILT_IN)
def test_a_wrong_cell_is_rejected_in_its_own_column(tmp_path: Path, one: Dataset) -> None:
    rows = []
    for place, _ in enumerate(one.columns, start=1):
        rows.append([f"{place:09d}", *map(cell, one.columns)])
        rows[-1][place] = "wrong"
    checked = check(write(tmp_path, one, *rows), one)
    assert checked.report.valid == 0
    places = [(finding.line, finding.column) for finding in checked.report.rejections]
    assert places == [(line, column.name) for line, column in enumerate(one.columns, start=2)]
    checked.connection.close()
