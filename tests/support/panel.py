"""Small clear tables for the enclave's features and model, keyed by SIREN, and an answer to "what is this feature?"."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie.datasets import BUILT_IN, SIREN, Dataset
from vigie_hub.enclave.features import Catalogue, Group, catalogue_of, compute, connect, place_in_sectors
from vigie_hub.enclave.features.sectors import LEAST
from vigie_hub.enclave.months import parse_month

ACOSS = ("contributions", "debts", "headcount", "payment_plans", "proceedings")
ALL = catalogue_of(BUILT_IN.values())
DEMO_CATALOGUE = catalogue_of(BUILT_IN[name] for name in (*ACOSS, "short_time_work", "ratios"))
"""What the purpose of the demonstration has."""


def day(text: str) -> date:
    """``2020-01`` or ``2020-01-31``."""
    return date.fromisoformat(text if len(text) == 10 else f"{text}-01")


def table(dataset: Dataset | str, rows: Iterable[Sequence[Any]]) -> pa.Table:
    """Rows ``(siren, column, column …)``; dates as text, categories as text, short rows filled with nulls."""
    definition = BUILT_IN[dataset] if isinstance(dataset, str) else dataset
    listed = [[*row, *[None] * (len(definition.columns) + 1 - len(row))] for row in rows]
    arrays = {SIREN: pa.array([row[0] for row in listed], pa.string())}
    for place, column in enumerate(definition.columns, start=1):
        values = [row[place] for row in listed]
        if column.categories:
            values = [None if value is None else column.categories.index(value) for value in values]
        elif pa.types.is_date(column.arrow_type):
            values = [None if value is None else day(value) for value in values]
        arrays[column.name] = pa.array(values, column.arrow_type)
    return pa.table(arrays)


def group(
    tables: Mapping[str, pa.Table],
    period: str,
    *,
    catalogue: Catalogue = ALL,
    perimeter: Sequence[str] = ACOSS,
    last_training: str | None = None,
    key: str = SIREN,
    least: int = LEAST,
) -> Group:
    """Compute one group and put places in sectors; the last training month is by default 18 before the period."""
    month = parse_month(period)
    connection = connect()
    try:
        found = compute(
            connection,
            tables,
            perimeter={name: tables[name] for name in perimeter if name in tables},
            catalogue=catalogue,
            period=month,
            last_training=month - 18 if last_training is None else parse_month(last_training),
            key=key,
        )
    finally:
        connection.close()
    place_in_sectors([found], catalogue, least)
    return found


def scored(found: Group, siren: str, catalogue: Catalogue = ALL) -> dict[str, float]:
    """The features of a company at the period, by name."""
    place = found.keys.to_pylist().index(siren)
    return dict(zip(catalogue.names, found.scored[place].tolist(), strict=True))


def same_bits(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()
