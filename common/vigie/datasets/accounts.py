"""Yearly accounts that are public or bought: open data of the INPI (ratios "BCE") and Diane, with the day they count from.

Rule kept: accounts never speak before they are filed (see also :mod:`vigie.datasets.ratios`).  The two sources are rows of
their own, because their formulas differ; amounts are in thousands of euros (the INPI's euros are divided by 1000).
"""

from datetime import date
from typing import Final

from vigie.datasets.accounts_columns import BALANCE, INCOME, OPERATIONS, RETURNS, STRUCTURE
from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

FILING_MONTHS: Final = 7
"""Months for filing and entry, counted from the end of the closing month."""

VALID_MONTHS: Final = 14
"""Months for which accounts count, unless the next ones replace them."""

SOURCES: Final = ("diane", "inpi_bce")
"""Categories of ``source``."""

STATEMENTS: Final = {"C": "complete", "S": "simplified", "K": "consolidated"}
"""``type_bilan`` of the INPI's file → category; a type not listed becomes ``other``."""


def available_from(closing: date) -> date:
    """First day on which accounts may be used, seven months from the end of the closing month: 2018-12-31 → 2019-08-01.

    Raises:
        ValueError: only for a closing date in the last months of year 9999.
    """
    return _first_of_month(closing, 1 + FILING_MONTHS)


def valid_until(closing: date) -> date:
    """First day on which accounts no longer count: 2018-12-31 → 2020-10-01.

    Raises:
        ValueError: only for a closing date at the end of year 9998 or later.
    """
    return _first_of_month(closing, 1 + FILING_MONTHS + VALID_MONTHS)


def _first_of_month(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 + months
    return date(month // 12, month % 12 + 1, 1)


def _count(name: str, unit: str, french: str, english: str, maximum: float) -> Column:
    return Column(name, ColumnType.INTEGER, unit, _PUBLIC, french, english, minimum=0.0, maximum=maximum)


ACCOUNTS: Final = Dataset(
    name="accounts",
    schema=1,
    grain="event",
    time="closing_date",
    available="available_from",
    lag="usable from available_from (end of the closing month + 7 months), for 14 months, until the next accounts",
    owner_label="",
    columns=(
        Column(
            "closing_date",
            ColumnType.DATE,
            "date",
            _PUBLIC,
            "date d'arrêté du bilan",
            "closing of accounts",
            nullable=False,
        ),
        Column(
            "available_from",
            ColumnType.DATE,
            "date",
            _PUBLIC,
            "date à partir de laquelle ces comptes sont connus",
            "day from which these accounts are known",
            nullable=False,
        ),
        Column(
            "source",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "origine : Diane ou données ouvertes de l'INPI",
            "origin: Diane or the INPI's open data",
            nullable=False,
            categories=SOURCES,
        ),
        Column(
            "statement",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "type de bilan : complet, simplifié ou consolidé ; vide pour Diane",
            "kind of statement: complete, simplified or consolidated; empty for Diane",
            categories=(*STATEMENTS.values(), "other"),
        ),
        Column(
            "months",
            ColumnType.INTEGER,
            "months",
            _PUBLIC,
            "durée de l'exercice",
            "length of the fiscal year",
            minimum=1.0,
            maximum=24.0,
        ),
        _count("staff", "persons", "effectif consolidé", "persons employed, consolidated", 400_000.0),
        _count(
            "secondary_establishments",
            "establishments",
            "établissements secondaires, siège non compris",
            "establishments beside the head office",
            50_000.0,
        ),
        _count("subsidiaries", "companies", "filiales", "companies in which it holds a share", 50_000.0),
        _count(
            "group_size",
            "companies",
            "entreprises du groupe (liens de plus de 50 %)",
            "companies of its group (links above 50 %)",
            50_000.0,
        ),
        *INCOME,
        *BALANCE,
        *STRUCTURE,
        *OPERATIONS,
        *RETURNS,
    ),
    key=("closing_date", "source", "statement"),
)
