"""Nodes for tests: folders made like ``vigie-node init`` makes them, daemons run in this process against a real hub."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from support.hub import MadeLot, connected, eventually, make_lot
from support.world import PASSPHRASE, World
from vigie import bodies, sealing
from vigie.clock import stamp, utc_now
from vigie.note import Signer
from vigie.sealing import SealingPrivateKey
from vigie.statement import Statement, countersign, sign_text
from vigie_hub.server import Hub
from vigie_node.config import Limits, NodeConfig, Policy
from vigie_node.daemon import Daemon
from vigie_node.folder import Node, NodeFolder
from vigie_node.wire import Hub as HubCalls

MEASUREMENT = b"m" * 32


def make_node(world: World, member: str, folder: Path, hub: str, *, policy: Policy = "auto") -> NodeFolder:
    """A node's folder; its keyring is the one of the world."""
    config = NodeConfig(member, hub, world.keyring_path(member).resolve(), policy, Limits(results_seconds=1))
    return NodeFolder.create(folder, config, world.raws)


def open_node(folder: NodeFolder) -> Node:
    return Node.open(folder.root, PASSPHRASE)


@asynccontextmanager
async def attending(
    folder: NodeFolder,
    hub: Hub | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[Node]:
    """A node's daemon running in this process; with ``hub``, from the moment when it attends there."""
    node = open_node(folder)
    daemon = Daemon(node, clock=clock, random=random)
    task = asyncio.create_task(daemon.run())
    try:
        if hub is not None:
            await eventually(lambda: task.done() or node.member in hub.attendance.names())
        yield node
    finally:
        daemon.stop()
        try:
            await asyncio.wait_for(task, 20)
        finally:
            node.close()


async def deposit(world: World, hub: str, made: MadeLot) -> bytes:
    """Deposit a lot of random segments as its partner does; returns its receipt."""
    async with connected(hub, world, made.body.partner) as channel:
        calls = HubCalls(channel)
        await calls.begin(made.statement.raw, made.ids, made.parts)
        async for _ in calls.put(made.body.lot, made.segments):
            pass
        return await calls.commit(made.body.lot)


def lot_of(world: World, dataset: str, **changed: Any) -> MadeLot:
    """A lot of a dataset of this world, with as many segments as it has buckets."""
    buckets = world.convention.buckets
    return make_lot(world, dataset, per_bucket=(1,) * buckets, size=100, **changed)


class Enclave:
    """The keys of an enclave, without the enclave: what evidence names and what released keys are sealed to."""

    def __init__(self) -> None:
        self.signer = Signer("enclave/signing", secrets.token_bytes(32))
        self.key = SealingPrivateKey.from_seed(sealing.generate())

    def evidence(self, world: World, order: Statement, challenges: dict[str, bytes], /, **changed: object) -> Statement:
        """Evidence for an order, signed by the enclave and the hub's host."""
        layers = dict.fromkeys(world.convention.enclave.layers, "enforced")
        body = bodies.Evidence(
            convention=world.chain.digest, order=order.digest, enclave_key=self.key.public,
            enclave_signing_key=self.signer.verifier.public, challenges=challenges, measurement=MEASUREMENT,
            policy=b"p" * 32, platform="software", layers=layers, host={"kernel": "6.1"}, quote=None,
            created=stamp(utc_now()),
        )  # fmt: skip
        claimed = sign_text(bodies.text_for(replace(body, **changed)), [self.signer])  # type: ignore[arg-type]
        return countersign(claimed, [world.signer("hub/host")])
