"""Yearly accounts that are public or bought: open data of the INPI (ratios "BCE") and Diane, with the day they count from.

Rule kept: accounts never speak before they are filed, from the same day as :mod:`vigie.datasets.ratios`.  The two sources
are rows of their own, because their formulas differ; amounts are in thousands of euros (the INPI's euros are divided by
1000).
"""

from typing import Final

from vigie.datasets.accounts_columns import BALANCE, INCOME, OPERATIONS, RETURNS, STRUCTURE
from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

SOURCES: Final = ("diane", "inpi_bce")
"""Categories of ``source``."""

STATEMENTS: Final = {"C": "complete", "S": "simplified", "K": "consolidated"}
"""``type_bilan`` of the INPI's file → category; a type not listed becomes ``other``."""


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
