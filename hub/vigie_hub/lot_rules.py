"""What a lot must be to be taken in, beside its signature: its list of segments, and its place among the current lots."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from vigie import segment
from vigie.bodies import Lot
from vigie.errors import BadProof, Malformed, Refused
from vigie_hub.config import Limits

LEAST_KEPT: Final = 0.8
"""A snapshot with less than this share of the rows (by size class) of the one that it replaces must be confirmed."""


def check_list(lot: Lot, ids: Sequence[bytes], parts: Sequence[int], buckets: int, limits: Limits) -> None:
    """Hold the list that came beside a lot's statement against it.

    Args:
        lot: the statement's body.
        ids: of its segments, in (bucket, part) order.
        parts: how many segments each bucket has.
        buckets: of the convention.
        limits: for the size of a lot.

    Raises:
        Malformed: another number of segments or buckets.
        BadProof: another root.
        Refused: too large, claim ``size``.
    """
    if len(ids) != lot.segments or sum(parts) != lot.segments or len(set(ids)) != len(ids):
        raise Malformed("the list of segments has not the number that the lot's statement says, each once")
    if any(len(id_) != 32 for id_ in ids):
        raise Malformed("a segment id is 32 bytes")
    if len(parts) != buckets or any(count < 1 for count in parts):
        raise Malformed(f"a lot has {buckets} buckets with at least one segment each")
    if segment.segment_root(ids) != lot.segment_root:
        raise BadProof("the list of segments does not lead to the root in the lot's statement")
    if lot.segments > limits.lot_segments or lot.bytes > limits.lot_bytes:
        raise Refused(
            "size",
            expected=f"at most {limits.lot_segments} segments and {limits.lot_bytes} bytes",
            found=f"{lot.segments} segments and {lot.bytes} bytes",
        )


def check_place(db: sqlite3.Connection, lot: Lot) -> None:
    """Hold a lot against the current lots of its partner and dataset, as the transaction sees them.

    A snapshot supersedes the current one; a delta builds on it. The hub knows rows by their size class only, so a
    snapshot shrinks when its class does by a fifth or more.

    Raises:
        Refused: with claim ``base``, ``supersedes`` or ``shrink``.
    """
    rows = db.execute(
        "SELECT lot, delivery, rows_class FROM deposit WHERE partner = ? AND dataset = ? AND current = 1",
        (lot.partner, lot.dataset),
    ).fetchall()
    snapshot = next((row for row in rows if row[1] == "snapshot"), None)
    if lot.delivery == "delta":
        _check_delta(lot, snapshot, {row[0] for row in rows if row[1] == "delta"})
        return
    if lot.supersedes != (snapshot[0] if snapshot else None):
        raise Refused(
            "supersedes",
            expected=_lot_name(snapshot),
            found=_hex(lot.supersedes),
            hint="another lot of this dataset was committed meanwhile: ask for the lots again",
        )
    if snapshot and lot.rows_class < LEAST_KEPT * snapshot[2] and not lot.shrink_confirmed:
        raise Refused(
            "shrink",
            expected=f"a snapshot of at least {LEAST_KEPT:.0%} of the one that it replaces (size class {snapshot[2]})",
            found=f"size class {lot.rows_class}",
            hint="when this is right, send it again with --confirm-shrink",
        )


def _check_delta(lot: Lot, snapshot: Sequence[Any] | None, deltas: set[bytes]) -> None:
    if snapshot is None or snapshot[0] != lot.base:
        raise Refused("base", expected=_lot_name(snapshot), found=_hex(lot.base), hint="send a snapshot instead")
    if lot.supersedes is not None and lot.supersedes not in deltas:
        raise Refused("supersedes", expected="a current delta of the same dataset", found=_hex(lot.supersedes))


def _hex(value: bytes | None) -> str:
    return "none" if value is None else value.hex()


def _lot_name(row: Sequence[Any] | None) -> str:
    return "none" if row is None else bytes(row[0]).hex()
