"""Queries as sources: DuckDB files and a real PostgreSQL server; what goes wrong tells no password and no cell."""

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import adbc_driver_postgresql
import duckdb
import pytest
from adbc_driver_postgresql import dbapi

from support.postgresql import ESCAPED, PASSWORD, USER, Postgres, postgres
from support.readings import told
from vigie.errors import ExtractError
from vigie_node.extracts.databases import duckdb_source, is_database, postgresql_source, query_source
from vigie_node.extracts.paydex import PAYDEX_DELAYS
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import kind_of
from vigie_node.extracts.sources import TableSource, file_source
from vigie_node.extracts.workspace import Workspace

TABLE: Final = """CREATE TABLE delays (
    "SIREN" text, "NB_JOURS" numeric(8, 2), "NB_JOURS_LIB" text, "DATE_VALEUR" date, received timestamptz, tags integer[]
)"""
ROWS: Final = """INSERT INTO delays VALUES
    ('000000001', 2, '2 jours', '2018-12-15', now(), '{1}'), ('000000002', -4, NULL, '2019-01-15', now(), NULL),
    ('00000000x', 7, 'secret', '2019-02-15', now(), NULL), ('000000003', NULL, '', '2019-03-15', now(), NULL)"""
QUERY: Final = 'SELECT "SIREN", "NB_JOURS", "NB_JOURS_LIB", "DATE_VALEUR" FROM delays ORDER BY "DATE_VALEUR"'
FILE: Final = """SIREN;NB_JOURS;NB_JOURS_LIB;DATE_VALEUR
000000001;2;2 jours;15/12/2018
000000002;-4;;15/01/2019
00000000x;7;secret;15/02/2019
000000003;;;15/03/2019
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as started:
        with dbapi.connect(started.uri()) as connection, connection.cursor() as cursor:
            for statement in (TABLE, ROWS, "CREATE SEQUENCE counter", "CREATE ROLE nobody_else LOGIN PASSWORD 'x'"):
                cursor.execute(statement)
            connection.commit()
        yield started


def test_a_query_on_postgresql_is_the_same_table_and_report_as_the_file(
    server: Postgres, tmp_path: Path, workspace: Workspace
) -> None:
    (tmp_path / "a.csv").write_text(FILE)
    source = postgresql_source(server.uri(), QUERY)
    assert kind_of(source) is PAYDEX_DELAYS and source.columns() == ["SIREN", "NB_JOURS", "NB_JOURS_LIB", "DATE_VALEUR"]
    expected = told(read(PAYDEX_DELAYS, [file_source(tmp_path / "a.csv")], workspace), 1)
    assert told(read(PAYDEX_DELAYS, [source], workspace), 0) == expected
    assert expected[2] == (4, 3, 1, 0)


def test_many_rows_come_in_batches(server: Postgres, workspace: Workspace) -> None:
    query = """SELECT lpad(i::text, 9, '0') AS "SIREN", i % 90 AS "NB_JOURS", '' AS "NB_JOURS_LIB",
        date '2019-01-15' AS "DATE_VALEUR" FROM generate_series(1, 200000) i"""
    found = read(PAYDEX_DELAYS, [postgresql_source(server.uri(), query)], workspace)
    assert (found.parsed, found.valid) == (200_000, 200_000)


def test_the_address_may_stand_in_an_environment_variable(server: Postgres, tmp_path: Path) -> None:
    source = query_source("env:WAREHOUSE", QUERY, {"WAREHOUSE": server.uri()})
    assert source.name == "postgresql:postgres" and source.columns()[0] == "SIREN"
    duckdb.connect(str(tmp_path / "a.duckdb")).close()
    assert query_source("env:W", "SELECT 1", {"W": f"duckdb:{tmp_path / 'a.duckdb'}"}).name == "duckdb:a.duckdb"
    with pytest.raises(ExtractError, match="'WAREHOUSE' is empty or not set"):
        query_source("env:WAREHOUSE", QUERY, {})
    elsewhere = {"WAREHOUSE": f"mysql://{USER}:{ESCAPED}@host/database"}
    with pytest.raises(ExtractError, match="not the address of a database") as refused:
        query_source("env:WAREHOUSE", QUERY, elsewhere)
    assert ESCAPED not in whole(refused.value)


def whole(error: BaseException) -> str:
    """Everything that a log with a traceback would hold."""
    return "".join(traceback.format_exception(error)) + getattr(error, "hint", "")


def refusal(source: TableSource, workspace: Workspace) -> ExtractError:
    with pytest.raises(ExtractError) as refused:
        read(PAYDEX_DELAYS, [source], workspace)
    assert refused.value.hint
    said = whole(refused.value)
    for secret in (PASSWORD, ESCAPED, "wrong-password", "secret", "00000000x"):
        assert secret not in said
    return refused.value


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 'secret'", "42601"),
        ("SELECT 1; DROP TABLE delays", "42601"),
        ("SELECT * FROM secret", "names a table that is not there"),
        ("SELECT secret FROM delays", "names a column that is not there"),
        ("SELECT secret('secret')", "names a function"),
        ("DELETE FROM delays", "the query writes"),
        ("INSERT INTO delays SELECT * FROM delays", "the query writes"),
        ("WITH gone AS (DELETE FROM delays RETURNING *) SELECT * FROM gone", "the query writes"),
        (QUERY.replace('"NB_JOURS",', 'nextval(\'counter\') AS "NB_JOURS",'), "the query writes"),
        ('SELECT "SIREN"::integer AS "SIREN", 1 AS "NB_JOURS", 2 AS "NB_JOURS_LIB", 3 AS "DATE_VALEUR" FROM delays', "22P02"),
        (QUERY.replace('"NB_JOURS",', '1 / ("NB_JOURS" - 7) AS "NB_JOURS",'), "22012"),
        ("SELECT tags FROM delays", "column SIREN not found, aborting"),
        (QUERY.replace('"NB_JOURS_LIB"', 'tags AS "NB_JOURS_LIB"'), "'NB_JOURS_LIB' has a type that cannot be read"),
        (QUERY.replace(', "DATE_VALEUR" FROM', ', received AS "DATE_VALEUR" FROM'), "'DATE_VALEUR' has a time zone"),
        (QUERY.replace("FROM delays", "FROM delays WHERE false"), "a header and no rows"),
    ],
)  # fmt: skip
def test_what_fails_on_postgresql_is_told_without_data(
    server: Postgres, workspace: Workspace, query: str, said: str
) -> None:
    assert said in str(refusal(postgresql_source(server.uri(), query), workspace))
    with dbapi.connect(server.uri()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM delays")
        assert cursor.fetchone() == (4,)


def test_recognising_tells_the_same_failures(server: Postgres) -> None:
    with pytest.raises(ExtractError, match="names a table that is not there"):
        kind_of(postgresql_source(server.uri(), "SELECT * FROM nowhere"))


@pytest.mark.parametrize(
    ("uri", "hint"),
    [
        ("postgresql://{user}:wrong-password@127.0.0.1:{port}/postgres", "refuses this user or password"),
        ("postgresql://{user}:{escaped}@127.0.0.1:{port}/nowhere", "no such database"),
        ("postgresql://{user}:{escaped}@127.0.0.1:1/postgres", "nothing listens there"),
        ("postgresql://{user}:{escaped}@host.invalid:{port}/postgres", "no such host"),
        ("postgresql://{user}:{password}@127.0.0.1:{port}/postgres", "%2F|no such host|of the form|psql"),
        ("postgresql://{user}:{escaped}@[::1", "%2F|of the form"),
        ("postgresql://{user}:{escaped}@127.0.0.1:{port}/postgres?secret=1", "of the form"),
    ],
)
def test_a_server_that_cannot_be_reached_is_told_without_the_password(
    server: Postgres, workspace: Workspace, uri: str, hint: str
) -> None:
    address = uri.format(user=USER, escaped=ESCAPED, password=PASSWORD, port=server.port)
    error = refusal(postgresql_source(address, QUERY), workspace)
    assert "cannot connect" in str(error) and any(one in error.hint for one in hint.split("|"))


def test_a_user_without_the_right_to_read_is_told_so(server: Postgres, workspace: Workspace) -> None:
    uri = server.uri(user="nobody_else", password="x")
    assert "this user may not read" in str(refusal(postgresql_source(uri, QUERY), workspace))


def test_a_password_that_was_not_escaped_is_no_name_of_a_database() -> None:
    source = postgresql_source("postgresql://vigie:a/b@c@host/db", QUERY)
    assert source.name == "postgresql" and "a/b" not in repr(source)
    assert postgresql_source("postgresql://vigie:a@host/db?sslmode=require", QUERY).name == "postgresql:db"


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    monkeypatch.setitem(__import__("sys").modules, f"{adbc_driver_postgresql.__name__}.dbapi", None)
    monkeypatch.delattr(adbc_driver_postgresql, "dbapi")
    error = refusal(postgresql_source("postgresql://localhost/x", QUERY), workspace)
    assert "driver for PostgreSQL is not installed" in str(error) and "vigie[node]" in error.hint


# ------------------------------------------------------------------------------------------------------------- DuckDB


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLE)
        connection.execute(ROWS.replace("'{1}'", "[1]").replace("now()", "NULL"))
    return path


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 'secret'", "no SQL that DuckDB understands"),
        ("SELECT 1; DROP TABLE delays", "not one SELECT"),
        ("DELETE FROM delays", "not one SELECT"),
        ("COPY delays TO 'secret.csv'", "not one SELECT"),
        ("ATTACH 'secret.duckdb'", "not one SELECT"),
        ("SET threads = 1", "not one SELECT"),
        ("SELECT * FROM secret", "names a table"),
        ("SELECT secret FROM delays", "names a table, a column"),
        ("SELECT * FROM read_csv('/etc/passwd')", "reaches outside"),
        ("SELECT * FROM '/etc/passwd.csv'", "reaches outside"),
        ('SELECT "SIREN"::INTEGER AS "SIREN", 1 AS "NB_JOURS", 2 AS "NB_JOURS_LIB", 3 AS "DATE_VALEUR" FROM delays', "converts"),
        ("SELECT error('secret') AS x", "the query fails|column SIREN not found"),
        (QUERY.replace('"NB_JOURS_LIB"', 'tags AS "NB_JOURS_LIB"'), "'NB_JOURS_LIB' has a type that cannot be read"),
    ],
)  # fmt: skip
def test_what_fails_on_duckdb_is_told_without_data(file: Path, workspace: Workspace, query: str, said: str) -> None:
    before = file.read_bytes()
    error = refusal(duckdb_source(file, query), workspace)
    assert any(one in str(error) for one in said.split("|"))
    assert file.read_bytes() == before and sorted(one.name for one in file.parent.iterdir()) == [
        "a.duckdb",
        "workspace",
    ]


def test_a_duckdb_file_that_cannot_be_opened_is_told(tmp_path: Path, workspace: Workspace) -> None:
    assert "no such file" in str(refusal(duckdb_source(tmp_path / "absent.duckdb", "SELECT 1"), workspace))
    (tmp_path / "b.duckdb").write_bytes(b"secret" * 4096)
    error = refusal(duckdb_source(tmp_path / "b.duckdb", "SELECT 1"), workspace)
    assert "cannot be opened" in str(error) and "is it a database of DuckDB" in error.hint


def test_addresses_are_told_from_paths() -> None:
    assert all(map(is_database, ("duckdb:a", "postgresql://h/d", "postgres://h/d", "env:X")))
    assert not any(map(is_database, ("a.duckdb", "./postgresql", "-", "environment")))
