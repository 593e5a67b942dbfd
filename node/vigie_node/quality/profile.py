"""How the data of a delivery compares with the last one of the same dataset: outliers, drift, freshness.

A profile is what a node remembers of a lot that it sent: counts, and two quartiles of each numeric column. It holds no
row. Nothing here rejects anything: an unusual delivery may be true, and a person is told.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

import duckdb

from vigie.datasets import SIREN, ColumnType, Dataset
from vigie.errors import StateError
from vigie_node.quality.report import Report

FENCE: Final = 3.0
"""A value is an outlier when it is so many interquartile ranges outside the quartiles of the last lot (Tukey's far out)."""
DRIFT: Final = 0.2
"""A change of the number of rows or companies by more than this share is told."""
EMPTY_DRIFT: Final = 0.1
"""A change of the share of empty cells of a column by more than this is told."""
USUAL_MONTHS: Final = 2
"""Data whose newest month is more than so many months before the period is told to be old."""

_NUMERIC: Final = (ColumnType.INTEGER, ColumnType.NUMBER)


@dataclass(frozen=True)
class ColumnProfile:
    """One column: share of empty cells, and its first and third quartile when it is numeric and not empty."""

    name: str
    empty: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Profile:
    """What a node remembers of a lot.

    Attributes:
        dataset: name of the dataset.
        schema: its version.
        period: month that the lot was for.
        rows: valid rows.
        companies: distinct companies.
        last: newest month or date, ISO.
        columns: one profile a column, in order.
    """

    dataset: str
    schema: int
    period: str
    rows: int
    companies: int
    last: str
    columns: tuple[ColumnProfile, ...]

    def encode(self) -> bytes:
        """The profile as JSON."""
        return (json.dumps(asdict(self), indent=1) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> "Profile":
        """Read what :meth:`encode` wrote.

        Raises:
            StateError: it is something else.
        """
        try:
            found: dict[str, Any] = json.loads(data)
            columns = tuple(ColumnProfile(**column) for column in found.pop("columns"))
            return cls(**found, columns=columns)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(
                "the profile of an earlier lot cannot be read", hint="delete that file: it is made again"
            ) from error


def profile_of(dataset: Dataset, connection: duckdb.DuckDBPyConnection, table: str, period: str) -> Profile:
    """Profile the valid rows of a dataset.

    Args:
        dataset: what the rows are.
        connection: the scratch database.
        table: name of the table of valid rows.
        period: month that they are for, ``YYYY-MM``.
    """
    asked = ["count(*)", f"count(DISTINCT {SIREN})", f'CAST(max("{dataset.time}") AS VARCHAR)']
    for column in dataset.columns:
        name = f'"{column.name}"'
        asked.append(f"count({name})")
        numeric = column.type in _NUMERIC
        asked += [f"CAST(approx_quantile({name}, {at}) AS DOUBLE)" if numeric else "NULL" for at in (0.25, 0.75)]
    (found,) = connection.execute(f'SELECT {", ".join(asked)} FROM "{table}"').fetchall()
    rows, companies, last = found[:3]
    columns = []
    for place, column in enumerate(dataset.columns):
        filled, low, high = found[3 + 3 * place : 6 + 3 * place]
        columns.append(ColumnProfile(column.name, round(1 - filled / rows, 6) if rows else 0.0, low, high))
    return Profile(dataset.name, dataset.schema, period, rows, companies, last or "", tuple(columns))


def compare(
    report: Report, now: Profile, last: Profile | None, connection: duckdb.DuckDBPyConnection, table: str
) -> None:
    """Add to a report how the data compares with the last lot, and how old it is.

    Args:
        report: of the dataset; gets warnings and notes.
        now: profile of the rows that were read.
        last: profile of the last lot of the dataset, if one was sent.
        connection: the scratch database.
        table: name of the table of valid rows.
    """
    if now.last and now.period:
        behind = _months(now.period) - _months(now.last[:7])
        if behind > USUAL_MONTHS:
            report.notes.append(f"freshness: the newest data is of {now.last[:7]}, {behind} months before {now.period}")
    if last is None or (last.dataset, last.schema) != (now.dataset, now.schema):
        return
    for what, before, after in (("rows", last.rows, now.rows), ("companies", last.companies, now.companies)):
        if before and abs(after / before - 1) > DRIFT:
            report.notes.append(f"drift: {after / before - 1:+.0%} {what} against the lot of {last.period}")
    if now.last < last.last:
        report.notes.append(f"freshness: the newest data is older than that of the lot of {last.period}")
    for old, new in zip(last.columns, now.columns, strict=True):
        if abs(new.empty - old.empty) > EMPTY_DRIFT:
            report.notes.append(
                f"drift: {new.name} is empty in {new.empty:.0%} of the rows, {old.empty:.0%} in the lot of {last.period}"
            )
    report.warnings.update(_outliers(last.columns, connection, table))


def _outliers(columns: Sequence[ColumnProfile], connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    fences = {
        column.name: (column.low - FENCE * (column.high - column.low), column.high + FENCE * (column.high - column.low))
        for column in columns
        if column.low is not None and column.high is not None and column.high > column.low
    }
    if not fences:
        return {}
    counts = ", ".join(
        f'count(*) FILTER (WHERE "{name}" < {low!r} OR "{name}" > {high!r})' for name, (low, high) in fences.items()
    )
    (found,) = connection.execute(f'SELECT {counts} FROM "{table}"').fetchall()
    return {f"outlier:{name}": int(rows) for name, rows in zip(fences, found, strict=True) if rows}


def _months(text: str) -> int:
    day = date.fromisoformat(f"{text}-01")
    return day.year * 12 + day.month
