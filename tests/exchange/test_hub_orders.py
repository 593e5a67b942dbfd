"""An order's life over real gRPC with a real enclave process that does what the test wants; statements are all real."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.hub import connected, eventually, hub_world, make_lot, make_order, served
from support.hub_members import TestMember, attending
from support.hub_scene import DATASETS, QUICK, Scene, member_of, scene
from support.world import PARTNERS, World
from vigie import segment
from vigie.authority import judge
from vigie.bodies import Delivery, Evidence, Refusal, Release, Run, read
from vigie.client import our_errors
from vigie.clock import stamp, utc_now
from vigie.errors import BadSignature, Missing, Refused
from vigie.journal.checkpoint import witnessed_by
from vigie.journal.proof import Receipt, verify_receipt
from vigie.statement import Statement, parse
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.config import Limits

Go = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return hub_world(tmp_path)


@pytest.fixture
def run() -> Go:
    return asyncio.run


def test_an_order_becomes_a_run_and_its_results_reach_their_recipients(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, "honest") as s:
            approvals = world.approve(await s_measurement(s))
            async with connected(s.hub.address, world, "acoss") as channel:
                await rpc.JournalStub(channel).Submit(pb.SubmitRequest(statement=approvals[0].raw))
            order = s.order()
            receipt = await s.submit(order)
            verify_receipt(Receipt.parse(receipt), order.raw, world.convention.log_key())
            steps = await s.follow(order)
            assert steps[-1].stage == "done" and steps[-1].last and not any(step.last for step in steps[:-1])
            check_order_of_entries(s, order, parse(steps[-1].run))
            await check_results(s, parse(steps[-1].run), tmp_path)
            question = s.members["acoss"].questions[0]
            assert list(question.approvals) == [approvals[0].raw]
            # The same order again attaches to what became of it, and starts nothing.
            assert await s.submit(order) == receipt
            assert (await s.follow(order))[-1].run == steps[-1].run
            assert s.members["acoss"].asked.count("release") == 1
            runs = (await s.operator.Runs(pb.RunsRequest())).runs
            assert [(record.order, record.run, record.stage) for record in runs] == [(order.raw, steps[-1].run, "done")]

    run(story())


async def s_measurement(s: Scene) -> bytes:
    return bytes.fromhex((await s.operator.Status(pb.StatusRequest())).enclave_measurement)


def check_order_of_entries(s: Scene, order: Statement, signed: Statement) -> None:
    """Order and evidence are in the journal before any release, and releases before the run."""
    journal, world = s.hub.journal, s.world
    (evidence,) = (parse(raw) for raw in journal.find("evidence", order.digest))
    judge(evidence.raw, world.chain, kind="evidence", current_only=True)
    judge(signed.raw, world.chain, kind="run", evidence=evidence)
    releases = [parse(raw) for raw in journal.find("release", order.digest)]
    places = [journal.place(one.digest) for one in (order, evidence, *releases, signed)]
    assert places == sorted(places) and len(releases) == 3
    body = read(signed, Run)
    assert set(body.releases.values()) == {one.digest.hex() for one in releases}
    for name, member in s.members.items():
        # Each was asked under a checkpoint that another organisation than its own and the hub's has cosigned.
        receipt = Receipt.parse(member.questions[0].evidence_receipt)
        opened = verify_receipt(receipt, evidence.raw, world.convention.log_key())
        assert witnessed_by(opened.note, world.convention.counting_witnesses(name))


async def check_results(s: Scene, signed: Statement, folder: Path) -> None:
    body = read(signed, Run)
    for name in PARTNERS:
        async with connected(s.hub.address, s.world, name) as channel:
            stub, journal = rpc.ResultsStub(channel), rpc.JournalStub(channel)
            (record,) = (await stub.List(pb.ListResultsRequest())).results
            assert (record.run, record.grant) == (signed.digest, f"{name}-list")
            assert (record.period, record.purpose) == ("2026-05", "early-warning")
            fetched = stub.Fetch(pb.FetchResultRequest(run=record.run, grant=record.grant))
            items = [item async for item in fetched]
            header, parts = items[0].header, [item.part for item in items[1:]]
            assert header.run == signed.raw and len(header.lots) == len(DATASETS)
            verify_receipt(Receipt.parse(header.run_receipt), signed.raw, s.world.convention.log_key())
            assert [segment.segment_id(part) for part in parts] == list(header.part_ids)
            (said,) = (result for result in body.results if result.recipient == name)
            assert segment.segment_root(list(header.part_ids)) == said.digest
            other = next(result.grant for result in body.results if result.recipient != name)
            with pytest.raises(Missing), our_errors():
                _ = [item async for item in stub.Fetch(pb.FetchResultRequest(run=record.run, grant=other))]
            await eventually(lambda name=name: s.members[name].notices == [signed.digest])  # type: ignore[misc]
            await check_delivery(s, journal, name, signed, said.digest)


async def check_delivery(
    s: Scene, journal: "rpc.JournalAsyncStub", name: str, signed: Statement, digest: bytes
) -> None:
    def delivery(result: bytes) -> Statement:
        body = Delivery(s.world.chain.digest, signed.digest, f"{name}-list", name, result, "A1", stamp(utc_now()))
        return s.world.sign(name, body)

    with pytest.raises(Refused), our_errors():
        await journal.Submit(pb.SubmitRequest(statement=delivery(b"\x00" * 32).raw))
    made = delivery(digest)
    with our_errors():
        receipt = (await journal.Submit(pb.SubmitRequest(statement=made.raw))).receipt
    verify_receipt(Receipt.parse(receipt), made.raw, s.world.convention.log_key())


@pytest.mark.parametrize(
    "mode", ["die-at-begin", "die-after-claim", "die-at-go", "die-before-run", "garbage", "part-skipped"]
)
def test_an_enclave_that_fails_once_is_started_again(tmp_path: Path, world: World, run: Go, mode: str) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, f"first-{mode}") as s:
            order = s.order()
            last = await s.ends(order)
            assert last.stage == "done", last.message
            (entry,) = s.hub.journal.find("run", order.digest)
            assert entry == last.run
            challenges = [
                challenge
                for evidence in s.bodies("evidence", Evidence, order.digest)
                for challenge in evidence.challenges.values()
            ]
            assert len(set(challenges)) == len(challenges)
            # Nothing of the attempt that failed is left beside what counts.
            packs = sum(len(list(path.iterdir())) for path in (s.config.folder / "results").iterdir())
            assert packs == len(PARTNERS)

    run(story())


@pytest.mark.parametrize(
    ("mode", "word"),
    [
        ("other-measurement", "attempts"),
        ("other-challenge", "attempts"),
        ("other-root", "attempts"),
        ("other-releases", "attempts"),
        ("fetch-beyond", "attempts"),
        ("refuse", "enclave order"),
    ],
)
def test_an_enclave_that_never_does_right_ends_the_order(
    tmp_path: Path, world: World, run: Go, mode: str, word: str
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, mode, limits=replace(QUICK, attempts=1)) as s:
            order = s.order()
            last = await s.ends(order)
            assert last.stage == "failed" and word in last.message
            assert not s.hub.journal.find("run")
            (reason,) = s.bodies("refusal", Refusal, order.digest)
            assert reason.reason.claim == word and reason.by == "hub"
            assert s.members["acoss"].asked.count("release") <= 1
            assert not list((s.config.folder / "results").glob("*/*"))

    run(story())


def test_attempts_are_bounded(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, "die-before-run") as s:
            order = s.order()
            assert (await s.ends(order)).stage == "failed"
            assert [member.asked.count("release") for member in s.members.values()] == [3, 3, 3]
            assert len(s.hub.journal.find("evidence", order.digest)) == 3

    run(story())


def test_an_enclave_that_signs_with_another_key_than_it_names_is_not_countersigned_into_the_journal(
    tmp_path: Path, world: World, run: Go
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, "other-signer", limits=replace(QUICK, attempts=1)) as s:
            assert (await s.ends(s.order())).stage == "failed"
            assert not s.hub.journal.find("evidence")

    run(story())


def test_an_enclave_that_says_nothing_is_killed(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        limits = Limits(announce_seconds=1, claim_seconds=2, attempts=1)
        async with scene(tmp_path, world, "silent", limits=limits) as s:
            assert (await s.ends(s.order())).stage == "failed"

    run(story())


def test_a_partner_that_refuses_is_named_and_the_run_goes_on(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        def prepare(members: dict[str, TestMember]) -> None:
            members["travail"].decision = "refused"
            members["banque-de-france"].release = "refused"

        async with scene(tmp_path, world, "honest", prepare=prepare) as s:
            order = s.order()
            last = await s.ends(order)
            assert last.stage == "done", last.message
            named = read(parse(last.run), Run).releases
            entries = {
                read(parse(raw), Release).partner: (parse(raw).digest.hex(), read(parse(raw), Release).decision)
                for raw in s.hub.journal.find("release", order.digest)
            }
            assert {name: digest for name, (digest, _) in entries.items()} == dict(named)
            decisions = {name: decision for name, (_, decision) in entries.items()}
            assert decisions == {"acoss": "released", "travail": "refused", "banque-de-france": "refused"}
            assert "release" not in s.members["travail"].asked

    run(story())


@pytest.mark.parametrize("how", ["decision", "release"])
def test_a_required_partner_that_refuses_ends_the_order(tmp_path: Path, world: World, run: Go, how: str) -> None:
    async def story() -> None:
        async with scene(
            tmp_path, world, "honest", prepare=lambda members: setattr(members["acoss"], how, "refused")
        ) as s:
            last = await s.ends(s.order())
            assert last.stage == "failed" and "required_partner" in last.message
            assert not s.hub.journal.find("run")

    run(story())


def test_a_partner_that_is_not_there_is_missing_after_the_deadline(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        # The auditor witnesses: acoss needs a witness that is neither its own nor of the hub's organisation.
        auditor = TestMember(world, "auditeur", tmp_path)
        async with scene(tmp_path, world, "honest", absent=("travail",)) as s, attending(s.hub.address, [auditor]):
            last = await s.ends(s.order(minutes=0.05))
            assert last.stage == "done", last.message
            assert dict(read(parse(last.run), Run).releases)["travail"] == "none"

    run(story())


def test_a_person_who_decides_later_is_asked_again(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(
            tmp_path, world, "honest", prepare=lambda members: setattr(members["travail"], "decision", "pending")
        ) as s:
            order = s.order()
            await s.submit(order)
            await eventually(lambda: s.members["travail"].asked.count("announce") >= 2)
            assert "challenge" not in s.members["acoss"].asked
            s.members["travail"].decision = "willing"
            assert (await s.follow(order))[-1].stage == "done"

    run(story())


def test_nothing_is_released_without_enough_witnesses(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        # acoss and the Banque de France attend; the latter does not count, being the hub's own organisation.
        def prepare(members: dict[str, TestMember]) -> None:
            members["travail"].decision = "refused"
            members["travail"].witnesses = False

        limits = replace(QUICK, quorum_seconds=1)
        async with scene(tmp_path, world, "honest", prepare=prepare, limits=limits) as s:
            order = s.order()
            await s.submit(order)
            standing = s.hub.conductor.standing
            await eventually(lambda: "too few witnesses" in standing(order.digest), seconds=20)
            assert all("release" not in member.asked for member in s.members.values())
            assert not s.hub.journal.find("evidence")
            auditor = TestMember(world, "auditeur", tmp_path)
            async with attending(s.hub.address, [auditor]):
                assert (await s.follow(order))[-1].stage == "done"

    run(story())


def test_a_lost_answer_costs_an_attempt_and_no_more(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        def prepare(members: dict[str, TestMember]) -> None:
            travail = members["travail"]

            def once() -> None:
                travail.release = "other-blob" if len(travail.questions) == 1 else "released"

            travail.before_release = once

        async with scene(tmp_path, world, "honest", prepare=prepare) as s:
            assert (await s.ends(s.order())).stage == "done"
            assert s.members["travail"].asked.count("release") == 2

    run(story())


def test_a_hub_that_stops_in_the_middle_takes_the_order_up_again(tmp_path: Path, world: World, run: Go) -> None:
    async def story() -> None:
        async with scene(
            tmp_path, world, "honest", prepare=lambda members: setattr(members["acoss"], "decision", "pending")
        ) as s:
            order = s.order()
            await s.submit(order)
            await eventually(lambda: "announce" in s.members["acoss"].asked)
            config = s.config
            lots = s.lots
        members = [member_of(world, name, tmp_path, lots) for name in PARTNERS]
        async with served(config, world) as hub, attending(hub.address, members):
            async with connected(hub.address, world, "hub") as channel:
                again = Scene(world, hub, config, [], rpc.OperatorStub(channel))
                assert (await again.follow(order))[-1].stage == "done"
            hub.journal.verify()

    run(story())


@pytest.mark.parametrize(
    ("changes", "claim"),
    [
        ({"purpose": "another"}, "purpose"),
        ({"minutes": -1}, "deadline"),
        ({"period": "2199-01"}, "period"),
        ({"convention": b"\x00" * 32}, "convention"),
        ({"epoch": 2}, None),
    ],
)
def test_an_order_that_the_convention_does_not_allow_is_refused(
    tmp_path: Path, world: World, run: Go, changes: dict[str, Any], claim: str | None
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, "honest", absent=PARTNERS) as s:
            with pytest.raises(Refused) as caught:
                await s.submit(s.order(**changes))
            assert claim in (None, caught.value.claim)
            assert not s.hub.journal.find("order")

    run(story())


def test_an_order_must_be_signed_by_an_operator_and_name_every_current_lot(
    tmp_path: Path, world: World, run: Go
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, "honest", absent=PARTNERS) as s:
            with pytest.raises(BadSignature):
                await s.submit(s.order(signer=world.signer("acoss")))
            with pytest.raises(Refused, match="current lots"):
                await s.submit(make_order(world, s.lots[:-1]))
            with pytest.raises(Refused, match="lots"):
                await s.submit(make_order(world, [*s.lots, s.lots[0]]))
            foreign = make_lot(world, "headcount").statement
            with pytest.raises(Refused, match="current lots"):
                await s.submit(make_order(world, [*s.lots, foreign]))
            with pytest.raises(Missing):
                await s.follow(s.order())
            async with connected(s.hub.address, world, "acoss") as channel:
                with pytest.raises(Refused), our_errors():
                    stub = rpc.OperatorStub(channel)
                    await stub.SubmitOrder(pb.SubmitOrderRequest(order=s.order().raw))

    run(story())
