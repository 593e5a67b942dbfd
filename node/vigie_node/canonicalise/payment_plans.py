"""``payment_plans`` from ``delai``: the plans that Urssaf granted or was asked for (reference section 1.5).

The extract delivers plans twice (datapi's issue 234), and a plan of several accounts once for each: what is the same for a
company in every column that is sent is one plan.
"""

from typing import Final

from vigie.datasets.payment_plans import ACTIONS, PAYMENT_PLANS, STAGES
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company, translated


def _make(given: Given) -> Made:
    distinct = given.scratch(
        "plans",
        f"SELECT DISTINCT {company()} AS siren, created, due, days AS duration_days, CAST(amount AS DOUBLE) AS amount, "
        f"{translated('action', ACTIONS, 'other')} AS action, {translated('stage', STAGES, 'other')} AS stage FROM delai",
    )
    plans = given.number(f"SELECT count(*) FROM {distinct}")
    return Made(f"SELECT * FROM {distinct}", {"repeated_plan": given.rows("delai") - plans})


RECIPE: Final = Recipe(PAYMENT_PLANS, (("delai",),), _make)
