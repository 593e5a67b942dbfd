"""The catalogue: which features a purpose has, in their one canonical order.

The order decides ties between equal gains and with them the bits of every score, so it comes from here and never from
the order in which anything arrived.  A feature is in when all its sources are among the purpose's datasets; a partner
that is away leaves its features empty and in their place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from vigie.datasets import BUILT_IN, Dataset
from vigie.errors import MalformedConvention
from vigie_hub.enclave.features.accounts import ACCOUNTS
from vigie_hub.enclave.features.company import COMPANY
from vigie_hub.enclave.features.declared import in_position
from vigie_hub.enclave.features.feature import Feature
from vigie_hub.enclave.features.in_sector import in_sectors
from vigie_hub.enclave.features.short_time import SHORT_TIME
from vigie_hub.enclave.features.social_debts import SOCIAL_DEBTS
from vigie_hub.enclave.features.supplier_delays import SUPPLIER_DELAYS
from vigie_hub.enclave.features.workforce import WORKFORCE

_OWN: Final = (*WORKFORCE, *SOCIAL_DEBTS, *SHORT_TIME, *SUPPLIER_DELAYS, *ACCOUNTS, *COMPANY)

BUILT_IN_FEATURES: Final = (*_OWN, *in_sectors(_OWN))
"""Every feature of the built-in datasets."""

DATASETS_READ: Final = frozenset[str]().union(*(feature.datasets for feature in BUILT_IN_FEATURES))
"""The built-in datasets that have a feature; the others may be listed by a purpose and add nothing to it."""


@dataclass(frozen=True)
class Catalogue:
    """The features of one purpose.

    Attributes:
        features: in canonical order.
        definitions: the datasets of the purpose, by name.
        label: the column ``dataset.column`` that is the purpose's target and so never a feature, or None when the
            target is worked out of proceedings and debts.
    """

    features: tuple[Feature, ...]
    definitions: Mapping[str, Dataset]
    label: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features in order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def declared(self) -> dict[str, Dataset]:
        """The datasets that the convention declares by their columns, which are features as they are; by name."""
        return {name: one for name, one in self.definitions.items() if BUILT_IN.get(name) != one}

    def labels(self, feature: Feature) -> frozenset[str]:
        """Labels that a reader of ``feature`` must hold."""
        return feature.labels(self.definitions)


def catalogue_of(datasets: Iterable[Dataset], target: str = "failure") -> Catalogue:
    """The catalogue of a purpose that reads those datasets; built-in ones first, then declared ones.

    Declared columns stand as their positions say; those without one come after, as they are listed.

    A built-in dataset without a feature (see ``DATASETS_READ``) adds none: its columns are never features as they are.

    Args:
        datasets: the purpose's, in its order.
        target: the purpose's; ``dataset.column`` of a declared dataset is its label and no feature.

    Raises:
        MalformedConvention: two datasets of one name, one that has the name of a built-in and other columns, or a
            target that is a column of no declared dataset among them.
    """
    label = target if "." in target else None
    listed = list(datasets)
    definitions = {one.name: one for one in listed}
    if len(definitions) != len(listed):
        raise MalformedConvention("a purpose lists two datasets of one name")
    for one in listed:
        if one.name in BUILT_IN and BUILT_IN[one.name] != one:
            raise MalformedConvention(f"the dataset {one.name!r} is not the built-in one of that name")
    if label is not None:
        _check_label(label, definitions)
    features = [feature for feature in BUILT_IN_FEATURES if feature.datasets <= definitions.keys()]
    declared = [one for one in listed if one.name not in BUILT_IN]
    features.extend(feature for feature in in_position(declared) if feature.name != label)
    return Catalogue(tuple(features), definitions, label)


def _check_label(label: str, definitions: Mapping[str, Dataset]) -> None:
    name, _, column = label.partition(".")
    if name in BUILT_IN or name not in definitions:
        raise MalformedConvention(f"the target {label[:130]!r} is in no declared dataset of this purpose")
    definitions[name].column(column)
