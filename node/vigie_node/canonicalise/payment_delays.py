"""``payment_delays`` from ``paydex``: how late a company pays, the last observation of each month (section 1.13)."""

from typing import Final

from vigie.datasets.payment_delays import PAYMENT_DELAYS
from vigie_node.canonicalise.recipe import Given, Made, Recipe, first_of_month


def _make(given: Given) -> Made:
    last = given.scratch(
        "delays",
        f"SELECT siren, {first_of_month('value_date')} AS month, delay_days, late_share_30, late_share_90, suppliers, "
        "outstanding AS outstanding_studied FROM paydex QUALIFY row_number() OVER "
        f"(PARTITION BY siren, {first_of_month('value_date')} ORDER BY value_date DESC, file DESC, line DESC) = 1",
    )
    months = given.number(f"SELECT count(*) FROM {last}")
    return Made(f"SELECT * FROM {last}", {"earlier_in_month": given.rows("paydex") - months})


RECIPE: Final = Recipe(PAYMENT_DELAYS, (("paydex",),), _make)
