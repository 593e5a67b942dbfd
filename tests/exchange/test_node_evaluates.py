"""Blind batches from one member to another's daemon, through a real hub: evaluated in a worker process, charged once."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.hub import connected, hub_world, make_folder, served
from support.nodes import attending, make_node
from support.world import World
from vigie import bodies, statement
from vigie.authority import judge
from vigie.clock import stamp, utc_now
from vigie.errors import VigieError
from vigie.pseudonym import Blinder, Custodian
from vigie_node.wire import Hub as Calls

SIRENS = ["005520135", "552100554", "732829320"]


def request(world: World, elements: bytes, /, **changed: Any) -> statement.Statement:
    body = bodies.Evaluation(
        convention=world.chain.digest, epoch=1, requester="acoss", evaluator="travail", sequence=0,
        elements=hashlib.sha256(elements).digest(), count=len(elements) // 32, stage="requested", request=None,
        total=None, created=stamp(utc_now()),
    )  # fmt: skip
    return world.sign("acoss", replace(body, **changed))


def test_a_batch_is_evaluated_proved_and_charged_once(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "travail", tmp_path / "travail", hub.address)
            async with attending(folder, hub), connected(hub.address, world, "acoss") as channel:
                calls, batch = Calls(channel), Blinder.blind(SIRENS)
                asked = request(world, batch.elements)
                for _ in range(2):
                    raw, output = await calls.evaluate(asked.raw, batch.elements)
                    answer = judge(raw, world.chain, kind="evaluation").body
                    assert (answer.stage, answer.total, answer.count) == ("evaluated", 3, 3)
                key = world.convention.epoch(1).custodian("travail").key
                custodian = Custodian.from_seed(world.keyrings["travail"].oprf_seed(), world.convention.id, 1)
                assert batch.finalize(output, key) == custodian.evaluate(SIRENS)

    asyncio.run(test())


@pytest.mark.parametrize(
    ("changed", "claim"),
    [({"epoch": 2}, "epoch"), ({"elements": b"?" * 32}, "elements"), ({"count": 4}, "elements")],
)
def test_a_wrong_batch_is_refused_and_not_charged(tmp_path: Path, changed: dict[str, Any], claim: str) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "travail", tmp_path / "travail", hub.address)
            async with attending(folder, hub), connected(hub.address, world, "acoss") as channel:
                calls, batch = Calls(channel), Blinder.blind(SIRENS)
                try:
                    raw, output = await calls.evaluate(request(world, batch.elements, **changed).raw, batch.elements)
                except VigieError as error:
                    said = str(error)  # the hub itself refuses what it can see to be wrong
                else:
                    assert output == b""
                    said = str(statement.parse(raw, kind="refusal").body["reason"]["claim"])
                assert claim in said
                raw, _ = await calls.evaluate(request(world, batch.elements).raw, batch.elements)
                assert judge(raw, world.chain, kind="evaluation").body.total == 3

    asyncio.run(test())
