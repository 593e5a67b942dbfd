"""``ccsf`` from ``ccsf``: steps before the département commission of financial heads, distinct by company (section 1.6)."""

from typing import Final

from vigie.datasets.ccsf import CCSF, OTHER, STAGES
from vigie_node.canonicalise.recipe import Given, Made, Recipe, company, translated


def _make(given: Given) -> Made:
    distinct = given.scratch(
        "steps",
        f"SELECT DISTINCT {company()} AS siren, treated AS date, {translated('stage', STAGES, OTHER)} AS stage FROM ccsf",
    )
    steps = given.number(f"SELECT count(*) FROM {distinct}")
    return Made(f"SELECT * FROM {distinct}", {"repeated_step": given.rows("ccsf") - steps})


RECIPE: Final = Recipe(CCSF, (("ccsf",),), _make)
