"""Sending extracts to a real hub over mutual TLS: one lot and one receipt, whatever is lost or cut in between."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import grpc.aio
import pyarrow as pa
import pytest

from support.hub import connected, hub_world, make_folder, served
from support.world import World
from vigie.clock import utc_now
from vigie.datasets import BUILT_IN
from vigie.errors import ExtractError, Refused, Unavailable
from vigie.journal.proof import Receipt, verify_receipt
from vigie_hub.server import Hub as ServedHub
from vigie_node.extracts.canonical import Checked, check
from vigie_node.outbox import Spool
from vigie_node.sending import Sender, Sent, Terms
from vigie_node.state import NodeState
from vigie_node.wire import Hub

TERMS = Terms("2021-04", date(2021, 4, 30))
ROWS = "".join(
    f"{siren:09d},2021-{month:02d}-01,{siren % 7},{month}.5\n" for siren in range(300) for month in (1, 2, 3)
)


def extract(folder: Path, rows: str = ROWS, name: str = "debts") -> Checked:
    path = folder / f"{name}.csv"
    path.write_text(",".join(["siren", *BUILT_IN[name].names]) + "\n" + rows)
    return check(path, BUILT_IN[name])


def pseudonyms(checked: Checked) -> pa.Table:
    """Stand-ins for pseudonyms: sending only needs each company to have one."""
    sirens = checked.sirens()
    made = [hashlib.sha256(siren.encode()).digest()[:16] for siren in sirens.to_pylist()]
    return pa.table({"siren": sirens, "pseudonym": pa.array(made, pa.binary(16))})


class Cut(Hub):
    """The hub's services over a line that breaks after so many segments."""

    def __init__(self, channel: grpc.aio.Channel, after: int) -> None:
        super().__init__(channel)
        self._after = after

    async def put(self, lot: bytes, segments: Iterable[bytes]) -> AsyncIterator[bytes]:
        sent = 0
        async for identifier in super().put(lot, list(segments)[: self._after]):
            yield identifier
            sent += 1
        if sent == self._after:
            raise Unavailable("the line was cut")


@dataclass
class Site:
    """A partner's sender, the hub that it talks to, and the world of both."""

    sender: Sender
    hub: ServedHub
    world: World


@asynccontextmanager
async def sending(
    tmp_path: Path, node: str = "node", hub: Callable[[grpc.aio.Channel], Hub] = Hub
) -> AsyncIterator[Site]:
    world = hub_world(tmp_path)
    async with (
        served(make_folder(tmp_path / "hub", world), world) as running,
        connected(running.address, world, "acoss") as channel,
    ):
        sender = make_sender(world, tmp_path / node, hub(channel))
        yield Site(sender, running, world)
        sender.state.close()


def make_sender(world: World, folder: Path, hub: Hub) -> Sender:
    folder.mkdir(exist_ok=True)
    state = NodeState.open(folder / "state.sqlite")
    return Sender(world.chain, world.keyrings["acoss"], state, Spool(folder / "spool"), hub, utc_now)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def same(one: Sent, other: Sent) -> None:
    assert one.lot.receipt == other.lot.receipt
    assert one.lot.statement == other.lot.statement


def test_a_lot_is_deposited_with_a_receipt_that_proves_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            sent = await sender.send(checked, TERMS, pseudonyms(checked))
            verify_receipt(Receipt.parse(sent.lot.receipt), sent.lot.statement, site.world.convention.log_key())
            assert sent.segments_sent == sent.lot.body.segments
            assert list((tmp_path / "node" / "spool").iterdir()) == []

    run(test)


def test_the_same_extract_again_is_the_same_lot_byte_for_byte(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            first = await sender.send(checked, TERMS, pseudonyms(checked))
            shuffled = extract(tmp_path, "".join(reversed(ROWS.splitlines(keepends=True))))
            again = await sender.send(shuffled, TERMS, pseudonyms(shuffled))
            assert again.again
            same(first, again)
            assert len(await sender.hub.lots()) == 1

    run(test)


def test_a_node_that_lost_everything_but_its_keys_gets_the_first_receipt(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            first = await sender.send(checked, TERMS, pseudonyms(checked))
            fresh = make_sender(site.world, tmp_path / "fresh", sender.hub)
            again = await fresh.send(checked, TERMS, pseudonyms(checked))
            same(first, again)
            assert again.segments_sent == 0
            assert len(await sender.hub.lots()) == 1
            fresh.state.close()

    run(test)


@pytest.mark.parametrize("lose_spool", [False, True])
def test_a_cut_in_the_middle_goes_on_and_gives_one_lot(tmp_path: Path, lose_spool: bool) -> None:
    async def test() -> None:
        async with sending(tmp_path, hub=lambda channel: Cut(channel, 2)) as site:
            sender = site.sender
            checked = extract(tmp_path)
            with pytest.raises(Unavailable):
                await sender.send(checked, TERMS, pseudonyms(checked))
            if lose_spool:
                for lot in (tmp_path / "node" / "spool").iterdir():
                    sender.spool.forget(bytes.fromhex(lot.name))
            async with connected(site.hub.address, site.world, "acoss") as channel:
                sender.hub = Hub(channel)
                sent = await sender.send(checked, TERMS, pseudonyms(checked))
                assert sent.segments_sent == sent.lot.body.segments - (0 if lose_spool else 2)
                assert len(await sender.hub.lots()) == 1

    run(test)


def test_a_later_snapshot_supersedes_and_a_delta_is_based_on_it(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            first = await sender.send(checked, TERMS, pseudonyms(checked))
            more = extract(tmp_path, ROWS + "000000001,2021-04-01,1,1\n")
            second = await sender.send(more, TERMS, pseudonyms(more))
            assert second.lot.body.supersedes == first.lot.body.lot
            new = extract(tmp_path, "000000002,2021-05-01,1,1\n")
            delta = await sender.send(new, replace(TERMS, period="2021-05", delivery="delta"), pseudonyms(new))
            assert delta.lot.body.base == second.lot.body.lot
            current = {lot.statement for lot in await sender.hub.lots() if lot.current}
            assert current == {second.lot.statement, delta.lot.statement}

    run(test)


def test_a_shrinking_snapshot_needs_to_be_confirmed(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            await sender.send(checked, TERMS, pseudonyms(checked))
            less = extract(tmp_path, "".join(ROWS.splitlines(keepends=True)[:100]))
            with pytest.raises(Refused, match="shrink"):
                await sender.send(less, TERMS, pseudonyms(less))
            sent = await sender.send(less, replace(TERMS, shrink_confirmed=True), pseudonyms(less))
            assert sent.lot.body.shrink_confirmed

    run(test)


def test_a_snapshot_of_an_earlier_period_never_takes_the_place_of_a_later_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            await sender.send(checked, TERMS, pseudonyms(checked))
            other = extract(tmp_path, ROWS + "000000001,2021-04-01,1,1\n")
            with pytest.raises(Refused, match="period"):
                await sender.send(other, replace(TERMS, period="2021-03"), pseudonyms(other))
            assert len(await sender.hub.lots()) == 1

    run(test)


def test_a_delta_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path)
            with pytest.raises(Refused, match="base"):
                await sender.send(checked, replace(TERMS, delivery="delta"), pseudonyms(checked))

    run(test)


def test_another_owners_dataset_is_refused_before_anything_is_sealed(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path, "000000001,2021-01-01,1,1,1\n", "short_time_work")
            with pytest.raises(Refused, match="dataset"):
                await sender.send(checked, TERMS, pseudonyms(checked))
            assert not (tmp_path / "node" / "spool").exists()

    run(test)


def test_too_many_rejected_rows_stop_the_sending(tmp_path: Path) -> None:
    async def test() -> None:
        async with sending(tmp_path) as site:
            sender = site.sender
            checked = extract(tmp_path, ROWS + "bad,2021-01-01,1,1\n" * 20)
            with pytest.raises(ExtractError, match="rows rejected"):
                await sender.send(checked, TERMS, pseudonyms(checked))
            assert await sender.hub.lots() == []

    run(test)
