"""Features of headcount: how many persons a company employs and how that moves."""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic


def _feature(name: str, unit: str, french: str, english: str, sql: str, window: int = 1) -> Feature:
    return Feature(name, ("headcount.headcount",), Topic.HEADCOUNT, unit, french, english, sql, window)


def _earlier(months: int) -> Feature:
    return _feature(
        f"headcount_{months}m_ago",
        "persons",
        f"effectif salarié connu {months} mois plus tôt",
        f"persons employed as known {months} months earlier",
        f"headcount_known_{months}",
        months + 1,
    )


def _change(months: int) -> Feature:
    return _feature(
        f"headcount_change_{months}m",
        "ratio",
        f"variation relative de l'effectif en {months} mois",
        f"relative change of headcount over {months} months",
        f"(headcount_known - headcount_known_{months}) / nullif(headcount_known_{months}, 0)",
        months + 1,
    )


WORKFORCE: Final = (
    _feature(
        "headcount",
        "persons",
        "effectif salarié, dernier connu depuis 6 mois au plus",
        "persons employed, last figure known, at most 6 months old",
        "headcount_known",
        7,
    ),
    _feature(
        "headcount_age",
        "months",
        "ancienneté de l'effectif connu",
        "age of the headcount known",
        "month - headcount_month",
        7,
    ),
    _earlier(12),
    *(_change(months) for months in (3, 6, 12, 24)),
)
"""In canonical order."""
