"""The features: a catalogue of named, documented, labelled numbers about a company at the end of a month."""

from vigie_hub.enclave.features.catalogue import BUILT_IN_FEATURES, Catalogue, catalogue_of
from vigie_hub.enclave.features.compute import PERIMETER, compute, connect
from vigie_hub.enclave.features.feature import Feature, Topic, labels_of
from vigie_hub.enclave.features.group import Group
from vigie_hub.enclave.features.sectors import Ranges, place_in_sectors, usual_ranges

__all__ = [
    "BUILT_IN_FEATURES",
    "PERIMETER",
    "Catalogue",
    "Feature",
    "Group",
    "Ranges",
    "Topic",
    "catalogue_of",
    "compute",
    "connect",
    "labels_of",
    "place_in_sectors",
    "usual_ranges",
]
