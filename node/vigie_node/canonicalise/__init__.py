"""From the typed tables of extracts to canonical datasets: one module per dataset, SQL and no files.

The rows stay in the scratch database from the reading of an extract to its sealing. What each dataset sums, spreads, merges
and leaves out is told in its module, and counted in its report.
"""

from collections.abc import Collection, Mapping
from datetime import date
from typing import Final

from vigie_node.canonicalise import (
    accounts,
    ccsf,
    contributions,
    debts,
    establishment_departments,
    headcount,
    legal_units,
    payment_delays,
    payment_plans,
    perimeter,
    proceedings,
    ratios,
    short_time_work,
    state_guaranteed_loans,
    tax_accounts,
)
from vigie_node.canonicalise.making import make_all
from vigie_node.canonicalise.recipe import Recipe
from vigie_node.extracts.canonical import Checked
from vigie_node.extracts.reading import Reading
from vigie_node.extracts.workspace import Workspace

RECIPES: Final[tuple[Recipe, ...]] = (
    contributions.RECIPE,
    debts.RECIPE,
    headcount.RECIPE,
    payment_plans.RECIPE,
    proceedings.RECIPE,
    short_time_work.RECIPE,
    ratios.RECIPE,
    ccsf.RECIPE,
    accounts.RECIPE,
    payment_delays.RECIPE,
    legal_units.RECIPE,
    establishment_departments.RECIPE,
    tax_accounts.RECIPE,
    state_guaranteed_loans.RECIPE,
    perimeter.RECIPE,
)
"""How each dataset is made, in the order of :data:`vigie.datasets.BUILT_IN`."""


def canonicalise(
    workspace: Workspace, readings: Mapping[str, Reading], month: date, *, asked: Collection[str] = ()
) -> list[Checked]:
    """Make the canonical datasets for which extracts were read.

    Args:
        workspace: the scratch database in which they were read.
        readings: what was read, by name of the kind.
        month: any day of the month that the extracts are for: balances are carried up to it, stocks are dated by it.
        asked: names of the datasets to make; when empty, all those that can be made.

    Returns:
        The datasets, each in a table of its own of the workspace; the order does not depend on the arguments. Each report
        counts the rows of the extracts that went in, those that the dataset merged or left out among the skipped ones,
        and names the extracts that would have added to it.

    Raises:
        ExtractError: a dataset that was asked for lacks an extract.
    """
    return make_all(RECIPES, workspace, readings, month, asked)
