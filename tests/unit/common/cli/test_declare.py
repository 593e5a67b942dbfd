"""``vigie convention declare-dataset``: a table's header as a declared dataset, and the table as the node reads it."""

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from vigie.cli import convention
from vigie.convention.declaring import declaration, identifiers
from vigie.datasets import Column, ColumnType, Dataset
from vigie.errors import InputError
from vigie_node.extracts.canonical import check

TABLE = pa.table(
    {
        "siren": ["005520135", "732829320"],
        "Bankrupt?": pa.array([1, None], pa.int64()),
        "Cash Reinvestment %": [1e10, -0.125],
        "Net Income to Stockholder's Equity": [None, 0.1],
        "1st year": [1, 2],
        "Été": [True, None],
    }
)
NAMES = ["bankrupt", "cash_reinvestment_percent", "net_income_to_stockholder_s_equity", "c_1st_year", "ete"]


def run(*argv: str) -> Any:
    return CliRunner().invoke(convention.app, ["declare-dataset", *argv])


def built(data: dict[str, Any]) -> Dataset:
    columns = [
        Column(
            one["name"], ColumnType(one["type"]), one["unit"], frozenset([one["label"]] if isinstance(one["label"], str) else one["label"]),
            one.get("meaning_fr", ""), one.get("meaning_en", ""), position=one.get("position"),
        )
        for one in data["column"]
    ]  # fmt: skip
    return Dataset.declared(data["name"], data["schema"], data["grain"], data["time"], columns)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_is_declared_and_made_ready(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"study.{suffix}"
    if suffix == "parquet":
        pq.write_table(TABLE, path)
    else:
        pa_csv.write_csv(TABLE, path)
    found = run(
        str(path), "--name", "panel", "--owner", "acoss", "--label", "urssaf", "--period", "2021-04",
        "--canonical", str(tmp_path / "out"),
    )  # fmt: skip
    assert found.exit_code == 0, found.output
    (made,) = tomllib.loads(found.stdout)["dataset"]
    dataset = built(made)
    assert list(dataset.names) == ["month", *NAMES]
    assert [str(one.type) for one in dataset.columns] == ["month", "integer", "number", "number", "integer", "boolean"]
    assert [one.position for one in dataset.columns] == [None, 1, 2, 3, 4, 5]
    assert dataset.column("cash_reinvestment_percent").meaning_en == "Cash Reinvestment %"
    checked = check(tmp_path / "out" / "panel.parquet", dataset)
    assert (checked.report.rejected, checked.report.rows) == (0, 2)
    rows = checked.connection.sql("SELECT * FROM valid ORDER BY siren").fetchall()
    checked.connection.close()
    assert rows[0] == ("005520135", date(2021, 4, 1), 1, 1e10, None, 1, True)


@pytest.mark.parametrize(
    ("changed", "argv", "message"),
    [
        ({"siren": [5520135, 732829320]}, ["--period", "2021-04"], "no column 'siren' of text"),
        ({"Cash Reinvestment %": pa.array([1.0, 2.0], pa.float32())}, ["--period", "2021-04"], "single precision"),
        ({"Été": ["a", "b"]}, ["--period", "2021-04"], "no free text crosses"),
        ({}, [], "when is a row?"),
        ({}, ["--period", "2021-13"], "is not a month"),
        ({}, ["--time", "nothing"], "has no column 'nothing'"),
        ({}, ["--time", "Été"], "no date"),
        ({}, ["--period", "2021-04", "--label", "nobody"], "there is no label"),
    ],
)
def test_what_cannot_be_sent_is_told_before_anybody_signs(
    tmp_path: Path, changed: dict[str, Any], argv: list[str], message: str
) -> None:
    path = tmp_path / "study.parquet"
    pq.write_table(pa.table({**dict(zip(TABLE.column_names, TABLE.columns, strict=True)), **changed}), path)
    found = run(str(path), "--name", "panel", "--owner", "acoss", *argv, "--canonical", str(tmp_path / "out"))
    assert isinstance(found.exception, InputError)
    assert message in str(found.exception)
    assert not (tmp_path / "out").exists()


def test_a_column_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "study.parquet"
    pq.write_table(TABLE, path)
    found = run(str(path), "--name", "panel", "--owner", "acoss", "--leave-out", "Bankrupt?", "--leave-out", "Été")
    names = [one["name"] for one in tomllib.loads(found.stdout)["dataset"][0]["column"]]
    assert names == ["month", *NAMES[1:-1]]


@given(st.lists(st.text(max_size=90), max_size=12, unique=True))
def test_any_header_can_be_declared(names: list[str]) -> None:
    found = identifiers(names, ["month"])
    assert len(set(found)) == len(names)
    schema = pa.schema([pa.field(name.encode("utf-8", "replace").decode(), pa.float64()) for name in names])
    assert built(declaration(schema, name="p", owner="acoss", labels=[], unit="1")).names[0] == "month"
