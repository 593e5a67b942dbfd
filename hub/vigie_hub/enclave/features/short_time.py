"""Features of short-time work: hours consumed and authorised, against the hours of all staff."""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic

FULL_TIME_HOURS: Final = 151.67
"""Hours of one full-time month in France (35 hours a week)."""

_CONSUMED: Final = "short_time_work.consumed_hours"


def _feature(name: str, sources: tuple[str, ...], unit: str, french: str, english: str, sql: str) -> Feature:
    return Feature(name, sources, Topic.SHORT_TIME_WORK, unit, french, english, sql)


SHORT_TIME: Final = (
    _feature(
        "short_time_hours",
        (_CONSUMED,),
        "h",
        "heures d'activité partielle consommées dans le mois",
        "hours of short-time work consumed in the month",
        "consumed_hours",
    ),
    _feature(
        "short_time_hours_3m",
        (_CONSUMED,),
        "h",
        "heures d'activité partielle consommées sur 3 mois",
        "hours of short-time work consumed over 3 months",
        "consumed_hours_sum_3",
    ),
    _feature(
        "short_time_hours_12m",
        (_CONSUMED,),
        "h",
        "heures d'activité partielle consommées sur 12 mois",
        "hours of short-time work consumed over 12 months",
        "consumed_hours_sum_12",
    ),
    _feature(
        "short_time_authorised_hours",
        ("short_time_work.authorised_hours",),
        "h",
        "heures d'activité partielle autorisées pour le mois",
        "hours of short-time work authorised for the month",
        "authorised_hours",
    ),
    _feature(
        "short_time_ratio",
        (_CONSUMED, "headcount.headcount"),
        "ratio",
        "part des heures de travail de l'effectif passée en activité partielle",
        "share of the staff's working hours spent in short-time work",
        f"consumed_hours / (nullif(headcount_known, 0) * {FULL_TIME_HOURS})",
    ),
)
"""In canonical order."""
