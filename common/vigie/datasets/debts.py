"""Social debt of a company that is outstanding at the end of a month (Urssaf, extract ``debit``).

A *state*, not a flow: each month holds what is still owed over all periods of contribution, without surcharges
and penalties.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_URSSAF: Final = frozenset({"urssaf"})

DEBTS: Final = Dataset(
    name="debts",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in its own month; an event treated after the 20th counts in the next one (the 20th rule of Urssaf)",
    owner_label="urssaf",
    columns=(
        Column("month", ColumnType.MONTH, "month", _URSSAF, "mois", "month", nullable=False),
        Column(
            "employee_share",
            ColumnType.NUMBER,
            "EUR",
            _URSSAF,
            "dette Urssaf restant due en fin de mois, part salariale",
            "social debt outstanding at month's end, employees' share",
            minimum=0.0,
            maximum=1e9,
        ),
        Column(
            "employer_share",
            ColumnType.NUMBER,
            "EUR",
            _URSSAF,
            "dette Urssaf restant due en fin de mois, part patronale",
            "social debt outstanding at month's end, employer's share",
            minimum=0.0,
            maximum=1e9,
        ),
    ),
    key=("month",),
)
