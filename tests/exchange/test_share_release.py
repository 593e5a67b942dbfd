"""A custodian that owns no lot of an order, its node and a real hub: it fetches its share, and gives it for one order."""

import asyncio
from pathlib import Path
from typing import Any

from support.hub import eventually, hub_world, make_folder, make_order, served
from support.nodes import MEASUREMENT, Enclave, attending, deposit, lot_of, make_node
from support.world import World
from vigie import bodies, joint
from vigie.authority import judge
from vigie.bodies import Joint, Release, Run, SealedModel
from vigie.clock import stamp, utc_now
from vigie.journal.checkpoint import open_checkpoint, witnessed_by
from vigie.statement import Statement, sign_text
from vigie_hub.questions import Announce, Announced, AskRelease, Challenge, DrawChallenge, Released
from vigie_hub.server import Hub
from vigie_hub.vault import Made, Vault

MODEL = b"m" * 32


async def trained(world: World, hub: Hub, vault: Vault, lots: list[Statement]) -> Statement:
    """A run that trained a model, with its key and shares, as an honest attempt leaves it; returns the key's statement."""
    enclave = Enclave()
    order = make_order(world, lots, minutes=60)
    evidence = enclave.evidence(world, order, {})
    await hub.journal.submit([order, evidence])
    public = joint.key_of(bytes(32), world.convention.id, 1).public
    said, blobs = joint.make_shares(bytes(32), world.convention, public)
    body = Joint(
        world.chain.digest,
        1,
        joint.key_id(public),
        public,
        2,
        evidence.digest,
        order.digest,
        None,
        said,
        stamp(utc_now()),
    )
    made = Made(sign_text(bodies.text_for(body), [enclave.signer]), blobs)
    vault.stage(evidence.digest, made, 0, b"sealed")
    assert made.joint is not None and made.model is not None
    said_run = Run(
        world.chain.digest, evidence.digest, order.digest, {}, MODEL, {}, {}, (), "A1", stamp(utc_now()),
        made.joint.digest, SealedModel(b"r" * 32, 1, 4096),
    )  # fmt: skip
    run = sign_text(bodies.text_for(said_run), [enclave.signer])

    def work(db: Any) -> None:
        vault.keep(db, run.digest, said_run, made)
        hub.journal.append(db, run)

    await hub.store.write(work)
    return made.joint


async def witnessed(world: World, hub: Hub, size: int) -> None:
    def by_both() -> bool:
        opened = open_checkpoint(hub.journal.checkpoint(size), world.convention.log_key())
        return {"acoss/witness", "travail/witness"} <= witnessed_by(opened.note, world.convention.witness_keys())

    await eventually(by_both, seconds=30)


def test_a_custodian_without_lots_keeps_its_share_and_gives_it_for_an_order(tmp_path: Path) -> None:
    async def story() -> None:
        world = hub_world(tmp_path)
        world.approve(MEASUREMENT, ["acoss", "travail"])
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            lots = [lot_of(world, "debts"), lot_of(world, "ratios")]
            for lot in lots:
                await deposit(world, hub.address, lot)
            named = [lot.statement for lot in lots]
            folder = make_node(world, "travail", tmp_path / "travail", hub.address)
            other = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            async with attending(folder, hub) as node, attending(other, hub):
                await hub.journal.submit(world.approvals)
                vault = hub.conductor.vault
                key = await trained(world, hub, vault, named)
                await eventually(lambda: vault.confirmed(key.digest) == ["acoss", "travail"], seconds=30)
                (file,) = folder.shares.iterdir()
                assert file.stat().st_mode & 0o077 == 0

                order = make_order(world, named, minutes=60, model=MODEL.hex(), period="2026-04")
                asked = hub.attendance.ask
                assert (await asked("travail", Announce(order.raw), Announced, timeout=10)).decision == "willing"
                drawn = await asked("travail", DrawChallenge(order.digest), Challenge, timeout=10)
                enclave = Enclave()
                evidence = enclave.evidence(world, order, {"travail": drawn.challenge})
                await hub.journal.submit([order, evidence])
                size = hub.journal.size
                await witnessed(world, hub, size)

                def question(joint_digest: bytes) -> AskRelease:
                    return AskRelease(
                        order.raw, evidence.raw, hub.journal.receipt_at(order.digest, size),
                        hub.journal.receipt_at(evidence.digest, size), tuple(one.raw for one in world.approvals), joint_digest,
                    )  # fmt: skip

                wrong = await asked("travail", question(b"?" * 32), Released, timeout=20)
                refused: Release = judge(wrong.statement, world.chain, kind="release").body
                assert refused.reason is not None
                assert (refused.decision, refused.reason.claim, wrong.share) == ("refused", "share", b"")

                answer = await asked("travail", question(key.digest), Released, timeout=20)
                body: Release = judge(answer.statement, world.chain, kind="release").body
                assert (body.decision, body.lots, body.blob, answer.blob) == ("released", (), None, b"")
                given = joint.take_share(enclave.key, evidence.digest, order.digest, key.digest, answer.share)
                said = joint.share_of(bodies.read(key, Joint), "travail")
                assert said is not None
                joint.check_share(said, given)
                assert node.ledger.released("early-warning", "2026-04") == 1

    asyncio.run(story())
