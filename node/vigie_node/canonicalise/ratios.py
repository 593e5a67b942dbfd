"""``ratios`` from ``bdf``: the accounts of each fiscal year, with the day from which they count (sections 1.10 and 2.1).

The fiscal year is the year of the extract less one. Of several accounts for one year those hold that were delivered last:
the newest file, in it those that close last, then the last line. Accounts that close after the
month of the extracts are left out. They never speak before the eighth month after their
closing month, as :func:`vigie.datasets.ratios.available_from` says.
"""

from typing import Final

from vigie.datasets.ratios import FILING_LAG_MONTHS, RATIOS
from vigie_node.canonicalise.recipe import Given, Made, Recipe, available_from, later_than

_COLUMNS: Final = {
    "working_capital_weight": "working_capital_weight",
    "margin_rate": "margin_rate",
    "supplier_delay": "supplier_days",
    "tax_and_social_debt_weight": "tax_and_social_debt",
    "short_term_bank_debt_weight": "short_term_loans",
    "financial_cost_weight": "financial_costs",
}
"""Column of the dataset → column of the extract."""


def _make(given: Given) -> Made:
    closed, left_out = given.without("bdf", later_than(given, "closing_date"))
    last = given.scratch(
        "ratios",
        f"SELECT * FROM bdf WHERE {closed} QUALIFY row_number() OVER "
        "(PARTITION BY siren, fiscal_year ORDER BY file DESC, closing_date DESC, line DESC) = 1",
    )
    columns = ", ".join(f"{ours} AS {name}" for name, ours in _COLUMNS.items())
    return Made(
        f"SELECT siren, closing_date, {available_from('closing_date', FILING_LAG_MONTHS)} AS available_from, fiscal_year, "
        f"{columns} FROM {last}",
        left_out | {"repeated_year": given.rows("bdf", closed) - given.number(f"SELECT count(*) FROM {last}")},
    )


RECIPE: Final = Recipe(RATIOS, (("bdf",),), _make)
