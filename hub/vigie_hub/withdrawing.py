"""Withdrawn epochs at the hub: an `erasure` in the journal, and none of its partner's lots of that epoch is current.

The statement and its consequences are one transaction. The rule it keeps: what a partner withdrew never counts again,
and nothing further of that partner and epoch is taken in. The ciphertexts stay where they are: no key opens them.
"""

import sqlite3

from vigie.bodies import Erasure, Lot
from vigie.errors import Refused
from vigie.statement import Statement
from vigie_hub.journal import Journal
from vigie_hub.packs import Packs
from vigie_hub.store import Store


class WithdrawalDesk:
    """Takes erasures."""

    def __init__(self, store: Store, journal: Journal, packs: Packs) -> None:
        self._store = store
        self._journal = journal
        self._packs = packs

    async def take(self, erasure: Erasure, statement: Statement) -> bytes:
        """Enter a judged erasure, withdraw the lots and drop what is open; return the receipt. Safe to repeat.

        Raises:
            Refused: claim ``lots``: one that it names is not of that partner and epoch.
        """

        def work(db: sqlite3.Connection) -> list[str]:
            self._check(db, erasure)
            self._journal.append(db, statement)
            db.execute(
                "INSERT INTO withdrawal (partner, epoch, erasure) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (erasure.member, erasure.epoch, statement.digest),
            )
            db.execute(
                "UPDATE deposit SET current = 0 WHERE partner = ? AND epoch = ?", (erasure.member, erasure.epoch)
            )
            opened = db.execute(
                "SELECT id, pack FROM deposit WHERE partner = ? AND epoch = ? AND entry IS NULL",
                (erasure.member, erasure.epoch),
            ).fetchall()
            db.executemany("DELETE FROM deposit WHERE id = ?", [(row[0],) for row in opened])
            return [row[1] for row in opened]

        for pack in await self._store.write(work):
            self._packs.remove(pack)
        return self._journal.receipt(statement.digest)

    def of(self, partner: str) -> list[bytes]:
        """The signed erasures of a partner, oldest first."""
        rows = self._store.reader.execute(
            "SELECT erasure FROM withdrawal JOIN entry ON entry.digest = erasure WHERE partner = ? ORDER BY place",
            (partner,),
        ).fetchall()
        return [self._journal.entry(digest) for (digest,) in rows]

    def _check(self, db: sqlite3.Connection, erasure: Erasure) -> None:
        for digest in erasure.lots:
            row = db.execute(
                "SELECT partner, epoch FROM deposit WHERE digest = ? AND entry IS NOT NULL", (digest,)
            ).fetchone()
            if row is None or tuple(row) != (erasure.member, erasure.epoch):
                raise Refused(
                    "lots",
                    expected=f"committed lots of {erasure.member} and epoch {erasure.epoch}",
                    found=f"{digest.hex()}, which is none",
                )


def check_epoch(db: sqlite3.Connection, lot: Lot) -> None:
    """Refuse a lot of an epoch that its partner withdrew.

    Raises:
        Refused: claim ``epoch``.
    """
    if is_withdrawn(db, lot.partner, lot.epoch):
        raise Refused(
            "epoch",
            expected=f"an epoch that {lot.partner} has not withdrawn",
            found=f"epoch {lot.epoch}, which it has",
            hint="its lots can be opened by nobody: send under a new epoch of the convention",
        )


def is_withdrawn(db: sqlite3.Connection, partner: str, epoch: int) -> bool:
    """Whether that partner withdrew that epoch."""
    found = db.execute("SELECT 1 FROM withdrawal WHERE partner = ? AND epoch = ?", (partner, epoch)).fetchone()
    return found is not None
