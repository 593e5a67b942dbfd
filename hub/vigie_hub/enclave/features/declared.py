"""Features of a dataset that the convention declares by its columns alone: each column as it is.

The value at a month is that of the newest row usable by its end, whatever its age.  Columns stand by the position that the
convention gives them, so that a panel cut among partners has the order of the whole table; without one, as in the schema.  So any panel can be run through the exchange without a line of code about it.
"""

from collections.abc import Iterable
from typing import Final

from vigie.datasets import Column, ColumnType, Dataset
from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.history import declared_name

_TOPICS: Final = {
    "urssaf": Topic.SOCIAL_DEBTS,
    "dgefp": Topic.SHORT_TIME_WORK,
    "bdf": Topic.ACCOUNTS,
    "fiscal": Topic.ACCOUNTS,
    "pge": Topic.ACCOUNTS,
}


def declared_features(dataset: Dataset) -> tuple[Feature, ...]:
    """One feature for each column of a declared dataset but its time, in the schema's order."""
    return tuple(_identity(dataset, column) for column in dataset.columns if column.name != dataset.time)


def in_position(datasets: Iterable[Dataset]) -> tuple[Feature, ...]:
    """Features of several declared datasets: by the position of their columns, then, without one, as listed."""
    found = [
        (dataset.column(feature.name.partition(".")[2]).position, feature)
        for dataset in datasets
        for feature in declared_features(dataset)
    ]
    return tuple(feature for _, feature in sorted(found, key=lambda one: (one[0] is None, one[0] or 0)))


def _identity(dataset: Dataset, column: Column) -> Feature:
    dated = column.type in (ColumnType.MONTH, ColumnType.DATE)
    secret = min(column.labels) if column.labels else dataset.owner_label
    return Feature(
        f"{dataset.name}.{column.name}",
        tuple(f"{dataset.name}.{name}" for name in dict.fromkeys((column.name, *_when(dataset)))),
        _TOPICS.get(secret, Topic.ACCOUNTS),
        "months" if dated else column.unit,
        _meaning(column.meaning_fr or column.name, dated, "ancienneté en mois : "),
        _meaning(column.meaning_en or column.name, dated, "age in months: "),
        declared_name(dataset.name, column.name),
    )


def _when(dataset: Dataset) -> tuple[str, ...]:
    return (dataset.time,) if dataset.available is None else (dataset.time, dataset.available)


def _meaning(text: str, dated: bool, prefix: str) -> str:
    return prefix + text if dated else text
