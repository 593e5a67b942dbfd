"""The SQL of a company's history: one row per company and month, wide enough for every feature to be an expression.

Rules kept:

* **Point in time.**  A row of a dataset joins the month from which it may be used, and nothing dated or available after
  the end of a month reaches that month.
* **The key's order cannot matter.**  No floating-point value goes through an aggregate: sums over months are written
  out as sums of lagged columns, in one order.  Aggregates that remain (``max``, ``bool_or``, ``count``) are exact.
* **Unknown stays NULL.**  A company that one partner does not know has gaps, never a zero and never a dropped row.

The text is what runs, laid out to be read by an auditor; ``docs/features.md`` shows it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from vigie.datasets import BUILT_IN, Column, ColumnType, Dataset
from vigie_hub.enclave.features.accounts import RATIO_COLUMNS, VALID_MONTHS

MACROS: Final = (
    "CREATE OR REPLACE TEMP MACRO month_of(day) AS (year(day) * 12 + month(day) - 1)::INTEGER",
    "CREATE OR REPLACE TEMP MACRO known(value) AS (value IS NOT NULL)::INTEGER",
    """CREATE OR REPLACE TEMP MACRO last_day_of(index) AS
    (make_date(((index + 1) // 12)::INTEGER, ((index + 1) % 12 + 1)::INTEGER, 1) - 1)::DATE""",
)
"""Months are whole numbers in SQL as in :mod:`vigie_hub.enclave.months`."""

HEADCOUNT_CARRIED: Final = 6
"""Headcount comes up to six months late: the last known figure counts for that long."""

MEAN_AT_LEAST: Final = 3
"""Fewest known months for a mean over twelve."""


def _earlier(column: str, months: Iterable[int]) -> str:
    """``lag(column, n) OVER timeline AS column_n`` for each n."""
    return ",\n        ".join(f"lag({column}, {n}) OVER timeline AS {column}_{n}" for n in months)


def _names(column: str, months: int) -> list[str]:
    return [column, *(f"{column}_{n}" for n in range(1, months))]


def _wrapped(parts: Sequence[str], separator: str) -> str:
    """Join, four to a line."""
    lines = [separator.join(parts[at : at + 4]) for at in range(0, len(parts), 4)]
    return f"{separator.rstrip()}\n                ".join(lines)


def _sum_of_known(column: str, months: int) -> str:
    """Sum over the last months in one written order, unknown ones passed over."""
    return _wrapped([f"coalesce({name}, 0)" for name in _names(column, months)], " + ")


def _any_known(column: str, months: int) -> str:
    return f"coalesce({_wrapped(_names(column, months), ', ')}) IS NOT NULL"


def _count_known(column: str, months: int) -> str:
    return _wrapped([f"known({name})" for name in _names(column, months)], " + ")


def _monthly(dataset: str, columns: Sequence[str]) -> str:
    wanted = ", ".join(columns)
    return f"""{dataset}_by_month AS (
    SELECT company, month_of(raw_{dataset}.month) AS month, {wanted}
    FROM raw_{dataset} JOIN company USING (_key)
)"""


# Names of a declared dataset are quoted and start with a letter; ours in the same table start with an underscore.
def latest_rows(dataset: Dataset, columns: Sequence[str]) -> str:
    """CTE ``<name>_usable``: for each company and month from which something new is known, the newest usable row.

    Only ever grows with time: a row that became usable later but speaks of an earlier time replaces nothing.
    """
    time, available = f'"{dataset.time}"', f'"{dataset.available or dataset.time}"'
    usable = (
        f"month_of(raw.{time})" if time == available else f"greatest(month_of(raw.{time}), month_of(raw.{available}))"
    )
    newest = ",\n            ".join(f'"{column.name}" DESC NULLS LAST' for column in dataset.columns)
    wanted = ",\n        ".join(f'"{name}"' for name in columns)
    return f"""{dataset.name}_usable AS (
    SELECT _company, _usable_from,
        {wanted}
    FROM (
        SELECT company.company AS _company, {usable} AS _usable_from, raw.*
        FROM raw_{dataset.name} AS raw JOIN company USING (_key)
    )
    QUALIFY {time} >= max({time}) OVER (PARTITION BY _company ORDER BY _usable_from)
        AND row_number() OVER (PARTITION BY _company, _usable_from ORDER BY
            {newest}) = 1
)"""


_PLANS: Final = """plans AS (
    SELECT company, month_of(created) AS since, created, due, duration_days
    FROM raw_payment_plans JOIN company USING (_key)
),
plans_by_month AS (
    SELECT company, month,
        bool_or(due >= last_day_of(month))::INTEGER AS plan_active,
        max(due - last_day_of(month)) FILTER (due >= last_day_of(month)) AS plan_remaining_days,
        max(duration_days) FILTER (due >= last_day_of(month)) AS plan_duration_days
    FROM panel JOIN plans USING (company)
    WHERE plans.since <= month
    GROUP BY company, month
)"""

_KNOWN: Final = f"""known AS (
    SELECT panel.company, panel.month,
        contribution_due, employee_share, employer_share, headcount, consumed_hours, authorised_hours,
        plan_active, plan_remaining_days, plan_duration_days,
        {{accounts}},
        {{declared}}
    FROM panel
    LEFT JOIN contributions_by_month USING (company, month)
    LEFT JOIN debts_by_month USING (company, month)
    LEFT JOIN headcount_by_month USING (company, month)
    LEFT JOIN short_time_work_by_month USING (company, month)
    LEFT JOIN plans_by_month USING (company, month)
    {{latest}}
),
carried AS (
    SELECT *,
        employee_share + employer_share AS debt,
        last_value(headcount IGNORE NULLS) OVER carrying AS headcount_known,
        last_value(CASE WHEN headcount IS NOT NULL THEN month END IGNORE NULLS) OVER carrying AS headcount_month
    FROM known
    WINDOW carrying AS (
        PARTITION BY company ORDER BY month ROWS BETWEEN {HEADCOUNT_CARRIED} PRECEDING AND CURRENT ROW
    )
),
lagged AS (
    SELECT *,
        {_earlier("contribution_due", range(1, 12))},
        {_earlier("consumed_hours", range(1, 12))},
        {_earlier("headcount_known", (6, 12))},
        {_earlier("debt", (3,))}
    FROM carried
    WINDOW timeline AS (PARTITION BY company ORDER BY month)
),
summed AS (
    SELECT *,
        {_count_known("contribution_due", 12)}
            AS contribution_months,
        {_sum_of_known("contribution_due", 12)}
            AS contribution_sum,
        CASE WHEN {_any_known("consumed_hours", 3)}
            THEN {_sum_of_known("consumed_hours", 3)} END AS consumed_hours_sum_3,
        CASE WHEN {_any_known("consumed_hours", 12)}
            THEN {_sum_of_known("consumed_hours", 12)} END AS consumed_hours_sum_12
    FROM lagged
),
rated AS (
    SELECT *,
        CASE WHEN contribution_months >= {MEAN_AT_LEAST}
            THEN contribution_sum / contribution_months END AS contribution_mean,
        CASE WHEN contribution_mean > 0 THEN debt / contribution_mean END AS debt_ratio
    FROM summed
)
SELECT *,
        {_earlier("debt_ratio", (1, 2, 3, 6, 12))}
FROM rated
WINDOW timeline AS (PARTITION BY company ORDER BY month)"""


def history_sql(declared: Mapping[str, Dataset], first: int, last: int) -> str:
    """The statement that makes the table ``history``: every company of ``company`` in every month first..last.

    Args:
        declared: the datasets without features of their own, whose columns count as they are; by name.
        first: first month of the panel.
        last: last month of the panel, the period of the order.
    """
    ratios = BUILT_IN["ratios"]
    parts = [
        f"panel AS (\n    SELECT company, month FROM company, generate_series({first}, {last}) AS months(month)\n)",
        _monthly("contributions", ["contribution_due"]),
        _monthly("debts", ["employee_share", "employer_share"]),
        _monthly("headcount", ["headcount::DOUBLE AS headcount"]),
        _monthly("short_time_work", ["consumed_hours", "authorised_hours"]),
        _PLANS,
        latest_rows(ratios, ["closing_date", *RATIO_COLUMNS]),
        *(latest_rows(one, [column.name for column in one.columns]) for one in declared.values()),
    ]
    valid = f"panel.month < ratios_usable._usable_from + {VALID_MONTHS}"
    accounts = [
        f"CASE WHEN {valid} THEN month_of(ratios_usable.closing_date) END AS accounts_closing_month",
        *(f"CASE WHEN {valid} THEN ratios_usable.{name} END AS accounts_{name}" for name in RATIO_COLUMNS),
    ]
    values = [
        f"{_value(one.name, column)} AS {declared_name(one.name, column.name)}"
        for one in declared.values()
        for column in one.columns
        if column.name != one.time
    ]
    joins = [
        f"ASOF LEFT JOIN {name}_usable ON panel.company = {name}_usable._company "
        f"AND panel.month >= {name}_usable._usable_from"
        for name in ("ratios", *declared)
    ]
    between = ",\n        "
    known = _KNOWN.format(
        accounts=between.join(accounts),
        declared=between.join(values) if values else "NULL AS nothing_declared",
        latest="\n    ".join(joins),
    )
    return "CREATE OR REPLACE TEMP TABLE history AS\nWITH\n" + ",\n".join(parts) + ",\n" + known


def declared_name(dataset: str, column: str) -> str:
    """Name in ``history`` of a column of a declared dataset."""
    return f'"{dataset}.{column}"'


def _value(dataset: str, column: Column) -> str:
    quoted = f'{dataset}_usable."{column.name}"'
    # A date is told as months before the row's month: a day in itself only says when the row was made.
    if column.type in (ColumnType.MONTH, ColumnType.DATE):
        return f"panel.month - month_of({quoted})"
    return f"{quoted}::DOUBLE"
