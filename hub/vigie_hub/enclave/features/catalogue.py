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
from vigie_hub.enclave.features.declared import declared_features
from vigie_hub.enclave.features.feature import Feature
from vigie_hub.enclave.features.short_time import SHORT_TIME
from vigie_hub.enclave.features.social_debts import SOCIAL_DEBTS
from vigie_hub.enclave.features.workforce import WORKFORCE

BUILT_IN_FEATURES: Final = (*WORKFORCE, *SOCIAL_DEBTS, *SHORT_TIME, *ACCOUNTS)
"""Every feature of the built-in datasets."""

DATASETS_READ: Final = frozenset[str]().union(*(feature.datasets for feature in BUILT_IN_FEATURES))
"""The built-in datasets that have a feature; the others may be listed by a purpose and add nothing to it."""


@dataclass(frozen=True)
class Catalogue:
    """The features of one purpose.

    Attributes:
        features: in canonical order.
        definitions: the datasets of the purpose, by name.
    """

    features: tuple[Feature, ...]
    definitions: Mapping[str, Dataset]

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


def catalogue_of(datasets: Iterable[Dataset]) -> Catalogue:
    """The catalogue of a purpose that reads those datasets; built-in ones first, then declared ones as listed.

    A built-in dataset without a feature (see ``DATASETS_READ``) adds none: its columns are never features as they are.

    Raises:
        MalformedConvention: two datasets of one name, or one that has the name of a built-in and other columns.
    """
    listed = list(datasets)
    definitions = {one.name: one for one in listed}
    if len(definitions) != len(listed):
        raise MalformedConvention("a purpose lists two datasets of one name")
    for one in listed:
        if one.name in BUILT_IN and BUILT_IN[one.name] != one:
            raise MalformedConvention(f"the dataset {one.name!r} is not the built-in one of that name")
    features = [feature for feature in BUILT_IN_FEATURES if feature.datasets <= definitions.keys()]
    for one in listed:
        if one.name not in BUILT_IN:
            features.extend(declared_features(one))
    return Catalogue(tuple(features), definitions)
