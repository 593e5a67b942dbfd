"""Filling the cache: the companies of an extract get their pseudonyms, with the help of every other custodian.

For each custodian one batch after another: blind → sign → ask through the relay → verify → commit to the cache. The
rule kept here: a finalised batch is durable before the next is asked, so that a node that is killed asks at most one
batch per custodian again. While one batch is with its custodian, the next is blinded already.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import pyarrow as pa

from vigie import bodies, note, statement
from vigie.bodies import Evaluation, Refusal
from vigie.clock import stamp
from vigie.convention.model import (
    Convention,
)
from vigie.convention.parts import (
    Custodian,
    Epoch,
)
from vigie.errors import BadProof, BadSignature, Missing, Refused, Unavailable, Untrusted
from vigie.pseudonym import BATCH, MAX_BATCH
from vigie.statement import Statement
from vigie_node.pseudonyms.cache import PseudonymCache, Sirens, siren_numbers, siren_texts
from vigie_node.pseudonyms.workers import BlindedBatch, Worker, Workers

Progress = Callable[[int, int], None]
"""Told how many answers are there and how many are wanted in all (companies × custodians)."""

_WINDOW: Final = 32
"""Batches per custodian after which outputs are combined and dropped: bounds what waits in the cache."""
_ATTEMPTS: Final = 6
_DEATHS: Final = 3
_FIRST_PAUSE: Final = 0.5


class Ask(Protocol):
    """The way through the relay to another custodian and back."""

    def __call__(self, custodian: str, statement: bytes, elements: bytes, /) -> Awaitable[tuple[bytes, bytes]]:
        """Bring a signed batch to a custodian and its answer back.

        Args:
            custodian: member name.
            statement: the signed request.
            elements: the concatenated blinded elements.

        Returns:
            The custodian's signed statement (``evaluation`` or ``refusal``) and the batch's output, both unverified.

        Raises:
            Unavailable: the hub or the custodian cannot be reached; the same request may be sent again.
        """


@dataclass(frozen=True)
class Pseudonymised:
    """How many companies of the extract had a pseudonym already, and how many got one now."""

    known: int
    new: int


async def pseudonymise(
    sirens: Iterable[str] | pa.Array | pa.ChunkedArray,
    *,
    epoch: int,
    convention: Convention,
    member: str,
    cache: PseudonymCache,
    workers: Workers,
    ask: Ask,
    signer: note.Signer,
    now: Callable[[], datetime],
    progress: Progress | None = None,
    batch: int = BATCH,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Pseudonymised:
    """Give every company a pseudonym in ``cache``; those that have one cost nothing.

    Args:
        sirens: nine-digit texts; repetitions do not matter.
        epoch: number of the pseudonym epoch.
        convention: the current one.
        member: this member; when it is a custodian of the epoch it evaluates its own part itself.
        cache: this node's cache.
        workers: this node's workers, with its oprf seed when it is a custodian.
        ask: the way to the other custodians.
        signer: this member's signing key.
        now: the clock.
        progress: told after every batch, when given.
        batch: elements in a batch, 1 to 4096.
        pause: how to wait before asking again.

    Raises:
        Missing: the convention has no such epoch, or this member is a custodian and its seed is not here.
        Refused: a custodian refused, and signed why.
        BadProof: a custodian's answer, or this node's own key, does not fit the key in the convention.
        BadSignature: an answer is not signed by the custodian.
        Unavailable: a custodian cannot be reached; what was finished is kept, and the same call goes on from there.
        StateError: the custodians' keys changed within the epoch.
    """
    if not 1 <= batch <= MAX_BATCH:
        raise ValueError(f"a batch is 1 to {MAX_BATCH} elements")
    described = convention.epoch(epoch)
    numbers = siren_numbers(sirens)
    await asyncio.to_thread(cache.bind, convention.id, described)
    wanted = await asyncio.to_thread(cache.missing, epoch, numbers)
    names = [custodian.member for custodian in described.custodians]
    await _check_own_key(described, member, workers)
    asker = _Asker(convention, epoch, member, cache, workers, ask, signer, now, batch, pause, asyncio.Event())
    done, total = 0, len(wanted) * len(names)

    def count(answers: int) -> None:
        nonlocal done
        done += answers
        if progress is not None:
            progress(done, total)

    count(0)
    window = batch * _WINDOW
    for start in range(0, len(wanted), window):
        part = wanted[start : start + window]
        # When one custodian fails, the others finish the batch that they are at: it was charged, and must not be lost.
        ended = await asyncio.gather(
            *(asker.fill(custodian, part, count) for custodian in described.custodians), return_exceptions=True
        )
        _raise_first(ended)
        await asyncio.to_thread(cache.combine, epoch, names)
    return Pseudonymised(known=len(numbers) - len(wanted), new=len(wanted))


@dataclass(frozen=True)
class _Asker:
    convention: Convention
    epoch: int
    member: str
    cache: PseudonymCache
    workers: Workers
    ask: Ask
    signer: note.Signer
    now: Callable[[], datetime]
    batch: int
    pause: Callable[[float], Awaitable[None]]
    failed: asyncio.Event

    async def fill(self, custodian: Custodian, sirens: Sirens, count: Callable[[int], None]) -> None:
        """Get one custodian's outputs for all of ``sirens``, batch after batch, until another custodian fails."""
        try:
            await self._fill(custodian, sirens, count)
        except BaseException:
            self.failed.set()
            raise

    async def _fill(self, custodian: Custodian, sirens: Sirens, count: Callable[[int], None]) -> None:
        open_ = await asyncio.to_thread(self.cache.unanswered, self.epoch, custodian.member, sirens)
        count(len(sirens) - len(open_))
        batches = [open_[at : at + self.batch] for at in range(0, len(open_), self.batch)]
        if custodian.member == self.member:
            for one in batches:
                if self.failed.is_set():
                    return
                outputs = await self.workers.evaluate_own(self.epoch, _texts(one))
                await self._store(custodian, one, outputs, count)
            return
        worker = self.workers.asking(custodian.member)
        ahead: asyncio.Task[BlindedBatch] | None = None
        try:
            for at, one in enumerate(batches):
                if self.failed.is_set():
                    return
                blinded = await (ahead or asyncio.create_task(worker.blind(_texts(one))))
                following = batches[at + 1] if at + 1 < len(batches) else None
                ahead = None if following is None else asyncio.create_task(worker.blind(_texts(following)))
                outputs = await self._answers(worker, custodian, one, blinded)
                await self._store(custodian, one, outputs, count)
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _store(
        self, custodian: Custodian, sirens: Sirens, outputs: list[bytes], count: Callable[[int], None]
    ) -> None:
        await asyncio.to_thread(self.cache.store, self.epoch, custodian.member, sirens, outputs)
        count(len(sirens))

    async def _answers(
        self, worker: Worker, custodian: Custodian, sirens: Sirens, blinded: BlindedBatch
    ) -> list[bytes]:
        """Ask for one batch until it is answered and finalised."""
        for _ in range(_DEATHS):
            output = await self._evaluated(custodian, blinded, len(sirens))
            try:
                return await worker.finalize(blinded, output, custodian.key)
            except (Missing, Unavailable):
                # The worker died with the batch: it is blinded anew, which the custodian counts again.
                blinded = await worker.blind(_texts(sirens))
        raise Unavailable("worker processes of this node keep dying", hint="check its memory limits, then run again")

    async def _evaluated(self, custodian: Custodian, blinded: BlindedBatch, count: int) -> bytes:
        elements = blinded.elements
        sequence = await asyncio.to_thread(self.cache.next_sequence, self.epoch, custodian.member)
        request = Evaluation(
            convention=self.convention.digest,
            epoch=self.epoch,
            requester=self.member,
            evaluator=custodian.member,
            sequence=sequence,
            elements=hashlib.sha256(elements).digest(),
            count=count,
            stage="requested",
            request=None,
            total=None,
            created=stamp(self.now()),
        )
        signed = statement.sign_text(bodies.text_for(request), [self.signer])
        for attempt in range(_ATTEMPTS):
            try:
                answer, output = await self.ask(custodian.member, signed.raw, elements)
            except Unavailable as error:
                if attempt + 1 == _ATTEMPTS or self.failed.is_set():
                    raise Unavailable(
                        f"the custodian {custodian.member} cannot be reached: {error}",
                        hint="run the same command again later; what was finished is kept",
                    ) from error
                await self.pause(_FIRST_PAUSE * 2**attempt)
                continue
            check_answer(answer, request, signed, self.convention)
            return output
        raise AssertionError  # the loop returns or raises


def check_answer(data: bytes, request: Evaluation, signed: Statement, convention: Convention) -> Evaluation:
    """Judge a custodian's statement about a batch that was asked of it.

    1. It is an ``evaluation`` or a ``refusal``. 2. The custodian asked signed it. 3. A refusal is about this request,
    and is raised. 4. An evaluation repeats the request and names it. That the output beside it fits the custodian's
    public key is proved when the batch is finalised.

    Args:
        data: the statement, unverified.
        request: what was asked.
        signed: the signed request.
        convention: the current one.

    Raises:
        MalformedStatement: (1) not such a statement.
        BadSignature: (2) not signed by the custodian.
        Refused: (3) the custodian refused.
        Untrusted: (3, 4) about something else.
    """
    answer = statement.parse(data)  # 1
    key = convention.verifier(request.evaluator, "signing")
    if key not in note.verify(answer.note, convention.known_keys):  # 2
        raise BadSignature(f"the answer to a blind batch is not signed by {request.evaluator}")
    if answer.kind == "refusal":  # 3
        refusal = bodies.read(answer, Refusal)
        if refusal.subject != signed.digest or refusal.by != request.evaluator:
            raise Untrusted(f"{request.evaluator} answered a blind batch with a refusal of something else")
        raise Refused(
            refusal.reason.claim,
            expected=refusal.reason.expected,
            found=refusal.reason.found,
            hint=f"{request.evaluator} refused a blind batch; ask its operator",
        )
    body = bodies.read(answer, Evaluation)  # 1
    repeated = Evaluation(
        convention=request.convention,
        epoch=request.epoch,
        requester=request.requester,
        evaluator=request.evaluator,
        sequence=request.sequence,
        elements=request.elements,
        count=request.count,
        stage="evaluated",
        request=signed.digest,
        total=body.total,
        created=body.created,
    )
    if body != repeated or body.total is None or body.total < request.count:  # 4
        raise Untrusted(f"the answer of {request.evaluator} is about another batch than the one asked")
    return body


async def _check_own_key(epoch: Epoch, member: str, workers: Workers) -> None:
    """What others prove about their keys, a custodian checks of its own: a wrong one would join nothing, silently."""
    for custodian in epoch.custodians:
        if custodian.member == member and await workers.public_key(epoch.number) != custodian.key:
            raise BadProof(
                f"this node's own pseudonym key is not the one of {member} in the convention, epoch {epoch.number}",
                hint="use the keyring whose card went into the convention",
            )


def _texts(sirens: Sirens) -> list[str]:
    texts: list[str] = siren_texts(sirens).to_pylist()
    return texts


def _raise_first(ended: Sequence[BaseException | None]) -> None:
    """Raise what a person must act on before what only has to wait, when several custodians failed together."""
    errors = [error for error in ended if error is not None]
    for error in errors:
        if not isinstance(error, Unavailable):
            raise error
    if errors:
        raise errors[0]
