"""Collective proceedings of a company: safeguard, receivership, liquidation (Urssaf, extract ``pcoll``).

Public: judgments are published, and any user is shown them.  An event log since 2006, distinct per company (the extract
repeats an event for each establishment).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_PUBLIC: Final = frozenset[str]()

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {"sauvegarde": "safeguard", "redressement": "receivership", "liquidation": "liquidation"}
)
"""``action_procol`` of the extract → category."""

STAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ouverture": "opening",
        "plan_continuation": "continuation_plan",
        "solde_procedure": "closing",
        "fin_procedure": "end",
        "abandon_procedure": "abandonment",
        "inclusion_autre_procedure": "merged_into_other",
        "cloture_insuffisance_actif": "closed_insufficient_assets",
    }
)
"""``stade_procol`` of the extract → category; a stage not listed becomes ``other``."""

PROCEEDINGS: Final = Dataset(
    name="proceedings",
    schema=1,
    grain="event",
    time="effective_date",
    available=None,
    lag="usable from the day of its effect; delivered monthly",
    owner_label="urssaf",
    columns=(
        Column(
            "effective_date",
            ColumnType.DATE,
            "date",
            _PUBLIC,
            "date d'effet du jugement",
            "date of effect of the judgment",
            nullable=False,
        ),
        Column(
            "action",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "procédure : sauvegarde, redressement judiciaire ou liquidation judiciaire",
            "proceeding: safeguard, receivership or liquidation",
            nullable=False,
            categories=("safeguard", "receivership", "liquidation"),
        ),
        Column(
            "stage",
            ColumnType.CATEGORY,
            "category",
            _PUBLIC,
            "stade de la procédure",
            "stage of the proceeding",
            categories=(
                "opening",
                "continuation_plan",
                "closing",
                "end",
                "abandonment",
                "merged_into_other",
                "closed_insufficient_assets",
                "other",
            ),
        ),
    ),
    key=("effective_date", "action", "stage"),
)
