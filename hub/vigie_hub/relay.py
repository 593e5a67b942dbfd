"""Relaying blind batches from one node to another (protocol section 4).

The hub sees blinded points and signatures. It makes sure that a batch is what its requester signed, hands it to the
evaluator, makes sure that the answer is about that batch, and journals both before the requester has the answer. If it
is killed in between, the requester asks again: the same digest is answered again without a new charge.
"""

import asyncio
import hashlib
from collections import defaultdict
from typing import Final

from vigie.authority import judge
from vigie.bodies import Evaluation, Refusal
from vigie.errors import BadProof, Malformed, Refused
from vigie.statement import Statement
from vigie_hub.agreement import Agreement
from vigie_hub.attendance import Attendance
from vigie_hub.config import Limits
from vigie_hub.journal import Journal
from vigie_hub.questions import Evaluate, Evaluated

ELEMENT_BYTES: Final = 32
"""A blinded element: a ristretto255 point (RFC 9497)."""
AT_A_TIME: Final = 8
"""Batches of one requester that are under way at one evaluator."""


class Relay:
    """Forwards blind batches."""

    def __init__(self, journal: Journal, agreement: Agreement, attendance: Attendance, limits: Limits) -> None:
        self._journal = journal
        self._agreement = agreement
        self._attendance = attendance
        self._limits = limits
        self._turns: defaultdict[tuple[str, str], asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_A_TIME))

    async def evaluate(self, caller: str, raw: bytes, elements: bytes) -> Evaluated:
        """Have a signed batch evaluated.

        1. It is an `evaluation` requested and signed by the caller.
        2. The elements are the ones that it names, and not too many.
        3. The question is in the journal before anybody is asked: a cut later shows what may have been charged.
        4. The evaluator attends and answers with its own signed statement about this batch, which is journaled too.

        Raises:
            Malformed, Untrusted, Refused: steps 1, 2 and 4.
            Unavailable: the evaluator is not there or did not answer in time.
        """
        # (1)
        judged = judge(raw, self._agreement.chain, kind="evaluation")
        asked = judged.body
        if not isinstance(asked, Evaluation) or asked.stage != "requested" or asked.requester != caller:
            raise Refused("requester", expected=f"a batch requested by {caller}", found="another statement")
        # (2)
        if asked.count > self._limits.batch:
            raise Refused("batch", expected=f"at most {self._limits.batch} elements", found=str(asked.count))
        if len(elements) != ELEMENT_BYTES * asked.count:
            raise Malformed("the batch has not as many elements as its statement says")
        if hashlib.sha256(elements).digest() != asked.elements:
            raise BadProof("the elements are not the ones in the batch's statement")
        # (3)
        await self._journal.submit([judged.statement])
        # (4)
        async with self._turns[caller, asked.evaluator]:
            answer = await self._attendance.ask(
                asked.evaluator, Evaluate(raw, elements), Evaluated, timeout=self._limits.answer_seconds
            )
        answered = self._check_answer(answer, asked, judged.statement)
        await self._journal.submit([answered])
        return answer

    def _check_answer(self, answer: Evaluated, asked: Evaluation, request: Statement) -> Statement:
        judged = judge(answer.statement, self._agreement.chain)
        body = judged.body
        if isinstance(body, Refusal):
            if body.by != asked.evaluator or body.subject != request.digest:
                raise Malformed(f"{asked.evaluator} answered with a refusal of something else")
            return judged.statement
        if not isinstance(body, Evaluation) or body.stage != "evaluated" or body.request != request.digest:
            raise Malformed(f"{asked.evaluator} answered with a statement about something else")
        same = (body.epoch, body.requester, body.evaluator, body.sequence, body.elements, body.count)
        if same != (asked.epoch, asked.requester, asked.evaluator, asked.sequence, asked.elements, asked.count):
            raise Malformed(f"{asked.evaluator} answered with a statement about another batch")
        return judged.statement
