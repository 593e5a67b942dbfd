"""``establishment_departments`` from ``sirene``: the départements in which a company has open establishments (1.14)."""

from typing import Final

from vigie.datasets.departments import CATEGORIES
from vigie.datasets.establishment_departments import ESTABLISHMENT_DEPARTMENTS
from vigie_node.canonicalise.recipe import Given, Made, Recipe
from vigie_node.canonicalise.register import establishments

_LISTED: Final = ", ".join(f"'{category}'" for category in CATEGORIES)


def _make(given: Given) -> Made:
    table, repeated = establishments(given)
    placed = f"coalesce(department IN ({_LISTED}), false)"
    return Made(
        f"SELECT siren, {given.last} AS as_of, department, count(*) AS open_establishments FROM {table} "
        f"WHERE open AND {placed} GROUP BY siren, department",
        {
            "repeated_establishment": repeated,
            "closed_establishment": given.number(f"SELECT count(*) FROM {table} WHERE NOT open"),
            "no_department": given.number(f"SELECT count(*) FROM {table} WHERE open AND NOT {placed}"),
        },
    )


RECIPE: Final = Recipe(ESTABLISHMENT_DEPARTMENTS, (("sirene",),), _make)
