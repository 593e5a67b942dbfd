"""The companies whose reasons a partner asks for, beside those with an alert: one row per company and month.

Any partner may own it; each asks for itself alone, and no other recipient is told whether somebody asked.  A request opens
nothing that the partner's grant does not open: it says for which companies contributions are worked out, never whose data
is shown.  It has no column but ``month``, so that asking makes no company known and brings none into the perimeter.
"""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

EXPLANATION_REQUESTS: Final = Dataset(
    name="explanation_requests",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in its own month",
    owner_label="",
    columns=(
        Column(
            "month",
            ColumnType.MONTH,
            "month",
            _PUBLIC,
            "mois de la liste pour lequel les motifs sont demandés",
            "month of the list for which the reasons are asked",
            nullable=False,
        ),
    ),
    key=("month",),
)
