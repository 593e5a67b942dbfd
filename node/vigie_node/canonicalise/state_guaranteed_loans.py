"""``state_guaranteed_loans`` from ``pge``: companies of which it is known whether a loan is running (section 1.16).

An empty cell is *unknown* and makes no row: it is never *no*. A company on several lines has a loan when one of them says
so.
"""

from typing import Final

from vigie.datasets.state_guaranteed_loans import STATE_GUARANTEED_LOANS
from vigie_node.canonicalise.recipe import Given, Made, Recipe


def _make(given: Given) -> Made:
    known, left_out = given.without("pge", {"unknown": "active IS NULL"})
    companies = given.number(f"SELECT count(DISTINCT siren) FROM pge WHERE {known}")
    left_out["repeated_company"] = given.rows("pge", known) - companies
    return Made(
        f"SELECT siren, {given.last} AS as_of, bool_or(active) AS active FROM pge WHERE {known} GROUP BY siren",
        left_out,
    )


RECIPE: Final = Recipe(STATE_GUARANTEED_LOANS, (("pge",),), _make)
