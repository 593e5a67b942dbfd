"""Rows handed to the database: exchanged under one view, and let go although the transaction is still open."""

import gc
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.reading import read
from vigie_node.extracts.sources import TextSource
from vigie_node.extracts.workspace import Workspace
from vigie_node.handing import Handed


def rows(text: str, count: int = 10) -> pa.Table:
    return pa.table({"cell": pa.array([text] * count)})


def test_a_view_shows_the_rows_that_it_was_last_given() -> None:
    with duckdb.connect() as connection:
        handed = Handed(connection, "given")
        for text in ("a", "b"):
            handed.show(rows(text))
            assert connection.execute("SELECT DISTINCT cell FROM given").fetchall() == [(text,)]
        handed.show(pa.table({"other": pa.array([1, 2])}))
        assert connection.execute("SELECT sum(other) FROM given").fetchall() == [(3,)]


def test_what_was_let_go_is_not_shown_and_what_was_removed_is_no_view() -> None:
    with duckdb.connect() as connection:
        handed = Handed(connection, "given")
        handed.show(rows("a"))
        handed.release()
        with pytest.raises((duckdb.Error, RuntimeError)):
            connection.execute("SELECT * FROM given").fetchall()
        handed.remove()
        handed.remove()
        with pytest.raises(duckdb.CatalogException):
            connection.execute("SELECT * FROM given")


def test_rows_let_go_do_not_stay_in_memory_until_the_transaction_ends() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE kept (length BIGINT)")
        handed = Handed(connection, "given")
        connection.begin()
        before = pa.total_allocated_bytes()
        for at in range(8):
            handed.show(rows(str(at) * 1000, 4000))
            connection.execute("INSERT INTO kept SELECT length(cell) FROM given")
            handed.release()
        gc.collect()
        assert pa.total_allocated_bytes() - before < 2 * 4000 * 1000
        connection.commit()
        assert connection.execute("SELECT count(*) FROM kept").fetchall() == [(32_000,)]


def test_reading_leaves_no_view_of_blocks_behind(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text(
        "num_cpte;Siret;Etat_cpte;Cd_pro_col;Periode;Num_Ecn;Num_Hist_Ecn;Dt_trt_ecn;Mt_PO;Mt_PP;Cd_op_ecn;Motif_ecn;"
        "Recours_en_cours\n1;35586768000017;1;0;201943;101;1;1200115;231990;358397;1;24;0\n"
    )
    with Workspace(tmp_path / "scratch") as workspace:
        assert read(DEBIT, [TextSource("d.csv", lambda: path.open("rb"))], workspace).valid == 1
        for view in ("block", "repeated"):
            with pytest.raises(duckdb.CatalogException):
                workspace.connection.execute(f"SELECT * FROM {view}")
