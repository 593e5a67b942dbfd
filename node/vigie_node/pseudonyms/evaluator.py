"""The custodian's side: judging, charging and evaluating the blinded batches of other members.

A custodian learns nothing of the companies in a batch; what it can and must do is count, so that no member walks
through all SIRENs. The rule kept here: the charge is durable before anything is evaluated, and the same elements are
never charged twice. What is refused to an authentic requester is refused in a signed statement that says why.
"""

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from vigie import bodies, note, statement
from vigie.bodies import Evaluation, Reason, Refusal
from vigie.clock import stamp
from vigie.convention.model import (
    Convention,
)
from vigie.durable import transaction
from vigie.errors import BadSignature, Malformed, MalformedStatement, Missing, Refused
from vigie.pseudonym import ELEMENT_BYTES, MAX_BATCH, split_elements
from vigie.statement import Statement

SCHEMA: Final = (
    """
    CREATE TABLE charge (
        requester TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        elements BLOB NOT NULL,
        count INTEGER NOT NULL,
        total INTEGER NOT NULL,
        statement BLOB NOT NULL,
        PRIMARY KEY (requester, epoch, elements)
    ) STRICT;
    CREATE TABLE charged (
        requester TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        total INTEGER NOT NULL,
        PRIMARY KEY (requester, epoch)
    ) STRICT, WITHOUT ROWID;
    """,
)
"""Tables of the desk's own database file; open it with :func:`vigie.durable.open_database`."""

_MARGIN: Final = 16_384


def budget_of(population: int) -> int:
    """How many elements a member may have evaluated per custodian and epoch (protocol section 4).

    The larger of 1.2 × and 16 384 + the number of companies that the convention declares for it: room for a second
    attempt and for new companies, none for a walk through all SIRENs.
    """
    return max(population * 12 // 10, population + _MARGIN)


class EvaluationDesk:
    """Answers blind batches for one custodian.

    Args:
        database: opened with :data:`SCHEMA`; used by this desk alone.
        convention: gives the newest convention that this node has accepted.
        member: name of this custodian.
        signer: its signing key.
        evaluate: (epoch, elements) → batch output, in another process (``Workers.blind_evaluate``).
        now: the clock.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        *,
        convention: Callable[[], Convention],
        member: str,
        signer: note.Signer,
        evaluate: Callable[[int, bytes], Awaitable[bytes]],
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._convention = convention
        self._member = member
        self._signer = signer
        self._evaluate = evaluate
        self._now = now

    async def answer(self, data: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """Judge a batch, charge it durably, evaluate it.

        Args:
            data: the requester's signed ``evaluation``, unverified.
            elements: the concatenated blinded elements.

        Returns:
            This custodian's signed ``evaluation`` and the batch's output; or its signed ``refusal`` and nothing.

        Raises:
            MalformedStatement: not a request at all.
            BadSignature: not signed by the requester that it names; nobody is owed a signed refusal.
            Unavailable: a worker died; the same request may be sent again and is not charged again.
        """
        request = statement.parse(data, kind="evaluation")
        body = bodies.read(request, Evaluation)
        convention = self._convention()
        try:
            await self.judge(request, body, elements, convention)
            answer = await asyncio.to_thread(self._charge, request, body, convention)
        except Refused as error:
            return self._refusal(request, body, convention, error).raw, b""
        return answer, await self._evaluate(body.epoch, elements)

    async def judge(self, request: Statement, body: Evaluation, elements: bytes, convention: Convention) -> None:
        """Say whether a request may be answered, its budget aside.

        1. It is a request. 2. The requester is a partner of the convention and signed it. 3. It names the convention
        that is current here. 4. It is asked of this member, a custodian of the epoch. 5. The epoch is current. 6. The
        elements are those that the requester signed, as many as it says, at most 4096, each a group element in its one
        encoding.

        Raises:
            MalformedStatement: (1).
            BadSignature: (2) the signature.
            Refused: the others, each with its own claim.
        """
        if body.stage != "requested" or body.request is not None or body.total is not None:  # 1
            raise MalformedStatement("this evaluation is not a request")
        member = convention.members.get(body.requester)  # 2
        if member is None or "partner" not in member.roles:
            raise Refused("requester", expected="a partner of the convention", found=body.requester)
        key = convention.verifier(body.requester, "signing")
        if key not in note.verify(request.note, convention.known_keys):
            raise BadSignature(f"a blind batch is not signed by {body.requester}, which it names")
        if body.convention != convention.digest:  # 3
            raise Refused("convention", expected=convention.digest.hex(), found=body.convention.hex())
        if body.evaluator != self._member:  # 4
            raise Refused("evaluator", expected=self._member, found=body.evaluator)
        self._judge_epoch(body.epoch, convention)  # 4, 5
        if len(elements) != body.count * ELEMENT_BYTES or not 1 <= body.count <= MAX_BATCH:  # 6
            raise Refused(
                "elements",
                expected=f"as many elements as signed, 1 to {MAX_BATCH}",
                found=f"{len(elements)} bytes for {body.count}",
            )
        if hashlib.sha256(elements).digest() != body.elements:
            raise Refused("elements", expected="the digest that was signed", found="other elements")
        try:
            await asyncio.to_thread(split_elements, elements)
        except Malformed as error:
            raise Refused("elements", expected="canonical group elements", found="other bytes") from error

    def charged(self, requester: str, epoch: int) -> int:
        """Elements charged so far to a member in an epoch."""
        with self._lock:
            row = self._database.execute(
                "SELECT total FROM charged WHERE requester = ? AND epoch = ?", (requester, epoch)
            ).fetchone()
        return 0 if row is None else int(row[0])

    def _judge_epoch(self, number: int, convention: Convention) -> None:
        try:
            epoch = convention.epoch(number)
            epoch.custodian(self._member)
        except Missing as error:
            raise Refused(
                "epoch", expected=f"an epoch in which {self._member} is a custodian", found=f"epoch {number}"
            ) from error
        today = self._now().date()
        if not epoch.start <= today <= epoch.end:
            raise Refused(
                "epoch", expected=f"the epoch that is current on {today.isoformat()}", found=f"epoch {number}"
            )

    def _charge(self, request: Statement, body: Evaluation, convention: Convention) -> bytes:
        """The signed answer to these elements: the first one again, or a new one whose charge is durable now."""
        with self._lock, transaction(self._database) as db:
            given = db.execute(
                "SELECT statement FROM charge WHERE requester = ? AND epoch = ? AND elements = ?",
                (body.requester, body.epoch, body.elements),
            ).fetchone()
            if given is not None:
                return bytes(given[0])
            row = db.execute(
                "SELECT total FROM charged WHERE requester = ? AND epoch = ?", (body.requester, body.epoch)
            ).fetchone()
            total = (0 if row is None else int(row[0])) + body.count
            budget = budget_of(convention.members[body.requester].population)
            if total > budget:
                raise Refused(
                    "budget", expected=f"at most {budget} evaluations in epoch {body.epoch}", found=f"{total}"
                )
            signed = statement.sign_text(bodies.text_for(self._evaluated(request, body, total)), [self._signer])
            db.execute(
                "INSERT INTO charge VALUES (?, ?, ?, ?, ?, ?)",
                (body.requester, body.epoch, body.elements, body.count, total, signed.raw),
            )
            db.execute(
                "INSERT INTO charged VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET total = excluded.total",
                (body.requester, body.epoch, total),
            )
        return signed.raw

    def _evaluated(self, request: Statement, body: Evaluation, total: int) -> Evaluation:
        return Evaluation(
            convention=body.convention,
            epoch=body.epoch,
            requester=body.requester,
            evaluator=body.evaluator,
            sequence=body.sequence,
            elements=body.elements,
            count=body.count,
            stage="evaluated",
            request=request.digest,
            total=total,
            created=stamp(self._now()),
        )

    def _refusal(self, request: Statement, body: Evaluation, convention: Convention, error: Refused) -> Statement:
        refusal = Refusal(
            convention=convention.digest,
            by=self._member,
            about=body.requester if body.requester in convention.members else None,
            subject=request.digest,
            reason=Reason(error.claim, error.expected, error.found),
            count=1,
            created=stamp(self._now()),
        )
        return statement.sign_text(bodies.text_for(refusal), [self._signer])
