"""A hub and the three partners around it, as far as the perimeter goes; and perimeters made by hand, to cheat with.

Pseudonyms are a hash of the SIREN here: sharing and filtering only need each company to have one.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from support.hub import connected, hub_world, make_folder, served
from support.perimeter import section
from support.world import World
from vigie import bodies, perimeter, sealing, segment
from vigie import statement as statements
from vigie.bodies import Perimeter, PerimeterShare
from vigie.clock import stamp, utc_now
from vigie.datasets import BUILT_IN
from vigie.errors import (
    Unavailable,
)
from vigie.perimeter import Place
from vigie.statement import Statement
from vigie_hub.server import Hub as ServedHub
from vigie_node.extracts.canonical import Checked, check
from vigie_node.outbox import Spool
from vigie_node.perimeter.fetching import PerimeterFetcher
from vigie_node.perimeter.sharing import Sharer
from vigie_node.perimeter.store import PerimeterStore
from vigie_node.sending import Sender
from vigie_node.state import NodeState
from vigie_node.wire import Hub
from vigie_node.wire_perimeter import PerimeterHub

PERIOD = "2021-04"
INSIDE = [f"{number:09d}" for number in range(100_000_000, 100_000_030)]
OUTSIDE = [f"{number:09d}" for number in range(200_000_000, 200_000_010)]
CANARY = "317452896"
"""In the perimeter, and held by its owner alone."""


def pseudonym_of(siren: str) -> bytes:
    """A stand-in for a pseudonym: sharing and filtering only need each company to have one."""
    return hashlib.sha256(b"stand-in" + siren.encode()).digest()[:16]


def pseudonyms(sirens: Iterable[str]) -> list[bytes]:
    return [pseudonym_of(siren) for siren in sirens]


def table(sirens: Sequence[str]) -> pa.Table:
    return pa.table({"siren": sirens, "pseudonym": pa.array(pseudonyms(sirens), pa.binary(16))})


@dataclass
class Site:
    """One member's side of the perimeter, and what it sends with."""

    world: World
    member: str
    hub: PerimeterHub
    calls: Hub
    store: PerimeterStore
    state: NodeState
    folder: Path

    def sharer(self, hub: PerimeterHub | None = None) -> Sharer:
        return Sharer(
            self.world.chain, self.world.keyrings[self.member], self.store, Spool(self.folder / "perimeters"),
            hub or self.hub, utc_now,
        )  # fmt: skip

    def fetcher(self, hub: PerimeterHub | None = None, calls: Hub | None = None) -> PerimeterFetcher:
        return PerimeterFetcher(
            self.world.chain, self.world.keyrings[self.member], self.state, self.store, hub or self.hub,
            (calls or self.calls).consistency, utc_now,
        )  # fmt: skip

    def sender(self) -> Sender:
        return Sender(
            self.world.chain, self.world.keyrings[self.member], self.state, Spool(self.folder / "spool"), self.calls,
            utc_now, perimeters=self.store,
        )  # fmt: skip


@dataclass
class Town:
    """A hub, and the three partners around it."""

    world: World
    hub: ServedHub
    acoss: Site
    travail: Site
    bank: Site


@asynccontextmanager
async def site(world: World, member: str, hub: str, folder: Path) -> AsyncIterator[Site]:
    folder.mkdir(exist_ok=True)  # noqa: ASYNC240 - a test's folder
    state = NodeState.open(folder / "state.sqlite")
    with PerimeterStore(folder / "perimeter.sqlite", utc_now) as store:
        try:
            async with connected(hub, world, member) as channel:
                yield Site(world, member, PerimeterHub(channel), Hub(channel), store, state, folder)
        finally:
            state.close()


@asynccontextmanager
async def town(tmp_path: Path, **changes: Any) -> AsyncIterator[Town]:
    world = hub_world(tmp_path, perimeter=section(**changes))
    async with (
        served(make_folder(tmp_path / "hub", world), world) as hub,
        site(world, "acoss", hub.address, tmp_path / "acoss") as acoss,
        site(world, "travail", hub.address, tmp_path / "travail") as travail,
        site(world, "banque-de-france", hub.address, tmp_path / "bank") as bank,
    ):
        yield Town(world, hub, acoss, travail, bank)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def hours(folder: Path, sirens: Sequence[str]) -> Checked:
    """A checked extract of short-time work, two rows for each company."""
    path = folder / "short_time_work.csv"
    rows = [f"{siren},2021-{month:02d}-01,1.5,2,3" for siren in sirens for month in (1, 2)]
    path.write_text("\n".join([",".join(["siren", *BUILT_IN["short_time_work"].names]), *rows]) + "\n")
    return check(path, BUILT_IN["short_time_work"])


def refusals(hub: ServedHub) -> list[tuple[str | None, str]]:
    """(about whom, claim) of the refusals in the hub's journal."""
    found = [bodies.read(statements.parse(raw), bodies.Refusal) for raw in hub.journal.find("refusal")]
    return [(one.about, one.reason.claim) for one in found]


def forged(
    world: World, *, signer: str = "acoss", companies: Sequence[str] = INSIDE, **changed: Any
) -> tuple[Statement, dict[str, list[bytes]], list[bytes]]:
    """A perimeter made by hand: its statement with changes, the ids of its parts, and the parts."""
    seed, id_ = b"s" * 32, changed.get("perimeter", b"i" * 16)
    rule = world.convention.perimeter
    assert rule is not None
    shares, ids, sealed = {}, {}, []
    for name in sorted(rule.shared_with):
        place = Place(world.convention.id, id_, 1, changed.get("period", PERIOD), name)
        key = world.convention.member(name).sealing
        assert key is not None
        plain = perimeter.cut(perimeter.filled(seed, place, pseudonyms(companies)))
        parts = [sealing.seal(key, place.info(number), one) for number, one in enumerate(plain)]
        ids[name] = [segment.segment_id(part) for part in parts]
        shares[name] = PerimeterShare(segment.segment_root(ids[name]), sum(map(len, parts)), len(parts))
        sealed += parts
    body = Perimeter(world.chain.digest, 1, id_, PERIOD, "acoss", shares, 32, None, stamp(utc_now()))
    return world.sign(signer, replace(body, **changed)), ids, sealed


async def put_in(at: Town, made: tuple[Statement, dict[str, list[bytes]], list[bytes]]) -> bytes:
    """Deposit a perimeter made by hand as the owner; return its receipt."""
    raw, ids, parts = made
    id_ = bodies.read(raw, Perimeter).perimeter
    await at.acoss.hub.begin(raw.raw, ids)
    async for _ in at.acoss.hub.put(id_, parts):
        pass
    return await at.acoss.hub.commit(id_)


class Cut(PerimeterHub):
    """A line that breaks after so many parts."""

    after = 1

    async def put(self, perimeter: bytes, parts: Iterable[bytes]) -> AsyncIterator[bytes]:
        async for identifier in super().put(perimeter, list(parts)[: self.after]):
            yield identifier
        raise Unavailable("the line was cut")
