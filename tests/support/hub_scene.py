"""A hub with lots of all partners and members that attend, for orders over real gRPC with an enclave that a test scripts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.hub import connected, make_folder, make_lot, make_order, scripted_enclave, served
from support.hub_members import TestMember, attending
from support.world import PARTNERS, World
from vigie.bodies import read
from vigie.client import our_errors
from vigie.statement import Statement, parse
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.config import HubConfig, Limits
from vigie_hub.server import Hub

DATASETS = ("contributions", "debts", "ratios", "short_time_work")
QUICK = Limits(announce_seconds=1, claim_seconds=20, silence_seconds=20, quorum_seconds=20, answer_seconds=10)


@dataclass
class Scene:
    """A hub with lots of all partners, and the members that will attend."""

    world: World
    hub: Hub
    config: HubConfig
    lots: list[Statement]
    operator: "rpc.OperatorAsyncStub"
    members: dict[str, TestMember] = field(default_factory=dict)

    def order(self, **changes: Any) -> Statement:
        return make_order(self.world, self.lots, **changes)

    async def submit(self, order: Statement) -> bytes:
        with our_errors():
            return (await self.operator.SubmitOrder(pb.SubmitOrderRequest(order=order.raw))).receipt

    async def follow(self, order: Statement, *, seconds: float = 60) -> list[pb.WatchResponse]:
        with our_errors():
            async with asyncio.timeout(seconds):
                return [step async for step in self.operator.Watch(pb.WatchRequest(order=order.digest))]

    async def ends(self, order: Statement) -> pb.WatchResponse:
        await self.submit(order)
        last = (await self.follow(order))[-1]
        assert last.last
        self.hub.journal.verify()
        return last

    def bodies(self, kind: str, cls: type[Any], subject: bytes | None = None) -> list[Any]:
        return [read(parse(raw), cls) for raw in self.hub.journal.find(kind, subject)]


async def deposit(address: str, world: World) -> list[Statement]:
    made = []
    for dataset in DATASETS:
        lot = make_lot(world, dataset)
        async with connected(address, world, lot.body.partner) as channel:
            stub = rpc.DepositStub(channel)
            await stub.Begin(
                pb.BeginRequest(statement=lot.statement.raw, segment_ids=lot.ids, parts_per_bucket=lot.parts)
            )
            requests = [pb.PutRequest(lot=lot.body.lot, segment=data) for data in lot.segments]
            assert len([answer async for answer in stub.Put(iter(requests))]) == len(requests)
            await stub.Commit(pb.CommitRequest(lot=lot.body.lot))
        made.append(lot.statement)
    return made


def member_of(world: World, name: str, folder: Path, lots: list[Statement]) -> TestMember:
    own = [lot.digest for lot in lots if lot.body["partner"] == name]
    return TestMember(world, name, folder, lots=own)


@asynccontextmanager
async def scene(folder: Path, world: World, mode: str, **options: Any) -> AsyncIterator[Scene]:
    """A hub whose enclave is in that mode; members attend unless they are in ``absent``."""
    limits = options.get("limits", QUICK)
    config = make_folder(folder / "hub", world, enclave=scripted_enclave(folder / "enclave", mode), limits=limits)
    async with served(config, world) as hub, connected(hub.address, world, "hub") as channel:
        lots = await deposit(hub.address, world)
        members = {name: member_of(world, name, folder, lots) for name in PARTNERS}
        options.get("prepare", lambda members: None)(members)
        present = [member for name, member in members.items() if name not in options.get("absent", ())]
        async with attending(hub.address, present):
            yield Scene(world, hub, config, lots, rpc.OperatorStub(channel), members)
