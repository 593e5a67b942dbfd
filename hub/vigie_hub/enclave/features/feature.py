"""What a feature is: one number about a company at the end of a month, with its meaning, its sources and its SQL.

Its labels are never written down: they are those of the columns that it is made from, so that a feature cannot be
shown to somebody who may not see one of its sources.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from vigie.datasets import Dataset
from vigie.errors import MalformedConvention


class Topic(StrEnum):
    """The five groups under which the programme explains an alert; the values are its own names."""

    SOCIAL_DEBTS = "Dettes-sociales"
    HEADCOUNT = "Variation-de-l'effectif-de-l'entreprise"
    SHORT_TIME_WORK = "Recours-à-l'activité-partielle"
    ACCOUNTS = "Données-financières"
    SUPPLIER_DELAYS = "Retards-de-paiement-fournisseurs"


@dataclass(frozen=True)
class Feature:
    """One feature of the catalogue.

    Attributes:
        name: identifier; for a declared column ``dataset.column``.
        sources: the columns that it is made from, each ``dataset.column``.
        topic: the group that its contribution is counted in.
        unit: of its value.
        french: meaning for an agent.
        english: the same in English.
        sql: expression over one row of the company's history (see :mod:`~vigie_hub.enclave.features.history`).
        window: months whose figures enter, the month itself among them: 1 is a state, 25 looks back two years.  What
            counts for longer than a month, such as accounts, is one figure.
        in_sector: the value is told as its place in the company's sector in that month (see
            :mod:`~vigie_hub.enclave.features.sectors`); ``sql`` is the value that is placed.
    """

    name: str
    sources: tuple[str, ...]
    topic: Topic
    unit: str
    french: str
    english: str
    sql: str
    window: int = 1
    in_sector: bool = False

    @property
    def datasets(self) -> frozenset[str]:
        """Names of the datasets that it needs."""
        return frozenset(source.partition(".")[0] for source in self.sources)

    def labels(self, definitions: Mapping[str, Dataset]) -> frozenset[str]:
        """Union of the labels of its sources under those definitions of the datasets.

        Raises:
            MalformedConvention: a source is in no dataset given.
        """
        return labels_of(self.sources, definitions)

    def lags(self, definitions: Mapping[str, Dataset]) -> dict[str, str]:
        """When a row of each of its sources counts, and with which delay it is delivered; by dataset."""
        return {name: definitions[name].lag for name in definitions if name in self.datasets}


def labels_of(sources: Iterable[str], definitions: Mapping[str, Dataset]) -> frozenset[str]:
    """Union of the labels of columns written ``dataset.column``.

    Raises:
        MalformedConvention: a column is in no dataset given.
    """
    union = frozenset[str]()
    for source in sources:
        dataset, _, column = source.partition(".")
        if dataset not in definitions:
            raise MalformedConvention(f"the source {source!r} is in no dataset of this purpose")
        union |= definitions[dataset].column(column).labels
    return union
