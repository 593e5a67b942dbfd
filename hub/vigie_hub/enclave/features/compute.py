"""Features of one group of companies: clear tables in, float64 arrays out.

The tables may be keyed by anything with a fixed byte order (a pseudonym in the enclave, a SIREN in a reference run): the
values of a company do not depend on its key, on the order of rows, or on which companies are in its group.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie.datasets import BUILT_IN, PSEUDONYM, PSEUDONYM_BYTES, Dataset
from vigie_hub.enclave.features.catalogue import DATASETS_READ, Catalogue
from vigie_hub.enclave.features.history import MACROS, history_sql
from vigie_hub.enclave.months import NEVER

Matrix = npt.NDArray[np.float64]
Months = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int16]

HISTORY_MONTHS: Final = 120
"""Training goes back this far at the most, whatever a partner sent."""

_BEFORE: Final = 24
"""Months before the first training month that its features look back on."""

_DEFAULT_MONTHS: Final = 3
"""A default is this many consecutive months with a debt ratio above 1 (the programme's definition)."""

KEY: Final = "_key"
"""Name of the key in SQL: no column of a dataset can be called that."""

PERIMETER: Final = "perimeter"
"""Name of the dataset whose rows say which companies are looked at in a month."""

_SETTINGS: Final = (
    "temp_directory = ''",
    "python_enable_replacements = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "allow_community_extensions = false",
    "enable_external_access = false",
    "lock_configuration = true",
)
"""In this order: the last two forbid the ones before them."""


@dataclass(frozen=True)
class Group:
    """The features of a group of companies.

    Attributes:
        keys: companies that are scored or trained on, ascending; length n.
        inside: whether each is in the perimeter at the period, and so to be scored; length n.
        scored: their features at the period, shape (n, features); unknown is NaN.
        company: index into ``keys`` of each training candidate, length t, ascending.
        month: month of each training candidate, length t.
        candidates: features of the training candidates, shape (t, features).
        proceeding: month of each company's first proceeding, or ``NEVER``; length n.
        sector: division of the NAF of each company as the register last known by the period says, -1 unknown; length n.
        departement: place of its head office's département in :data:`vigie.datasets.departments.CATEGORIES`, from the
            same row, -1 unknown; length n.
        first: month of the first column of ``in_default``.
        in_default: whether a company is in default at each month up to the period, shape (n, months).
    """

    keys: pa.Array
    inside: npt.NDArray[np.bool_]
    scored: Matrix
    company: npt.NDArray[np.int32]
    month: Months
    candidates: Matrix
    proceeding: Months
    sector: Codes
    departement: Codes
    first: int
    in_default: npt.NDArray[np.bool_]

    @property
    def scored_keys(self) -> pa.Array:
        """The companies to be scored, ascending."""
        return self.keys.filter(pa.array(self.inside))


def connect(threads: int = 2) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that reads nothing but what it is handed and cannot be reconfigured."""
    connection = duckdb.connect(":memory:")
    for setting in (f"threads = {threads:d}", *_SETTINGS):
        connection.execute(f"SET {setting}")
    for macro in MACROS:
        connection.execute(macro)
    return connection


def compute(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, pa.Table],
    *,
    perimeter: Mapping[str, pa.Table],
    catalogue: Catalogue,
    period: int,
    last_training: int,
    key: str = PSEUDONYM,
) -> Group:
    """Compute the features of the companies of ``perimeter``.

    A company is in when the perimeter has a row about it at or before the period.  It is a training candidate in each
    month up to ``last_training`` for which the perimeter has a monthly or yearly row (an event, when it has no such
    dataset at all).

    Where ``tables`` hold the dataset :data:`PERIMETER`, its rows at the period alone say who is scored; training
    candidates are what they are without it.

    Args:
        connection: from :func:`connect`.
        tables: rows by dataset, in the dataset's wire schema with the key column called ``key``; a dataset that is not
            there is unknown.  Rows of a dataset are unique by company and ``Dataset.key``.
        perimeter: the tables of the partner that decides which companies are looked at.
        catalogue: the features wanted.
        period: month of the scores.
        last_training: last month whose outcome is known.
        key: name of the key column.
    """
    names = _register(connection, tables, perimeter, catalogue, key)
    try:
        listed = _listed(catalogue, period) if PERIMETER in tables else ""
        _make_companies(connection, perimeter, catalogue, period, listed)
        first = _first_month(connection, catalogue, period, last_training)
        connection.execute(history_sql(catalogue.declared, first, period))
        return _read(connection, catalogue, first, period, last_training, listed)
    finally:
        connection.execute("DROP TABLE IF EXISTS history")
        connection.execute("DROP TABLE IF EXISTS company")
        connection.execute("DROP TABLE IF EXISTS candidate")
        for name in names:
            connection.unregister(name)


def _register(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, pa.Table],
    perimeter: Mapping[str, pa.Table],
    catalogue: Catalogue,
    key: str,
) -> list[str]:
    """Give every dataset to DuckDB as ``raw_<name>`` and the perimeter's as ``own_<name>``; return those names."""
    kinds = {table.schema.field(key).type for table in (*tables.values(), *perimeter.values())}
    kind = kinds.pop() if kinds else pa.binary(PSEUDONYM_BYTES)
    given = {}
    for name, definition in {**BUILT_IN, **catalogue.definitions}.items():
        given[f"raw_{name}"] = _keyed(tables.get(name), definition, key, kind)
    for name, table in perimeter.items():
        given[f"own_{name}"] = _keyed(table, catalogue.definitions[name], key, kind)
    for name, table in given.items():
        connection.register(name, table)
    return list(given)


def _keyed(table: pa.Table | None, definition: Dataset, key: str, kind: pa.DataType) -> pa.Table:
    """The dataset's columns with the key first, called ``_key``; empty when there is no table."""
    wire = definition.wire_schema()
    if table is None:
        return pa.schema([pa.field(KEY, kind), *list(wire)[1:]]).empty_table()
    return table.select([key, *definition.names]).rename_columns([KEY, *definition.names])


def _listed(catalogue: Catalogue, period: int) -> str:
    """SQL: the companies that the perimeter's own dataset names for the period."""
    return f'SELECT _key FROM raw_{PERIMETER} WHERE month_of("{catalogue.definitions[PERIMETER].time}") = {period}'


def _make_companies(
    connection: duckdb.DuckDBPyConnection,
    perimeter: Mapping[str, pa.Table],
    catalogue: Catalogue,
    period: int,
    listed: str,
) -> None:
    times = {name: catalogue.definitions[name].time for name in perimeter if not (listed and name == PERIMETER)}
    found = [f'SELECT _key FROM own_{name} WHERE month_of("{time}") <= {period}' for name, time in times.items()]
    known = " UNION ".join([*found, listed] if listed else found)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE company AS "
        "SELECT _key, (row_number() OVER (ORDER BY _key) - 1)::INTEGER AS company "
        f"FROM (SELECT DISTINCT _key FROM ({known or 'SELECT _key FROM raw_headcount WHERE false'}))"
    )
    regular = {name: time for name, time in times.items() if catalogue.definitions[name].grain != "event"}
    months = " UNION ".join(
        f'SELECT company.company, month_of(own_{name}."{time}") AS month FROM own_{name} JOIN company USING (_key)'
        for name, time in (regular or times).items()
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE candidate AS {months or 'SELECT company, 0 AS month FROM company WHERE false'}"
    )


def _first_month(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, period: int, last_training: int) -> int:
    """First month that can matter: of a candidate, or of a monthly figure that a later month looks back on."""
    dated = [f"SELECT min(month_of({one.time})) AS month FROM raw_{one.name}" for one in _monthly(catalogue)]
    found = _fetch(connection, " UNION ALL ".join(["SELECT min(month) AS month FROM candidate", *dated]))
    earliest = min((month for month in found.column(0).to_pylist() if month is not None), default=period)
    return min(period, max(earliest, last_training - HISTORY_MONTHS + 1 - _BEFORE))


def _monthly(catalogue: Catalogue) -> list[Dataset]:
    """The monthly datasets of the purpose that a feature reads: no other can make the history longer."""
    return [
        one
        for name, one in BUILT_IN.items()
        if one.grain == "month" and name in DATASETS_READ & catalogue.definitions.keys()
    ]


def _read(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    first: int,
    period: int,
    last_training: int,
    listed: str,
) -> Group:
    wanted = ", ".join(f'({feature.sql})::DOUBLE AS "{feature.name}"' for feature in catalogue.features)
    keys = _fetch(connection, "SELECT _key FROM company ORDER BY company").column(0).combine_chunks()
    mark = f"_key IN ({listed})" if listed else "true"
    inside = _fetch(connection, f"SELECT {mark} AS inside FROM company ORDER BY company")
    scored = _fetch(connection, f"SELECT {wanted} FROM history WHERE month = {period} ORDER BY company")
    rows = _fetch(
        connection,
        f"SELECT company, month, {wanted} FROM history SEMI JOIN candidate USING (company, month) "
        f"WHERE month > {last_training - HISTORY_MONTHS} AND month <= {last_training} ORDER BY company, month",
    )
    default = " AND ".join(("debt_ratio > 1", *(f"debt_ratio_{n} > 1" for n in range(1, _DEFAULT_MONTHS))))
    marks = _fetch(connection, f"SELECT coalesce({default}, false) AS mark FROM history ORDER BY company, month")
    proceeding = _fetch(
        connection,
        f"SELECT coalesce(min(month_of(effective_date)), {NEVER}) AS month "
        "FROM company LEFT JOIN raw_proceedings USING (_key) GROUP BY company ORDER BY company",
    )
    register = _fetch(
        connection,
        "SELECT coalesce(try_cast(activity_division AS SMALLINT), -1), coalesce(head_office_department, -1)::SMALLINT "
        "FROM company LEFT JOIN (SELECT * FROM raw_legal_units "
        f"WHERE month_of(as_of) <= {period} QUALIFY row_number() OVER (PARTITION BY _key ORDER BY as_of DESC) = 1) "
        "USING (_key) ORDER BY company",
    )
    return Group(
        keys=keys,
        inside=inside.column(0).to_numpy().astype(np.bool_),
        scored=_matrix(scored, 0),
        company=_integers(rows, 0),
        month=_integers(rows, 1),
        candidates=_matrix(rows, 2),
        proceeding=_integers(proceeding, 0),
        sector=_codes(register, 0),
        departement=_codes(register, 1),
        first=first,
        in_default=marks.column(0).to_numpy().astype(np.bool_).reshape(len(keys), period - first + 1),
    )


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.sql(query).to_arrow_table()


def _integers(table: pa.Table, place: int) -> npt.NDArray[np.int32]:
    return np.asarray(table.column(place).to_numpy(), dtype=np.int32)


def _codes(table: pa.Table, place: int) -> Codes:
    return np.asarray(table.column(place).to_numpy(), dtype=np.int16)


def _matrix(table: pa.Table, start: int) -> Matrix:
    """The columns from ``start`` on as one float64 array: null and every NaN as one NaN, -0 as +0."""
    columns = table.columns[start:]
    values = np.empty((table.num_rows, len(columns)), np.float64)
    for place, column in enumerate(columns):
        values[:, place] = column.to_numpy()
    values += 0.0
    values[np.isnan(values)] = np.nan
    return values
