"""``accounts`` from ``diane`` and ``inpi_bce``: yearly figures with the day from which they count (sections 1.11, 1.16, 2.1).

The typed columns of both extracts have the names of the dataset; what an extract does not have is null. The INPI's amounts
are euros, the dataset's thousands of euros. Several rows for one closing date and kind of statement are one: the last that
was delivered. Diane writes a line for each company and a column for each year: a year without closing date, or without any
figure of its own, is none.
"""

from typing import Final

from vigie.datasets.accounts import ACCOUNTS, STATEMENTS
from vigie.datasets.accounts_columns import KEUR
from vigie.datasets.ratios import FILING_LAG_MONTHS
from vigie.datasets.schema import ColumnType
from vigie_node.canonicalise.recipe import Given, Made, Recipe, available_from, later_than, translated

_MADE: Final = ("closing_date", "available_from", "source", "statement")
_OF_THE_COMPANY: Final = ("secondary_establishments", "subsidiaries", "group_size")
"""Figures of Diane that stand in a line once, whatever its years."""

_TYPES: Final = {ColumnType.INTEGER: "BIGINT", ColumnType.NUMBER: "DOUBLE"}


def _make(given: Given) -> Made:
    parts: list[str] = []
    left_out: dict[str, int] = {}
    if given.has("diane"):
        figures = _figures(given, "diane")
        own = ", ".join(f'"{name}"' for name in figures if name not in _OF_THE_COMPANY)
        sound, unused = given.without(
            "diane",
            {"no_closing_date": "closing_date IS NULL", "empty_year": f"coalesce({own}) IS NULL"}
            | later_than(given, "closing_date"),
        )
        _add(left_out, unused)
        _part(given, parts, left_out, "diane", sound, dict(figures), "NULL", "fiscal_year DESC, ")
    if given.has("inpi_bce"):
        sound, unused = given.without("inpi_bce", later_than(given, "closing_date"))
        _add(left_out, unused)
        amounts = {
            name: f'"{name}" / 1000.0' if ACCOUNTS.column(name).unit == KEUR else f'"{name}"'
            for name in _figures(given, "inpi_bce")
        }
        _part(given, parts, left_out, "inpi_bce", sound, amounts, translated("statement", STATEMENTS, "other"), "")
    return Made(" UNION ALL ".join(parts), left_out)


def _figures(given: Given, kind: str) -> dict[str, str]:
    """The figures of the dataset that an extract has, each with its SQL."""
    there = given.readings[kind].kind.columns()
    return {name: f'"{name}"' for name in ACCOUNTS.names if name not in _MADE and name in there}


def _part(
    given: Given,
    parts: list[str],
    left_out: dict[str, int],
    kind: str,
    sound: str,
    figures: dict[str, str],
    statement: str,
    newest: str,
) -> None:
    """Add the rows of one extract, and the count of those that a later one replaces."""
    columns = ", ".join(
        f'CAST({figures.get(column.name, "NULL")} AS {_TYPES[column.type]}) AS "{column.name}"'
        for column in ACCOUNTS.columns
        if column.name not in _MADE
    )
    last = given.scratch(
        kind,
        f"SELECT siren, closing_date, {available_from('closing_date', FILING_LAG_MONTHS)} AS available_from, "
        f"'{kind}' AS source, {statement} AS kind_of_statement, {columns} FROM {kind} WHERE {sound} QUALIFY row_number() "
        f"OVER (PARTITION BY siren, closing_date, kind_of_statement ORDER BY file DESC, {newest}line DESC) = 1",
    )
    parts.append(f"SELECT * RENAME (kind_of_statement AS statement) FROM {last}")
    repeated = given.rows(kind, sound) - given.number(f"SELECT count(*) FROM {last}")
    _add(left_out, {"repeated_closing": repeated})


def _add(left_out: dict[str, int], more: dict[str, int]) -> None:
    for rule, rows in more.items():
        left_out[rule] = left_out.get(rule, 0) + rows


RECIPE: Final = Recipe(ACCOUNTS, (("diane", "inpi_bce"),), _make)
