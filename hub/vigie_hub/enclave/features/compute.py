"""Features of one group of companies: clear tables in, float64 arrays out.

The tables may be keyed by anything with a fixed byte order (a pseudonym in the enclave, a SIREN in a reference run): the
values of a company do not depend on its key, on the order of rows, or on which companies are in its group.  Places in
sectors do depend on the other companies: they are put in by :func:`~vigie_hub.enclave.features.sectors.place_in_sectors` when all
groups have been computed.
"""

from collections.abc import Mapping
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie.datasets import BUILT_IN, PSEUDONYM, PSEUDONYM_BYTES, Dataset
from vigie_hub.enclave.features.catalogue import Catalogue
from vigie_hub.enclave.features.companies import make_companies, not_scored
from vigie_hub.enclave.features.group import Group, Matrix
from vigie_hub.enclave.features.history import MACROS, MONTHLY_READ, RATED, history_sql, monthly_sql
from vigie_hub.enclave.months import NEVER

HISTORY_MONTHS: Final = 120
"""Training goes back this far at the most, whatever a partner sent."""

_BEFORE: Final = 36
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

_TABLES: Final = ("rated", "monthly", "wanted", "trained", "candidate", "company")

_NO_LABEL: Final = -1
_NO_CANDIDATE: Final = -2


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

    Where the catalogue has a label, a company that has one is in too.  It is a candidate in each month from which a row
    with a label may be used, up to the period, and it is scored when the newest such row carries none.

    Where ``tables`` hold the dataset :data:`PERIMETER`, its rows at the period alone say who is scored; training
    candidates are what they are without it.

    Args:
        connection: from :func:`connect`.
        tables: rows by dataset, in the dataset's wire schema with the key column called ``key``; a dataset that is not
            there is unknown.  Rows of a dataset are unique by company and ``Dataset.key``.
        perimeter: the tables of the partner that decides which companies are looked at.
        catalogue: the features wanted.
        period: month of the scores.
        last_training: last month whose outcome is known; with a label, the period counts instead.
        key: name of the key column.

    Raises:
        Refused: claim ``label``: a label is neither 0 nor 1.
    """
    names = _register(connection, tables, perimeter, catalogue, key)
    try:
        listed = _listed(catalogue, period) if PERIMETER in tables else ""
        times = {name: catalogue.definitions[name] for name in perimeter if not (listed and name == PERIMETER)}
        oldest, last = last_training - HISTORY_MONTHS + 1, last_training
        if catalogue.label is not None:
            oldest, last = 0, period
        make_companies(connection, times, catalogue, period, listed)
        first = _first_month(connection, catalogue, period, last_training)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE trained AS SELECT * FROM candidate WHERE month BETWEEN {oldest} AND {last}"
        )
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE wanted AS "
            f"SELECT company, month FROM trained UNION SELECT company, {period} FROM company"
        )
        connection.execute(monthly_sql(first, period))
        connection.execute(RATED)
        return _read(connection, catalogue, first, period, listed)
    finally:
        for table in _TABLES:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
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


def _first_month(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue, period: int, last_training: int) -> int:
    """First month that can matter: of a candidate, or of a monthly figure that a later month looks back on.

    The period itself where no monthly figure can enter at all, however old a label is.
    """
    monthly = [BUILT_IN[name] for name in MONTHLY_READ if name in catalogue.definitions]
    if catalogue.label is not None and not monthly:
        return period
    dated = [f"SELECT min(month_of({one.time})) AS month FROM raw_{one.name}" for one in monthly]
    found = _fetch(connection, " UNION ALL ".join(["SELECT min(month) AS month FROM candidate", *dated]))
    earliest = min((month for month in found.column(0).to_pylist() if month is not None), default=period)
    return min(period, max(earliest, last_training - HISTORY_MONTHS + 1 - _BEFORE))


def _read(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    first: int,
    period: int,
    listed: str,
) -> Group:
    keys = _fetch(connection, "SELECT _key FROM company ORDER BY company").column(0).combine_chunks()
    among = [f"_key IN ({listed})"] if listed else []
    if catalogue.label is not None:
        among.append(f"_key NOT IN ({not_scored(catalogue, period)}) AND known")
    inside = _fetch(connection, f"SELECT {' AND '.join(among) or 'true'} AS inside FROM company ORDER BY company")
    rows, values = _rows(connection, catalogue)
    scored, trained = rows["month"] == period, rows["label"] >= _NO_LABEL
    default = " AND ".join(f"coalesce(lag(debt_ratio, {n}) OVER timeline > 1, false)" for n in range(_DEFAULT_MONTHS))
    marks = _fetch(
        connection,
        f"SELECT {default} AS mark FROM rated WINDOW timeline AS (PARTITION BY company ORDER BY month) "
        "ORDER BY company, month",
    )
    proceeding = _fetch(
        connection,
        f"SELECT coalesce(min(month_of(effective_date)), {NEVER}) AS month "
        "FROM company LEFT JOIN raw_proceedings USING (_key) GROUP BY company ORDER BY company",
    )
    offices = _fetch(
        connection,
        "SELECT coalesce(head_office_department, -1)::SMALLINT "
        "FROM company LEFT JOIN (SELECT * FROM raw_legal_units "
        f"WHERE month_of(as_of) <= {period} QUALIFY row_number() OVER (PARTITION BY _key ORDER BY as_of DESC) = 1) "
        "USING (_key) ORDER BY company",
    )
    return Group(
        keys=keys,
        inside=inside.column(0).to_numpy().astype(np.bool_),
        scored=values[scored],
        company=rows["company"][trained],
        month=rows["month"][trained],
        candidates=values[trained],
        candidate_sector=rows["sector"][trained].astype(np.int16),
        label=rows["label"][trained].astype(np.int8),
        proceeding=_integers(proceeding, 0),
        sector=rows["sector"][scored].astype(np.int16),
        departement=_integers(offices, 0).astype(np.int16),
        period=period,
        first=first,
        in_default=marks.column(0).to_numpy().astype(np.bool_).reshape(len(keys), period - first + 1),
    )


def _fetch(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.sql(query).to_arrow_table()


def _integers(table: pa.Table, place: int) -> npt.NDArray[np.int32]:
    return np.asarray(table.column(place).to_numpy(), dtype=np.int32)


def _rows(
    connection: duckdb.DuckDBPyConnection, catalogue: Catalogue
) -> tuple[dict[str, npt.NDArray[np.int32]], Matrix]:
    """The wanted rows by company and month: their numbers, and their features as one float64 array.

    Null and every NaN are one NaN, and -0 is +0.  ``label`` is below :data:`_NO_LABEL` for a row that is no candidate.
    """
    features = "".join(f', ({feature.sql})::DOUBLE AS "{feature.name}"' for feature in catalogue.features)
    table = _fetch(
        connection,
        "SELECT company, month, coalesce(try_cast(activity_division AS SMALLINT), -1)::INTEGER AS sector, "
        f"coalesce(label, {_NO_CANDIDATE}) AS label{features} "
        f"FROM ({history_sql(catalogue.definitions, catalogue.declared)}) LEFT JOIN trained USING (company, month)",
    )
    names = ("company", "month", "sector", "label")
    order = np.lexsort((table.column("month").to_numpy(), table.column("company").to_numpy()))
    rows = {name: _integers(table, place)[order] for place, name in enumerate(names)}
    columns = table.columns[len(names) :]
    del table
    values = np.empty((len(order), len(columns)), np.float64)
    for place in range(len(columns)):
        values[:, place] = columns[place].to_numpy()[order]
    values += 0.0
    values[np.isnan(values)] = np.nan
    return rows, values
