"""The SQL of a company's history, wide enough for every feature to be an expression over one row of it.

Three steps, of which only the last is wide, and that for the wanted rows alone:

1. ``monthly``: every company of ``company`` in every month, with what each monthly dataset says of that month;
2. ``rated``: the same with debts, carried headcount, mean contributions and the debt ratio;
3. ``history``: the rows of ``wanted`` (company and month) with earlier months beside them, and with the newest usable row
   of each dataset that is not monthly.

Rules kept:

* **Point in time.**  A row of a dataset joins the month from which it may be used, and nothing dated or available after
  the end of a month reaches that month.  What is not known yet is not filled from later either.
* **The key's order cannot matter.**  No floating-point value goes through an aggregate: sums over months are written
  out as sums of lagged columns, in one order.  Aggregates that remain (``max``, ``bool_or``) are exact.
* **Unknown stays NULL.**  A company that one partner does not know has gaps, never a zero and never a dropped row, and
  a quotient whose divisor is 0 is unknown.

The text is what runs, laid out to be read by an auditor; ``docs/features.md`` shows it.
"""

from collections.abc import Mapping
from typing import Final

from vigie.datasets import BUILT_IN, Column, ColumnType, Dataset
from vigie_hub.enclave.features.windows import any_known, earlier, mean_of_known, months_above_zero, sum_of_known
from vigie_hub.enclave.features.yearly import YEARLY, latest_rows

MACROS: Final = (
    "CREATE OR REPLACE TEMP MACRO month_of(day) AS (year(day) * 12 + month(day) - 1)::INTEGER",
    "CREATE OR REPLACE TEMP MACRO known(value) AS (value IS NOT NULL)::INTEGER",
    """CREATE OR REPLACE TEMP MACRO last_day_of(index) AS
    (make_date(((index + 1) // 12)::INTEGER, ((index + 1) % 12 + 1)::INTEGER, 1) - 1)::DATE""",
)
"""Months are whole numbers in SQL as in :mod:`vigie_hub.enclave.months`."""

HEADCOUNT_CARRIED: Final = 6
"""Headcount comes up to six months late: the last known figure counts for that long."""

PAST: Final = (1, 2, 3, 6, 12, 24)
"""How many months back the main monthly series are looked at."""

_MONTHLY: Final[Mapping[str, tuple[str, ...]]] = {
    "contributions": ("contribution_due", "contribution_paid"),
    "debts": ("employee_share", "employer_share"),
    "headcount": ("headcount",),
    "short_time_work": ("consumed_hours", "authorised_hours", "staff_concerned"),
    "payment_delays": ("delay_days", "late_share_30", "late_share_90"),
}
"""Columns of the monthly datasets that are read; names are unique across them."""

MONTHLY_READ: Final = tuple(_MONTHLY)
"""The monthly datasets: how early their rows begin decides how early the history does."""

_EARLIER_CONTRIBUTIONS: Final = ("contribution_due", "contribution_paid", "contribution_due_where_paid")

_LATE: Final = """plans AS (
    SELECT company, month_of(created) AS since, created, due, duration_days, amount, action, stage
    FROM raw_payment_plans JOIN company USING (_key)
),
plans_by_month AS (
    SELECT company, month,
        bool_or(due >= last_day_of(month))::INTEGER AS plan_active,
        max(due - last_day_of(month)) FILTER (due >= last_day_of(month)) AS plan_remaining_days,
        max(duration_days) FILTER (due >= last_day_of(month)) AS plan_duration_days,
        max(since) AS plan_since
    FROM wanted JOIN plans USING (company)
    WHERE plans.since <= month
    GROUP BY company, month
),
newest_plan AS (
    SELECT company, month, amount AS plan_amount, due - last_day_of(month) AS newest_plan_remaining,
        duration_days AS newest_plan_duration
    FROM wanted JOIN plans USING (company)
    WHERE plans.since <= month AND due >= last_day_of(month)
    QUALIFY row_number() OVER (PARTITION BY company, month ORDER BY created DESC, due DESC, duration_days DESC NULLS LAST,
        amount DESC NULLS LAST, action DESC NULLS LAST, stage DESC NULLS LAST) = 1
)"""

_PLAN_TABLES: Final = ("plans_by_month", "newest_plan")
_PLAN_COLUMNS: Final = (
    "plan_active", "plan_remaining_days", "plan_duration_days", "plan_since", "plan_amount", "newest_plan_remaining",
    "newest_plan_duration",
)  # fmt: skip

SECTORS: Final = "legal_units"
"""The dataset that says in which sector a company is."""

_EVENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "ccsf": {"ccsf_month": "month_of({}.date)", "ccsf_stage": "{}.stage"},
    "legal_units": {
        "created_month": "month_of({}.created)",
        "activity_section": "{}.activity_section",
        "activity_division": "{}.activity_division",
        "open_establishments": "{}.open_establishments",
    },
    "state_guaranteed_loans": {"loan_month": "month_of({}.as_of)", "loan_active": "{}.active::INTEGER"},
}
"""Datasets whose newest usable row counts whatever its age: name in ``history`` → value, ``{}`` being that row."""


def monthly_sql(first: int, last: int) -> str:
    """The statement that makes the table ``monthly``: every company in every month first..last."""
    columns = ",\n        ".join(
        ", ".join("headcount::DOUBLE AS headcount" if name == "headcount" else name for name in names)
        for names in _MONTHLY.values()
    )
    joins = "\n    ".join(f"LEFT JOIN {name}_by_month USING (company, month)" for name in _MONTHLY)
    parts = [
        f"panel AS (\n    SELECT company, month FROM company, generate_series({first}, {last}) AS months(month)\n)",
        *(_by_month(name, names) for name, names in _MONTHLY.items()),
    ]
    return (
        "CREATE OR REPLACE TEMP TABLE monthly AS\nWITH\n"
        + ",\n".join(parts)
        + f"\nSELECT panel.company, panel.month,\n        {columns}\n    FROM panel\n    {joins}"
    )


def _by_month(dataset: str, columns: tuple[str, ...]) -> str:
    return f"""{dataset}_by_month AS (
    SELECT company, month_of(raw_{dataset}.month) AS month, {", ".join(columns)}
    FROM raw_{dataset} JOIN company USING (_key)
)"""


RATED: Final = f"""CREATE OR REPLACE TEMP TABLE rated AS
WITH carried AS (
    SELECT *,
        employee_share + employer_share AS debt,
        CASE WHEN contribution_paid IS NOT NULL THEN contribution_due END AS contribution_due_where_paid,
        last_value(headcount IGNORE NULLS) OVER carrying AS headcount_known,
        last_value(CASE WHEN headcount IS NOT NULL THEN month END IGNORE NULLS) OVER carrying AS headcount_month
    FROM monthly
    WINDOW carrying AS (
        PARTITION BY company ORDER BY month ROWS BETWEEN {HEADCOUNT_CARRIED} PRECEDING AND CURRENT ROW
    )
),
called AS (
    SELECT *,
        {earlier({name: range(1, 12) for name in _EARLIER_CONTRIBUTIONS})}
    FROM carried
    WINDOW timeline AS (PARTITION BY company ORDER BY month)
),
averaged AS (
    SELECT company, month, contribution_due, employee_share, employer_share, debt,
        headcount_known, headcount_month, consumed_hours, authorised_hours, staff_concerned,
        delay_days, late_share_30, late_share_90,
        {mean_of_known("contribution_due", (3, 6, 12))},
        CASE WHEN {any_known("contribution_due_where_paid", 12)}
            THEN {sum_of_known("contribution_due_where_paid", 12)} END AS called_12,
        CASE WHEN {any_known("contribution_due_where_paid", 12)}
            THEN {sum_of_known("contribution_paid", 12)} END AS paid_12
    FROM called
)
SELECT *,
        CASE WHEN contribution_due_mean_12 > 0 THEN debt / contribution_due_mean_12 END AS debt_ratio,
        debt / nullif(headcount_known, 0) AS debt_per_head
FROM averaged"""
"""The statement that makes the table ``rated`` of ``monthly``."""

_LAGGED: Final = f"""lagged AS (
    SELECT *,
        {
    earlier(
        {
            "contribution_due_mean_12": (12,),
            "employee_share": (*range(1, 13), 24),
            "employer_share": (*range(1, 13), 24),
            "debt": range(1, 13),
            "debt_ratio": (*range(1, 13), 24),
            "debt_per_head": (3,),
            "headcount_known": (3, 6, 12, 24),
            "consumed_hours": (*range(1, 13), 24),
            "delay_days": PAST,
            "late_share_30": (12,),
            "late_share_90": (12,),
        }
    )
}
    FROM rated
    WINDOW timeline AS (PARTITION BY company ORDER BY month)
),
summed AS (
    SELECT *,
        {mean_of_known("employee_share", (3, 6, 12))},
        {mean_of_known("employer_share", (3, 6, 12))},
        {mean_of_known("debt_ratio", (12,))},
        {months_above_zero("debt", 12)} AS debt_months_12,
        CASE WHEN {any_known("consumed_hours", 3)}
            THEN {sum_of_known("consumed_hours", 3)} END AS consumed_hours_sum_3,
        CASE WHEN {any_known("consumed_hours", 12)}
            THEN {sum_of_known("consumed_hours", 12)} END AS consumed_hours_sum_12
    FROM lagged
)"""


def history_sql(definitions: Mapping[str, Dataset], declared: Mapping[str, Dataset]) -> str:
    """The query ``history``: a row for each of ``wanted``.

    Args:
        definitions: the datasets whose columns are wanted, by name.  The sector, of the register, is always there.
        declared: those of them without features of their own, whose columns count as they are.
    """
    newest = [name for name in _EVENTS if name in definitions or name == SECTORS]
    yearly = [one for one in YEARLY if one.dataset in definitions]
    plans = "payment_plans" in definitions
    parts = [
        "dated AS (\n    SELECT company, month, month - 12 AS month_12, month - 24 AS month_24 FROM wanted\n)",
        _LAGGED,
        *([_LATE] if plans else []),
        *(latest_rows(BUILT_IN[name], [column.name for column in BUILT_IN[name].columns]) for name in newest),
        *(latest_rows(BUILT_IN[one.dataset], one.columns, one.prefer, one.valid) for one in yearly),
        *(latest_rows(one, [column.name for column in one.columns]) for one in declared.values()),
    ]
    values = [
        *(_PLAN_COLUMNS if plans else ()),
        *(
            f"{value.format(f'{name}_usable')} AS {column}"
            for name in newest
            for column, value in _EVENTS[name].items()
        ),
        *(value for one in yearly for value in one.values()),
        *(
            f"{_value(one.name, column)} AS {declared_name(one.name, column.name)}"
            for one in declared.values()
            for column in one.columns
            if column.name != one.time
        ),
    ]
    joins = [
        *(f"LEFT JOIN {name} USING (company, month)" for name in (_PLAN_TABLES if plans else ())),
        *(_newest(f"{name}_usable", f"{name}_usable", "month") for name in (*newest, *declared)),
        *(_newest(f"{one.dataset}_usable", one.row(back), _month(back)) for one in yearly for back in one.back),
    ]
    between, line = ",\n        ", "\n    "
    return f"""WITH
{f",{chr(10)}".join(parts)}
SELECT dated.company, dated.month, summed.* EXCLUDE (company, month),
        {between.join(values)}
    FROM dated
    LEFT JOIN summed USING (company, month)
    {line.join(joins)}"""


def _month(back: int) -> str:
    return f"month_{back}" if back else "month"


def _newest(usable: str, row: str, month: str) -> str:
    renamed = "" if row == usable else f" AS {row}"
    return (
        f"LEFT JOIN {usable}{renamed} ON dated.company = {row}._company\n"
        f"        AND dated.{month} >= {row}._usable_from AND dated.{month} < {row}._usable_until"
    )


def declared_name(dataset: str, column: str) -> str:
    """Name in ``history`` of a column of a declared dataset."""
    return f'"{dataset}.{column}"'


def _value(dataset: str, column: Column) -> str:
    quoted = f'{dataset}_usable."{column.name}"'
    # A date is told as months before the row's month: a day in itself only says when the row was made.
    if column.type in (ColumnType.MONTH, ColumnType.DATE):
        return f"dated.month - month_of({quoted})"
    return f"{quoted}::DOUBLE"
