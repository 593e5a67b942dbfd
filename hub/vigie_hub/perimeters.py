"""Perimeters: taken in from the partner that works them out, handed to the partners that filter by them.

As with lots (:mod:`vigie_hub.deposit`): parts are durable before they are accepted; commit is one transaction in which
the perimeter becomes the current one of its epoch and its statement enters the journal; then the receipt is read back.

The rules it keeps: only the owner that the current convention names puts a perimeter in; a recipient gets its own parts
and no other's; the parts of a perimeter that another one replaced are removed, because nobody has to read them any more.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from vigie import segment
from vigie import statement as statements
from vigie.authority import judge
from vigie.bodies import Perimeter, read
from vigie.convention import PerimeterRule
from vigie.errors import BadProof, Malformed, MalformedSegment, Missing, Refused, StateError
from vigie.statement import Statement
from vigie_hub.agreement import Agreement
from vigie_hub.config import Limits
from vigie_hub.journal import Journal
from vigie_hub.packs import Extent, Packs
from vigie_hub.store import Store
from vigie_hub.taking import PART_CAP, Begun

Shares = Mapping[str, Sequence[bytes]]
"""Recipient → the ids of its sealed parts, in order."""


@dataclass(frozen=True)
class _Row:
    number: int
    digest: bytes
    statement: bytes
    pack: str
    entry: int | None


class PerimeterDesk:
    """Takes perimeters in and hands them out."""

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
        self._turn = asyncio.Lock()

    # -- the owner's side

    async def begin(self, caller: str, raw: bytes, shares: Shares) -> Begun:
        """Open a perimeter, say what is missing of one that is open, or answer with the receipt of a committed one.

        1. It is a `perimeter` statement of the caller.
        2. Committed already: the first receipt, whatever else has changed.
        3. The caller is the owner that the current convention names, signed it under that convention, and it names the
           recipients that the convention names.
        4. The lists beside it are the ones that it names: number and root for each recipient.
        5. It replaces the current perimeter of its epoch, and is for no earlier period.

        Another perimeter that its owner had open is dropped.

        Raises:
            Malformed, Untrusted: steps 1, 3 and 4.
            Refused: steps 1, 3 and 5, and ``size``.
        """
        # (1)
        body = read(statements.parse(raw, kind="perimeter"), Perimeter)
        if body.owner != caller:
            raise Refused("owner", expected=f"a perimeter of {caller}, who is calling", found=f"one of {body.owner}")
        # (2)
        committed = self._committed(caller, body.perimeter)
        if committed is not None:
            return committed
        # (3)
        self._agreement.chain.check_in_force(self._clock())
        judged = judge(raw, self._agreement.chain, kind="perimeter", current_only=True)
        # (4)
        check_shares(body, shares, self._limits)

        def work(db: sqlite3.Connection) -> list[str]:
            # (5), again at commit: another perimeter may be committed in between
            check_place(db, body)
            return self._open(db, body, judged.statement, shares)

        for pack in await self._store.write(work):
            self._packs.remove(pack)
        # A Commit of the same perimeter may have come first on another connection.
        return self._committed(caller, body.perimeter) or Begun(
            missing=self._missing(self._row(caller, body.perimeter))
        )

    async def put(self, caller: str, perimeter: bytes, part: bytes) -> bytes:
        """Make one sealed part of an open perimeter durable; return its id.

        Raises:
            Missing: the caller has no such perimeter.
            MalformedSegment: it is too large, or not one that Begin named.
            Unavailable: the disk refuses.
        """
        row = self._row(caller, perimeter)
        if len(part) > PART_CAP:
            raise MalformedSegment(f"a sealed part is at most {PART_CAP} bytes")
        id_ = await asyncio.to_thread(segment.segment_id, part)
        # In a task of its own: a caller that goes away must not free the turn while its bytes are being written.
        await asyncio.shield(asyncio.ensure_future(self._keep(row, id_, part)))
        return id_

    async def commit(self, caller: str, perimeter: bytes) -> bytes:
        """Commit a perimeter whose parts are all there; return its receipt.

        Raises:
            Missing: the caller has no such perimeter, or parts are missing.
            Refused: it no longer fits what is current, or the convention was amended meanwhile.
        """
        row = self._row(caller, perimeter)
        if row.entry is None:
            statement = judge(row.statement, self._agreement.chain, kind="perimeter", current_only=True).statement
            body = read(statement, Perimeter)
            for pack in await self._store.write(lambda db: self._commit(db, row, body, statement)):
                self._packs.remove(pack)
        return self._journal.receipt(row.digest)

    # -- everybody's side

    def current(self, caller: str, epoch: int) -> tuple[bytes, bytes]:
        """(statement, first receipt) of the current perimeter of an epoch; both empty while there is none.

        Raises:
            Refused: the current convention does not share it with the caller.
        """
        self._rule(caller)
        row = self._store.reader.execute(
            "SELECT statement, digest FROM perimeter WHERE epoch = ? AND current = 1", (epoch,)
        ).fetchone()
        return (b"", b"") if row is None else (row[0], self._journal.receipt(row[1]))

    def parts(self, caller: str, digest: bytes) -> tuple[str, list[Extent]]:
        """(pack, places in it) of the caller's own parts of the current perimeter with that digest, in order.

        Raises:
            Refused: the perimeter, or the current convention, does not name the caller as a recipient.
            Missing: it is not the current perimeter of any epoch.
        """
        rule, db = self._rule(caller), self._store.reader
        row = db.execute("SELECT id, pack FROM perimeter WHERE digest = ? AND current = 1", (digest,)).fetchone()
        if row is None:
            raise Missing("that is not a current perimeter", hint="ask for the current one again")
        found = db.execute(
            "SELECT start, size FROM perimeter_part WHERE perimeter = ? AND recipient = ? ORDER BY part",
            (row[0], caller),
        ).fetchall()
        if not found or caller not in rule.shared_with:
            raise Refused("recipient", expected="a recipient of this perimeter", found=caller)
        return row[1], [Extent(start, size) for start, size in found]

    async def read(self, pack: str, extent: Extent) -> bytes:
        """One sealed part.

        Raises:
            Missing: another perimeter took the place of this one meanwhile.
            StateError: it is not there, and should be.
        """
        try:
            return await asyncio.to_thread(self._packs.read, pack, extent)
        except StateError as exc:
            if pack in self.packs_named():
                raise
            raise Missing("that is not a current perimeter any more", hint="ask for the current one again") from exc

    def packs_named(self) -> set[str]:
        """Names of the packs that hold something that is still wanted; any other file is left over."""
        rows = self._store.reader.execute("SELECT pack FROM perimeter WHERE entry IS NULL OR current = 1")
        return {pack for (pack,) in rows}

    # -- steps

    def _rule(self, caller: str) -> PerimeterRule:
        rule = self._agreement.current.perimeter
        if rule is None or not rule.binds(caller):
            raise Refused("perimeter", expected="a member with whom the convention shares a perimeter", found=caller)
        return rule

    def _committed(self, owner: str, perimeter: bytes) -> Begun | None:
        row = self._store.reader.execute(
            "SELECT digest, statement FROM perimeter WHERE owner = ? AND perimeter = ? AND entry IS NOT NULL",
            (owner, perimeter),
        ).fetchone()
        return None if row is None else Begun((), self._journal.receipt(row[0]), row[1])

    def _open(self, db: sqlite3.Connection, body: Perimeter, statement: Statement, shares: Shares) -> list[str]:
        """Open the perimeter; return the packs of those that it takes the place of."""
        others = db.execute(
            "SELECT id, pack, digest FROM perimeter WHERE owner = ? AND entry IS NULL", (body.owner,)
        ).fetchall()
        dropped = [(number, pack) for number, pack, digest in others if digest != statement.digest]
        db.executemany("DELETE FROM perimeter WHERE id = ?", [(number,) for number, _ in dropped])
        known = db.execute(
            "SELECT 1 FROM perimeter WHERE owner = ? AND perimeter = ?", (body.owner, body.perimeter)
        ).fetchone()
        if known is None:
            pack = f"{body.owner}/{body.perimeter.hex()}-{statement.digest.hex()[:16]}"
            (number,) = db.execute(
                "INSERT INTO perimeter (owner, perimeter, digest, statement, epoch, period, pack) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (body.owner, body.perimeter, statement.digest, statement.raw, body.epoch, body.period, pack),
            ).fetchone()
            db.executemany(
                "INSERT INTO perimeter_part (perimeter, recipient, part, id) VALUES (?, ?, ?, ?)",
                [(number, name, part, id_) for name, ids in shares.items() for part, id_ in enumerate(ids)],
            )
        return [pack for _, pack in dropped]

    async def _keep(self, row: _Row, id_: bytes, part: bytes) -> None:
        async with self._turn:
            db = self._store.reader
            found = db.execute(
                "SELECT start FROM perimeter_part WHERE perimeter = ? AND id = ?", (row.number, id_)
            ).fetchone()
            if found is None:
                raise MalformedSegment("this is not one of the parts that the perimeter was begun with")
            if found[0] is not None:
                return
            (end,) = db.execute(
                "SELECT coalesce(max(start + size), 0) FROM perimeter_part WHERE perimeter = ?", (row.number,)
            ).fetchone()
            (extent,) = await asyncio.to_thread(self._packs.append, row.pack, end, [part])

            def work(db: sqlite3.Connection) -> None:
                changed = db.execute(
                    "UPDATE perimeter_part SET start = ?, size = ? WHERE perimeter = ? AND id = ?",
                    (extent.start, extent.size, row.number, id_),
                )
                if changed.rowcount != 1:
                    raise Missing("another perimeter was begun meanwhile", hint="begin this one again")

            await self._store.write(work)

    def _commit(self, db: sqlite3.Connection, row: _Row, body: Perimeter, statement: Statement) -> list[str]:
        """Commit inside the transaction; return the packs that are not wanted any more."""
        kept = db.execute("SELECT entry FROM perimeter WHERE id = ?", (row.number,)).fetchone()
        if kept is None:
            raise Missing("another perimeter was begun meanwhile", hint="begin and commit this one again")
        if kept[0] is not None:
            return []
        held = db.execute(
            "SELECT recipient, count(*) - count(start), sum(size) FROM perimeter_part WHERE perimeter = ? GROUP BY 1",
            (row.number,),
        ).fetchall()
        if absent := sum(missing for _, missing, _ in held):
            raise Missing(f"{absent} parts of the perimeter are missing", hint="begin again to learn which")
        for name, _, size in held:
            if size != body.recipients[name].bytes:
                raise Refused("bytes", expected=f"{body.recipients[name].bytes} bytes for {name}", found=f"{size}")
        check_place(db, body)
        entry = self._journal.append(db, statement).place
        replaced = db.execute(
            "UPDATE perimeter SET current = 0 WHERE epoch = ? AND current = 1 RETURNING pack", (body.epoch,)
        ).fetchall()
        db.execute("UPDATE perimeter SET entry = ?, current = 1 WHERE id = ?", (entry, row.number))
        return [pack for (pack,) in replaced]

    def _row(self, owner: str, perimeter: bytes) -> _Row:
        row = self._store.reader.execute(
            "SELECT id, digest, statement, pack, entry FROM perimeter WHERE owner = ? AND perimeter = ?",
            (owner, perimeter),
        ).fetchone()
        if row is None:
            raise Missing("no perimeter with that id was begun", hint="begin it first")
        return _Row(*row)

    def _missing(self, row: _Row) -> tuple[bytes, ...]:
        rows = self._store.reader.execute(
            "SELECT id FROM perimeter_part WHERE perimeter = ? AND start IS NULL ORDER BY recipient, part",
            (row.number,),
        )
        return tuple(id_ for (id_,) in rows)


def check_shares(body: Perimeter, shares: Shares, limits: Limits) -> None:
    """Hold the lists that came beside a perimeter's statement against it.

    Raises:
        Malformed: another recipient or number of parts, an id that is not 32 bytes or stands twice.
        BadProof: another root.
        Refused: too large, claim ``size``.
    """
    if set(shares) != set(body.recipients):
        raise Malformed("the lists of parts are not of the recipients that the statement names")
    every = [id_ for ids in shares.values() for id_ in ids]
    if any(len(id_) != 32 for id_ in every) or len(set(every)) != len(every):
        raise Malformed("the id of a part is 32 bytes, and stands once")
    for name, ids in shares.items():
        if len(ids) != body.recipients[name].parts:
            raise Malformed(f"the list of {name} has not the number of parts that the statement says")
        if segment.segment_root(ids) != body.recipients[name].digest:
            raise BadProof(f"the list of {name} does not lead to the root in the statement")
    if len(every) > limits.perimeter_parts:
        raise Refused("size", expected=f"at most {limits.perimeter_parts} parts", found=f"{len(every)} parts")


def check_place(db: sqlite3.Connection, body: Perimeter) -> None:
    """Hold a perimeter against the current one of its epoch, as the transaction sees it.

    Raises:
        Refused: with claim ``supersedes`` or ``period``.
    """
    row = db.execute(
        "SELECT perimeter, period FROM perimeter WHERE epoch = ? AND current = 1", (body.epoch,)
    ).fetchone()
    if body.supersedes != (row[0] if row else None):
        raise Refused(
            "supersedes",
            expected=f"the current perimeter {row[0].hex()}" if row else "no earlier perimeter",
            found=body.supersedes.hex() if body.supersedes else "none",
            hint="another perimeter was shared meanwhile: share this one again",
        )
    if row and body.period < row[1]:
        raise Refused(
            "period",
            expected=f"{row[1]} or later, as the perimeter that it would replace",
            found=body.period,
            hint="an older perimeter never takes the place of a newer one; is --period right?",
        )
