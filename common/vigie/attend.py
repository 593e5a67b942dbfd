"""Attending: one outbound stream on which the hub asks and this member answers (proto ``Relay.Attend``).

A node and the auditor's witness both attend. They make the connection and keep it: after any loss they come back with
exponential back-off and jitter. What they answer is given as handlers over plain values; this module is the only place
that turns the stream's messages into such values and back.

The rules: an answer carries the id of its question and goes out only after its handler has finished; a question that
this member does not answer gets an error and never silence; the text of an internal error stays here.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio
import structlog

from vigie import wire
from vigie.client import ChannelFactory, our_errors
from vigie.errors import Malformed, Refused, Unavailable, VigieError, WitnessConflict
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc

FIRST_DELAY: Final = 0.2
"""Seconds before the first attempt to come back, before jitter."""
LONGEST_DELAY: Final = 30.0
"""Seconds between attempts at most."""
WELCOME_SECONDS: Final = 15.0
"""How long the hub may take to welcome this member."""
CONCURRENT: Final = 32
"""Questions that are being answered at the same time; further ones wait in the connection."""
FAREWELL_SECONDS: Final = 10.0
"""How long answers that are being worked on may take when this member is told to stop."""
END_SECONDS: Final = 2.0
"""How long the hub may take to end the stream after that."""

_log = structlog.get_logger("vigie.attend")


@dataclass(frozen=True)
class Willing:
    """The member would release, and can draw a challenge."""


@dataclass(frozen=True)
class Pending:
    """A person has not decided yet; the hub asks again."""


@dataclass(frozen=True)
class Declined:
    """The member refuses the order; ``statement`` is its signed ``release`` that says so."""

    statement: bytes


@dataclass(frozen=True)
class ReleaseQuestion:
    """What a member is given to judge before it releases keys; nothing of it is verified yet.

    ``approvals`` are signed approvals of the evidence's measurement; receipts are tlog-proofs. ``joint`` is the digest of
    the statement of whose shares one is wanted, ``quote`` the bundle that the evidence names; each is empty when there is none.
    """

    order: bytes
    evidence: bytes
    order_receipt: bytes
    evidence_receipt: bytes
    approvals: tuple[bytes, ...]
    joint: bytes = b""
    quote: bytes = b""


@dataclass(frozen=True)
class Welcomed:
    """What the hub said of itself: digest of its convention, its clock in seconds since 1970, its version."""

    convention: bytes
    time: int
    version: str


@dataclass(frozen=True)
class Handlers:
    """What a member answers; None where it does not. Handlers raise `VigieError` to refuse or fail.

    Attributes:
        evaluate: (signed request, blinded elements) → (signed answer, batch output).
        witness: (old size, proof, checkpoint) → signature lines; raises `WitnessConflict`.
        announce: signed order → decision.
        challenge: order digest → 32 bytes.
        release: question → (signed release or refusal, sealed keys, sealed share); what is not given is empty.
        result: digest of a run that holds a result for this member.
    """

    evaluate: Callable[[bytes, bytes], Awaitable[tuple[bytes, bytes]]] | None = None
    witness: Callable[[int, Sequence[bytes], bytes], Awaitable[Sequence[str]]] | None = None
    announce: Callable[[bytes], Awaitable[Willing | Pending | Declined]] | None = None
    challenge: Callable[[bytes], Awaitable[bytes]] | None = None
    release: Callable[[ReleaseQuestion], Awaitable[tuple[bytes, bytes, bytes]]] | None = None
    result: Callable[[bytes], Awaitable[None]] | None = None

    def abilities(self) -> tuple[str, ...]:
        """What is said in the hello: ``evaluate``, ``witness``, ``release``, ``results``."""
        release = self.announce is not None and self.challenge is not None and self.release is not None
        able = {
            "evaluate": self.evaluate is not None,
            "witness": self.witness is not None,
            "release": release,
            "results": self.result is not None,
        }
        return tuple(name for name, yes in able.items() if yes)


def delay_before(attempt: int, jitter: Callable[[], float]) -> float:
    """Return the seconds to wait before an attempt to come back: doubling, bounded, and cut by up to half at random.

    Args:
        attempt: 0 for the first attempt after a loss.
        jitter: gives a number from 0 to 1.
    """
    return float(min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 16)) * (0.5 + 0.5 * jitter()))


class Attendant:
    """Keeps one `Attend` stream open and answers on it.

    Args:
        channel: opens a channel to the hub; called for each connection.
        handlers: what this member answers.
        convention: gives the digest of the newest convention that this member has accepted.
        version: this program's version, for the hello.
        welcomed: told each time the hub has welcomed this member.
        lost: told each time the connection ended, with the reason.
        jitter: gives a number from 0 to 1.
    """

    def __init__(
        self,
        channel: ChannelFactory,
        handlers: Handlers,
        *,
        convention: Callable[[], bytes],
        version: str,
        welcomed: Callable[[Welcomed], None] = lambda _: None,
        lost: Callable[[VigieError], None] = lambda _: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._channel = channel
        self._handlers = handlers
        self._convention = convention
        self._version = version
        self._welcomed = welcomed
        self._lost = lost
        self._jitter = jitter

    async def run(self, stop: asyncio.Event) -> None:
        """Attend until ``stop`` is set, coming back after every loss; answers being worked on are finished first."""
        attempt = 0
        while not stop.is_set():
            session = _Session(self._handlers, stop)
            try:
                await self._once(session)
                reason: VigieError = Unavailable("the hub ended the stream")
            except VigieError as error:
                reason = error
            if stop.is_set():
                return
            attempt = 0 if session.welcomed else attempt + 1
            wait = delay_before(attempt, self._jitter)
            _log.warning("not attending", reason=str(reason), hint=reason.hint, again_in=round(wait, 1))
            self._lost(reason)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wait)

    async def _once(self, session: "_Session") -> None:
        channel = self._channel()
        try:
            call = rpc.RelayStub(channel).Attend()
            try:
                with our_errors():
                    said = await self._greet(call)
                    session.welcomed = True
                    self._welcomed(said)
                    await session.serve(call)
            finally:
                call.cancel()
        finally:
            await channel.close()

    async def _greet(self, call: "Stream") -> Welcomed:
        hello = pb.Hello(convention=self._convention(), abilities=self._handlers.abilities(), version=self._version)
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                await _write(call, pb.AttendAnswer(id=0, hello=hello))
                first = await call.read()
        except TimeoutError as error:
            raise Unavailable("the hub did not welcome this member in time") from error
        if not isinstance(first, pb.AttendRequest):
            await _raise_end(call)
            raise Unavailable("the hub ended the stream before it welcomed this member")
        if first.WhichOneof("request") != "welcome" or first.id != 0:
            raise Malformed("the hub's first message is not a welcome")
        welcome = first.welcome
        return Welcomed(welcome.convention, welcome.time, welcome.version[:64])


Stream = grpc.aio.StreamStreamCall[pb.AttendAnswer, pb.AttendRequest]


class _Session:
    """One connection: reads questions, answers them side by side, writes one answer at a time."""

    def __init__(self, handlers: Handlers, stop: asyncio.Event) -> None:
        self.welcomed = False
        self._handlers = handlers
        self._stop = stop
        self._writing = asyncio.Lock()  # guards the stream: gRPC allows one write at a time
        self._room = asyncio.Semaphore(CONCURRENT)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, call: "Stream") -> None:
        """Answer until the stream ends, breaks, or this member is told to stop."""
        reader = asyncio.create_task(self._read(call))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({reader, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if reader.done():
                await reader
            else:
                await self._farewell(call, reader)
        finally:
            leftover = [reader, stopped, *self._tasks]
            for task in leftover:
                task.cancel()
            await asyncio.gather(*leftover, return_exceptions=True)

    async def _farewell(self, call: "Stream", reader: "asyncio.Task[None]") -> None:
        """Answer what was begun, say that no more comes, and let the hub end the stream."""
        # The reader goes on, and drops what it reads: cancelling it would cancel the whole call under the answers.
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=FAREWELL_SECONDS)
        with contextlib.suppress(asyncio.InvalidStateError, grpc.aio.UsageError):
            await call.done_writing()
        await asyncio.wait({reader}, timeout=END_SECONDS)

    async def _read(self, call: "Stream") -> None:
        while True:
            message = await call.read()
            if not isinstance(message, pb.AttendRequest):
                await _raise_end(call)
                return
            if self._stop.is_set():
                continue
            if message.WhichOneof("request") == "ping":
                await self._send(call, pb.AttendAnswer(id=message.id, pong=pb.Pong()))
                continue
            await self._room.acquire()
            task = asyncio.create_task(self._answer(call, message))
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:
            # The stream broke under this answer; the reader sees the same and ends the session.
            _log.debug("an answer could not be sent")

    async def _answer(self, call: "Stream", question: pb.AttendRequest) -> None:
        kind = question.WhichOneof("request") or "unknown"
        try:
            answer = await _dispatch(self._handlers, question)
        except VigieError as error:
            _log.warning("did not answer", question=kind, error=type(error).__name__, reason=str(error))
            answer = _failed(error)
        except Exception as error:  # noqa: BLE001 - one bad question must not end the stream, and its text stays here
            _log.exception("a question failed inside", question=kind)
            answer = _failed(error)
        answer.id = question.id
        await self._send(call, answer)

    async def _send(self, call: "Stream", answer: pb.AttendAnswer) -> None:
        async with self._writing:
            await _write(call, answer)


async def _dispatch(handlers: Handlers, question: pb.AttendRequest) -> pb.AttendAnswer:
    """Ask the handler of one question and encode what it answers."""
    kind = question.WhichOneof("request")
    if kind == "evaluate" and handlers.evaluate is not None:
        statement, output = await handlers.evaluate(question.evaluate.statement, question.evaluate.elements)
        return pb.AttendAnswer(evaluate=pb.EvaluateResponse(statement=statement, output=output))
    if kind == "witness" and handlers.witness is not None:
        asked = question.witness
        try:
            lines = await handlers.witness(asked.old_size, tuple(asked.proof), asked.checkpoint)
        except WitnessConflict as conflict:
            return pb.AttendAnswer(witness=pb.WitnessAnswer(size=conflict.size, conflict=True))
        return pb.AttendAnswer(witness=pb.WitnessAnswer(lines=lines))
    if kind == "announce" and handlers.announce is not None:
        return pb.AttendAnswer(announce=_decision(await handlers.announce(question.announce.order)))
    if kind == "challenge" and handlers.challenge is not None:
        challenge = await handlers.challenge(question.challenge.order)
        return pb.AttendAnswer(challenge=pb.ChallengeAnswer(challenge=challenge))
    if kind == "release" and handlers.release is not None:
        wanted = question.release
        statement, blob, share = await handlers.release(
            ReleaseQuestion(
                wanted.order,
                wanted.evidence,
                wanted.order_receipt,
                wanted.evidence_receipt,
                tuple(wanted.approvals),
                wanted.joint,
                wanted.quote,
            )
        )
        return pb.AttendAnswer(release=pb.ReleaseAnswer(statement=statement, blob=blob, share=share))
    if kind == "result" and handlers.result is not None:
        await handlers.result(question.result.run)
        return pb.AttendAnswer(result=pb.ResultNoticeAnswer())
    raise Refused("ability", expected="a question that this member answers", found=f"the question {kind or 'unknown'}")


def _decision(decision: Willing | Pending | Declined) -> pb.AnnounceAnswer:
    if isinstance(decision, Declined):
        return pb.AnnounceAnswer(decision=pb.AnnounceAnswer.REFUSED, statement=decision.statement)
    willing = isinstance(decision, Willing)
    return pb.AnnounceAnswer(decision=pb.AnnounceAnswer.WILLING if willing else pb.AnnounceAnswer.PENDING)


def _failed(error: BaseException) -> pb.AttendAnswer:
    code, message = wire.describe(error)
    return pb.AttendAnswer(error=pb.AttendError(code=code, message=message))


async def _write(call: "Stream", answer: pb.AttendAnswer) -> None:
    try:
        await call.write(answer)
    except (asyncio.InvalidStateError, grpc.aio.UsageError) as error:
        # How grpc.aio says that the call ended before this write.
        await _raise_end(call)
        raise Unavailable("the stream to the hub ended") from error


async def _raise_end(call: "Stream") -> None:
    """Raise what ended the stream, when it was an error: reading alone shows only that it ended."""
    if call.done() and not call.cancelled():
        status = await call.code()
        if status is not grpc.StatusCode.OK:
            raise grpc.aio.AioRpcError(
                status, await call.initial_metadata(), await call.trailing_metadata(), await call.details()
            )
