"""The companies that are looked at: one row per company and month in which it is in the perimeter (extract ``filter``).

Urssaf computes it from headcount and legal units and owns it, so that it is signed and journaled like any lot.  It carries
no label: headcount, legal form and activity are public, and the real system gives the list to every partner.  It has no
column but ``month``: which rule let a company in is in the convention, and absence is the whole of "no".
The rows of a result are the companies of this lot.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

PERIMETER: Final = Dataset(
    name="perimeter",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in its own month; computed when headcount or legal units are delivered",
    owner_label="urssaf",
    columns=(
        Column(
            "month",
            ColumnType.MONTH,
            "month",
            _PUBLIC,
            "mois dont le périmètre contient l'entreprise",
            "month whose perimeter holds the company",
            nullable=False,
        ),
    ),
    key=("month",),
)
