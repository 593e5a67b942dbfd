"""Payment plans that Urssaf granted to a company, or was asked for (extract ``delai``)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from vigie.datasets.schema import Column, ColumnType, Dataset

_URSSAF: Final = frozenset({"urssaf"})

ACTIONS: Final[Mapping[str, str]] = MappingProxyType({"SUR PO": "stay_of_enforcement", "CCSF": "ccsf"})
"""Code of the extract → category: *sursis à poursuite*, and plan by the département commission of creditors."""

STAGES: Final[Mapping[str, str]] = MappingProxyType({"APPROB": "approved", "PR": "pr", "PRO PR": "pro_pr"})
"""Code of the extract → category.  What PR and PRO PR stand for is published nowhere, so their codes are kept."""

PAYMENT_PLANS: Final = Dataset(
    name="payment_plans",
    schema=1,
    grain="event",
    time="created",
    available=None,
    lag="usable from the day of its creation; delivered monthly",
    owner_label="urssaf",
    columns=(
        Column("created", ColumnType.DATE, "date", _URSSAF, "création du délai", "plan created", nullable=False),
        Column("due", ColumnType.DATE, "date", _URSSAF, "échéance du délai", "plan due to be paid off"),
        # Does not equal due - created in real extracts: both are kept as delivered.
        Column(
            "duration_days",
            ColumnType.INTEGER,
            "days",
            _URSSAF,
            "durée du délai accordé",
            "length of the plan",
            minimum=1.0,
            maximum=3653.0,
        ),
        Column(
            "amount",
            ColumnType.NUMBER,
            "EUR",
            _URSSAF,
            "montant global de l'échéancier",
            "total amount of the schedule",
            minimum=0.0,
            maximum=1e9,
        ),
        Column(
            "action",
            ColumnType.CATEGORY,
            "category",
            _URSSAF,
            "nature du délai : sursis à poursuite ou plan CCSF",
            "kind: stay of enforcement, or plan by the commission of creditors",
            categories=("stay_of_enforcement", "ccsf", "other"),
        ),
        Column(
            "stage",
            ColumnType.CATEGORY,
            "category",
            _URSSAF,
            "stade de l'instruction du délai",
            "stage of the plan",
            categories=("approved", "pr", "pro_pr", "other"),
        ),
    ),
    key=("created", "due", "duration_days", "amount", "action", "stage"),
)
