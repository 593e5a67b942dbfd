"""A node's daemon and a real hub over mutual TLS: attending, witnessing, deciding, releasing, coming back."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support.hub import MadeLot, eventually, hub_world, make_folder, make_order, served
from support.nodes import MEASUREMENT, Enclave, attending, deposit, lot_of, make_node, open_node
from support.world import World
from vigie import bodies, custody, statement
from vigie.authority import judge
from vigie.clock import stamp, utc_now
from vigie.errors import InputError, Missing, Refused, VigieError
from vigie.journal.checkpoint import open_checkpoint, witnessed_by
from vigie.statement import Statement
from vigie_hub.questions import Announce, Announced, AskRelease, Challenge, Cosign, Cosigned, DrawChallenge, Released
from vigie_hub.server import Hub
from vigie_node.config import Policy
from vigie_node.daemon import ATTENDANCE
from vigie_node.folder import Node, NodeFolder


@dataclass
class Scene:
    """A hub with a lot of ``acoss`` and one of ``banque-de-france``, and the nodes of ``acoss`` and ``travail``."""

    world: World
    hub: Hub
    folder: NodeFolder
    acoss: Node
    travail: Node
    lots: list[MadeLot]

    async def ask_announce(self, order: Statement) -> Announced:
        return await self.hub.attendance.ask("acoss", Announce(order.raw), Announced, timeout=10)

    async def ask_challenge(self, order: Statement) -> bytes:
        answer = await self.hub.attendance.ask("acoss", DrawChallenge(order.digest), Challenge, timeout=10)
        return answer.challenge

    async def journaled(self, *statements: Statement) -> int:
        """Put statements into the journal and wait until both nodes have witnessed them; returns that size."""
        await self.hub.journal.submit(statements)
        size = self.hub.journal.size
        await eventually(lambda: all(self.witnessed(name, size) for name in ("acoss", "travail")))
        return size

    def witnessed(self, member: str, size: int) -> bool:
        opened = open_checkpoint(self.hub.journal.checkpoint(size), self.world.convention.log_key())
        return f"{member}/witness" in witnessed_by(opened.note, self.world.convention.witness_keys())

    async def ask_release(
        self, order: Statement, evidence: Statement, approvals: Sequence[Statement] | None = None
    ) -> Released:
        size = await self.journaled(order, evidence)
        return await self.again(order, evidence, size, approvals)

    async def again(
        self, order: Statement, evidence: Statement, size: int, approvals: Sequence[Statement] | None = None
    ) -> Released:
        given = self.world.approvals if approvals is None else approvals
        question = AskRelease(
            order.raw,
            evidence.raw,
            self.hub.journal.receipt_at(order.digest, size),
            self.hub.journal.receipt_at(evidence.digest, size),
            tuple(one.raw for one in given),
        )
        return await self.hub.attendance.ask("acoss", question, Released, timeout=20)

    def judged(self, answer: Released) -> bodies.Release:
        judged = judge(answer.statement, self.world.chain, kind="release", current_only=True)
        assert isinstance(judged.body, bodies.Release)
        assert judged.body.partner == "acoss"
        return judged.body


def order_of(at: Scene, lots: list[MadeLot], **changed: Any) -> Statement:
    return make_order(at.world, [lot.statement for lot in lots], minutes=60, **changed)


@asynccontextmanager
async def scene(tmp_path: Path, *, policy: Policy = "auto") -> AsyncIterator[Scene]:
    world = hub_world(tmp_path)
    world.approve(MEASUREMENT, ["acoss", "travail"])
    async with served(make_folder(tmp_path / "hub", world), world) as hub:
        lots = [lot_of(world, "debts"), lot_of(world, "ratios")]
        for lot in lots:
            await deposit(world, hub.address, lot)
        folder = make_node(world, "acoss", tmp_path / "acoss", hub.address, policy=policy)
        other = make_node(world, "travail", tmp_path / "travail", hub.address)
        async with attending(folder, hub) as acoss, attending(other, hub) as travail:
            yield Scene(world, hub, folder, acoss, travail, lots)


# -- attending and witnessing -------------------------------------------------------------------------------------


def test_attends_witnesses_and_takes_over_its_lots(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            await eventually(lambda: at.witnessed("acoss", at.hub.journal.size))
            await eventually(lambda: len(at.acoss.state.lots()) == 1)
            (lot,) = at.acoss.state.current_lots("debts")
            assert lot.statement == at.lots[0].statement.raw
            kept = json.loads(at.acoss.state.value(ATTENDANCE) or b"{}")
            assert (kept["state"], abs(kept["clock_offset"]) < 5) == ("attending", True)
            assert set(at.hub.attendance.with_ability("evaluate")[0].abilities) == {
                "evaluate", "witness", "release", "results",
            }  # fmt: skip
            hub = at.hub
        assert hub.attendance.names() == [], "told to stop, both left"

    asyncio.run(test())


def test_witnesses_only_what_extends_its_memory(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            size = await at.journaled(order_of(at, at.lots))
            checkpoint = at.hub.journal.checkpoint(size)
            conflict = await at.hub.attendance.ask("acoss", Cosign(0, (), checkpoint), Cosigned, timeout=10)
            assert (conflict.conflict, conflict.size, conflict.lines) == (True, size, ())
            same = await at.hub.attendance.ask("acoss", Cosign(size, (), checkpoint), Cosigned, timeout=10)
            assert len(same.lines) == 1
            with pytest.raises(VigieError):
                await at.hub.attendance.ask("acoss", Cosign(size, (b"\0" * 32,), checkpoint), Cosigned, timeout=10)

    asyncio.run(test())


def test_comes_back_after_the_hub_was_away(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        config = make_folder(tmp_path / "hub", world)
        async with served(config, world) as hub:
            address = hub.address
            folder = make_node(world, "acoss", tmp_path / "acoss", address)
            daemon = attending(folder, hub)
            node = await daemon.__aenter__()
        kept = json.loads(node.state.value(ATTENDANCE) or b"{}")
        await eventually(lambda: json.loads(node.state.value(ATTENDANCE) or b"{}").get("state") == "lost")
        assert kept
        async with served(replace(config, listen=address), world) as again:
            await eventually(lambda: "acoss" in again.attendance.names(), seconds=20)
            await eventually(lambda: again.journal.cosigned_by("acoss/witness") == again.journal.size)
            await daemon.__aexit__(None, None, None)

    asyncio.run(test())


def test_one_daemon_per_folder(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            with pytest.raises(InputError, match="already"):
                async with attending(at.folder):
                    await asyncio.sleep(0)

    asyncio.run(test())


# -- orders -------------------------------------------------------------------------------------------------------


def test_announcements(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            good = order_of(at, at.lots)
            assert (await at.ask_announce(good)).decision == "willing"
            assert (await at.ask_announce(good)).decision == "willing"
            without = order_of(at, at.lots[1:])
            first = await at.ask_announce(without)
            assert first.decision == "refused"
            refusal = bodies.read(statement.parse(first.statement), bodies.Release)
            assert (refusal.decision, refusal.evidence, refusal.order) == ("refused", None, without.digest)
            assert refusal.reason is not None
            assert refusal.reason.claim == "lots"
            again = await at.ask_announce(without)
            assert again.statement == first.statement, "the same refusal, byte for byte"
            forged = statement.sign_text(good.text, [at.world.signer("hub/host")])
            assert (await at.ask_announce(forged)).decision == "refused"
            assert {known.digest for known in at.acoss.ledger.orders()} == {good.digest, without.digest}
            assert (await at.ask_announce(good)).decision == "willing", "a forgery spoils nothing"
            with pytest.raises(VigieError):
                await at.hub.attendance.ask("acoss", Announce(b"no statement"), Announced, timeout=10)

    asyncio.run(test())


def test_no_challenge_without_a_willing_announcement(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path, policy="manual") as at:
            order = order_of(at, at.lots)
            with pytest.raises(Missing):
                await at.ask_challenge(order)
            assert (await at.ask_announce(order)).decision == "pending"
            with pytest.raises(Refused):
                await at.ask_challenge(order)
            at.acoss.ledger.decide(order.digest, "approve", reason=None, now=utc_now())
            assert (await at.ask_announce(order)).decision == "willing"
            assert len(await at.ask_challenge(order)) == 32

    asyncio.run(test())


def test_a_person_refuses(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            order = order_of(at, at.lots)
            await at.ask_announce(order)
            challenge = await at.ask_challenge(order)
            at.acoss.ledger.decide(order.digest, "refuse", reason="not this month", now=utc_now())
            answer = await at.ask_release(order, Enclave().evidence(at.world, order, {"acoss": challenge}))
            refused = at.judged(answer)
            assert (refused.decision, answer.blob) == ("refused", b"")
            assert refused.reason is not None
            assert refused.reason.claim == "policy"
            assert (await at.ask_announce(order)).decision == "refused"

    asyncio.run(test())


# -- releases -----------------------------------------------------------------------------------------------------


def test_releases_exactly_the_named_lots_to_that_enclave(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            order, enclave = order_of(at, at.lots), Enclave()
            await at.ask_announce(order)
            evidence = enclave.evidence(at.world, order, {"acoss": await at.ask_challenge(order)})
            answer = await at.ask_release(order, evidence)
            released = at.judged(answer)
            assert released.decision == "released"
            assert released.lots == (at.lots[0].statement.digest,)
            assert released.blob == statement.digest_of(answer.blob)
            keys = custody.open_release(enclave.key, evidence.digest, order.digest, answer.blob)
            seed = at.world.keyrings["acoss"].epoch_seed(1)
            lot = at.lots[0].body.lot
            assert keys == {lot: custody.lot_key_seed(seed, lot)}
            with pytest.raises(VigieError):
                custody.open_release(Enclave().key, evidence.digest, order.digest, answer.blob)
            # The same question once more: its challenge is used up.
            again = await at.again(order, evidence, at.hub.journal.size)
            refused = at.judged(again)
            assert (refused.decision, again.blob) == ("refused", b"")
            assert refused.reason is not None
            assert refused.reason.claim == "challenge"
            assert at.acoss.ledger.released("early-warning", "2026-05") == 1

    asyncio.run(test())


@pytest.mark.parametrize(
    ("claim", "changed"),
    [
        ("approval", {"measurement": b"x" * 32}),
        ("enclave", {"layers": {"environment": "enforced"}}),
        ("challenge", {"challenges": {"acoss": b"?" * 32}}),
        ("journal", {"order": b"o" * 32}),
    ],
)
def test_refuses_and_signs_why(tmp_path: Path, claim: str, changed: dict[str, object]) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            order = order_of(at, at.lots)
            await at.ask_announce(order)
            evidence = Enclave().evidence(at.world, order, {"acoss": await at.ask_challenge(order)}, **changed)
            answer = await at.ask_release(order, evidence)
            refused = at.judged(answer)
            assert (refused.decision, answer.blob, refused.evidence) == ("refused", b"", evidence.digest)
            assert refused.reason is not None
            assert refused.reason.claim == claim
            assert at.acoss.ledger.released("early-warning", "2026-05") == 0
            assert [one.reason.claim for one in at.acoss.ledger.answers() if one.reason] == [claim]

    asyncio.run(test())


def test_refuses_under_a_checkpoint_that_it_did_not_witness(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            order = order_of(at, at.lots)
            await at.ask_announce(order)
            challenge = await at.ask_challenge(order)
            evidence = Enclave().evidence(at.world, order, {"acoss": challenge})
            await at.journaled(order, evidence)
            at.acoss.state.connection.execute("DELETE FROM checkpoints")
            refused = at.judged(await at.again(order, evidence, at.hub.journal.size))
            assert refused.reason is not None
            assert "did not" in refused.reason.found

    asyncio.run(test())


def test_three_releases_then_a_person(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            order = order_of(at, at.lots)
            for _ in range(3):
                assert (await at.ask_announce(order)).decision == "willing"
                evidence = Enclave().evidence(at.world, order, {"acoss": await at.ask_challenge(order)})
                assert at.judged(await at.ask_release(order, evidence)).decision == "released"
            assert (await at.ask_announce(order)).decision == "pending"
            at.acoss.ledger.decide(order.digest, "approve", reason=None, now=utc_now())
            assert (await at.ask_announce(order)).decision == "willing"

    asyncio.run(test())


def test_a_run_in_the_journal_ends_automatic_releases(tmp_path: Path) -> None:
    """The node learns it from the journal that it reads itself, not from what it is told."""

    async def test() -> None:
        async with scene(tmp_path) as at:
            order, enclave = order_of(at, at.lots), Enclave()
            await at.ask_announce(order)
            evidence = enclave.evidence(at.world, order, {"acoss": await at.ask_challenge(order)})
            assert at.judged(await at.ask_release(order, evidence)).decision == "released"
            run = bodies.Run(
                at.world.chain.digest, evidence.digest, order.digest, {"acoss": "none"}, b"m" * 32, {}, {}, (), "A1",
                stamp(utc_now()),
            )  # fmt: skip
            second = order_of(at, at.lots, created=stamp(utc_now().replace(minute=0)))
            assert (await at.ask_announce(second)).decision == "willing"
            challenge = await at.ask_challenge(second)
            later = enclave.evidence(at.world, second, {"acoss": challenge})
            await at.journaled(statement.sign_text(bodies.text_for(run), [enclave.signer]))
            refused = at.judged(await at.ask_release(second, later))
            assert refused.reason is not None
            assert (refused.reason.claim, "already in the journal" in refused.reason.found) == ("policy", True)
            assert (await at.ask_announce(second)).decision == "pending"
            third = order_of(at, at.lots, period="2026-04")
            assert (await at.ask_announce(third)).decision == "willing", "another period is another matter"

    asyncio.run(test())


def test_an_approval_in_the_folder_reaches_the_journal(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            (at.folder.approvals / "enclave.note").write_bytes(at.world.approvals[0].raw)
            (at.folder.approvals / "others.note").write_bytes(at.world.approvals[1].raw)
            (at.folder.approvals / "garbage").write_bytes(b"garbage")
            await eventually(lambda: len(at.hub.journal.find("approval", MEASUREMENT)) == 1, seconds=20)
            assert at.hub.journal.find("approval", MEASUREMENT) == [at.world.approvals[0].raw]
            await eventually(lambda: not at.acoss.ledger.unsubmitted_approvals())
            assert at.acoss.ledger.approvals(MEASUREMENT) == (at.world.approvals[0].raw,)

    asyncio.run(test())


def test_an_amendment_arrives_through_the_journal(tmp_path: Path) -> None:
    async def test() -> None:
        async with scene(tmp_path) as at:
            before = at.acoss.chain.digest
            at.world.amend({"disclosure.rounding": 10})
            await at.hub.journal.submit([statement.parse(at.world.convention_raw)])
            await eventually(lambda: at.acoss.chain.digest == at.world.chain.digest)
            assert at.acoss.chain.by_digest(before) is not None
        again = open_node(at.folder)
        assert again.chain.digest == at.world.chain.digest
        again.close()
        at.folder.convention_path(2).unlink()
        with pytest.raises(Refused, match="accepted before"):
            open_node(at.folder)

    asyncio.run(test())
