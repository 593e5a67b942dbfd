"""Reports: every rejection with its place, nothing of a cell, one page that opens without a network."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.datasets import BUILT_IN
from vigie.errors import StateError
from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.reading import read
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace
from vigie_node.findings import shape_sql
from vigie_node.quality import Profile, Report, compare, profile_of, shape_of, write_json, write_page

HEADER = (
    "Siret;num_cpte;Etat_cpte;Cd_pro_col;Periode;Num_Ecn;Num_Hist_Ecn;Dt_trt_ecn;Mt_PO;Mt_PP;Cd_op_ecn;Motif_ecn;"
    "Recours_en_cours"
)
ROW = "73282932000074;111982477292496174;1;0;201712;101;1;1160318;195907;864497;2;1;0"


def debits(folder: Path, *rows: str) -> Path:
    path = folder / "sigfaible_debits.csv"
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def test_a_saved_report_lists_every_rejection_and_no_cell(tmp_path: Path) -> None:
    secret = "SECRETNAME"
    bad = [ROW.replace("201712", f"{secret}{number}") for number in range(15_000)]
    with Workspace(tmp_path / "scratch") as workspace:
        report = Report.of_reading(read(DEBIT, [file_source(debits(tmp_path, ROW, *bad))], workspace))
        text, page = io.StringIO(), io.StringIO()
        write_json([report], text)
        write_page([report], page)
    (found,) = json.loads(text.getvalue())
    assert (found["lines_parsed"], found["lines_valid"], found["lines_rejected"]) == (15_001, 1, 15_000)
    assert found["rules"] == {"not_urssaf_period:Periode": 15_000}
    assert [one["line"] for one in found["rejections"]] == list(range(3, 15_003))
    assert {one["column"] for one in found["rejections"]} == {"Periode"}
    assert found["summary"].endswith(
        "15001 lignes traitées, 0 erreurs fatales, 15000 lignes rejetées, 0 lignes filtrées, 1 lignes valides"
    )
    for written in (text.getvalue(), page.getvalue()):
        assert secret not in written and "73282932" not in written
    assert "14000 more are in the JSON report" in page.getvalue()


def test_a_report_without_rejections_is_json_too() -> None:
    text = io.StringIO()
    write_json([Report("debts", ("a.csv",)), Report("headcount")], text)
    assert [one["rejections"] for one in json.loads(text.getvalue())] == [[], []]
    text = io.StringIO()
    write_json([], text)
    assert json.loads(text.getvalue()) == []


def test_the_page_is_well_formed_loads_nothing_and_escapes(tmp_path: Path) -> None:
    report = Report("debts", ("<script>alert(1)</script>.csv",), parsed=1, valid=1, notes=["a & b"])
    page = io.StringIO()
    write_page([report], page)
    assert "<script" not in page.getvalue() and "a &amp; b" in page.getvalue()
    assert not re.search(r"( src=|href=|url\(|@import|https?:)", page.getvalue())
    opened: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            opened.extend([tag] if tag not in ("meta", "br") else [])

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Balance().feed(page.getvalue())
    assert not opened


@given(st.text(max_size=40))
def test_the_shape_of_a_cell_keeps_no_letter_and_no_digit_and_is_the_same_in_sql(text: str) -> None:
    shape = shape_of(text)
    assert not re.search(r"[0-8]|[b-zB-Z]", shape.replace("9", "").replace("a", ""))
    text = re.sub(r"[^ -~éàçÉ’€]", "", text)
    ((found,),) = duckdb.execute(f"SELECT {shape_sql('x')} FROM (SELECT CAST(? AS VARCHAR) AS x)", [text]).fetchall()
    assert found == shape_of(text)


def table(connection: duckdb.DuckDBPyConnection, name: str, rows: str) -> Profile:
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM ({rows}) t(siren, month, employee_share, employer_share)")
    return profile_of(BUILT_IN["debts"], connection, name, "2021-04")


MANY = (
    "SELECT lpad(CAST(n AS VARCHAR), 9, '0'), DATE '2021-04-01', CAST(n % 100 AS DOUBLE), "
    "CASE WHEN n % 2 = 0 THEN CAST(n % 100 AS DOUBLE) END FROM range(1000) t(n)"
)


def test_a_delivery_like_the_last_one_gets_no_note() -> None:
    connection = duckdb.connect()
    last, report = table(connection, "a", MANY), Report("debts")
    now = table(connection, "b", MANY)
    compare(report, now, last, connection, "b")
    assert not report.notes and not report.warnings
    assert Profile.decode(last.encode()) == last
    assert (last.rows, last.companies, last.last, last.columns[2].empty) == (1000, 1000, "2021-04-01", 0.5)


def test_what_differs_from_the_last_lot_is_told() -> None:
    connection = duckdb.connect()
    last, report = table(connection, "a", MANY), Report("debts")
    other = MANY.replace("2021-04", "2020-10").replace("range(1000)", "range(500)").replace("n % 2", "n % 20")
    now = table(
        connection, "b", other.replace("CAST(n % 100 AS DOUBLE),", "CAST(if(n < 7, 1000000, n % 100) AS DOUBLE),")
    )
    compare(report, now, last, connection, "b")
    assert report.warnings == {"outlier:employee_share": 7}
    said = " | ".join(report.notes)
    for words in (
        "-50% rows",
        "-50% companies",
        "6 months before 2021-04",
        "older than that",
        "employer_share is empty in 95%",
    ):
        assert words in said


def test_a_profile_that_cannot_be_read_is_our_error() -> None:
    for data in (b"", b"[]", b"{}", b'{"columns": [{}]}', b'{"columns": 1}'):
        with pytest.raises(StateError):
            Profile.decode(data)
