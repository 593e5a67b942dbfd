"""``debts`` from ``debit``: what a company owes at the end of each month (reference sections 1.4 and 2.1).

A row of the extract is a *balance*: what remains of one gap of one period after an event. The balance of a gap at a month
is its row with the latest month that counts (the rule of the 20th, column ``counted_from``), and of several in one month
the one with the highest number in the gap's history. The debt of a company is the sum over its gaps. The real system
summed only the gaps touched in a month until January 2026 (its issue 556); here every gap stays until an event changes it.

Nothing is spread over months before it is summed: each balance becomes the change that it makes, changes are summed by
company and month, and one running sum gives the debt. Only then is each debt carried over the months until the next change.
A month in which all is paid is 0, and a month before the first event is absent.
"""

from typing import Final

from vigie.datasets.debts import DEBTS
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company, later_than, months

_GAP: Final = "siret, period_start, period_stop, gap"
_EVENT: Final = f"{_GAP}, counted_from"


def changes(table: str) -> str:
    """SELECT of ``siret, month, employee, employer``: by how much each event of a gap changes what is owed.

    Args:
        table: name of a table of debits.
    """
    return (
        "SELECT siret, month, employee_share - coalesce(lag(employee_share) OVER history, 0) AS employee, "
        "employer_share - coalesce(lag(employer_share) OVER history, 0) AS employer FROM ("
        f"SELECT {_GAP}, CAST(counted_from AS DATE) AS month, employee_share, employer_share FROM {table} "
        # The last three only decide between rows that contradict each other: whichever was delivered last.
        f"QUALIFY row_number() OVER (PARTITION BY {_EVENT} ORDER BY sequence DESC, treated DESC, file DESC, line DESC) = 1"
        f") WINDOW history AS (PARTITION BY {_GAP} ORDER BY month)"
    )


def running(table: str, key: str, by: str) -> str:
    """SELECT of ``<key>, month, employee_share, employer_share, until``: the debt from each month with a change on.

    Args:
        table: name of a table of debits.
        key: name of the key column.
        by: SQL of the key, over ``siret``.

    ``until`` is the next month with a change, null at the last one.
    """
    return (
        f"SELECT {key}, month, sum(employee) OVER time AS employee_share, sum(employer) OVER time AS employer_share, "
        f"lead(month) OVER time AS until FROM (SELECT {by} AS {key}, month, sum(employee) AS employee, "
        f"sum(employer) AS employer FROM ({changes(table)}) GROUP BY ALL) "
        f"WINDOW time AS (PARTITION BY {key} ORDER BY month)"
    )


def clean_debit(table: str = "debit") -> str:
    """SELECT of the real system's view ``clean_debit``: by establishment, and only in months with an event.

    ``siret, periode, part_ouvriere, part_patronale, is_last``; source: its migration 042.
    """
    return (
        "SELECT siret, month AS periode, employee_share AS part_ouvriere, employer_share AS part_patronale, "
        f"until IS NULL AS is_last FROM ({running(table, 'siret', 'siret')})"
    )


def _make(given: Given) -> Made:
    counts, left_out = given.without("debit", later_than(given, "counted_from"))
    counted = given.scratch("debits", f"SELECT * FROM debit WHERE {counts}")
    rows = given.number(f"SELECT count(*) FROM {counted}")
    distinct = given.number(
        f"SELECT count(*) FROM (SELECT DISTINCT {_EVENT}, sequence, treated, employee_share, employer_share FROM {counted})"
    )
    events = given.number(f"SELECT count(*) FROM (SELECT DISTINCT {_EVENT} FROM {counted})")
    left_out |= {"repeated_event": rows - distinct, "superseded_within_month": distinct - events}
    until = f"coalesce(CAST(until - INTERVAL 1 MONTH AS DATE), {given.last})"
    return Made(
        f"SELECT siren, {months('month', until)} AS month, CAST(employee_share AS DOUBLE) AS employee_share, "
        f"CAST(employer_share AS DOUBLE) AS employer_share FROM ({running(counted, 'siren', company())})",
        left_out,
    )


RECIPE: Final = Recipe(DEBTS, (("debit",),), _make)
