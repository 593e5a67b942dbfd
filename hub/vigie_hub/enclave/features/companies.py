"""Which companies are looked at, and in which months they may be trained on: the tables ``company`` and ``candidate``."""

from collections.abc import Mapping
from typing import Final

import duckdb

from vigie.datasets import Dataset
from vigie.errors import Refused
from vigie_hub.enclave.features.catalogue import Catalogue
from vigie_hub.enclave.features.yearly import usable_from

_NOBODY: Final = "SELECT _key FROM raw_headcount WHERE false"


def make_companies(
    connection: duckdb.DuckDBPyConnection,
    perimeter: Mapping[str, Dataset],
    catalogue: Catalogue,
    period: int,
    listed: str,
) -> None:
    """Make ``company`` (key, number, whether the perimeter knows it) and ``candidate`` (company, month, label).

    Args:
        connection: with ``own_<name>`` for each dataset of the perimeter, and ``raw_<name>`` for every dataset.
        perimeter: the datasets of the partner that decides which companies are looked at.
        catalogue: whose label, where there is one, says who is trained on.
        period: month of the scores.
        listed: SQL of the companies that the perimeter's lot names, or empty.

    Raises:
        Refused: claim ``label``: a label is neither 0 nor 1.
    """
    found = [f'SELECT _key FROM own_{name} WHERE month_of("{one.time}") <= {period}' for name, one in perimeter.items()]
    known = " UNION ".join([*found, listed] if listed else found) or _NOBODY
    labelled = ""
    if catalogue.label is not None:
        _check_labels(connection, catalogue)
        labelled = _labels(catalogue, period)
    everybody = f"({known}) UNION SELECT _key FROM ({labelled}) WHERE _label IS NOT NULL" if labelled else known
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE company AS "
        "SELECT _key, (row_number() OVER (ORDER BY _key) - 1)::INTEGER AS company, "
        f"_key IN ({known}) AS known FROM (SELECT DISTINCT _key FROM ({everybody}))"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE candidate AS {_labelled_rows(labelled) if labelled else _own_rows(perimeter)}"
    )


def _own_rows(perimeter: Mapping[str, Dataset]) -> str:
    regular = {name: one for name, one in perimeter.items() if one.grain != "event"}
    months = " UNION ".join(
        f'SELECT company.company, month_of(own_{name}."{one.time}") AS month FROM own_{name} JOIN company USING (_key)'
        for name, one in (regular or perimeter).items()
    )
    if not months:
        months = "SELECT company, 0 AS month FROM company WHERE false"
    # Several events of a month, or accounts of several sources, are one candidate.
    return f"SELECT DISTINCT company, month, -1 AS label FROM ({months})"


def _labelled_rows(labelled: str) -> str:
    return (
        f"SELECT company, _usable_from AS month, _label AS label FROM ({labelled}) JOIN company USING (_key) "
        "WHERE _label IS NOT NULL"
    )


def _labels(catalogue: Catalogue, period: int) -> str:
    """SQL: the label, or NULL, of each company and month from which a row of the label's dataset may be used.

    Rows that become usable in one month are one: that of the latest time.
    """
    dataset, column = _label(catalogue)
    time = f'"{dataset.time}"'
    return (
        f'SELECT _key, _usable_from, {time} AS _time, "{column}"::INTEGER AS _label FROM '
        f"(SELECT {usable_from(dataset)} AS _usable_from, raw.* FROM raw_{dataset.name} AS raw) "
        f"WHERE _usable_from <= {period} "
        f'QUALIFY row_number() OVER (PARTITION BY _key, _usable_from ORDER BY {time} DESC, "{column}" DESC NULLS LAST) = 1'
    )


def not_scored(catalogue: Catalogue, period: int) -> str:
    """SQL: the keys of the companies whose newest row of the label's dataset carries a label."""
    return (
        f"SELECT _key FROM ({_labels(catalogue, period)} AND row_number() OVER (PARTITION BY _key "
        "ORDER BY _time DESC, _usable_from DESC) = 1) WHERE _label IS NOT NULL"
    )


def _label(catalogue: Catalogue) -> tuple[Dataset, str]:
    name, _, column = str(catalogue.label).partition(".")
    return catalogue.definitions[name], column


def _check_labels(connection: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    dataset, column = _label(catalogue)
    bad = f'SELECT 1 FROM raw_{dataset.name} WHERE "{column}"::BIGINT NOT IN (0, 1) LIMIT 1'
    if connection.execute(bad).fetchall():
        raise Refused("label", expected="0, 1 or nothing in the column of the label", found="another value")
