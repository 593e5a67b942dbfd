"""A witness that remembers: verify that the journal only grew, make that durable, then cosign (protocol section 6).

A partner's node and the auditor's own process (``vigie audit witness``) both witness with this module. It adds memory
to the pure judgement in :mod:`vigie.journal.witness`: every size and root that was ever cosigned, so that a release can
ask "did I see exactly this tree?", and every checkpoint that contradicts them, because that is evidence.

The rule: the new size and root are on disk before the cosignature leaves this process. A witness that is killed in
between has signed nothing that it forgot.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from vigie import note
from vigie.clock import stamp
from vigie.durable import transaction
from vigie.errors import BadProof
from vigie.journal.checkpoint import open_checkpoint
from vigie.journal.witness import WitnessState, advance
from vigie.note import VerifierKey

WITNESS_SCHEMA = """
CREATE TABLE checkpoints (
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    witnessed TEXT NOT NULL,
    PRIMARY KEY (origin, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE contradictions (
    sequence INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    found TEXT NOT NULL
) STRICT;
"""
"""Tables of a witness, as one migration of whichever database holds them."""

MAX_CONTRADICTIONS = 1000
"""Contradictory checkpoints that are kept: one proves the log's fault, and a hostile log must not fill the disk."""

_log = structlog.get_logger("vigie.witness")


@dataclass(frozen=True)
class Contradiction:
    """A checkpoint that the log signed, and did not prove to fit what this witness had seen."""

    size: int
    note: bytes
    found: str


class WitnessStore:
    """The durable memory of a witness.

    Args:
        connection: a database that holds the tables of `WITNESS_SCHEMA`, in autocommit mode.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def state(self, origin: str) -> WitnessState:
        """Return the largest tree of that log that was cosigned, or the state of a fresh witness.

        Raises:
            StateError: what is on disk cannot be a tree head.
        """
        row = self._connection.execute(
            "SELECT size, root FROM checkpoints WHERE origin = ? ORDER BY size DESC LIMIT 1", (origin,)
        ).fetchone()
        return WitnessState.start(origin) if row is None else WitnessState(origin, row[0], bytes(row[1]))

    def root_at(self, origin: str, size: int) -> bytes | None:
        """Return the root that was cosigned for exactly that size, or None when that size never was."""
        row = self._connection.execute(
            "SELECT root FROM checkpoints WHERE origin = ? AND size = ?", (origin, size)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def checkpoint_at(self, origin: str, size: int) -> bytes | None:
        """Return the checkpoint, as the log signed it, that was cosigned for that size."""
        row = self._connection.execute(
            "SELECT note FROM checkpoints WHERE origin = ? AND size = ?", (origin, size)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Return what the log signed and did not prove, oldest first. Anything that stays is for the auditor."""
        rows = self._connection.execute("SELECT size, note, found FROM contradictions ORDER BY sequence")
        return tuple(Contradiction(*row) for row in rows)

    def advance(
        self, old_size: int, proof: Sequence[bytes], checkpoint: bytes, log_key: VerifierKey, *, now: datetime
    ) -> WitnessState:
        """Judge a checkpoint and, when it extends what was seen, make the new tree head durable.

        Judgement and write are one transaction, so that two witnesses on one file cannot both move on from the same
        state.

        Raises:
            MalformedNote, BadSignature, BadProof, WitnessConflict: as `vigie.journal.witness.advance`. After a
                `BadProof` the checkpoint is kept among the contradictions if the log really signed it.
        """
        try:
            with transaction(self._connection) as connection:
                state = advance(self.state(log_key.name), old_size, proof, checkpoint, log_key)
                connection.execute(
                    "INSERT INTO checkpoints (origin, size, root, note, witnessed) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (state.origin, state.size, state.root, checkpoint, stamp(now)),
                )
                # What came first with a broken proof and now with a good one was a blunder, not a second history.
                connection.execute(
                    "DELETE FROM contradictions WHERE origin = ? AND size = ? AND root = ?",
                    (state.origin, state.size, state.root),
                )
        except BadProof:
            self._keep_contradiction(checkpoint, log_key, now)
            raise
        return state

    def _keep_contradiction(self, checkpoint: bytes, log_key: VerifierKey, now: datetime) -> None:
        # Only what the log signed gets here: `advance` checks the signature before any proof.
        opened = open_checkpoint(checkpoint, log_key)
        origin, size, root = log_key.name, opened.checkpoint.size, opened.checkpoint.root
        witnessed = self.root_at(origin, size)
        if witnessed == root or (witnessed is None and size < self.state(origin).size):
            return  # an old head, shown again: it may well be true
        with transaction(self._connection) as connection:
            connection.execute(
                "INSERT INTO contradictions (digest, origin, size, root, note, found) SELECT ?1, ?2, ?3, ?4, ?5, ?6"
                " WHERE (SELECT count(*) FROM contradictions) < ?7 ON CONFLICT DO NOTHING",
                (
                    hashlib.sha256(opened.note.text).digest(), origin, size, root, checkpoint, stamp(now),
                    MAX_CONTRADICTIONS,
                ),
            )  # fmt: skip
        _log.error(
            "the journal does not fit what was witnessed", size=size, hint="keep this folder and tell the auditor"
        )


class Witness:
    """Answers requests to cosign.

    Args:
        log_key: the journal's key; its name is the origin.
        cosigner: this witness's key.
        store: its durable memory.
        clock: gives the time now, aware and in UTC.
    """

    def __init__(
        self, log_key: VerifierKey, cosigner: note.Cosigner, store: WitnessStore, clock: Callable[[], datetime]
    ) -> None:
        self._log_key = log_key
        self._cosigner = cosigner
        self._store = store
        self._clock = clock

    async def answer(self, old_size: int, proof: Sequence[bytes], checkpoint: bytes) -> tuple[str, ...]:
        """Verify, persist, then cosign; returns the signature lines without newline.

        Raises:
            WitnessConflict: the proof does not start from the size last cosigned; its ``size`` is that one.
            MalformedNote, BadSignature, BadProof: as `vigie.journal.witness.advance`.
        """
        now = self._clock()
        state = self._store.advance(old_size, proof, checkpoint, self._log_key, now=now)
        # Durable from here on: only now may a signature exist.
        line = self._cosigner.cosign(note.parse(checkpoint).text, int(now.timestamp()))
        _log.info("witnessed", size=state.size)
        return (line.line(),)
