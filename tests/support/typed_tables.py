"""Typed tables of extracts as a reader leaves them, filled from a few rows that a test writes down."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb

from vigie_node.extracts.kind import Derived, Kind
from vigie_node.extracts.reading import Reading
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.workspace import Workspace
from vigie_node.findings import Findings

COLUMNS: Final[Mapping[str, str]] = {
    "cotisation": "siret VARCHAR, account VARCHAR, period_start DATE, period_stop DATE, paid DECIMAL(18, 4), due DECIMAL(18, 4)",
    "delai": "siret VARCHAR, account VARCHAR, created DATE, due DATE, duration_days BIGINT, amount DECIMAL(18, 4), "
    "stage VARCHAR, action VARCHAR",
    "ccsf": "siret VARCHAR, account VARCHAR, treated DATE, stage VARCHAR, action VARCHAR",
    "procol": "siret VARCHAR, effective_date DATE, action VARCHAR, stage VARCHAR",
}


def kind_named(name: str) -> Kind:
    if name in KINDS:
        return KINDS[name]
    if name in ("effectif", "effectif_ent"):
        from vigie_node.extracts import headcount

        return headcount.EFFECTIF if name == "effectif" else headcount.EFFECTIF_ENT
    pairs = (one.strip().split(" ", 1) for one in re.split(r", (?![0-9])", COLUMNS[name]))
    return Kind(name, name, name, "", (), (), tuple(Derived(one, sql_type, "") for one, sql_type in pairs))


Rows = Sequence[Mapping[str, Any]]


def typed(workspace: Workspace, name: str, rows: Rows) -> Reading:
    """The typed table of a kind with these rows, one per line; columns that a row does not name are null."""
    kind = kind_named(name)
    reading = empty(workspace, kind)
    names = ["file", "line", *kind.columns()]
    places = ", ".join("?" for _ in names)
    for line, row in enumerate(rows, start=2):
        assert set(row) <= set(names), f"no such column: {sorted(set(row) - set(names))}"
        cells = {"file": 0, "line": line} | dict(row)
        workspace.connection.execute(
            f"INSERT INTO {reading.table} VALUES ({places})", [cells.get(one) for one in names]
        )
    return counted(reading, len(rows))


def selected(workspace: Workspace, name: str, select: str) -> Reading:
    """The typed table of a kind with the rows of a query, which names its columns."""
    reading = empty(workspace, kind_named(name))
    numbered = f"SELECT 0 AS file, row_number() OVER () + 1 AS line, * FROM ({select})"
    workspace.connection.execute(f"INSERT INTO {reading.table} BY NAME {numbered}")
    ((rows,),) = workspace.connection.execute(f"SELECT count(*) FROM {reading.table}").fetchall()
    return counted(reading, rows)


def empty(workspace: Workspace, kind: Kind) -> Reading:
    """The typed table of a kind without rows."""
    columns = ", ".join(f'"{name}" {sql_type}' for name, sql_type in kind.columns().items())
    workspace.connection.execute(f'CREATE OR REPLACE TABLE "{kind.name}" (file SMALLINT, line BIGINT, {columns})')
    files = [f"{kind.name}.csv"]
    return Reading(kind, workspace.connection, Findings(workspace.connection, kind.name), files=files)


def counted(reading: Reading, rows: int) -> Reading:
    """The reading with so many valid rows."""
    reading.parsed = reading.valid = rows
    return reading


def all_rows(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[Any, ...]]:
    """Every row of a table, sorted."""
    return connection.execute(f'SELECT * FROM "{table}" ORDER BY ALL').fetchall()
