"""Features that are places in a sector: what is ordinary for a builder is not for a hotel.

A place is told by the division of the company's main activity and the month (see
:mod:`~vigie_hub.enclave.features.sectors`): 0 at the sector's median, 1 a whole interquartile range above it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vigie_hub.enclave.features.feature import Feature

PLACED: Final = (
    "contribution_mean_change_12m",
    "headcount_change_12m",
    "payment_delay_days",
    "working_capital_weight",
    "margin_rate",
    "supplier_delay",
    "tax_and_social_debt_weight",
    "public_equity_ratio",
    "public_ebitda_over_turnover",
    "tax_ebitda_over_turnover",
)
"""Features that are told against the company's sector too.  Debts are not: most companies of a sector have none."""

_SECTOR: Final = ("legal_units.as_of", "legal_units.activity_division")


def in_sectors(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """The places of those features of the list that are told against the sector, in the order of :data:`PLACED`."""
    by_name = {feature.name: feature for feature in features}
    return tuple(_place(by_name[name]) for name in PLACED)


def _place(feature: Feature) -> Feature:
    return replace(
        feature,
        name=f"{feature.name}_in_sector",
        sources=(*feature.sources, *_SECTOR),
        unit="interquartile ranges",
        french=f"place dans le secteur (écart à la médiane, en écarts interquartiles) : {feature.french}",
        english=f"place in the sector (distance to the median, in interquartile ranges): {feature.english}",
        in_sector=True,
    )
