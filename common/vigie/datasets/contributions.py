"""Social contributions called from and paid by a company, month by month (Urssaf, extract ``cotisation``)."""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_URSSAF: Final = frozenset({"urssaf"})

CONTRIBUTIONS: Final = Dataset(
    name="contributions",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in its own month; Urssaf delivers it about the 20th of the next one",
    owner_label="urssaf",
    columns=(
        Column(
            "month", ColumnType.MONTH, "month", _URSSAF, "mois de la période appelée", "month called", nullable=False
        ),
        # Negative amounts are regularisations and legitimate: the range only catches a wrong unit.
        Column(
            "contribution_due",
            ColumnType.NUMBER,
            "EUR",
            _URSSAF,
            "cotisations sociales dues au titre du mois ; une période plus longue est répartie à parts égales",
            "social contributions due for the month; a longer period is spread evenly over its months",
            minimum=-1e9,
            maximum=1e9,
        ),
        Column(
            "contribution_paid",
            ColumnType.NUMBER,
            "EUR",
            _URSSAF,
            "cotisations encaissées directement au titre du mois ; vide si l'extrait ne les porte pas",
            "contributions paid directly for the month; empty when the extract does not carry them",
            minimum=-1e9,
            maximum=1e9,
        ),
    ),
    key=("month",),
)
