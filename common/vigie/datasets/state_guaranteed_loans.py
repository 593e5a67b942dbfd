"""Whether a company has a state-guaranteed loan, PGE (the State and the Banque de France; ``siren,actif``).

A company that is not listed is *unknown*, never *without a loan*: the two must stay apart wherever this is shown.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_PGE: Final = frozenset({"pge"})

STATE_GUARANTEED_LOANS: Final = Dataset(
    name="state_guaranteed_loans",
    schema=1,
    grain="month",
    time="as_of",
    available=None,
    lag="usable in the month of its stock (as_of); a stock replaces the one before when it is delivered",
    owner_label="pge",
    columns=(
        Column("as_of", ColumnType.MONTH, "month", _PGE, "mois du fichier", "month of the stock", nullable=False),
        Column(
            "active",
            ColumnType.BOOLEAN,
            "yes or no",
            _PGE,
            "prêt garanti par l'État en cours",
            "a state-guaranteed loan is running",
            nullable=False,
        ),
    ),
    key=("as_of",),
)
