"""The reference page of the built-in datasets, made from the schemas so that it cannot drift from them."""

from collections.abc import Iterable
from typing import Final

from vigie.datasets.schema import LABELS, Column, Dataset

_HEAD: Final = """\
# Canonical datasets

<!-- Made by `python -m vigie.datasets`; a test compares. Edit the schemas in common/vigie/datasets/ instead. -->

A lot holds one of these tables, and nothing outside their columns can be sent. In a canonical file (Parquet) the first
column is `siren`: nine digits as text, leading zeros kept. On the wire it is `pseudonym`, 16 bytes, instead, and a
category is the int16 index of its name in the list below. A month is a date, its first day. Ranges are plausible
values: one outside is counted as a warning and kept. *Labels* name the owners whose grant a reader of the column must
hold; a column without labels is public. The order of the columns is part of the schema.

A convention may also declare a dataset by its columns alone (name, type, unit, labels), by month, by year or by event.
The key of a declared table is its time column, or the whole row for events.
Known labels: {labels}. Names match `[a-z][a-z0-9_]{{0,62}}`.

| type | Arrow, on the wire | in a file |
|---|---|---|
| integer | int64 | int64 |
| number | float64 | float64 |
| month, date | date32 | date32 |
| boolean | bool | bool |
| category | int16 | string |
"""

_INLINE: Final = 30
"""A longer list of categories is told once, at the end."""

_LISTS: Final = """
## Long lists of categories

A département is `d` and its code in lower case: `d2a` is 2A, `d971` is 971.
"""

_GRAIN: Final = {"month": "one row per company and month", "year": "one row per company and year", "event": "events"}


def page(datasets: Iterable[Dataset]) -> str:
    """The page as Markdown, one section per dataset in the order given."""
    listed = list(datasets)
    head = _HEAD.format(labels=", ".join(f"`{label}`" for label in sorted(LABELS)))
    return head + "".join(_section(one) for one in listed) + _long_lists(listed)


def _long_lists(datasets: list[Dataset]) -> str:
    """Each long list of categories once, with the columns that have it; nothing when there is none."""
    users: dict[tuple[str, ...], list[str]] = {}
    for one in datasets:
        for column in one.columns:
            if len(column.categories) > _INLINE:
                users.setdefault(column.categories, []).append(f"`{one.name}.{column.name}`")
    lines = [f"\n{', '.join(names)}: {_names(categories)}.\n" for categories, names in users.items()]
    return "".join([_LISTS, *lines]) if lines else ""


def _names(categories: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in categories)


def _section(one: Dataset) -> str:
    lines = [
        "",
        f"## {one.name}, schema {one.schema}",
        "",
        f"- grain: {_GRAIN[one.grain]}; ordered by `{one.time}`",
        f"- unique with the company: {', '.join(f'`{name}`' for name in one.key)}",
        f"- when: {one.lag}",
        f"- owner: {one.owner_label or 'none'}",
        "",
        "| column | type | unit | labels | empty | plausible | meaning | sens |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(column) for column in one.columns),
        "",
    ]
    return "\n".join(lines)


def _row(column: Column) -> str:
    kind = column.type.value
    if len(column.categories) > _INLINE:
        kind += f": {len(column.categories)} names, [listed below](#long-lists-of-categories)"
    elif column.categories:
        kind += f": {_names(column.categories)}"
    cells = (
        f"`{column.name}`",
        kind,
        column.unit,
        ", ".join(sorted(column.labels)) or "public",
        "yes" if column.nullable else "no",
        _plausible(column),
        column.meaning_en,
        column.meaning_fr,
    )
    return "| " + " | ".join(cells) + " |"


def _plausible(column: Column) -> str:
    if column.minimum is None and column.maximum is None:
        return ""
    return f"{_bound(column.minimum)} to {_bound(column.maximum)}"


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:.15g}"
