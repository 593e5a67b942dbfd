"""Sealed models and shares at the hub: what is checked before it counts, who gets what, what a killed process leaves."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from support.hub import make_lot, make_order
from support.nodes import Enclave
from support.world import World
from vigie import bodies, joint, segment
from vigie.bodies import Joint, Order, Run, SealedModel, read
from vigie.clock import stamp, utc_now
from vigie.errors import BadProof, BadSignature, Missing, Refused
from vigie.statement import Statement, sign_text
from vigie_hub.journal import Journal
from vigie_hub.packs import Packs
from vigie_hub.store import Store
from vigie_hub.vault import Made, Vault

SEED = bytes(range(32))
MODEL = b"m" * 32


@dataclass
class Scene:
    """A journal with an order and its evidence, and the enclave that would answer."""

    world: World
    store: Store
    journal: Journal
    vault: Vault
    packs: Packs
    enclave: Enclave
    order: Statement
    evidence: Statement

    def joint(self, **changed: Any) -> tuple[Statement, dict[str, bytes]]:
        public = joint.key_of(SEED, self.world.convention.id, 1).public
        said, blobs = joint.make_shares(SEED, self.world.convention, public)
        body = Joint(
            self.world.chain.digest, 1, joint.key_id(public), public, 2, self.evidence.digest, self.order.digest, None,
            said, stamp(utc_now()),
        )  # fmt: skip
        return sign_text(bodies.text_for(replace(body, **changed)), [self.enclave.signer]), blobs

    def run(self, made: Made, **changed: Any) -> tuple[Statement, Run]:
        ids = made.model.ids if made.model else []
        sealed = SealedModel(segment.segment_root(ids), len(ids), 4096) if ids else None
        body = Run(
            self.world.chain.digest, self.evidence.digest, self.order.digest, {}, MODEL, {}, {}, (), "A1",
            stamp(utc_now()), made.joint.digest if made.joint else None, sealed,
        )  # fmt: skip
        body = replace(body, **changed)
        return sign_text(bodies.text_for(body), [self.enclave.signer]), body

    def made(self) -> Made:
        """What an honest attempt makes: a key, its shares, a model of two parts."""
        said, blobs = self.joint()
        made = Made(said, blobs)
        for part, data in enumerate((b"first", b"second")):
            self.vault.stage(self.evidence.digest, made, part, data)
        return made

    def check(self, made: Made, run: Run, given: Statement | None = None) -> None:
        self.vault.check(run, made, given, self.world.chain, self.evidence)

    async def keep(self, made: Made) -> Statement:
        run, body = self.run(made)
        self.check(made, body)

        def work(db: Any) -> None:
            self.vault.keep(db, run.digest, body, made)
            self.journal.append(db, run)

        await self.store.write(work)
        return run

    def wanting(self, model: str, **changed: Any) -> Order:
        return replace(read(self.order, Order), model=model, **changed)


@pytest.fixture
def at(tmp_path: Path, world: World) -> Iterator[Scene]:
    store = Store(tmp_path)
    journal = Journal(store, world.keyrings["hub"].log_signer(world.convention.origin))
    packs = Packs(tmp_path / "models")
    enclave = Enclave()
    order = make_order(world, [make_lot(world).statement])
    evidence = enclave.evidence(world, order, {})
    approvals = world.approve(read(evidence, bodies.Evidence).measurement)
    asyncio.run(journal.submit([order, evidence, *approvals]))
    try:
        yield Scene(world, store, journal, Vault(store, journal, packs), packs, enclave, order, evidence)
    finally:
        store.close()


def test_key_shares_and_model_become_the_hubs_with_their_run(at: Scene) -> None:
    made = at.made()
    assert made.joint is not None
    assert at.vault.newest(read(at.order, Order)) is None
    assert at.vault.packs_named() == set()
    run = asyncio.run(at.keep(made))
    assert at.journal.place(made.joint.digest) == at.journal.place(run.digest) - 1
    (row,) = at.vault.models()
    assert (row.run, row.digest) == (run.digest, MODEL)
    found, extents = at.vault.parts(MODEL)
    assert [at.vault.read(found, extent) for extent in extents] == [b"first", b"second"]
    assert at.vault.packs_named() == {row.pack}
    assert at.packs.sweep(at.vault.packs_named()) == 0
    for order in (at.wanting("train"), at.wanting(MODEL.hex())):
        newest = at.vault.newest(order)
        assert newest is not None
        assert newest.digest == made.joint.digest
    assert at.vault.newest(at.wanting("train", epoch=2)) is None
    assert at.vault.custodians(at.wanting("train")) == []
    assert sorted(at.vault.custodians(at.wanting(MODEL.hex()))) == ["acoss", "banque-de-france", "travail"]


def test_an_enclave_is_told_what_it_needs_and_no_more(at: Scene) -> None:
    made = at.made()
    run = asyncio.run(at.keep(made))
    assert made.joint is not None
    given = at.vault.given(at.wanting(MODEL.hex()), made.joint)
    assert (given.statement, given.evidence, given.run) == (made.joint.raw, at.evidence.raw, run.raw)
    assert (given.run_evidence, given.run_order) == (at.evidence.raw, at.order.raw)
    assert len(given.approvals) == 3
    training = at.vault.given(at.wanting("train"), made.joint)
    assert (training.run, training.run_receipt, training.run_order) == (b"", b"", b"")


def test_each_custodian_gets_its_own_share_and_confirms_it_once(at: Scene) -> None:
    made = at.made()
    asyncio.run(at.keep(made))
    assert made.joint is not None
    for name, blob in made.shares.items():
        assert at.vault.share(name, made.joint.digest) == (at.evidence.raw, blob)
    for name, named in (("auditeur", made.joint.digest), ("acoss", b"?" * 32)):
        with pytest.raises(Missing):
            at.vault.share(name, named)
        with pytest.raises(Missing):
            asyncio.run(at.vault.confirm(name, named, now=utc_now()))
    assert at.vault.confirmed(made.joint.digest) == []
    for _ in range(2):
        asyncio.run(at.vault.confirm("travail", made.joint.digest, now=utc_now()))
    assert at.vault.confirmed(made.joint.digest) == ["travail"]


def test_an_order_names_a_model_that_is_here_for_its_purpose(at: Scene) -> None:
    at.vault.check_order(at.wanting("train"))
    with pytest.raises(Refused, match="the hub holds"):
        at.vault.check_order(at.wanting(MODEL.hex()))
    asyncio.run(at.keep(at.made()))
    at.vault.check_order(at.wanting(MODEL.hex()))
    with pytest.raises(Refused, match="a model of other"):
        at.vault.check_order(at.wanting(MODEL.hex(), purpose="other"))


def test_what_the_run_does_not_name_does_not_count(at: Scene) -> None:
    made = at.made()
    _, body = at.run(made)
    at.check(made, body)
    for changed in (
        {"sealed": None},
        {"sealed": SealedModel(b"?" * 32, 2, 4096)},
        {"joint": b"?" * 32},
        {"joint": None},
    ):
        with pytest.raises(BadProof):
            at.check(made, replace(body, **changed))
    with pytest.raises(BadProof, match="shares"):
        at.check(replace(made, shares={**made.shares, "travail": b"x"}), body)
    with pytest.raises(BadProof, match="shares"):
        at.check(replace(made, shares={}), body)
    with pytest.raises(BadProof, match="does not follow"):
        at.check(made, body, given=at.order)
    with pytest.raises(BadSignature):
        other = sign_text(made.joint.text if made.joint else b"", [Enclave().signer])
        at.check(replace(made, joint=other), body)
    assert at.vault.models() == []


def test_parts_come_in_order_and_leave_nothing_when_the_attempt_fails(at: Scene, tmp_path: Path) -> None:
    made = at.made()
    for part in (0, 1, 3):
        with pytest.raises(BadProof):
            at.vault.stage(at.evidence.digest, made, part, b"more")
    assert sum(path.is_file() for path in (tmp_path / "models").rglob("*")) == 1
    at.vault.discard(made)
    assert not any(path.is_file() for path in (tmp_path / "models").rglob("*"))
    at.made()  # and then the process is killed
    assert at.packs.sweep(at.vault.packs_named()) == 1


def test_the_same_model_trained_again_is_found_under_its_newest_key(at: Scene) -> None:
    first = asyncio.run(at.keep(at.made()))
    (before,) = at.vault.models()
    again = Made(None, {})
    at.vault.stage(b"z" * 32, again, 0, b"sealed anew")
    assert at.vault.newest(at.wanting("train")) is not None
    newest = at.vault.newest(at.wanting("train"))
    assert newest is not None
    run, body = at.run(again, joint=newest.digest, created="2031-01-01T00:00:00Z")
    at.check(again, body, given=newest)

    def work(db: Any) -> None:
        at.vault.keep(db, run.digest, body, again)
        at.journal.append(db, run)

    asyncio.run(at.store.write(work))
    assert [row.run for row in at.vault.models()] == [first.digest, run.digest]
    assert at.vault.model(MODEL).run == run.digest != before.run
