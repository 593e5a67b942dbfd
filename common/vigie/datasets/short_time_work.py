"""Short-time work (*activité partielle*) of a company by month (DGEFP, extracts ``apconso`` and ``apdemande``).

Consumption is monthly as delivered.  An authorisation covers days: :func:`authorised_by_month` is the one rule that
turns requests into hours per month, whoever reads the extract.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_DGEFP: Final = frozenset({"dgefp"})

SHORT_TIME_WORK: Final = Dataset(
    name="short_time_work",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in its own month; requests are known at once, consumption the month after",
    owner_label="dgefp",
    columns=(
        Column("month", ColumnType.MONTH, "month", _DGEFP, "mois", "month", nullable=False),
        Column(
            "consumed_hours",
            ColumnType.NUMBER,
            "h",
            _DGEFP,
            "heures d'activité partielle consommées dans le mois ; vide si aucune consommation n'est enregistrée",
            "hours of short-time work consumed in the month; empty when no consumption is recorded",
            minimum=0.0,
            maximum=1e7,
        ),
        Column(
            "authorised_hours",
            ColumnType.NUMBER,
            "h",
            _DGEFP,
            "heures d'activité partielle autorisées, réparties par jour puis sommées sur le mois ; vide sans demande",
            "hours of short-time work authorised, spread by day and summed over the month; empty without a request",
            minimum=0.0,
            maximum=1e7,
        ),
        Column(
            "staff_concerned",
            ColumnType.NUMBER,
            "persons",
            _DGEFP,
            "salariés concernés par la consommation du mois",
            "persons concerned by the month's consumption",
            minimum=0.0,
            maximum=400_000.0,
        ),
    ),
    key=("month",),
)


def authorised_by_month(requests: Iterable[tuple[date, date, float]]) -> dict[date, float]:
    """Authorised hours of one establishment per month.

    Requests that overlap are merged into one span that carries the sum of their hours; the hours of a span are spread
    evenly over its days, both ends included, and summed per month.  Nothing is lost or counted twice: the sum over the
    months is the sum over the requests (up to rounding).  An overlapping renewal lengthens its span, where repeating a
    request's whole hours in each month that it touches would multiply them.

    Args:
        requests: (first day, last day, hours authorised for the whole request).  A request that ends before it begins
            is passed over.

    Returns:
        First day of month → hours, in order of time.
    """
    spans: list[tuple[date, date, float]] = []
    for start, end, hours in sorted(requests):
        if end < start:
            continue
        if spans and start <= spans[-1][1]:
            first, last, total = spans[-1]
            spans[-1] = (first, max(last, end), total + hours)
        else:
            spans.append((start, end, hours))
    months: dict[date, float] = {}
    for start, end, hours in spans:
        days = (end - start).days + 1
        month = start.replace(day=1)
        while month <= end:
            following = (month + timedelta(days=31)).replace(day=1)
            covered = (min(end + timedelta(days=1), following) - max(start, month)).days
            months[month] = months.get(month, 0.0) + hours * covered / days
            month = following
    return months
