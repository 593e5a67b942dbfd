"""Every kind of extract that a node can read, and how a file is recognised as one of them."""

import io
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from types import MappingProxyType
from typing import Final

from vigie.errors import ExtractError
from vigie_node.extracts.admin_urssaf import ADMIN_URSSAF
from vigie_node.extracts.ccsf import CCSF
from vigie_node.extracts.cotisation import COTISATION
from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.delai import DELAI
from vigie_node.extracts.headcount import EFFECTIF, EFFECTIF_ENT
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.lines import Lines
from vigie_node.extracts.procol import PROCOL
from vigie_node.extracts.reading import layout_of
from vigie_node.extracts.sources import Source, TableSource

KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {kind.name: kind for kind in (ADMIN_URSSAF, CCSF, COTISATION, DEBIT, DELAI, EFFECTIF, EFFECTIF_ENT, PROCOL)}
)
"""Kinds by name."""

_HEAD_BYTES: Final = 1 << 16


def kind_of(source: Source, kinds: Iterable[Kind] = KINDS.values()) -> Kind:
    """Return the kind that a source's header fits; the file's name decides between two that fit, and between them only.

    Raises:
        ExtractError: none fits; the hint tells the kind that its name stands for, and what is missing for that.
    """
    listed = list(kinds)
    fitting = [kind for kind in listed if _fits(source, kind)]
    if len(fitting) == 1:
        return fitting[0]
    named = [kind for kind in (fitting or listed) if named_like(source.name, kind)]
    if fitting and named:
        return named[0]
    if fitting:
        # The one that asks for most: a file with more of the columns is more surely of that kind.
        return max(fitting, key=lambda kind: max(len(layout.required()) for layout in kind.layouts))
    if named:
        _refuse(source, named[0])
    raise ExtractError(
        f"{source.name}: not an extract of any known type",
        hint=f"its header fits none of {', '.join(kind.name for kind in listed)}; if it is one, say which with --type",
    )


def named_like(name: str, kind: Kind) -> bool:
    """Whether a file has a name under which a kind is delivered."""
    return any(fnmatch(name.removesuffix(".gz").casefold(), pattern.casefold()) for pattern in kind.delivered_as)


def _fits(source: Source, kind: Kind) -> bool:
    try:
        _refuse(source, kind)
    except ExtractError:
        return False
    return True


def _refuse(source: Source, kind: Kind) -> None:
    """Raise why a source is not of a kind, if it is not."""
    if isinstance(source, TableSource):
        layout_of(kind, list(source.begin().schema.names), source.name)
        return
    refused: ExtractError | None = None
    for dialect in dict.fromkeys(layout.dialect for layout in kind.layouts):
        with source.open() as stream:
            head = stream.read(_HEAD_BYTES)
        try:
            lines = Lines(source.name, io.BytesIO(head), dialect)
            if layout_of(kind, lines.header, source.name, dialect.separator).dialect == dialect:
                return
        except ExtractError as error:
            refused = refused or error
    if refused is not None:
        raise refused
