"""Refusals to members as journal entries: at most so many per member and hour, then one summary.

The rule it keeps: a refusal is never silent and never a way to fill the journal. The counts are durable, so that
killing the hub does not start the hour again.
"""

import re
import sqlite3
from datetime import datetime

from vigie import statement as statements
from vigie.bodies import Reason, Refusal, text_for
from vigie.clock import stamp
from vigie.errors import Refused
from vigie.note import Signer
from vigie.statement import Statement
from vigie_hub.agreement import Agreement
from vigie_hub.journal import Journal
from vigie_hub.store import Store

_WORD = re.compile(r"[^A-Za-z0-9 ._:,/+()=%<>-]")


class RefusalDesk:
    """Writes the hub's own refusals, signed with its ``host`` key."""

    def __init__(self, store: Store, journal: Journal, agreement: Agreement, host: Signer, *, per_hour: int) -> None:
        self._store = store
        self._journal = journal
        self._agreement = agreement
        self._host = host
        self._per_hour = per_hour

    async def record(self, about: str, error: Refused, *, subject: bytes | None, now: datetime) -> None:
        """Journal that ``about`` was refused, or count it when the hour has its entries already."""
        statement = self._statement(about, reason_of(error), subject, 1, now)
        hour = stamp(now)[:13]

        def work(db: sqlite3.Connection) -> None:
            self._summarise_past(db, hour, now)
            row = db.execute(
                "INSERT INTO refusal_hour (member, hour, count) VALUES (?, ?, 1) "
                "ON CONFLICT (member, hour) DO UPDATE SET count = count + 1 RETURNING count",
                (about, hour),
            ).fetchone()
            if row[0] <= self._per_hour:
                self._journal.append(db, statement)

        await self._store.write(work)

    async def summarise(self, *, now: datetime) -> None:
        """Write the summaries of hours that are over."""
        hour = stamp(now)[:13]
        await self._store.write(lambda db: self._summarise_past(db, hour, now))

    async def own(self, error: Refused, *, subject: bytes, now: datetime) -> None:
        """Journal that the hub gave something of its own up (an order), which is about no member."""
        await self._journal.submit([self._statement(None, reason_of(error), subject, 1, now)])

    def _summarise_past(self, db: sqlite3.Connection, hour: str, now: datetime) -> None:
        rows = db.execute(
            "SELECT member, hour, count FROM refusal_hour WHERE hour < ? ORDER BY hour, member", (hour,)
        ).fetchall()
        for member, past, count in rows:
            if count > self._per_hour:
                reason = Reason("refusals", f"at most {self._per_hour} refusals in an hour", f"more in the hour {past}")
                self._journal.append(db, self._statement(member, reason, None, count - self._per_hour, now))
        db.execute("DELETE FROM refusal_hour WHERE hour < ?", (hour,))

    def _statement(
        self, about: str | None, reason: Reason, subject: bytes | None, count: int, now: datetime
    ) -> Statement:
        convention = self._agreement.current
        body = Refusal(convention.digest, convention.hub, about, subject, reason, count, stamp(now))
        return statements.sign_text(text_for(body), [self._host])


def reason_of(error: Refused) -> Reason:
    """The reason in the form that a statement holds: bounded, printable."""
    claim = _WORD.sub(" ", error.claim)[:200].strip() or "refused"
    return Reason(claim, _sentence(error.expected), _sentence(error.found))


def _sentence(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:500].strip() or "-"
