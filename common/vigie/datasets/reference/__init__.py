"""What the codes stand for, in French: activities, départements, legal forms.

Tables beside this module, made by ``scripts/make_reference.py``; see ``SOURCE.md`` there for their source and licence.
They are read when first asked for, and nothing that is sent depends on them.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType


@dataclass(frozen=True)
class Department:
    """A département or overseas collectivity.

    Attributes:
        code: ``2A``.
        name: ``Corse-du-Sud``.
        region: code of its region, ``94``; ``00`` overseas collectivities.
        region_name: ``Corse``.
    """

    code: str
    name: str
    region: str
    region_name: str


@cache
def activities() -> Mapping[str, str]:
    """Code of the NAF, revision 2 (``62.02A``) → label; 732 codes."""
    return MappingProxyType({row["code"]: row["label"] for row in _rows("activities.csv")})


@cache
def legal_forms() -> Mapping[str, str]:
    """Legal form (``5710``) → label."""
    return MappingProxyType({row["code"]: row["label"] for row in _rows("legal_forms.csv")})


@cache
def departments() -> Mapping[str, Department]:
    """Code (``2A``) → département; those of :data:`vigie.datasets.departments.DEPARTMENTS`, in that order."""
    return MappingProxyType({row["code"]: Department(**row) for row in _rows("departments.csv")})


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files(__name__).joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
