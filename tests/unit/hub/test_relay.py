"""Blind batches and witness rounds over real streams: what is relayed, journaled, refused and retried."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support.hub import connected, eventually, make_folder, served
from support.hub_members import TestMember, attending
from support.world import World
from vigie import statement
from vigie.bodies import Evaluation, Refusal, read
from vigie.client import our_errors
from vigie.clock import stamp, utc_now
from vigie.errors import BadProof, BadSignature, Malformed, Refused, Unavailable
from vigie.journal.checkpoint import witnessed_by
from vigie.note import parse
from vigie.statement import Statement
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.config import Limits
from vigie_hub.server import Hub

Go = Callable[[Coroutine[Any, Any, None]], None]
ELEMENTS = bytes(range(32)) * 3


@dataclass
class Scene:
    hub: Hub
    travail: TestMember
    world: World
    stub: "rpc.RelayAsyncStub"

    def batch(self, *, signer: str = "acoss", **changes: Any) -> Statement:
        body = Evaluation(
            self.world.chain.digest, 1, "acoss", "travail", 1, hashlib.sha256(ELEMENTS).digest(), 3, "requested", None,
            None, stamp(utc_now()),
        )  # fmt: skip
        return self.world.sign(signer, replace(body, **changes))

    async def evaluate(self, batch: Statement, elements: bytes = ELEMENTS) -> pb.EvaluateResponse:
        with our_errors():
            return await self.stub.Evaluate(pb.EvaluateRequest(statement=batch.raw, elements=elements))


@asynccontextmanager
async def scene(folder: Path, world: World, *, present: bool = True) -> AsyncIterator[Scene]:
    config = make_folder(folder / "hub", world, limits=Limits(answer_seconds=5))
    async with served(config, world) as hub, connected(hub.address, world, "acoss") as channel:
        travail = TestMember(world, "travail", folder)
        async with attending(hub.address, [travail] if present else []):
            yield Scene(hub, travail, world, rpc.RelayStub(channel))


def evaluations(hub: Hub) -> list[Evaluation]:
    return [read(statement.parse(raw), Evaluation) for raw in hub.journal.find("evaluation")]


def test_a_batch_and_its_answer_are_in_the_journal(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:
            batch = s.batch()
            answer = await s.evaluate(batch)
            assert answer.output == b"output"
            requested, evaluated = evaluations(s.hub)
            assert (requested.stage, evaluated.stage) == ("requested", "evaluated")
            assert evaluated.request == batch.digest and evaluated.total == 3
            assert s.hub.journal.entry(statement.parse(answer.statement).digest) == answer.statement
            await s.evaluate(batch)
            s.hub.journal.verify()

    run(story())


def test_a_refusal_of_the_evaluator_reaches_the_requester_and_the_journal(
    tmp_path: Path, world: World, run: Go
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:
            s.travail.decision = "refused"
            batch = s.batch()
            answer = await s.evaluate(batch)
            refusal = read(statement.parse(answer.statement), Refusal)
            assert refusal.reason.claim == "budget" and refusal.subject == batch.digest and not answer.output
            assert s.hub.journal.find("refusal", batch.digest) == [answer.statement]

    run(story())


def test_an_error_of_the_evaluator_crosses_the_hub_as_what_it_is(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:
            s.travail.decision = "failing"
            with pytest.raises(Refused):
                await s.evaluate(s.batch())

    run(story())


def test_an_answer_about_another_batch_is_not_passed_on(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:
            s.travail.decision = "other-batch"
            with pytest.raises(Malformed):
                await s.evaluate(s.batch())
            assert [one.stage for one in evaluations(s.hub)] == ["requested"]

    run(story())


@pytest.mark.parametrize(
    ("changes", "elements", "error"),
    [
        ({"signer": "travail"}, ELEMENTS, BadSignature),
        ({"requester": "banque-de-france", "signer": "banque-de-france"}, ELEMENTS, Refused),
        ({"count": 4}, ELEMENTS, Malformed),
        ({"count": 5000}, ELEMENTS, Refused),
        ({}, ELEMENTS[::-1], BadProof),
        ({}, b"", Malformed),
        ({"evaluator": "auditeur"}, ELEMENTS, Refused),
        ({"epoch": 7}, ELEMENTS, Refused),
    ],
)
def test_a_batch_that_is_not_what_its_requester_signed_is_refused(
    tmp_path: Path, world: World, run: Go, changes: dict[str, Any], elements: bytes, error: type[Exception]
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:
            with pytest.raises(error):
                await s.evaluate(s.batch(**changes), elements)
            assert s.travail.asked == [] and evaluations(s.hub) == []

    run(story())


def test_an_evaluator_that_is_not_there_is_unavailable(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, present=False) as s:
            with pytest.raises(Unavailable, match="not attending"):
                await s.evaluate(s.batch())

    run(story())


def test_questions_of_a_stream_that_ends_fail_at_once(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:
            waiting = asyncio.Event()

            async def never(statement: bytes, elements: bytes) -> tuple[bytes, bytes]:
                waiting.set()
                await asyncio.sleep(600)
                raise AssertionError

            (tmp_path / "again").mkdir()
            stuck = TestMember(world, "travail", tmp_path / "again")
            stuck.evaluate = never  # type: ignore[method-assign, assignment]
            async with attending(s.hub.address, [stuck]):
                asked = asyncio.ensure_future(s.evaluate(s.batch()))
                await asyncio.wait_for(waiting.wait(), 10)
                s.hub.attendance.close()
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(asked, 4)

    run(story())


def test_every_entry_is_witnessed_in_the_end_and_each_round_once(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world) as s:

            def witnessed() -> set[str]:
                return set(witnessed_by(parse(s.hub.journal.checkpoint()), world.convention.witness_keys()))

            await eventually(lambda: witnessed() == {"travail/witness"})
            for sequence in range(5):
                await s.evaluate(s.batch(sequence=sequence))
            await eventually(lambda: witnessed() == {"travail/witness"})
            rows = s.hub.store.reader.execute("SELECT size FROM cosignature").fetchall()
            assert len(rows) == len(set(rows))

    run(story())


def test_a_hub_that_forgot_what_a_witness_signed_learns_it_again(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        config = make_folder(tmp_path / "hub", world)
        travail = TestMember(world, "travail", tmp_path)
        async with served(config, world) as hub, attending(hub.address, [travail]):
            await eventually(lambda: hub.journal.cosigned_by("travail/witness") == 1)
        db = sqlite3.connect(config.folder / "hub.sqlite")
        with db:
            db.execute("DELETE FROM cosignature")
        db.close()
        travail.welcomed.clear()
        async with served(config, world) as hub, attending(hub.address, [travail]):
            await eventually(lambda: hub.journal.cosigned_by("travail/witness") == 1)

    run(story())


def test_a_cosignature_under_another_key_is_not_kept(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            liar = TestMember(world, "travail", tmp_path)
            asked = asyncio.Event()

            async def sign(old_size: int, proof: Any, checkpoint: bytes) -> tuple[str, ...]:
                asked.set()
                return (world.keyrings["acoss"].cosigner().cosign(parse(checkpoint).text, 1).line(),)

            handlers = replace(liar.handlers(), witness=sign)
            liar.handlers = lambda: handlers  # type: ignore[method-assign]
            async with attending(hub.address, [liar]):
                await asyncio.wait_for(asked.wait(), 10)
                await asyncio.sleep(0)
                assert hub.journal.cosigned_sizes(0) == []

    run(story())
