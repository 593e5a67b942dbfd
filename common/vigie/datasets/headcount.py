"""Persons employed by a company, month by month (Urssaf, extract ``effectif``).  Public: any user is shown it."""

from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

HEADCOUNT: Final = Dataset(
    name="headcount",
    schema=1,
    grain="month",
    time="month",
    available=None,
    lag="usable in its own month; delivered every three to six months, up to six months late",
    owner_label="urssaf",
    columns=(
        Column("month", ColumnType.MONTH, "month", _PUBLIC, "mois", "month", nullable=False),
        # Zero is a real value: a company that has let everybody go.  Not known is null.
        Column(
            "headcount",
            ColumnType.INTEGER,
            "persons",
            _PUBLIC,
            "effectif salarié, tous établissements",
            "persons employed, all establishments",
            minimum=0.0,
            maximum=400_000.0,
        ),
    ),
    key=("month",),
)
