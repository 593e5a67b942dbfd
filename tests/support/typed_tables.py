"""Typed tables of extracts as a reader leaves them, filled from a few rows that a test writes down."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.workspace import Workspace
from vigie_node.findings import Findings

Rows = Sequence[Mapping[str, Any]]


def typed(workspace: Workspace, name: str, rows: Rows) -> Reading:
    """The typed table of a kind with these rows, one per line; columns that a row does not name are null.

    Rows of a kind with lists are those of its stored table.
    """
    kind = KINDS[name]
    reading = empty(workspace, kind)
    names = ["file", "line", *kind.stored()]
    one = f"({', '.join('?' for _ in names)})"
    cells: list[Any] = []
    for line, row in enumerate(rows, start=2):
        assert set(row) <= set(names), f"no such column: {sorted(set(row) - set(names))}"
        whole = {"file": 0, "line": line} | dict(row)
        cells += [whole.get(name) for name in names]
    if rows:
        workspace.connection.execute(f'INSERT INTO "{kind.store}" VALUES {", ".join([one] * len(rows))}', cells)
    return counted(reading, len(rows))


def selected(workspace: Workspace, name: str, select: str) -> Reading:
    """The typed table of a kind with the rows of a query, which names columns of the stored table."""
    kind = KINDS[name]
    reading = empty(workspace, kind)
    numbered = f"SELECT 0 AS file, row_number() OVER () + 1 AS line, * FROM ({select})"
    workspace.connection.execute(f'INSERT INTO "{kind.store}" BY NAME {numbered}')
    ((rows,),) = workspace.connection.execute(f'SELECT count(*) FROM "{kind.store}"').fetchall()
    return counted(reading, rows)


def empty(workspace: Workspace, kind: Kind) -> Reading:
    """The typed table of a kind without rows."""
    columns = ", ".join(f'"{name}" {sql_type}' for name, sql_type in kind.stored().items())
    workspace.connection.execute(f'CREATE OR REPLACE TABLE "{kind.store}" (file SMALLINT, line BIGINT, {columns})')
    if kind.unnested:
        workspace.connection.execute(f'CREATE OR REPLACE VIEW "{kind.name}" AS {kind.shown()}')
    files = [f"{kind.name}.csv"]
    return Reading(kind, workspace.connection, Findings(workspace.connection, kind.name), files=files)


def counted(reading: Reading, rows: int) -> Reading:
    """The reading with so many valid rows."""
    reading.parsed = reading.valid = rows
    return reading


def all_rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    """Every row of a table, sorted."""
    return connection.execute(f'SELECT * FROM "{table}" ORDER BY ALL').fetchall()
