"""Plans before the département commission of financial heads, CCSF (Urssaf, extract ``ccsf``): one row per step.

A commission gathers the tax office and the social creditors of a company, and grants one plan for all of them.  Dates
are the days on which Urssaf entered the step, so a row may be used from its own date.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_URSSAF: Final = frozenset({"urssaf"})

OTHER: Final = "other"

STAGES: Final[Mapping[str, str]] = MappingProxyType(
    {"DEBUT": "opened", "APPROB": "approved", "REFUS": "refused", "FIN": "ended", "REJ": "rejected"}
)
"""``Code_externe_stade`` of the extract → category; a code not listed becomes ``other``."""


CCSF: Final = Dataset(
    name="ccsf",
    schema=1,
    grain="event",
    time="date",
    available=None,
    lag="usable from the day on which Urssaf entered the step; delivered monthly",
    owner_label="urssaf",
    columns=(
        Column(
            "date",
            ColumnType.DATE,
            "date",
            _URSSAF,
            "date de traitement de l'étape devant la CCSF",
            "day on which the step before the commission was entered",
            nullable=False,
        ),
        Column(
            "stage",
            ColumnType.CATEGORY,
            "category",
            _URSSAF,
            "étape : début, approbation, refus, fin ou rejet du plan CCSF",
            "step of the commission's plan: opened, approved, refused, ended or rejected",
            categories=(*STAGES.values(), OTHER),
        ),
    ),
    key=("date", "stage"),
)
