"""Features of short-time work: hours consumed and authorised, against the hours of all staff."""

from typing import Final

from vigie_hub.enclave.features.feature import Feature, Topic
from vigie_hub.enclave.features.history import PAST

FULL_TIME_HOURS: Final = 151.67
"""Hours of one full-time month in France (35 hours a week)."""

_CONSUMED: Final = "short_time_work.consumed_hours"
_AUTHORISED: Final = "short_time_work.authorised_hours"
_STAFF: Final = "headcount.headcount"


def _feature(
    name: str, sources: tuple[str, ...], unit: str, french: str, english: str, sql: str, window: int = 1
) -> Feature:
    return Feature(name, sources, Topic.SHORT_TIME_WORK, unit, french, english, sql, window)


def _sum(months: int) -> Feature:
    return _feature(
        f"short_time_hours_{months}m",
        (_CONSUMED,),
        "h",
        f"heures d'activité partielle consommées sur {months} mois",
        f"hours of short-time work consumed over {months} months",
        f"consumed_hours_sum_{months}",
        months,
    )


def _earlier(months: int) -> Feature:
    return _feature(
        f"short_time_hours_{months}m_ago",
        (_CONSUMED,),
        "h",
        f"heures d'activité partielle consommées {months} mois plus tôt",
        f"hours of short-time work consumed {months} months earlier",
        f"consumed_hours_{months}",
        months + 1,
    )


SHORT_TIME: Final = (
    _feature(
        "short_time_hours",
        (_CONSUMED,),
        "h",
        "heures d'activité partielle consommées dans le mois",
        "hours of short-time work consumed in the month",
        "consumed_hours",
    ),
    *(_sum(months) for months in (3, 12)),
    *(_earlier(months) for months in PAST),
    _feature(
        "short_time_authorised_hours",
        (_AUTHORISED,),
        "h",
        "heures d'activité partielle autorisées pour le mois",
        "hours of short-time work authorised for the month",
        "authorised_hours",
    ),
    _feature(
        "short_time_ratio",
        (_CONSUMED, _STAFF),
        "ratio",
        "part des heures de travail de l'effectif passée en activité partielle",
        "share of the staff's working hours spent in short-time work",
        f"consumed_hours / (nullif(headcount_known, 0) * {FULL_TIME_HOURS})",
    ),
    _feature(
        "short_time_ratio_12m",
        (_CONSUMED, _STAFF),
        "ratio",
        "part des heures de travail de l'effectif passée en activité partielle sur 12 mois",
        "share of the staff's working hours spent in short-time work over 12 months",
        f"consumed_hours_sum_12 / (nullif(headcount_known, 0) * {12 * FULL_TIME_HOURS:.2f})",
        12,
    ),
    _feature(
        "short_time_authorised_ratio",
        (_AUTHORISED, _STAFF),
        "ratio",
        "part des heures de travail de l'effectif autorisée en activité partielle",
        "share of the staff's working hours for which short-time work is authorised",
        f"authorised_hours / (nullif(headcount_known, 0) * {FULL_TIME_HOURS})",
    ),
    _feature(
        "short_time_staff_share",
        ("short_time_work.staff_concerned", _STAFF),
        "ratio",
        "part de l'effectif concernée par l'activité partielle",
        "share of the staff concerned by short-time work",
        "staff_concerned / nullif(headcount_known, 0)",
    ),
)
"""In canonical order."""
