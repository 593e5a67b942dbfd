"""``contributions`` from ``cotisation``: called from and paid by a company, month by month (reference sections 1.3 and 2.1).

A quarter or a year is spread evenly over its months, as the published features do; the real system's own view
``clean_cotisation`` books the whole of it on the first month. Negative amounts are regularisations and stay.
"""

from typing import Final

from vigie.datasets.contributions import CONTRIBUTIONS
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company, months

_PARTS: Final = 12
"""A twelfth of any period that is called (month, quarter, half-year, year) is a whole number of parts of a month: sums of
them are exact, where a third of an amount is none in any decimal."""
_UNITS: Final = 10_000 * _PARTS
"""Amounts have four decimals in the typed table."""
_LENGTH: Final = "date_diff('month', period_start, period_stop)"
_SPREADS: Final = f"{_LENGTH} BETWEEN 1 AND {_PARTS} AND {_PARTS} % greatest({_LENGTH}, 1) = 0"


def _make(given: Given) -> Made:
    called, left_out = given.without("cotisation", {"period_length": f"NOT ({_SPREADS})"})

    def share(amount: str) -> str:
        """One rounding for all: the exact sum of twelfths of a ten-thousandth of a euro, over their number in a euro."""
        return f"CAST(sum({amount}) AS DOUBLE) / {_UNITS}.0"

    # Periods are summed before they are spread: a company with many establishments is spread once.
    periods = (
        f"SELECT {company()} AS siren, period_start, period_stop, sum(due) AS due, sum(paid) AS paid "
        f"FROM cotisation WHERE {called} GROUP BY ALL"
    )
    last = "CAST(period_stop - INTERVAL 1 MONTH AS DATE)"
    parts = f"({_PARTS} // {_LENGTH})"
    spread = (
        f"SELECT siren, {months('period_start', last)} AS month, CAST(due * 10000 AS HUGEINT) * {parts} AS due, "
        f"CAST(paid * 10000 AS HUGEINT) * {parts} AS paid FROM ({periods})"
    )
    return Made(
        f"SELECT siren, month, {share('due')} AS contribution_due, {share('paid')} AS contribution_paid "
        f"FROM ({spread}) GROUP BY siren, month",
        left_out,
    )


RECIPE: Final = Recipe(CONTRIBUTIONS, (("cotisation",),), _make)
