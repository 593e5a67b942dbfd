"""Service ``Relay`` on the wire: blind batches, and the stream over which the hub asks members."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final, assert_never

import grpc.aio

from vigie.errors import Malformed, Unavailable, VigieError
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub import questions as q
from vigie_hub.agreement import Agreement
from vigie_hub.attendance import Attendance, Session
from vigie_hub.gate import about, caller
from vigie_hub.relay import Relay

HELLO_SECONDS: Final = 20.0
"""How long a member may take to say hello."""
PING_SECONDS: Final = 20.0
"""A member is pinged this often, and has as long to answer."""
ABILITIES: Final = frozenset({"evaluate", "witness", "release", "results"})

_DECISIONS: Final[dict[int, Any]] = {
    pb.AnnounceAnswer.WILLING: "willing",
    pb.AnnounceAnswer.PENDING: "pending",
    pb.AnnounceAnswer.REFUSED: "refused",
}


class RelayService(rpc.RelayServicer):
    """Answers requesters of blind batches, and keeps the streams of attending members."""

    def __init__(
        self,
        relay: Relay,
        attendance: Attendance,
        agreement: Agreement,
        *,
        version: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._relay = relay
        self._attendance = attendance
        self._agreement = agreement
        self._version = version
        self._clock = clock

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        """Relay a blind batch."""
        answer = await self._relay.evaluate(caller().name, about(request.statement), request.elements)
        return pb.EvaluateResponse(statement=answer.statement, output=answer.output)

    async def Attend(
        self, request_iterator: AsyncIterator[pb.AttendAnswer], context: Any
    ) -> AsyncIterator[pb.AttendRequest]:
        """Welcome a member, then send questions until it leaves, is replaced or stops answering pings."""
        session = await self._greet(request_iterator)
        tasks: list[asyncio.Task[None]] = []
        try:
            yield pb.AttendRequest(
                id=0,
                welcome=pb.Welcome(
                    convention=self._agreement.current.digest,
                    time=int(self._clock().timestamp()),
                    version=self._version,
                ),
            )
            self._attendance.join(session)
            tasks = [asyncio.create_task(_receive(request_iterator, session)), asyncio.create_task(_ping(session))]
            async for number, question in session.outgoing():
                yield encode_question(number, question)
        finally:
            self._attendance.leave(session)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise Unavailable("this stream was ended by the hub", hint="attend again")

    async def _greet(self, request_iterator: AsyncIterator[pb.AttendAnswer]) -> Session:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first = await anext(aiter(request_iterator), None)
        except TimeoutError as exc:
            raise Unavailable("the member did not say hello in time") from exc
        if first is None or first.id != 0 or first.WhichOneof("answer") != "hello":
            raise Malformed("the first message of a member is its hello")
        version = "".join(c for c in first.hello.version[:64] if c.isprintable())
        return Session(caller().name, ABILITIES & set(first.hello.abilities), version)


async def _receive(request_iterator: AsyncIterator[pb.AttendAnswer], session: Session) -> None:
    try:
        async for message in request_iterator:
            session.answered(message.id, decode_answer(message))
    finally:
        session.close()


async def _ping(session: Session) -> None:
    try:
        while True:
            await asyncio.sleep(PING_SECONDS)
            await session.ask(q.Ping(), q.Pong, timeout=PING_SECONDS)
    except VigieError:
        session.close()


def encode_question(number: int, question: q.Question) -> pb.AttendRequest:
    """Return the message of a question."""
    match question:
        case q.Ping():
            return pb.AttendRequest(id=number, ping=pb.Ping())
        case q.Evaluate(statement, elements):
            return pb.AttendRequest(id=number, evaluate=pb.EvaluateRequest(statement=statement, elements=elements))
        case q.Cosign(old_size, proof, checkpoint):
            witness = pb.WitnessRequest(old_size=old_size, proof=proof, checkpoint=checkpoint)
            return pb.AttendRequest(id=number, witness=witness)
        case q.Announce(order):
            return pb.AttendRequest(id=number, announce=pb.AnnounceRequest(order=order))
        case q.DrawChallenge(order):
            return pb.AttendRequest(id=number, challenge=pb.ChallengeRequest(order=order))
        case q.AskRelease(order, evidence, order_receipt, evidence_receipt, approvals, joint, quote):
            release = pb.ReleaseRequest(
                order=order,
                evidence=evidence,
                order_receipt=order_receipt,
                evidence_receipt=evidence_receipt,
                approvals=approvals,
                joint=joint,
                quote=quote,
            )
            return pb.AttendRequest(id=number, release=release)
        case q.ResultReady(run):
            return pb.AttendRequest(id=number, result=pb.ResultNotice(run=run))
        case _:
            assert_never(question)


def decode_answer(message: pb.AttendAnswer) -> q.Answer:
    """Return the answer in a message; one that makes no sense is a failure of the member, not of the stream."""
    match message.WhichOneof("answer"):
        case "pong":
            return q.Pong()
        case "evaluate":
            return q.Evaluated(message.evaluate.statement, message.evaluate.output)
        case "witness":
            return q.Cosigned(tuple(message.witness.lines), message.witness.size, message.witness.conflict)
        case "announce":
            decision = _DECISIONS.get(message.announce.decision)
            if decision is not None:
                return q.Announced(decision, message.announce.statement)
        case "challenge":
            if len(message.challenge.challenge) == 32:
                return q.Challenge(message.challenge.challenge)
        case "release":
            return q.Released(message.release.statement, message.release.blob, message.release.share)
        case "result":
            return q.Noted()
        case "error":
            return q.Failure(message.error.code, message.error.message)
        case _:
            pass
    return q.Failure("Malformed", "its answer makes no sense")


def register(server: grpc.aio.Server, service: RelayService) -> None:
    """Add the service to a server."""
    rpc.add_RelayServicer_to_server(service, server)
