"""``tax_accounts`` from the DGFiP's declarations and ratios (reference section 1.15).

The two halves of a declaration are put together as :func:`vigie_node.extracts.dgfip.declarations_sql` does. Of several
declarations for one closing date the one with fewest empty figures holds; between two that are as full, the one declared
last; those for a year that ends after the month of the extracts are left out. Figures are as declared; the day from which they count is the eighth month after the closing month.
"""

from typing import Final

from vigie.datasets.ratios import FILING_LAG_MONTHS
from vigie.datasets.tax_accounts import TAX_ACCOUNTS
from vigie_node.canonicalise.recipe import Given, Made, Recipe, available_from, first_of_month
from vigie_node.extracts.dgfip import KEY, declarations_sql

_HALVES: Final = ("declarations_indmap", "declarations_af")
_RATIOS: Final = "ratios_dirco"
_YEAR: Final = "siren, opening_date, closing_date"
_FIGURES: Final = TAX_ACCOUNTS.names[TAX_ACCOUNTS.names.index("months") + 1 :]


def _make(given: Given) -> Made:
    nulls = " + ".join(f"CAST({name} IS NULL AS INTEGER)" for name in _FIGURES)
    figures = ", ".join(_FIGURES)
    chosen = given.scratch(
        "declarations",
        f"SELECT * FROM ({declarations_sql(ratios=given.has(_RATIOS))}) "
        f"WHERE {first_of_month('closing_date')} <= {given.last} QUALIFY row_number() OVER (PARTITION BY siren, "
        # The figures come last, so that nothing is left to chance between two that are alike in everything else.
        f"closing_date ORDER BY {nulls}, declared_year DESC, obligation DESC, opening_date DESC, {figures}) = 1",
    )
    left_out = {"declaration_not_used": sum(_unused(given, kind, ", ".join(KEY), chosen) for kind in _HALVES)}
    if given.has(_RATIOS):
        left_out["ratios_not_used"] = _unused(given, _RATIOS, _YEAR, chosen)
    return Made(
        f"SELECT siren, closing_date, {available_from('closing_date', FILING_LAG_MONTHS)} AS available_from, "
        # A year from 1 January to 31 December has twelve months: both days are included.
        f"date_diff('month', opening_date, CAST(closing_date + 1 AS DATE)) AS months, {figures} FROM {chosen}",
        left_out,
    )


def _unused(given: Given, kind: str, key: str, chosen: str) -> int:
    """Rows of an extract but one for each declaration that was chosen and has that part."""
    return given.rows(kind) - given.number(
        f"SELECT count(*) FROM (SELECT DISTINCT {key} FROM {kind}) SEMI JOIN {chosen} USING ({key})"
    )


RECIPE: Final = Recipe(TAX_ACCOUNTS, tuple((half,) for half in _HALVES), _make, uses=(_RATIOS,))
