"""``vigie-node withdraw`` over a real hub: what is withdrawn is opened by nothing, and everybody says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.hub import connected, eventually, hub_world, make_folder, make_order, served
from support.nodes import MEASUREMENT, Enclave, attending, deposit, lot_of, make_node
from support.processes import command, running
from support.town import hours, table
from support.world import PASSPHRASE, World
from vigie import bodies, custody, durable, statement
from vigie.audit.export import fetch
from vigie.audit.verify import verify
from vigie.authority import judge
from vigie.client_journal import JournalClient
from vigie.clock import stamp, utc_now
from vigie.errors import BadSeal, Missing, Refused
from vigie.journal.proof import Receipt, verify_receipt
from vigie.keyring import Keyring
from vigie.sealing import SealingPrivateKey, segment_info
from vigie_hub.config import HubConfig
from vigie_hub.questions import Announce, Announced, AskRelease, Challenge, DrawChallenge, Released
from vigie_hub.server import Hub
from vigie_node import withdrawing
from vigie_node.folder import Node, NodeFolder
from vigie_node.outbox import Spool
from vigie_node.sending import Sender, Sent, Terms
from vigie_node.wire import Hub as HubCalls

INSIDE = [f"{number:09d}" for number in range(100_000_000, 100_000_030)]
TERMS = Terms("2026-05", date(2026, 5, 31))


@dataclass
class Scene:
    world: World
    config: HubConfig
    hub: Hub
    folder: NodeFolder
    tmp: Path

    def open(self) -> Node:
        return Node.open(self.folder.root, PASSPHRASE)

    async def send(self, node: Node, companies: list[str]) -> Sent:
        """Send an extract of short-time work as its partner does, sealed with the keyring's own seed."""
        async with connected(self.hub.address, self.world, "travail") as channel:
            sender = Sender(
                node.chain, node.keyring, node.state, Spool(node.folder.spool), HubCalls(channel), utc_now
            )  # fmt: skip
            return await sender.send(hours(self.tmp, companies), TERMS, table(companies))

    async def submit(self, raw: bytes) -> bytes:
        async with connected(self.hub.address, self.world, "travail") as channel:
            return await HubCalls(channel).submit(raw)

    def withdraw(self, *more: str, yes: bool = True) -> Any:
        said = ["--yes"] if yes else []
        return command("vigie-node", "withdraw", "--folder", self.folder.root, "--epoch", "1", *said, *more)


@asynccontextmanager
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    world = hub_world(tmp_path)
    world.approve(MEASUREMENT, ["acoss", "travail"])
    config = make_folder(tmp_path / "hub", world)
    async with served(config, world) as hub:
        folder = make_node(world, "travail", tmp_path / "travail", hub.address)
        yield Scene(world, config, hub, folder, tmp_path)


def opened_by(at: Scene, seeds: list[bytes], lot: bodies.Lot) -> int:
    """How many segments on the hub's disk open with keys made of any of these seeds, tried as the lot's epoch seed."""
    (row,) = (one for one in at.hub.deposits.lots() if bodies.read(statement.parse(one.statement), bodies.Lot) == lot)
    _, parts, extents, pack = at.hub.deposits.segments_of(row.digest)
    data = (at.config.folder / "lots" / pack).read_bytes()
    found, place = 0, 0
    for bucket, count in enumerate(parts):
        for part in range(count):
            extent = extents[place]
            sealed = data[extent.start : extent.start + extent.size]
            place += 1
            for seed in seeds:
                key = SealingPrivateKey.from_seed(custody.lot_key_seed(seed, lot.lot))
                try:
                    key.open(segment_info(at.world.convention.id, lot.lot, bucket, part), sealed)
                    found += 1
                except BadSeal:
                    continue
    return found


def all_seeds(path: Path) -> list[bytes]:
    """Everything in a keyring that could be taken for an epoch seed."""
    return [seed[:32] for _, seed in Keyring.load(path, PASSPHRASE).seeds()]


def test_afterwards_nothing_opens_what_was_withdrawn(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            node = at.open()
            sent = await at.send(node, INSIDE)
            node.close()
            lot, keyring = sent.lot.body, at.world.keyring_path("travail")
            assert opened_by(at, all_seeds(keyring), lot) == lot.segments, "positive control"
            # A rehearsal says what would be lost and changes nothing, not even while the node runs.
            before = keyring.read_bytes()
            rehearsed = await at.withdraw("--rehearse", yes=False)
            assert rehearsed.code == 0 and "nothing was changed" in rehearsed.out
            for wanted in (
                "destroys the one seed that opens 1 lot", "short_time_work: 2026-05", "nothing can be sent until",
                "No words of this seed were recorded", "Nothing else in the folders of node and keyring could undo it",
            ):  # fmt: skip
                assert wanted in rehearsed.err.replace("\n", " ")
            assert keyring.read_bytes() == before and opened_by(at, all_seeds(keyring), lot) == lot.segments
            # Nobody confirms: nothing happens. A script confirms with --yes.
            silent = await at.withdraw(yes=False)
            assert silent.code != 0 and keyring.read_bytes() == before
            done = await at.withdraw("--reason", "sent by mistake")
            assert done.code == 0 and "is withdrawn" in done.out and "the journal says so" in done.out, done.err
            assert opened_by(at, all_seeds(keyring), lot) == 0
            # The journal says so, in the member's own words; old receipts are as good as before.
            (raw,) = at.hub.journal.find("erasure")
            erasure = judge(raw, at.world.chain, kind="erasure").body
            assert (erasure.member, erasure.epoch, erasure.lots) == ("travail", 1, (sent.lot.digest,))
            assert erasure.reason == "sent by mistake"
            verify_receipt(Receipt.parse(sent.lot.receipt), sent.lot.statement, at.world.convention.log_key())
            async with connected(at.hub.address, at.world, "auditeur") as channel:
                report = verify(await fetch(JournalClient(channel), at.world.convention.log_key()))
            assert not [fault for check in report.checks for fault in check.failures]
            (event,) = (event.sentence for event in report.events if event.kind == "erasure")
            assert event == "travail destroyed the seed of epoch 1, which opened 1 lot: sent by mistake"
            again = await at.withdraw()
            assert again.code == 0 and len(at.hub.journal.find("erasure")) == 1
            node = at.open()
            (receipt,) = node.withdrawals.receipts(1)
            verify_receipt(Receipt.parse(receipt), raw, at.world.convention.log_key())
            assert not node.state.current_lots() and not at.hub.deposits.lots(current_only=True)
            with pytest.raises(Refused) as refused:
                await at.send(node, INSIDE)
            assert refused.value.claim == "epoch"
            node.close()

    asyncio.run(test())


def test_a_running_node_must_be_stopped_first(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            before = at.world.keyring_path("travail").read_bytes()
            async with running("vigie-node", "run", "--folder", at.folder.root) as daemon:
                await eventually(lambda: daemon.said("attending", member="travail"), seconds=30)
                refused = await at.withdraw()
                assert refused.code == 2 and "stop it first" in refused.err
                assert await daemon.end() == 0
            assert at.world.keyring_path("travail").read_bytes() == before

    asyncio.run(test())


def test_without_the_hub_the_seed_goes_and_the_daemon_tells_later(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            node = at.open()
            await at.send(node, INSIDE)
            node.close()
            address = at.hub.address
        keyring = at.world.keyring_path("travail")
        done = await at.withdraw("--json")
        assert done.code == 0 and done.json()["journaled"] is False
        assert Keyring.load(keyring, PASSPHRASE).epochs() == ()
        async with served(replace(at.config, listen=address), at.world) as hub, attending(at.folder, hub) as node:
            await eventually(lambda: bool(hub.journal.find("erasure")), seconds=20)
            await eventually(lambda: bool(node.withdrawals.receipts(1)), seconds=20)
            assert node.withdrawals.unsubmitted() == () and not hub.deposits.lots(current_only=True)

    asyncio.run(test())


@pytest.mark.parametrize("step", ["intended", "erased", "marked", "signed", "submitted"])
def test_killed_at_any_step_and_run_again_it_completes(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> Any:
        raise Killed

    async def test() -> None:
        async with scene(tmp_path) as at:
            node = at.open()
            await at.send(node, INSIDE)
            with monkeypatch.context() as patch, pytest.raises(Killed):
                if step == "intended":
                    patch.setattr(withdrawing, "erase_epoch", die)
                elif step == "erased":
                    patch.setattr(type(node.withdrawals), "mark_erased", die)
                elif step == "marked":
                    patch.setattr(withdrawing, "_signed", die)
                elif step == "signed":
                    patch.setattr(type(node.withdrawals), "unsubmitted", die)
                else:
                    patch.setattr(type(node.withdrawals), "keep_receipt", die)
                withdrawing.erase(node, PASSPHRASE, 1, reason=None, clock=utc_now)
                await withdrawing.announce(node, at.submit)
            node.close()
            node = at.open()
            # From the intention on, nothing here opens anything of it.
            assert not node.state.current_lots()
            with pytest.raises(Missing):
                node.keyring.epoch_seed(1)
            withdrawing.erase(node, PASSPHRASE, 1, reason=None, clock=utc_now)
            await withdrawing.announce(node, at.submit)
            assert len(at.hub.journal.find("erasure")) == len(node.withdrawals.receipts(1)) == 1
            assert Keyring.load(node.folder.keyring, PASSPHRASE).epochs() == ()
            node.close()

    asyncio.run(test())


def test_a_restored_keyring_and_a_lost_state_open_nothing(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            node = at.open()
            sent = await at.send(node, INSIDE)
            kept = at.world.keyring_path("travail").read_bytes()
            withdrawing.erase(node, PASSPHRASE, 1, reason=None, clock=utc_now)
            await withdrawing.announce(node, at.submit)
            node.close()
            durable.write_file(at.world.keyring_path("travail"), kept)
            node = at.open()
            with pytest.raises(Missing):
                node.keyring.epoch_seed(1)
            left = withdrawing.remaining(node, PASSPHRASE, 1)
            assert left == [] and withdrawing.foresee(node, PASSPHRASE, 1, now=utc_now()).here, "it says so"
            node.close()
            # Without its state the node learns it from its own signature, which the hub gives back.
            for path in at.folder.root.glob("state.sqlite*"):
                path.unlink()
            async with attending(at.folder, at.hub) as node:
                await eventually(lambda: len(node.state.lots()) == 1, seconds=20)
                await eventually(lambda: node.withdrawals.epochs() == {1}, seconds=20)
                assert not node.state.current_lots() and node.state.lots()[0].digest == sent.lot.digest
                with pytest.raises(Missing):
                    node.keyring.epoch_seed(1)

    asyncio.run(test())


# -- orders -------------------------------------------------------------------------------------------------------


def test_orders_over_what_was_withdrawn_are_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            debts = lot_of(at.world, "debts")
            await deposit(at.world, at.hub.address, debts)
            node = at.open()
            sent = await at.send(node, INSIDE)
            node.close()
            mine = statement.parse(sent.lot.statement)
            other = make_node(at.world, "acoss", tmp_path / "acoss", at.hub.address)
            pending = make_order(at.world, [debts.statement, mine], minutes=60)
            async with attending(other, at.hub) as acoss:
                async with attending(at.folder, at.hub) as travail:
                    answer = await at.hub.attendance.ask("travail", Announce(pending.raw), Announced, timeout=20)
                    assert answer.decision == "willing"
                    challenge = (
                        await at.hub.attendance.ask("travail", DrawChallenge(pending.digest), Challenge, timeout=20)
                    ).challenge
                    await eventually(lambda: travail.ledger.order(pending.digest) is not None)
                node = at.open()
                withdrawing.erase(node, PASSPHRASE, 1, reason=None, clock=utc_now)
                await withdrawing.announce(node, at.submit)
                node.close()
                # Pending: the node that was willing refuses to release, and names why.
                evidence = Enclave().evidence(at.world, pending, {"travail": challenge})
                async with attending(at.folder, at.hub) as travail:
                    await at.hub.journal.submit([pending, evidence])
                    size = at.hub.journal.size
                    await eventually(lambda: _witnessed(travail, size) and _witnessed(acoss, size), seconds=20)
                    question = AskRelease(
                        pending.raw, evidence.raw, at.hub.journal.receipt_at(pending.digest, size),
                        at.hub.journal.receipt_at(evidence.digest, size), tuple(one.raw for one in at.world.approvals),
                    )  # fmt: skip
                    given = await at.hub.attendance.ask("travail", question, Released, timeout=20)
                    body = judge(given.statement, at.world.chain, kind="release").body
                    assert (body.decision, given.blob) == ("refused", b"") and body.reason.claim == "lots"
                    assert "destroyed" in body.reason.found and "not withdrawn" in body.reason.expected
                    # Later ones: the hub refuses them before they are in the journal.
                    late = make_order(at.world, [debts.statement, mine], minutes=90)
                    with pytest.raises(Refused) as refused:
                        await at.hub.conductor.submit(late.raw)
                    assert refused.value.claim == "lots" and "withdrawn with its epoch 1" in refused.value.found
                    assert not at.hub.journal.find("run")

    asyncio.run(test())


def _witnessed(node: Node, size: int) -> bool:
    return node.state.witness.state(node.convention.origin).size >= size


def test_the_hub_takes_no_other_s_erasure_and_no_further_lot(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            debts = lot_of(at.world, "debts")
            await deposit(at.world, at.hub.address, debts)

            def erasure(member: str, *lots: bytes) -> bytes:
                body = bodies.Erasure(at.world.chain.digest, member, 1, lots, None, stamp(utc_now()))
                return at.world.sign(member, body).raw

            with pytest.raises(Refused) as refused:
                await at.submit(erasure("acoss"))
            assert refused.value.claim == "signer"
            with pytest.raises(Refused) as refused:
                await at.submit(erasure("travail", debts.statement.digest))
            assert refused.value.claim == "lots"
            assert len(at.hub.deposits.lots(current_only=True)) == 1 and not at.hub.journal.find("erasure")
            # Begun and not committed, then withdrawn: the commit finds nothing, a new Begin is refused.
            begun = lot_of(at.world, "short_time_work")
            async with connected(at.hub.address, at.world, "travail") as channel:
                calls = HubCalls(channel)
                await calls.begin(begun.statement.raw, begun.ids, begun.parts)
                async for _ in calls.put(begun.body.lot, begun.segments):
                    pass
                await calls.submit(erasure("travail"))
                with pytest.raises(Missing):
                    await calls.commit(begun.body.lot)
                with pytest.raises(Refused) as refused:
                    await calls.begin(begun.statement.raw, begun.ids, begun.parts)
                assert refused.value.claim == "epoch"
                assert await calls.erasures() == at.hub.journal.find("erasure")
            assert not list((at.config.folder / "lots").glob("travail/*"))

    asyncio.run(test())


# -- a new epoch --------------------------------------------------------------------------------------------------


def new_epoch(world: World) -> bytes:
    """Amend the convention: epoch 1 ended yesterday, epoch 2 counts from today; every custodian has new keys."""
    today = utc_now().date()
    for name, ring in world.keyrings.items():
        if "partner" in ring.roles:
            ring.add_epoch(2)
            with Keyring.changing(world.keyring_path(name), PASSPHRASE) as kept:
                kept.add_epoch(2, random=lambda _, ring=ring: ring.epoch_seed(2))  # type: ignore[misc]
    (first,) = world.convention.epochs
    custodians = [
        {"member": one.member, "key": world.keyrings[one.member].custodian(2).public.hex()} for one in first.custodians
    ]
    old = [{"member": one.member, "key": one.key.hex()} for one in first.custodians]
    world.amend(
        {
            "pseudonyms.epoch": [
                {"number": 1, "from": str(first.start), "to": str(today - timedelta(days=1)), "custodian": old},
                {"number": 2, "from": str(today), "to": str(first.end), "custodian": custodians},
            ]
        }
    )
    return world.raws[-1]


@pytest.mark.parametrize("withdrawn", [True, False])
def test_a_new_epoch_lets_the_partner_send_again(tmp_path: Path, withdrawn: bool) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            node = at.open()
            first = await at.send(node, INSIDE)
            if withdrawn:
                withdrawing.erase(node, PASSPHRASE, 1, reason=None, clock=utc_now)
                await withdrawing.announce(node, at.submit)
            node.close()
            amended = new_epoch(at.world)
            await at.hub.agreement.amend(amended, now=utc_now())
            node = at.open()
            assert node.accept_convention(amended)
            assert node.keyring.epochs() == ((2,) if withdrawn else (1, 2))
            second = await at.send(node, INSIDE)
            assert second.lot.body.epoch == 2 and second.lot.body.supersedes == (
                None if withdrawn else first.lot.body.lot
            )
            assert [lot.digest for lot in node.state.current_lots()] == [second.lot.digest]
            assert [row.digest for row in at.hub.deposits.lots(current_only=True)] == [second.lot.digest]
            seeds = all_seeds(at.world.keyring_path("travail"))
            assert opened_by(at, seeds, second.lot.body) == second.lot.body.segments
            assert opened_by(at, seeds, first.lot.body) == (0 if withdrawn else first.lot.body.segments)
            node.close()

    asyncio.run(test())
