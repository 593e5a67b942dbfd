"""The six yearly balance-sheet ratios of the Banque de France (extract ``bdf``), with the day from which they count.

Rule kept: accounts never speak before they are filed.  Training on a year's accounts from inside that year is the
error that makes published figures of such models too good; ``available_from`` is the column that forbids it.
"""

from datetime import date
from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_BDF: Final = frozenset({"bdf"})

FILING_LAG_MONTHS: Final = 8
"""One month to the end of the closing month, seven for filing and entry; the same for public and tax accounts."""


def available_from(closing: date) -> date:
    """First day of the eighth month after the closing month: 2018-12-31 → 2019-08-01.

    Raises:
        ValueError: only for a closing date in the last months of year 9999.
    """
    months = closing.year * 12 + closing.month - 1 + FILING_LAG_MONTHS
    return date(months // 12, months % 12 + 1, 1)


def _ratio(name: str, unit: str, french: str, english: str, minimum: float, maximum: float) -> Column:
    return Column(name, ColumnType.NUMBER, unit, _BDF, french, english, minimum=minimum, maximum=maximum)


RATIOS: Final = Dataset(
    name="ratios",
    schema=1,
    grain="event",
    time="closing_date",
    available="available_from",
    lag="usable from available_from (closing month + 8 months), for 13 months, until the next accounts replace it",
    owner_label="bdf",
    columns=(
        Column(
            "closing_date",
            ColumnType.DATE,
            "date",
            _BDF,
            "date d'arrêté du bilan",
            "closing of accounts",
            nullable=False,
        ),
        Column(
            "available_from",
            ColumnType.DATE,
            "date",
            _BDF,
            "date à partir de laquelle ces comptes sont connus",
            "day from which these accounts are known",
            nullable=False,
        ),
        Column(
            "fiscal_year",
            ColumnType.INTEGER,
            "year",
            _BDF,
            "exercice : année de la Banque de France moins un",
            "fiscal year: the year (ANNEE) of the Banque de France's extract, less one",
            nullable=False,
            minimum=1990.0,
            maximum=2100.0,
        ),
        _ratio(
            "working_capital_weight",
            "%",
            "fonds de roulement net global rapporté au chiffre d'affaires (100 * FRNG / CA)",
            "net working capital over turnover",
            -1000.0,
            1000.0,
        ),
        _ratio(
            "margin_rate",
            "%",
            "taux de marge (100 * EBE / valeur ajoutée)",
            "gross operating surplus over value added",
            -1000.0,
            1000.0,
        ),
        _ratio(
            "supplier_delay",
            "days",
            "délai de paiement des fournisseurs (360 * dettes fournisseurs / achats hors taxes)",
            "trade payables over purchases, in days",
            0.0,
            720.0,
        ),
        _ratio(
            "tax_and_social_debt_weight",
            "%",
            "dettes fiscales et sociales rapportées à la valeur ajoutée",
            "tax and social debts over value added",
            -1000.0,
            1000.0,
        ),
        _ratio(
            "short_term_bank_debt_weight",
            "%",
            "concours bancaires courants rapportés au chiffre d'affaires",
            "short-term bank loans over turnover",
            0.0,
            1000.0,
        ),
        _ratio(
            "financial_cost_weight",
            "%",
            "frais financiers rapportés à l'excédent brut d'exploitation corrigé des opérations hors exploitation",
            "financial costs over gross operating surplus, non-operating income included",
            -1000.0,
            1000.0,
        ),
    ),
    key=("fiscal_year",),
)
