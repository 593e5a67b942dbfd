"""Yearly figures in the history: the newest ones that may be used, and those of one and of two years earlier.

Rule kept: accounts speak from the day from which they are known, for so many months, until the next ones should have
come; never in the year that they are about.  *A year earlier* is what was known, and still counted, twelve months before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vigie.datasets import Dataset
from vigie_hub.enclave.months import NEVER


@dataclass(frozen=True)
class Yearly:
    """A yearly dataset as the history reads it.

    Attributes:
        dataset: its name.
        prefix: of its columns in ``history``; those of n months earlier end in ``_n``.
        valid: months for which a row counts from the one in which it becomes usable.
        columns: that are read, its time first.
        back: months back at which it is read.
        prefer: SQL order of rows of one time that become usable together; the rest of the columns decides after it.
    """

    dataset: str
    prefix: str
    valid: int
    columns: tuple[str, ...]
    back: tuple[int, ...]
    prefer: str = ""

    def row(self, back: int) -> str:
        """Name of the joined row of so many months back."""
        return f"{self.dataset}_{back}"

    def name(self, column: str, back: int = 0) -> str:
        """Name in ``history`` of a column."""
        return f"{self.prefix}_{column}_{back}" if back else f"{self.prefix}_{column}"

    def values(self) -> list[str]:
        """The columns for the SELECT list of ``history``."""
        listed = []
        for back in self.back:
            for column in self.columns:
                value = f"{self.row(back)}.{column}"
                if column == self.columns[0]:
                    value = f"month_of({value})"
                listed.append(f"{value} AS {self.name(column, back)}")
        return listed


RATIOS: Final = Yearly(
    "ratios",
    "ratios",
    13,
    (
        "closing_date",
        "working_capital_weight",
        "margin_rate",
        "supplier_delay",
        "tax_and_social_debt_weight",
        "short_term_bank_debt_weight",
        "financial_cost_weight",
    ),
    (0, 12, 24),
)
"""The ratios of the Banque de France."""

ACCOUNTS: Final = Yearly(
    "accounts",
    "accounts",
    14,
    (
        "closing_date",
        "turnover",
        "ebitda",
        "interest",
        "short_term_bank_debt",
        "financial_balance",
        "debt_to_resources",
        "equity_ratio",
        "repayment_capacity",
        "tangible_asset_wear",
        "quick_ratio",
        "operating_need_weight",
        "invested_capital_productivity",
        "economic_return",
        "net_return",
    ),
    (0, 12),
    "source, statement NULLS LAST",
)
"""Public accounts: Diane's before the open data's of the same closing, complete before simplified before consolidated."""

TAX_ACCOUNTS: Final = Yearly(
    "tax_accounts",
    "tax",
    14,
    (
        "closing_date",
        "turnover",
        "value_added",
        "ebitda",
        "wages",
        "social_charges",
        "other_staff_costs",
        "staff",
        "equity",
        "share_capital",
        "net_debt",
        "self_financing_capacity",
        "goods_stock",
        "operating_current_assets",
        "other_current_assets",
        "operating_current_liabilities",
        "other_current_liabilities",
        "cash",
        "working_capital_need",
        "supplier_payment_days",
        "customer_payment_days",
        "term_debt_ratio",
        "quick_ratio",
        "investment_rate",
        "economic_return",
        "financial_solidity",
    ),
    (0, 12),
)
"""Declarations to the tax office."""

YEARLY: Final = (RATIOS, ACCOUNTS, TAX_ACCOUNTS)
"""In the order in which they stand in ``history``."""


# Names of a declared dataset are quoted and start with a letter; ours in the same table start with an underscore.
def latest_rows(dataset: Dataset, columns: Sequence[str], prefer: str = "", valid: int | None = None) -> str:
    """CTE ``<name>_usable``: for each company, the newest usable row and the months in which it is that.

    ``_usable_until`` is the month from which another row takes its place, or in which it has counted long enough.  What is
    newest only ever grows with time: a row that became usable later but speaks of an earlier time replaces nothing.

    Args:
        dataset: any.
        columns: that are kept.
        prefer: SQL order of rows of one time and company, before the order of the columns.
        valid: months for which a row counts; None for ever.
    """
    time = f'"{dataset.time}"'
    # A monthly or yearly table has one row of each time; events of one time are told apart by all that they say.
    told = dataset.columns if dataset.grain == "event" else dataset.columns[:1]
    newest = [f'"{column.name}" DESC NULLS LAST' for column in told]
    if prefer:
        newest.insert(1, prefer)
    order = ",\n            ".join(newest)
    wanted = ",\n        ".join(f'"{name}"' for name in columns)
    following = f"lead(_usable_from, 1, {NEVER}) OVER (PARTITION BY _company ORDER BY _usable_from)"
    until = following if valid is None else f"least(_usable_from + {valid}, {following})"
    return f"""{dataset.name}_newest AS (
    SELECT _company, _usable_from,
        {wanted}
    FROM (
        SELECT company.company AS _company, {usable_from(dataset)} AS _usable_from, raw.*
        FROM raw_{dataset.name} AS raw JOIN company USING (_key)
    )
    QUALIFY {time} >= max({time}) OVER (PARTITION BY _company ORDER BY _usable_from)
        AND row_number() OVER (PARTITION BY _company, _usable_from ORDER BY
            {order}) = 1
),
{dataset.name}_usable AS (
    SELECT *, {until} AS _usable_until
    FROM {dataset.name}_newest
)"""


def usable_from(dataset: Dataset) -> str:
    """SQL: the month from which the row ``raw`` of a dataset may be used."""
    time = f'month_of(raw."{dataset.time}")'
    if dataset.available in (None, dataset.time):
        return time
    return f'greatest({time}, month_of(raw."{dataset.available}"))'
