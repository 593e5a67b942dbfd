"""What a node remembers of withdrawn epochs: the intention, that the seed is gone, the signed statements, their receipts.

The rule it keeps: the intention is durable before the seed goes, and from then on the epoch's lots count for nothing
here, whatever a keyring that was restored from a copy may still hold.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vigie import authority, bodies, statement
from vigie.chain import ConventionChain
from vigie.clock import parse_time, stamp
from vigie.durable import transaction
from vigie.errors import VigieError
from vigie.keyring import Keyring


@dataclass(frozen=True)
class Withdrawal:
    """One epoch that is to be withdrawn, or was.

    Attributes:
        epoch: its number.
        reason: why, for the statement; None when nobody said.
        intended: when it was confirmed.
        erased: when the seed was known to be gone from the keyring; None before.
    """

    epoch: int
    reason: str | None
    intended: datetime
    erased: datetime | None


class WithdrawalLedger:
    """The durable record of withdrawals, on the connection of `vigie_node.state.NodeState`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def intend(self, epoch: int, *, reason: str | None, now: datetime) -> Withdrawal:
        """Record that an epoch is withdrawn; recording again keeps the first."""
        with transaction(self._connection) as connection:
            connection.execute(
                "INSERT INTO withdrawals (epoch, reason, intended) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (epoch, reason, stamp(now)),
            )
        return next(one for one in self.withdrawals() if one.epoch == epoch)

    def mark_erased(self, epoch: int, *, now: datetime) -> None:
        """Record that the seed is gone; recording again keeps the first time."""
        with transaction(self._connection) as connection:
            connection.execute(
                "UPDATE withdrawals SET erased = coalesce(erased, ?) WHERE epoch = ?", (stamp(now), epoch)
            )

    def withdrawals(self) -> tuple[Withdrawal, ...]:
        """Return all withdrawals, by epoch."""
        rows = self._connection.execute("SELECT epoch, reason, intended, erased FROM withdrawals ORDER BY epoch")
        return tuple(
            Withdrawal(epoch, reason, parse_time(intended), None if erased is None else parse_time(erased))
            for epoch, reason, intended, erased in rows
        )

    def epochs(self) -> frozenset[int]:
        """Return the epochs whose lots count for nothing."""
        return frozenset(one.epoch for one in self.withdrawals())

    def keep(self, raws: Sequence[bytes]) -> None:
        """Keep signed erasures, before they are submitted: from then on they are only ever resent.

        Raises:
            MalformedStatement: one is not an erasure.
        """
        rows = []
        for raw in raws:
            opened = statement.parse(raw, kind="erasure")
            rows.append((opened.digest, bodies.read(opened, bodies.Erasure).epoch, raw))
        with transaction(self._connection) as connection:
            connection.executemany(
                "INSERT INTO erasures (digest, epoch, statement) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
            )

    def statements(self, epoch: int) -> tuple[bytes, ...]:
        """Return the signed erasures of an epoch."""
        rows = self._connection.execute("SELECT statement FROM erasures WHERE epoch = ? ORDER BY digest", (epoch,))
        return tuple(raw for (raw,) in rows)

    def unsubmitted(self) -> tuple[bytes, ...]:
        """Return the signed erasures that are not known to be in the journal."""
        rows = self._connection.execute("SELECT statement FROM erasures WHERE receipt IS NULL ORDER BY epoch, digest")
        return tuple(raw for (raw,) in rows)

    def receipts(self, epoch: int) -> tuple[bytes, ...]:
        """Return the receipts of an epoch's erasures, as far as they are there."""
        rows = self._connection.execute(
            "SELECT receipt FROM erasures WHERE epoch = ? AND receipt IS NOT NULL ORDER BY digest", (epoch,)
        )
        return tuple(receipt for (receipt,) in rows)

    def recover(self, epoch: int, raw: bytes, *, reason: str | None, when: str) -> None:
        """Take over an erasure that this member signed before, from the journal or the hub's list of lots.

        It is kept as not submitted when its receipt is not here: submitting again gives the first receipt.
        """
        with transaction(self._connection) as connection:
            connection.execute(
                "INSERT INTO withdrawals (epoch, reason, intended, erased) VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO NOTHING",
                (epoch, reason, when),
            )
        self.keep([raw])

    def keep_receipt(self, raw: bytes, receipt: bytes) -> None:
        """Keep the verified receipt of an erasure; the first one stays."""
        with transaction(self._connection) as connection:
            connection.execute(
                "UPDATE erasures SET receipt = coalesce(receipt, ?) WHERE digest = ?",
                (receipt, statement.parse(raw, kind="erasure").digest),
            )


def take(raw: bytes, chain: ConventionChain, keyring: Keyring, ledger: WithdrawalLedger) -> bool:
    """Take note of an erasure, when it is this member's; its own signature says it all, whoever shows it.

    The opened keyring forgets the seed too, if a copy of the file brought it back. Returns whether it is this member's.
    """
    try:
        body = authority.judge(raw, chain, kind="erasure").body
    except VigieError:
        return False
    if not isinstance(body, bodies.Erasure) or body.member != keyring.member:
        return False
    ledger.recover(body.epoch, raw, reason=body.reason, when=body.created)
    if body.epoch in keyring.epochs():
        keyring.forget_epoch(body.epoch)
    return True
