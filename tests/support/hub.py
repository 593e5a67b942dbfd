"""A hub for tests: keys and convention of the demo world, lots whose content nobody opens, and a served hub.

The keys are real and everything is signed as in production; only the segments of :func:`make_lot` are random bytes, as
the hub cannot tell them from sealed ones.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio

from support.world import World
from vigie import segment, statement
from vigie.bodies import Lot, Order, Quality, text_for
from vigie.client import channel_under
from vigie.clock import stamp, utc_now
from vigie.note import Signer
from vigie.statement import Statement
from vigie_hub.config import HubConfig, Limits
from vigie_hub.enclave.sandbox import ENVIRONMENT
from vigie_hub.server import Hub, start

BUCKETS = 4
_NOW = datetime(2026, 6, 1, tzinfo=UTC)


def hub_world(folder: Path, **overrides: Any) -> World:
    """The demo world with few buckets; keywords as of :meth:`World.create`'s overrides, with ``__`` for the dot."""
    wanted = {path.replace("__", "."): value for path, value in overrides.items()}
    return World.create(folder / "world", overrides={"pseudonyms.buckets": BUCKETS, **wanted})


def make_lot(
    world: World,
    dataset: str = "debts",
    *,
    per_bucket: Sequence[int] = (1, 2, 1, 1),
    size: int = 5000,
    signer: Signer | None = None,
    random: Callable[[int], bytes] = secrets.token_bytes,
    **changes: object,
) -> "MadeLot":
    """A lot with random segments; ``changes`` replace fields of its body before it is signed."""
    partner = world.convention.datasets[dataset].owners[0]
    segments = [random(size + place) for place in range(sum(per_bucket))]
    ids = [segment.segment_id(data) for data in segments]
    body = Lot(
        convention=world.convention.digest, epoch=1, lot=random(16), lot_key=random(1216), partner=partner,
        dataset=dataset, schema=world.convention.datasets[dataset].definition.schema, period="2026-05",
        as_of="2026-06-01", delivery="snapshot", base=None, supersedes=None, shrink_confirmed=False, rows_class=96,
        companies_class=48, bytes=sum(map(len, segments)), segments=len(segments),
        segment_root=segment.segment_root(ids), quality=Quality(10, 10, 0, 0, 0), created=stamp(_NOW),
    )  # fmt: skip
    body = replace(body, **changes)  # type: ignore[arg-type]
    signed = statement.sign_text(text_for(body), [signer or world.signer(partner)])
    return MadeLot(body, signed, segments, ids, list(per_bucket))


@dataclass(frozen=True)
class MadeLot:
    body: Lot
    statement: Statement
    segments: list[bytes]
    ids: list[bytes]
    parts: list[int]

    def signed_again(self, world: World) -> "MadeLot":
        """The same lot under a statement made later."""
        body = replace(self.body, created=stamp(_NOW + timedelta(days=1)))
        return replace(self, body=body, statement=statement.sign_text(text_for(body), [world.signer(body.partner)]))


def make_order(
    world: World, lots: Sequence[Statement], *, minutes: float = 10, signer: Signer | None = None, **changes: object
) -> Statement:
    """A signed order over these lots."""
    now = utc_now()
    body = Order(
        convention=world.convention.digest, epoch=1, period="2026-05", purpose="early-warning",
        lots=tuple(lot.digest for lot in lots), states=(), model="train",
        deadline=stamp(now + timedelta(minutes=minutes)), created=stamp(now),
    )  # fmt: skip
    body = replace(body, **changes)  # type: ignore[arg-type]
    return statement.sign_text(text_for(body), [signer or world.signer("hub/operator")])


def make_folder(folder: Path, world: World, *, enclave: Path | None = None, limits: Limits | None = None) -> HubConfig:
    """A hub's folder, ready to be served in this process; without ``enclave``, one that cannot start any."""
    folder.mkdir(exist_ok=True)
    (folder / "conventions").mkdir(exist_ok=True)
    for version, raw in enumerate(world.raws, start=1):
        (folder / "conventions" / f"{version:04d}.convention").write_bytes(raw)
    if enclave is None:
        enclave = folder / "enclave"
        (enclave / "root").mkdir(parents=True, exist_ok=True)
        (enclave / "root" / "nothing").write_bytes(b"")
        launch = {"arguments": ["/bin/false"], "environment": {}, "policy": ""}
        (enclave / "launch.json").write_text(json.dumps(launch))
    return HubConfig(folder, "hub", listen="127.0.0.1:0", enclave=enclave, limits=limits or Limits())


def scripted_enclave(folder: Path, mode: str) -> Path:
    """An enclave folder whose program is ``scripted_enclave.py`` in some mode; ``first-…`` ones count their starts."""
    (folder / "root").mkdir(parents=True, exist_ok=True)
    (folder / "root" / "nothing").write_bytes(b"")
    if mode.startswith("first-"):
        (folder / "starts").mkdir(exist_ok=True)
        mode = f"{mode}:{folder / 'starts'}"
    program = Path(__file__).with_name("scripted_enclave.py")
    launch = {
        "arguments": [sys.executable, "-I", str(program), mode, "3"],
        "environment": dict(ENVIRONMENT),
        "policy": "",
    }
    (folder / "launch.json").write_text(json.dumps(launch))
    return folder


@asynccontextmanager
async def served(config: HubConfig, world: World) -> AsyncIterator[Hub]:
    """A hub served in this process."""
    hub = await start(config, world.keyrings["hub"])
    try:
        yield hub
    finally:
        await hub.stop()


@asynccontextmanager
async def connected(address: str, world: World, member: str) -> AsyncIterator[grpc.aio.Channel]:
    """A member's channel to a hub."""
    key, certificate = world.keyrings[member].tls()
    channel = channel_under(world.convention, address, key_pem=key, cert_pem=certificate)
    try:
        yield channel
    finally:
        await channel.close()


async def eventually(look: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait until something holds, with a deadline."""
    async with asyncio.timeout(seconds):
        while not look():  # noqa: ASYNC110 - what is looked at is another process or a stream, which sets no event here
            await asyncio.sleep(0.02)
