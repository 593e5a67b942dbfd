"""Every kind of extract that a node can read, and how a file is recognised as one of them."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from types import MappingProxyType
from typing import Final

from vigie.errors import ExtractError
from vigie_node.extracts.admin_urssaf import ADMIN_URSSAF
from vigie_node.extracts.apconso import APCONSO
from vigie_node.extracts.apdemande import APDEMANDE
from vigie_node.extracts.bdf import BDF
from vigie_node.extracts.ccsf import CCSF
from vigie_node.extracts.company_list import COMPANY_LIST
from vigie_node.extracts.cotisation import COTISATION
from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.delai import DELAI
from vigie_node.extracts.dgfip import AF, INDMAP, JUDGMENTS, RATIOS_DIRCO
from vigie_node.extracts.diane import DIANE
from vigie_node.extracts.ellisphere import ELLISPHERE
from vigie_node.extracts.headcount import EFFECTIF, EFFECTIF_ENT
from vigie_node.extracts.inpi_bce import INPI_BCE
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.paydex import PAYDEX_DELAYS
from vigie_node.extracts.pge import PGE
from vigie_node.extracts.procol import PROCOL
from vigie_node.extracts.reading import layout_of, text_layout
from vigie_node.extracts.sirene import SIRENE
from vigie_node.extracts.sirene_histo import SIRENE_HISTO
from vigie_node.extracts.sirene_ul import SIRENE_UL
from vigie_node.extracts.sources import Source, TableSource

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            BDF,
            PGE,
            # DGEFP
            APCONSO,
            APDEMANDE,
            # DGFiP
            AF,
            INDMAP,
            JUDGMENTS,
            RATIOS_DIRCO,
            # bought
            DIANE,
            ELLISPHERE,
            PAYDEX_DELAYS,
            # public
            COMPANY_LIST,
            INPI_BCE,
            SIRENE,
            SIRENE_HISTO,
            SIRENE_UL,
            # Urssaf
            ADMIN_URSSAF,
            CCSF,
            COTISATION,
            DEBIT,
            DELAI,
            EFFECTIF,
            EFFECTIF_ENT,
            PROCOL,
        )
    }
)
"""Kinds by name."""


def kind_of(source: Source, kinds: Iterable[Kind] = KINDS.values()) -> Kind:
    """Return the kind that a source's header fits; the file's name decides between two that fit, and between them only.

    Raises:
        ExtractError: none fits; the hint tells the kind that its name stands for, and what is missing for that.
    """
    listed = list(kinds)
    seen = source.columns() if isinstance(source, TableSource) else source.head()
    fitting = [kind for kind in listed if _fits(source.name, seen, kind)]
    if len(fitting) == 1:
        return fitting[0]
    named = [kind for kind in (fitting or listed) if named_like(source.name, kind)]
    if fitting and named:
        return named[0]
    if fitting:
        # The one that asks for most: a file with more of the columns is more surely of that kind.
        return max(fitting, key=lambda kind: max(len(layout.required()) for layout in kind.layouts))
    if named:
        _refuse(source.name, seen, named[0])
    raise ExtractError(
        f"{source.name}: not an extract of any known type",
        hint=f"its header fits none of {', '.join(kind.name for kind in listed)}; if it is one, say which with --type",
    )


def named_like(name: str, kind: Kind) -> bool:
    """Whether a file has a name under which a kind is delivered."""
    return any(fnmatch(name.removesuffix(".gz").casefold(), pattern.casefold()) for pattern in kind.delivered_as)


def _fits(name: str, seen: list[str] | bytes, kind: Kind) -> bool:
    try:
        _refuse(name, seen, kind)
    except ExtractError:
        return False
    return True


def _refuse(name: str, seen: list[str] | bytes, kind: Kind) -> None:
    """Raise why a source with these columns, or these first bytes, is not of a kind, if it is not."""
    if isinstance(seen, bytes):
        text_layout(kind, name, seen)
    else:
        layout_of(kind, seen, name)
