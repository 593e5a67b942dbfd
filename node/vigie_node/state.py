"""What a node must never forget: one SQLite file, ``state.sqlite``, and the tables that others read through here.

This module holds the schema and what sending and results need: own lots, results, small named values. What releases
need (orders, challenges, releases, runs, approvals) is in :mod:`vigie_node.ledger`, what witnessing needs in
:mod:`vigie.witness_service`, withdrawn epochs in :mod:`vigie_node.withdrawals`; all share this one connection, so that one transaction can span them.

The rule: a row is durable (WAL, ``synchronous=FULL``) before anything that depends on it leaves the node. Every write
is one transaction and safe to repeat, so the process may be killed at any instruction.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vigie.clock import stamp
from vigie.durable import open_database, transaction
from vigie.errors import StateError
from vigie.journal.proof import Receipt
from vigie.witness_service import WITNESS_SCHEMA, WitnessStore
from vigie_node.own_lots import OwnLot, current
from vigie_node.seen import SEEN_SCHEMA, Seen
from vigie_node.withdrawals import WithdrawalLedger

__all__ = ["SCHEMA", "NodeState", "OwnLot", "StoredResult", "current"]

_LOTS_AND_RESULTS = """
CREATE TABLE named (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lots (
    place INTEGER PRIMARY KEY,
    lot BLOB NOT NULL UNIQUE,
    digest BLOB NOT NULL UNIQUE,
    dataset TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    statement BLOB NOT NULL,
    receipt BLOB NOT NULL,
    recorded TEXT NOT NULL
) STRICT;
CREATE INDEX lots_by_dataset ON lots (dataset, place);
CREATE TABLE results (
    run BLOB NOT NULL,
    grant_name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    period TEXT NOT NULL,
    level TEXT NOT NULL,
    path TEXT NOT NULL,
    delivery BLOB,
    fetched TEXT NOT NULL,
    PRIMARY KEY (run, grant_name)
) STRICT, WITHOUT ROWID;
"""

_RELEASES = """
CREATE TABLE orders (
    digest BLOB PRIMARY KEY,
    statement BLOB NOT NULL,
    purpose TEXT NOT NULL,
    period TEXT NOT NULL,
    announced TEXT NOT NULL,
    decision TEXT CHECK (decision IN ('approve', 'refuse')),
    decided TEXT,
    reason TEXT,
    releases_before INTEGER NOT NULL DEFAULT 0,
    refusal BLOB
) STRICT, WITHOUT ROWID;
CREATE TABLE challenges (
    challenge BLOB PRIMARY KEY,
    order_digest BLOB NOT NULL,
    drawn TEXT NOT NULL,
    used TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE releases (
    sequence INTEGER PRIMARY KEY,
    order_digest BLOB NOT NULL,
    evidence BLOB,
    purpose TEXT NOT NULL,
    period TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('released', 'refused')),
    claim TEXT,
    expected TEXT,
    found TEXT,
    created TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    digest BLOB PRIMARY KEY,
    order_digest BLOB NOT NULL,
    purpose TEXT NOT NULL,
    period TEXT NOT NULL,
    seen TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE seen_orders (
    digest BLOB PRIMARY KEY,
    purpose TEXT NOT NULL,
    period TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE approvals (
    digest BLOB PRIMARY KEY,
    measurement BLOB NOT NULL,
    statement BLOB NOT NULL,
    submitted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE read_entries (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    hashes BLOB NOT NULL
) STRICT;
"""

_JOINT_KEYS = """
CREATE TABLE models (model BLOB NOT NULL, purpose TEXT NOT NULL, PRIMARY KEY (model, purpose)) STRICT, WITHOUT ROWID;
CREATE TABLE seen_evidence (digest BLOB PRIMARY KEY, statement BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE joint_keys (
    place INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    key_id BLOB NOT NULL,
    statement BLOB NOT NULL,
    confirmed INTEGER NOT NULL DEFAULT 0
) STRICT;
"""


_WITHDRAWALS = """
-- An epoch that is to be withdrawn, or was; `erased` once its seed is known to be gone from the keyring.
CREATE TABLE withdrawals (
    epoch INTEGER PRIMARY KEY,
    reason TEXT,
    intended TEXT NOT NULL,
    erased TEXT
) STRICT;
-- The signed `erasure` statements of an epoch; `receipt` once one is in the journal.
CREATE TABLE erasures (
    digest BLOB PRIMARY KEY,
    epoch INTEGER NOT NULL,
    statement BLOB NOT NULL,
    receipt BLOB
) STRICT, WITHOUT ROWID;
"""

SCHEMA = (_LOTS_AND_RESULTS, WITNESS_SCHEMA, _RELEASES, _JOINT_KEYS, _WITHDRAWALS, SEEN_SCHEMA)
"""Migrations of ``state.sqlite`` in order; a released one is never edited, only followed by another."""

_LOTS = "SELECT statement, receipt, EXISTS (SELECT 1 FROM withdrawals w WHERE w.epoch = lots.epoch) FROM lots"


@dataclass(frozen=True)
class StoredResult:
    """One opened result: where its clear table lies and what is known of it."""

    run: bytes
    grant: str
    purpose: str
    period: str
    level: str
    path: str
    delivery: bytes | None
    """The signed ``delivery`` statement once it is in the journal."""
    fetched: str


class NodeState:
    """The node's durable state.

    Args:
        connection: a database with the tables of `SCHEMA`, in autocommit mode; `open` makes one.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.witness = WitnessStore(connection)
        self.withdrawals = WithdrawalLedger(connection)
        self.seen = Seen(connection)

    @classmethod
    def open(cls, path: Path) -> "NodeState":
        """Open or create the file, bringing an older one up to date.

        Raises:
            StateError: the file is damaged or was written by a newer version.
        """
        return cls(open_database(path, SCHEMA))

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable step: everything inside is there after a crash, or nothing is."""
        with transaction(self.connection) as connection:
            yield connection

    # -- named values ---------------------------------------------------------------------------------------------

    def value(self, name: str) -> bytes | None:
        """Return the value kept under ``name``."""
        row = self.connection.execute("SELECT value FROM named WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep(self, name: str, value: bytes) -> None:
        """Keep ``value`` under ``name``, replacing what is there."""
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO named (name, value) VALUES (?, ?)", (name, value))

    def forget(self, name: str) -> None:
        """Drop the value kept under ``name``; nothing happens when there is none."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM named WHERE name = ?", (name,))

    # -- own lots -------------------------------------------------------------------------------------------------

    def record_lot(self, raw: bytes, receipt: bytes, *, now: datetime) -> OwnLot:
        """Record a committed lot; the caller has verified the receipt. Recording again keeps the first.

        Lots are ordered by their place in the journal, which the receipt proves: in whatever order a node that lost
        its state learns of them again, the same ones are current.

        Args:
            raw: the signed lot statement, as committed.
            receipt: its first receipt.
            now: current time.

        Raises:
            MalformedStatement: not a lot.
            MalformedNote: not a receipt.
        """
        lot, place = OwnLot.read(raw, receipt), Receipt.parse(receipt).index
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO lots (place, lot, digest, dataset, epoch, statement, receipt, recorded)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (place, lot.body.lot, lot.digest, lot.body.dataset, lot.body.epoch, raw, receipt, stamp(now)),
            )
        kept = self.lot_by_id(lot.body.lot)
        if kept is None:
            raise StateError("a lot that was just recorded is not in the state database")
        return kept

    def lots(self, dataset: str | None = None) -> tuple[OwnLot, ...]:
        """Return all own lots, or those of one dataset, in the order of the journal."""
        rows = self.connection.execute(f"{_LOTS} WHERE ?1 IS NULL OR dataset = ?1 ORDER BY place", (dataset,))
        return tuple(OwnLot.read(raw, receipt, bool(gone)) for raw, receipt, gone in rows)

    def current_lots(self, dataset: str | None = None, *, epoch: int | None = None) -> tuple[OwnLot, ...]:
        """Return the own lots that count now (protocol section 5): see `vigie_node.own_lots.current`."""
        return current(lot for lot in self.lots(dataset) if epoch is None or lot.body.epoch == epoch)

    def lot_by_id(self, lot: bytes) -> OwnLot | None:
        """Return the own lot with this 16-byte id."""
        row = self.connection.execute(f"{_LOTS} WHERE lot = ?", (lot,)).fetchone()
        return None if row is None else OwnLot.read(row[0], row[1], bool(row[2]))

    def lot_by_digest(self, digest: bytes) -> OwnLot | None:
        """Return the own lot whose statement has this digest."""
        row = self.connection.execute(f"{_LOTS} WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else OwnLot.read(row[0], row[1], bool(row[2]))

    # -- results --------------------------------------------------------------------------------------------------

    def record_result(self, result: StoredResult) -> None:
        """Record an opened result whose file is already durable; recording again adds the delivery when there is one."""
        with self.transaction() as connection:
            connection.execute(
                "INSERT INTO results (run, grant_name, purpose, period, level, path, delivery, fetched)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, grant_name)"
                " DO UPDATE SET path = excluded.path, delivery = coalesce(excluded.delivery, delivery)",
                (
                    result.run, result.grant, result.purpose, result.period, result.level, result.path,
                    result.delivery, result.fetched,
                ),
            )  # fmt: skip

    def results(self) -> tuple[StoredResult, ...]:
        """Return all results, the oldest period first."""
        rows = self.connection.execute(
            "SELECT run, grant_name, purpose, period, level, path, delivery, fetched FROM results"
            " ORDER BY period, purpose, grant_name, fetched, run"
        )
        return tuple(StoredResult(*row) for row in rows)

    def result(self, run: bytes, grant: str) -> StoredResult | None:
        """Return one result."""
        return next((item for item in self.results() if (item.run, item.grant) == (run, grant)), None)
