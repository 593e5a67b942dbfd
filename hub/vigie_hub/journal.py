"""The exchange journal of the hub: an append-only Merkle log in SQLite (docs/spec/checkpoint.md, receipt.md).

Appending happens inside a transaction of :class:`~vigie_hub.store.Store`, together with whatever else becomes true
with the entry; at the end of each batch :meth:`Journal.seal` signs the one checkpoint that covers it. So the signed
checkpoint is the compare-and-swap: it exists exactly when its entries do.

The rules it keeps:

- a statement is an entry once, however often it comes (by its digest; the signatures of the first one stay);
- an entry's receipt is always made of the first checkpoint that covers it, with the log's line alone: the same bytes
  for ever. The same proof under a later, cosigned checkpoint is :meth:`Journal.receipt_at`.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vigie import note as notes
from vigie import statement as statements
from vigie.errors import Missing, StateError, VigieError
from vigie.hardware import bundle
from vigie.journal import merkle
from vigie.journal.checkpoint import Checkpoint, merge_cosignatures, open_checkpoint
from vigie.journal.proof import Receipt
from vigie.note import NoteSignature, Signer
from vigie.statement import Statement
from vigie_hub.store import Store

PAGE_BYTES: Final = 3 * 1024 * 1024
"""Bytes of entries in one page at most, below the message cap."""
PAGE_ENTRIES: Final = 2048
"""Entries in one page at most."""

_SUBJECT: Final = {
    "approval": "measurement",
    "lot": "lot",
    "evidence": "order",
    "release": "order",
    "run": "order",
    "delivery": "run",
    "refusal": "subject",
    "evaluation": "request",
    "joint": "key",
}
"""What entries of a kind are looked up by: the key of their body that holds it."""


@dataclass(frozen=True)
class Appended:
    """Where a statement stands in the journal; ``fresh`` is False when it was there already."""

    place: int
    fresh: bool


class Journal:
    """The journal over a store.

    Args:
        store: the hub's store; its batches are sealed by this journal from now on.
        signer: the log's key, named like the origin.

    Raises:
        StateError: the stored tree is not the one that the last checkpoint was signed for, or another log's.
    """

    def __init__(self, store: Store, signer: Signer) -> None:
        self._store = store
        self._signer = signer
        self.origin = signer.verifier.name
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._grew = False  # touched by the writer's thread only
        self._check_state()
        store.seal_with(self.seal)
        store.after_commit = self._tell

    # -- writing, inside a transaction of the store

    def append(self, db: sqlite3.Connection, statement: Statement) -> Appended:
        """Append a statement that has been judged; the same digest again changes nothing."""
        known = db.execute("SELECT place FROM entry WHERE digest = ?", (statement.digest,)).fetchone()
        if known is not None:
            return Appended(known[0], fresh=False)
        place = _count(db)
        frontier = merkle.Frontier.read(place, _reader(db))
        db.execute(
            "INSERT INTO entry (place, digest, kind, subject, raw) VALUES (?, ?, ?, ?, ?)",
            (place, statement.digest, statement.kind, _subject(statement), statement.raw),
        )
        db.executemany("INSERT INTO node VALUES (?, ?, ?)", frontier.append(merkle.leaf_hash(statement.raw)))
        return Appended(place, fresh=True)

    def seal(self, db: sqlite3.Connection) -> None:
        """Sign the checkpoint of the tree as it stands, when it has grown."""
        size = _count(db)
        last = db.execute("SELECT max(size) FROM checkpoint").fetchone()[0]
        if size == (last or 0):
            return
        tree = Checkpoint(self.origin, size, merkle.root(size, _reader(db)))
        note = notes.assemble(tree.text(), [self._signer.sign(tree.text())])
        db.execute("INSERT INTO checkpoint (size, root, note) VALUES (?, ?, ?)", (size, tree.root, note))
        self._grew = True

    # -- writing, as a whole

    async def submit(self, given: Sequence[Statement]) -> list[bytes]:
        """Append judged statements in order, in one transaction; return their receipts once they are durable."""

        def work(db: sqlite3.Connection) -> None:
            for statement in given:
                self.append(db, statement)

        await self._store.write(work)
        return [self.receipt(statement.digest) for statement in given]

    async def submit_evidence(self, evidence: Statement, quote: bytes) -> None:
        """Append judged evidence together with the quote bundle that it names: both become durable, or neither."""

        def work(db: sqlite3.Connection) -> None:
            if quote:
                db.execute("INSERT OR IGNORE INTO quote VALUES (?, ?)", (bundle.digest_of(quote), quote))
            self.append(db, evidence)

        await self._store.write(work)

    async def add_cosignatures(self, size: int, lines: Iterable[NoteSignature]) -> None:
        """Keep verified cosignatures of the checkpoint of that size."""
        rows = [(size, line.name, line.key_id, line.line()) for line in lines]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("INSERT OR REPLACE INTO cosignature VALUES (?, ?, ?, ?)", rows)

        await self._store.write(work)

    def listen(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called on the running event loop whenever entries were added, whoever added them."""
        self._listeners.append((asyncio.get_running_loop(), listener))

    # -- reading committed state

    @property
    def size(self) -> int:
        """Number of entries under a signed checkpoint."""
        found = self._store.reader.execute("SELECT max(size) FROM checkpoint").fetchone()[0]
        return int(found or 0)

    def checkpoint(self, size: int | None = None) -> bytes:
        """The checkpoint of a size (the latest, when not given) with all cosignatures gathered so far.

        Raises:
            Missing: no checkpoint of that size was ever signed.
        """
        size = self.size if size is None else size
        note = self._note(size)
        lines = self._store.reader.execute("SELECT line FROM cosignature WHERE size = ? ORDER BY name, key_id", (size,))
        return merge_cosignatures(note, [NoteSignature.parse(line) for (line,) in lines])

    def cosigned_sizes(self, at_least: int) -> list[int]:
        """Sizes of checkpoints, from ``at_least`` on, that have any cosignature; newest first."""
        rows = self._store.reader.execute(
            "SELECT DISTINCT size FROM cosignature WHERE size >= ? ORDER BY size DESC", (at_least,)
        )
        return [size for (size,) in rows]

    def cosigned_by(self, name: str) -> int:
        """The largest size that the witness of that key name cosigned, 0 for none."""
        found = self._store.reader.execute("SELECT max(size) FROM cosignature WHERE name = ?", (name,)).fetchone()[0]
        return int(found or 0)

    def place(self, digest: bytes) -> int:
        """Place of a statement in the journal.

        Raises:
            Missing: it is not an entry.
        """
        row = self._store.reader.execute("SELECT place FROM entry WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise Missing("no statement with that digest is in the journal")
        return int(row[0])

    def entry(self, digest: bytes) -> bytes:
        """The exact bytes of a statement in the journal.

        Raises:
            Missing: it is not an entry.
        """
        row = self._store.reader.execute("SELECT raw FROM entry WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise Missing("no statement with that digest is in the journal")
        return bytes(row[0])

    def quote(self, digest: bytes) -> bytes:
        """The quote bundle of that digest.

        Raises:
            Missing: no evidence in the journal names it.
        """
        row = self._store.reader.execute("SELECT bundle FROM quote WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise Missing("no quote with that digest is kept beside the journal")
        return bytes(row[0])

    def entries(self, start: int, limit: int) -> list[bytes]:
        """Entries from ``start`` on, in order, as many as are asked for and fit one page.

        Raises:
            Missing: ``start`` is beyond the end.
        """
        if not 0 <= start <= self.size:
            raise Missing(f"the journal has {self.size} entries, none at {start}")
        page: list[bytes] = []
        room = PAGE_BYTES
        rows = self._store.reader.execute(
            "SELECT raw FROM entry WHERE place >= ? ORDER BY place LIMIT ?", (start, min(limit, PAGE_ENTRIES))
        )
        for (raw,) in rows:
            room -= len(raw) + 8
            if room < 0:
                break
            page.append(raw)
        return page

    def find(self, kind: str, subject: bytes | None = None) -> list[bytes]:
        """Entries of a kind, oldest first; with ``subject``, those about it (an order's digest, a measurement …)."""
        if subject is None:
            rows = self._store.reader.execute("SELECT raw FROM entry WHERE kind = ? ORDER BY place", (kind,))
        else:
            rows = self._store.reader.execute(
                "SELECT raw FROM entry WHERE kind = ? AND subject = ? ORDER BY place", (kind, subject)
            )
        return [raw for (raw,) in rows]

    def receipt(self, digest: bytes) -> bytes:
        """The receipt of an entry: the same bytes whenever it is asked for.

        Raises:
            Missing: it is not an entry.
        """
        place = self.place(digest)
        row = self._store.reader.execute("SELECT min(size) FROM checkpoint WHERE size > ?", (place,)).fetchone()
        if row[0] is None:
            raise Missing("the entry is not under a checkpoint yet")
        return self._receipt(place, row[0], self._note(row[0]))

    def receipt_at(self, digest: bytes, size: int | None = None) -> bytes:
        """The receipt of an entry under the checkpoint of ``size`` (the latest, when not given), cosignatures included.

        Raises:
            Missing: not an entry, or that checkpoint does not exist or does not cover it.
        """
        size = self.size if size is None else size
        return self._receipt(self.place(digest), size, self.checkpoint(size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of ``new`` entries extends the tree of ``old``.

        Raises:
            Missing: not 0 ≤ old ≤ new ≤ the journal's size.
        """
        if new > self.size:
            raise Missing(f"the journal has {self.size} entries, not {new}")
        return merkle.consistency_proof(old, new, _reader(self._store.reader))

    def verify(self) -> int:
        """Check the whole journal from its entries up, every checkpoint included; return its size.

        Raises:
            StateError: something does not fit.
        """
        try:
            return self._verify(self._store.reader, self.size)
        except StateError:
            raise
        except VigieError as exc:
            raise StateError(f"something in the journal is not what it must be: {exc.message}") from exc

    def _verify(self, db: sqlite3.Connection, size: int) -> int:
        if _count(db) != size:
            raise StateError("the journal has entries that no checkpoint covers")
        roots = {covered: (root, note) for covered, root, note in db.execute("SELECT size, root, note FROM checkpoint")}
        frontier = merkle.Frontier()
        for place, digest, raw in db.execute("SELECT place, digest, raw FROM entry ORDER BY place"):
            if place != frontier.size or statements.parse(raw).digest != digest:
                raise StateError(f"entry {place} of the journal is out of place or not what its digest says")
            self._check_quote(raw)
            for level, index, value in frontier.append(merkle.leaf_hash(raw)):
                if _reader(db)(level, index) != value:
                    raise StateError(f"a hash of the journal above entry {place} is wrong")
            if frontier.size in roots:
                root, note = roots.pop(frontier.size)
                opened = open_checkpoint(note, self._signer.verifier).checkpoint
                if not root == frontier.root() == opened.root or opened.size != frontier.size:
                    raise StateError(f"the checkpoint of {frontier.size} entries is not of this journal")
        if roots:
            raise StateError("the journal has checkpoints that its entries do not reach")
        return size

    def _check_quote(self, raw: bytes) -> None:
        """The bundle that an evidence entry names is kept, whole."""
        opened = statements.parse(raw)
        named = opened.body.get("quote") if opened.kind == "evidence" else None
        if named is None:
            return
        try:
            kept = self.quote(bytes.fromhex(named))
        except Missing as exc:
            raise StateError("the quote of an evidence entry is gone", hint="restore the hub's folder") from exc
        if bundle.digest_of(kept).hex() != named:
            raise StateError("the quote of an evidence entry was altered", hint="restore the hub's folder")

    def _tell(self) -> None:
        if self._grew:
            self._grew = False
            for loop, listener in self._listeners:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(listener)

    def _receipt(self, place: int, size: int, checkpoint: bytes) -> bytes:
        proof = merkle.inclusion_proof(place, size, _reader(self._store.reader))
        return Receipt(place, tuple(proof), checkpoint).encode()

    def _note(self, size: int) -> bytes:
        row = self._store.reader.execute("SELECT note FROM checkpoint WHERE size = ?", (size,)).fetchone()
        if row is None:
            raise Missing(f"the journal signed no checkpoint of {size} entries")
        return bytes(row[0])

    def _check_state(self) -> None:
        db, size = self._store.reader, self.size
        if _count(db) != size:
            raise StateError("the journal has entries that no checkpoint covers", hint="restore the hub's folder")
        if not size:
            return
        try:
            opened = open_checkpoint(self._note(size), self._signer.verifier).checkpoint
        except VigieError as exc:
            raise StateError(f"the last checkpoint is not one of this hub's key: {exc.message}") from exc
        if opened.size != size or opened.root != merkle.root(size, _reader(db)):
            raise StateError("the journal on disk is not the one that was signed last", hint="restore the hub's folder")


def _reader(db: sqlite3.Connection) -> merkle.Reader:
    def read(level: int, index: int) -> bytes:
        row = db.execute("SELECT hash FROM node WHERE level = ? AND place = ?", (level, index)).fetchone()
        if row is None:
            raise StateError(f"the journal lacks the hash of subtree ({level}, {index})")
        return bytes(row[0])

    return read


def _count(db: sqlite3.Connection) -> int:
    """Number of entries, committed or not, as this connection sees them."""
    found = db.execute("SELECT max(place) FROM entry").fetchone()[0]
    return 0 if found is None else int(found) + 1


def _subject(statement: Statement) -> bytes | None:
    key = _SUBJECT.get(statement.kind)
    value = statement.body.get(key) if key else None
    return bytes.fromhex(value) if isinstance(value, str) else None
