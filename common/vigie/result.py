"""The content of a result: what it is about, and one row for each company (docs/spec/result.md).

The enclave writes it, the recipient's node reads it. Part 0 is the canonical JSON of what the result is about, padded as
every part is; the parts after it are the rows, cut and read like a lot's segments, in the one schema of
:func:`schema`. A column that the recipient may not see is null in every row and named in ``withheld``; it is never 0.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import rfc8785

from vigie import segment
from vigie.datasets import PSEUDONYM, PSEUDONYM_BYTES
from vigie.errors import MalformedSegment

SPEC_VERSION = 2
"""Version of the content of results; docs/spec/result.md carries the same number."""

TOPICS: Final[Mapping[str, tuple[str, str]]] = {
    "topic_dettes_sociales": ("Dettes-sociales", "Social debts"),
    "topic_effectif": ("Variation-de-l'effectif-de-l'entreprise", "Change of headcount"),
    "topic_activite_partielle": ("Recours-à-l'activité-partielle", "Short-time work"),
    "topic_donnees_financieres": ("Données-financières", "Financial data"),
    "topic_retards_fournisseurs": ("Retards-de-paiement-fournisseurs", "Late payment of suppliers"),
}
"""Column of each topic, with its exact name in the real programme and in English."""

LEVELS: Final = ("Pas d'alerte", "Alerte seuil F2", "Alerte seuil F1")
"""Alert levels, lowest first, with the exact names of the real programme."""

REASONS: Final = 3
"""How many reasons a row gives at the most."""

ABOUT: Final = frozenset(
    {
        "grant", "recipient", "purpose", "period", "order", "evidence", "level", "limits", "withheld",
        "missing_partners", "freshness", "features", "notice_fr", "notice_en",
    }
)  # fmt: skip
"""Keys of what a result is about; all of them, and no other."""


def schema() -> pa.Schema:
    """Return the schema of the rows: everything but the pseudonym may be null."""
    fields = [
        pa.field(PSEUDONYM, pa.binary(PSEUDONYM_BYTES), nullable=False),
        pa.field("level", pa.string()),
        pa.field("score", pa.float64()),
        *(pa.field(name, pa.float64()) for name in TOPICS),
    ]
    for number in range(1, REASONS + 1):
        fields += [
            pa.field(f"reason_{number}", pa.string()),
            pa.field(f"reason_{number}_contribution", pa.float64()),
            pa.field(f"reason_{number}_value", pa.float64()),
            pa.field(f"reason_{number}_low", pa.float64()),
            pa.field(f"reason_{number}_high", pa.float64()),
        ]
    return pa.schema([*fields, pa.field("other_sources", pa.float64())])


def encode(table: pa.Table, about: Mapping[str, Any]) -> list[bytes]:
    """Return the parts of a result, in order, each padded to its size class.

    Args:
        table: rows in :func:`schema`.
        about: with exactly the keys of :data:`ABOUT`.

    Raises:
        ValueError: the table or ``about`` is not of that form (a mistake of the caller).
    """
    if not table.schema.equals(schema()) or set(about) != ABOUT:
        raise ValueError("not the content of a result")
    return [segment.pad(rfc8785.dumps(dict(about))), *segment.cut(table)]


def decode(parts: Sequence[bytes]) -> tuple[pa.Table, dict[str, Any]]:
    """Read the opened parts of a result strictly; return its rows and what it is about.

    Raises:
        MalformedSegment: the parts are not those of one result.
    """
    if len(parts) < 2:
        raise MalformedSegment("a result has at least two parts")
    first = segment.unpad(parts[0])
    try:
        about = json.loads(first)
        canonical = rfc8785.dumps(about)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise MalformedSegment("the first part of a result is not canonical JSON") from error
    if canonical != first or not isinstance(about, dict) or set(about) != ABOUT:
        raise MalformedSegment("the first part of a result does not say what it is about")
    return pa.concat_tables([segment.read(part, schema()) for part in parts[1:]]), about
