"""Depositing a lot: Begin, Put, Commit (protocol section 5). Every step may be repeated, and cut at any instruction.

Segments go to a pack and are durable before they are accepted. Commit is one transaction: the lot becomes committed,
what it replaces stops being current, and its statement enters the journal; then the receipt is read back. There is no
moment at which one of these is true without the others.

The rule it keeps: a lot that is committed already answers with its first receipt before anything else is asked, under
whatever convention it came then.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vigie import segment
from vigie import statement as statements
from vigie.authority import judge
from vigie.bodies import Lot, read
from vigie.clock import parse_time, stamp
from vigie.errors import MalformedSegment, Missing, Refused
from vigie.statement import Statement
from vigie_hub.agreement import Agreement
from vigie_hub.config import Limits
from vigie_hub.journal import Journal
from vigie_hub.lot_rules import check_list, check_place
from vigie_hub.packs import Extent, Packs
from vigie_hub.store import Store
from vigie_hub.taking import PART_CAP, Begun
from vigie_hub.withdrawing import check_epoch, is_withdrawn


@dataclass(frozen=True)
class LotRow:
    """A committed lot."""

    partner: str
    statement: bytes
    digest: bytes
    dataset: str
    epoch: int
    current: bool


class DepositDesk:
    """Takes in lots."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        agreement: Agreement,
        packs: Packs,
        limits: Limits,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._journal = journal
        self._agreement = agreement
        self._packs = packs
        self._limits = limits
        self._clock = clock
        self._turns: dict[int, asyncio.Lock] = {}

    async def begin(self, caller: str, raw: bytes, ids: Sequence[bytes], parts: Sequence[int]) -> Begun:
        """Open a deposit, or say what is missing of one that is open, or answer with the receipt of a committed one.

        1. It is a `lot` statement of the caller.
        2. Committed already: the first receipt, whatever else has changed.
        3. Its partner signed it and may deposit that dataset, under the convention that it names.
        4. The list beside it is the one that it names: number, root, buckets, sizes.
        5. Its epoch is not withdrawn, and it fits what is current: base, supersedes, no unconfirmed shrinking.
        6. The partner has not too many lots open.

        Raises:
            Malformed, Untrusted: steps 1, 3 and 4.
            Refused: steps 1 and 3 to 6, with the claim.
        """
        # (1)
        lot = read(statements.parse(raw, kind="lot"), Lot)
        if lot.partner != caller:
            raise Refused("partner", expected=f"a lot of {caller}, who is calling", found=f"a lot of {lot.partner}")
        # (2)
        committed = self._committed(caller, lot.lot)
        if committed is not None:
            return committed
        # (3)
        self._agreement.chain.check_in_force(self._clock())
        judged = judge(raw, self._agreement.chain, kind="lot")
        # (4)
        check_list(lot, ids, parts, judged.convention.buckets, self._limits)

        def work(db: sqlite3.Connection) -> list[str]:
            # (5), again at commit: another lot may be committed in between
            check_epoch(db, lot)
            check_place(db, lot)
            dropped = self._reopen(db, lot)
            # (6)
            dropped += self._make_room(db, caller, lot.lot)
            self._open(db, lot, judged.statement, ids, parts)
            return dropped

        for pack in await self._store.write(work):
            self._packs.remove(pack)
        # A Commit of the same lot may have come first on another connection.
        return self._committed(caller, lot.lot) or Begun(missing=tuple(self._missing(self._row(caller, lot.lot)["id"])))

    async def put(self, caller: str, lot: bytes, segments: Sequence[bytes]) -> list[bytes]:
        """Make sealed segments of an open lot durable; return their ids.

        Raises:
            Missing: the caller has no such lot.
            MalformedSegment: one is too large, or not one that Begin named.
            Unavailable: the disk refuses.
        """
        row = self._row(caller, lot)
        if any(len(data) > PART_CAP for data in segments):
            raise MalformedSegment(f"a sealed segment is at most {PART_CAP} bytes")
        ids = await asyncio.to_thread(lambda: [segment.segment_id(data) for data in segments])
        if row["entry"] is not None:
            self._places(row["id"], ids)
            return ids  # committed: every segment that it names is there
        # In a task of its own: a caller that goes away must not free the turn while its bytes are being written.
        await asyncio.shield(asyncio.ensure_future(self._keep(row, ids, segments)))
        return ids

    async def commit(self, caller: str, lot: bytes) -> bytes:
        """Commit a lot whose segments are all there; return its receipt.

        Raises:
            Missing: the caller has no such lot, or segments are missing.
            Refused: it no longer fits what is current.
        """
        row = self._row(caller, lot)
        if row["entry"] is None:
            statement = statements.parse(row["statement"], kind="lot")
            body = read(statement, Lot)

            def work(db: sqlite3.Connection) -> None:
                self._commit(db, row["id"], body, statement)

            await self._store.write(work)
            self._turns.pop(row["id"], None)
        return self._journal.receipt(self._row(caller, lot)["digest"])

    # -- what is there

    def lots(self, *, partner: str | None = None, current_only: bool = False) -> list[LotRow]:
        """Committed lots, oldest first."""
        rows = self._store.reader.execute(
            "SELECT partner, statement, digest, dataset, epoch, current FROM deposit WHERE entry IS NOT NULL "
            "AND (?1 IS NULL OR partner = ?1) AND current >= ?2 ORDER BY entry",
            (partner, int(current_only)),
        )
        return [LotRow(row[0], row[1], row[2], row[3], row[4], bool(row[5])) for row in rows]

    def find(self, digest: bytes) -> LotRow:
        """The committed lot with that statement digest.

        Raises:
            Missing: there is none.
        """
        row = self._store.reader.execute(
            "SELECT partner, statement, digest, dataset, epoch, current FROM deposit "
            "WHERE digest = ? AND entry IS NOT NULL",
            (digest,),
        ).fetchone()
        if row is None:
            raise Missing("the hub holds no lot with that digest")
        return LotRow(row[0], row[1], row[2], row[3], row[4], bool(row[5]))

    def withdrawn(self, row: LotRow) -> bool:
        """Whether the partner of a lot destroyed the seed of its epoch: nobody can open it any more."""
        return is_withdrawn(self._store.reader, row.partner, row.epoch)

    def segments_of(self, digest: bytes) -> tuple[list[bytes], list[int], list[Extent], str]:
        """(ids, parts per bucket, extents, pack) of a committed lot, in (bucket, part) order.

        Raises:
            Missing: there is no such lot.
        """
        db = self._store.reader
        row = db.execute(
            "SELECT id, parts, pack FROM deposit WHERE digest = ? AND entry IS NOT NULL", (digest,)
        ).fetchone()
        if row is None:
            raise Missing("the hub holds no lot with that digest")
        held = db.execute("SELECT id, start, size FROM segment WHERE deposit = ? ORDER BY place", (row[0],)).fetchall()
        return [id_ for id_, _, _ in held], json.loads(row[1]), [Extent(a, b) for _, a, b in held], row[2]

    def counts(self) -> tuple[int, int, int]:
        """(committed lots, open lots, bytes of segments)."""
        db = self._store.reader
        committed, opened = db.execute("SELECT count(entry), count(*) - count(entry) FROM deposit").fetchone()
        held = db.execute("SELECT coalesce(sum(size), 0) FROM segment").fetchone()[0]
        return committed, opened, held

    def packs_named(self) -> set[str]:
        """Names of the packs that hold something; any other file is left over."""
        return {pack for (pack,) in self._store.reader.execute("SELECT pack FROM deposit")}

    # -- steps

    def _committed(self, partner: str, lot: bytes) -> Begun | None:
        row = self._store.reader.execute(
            "SELECT digest, statement FROM deposit WHERE partner = ? AND lot = ? AND entry IS NOT NULL", (partner, lot)
        ).fetchone()
        return None if row is None else Begun((), self._journal.receipt(row[0]), row[1])

    def _reopen(self, db: sqlite3.Connection, lot: Lot) -> list[str]:
        """Drop an open deposit of the same lot that was sealed anew; return the packs that may go."""
        row = db.execute(
            "SELECT id, segment_root, pack, entry FROM deposit WHERE partner = ? AND lot = ?", (lot.partner, lot.lot)
        ).fetchone()
        if row is None or row[3] is not None or row[1] == lot.segment_root:
            return []
        db.execute("DELETE FROM deposit WHERE id = ?", (row[0],))
        return [row[2]]

    def _make_room(self, db: sqlite3.Connection, partner: str, lot: bytes) -> list[str]:
        rows = db.execute(
            "SELECT id, pack, touched FROM deposit WHERE partner = ? AND lot <> ? AND entry IS NULL", (partner, lot)
        ).fetchall()
        stale_before = self._clock() - timedelta(days=self._limits.stale_days)
        stale = [row for row in rows if parse_time(row[2]) < stale_before]
        if len(rows) >= self._limits.open_lots and stale:
            db.executemany("DELETE FROM deposit WHERE id = ?", [(row[0],) for row in stale])
            return [row[1] for row in stale]
        return []

    def _open(
        self, db: sqlite3.Connection, lot: Lot, statement: Statement, ids: Sequence[bytes], parts: Sequence[int]
    ) -> None:
        row = db.execute(
            "SELECT id, entry FROM deposit WHERE partner = ? AND lot = ?", (lot.partner, lot.lot)
        ).fetchone()
        now = stamp(self._clock())
        if row is not None:
            # The same segments under a statement signed again: until the commit, the newest one counts.
            if row[1] is None:
                db.execute(
                    "UPDATE deposit SET statement = ?, digest = ?, touched = ? WHERE id = ?",
                    (statement.raw, statement.digest, now, row[0]),
                )
            return
        opened = db.execute("SELECT count(*) FROM deposit WHERE partner = ? AND entry IS NULL", (lot.partner,))
        if opened.fetchone()[0] >= self._limits.open_lots:
            raise Refused(
                "open_lots",
                expected=f"at most {self._limits.open_lots} lots open at a time",
                found="one more",
                hint="finish sending the lots that were begun",
            )
        pack = f"{lot.partner}/{lot.lot.hex()}-{lot.segment_root.hex()[:16]}"
        deposit = db.execute(
            "INSERT INTO deposit (partner, lot, digest, statement, dataset, delivery, base, epoch, rows_class, "
            "segment_root, segments, parts, pack, touched) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                lot.partner, lot.lot, statement.digest, statement.raw, lot.dataset, lot.delivery, lot.base, lot.epoch,
                lot.rows_class, lot.segment_root, lot.segments, json.dumps(list(parts)), pack, now,
            ),
        ).fetchone()[0]  # fmt: skip
        db.executemany(
            "INSERT INTO segment (deposit, place, id) VALUES (?, ?, ?)",
            ((deposit, place, id_) for place, id_ in enumerate(ids)),
        )

    def _commit(self, db: sqlite3.Connection, deposit: int, lot: Lot, statement: Statement) -> None:
        row = db.execute("SELECT entry, digest FROM deposit WHERE id = ?", (deposit,)).fetchone()
        if row is None or row[1] != statement.digest:
            raise Missing("this lot was begun again meanwhile", hint="begin and commit it again")
        if row[0] is not None:
            return
        absent = db.execute("SELECT count(*) FROM segment WHERE deposit = ? AND start IS NULL", (deposit,)).fetchone()[
            0
        ]
        if absent:
            raise Missing(f"{absent} segments of the lot are missing", hint="begin again to learn which, and send them")
        total = db.execute("SELECT sum(size) FROM segment WHERE deposit = ?", (deposit,)).fetchone()[0]
        if total != lot.bytes:
            raise Refused("bytes", expected=f"{lot.bytes} bytes, as the lot's statement says", found=f"{total} bytes")
        check_epoch(db, lot)
        check_place(db, lot)
        entry = self._journal.append(db, statement).place
        if lot.delivery == "snapshot":
            db.execute("UPDATE deposit SET current = 0 WHERE partner = ? AND dataset = ?", (lot.partner, lot.dataset))
        elif lot.supersedes is not None:
            db.execute("UPDATE deposit SET current = 0 WHERE partner = ? AND lot = ?", (lot.partner, lot.supersedes))
        db.execute("UPDATE deposit SET entry = ?, current = 1 WHERE id = ?", (entry, deposit))

    async def _keep(self, row: dict[str, Any], ids: Sequence[bytes], segments: Sequence[bytes]) -> None:
        async with self._turns.setdefault(row["id"], asyncio.Lock()):
            places = self._places(row["id"], ids)
            held = {id_ for id_, (_, start) in places.items() if start is not None}
            fresh = {id_: data for id_, data in zip(ids, segments, strict=True) if id_ not in held}
            if not fresh:
                return
            extents = await asyncio.to_thread(
                self._packs.append, row["pack"], self._end(row["id"]), list(fresh.values())
            )
            await self._store.write(lambda db: self._note_held(db, row, places, list(fresh), extents))

    # -- rows

    def _row(self, partner: str, lot: bytes) -> dict[str, Any]:
        row = self._store.reader.execute(
            "SELECT id, digest, statement, pack, entry FROM deposit WHERE partner = ? AND lot = ?", (partner, lot)
        ).fetchone()
        if row is None:
            raise Missing("no lot with that id was begun", hint="begin it first")
        return dict(zip(("id", "digest", "statement", "pack", "entry"), row, strict=True))

    def _missing(self, deposit: int) -> list[bytes]:
        rows = self._store.reader.execute(
            "SELECT id FROM segment WHERE deposit = ? AND start IS NULL ORDER BY place", (deposit,)
        )
        return [id_ for (id_,) in rows]

    def _places(self, deposit: int, ids: Sequence[bytes]) -> dict[bytes, tuple[int, int | None]]:
        found = {}
        for id_ in ids:
            row = self._store.reader.execute(
                "SELECT place, start FROM segment WHERE deposit = ? AND id = ?", (deposit, id_)
            ).fetchone()
            if row is None:
                raise MalformedSegment("this is not one of the segments that the lot was begun with")
            found[id_] = (row[0], row[1])
        return found

    def _end(self, deposit: int) -> int:
        row = self._store.reader.execute(
            "SELECT max(start + size) FROM segment WHERE deposit = ?", (deposit,)
        ).fetchone()
        return int(row[0] or 0)

    def _note_held(
        self,
        db: sqlite3.Connection,
        row: dict[str, Any],
        places: dict[bytes, tuple[int, int | None]],
        ids: Sequence[bytes],
        extents: Sequence[Extent],
    ) -> None:
        for id_, extent in zip(ids, extents, strict=True):
            changed = db.execute(
                "UPDATE segment SET start = ?, size = ? WHERE deposit = ? AND place = ? AND id = ?",
                (extent.start, extent.size, row["id"], places[id_][0], id_),
            )
            if changed.rowcount != 1:
                raise Missing("this lot was begun again meanwhile", hint="begin it again")
        db.execute("UPDATE deposit SET touched = ? WHERE id = ?", (stamp(self._clock()), row["id"]))
