"""The départements in which a company has open establishments (Insee, ``StockEtablissement``).  Public.

An agent is cleared for départements: a company is in an agent's zone when one of its establishments is.  So the table has a
row per company *and département*, which is why its grain is ``event`` although it is a monthly stock.
"""

from typing import Final

from vigie.datasets.departments import CATEGORIES
from vigie.datasets.legal_units import AS_OF, LAG
from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

ESTABLISHMENT_DEPARTMENTS: Final = Dataset(
    name="establishment_departments",
    schema=1,
    grain="event",
    time="as_of",
    available=None,
    lag=LAG,
    owner_label="",
    columns=(
        AS_OF,
        Column(
            "department",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "département où l'entreprise a au moins un établissement ouvert",
            "département in which the company has at least one open establishment",
            nullable=False,
            categories=CATEGORIES,
        ),
        Column(
            "open_establishments",
            ColumnType.INTEGER,
            "establishments",
            _PUBLIC,
            "nombre d'établissements ouverts dans ce département",
            "number of open establishments in this département",
            minimum=1.0,
            maximum=50_000.0,
        ),
    ),
    key=("as_of", "department"),
)
