"""The attending client: back-off, abilities, and what it makes of a hub that does not behave."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.attend import (
    FIRST_DELAY,
    LONGEST_DELAY,
    Attendant,
    Declined,
    Handlers,
    Pending,
    ReleaseQuestion,
    Welcomed,
    Willing,
    delay_before,
)
from vigie.errors import Malformed, Missing, Refused, Unavailable, VigieError, WitnessConflict
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc

Script = Callable[[AsyncIterator[pb.AttendAnswer]], AsyncIterator[pb.AttendRequest]]


@given(attempt=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_delays_grow_stay_bounded_and_are_cut_by_half_at_most(attempt: int, jitter: float) -> None:
    whole = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt, 100))
    assert whole / 2 <= delay_before(attempt, lambda: jitter) <= whole
    assert delay_before(attempt + 1, lambda: jitter) >= delay_before(attempt, lambda: jitter)


class ScriptedHub(rpc.RelayServicer):
    """A hub of one method that does what a test wrote: the hostile twin of the real one of the exchange tests."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.connections = 0

    async def Attend(
        self, request_iterator: AsyncIterator[pb.AttendAnswer], context: Any
    ) -> AsyncIterator[pb.AttendRequest]:
        self.connections += 1
        async for message in self.script(request_iterator):
            yield message

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        raise NotImplementedError


@asynccontextmanager
async def attending(
    script: Script, handlers: Handlers
) -> AsyncIterator[tuple[ScriptedHub, list[Welcomed | VigieError]]]:
    server, hub = grpc.aio.server(), ScriptedHub(script)
    rpc.add_RelayServicer_to_server(hub, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    events: list[Welcomed | VigieError] = []
    attendant = Attendant(
        lambda: grpc.aio.insecure_channel(f"127.0.0.1:{port}"), handlers, convention=lambda: b"c" * 32, version="test",
        welcomed=events.append, lost=events.append, jitter=lambda: 0.0,
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(attendant.run(stop))
    try:
        yield hub, events
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)
        await server.stop(0)


WELCOME = pb.AttendRequest(id=0, welcome=pb.Welcome(convention=b"c" * 32, time=1, version="hub"))


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - what is waited for happens on the other side of a connection
            await asyncio.sleep(0.01)


def ask(questions: Sequence[pb.AttendRequest], handlers: Handlers) -> dict[int, pb.AttendAnswer]:
    """Ask questions over one connection and return the answers by id."""
    answers: dict[int, pb.AttendAnswer] = {}
    hellos: list[pb.Hello] = []

    async def script(incoming: AsyncIterator[pb.AttendAnswer]) -> AsyncIterator[pb.AttendRequest]:
        hellos.append((await anext(incoming)).hello)
        yield WELCOME
        for question in questions:
            yield question
        async for answer in incoming:
            answers[answer.id] = answer

    async def test() -> None:
        async with attending(script, handlers):
            await until(lambda: len(answers) == len(questions))

    asyncio.run(test())
    assert hellos[0].convention == b"c" * 32
    assert tuple(hellos[0].abilities) == handlers.abilities()
    return answers


class Everything:
    """Handlers that say what they were given."""

    async def evaluate(self, statement: bytes, elements: bytes) -> tuple[bytes, bytes]:
        if statement == b"slow":
            await asyncio.sleep(0.2)
        if statement == b"refuse":
            raise Refused("budget", expected="less", found="more")
        if statement == b"crash":
            raise ValueError("SIREN 005520135 in the text of an error")
        return statement + b"!", elements

    async def witness(self, old_size: int, proof: Sequence[bytes], checkpoint: bytes) -> Sequence[str]:
        if old_size == 7:
            raise WitnessConflict("another size", size=9)
        return (f"{old_size} {len(proof)} {checkpoint.decode()}",)

    async def announce(self, order: bytes) -> Willing | Pending | Declined:
        if order == b"w":
            return Willing()
        return Pending() if order == b"p" else Declined(b"why")

    async def challenge(self, order: bytes) -> bytes:
        return order

    async def release(self, question: ReleaseQuestion) -> tuple[bytes, bytes, bytes]:
        joined = [question.order, question.evidence, question.order_receipt, question.evidence_receipt]
        return b"".join([*joined, *question.approvals]), b"blob", question.joint

    async def result(self, run: bytes) -> None:
        if run != b"r":
            raise Missing("no such run")

    def all(self) -> Handlers:
        return Handlers(self.evaluate, self.witness, self.announce, self.challenge, self.release, self.result)


def test_every_question_reaches_its_handler_and_comes_back_under_its_id() -> None:
    answers = ask(
        [
            pb.AttendRequest(id=1, evaluate=pb.EvaluateRequest(statement=b"slow", elements=b"e")),
            pb.AttendRequest(id=2, ping=pb.Ping()),
            pb.AttendRequest(id=3, witness=pb.WitnessRequest(old_size=5, proof=[b"x"], checkpoint=b"c")),
            pb.AttendRequest(id=4, witness=pb.WitnessRequest(old_size=7)),
            pb.AttendRequest(id=5, announce=pb.AnnounceRequest(order=b"w")),
            pb.AttendRequest(id=6, announce=pb.AnnounceRequest(order=b"p")),
            pb.AttendRequest(id=7, announce=pb.AnnounceRequest(order=b"r")),
            pb.AttendRequest(id=8, challenge=pb.ChallengeRequest(order=b"o")),
            pb.AttendRequest(
                id=9,
                release=pb.ReleaseRequest(
                    order=b"1",
                    evidence=b"2",
                    order_receipt=b"3",
                    evidence_receipt=b"4",
                    approvals=[b"5", b"6"],
                    joint=b"share",
                ),
            ),
            pb.AttendRequest(id=10, result=pb.ResultNotice(run=b"r")),
        ],
        Everything().all(),
    )
    assert (answers[1].evaluate.statement, answers[1].evaluate.output) == (b"slow!", b"e")
    assert answers[2].HasField("pong")
    assert list(answers[3].witness.lines) == ["5 1 c"]
    assert (answers[4].witness.conflict, answers[4].witness.size) == (True, 9)
    assert answers[5].announce.decision == pb.AnnounceAnswer.WILLING
    assert answers[6].announce.decision == pb.AnnounceAnswer.PENDING
    assert (answers[7].announce.decision, answers[7].announce.statement) == (pb.AnnounceAnswer.REFUSED, b"why")
    assert answers[8].challenge.challenge == b"o"
    assert (answers[9].release.statement, answers[9].release.blob) == (b"123456", b"blob")
    assert answers[9].release.share == b"share"
    assert answers[10].HasField("result")


def test_errors_travel_by_class_and_an_inner_text_never_does() -> None:
    answers = ask(
        [
            pb.AttendRequest(id=1, evaluate=pb.EvaluateRequest(statement=b"refuse")),
            pb.AttendRequest(id=2, evaluate=pb.EvaluateRequest(statement=b"crash")),
            pb.AttendRequest(id=3, result=pb.ResultNotice(run=b"other")),
            pb.AttendRequest(id=4),
        ],
        Everything().all(),
    )
    assert [answers[number].error.code for number in (1, 2, 3, 4)] == ["Refused", "Unavailable", "Missing", "Refused"]
    assert "005520135" not in answers[2].error.message


def test_a_witness_answers_nothing_else() -> None:
    handlers = Handlers(witness=Everything().witness)
    assert handlers.abilities() == ("witness",)
    assert Everything().all().abilities() == ("evaluate", "witness", "release", "results")
    answers = ask([pb.AttendRequest(id=1, challenge=pb.ChallengeRequest(order=b"o"))], handlers)
    assert (answers[1].error.code, "challenge" in answers[1].error.message) == ("Refused", True)


@pytest.mark.parametrize(
    ("first", "lost"),
    [
        ([], Unavailable),
        ([pb.AttendRequest(id=0, ping=pb.Ping())], Malformed),
        ([pb.AttendRequest(id=3, welcome=pb.Welcome())], Malformed),
    ],
    ids=["ends at once", "no welcome", "wrong id"],
)
def test_comes_back_to_a_hub_that_does_not_welcome(first: list[pb.AttendRequest], lost: type[VigieError]) -> None:
    async def script(incoming: AsyncIterator[pb.AttendAnswer]) -> AsyncIterator[pb.AttendRequest]:
        await anext(incoming)
        for message in first:
            yield message

    async def test() -> None:
        async with attending(script, Handlers()) as (hub, events):
            await until(lambda: hub.connections >= 3)
            assert events
            assert {type(event) for event in events} == {lost}

    asyncio.run(test())


def test_comes_back_quickly_after_a_welcome_and_finishes_answers_when_told_to_stop() -> None:
    answers: list[bytes] = []

    async def script(incoming: AsyncIterator[pb.AttendAnswer]) -> AsyncIterator[pb.AttendRequest]:
        await anext(incoming)
        yield WELCOME
        if not answers:
            answers.append(b"first connection ends")
            return
        yield pb.AttendRequest(id=1, evaluate=pb.EvaluateRequest(statement=b"slow"))
        answers.extend([answer.evaluate.statement async for answer in incoming])

    asked = asyncio.Event()

    async def evaluate(statement: bytes, elements: bytes) -> tuple[bytes, bytes]:
        asked.set()
        return await Everything().evaluate(statement, elements)

    async def test() -> None:
        async with attending(script, Handlers(evaluate=evaluate)) as (_, events):
            await asyncio.wait_for(asked.wait(), 10)
            assert [type(event) for event in events] == [Welcomed, Unavailable, Welcomed]
        assert answers[1:] == [b"slow!"], "told to stop while it was working on it"

    asyncio.run(test())
