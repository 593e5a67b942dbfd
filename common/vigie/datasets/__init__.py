"""The canonical datasets: the tables that partners agree on, and the only things that a lot can hold.

One module per built-in dataset, each a single constant; ``schema.py`` says what a dataset is.  A convention may declare
others by their columns alone with :meth:`Dataset.declared`.  ``python -m vigie.datasets`` prints the reference page.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vigie.datasets.accounts import ACCOUNTS
from vigie.datasets.ccsf import CCSF
from vigie.datasets.contributions import CONTRIBUTIONS
from vigie.datasets.debts import DEBTS
from vigie.datasets.establishment_departments import ESTABLISHMENT_DEPARTMENTS
from vigie.datasets.explanation_requests import EXPLANATION_REQUESTS
from vigie.datasets.headcount import HEADCOUNT
from vigie.datasets.legal_units import LEGAL_UNITS
from vigie.datasets.payment_delays import PAYMENT_DELAYS
from vigie.datasets.payment_plans import PAYMENT_PLANS
from vigie.datasets.perimeter import PERIMETER
from vigie.datasets.proceedings import PROCEEDINGS
from vigie.datasets.ratios import RATIOS
from vigie.datasets.schema import LABELS, PSEUDONYM, PSEUDONYM_BYTES, SIREN, Column, ColumnType, Dataset, Grain
from vigie.datasets.short_time_work import SHORT_TIME_WORK
from vigie.datasets.state_guaranteed_loans import STATE_GUARANTEED_LOANS
from vigie.datasets.tax_accounts import TAX_ACCOUNTS
from vigie.errors import Missing

__all__ = [
    "BUILT_IN",
    "LABELS",
    "PSEUDONYM",
    "PSEUDONYM_BYTES",
    "SIREN",
    "Column",
    "ColumnType",
    "Dataset",
    "Grain",
    "dataset",
]

BUILT_IN: Final[Mapping[str, Dataset]] = MappingProxyType(
    {
        one.name: one
        for one in (
            # The order is that in which features are made: a new dataset comes last, none is moved.
            CONTRIBUTIONS,
            DEBTS,
            HEADCOUNT,
            PAYMENT_PLANS,
            PROCEEDINGS,
            SHORT_TIME_WORK,
            RATIOS,
            CCSF,
            ACCOUNTS,
            PAYMENT_DELAYS,
            LEGAL_UNITS,
            ESTABLISHMENT_DEPARTMENTS,
            TAX_ACCOUNTS,
            STATE_GUARANTEED_LOANS,
            PERIMETER,
            EXPLANATION_REQUESTS,
        )
    }
)
"""The built-in datasets by name, at their newest schema, in the order in which features are made."""


def dataset(name: str, schema: int = 1) -> Dataset:
    """The built-in dataset of that name and schema number.

    Raises:
        Missing: there is none; a convention must then declare its columns.
    """
    found = BUILT_IN.get(name)
    if found is None or found.schema != schema:
        raise Missing(
            f"there is no built-in dataset {name[:80]!r} with schema {schema}",
            hint=f"built in are {', '.join(BUILT_IN)}, schema 1; declare the columns of any other in the convention",
        )
    return found
