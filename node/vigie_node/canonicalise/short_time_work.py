"""``short_time_work`` from ``apconso`` and ``apdemande``: hours used and authorised, month by month (section 1.9).

Hours used, and the persons concerned, are summed by company and month, whatever the reason of their request: they were not
worked. Authorised hours are those of a whole request: requests of an establishment that overlap are merged into one span,
and the hours of a span are spread over its days (:func:`vigie.datasets.short_time_work.authorised_by_month` is the rule in
Python). The real system's view ``clean_ap`` repeats all hours of a request in each month that it touches.
Requests whose reason is unknown (codes from 6 on) are left out, as in the published features.
"""

from typing import Final

from vigie.datasets.short_time_work import SHORT_TIME_WORK
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company, exact, first_of_month, later_than, months

FTE_HOURS: Final = 151.67
"""Hours of a full-time month: what the real system divides hours by to show full-time equivalents."""

UNIT: Final = 10**12
"""Hours are spread as whole numbers of so many parts of an hour, so that nothing is lost and no order matters."""
_UNKNOWN_REASONS: Final = 6
_MOST: Final = 10**9


def spread(requests: str, last: str) -> str:
    """SELECT of ``siret, month, units``: authorised hours by establishment and month, in parts of an hour.

    Args:
        requests: SELECT of ``siret, start, stop, hours``, both days included; neither is null, nor before the other.
        last: SQL of the last month to be made. A request may go on after it: what falls later is not made.
    """
    asked = (
        "SELECT siret, CAST(start AS DATE) AS start, CAST(stop AS DATE) AS stop, "
        f"CAST(CAST(hours AS DECIMAL(24, 8)) * 100000000 AS HUGEINT) * {UNIT // 10**8} AS units FROM ({requests})"
    )
    before = "PARTITION BY siret ORDER BY start, stop ROWS BETWEEN UNBOUNDED PRECEDING AND"
    opening = f"SELECT *, coalesce(start > max(stop) OVER ({before} 1 PRECEDING), true) AS opens FROM ({asked})"
    numbered = f"SELECT *, count(*) FILTER (WHERE opens) OVER ({before} CURRENT ROW) AS span FROM ({opening})"
    spans = (
        "SELECT siret, min(start) AS start, max(stop) AS stop, CAST(sum(units) AS HUGEINT) AS units "
        f"FROM ({numbered}) GROUP BY siret, span"
    )
    each = months(first_of_month("start"), f"least({first_of_month('stop')}, {last})")
    # What is due until the end of a month less what was due before it: the parts add up to the whole.
    until = "(least(stop + 1, CAST(month + INTERVAL 1 MONTH AS DATE)) - start)"
    since = "(greatest(start, month) - start)"
    return (
        f"SELECT siret, month, units * {until} // (stop - start + 1) - units * {since} // (stop - start + 1) AS units "
        f"FROM (SELECT *, {each} AS month FROM ({spans}))"
    )


def _too_large(number: str) -> str:
    """SQL that is true of what cannot be hours or persons, and could not be summed exactly: NaN and infinity too."""
    return f"NOT coalesce(abs({number}) <= {_MOST}, true)"


def _make(given: Given) -> Made:
    used, left_out = given.without(
        "apconso", later_than(given, "month") | {"number_too_large": f"{_too_large('hours')} OR {_too_large('staff')}"}
    )
    consumed = (
        f"SELECT {company()} AS siren, month, {exact('hours')} AS consumed_hours, "
        f"{exact('staff')} AS staff_concerned FROM apconso WHERE {used} GROUP BY ALL"
    )
    if not given.has("apdemande"):
        return Made(f"SELECT *, NULL AS authorised_hours FROM ({consumed})", left_out)
    asked, unused = given.without(
        "apdemande",
        {
            "reason_unknown": f"reason >= {_UNKNOWN_REASONS}",
            "no_hours": "authorised_hours IS NULL",
            "number_too_large": _too_large("authorised_hours"),
            "ends_before_start": "last_day < first_day",
        }
        | later_than(given, "first_day"),
    )
    for rule, rows in unused.items():
        left_out[rule] = left_out.get(rule, 0) + rows
    requests = (
        f"SELECT siret, first_day AS start, last_day AS stop, authorised_hours AS hours FROM apdemande WHERE {asked}"
    )
    authorised = (
        f"SELECT {company()} AS siren, month, CAST(sum(units) AS DOUBLE) / {UNIT}.0 AS authorised_hours "
        f"FROM ({spread(requests, given.last)}) GROUP BY 1, 2"
    )
    return Made(
        f"SELECT siren, month, consumed_hours, authorised_hours, staff_concerned "
        f"FROM ({consumed}) FULL JOIN ({authorised}) USING (siren, month)",
        left_out,
    )


RECIPE: Final = Recipe(SHORT_TIME_WORK, (("apconso",),), _make, uses=("apdemande",))
