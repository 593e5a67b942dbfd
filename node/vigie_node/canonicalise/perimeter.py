"""``perimeter`` from ``filter``: the companies that are looked at, as their list says for the month (section 1.17)."""

from typing import Final

from vigie.datasets.perimeter import PERIMETER
from vigie_node.canonicalise.recipe import Given, Made, Recipe


def _make(given: Given) -> Made:
    companies = given.number("SELECT count(DISTINCT siren) FROM filter")
    return Made(
        f"SELECT DISTINCT siren, {given.last} AS month FROM filter",
        {"repeated_company": given.rows("filter") - companies},
    )


RECIPE: Final = Recipe(PERIMETER, (("filter",),), _make)
