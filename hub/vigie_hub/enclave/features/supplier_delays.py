"""Features of payment delays: how late a company pays its suppliers, by month (paydex, and shares of late payments).

The supplier of these figures may be lost, as it was in 2025: their columns are then empty and stay in their place.
"""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.history import PAST

_DAYS: Final = "payment_delays.delay_days"


def _feature(name: str, source: str, unit: str, french: str, english: str, sql: str, window: int = 1) -> Feature:
    return Feature(name, (source,), Topic.SUPPLIER_DELAYS, unit, french, english, sql, window)


def _earlier(months: int) -> Feature:
    return _feature(
        f"payment_delay_days_{months}m_ago",
        _DAYS,
        "days",
        f"retard moyen de paiement des fournisseurs (paydex), {months} mois plus tôt",
        f"mean lateness in paying suppliers (paydex), {months} months earlier",
        f"delay_days_{months}",
        months + 1,
    )


def _late(days: int) -> tuple[Feature, ...]:
    source, french, english = (
        f"payment_delays.late_share_{days}",
        f"part des paiements aux fournisseurs en retard de plus de {days} jours (FPI {days})",
        f"share of payments to suppliers more than {days} days late (FPI {days})",
    )
    column = f"late_share_{days}"
    return (
        _feature(f"late_payment_share_{days}", source, "share", french, english, column),
        _feature(
            f"late_payment_share_{days}_12m_ago",
            source,
            "share",
            f"{french}, 12 mois plus tôt",
            f"{english}, 12 months earlier",
            f"{column}_12",
            13,
        ),
    )


SUPPLIER_DELAYS: Final = (
    _feature(
        "payment_delay_days",
        _DAYS,
        "days",
        "retard moyen de paiement des fournisseurs (paydex)",
        "mean lateness in paying suppliers (paydex)",
        "delay_days",
    ),
    *(_earlier(months) for months in PAST),
    _feature(
        "payment_delay_change_12m",
        _DAYS,
        "days",
        "variation en 12 mois du retard moyen de paiement des fournisseurs (paydex)",
        "change over 12 months of the mean lateness in paying suppliers (paydex)",
        "delay_days - delay_days_12",
        13,
    ),
    *_late(30),
    *_late(90),
)
"""In canonical order."""
