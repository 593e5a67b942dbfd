"""Features of headcount: how many persons a company employs and how that moves."""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic


def _feature(name: str, unit: str, french: str, english: str, sql: str) -> Feature:
    return Feature(name, ("headcount.headcount",), Topic.HEADCOUNT, unit, french, english, sql)


WORKFORCE: Final = (
    _feature(
        "headcount",
        "persons",
        "effectif salarié, dernier connu depuis 6 mois au plus",
        "persons employed, last figure known, at most 6 months old",
        "headcount_known",
    ),
    _feature(
        "headcount_age",
        "months",
        "ancienneté de l'effectif connu",
        "age of the headcount known",
        "month - headcount_month",
    ),
    _feature(
        "headcount_change_6m",
        "ratio",
        "variation relative de l'effectif en 6 mois",
        "relative change of headcount over 6 months",
        "(headcount_known - headcount_known_6) / nullif(headcount_known_6, 0)",
    ),
    _feature(
        "headcount_change_12m",
        "ratio",
        "variation relative de l'effectif en 12 mois",
        "relative change of headcount over 12 months",
        "(headcount_known - headcount_known_12) / nullif(headcount_known_12, 0)",
    ),
)
"""In canonical order."""
