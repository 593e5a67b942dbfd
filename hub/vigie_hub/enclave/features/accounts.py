"""Features of yearly accounts: the six ratios of the Banque de France while they count, and their age."""

from typing import Final

from vigie.datasets import BUILT_IN
from vigie_hub.enclave.features.feature import Feature, Topic

RATIO_COLUMNS: Final = (
    "working_capital_weight",
    "margin_rate",
    "supplier_delay",
    "tax_and_social_debt_weight",
    "short_term_bank_debt_weight",
    "financial_cost_weight",
)
"""The ratios taken as delivered, in canonical order."""

VALID_MONTHS: Final = 13
"""Accounts count from ``available_from`` for this many months, until the next ones should have come."""

_DATED: Final = ("ratios.closing_date", "ratios.available_from")


def _ratio(name: str) -> Feature:
    column = BUILT_IN["ratios"].column(name)
    topic = Topic.SUPPLIER_DELAYS if name == "supplier_delay" else Topic.ACCOUNTS
    return Feature(
        name, (f"ratios.{name}", *_DATED), topic, column.unit, column.meaning_fr, column.meaning_en, f"accounts_{name}"
    )


ACCOUNTS: Final = (
    *(_ratio(name) for name in RATIO_COLUMNS),
    Feature(
        "accounts_age",
        _DATED,
        Topic.ACCOUNTS,
        "months",
        "ancienneté des derniers comptes connus, depuis leur clôture",
        "age of the last accounts known, since their closing",
        "month - accounts_closing_month",
    ),
)
"""In canonical order."""
