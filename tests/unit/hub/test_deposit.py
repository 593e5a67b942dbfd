"""Depositing over real gRPC: idempotent at every step, resumed after any cut, and refused for every reason there is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from support.hub import MadeLot, connected, make_folder, make_lot, served
from support.world import World
from vigie import segment
from vigie.bodies import Refusal, read
from vigie.client import our_errors
from vigie.errors import BadProof, BadSignature, Malformed, MalformedSegment, Missing, Refused, VigieError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.statement import parse
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.config import Limits
from vigie_hub.server import Hub
from vigie_hub.taking import PART_CAP

Run = Callable[[Coroutine[Any, Any, None]], None]


class Partner:
    """A partner at the other end of a channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.stub = rpc.DepositStub(channel)
        self.journal = rpc.JournalStub(channel)

    async def begin(self, lot: MadeLot, **changed: Any) -> pb.BeginResponse:
        fields = {"statement": lot.statement.raw, "segment_ids": lot.ids, "parts_per_bucket": lot.parts, **changed}
        with our_errors():
            return await self.stub.Begin(pb.BeginRequest(**fields))

    async def put(self, lot: MadeLot, segments: Iterable[bytes] | None = None) -> list[bytes]:
        async def stream() -> AsyncIterator[pb.PutRequest]:
            for data in lot.segments if segments is None else segments:
                yield pb.PutRequest(lot=lot.body.lot, segment=data)

        with our_errors():
            return [answer.accepted async for answer in self.stub.Put(stream())]

    async def commit(self, lot: MadeLot) -> bytes:
        with our_errors():
            return (await self.stub.Commit(pb.CommitRequest(lot=lot.body.lot))).receipt

    async def send(self, lot: MadeLot) -> bytes:
        begun = await self.begin(lot)
        if begun.receipt:
            return begun.receipt
        wanted = set(begun.missing)
        await self.put(lot, [data for data, id_ in zip(lot.segments, lot.ids, strict=True) if id_ in wanted])
        return await self.commit(lot)


@asynccontextmanager
async def partner(
    folder: Path, world: World, member: str = "acoss", limits: Limits | None = None
) -> AsyncIterator[Any]:
    config = make_folder(folder / "hub", world, limits=limits)
    async with served(config, world) as hub, connected(hub.address, world, member) as channel:
        yield hub, Partner(channel)


def state(hub: Hub) -> tuple[int, int, int, int]:
    """(entries, committed, open, bytes), after the journal was verified whole."""
    return (hub.journal.verify(), *hub.deposits.counts())


async def refused(call: Awaitable[Any], claim: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    assert caught.value.claim == claim
    return caught.value


def test_a_lot_is_deposited_and_everything_again_changes_nothing(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        lot = make_lot(world)
        async with partner(tmp_path, world) as (hub, acoss):
            begun = await acoss.begin(lot)
            assert list(begun.missing) == lot.ids and not begun.receipt
            assert sorted(await acoss.put(lot)) == sorted(lot.ids)
            receipt = await acoss.commit(lot)
            verify_receipt(Receipt.parse(receipt), lot.statement.raw, world.convention.log_key())
            before = state(hub)
            assert before == (2, 1, 0, lot.body.bytes)
            assert await acoss.commit(lot) == receipt
            assert sorted(await acoss.put(lot)) == sorted(lot.ids)
            again = await acoss.begin(lot.signed_again(world))
            assert again.receipt == receipt and again.committed_statement == lot.statement.raw and not again.missing
            assert await acoss.commit(lot) == receipt
            assert state(hub) == before
        async with partner(tmp_path, world) as (hub, acoss):
            assert (await acoss.begin(lot)).receipt == receipt
            assert state(hub) == before
            ids, parts, extents, pack = hub.deposits.segments_of(lot.statement.digest)
            assert (ids, parts) == (lot.ids, lot.parts)
            path = tmp_path / "hub" / "lots" / pack
            assert [path.read_bytes()[e.start : e.start + e.size] for e in extents] == lot.segments

    run(story())


def test_after_a_cut_only_what_is_missing_is_wanted(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        lot = make_lot(world, per_bucket=(3, 3, 3, 3))
        async with partner(tmp_path, world) as (_, acoss):
            await acoss.begin(lot)
            await acoss.put(lot, lot.segments[2:7])
            with pytest.raises(Missing, match="7 segments"):
                await acoss.commit(lot)
        async with partner(tmp_path, world) as (hub, acoss):
            begun = await acoss.begin(lot)
            assert list(begun.missing) == lot.ids[:2] + lot.ids[7:]
            await acoss.send(lot)
            assert state(hub) == (2, 1, 0, lot.body.bytes)

    run(story())


def test_segments_may_come_in_any_order_twice_and_on_several_streams(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        lot = make_lot(world, per_bucket=(10, 10, 10, 10))
        async with partner(tmp_path, world) as (hub, acoss):
            await acoss.begin(lot)
            await asyncio.gather(
                acoss.put(lot, lot.segments[::-1]), acoss.put(lot, lot.segments), acoss.put(lot, lot.segments[5:30] * 2)
            )
            await acoss.commit(lot)
            _, _, extents, pack = hub.deposits.segments_of(lot.statement.digest)
            data = (tmp_path / "hub" / "lots" / pack).read_bytes()
            assert [data[e.start : e.start + e.size] for e in extents] == lot.segments
            assert state(hub)[3] == lot.body.bytes

    run(story())


def test_a_lot_sealed_anew_before_its_commit_replaces_the_open_one(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        lot = make_lot(world)
        anew = make_lot(world, lot=lot.body.lot)
        async with partner(tmp_path, world) as (hub, acoss):
            await acoss.begin(lot)
            await acoss.put(lot)
            assert list((await acoss.begin(anew)).missing) == anew.ids
            with pytest.raises(MalformedSegment):
                await acoss.put(lot)
            receipt = await acoss.send(anew)
            verify_receipt(Receipt.parse(receipt), anew.statement.raw, world.convention.log_key())
            assert state(hub) == (2, 1, 0, anew.body.bytes)
            assert len(list((tmp_path / "hub" / "lots" / "acoss").iterdir())) == 1

    run(story())


def test_a_later_statement_over_the_same_segments_counts_until_the_commit(
    tmp_path: Path, world: World, run: Run
) -> None:
    async def story() -> None:
        lot = make_lot(world)
        later = lot.signed_again(world)
        async with partner(tmp_path, world) as (_, acoss):
            await acoss.begin(lot)
            await acoss.put(lot)
            assert not (await acoss.begin(later)).missing
            receipt = await acoss.commit(later)
            verify_receipt(Receipt.parse(receipt), later.statement.raw, world.convention.log_key())

    run(story())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"segment_ids": []}, Malformed),
        ({"segment_ids": [b"\x00" * 31] * 5}, Malformed),
        ({"parts_per_bucket": [5, 0, 0, 0]}, Malformed),
        ({"parts_per_bucket": [2, 3]}, Malformed),
        ({"parts_per_bucket": [1, 2, 1, 2]}, Malformed),
        ({"statement": b"not a statement"}, Malformed),
    ],
)
def test_a_list_that_does_not_fit_the_statement_is_refused(
    tmp_path: Path, world: World, run: Run, change: dict[str, Any], error: type[VigieError]
) -> None:
    async def story() -> None:
        async with partner(tmp_path, world) as (hub, acoss):
            with pytest.raises(error):
                await acoss.begin(make_lot(world), **change)
            assert state(hub) == (1, 0, 0, 0)

    run(story())


def test_a_list_in_another_order_is_refused(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        lot = make_lot(world)
        async with partner(tmp_path, world) as (_, acoss):
            with pytest.raises(BadProof):
                await acoss.begin(lot, segment_ids=lot.ids[::-1])

    run(story())


def test_segments_that_were_not_announced_are_refused(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        lot = make_lot(world)
        async with partner(tmp_path, world) as (hub, acoss):
            await acoss.begin(lot)
            with pytest.raises(MalformedSegment):
                await acoss.put(lot, [lot.segments[0][:-1]])
            with pytest.raises(MalformedSegment):
                await acoss.put(lot, [bytes(PART_CAP + 1)])
            with pytest.raises(Missing):
                await acoss.put(make_lot(world))
            assert state(hub) == (1, 0, 1, 0)

    run(story())


def test_a_statement_that_says_another_size_is_refused_at_commit(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        async with partner(tmp_path, world) as (hub, acoss):
            await refused(acoss.send(make_lot(world, bytes=17)), "bytes")
            assert hub.deposits.counts()[0] == 0

    run(story())


def test_nobody_deposits_for_somebody_else(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        async with partner(tmp_path, world, "travail") as (hub, travail):
            await refused(travail.begin(make_lot(world)), "partner")
            forged = make_lot(world, partner="travail", dataset="short_time_work", signer=world.signer("acoss"))
            with pytest.raises(BadSignature):
                await travail.begin(forged)
            foreign = make_lot(world, partner="travail", signer=world.signer("travail"))
            await refused(travail.begin(foreign), "dataset")
            lot = make_lot(world, "short_time_work")
            await travail.send(lot)
            async with connected(hub.address, world, "acoss") as channel:
                other = Partner(channel)
                with pytest.raises(Missing):
                    await other.commit(lot)
                with pytest.raises(Missing):
                    await other.put(lot)
                assert not (await other.stub.Lots(pb.LotsRequest())).lots
            reasons = [read(parse(raw), Refusal) for raw in hub.journal.find("refusal")]
            assert [(r.about, r.reason.claim) for r in reasons] == [("travail", "partner"), ("travail", "dataset")]
            assert reasons[0].subject is not None and reasons[0].by == "hub"
            hub.journal.verify()

    run(story())


def test_snapshots_and_deltas_make_the_current_lots(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        async with partner(tmp_path, world) as (hub, acoss):

            def current() -> set[bytes]:
                return {row.digest for row in hub.deposits.lots(current_only=True)}

            first = make_lot(world)
            await acoss.send(first)
            delta = make_lot(world, delivery="delta", base=first.body.lot)
            await acoss.send(delta)
            other = make_lot(world, "headcount")
            await acoss.send(other)
            assert current() == {first.statement.digest, delta.statement.digest, other.statement.digest}
            better = make_lot(world, delivery="delta", base=first.body.lot, supersedes=delta.body.lot)
            await acoss.send(better)
            assert current() == {first.statement.digest, better.statement.digest, other.statement.digest}
            await refused(acoss.begin(make_lot(world)), "supersedes")
            await refused(acoss.begin(make_lot(world, supersedes=delta.body.lot)), "supersedes")
            await refused(acoss.begin(make_lot(world, supersedes=first.body.lot, base=first.body.lot)), "delivery")
            await refused(acoss.begin(make_lot(world, delivery="delta", base=other.body.lot)), "base")
            await refused(acoss.begin(make_lot(world, delivery="delta")), "delivery")
            stale = make_lot(world, delivery="delta", base=first.body.lot, supersedes=delta.body.lot)
            await refused(acoss.begin(stale), "supersedes")
            second = make_lot(world, supersedes=first.body.lot)
            await acoss.send(second)
            assert current() == {second.statement.digest, other.statement.digest}
            records = (await acoss.stub.Lots(pb.LotsRequest())).lots
            assert [record.current for record in records] == [False, False, True, False, True]
            assert await acoss.send(first) == hub.journal.receipt(first.statement.digest)
            assert current() == {second.statement.digest, other.statement.digest}

    run(story())


def test_of_two_snapshots_that_replace_the_same_one_the_second_is_refused(
    tmp_path: Path, world: World, run: Run
) -> None:
    async def story() -> None:
        async with partner(tmp_path, world) as (hub, acoss):
            one, two = make_lot(world), make_lot(world)
            for lot in (one, two):
                await acoss.begin(lot)
                await acoss.put(lot)
            await acoss.commit(one)
            await refused(acoss.commit(two), "supersedes")
            assert hub.deposits.counts()[:2] == (1, 1)

    run(story())


@pytest.mark.parametrize(("rows", "confirmed", "passes"), [(96, False, True), (64, False, False), (64, True, True)])
def test_a_snapshot_that_shrinks_must_be_confirmed(
    tmp_path: Path, world: World, run: Run, rows: int, confirmed: bool, passes: bool
) -> None:
    async def story() -> None:
        first = make_lot(world, rows_class=96)
        second = make_lot(world, rows_class=rows, shrink_confirmed=confirmed, supersedes=first.body.lot)
        async with partner(tmp_path, world) as (_, acoss):
            await acoss.send(first)
            if passes:
                await acoss.send(second)
            else:
                error = await refused(acoss.send(second), "shrink")
                assert "--confirm-shrink" in error.hint

    run(story())


def test_open_lots_are_bounded_and_committed_ones_do_not_count(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        async with partner(tmp_path, world, limits=Limits(open_lots=2)) as (_, acoss):
            lots = [make_lot(world, name) for name in ("debts", "headcount", "contributions")]
            await acoss.begin(lots[0])
            await acoss.begin(lots[1])
            await acoss.begin(lots[1])
            await refused(acoss.begin(lots[2]), "open_lots")
            await acoss.send(lots[0])
            await acoss.send(lots[2])

    run(story())


def test_refusals_beyond_the_hour_are_counted_not_entered(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        async with partner(tmp_path, world, "travail", limits=Limits(refusals_per_hour=3)) as (hub, travail):
            for _ in range(7):
                await refused(travail.begin(make_lot(world, per_bucket=(1, 1, 1, 1), size=4)), "partner")
            assert len(hub.journal.find("refusal")) == 3
            rows = hub.store.reader.execute("SELECT member, count FROM refusal_hour").fetchall()
            assert rows == [("travail", 7)]

    run(story())


def test_segment_ids_are_those_of_the_ciphertext(world: World) -> None:
    lot = make_lot(world)
    assert [segment.segment_id(data) for data in lot.segments] == lot.ids
