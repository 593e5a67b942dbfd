"""The convention: the signed agreement as a file, read strictly and asked questions (docs/spec/convention.md).

Nothing happens that the convention does not name. This package reads one text; who signed it, and what it amends, is
judged by :mod:`vigie.chain`.
"""

from vigie.convention.hardware import HARDWARE, SOFTWARE, HardwareRule
from vigie.convention.model import (
    Convention,
)
from vigie.convention.parts import (
    FREEABLE,
    LEVELS,
    OUTPUTS,
    PLATFORMS,
    ROLES,
    TARGETS,
    Custodian,
    CustodyRule,
    DatasetRule,
    Declassification,
    Disclosure,
    EnclaveRule,
    Epoch,
    Grant,
    Member,
    PerimeterRule,
    Purpose,
    Retention,
    WitnessRule,
)
from vigie.convention.reading import parse

__all__ = [
    "FREEABLE",
    "HARDWARE",
    "LEVELS",
    "OUTPUTS",
    "PLATFORMS",
    "ROLES",
    "SOFTWARE",
    "TARGETS",
    "Convention",
    "Custodian",
    "CustodyRule",
    "DatasetRule",
    "Declassification",
    "Disclosure",
    "EnclaveRule",
    "Epoch",
    "Grant",
    "HardwareRule",
    "Member",
    "PerimeterRule",
    "Purpose",
    "Retention",
    "WitnessRule",
    "parse",
]
