"""A custodian's shares: taken from a journal that may lie, kept sealed, given to nobody but the newest, restored from paper."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from support.nodes import Enclave, make_node, open_node
from support.world import World
from vigie import bodies, joint, words
from vigie.bodies import Joint, Order
from vigie.clock import stamp, utc_now
from vigie.errors import BadProof, BadSeal, Malformed, Missing, Refused
from vigie.statement import Statement, sign_text
from vigie_node import shares
from vigie_node.folder import Node

SEED = bytes(range(32))
MODEL = "ab" * 32


@dataclass
class Hub:
    """Hands out sealed shares, or lies."""

    blobs: dict[bytes, dict[str, bytes]] = field(default_factory=dict)
    confirmed: list[bytes] = field(default_factory=list)
    member: str = "acoss"

    async def share(self, joint: bytes) -> tuple[bytes, bytes]:
        return b"", self.blobs[joint][self.member]

    async def confirm(self, joint: bytes) -> None:
        self.confirmed.append(joint)


@dataclass
class Scene:
    world: World
    node: Node
    hub: Hub = field(default_factory=Hub)

    def order(self, model: str = MODEL) -> Order:
        now = stamp(utc_now())
        return Order(self.world.chain.digest, 1, "2026-01", "early-warning", (b"l" * 32,), (), model, now, now)

    def told(self, previous: Statement | None = None, /, seed: bytes = SEED, **changed: Any) -> Statement:
        """A ``joint`` statement with its evidence, both told as the journal's; the hub has its shares."""
        enclave = Enclave()
        order = self.world.sign("hub/operator", self.order())
        evidence = enclave.evidence(self.world, order, {})
        public = joint.key_of(seed, self.world.convention.id, 1).public
        said, blobs = joint.make_shares(seed, self.world.convention, public)
        body = Joint(
            self.world.chain.digest, 1, joint.key_id(public), public, self.world.convention.custody.threshold,
            evidence.digest, order.digest, previous.digest if previous else None, said, stamp(utc_now()),
        )  # fmt: skip
        made = sign_text(bodies.text_for(replace(body, **changed)), [enclave.signer])
        shares.take_evidence(self.node, evidence.raw)
        self.hub.blobs[made.digest] = blobs
        shares.take(self.node, made.raw)
        return made

    def fetch(self) -> int:
        return asyncio.run(shares.fetch(self.node, self.hub))

    def known(self) -> list[tuple[bytes, bool, bool]]:
        return [(one.digest, one.newest, one.kept) for one in shares.known_shares(self.node)]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Scene]:
    world = World.create(tmp_path / "world", overrides={"pseudonyms.buckets": 4})
    node = open_node(make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1"))
    try:
        yield Scene(world, node)
    finally:
        node.close()


def test_a_share_is_fetched_once_kept_sealed_and_confirmed(at: Scene) -> None:
    made = at.told()
    assert at.known() == [(made.digest, True, False)]
    assert (at.fetch(), at.fetch()) == (1, 0)
    assert at.hub.confirmed == [made.digest]
    (known,) = shares.known_shares(at.node)
    share = shares.opened(at.node, known)
    assert known.path.parent == at.world.keyring_path("acoss").resolve().parent / "shares"
    assert not any(word.encode() in known.path.read_bytes() for word in share.split())
    assert known.path.stat().st_mode & 0o077 == 0
    assert shares.for_release(at.node, at.order(), made.digest) == share
    assert shares.for_release(at.node, at.order("train"), made.digest) is None


def test_a_crash_before_the_confirmation_is_made_good(at: Scene) -> None:
    made = at.told()
    at.fetch()
    at.node.state.connection.execute("UPDATE joint_keys SET confirmed = 0")
    at.hub.blobs.clear()
    assert at.fetch() == 0
    assert at.hub.confirmed == [made.digest, made.digest]


def test_a_hub_that_gives_another_share_is_found_out_and_nothing_is_kept(at: Scene) -> None:
    made = at.told()
    at.hub.blobs[made.digest]["acoss"] = at.hub.blobs[made.digest]["travail"]
    with pytest.raises(BadProof):
        at.fetch()
    assert at.known() == [(made.digest, True, False)]
    assert at.hub.confirmed == []


def test_a_share_that_was_sealed_for_another_is_not_kept(at: Scene) -> None:
    made = at.told(seed=bytes(32))
    (known,) = shares.known_shares(at.node)
    blob = at.hub.blobs[made.digest]["acoss"]
    with pytest.raises(BadSeal):
        joint.open_share(at.world.keyrings["travail"].sealing(), known.body.key, known.said, blob)


@pytest.mark.parametrize(
    "changed",
    [{"threshold": 3}, {"shares": ()}, {"key": b"k" * 16}, {"previous": b"p" * 32}, {"order": b"o" * 32}, {"epoch": 7}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_statement_that_does_not_hold_replaces_nothing(at: Scene, changed: dict[str, Any]) -> None:
    first = at.told()
    at.fetch()
    at.told(first, **changed)
    at.fetch()
    assert at.known() == [(first.digest, True, True)]


def test_a_second_key_of_an_epoch_or_a_fork_replaces_nothing(at: Scene) -> None:
    first = at.told()
    second = at.told(first)
    at.told(first)
    at.told()
    assert at.known() == [(first.digest, False, False), (second.digest, True, False)]


def test_new_shares_replace_the_old_ones_which_are_deleted_and_given_no_more(at: Scene) -> None:
    first = at.told()
    at.fetch()
    second = at.told(first)
    assert at.known() == [(first.digest, False, True), (second.digest, True, False)]
    with pytest.raises(Refused, match="newest") as refused:
        shares.for_release(at.node, at.order(), first.digest)
    assert refused.value.claim == "share"
    assert at.fetch() == 1
    assert at.known() == [(first.digest, False, False), (second.digest, True, True)]


def test_a_custodian_that_is_named_no_more_deletes_its_share(tmp_path: Path) -> None:
    world = World.create(tmp_path / "world", custodians=("banque-de-france", "travail"))
    node = open_node(make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1"))
    try:
        at = Scene(world, node)
        first = at.told()
        at.fetch()
        world.amend({"member.acoss.roles": ["partner", "witness"]})
        node.accept_convention(world.convention_raw)
        at.told(first)
        assert at.known() == [(first.digest, False, True)]
        at.fetch()
        assert at.known() == [(first.digest, False, False)]
    finally:
        node.close()


def test_a_key_that_the_journal_does_not_have_gets_no_share(at: Scene) -> None:
    for wanted in (b"", b"?" * 32):
        with pytest.raises(Refused) as refused:
            shares.for_release(at.node, at.order(), wanted)
        assert refused.value.claim == "share"


def test_a_spoilt_or_lost_file_gives_nothing_and_comes_back_from_paper(at: Scene) -> None:
    made = at.told()
    at.fetch()
    (known,) = shares.known_shares(at.node)
    sheet = shares.sheet(at.node, known)
    typed = words.parse_sheets(words.format_sheet(sheet, "acoss"))
    spoilt = bytearray(known.path.read_bytes())
    spoilt[-1] ^= 1
    known.path.write_bytes(spoilt)
    assert shares.for_release(at.node, at.order(), made.digest) is None
    known.path.unlink()
    assert shares.for_release(at.node, at.order(), made.digest) is None
    with pytest.raises(Missing):
        shares.sheet(at.node, known)
    assert [one.digest for one in shares.restore(at.node, typed)] == [made.digest]
    assert shares.for_release(at.node, at.order(), made.digest) == " ".join(sheet.words)


def test_paper_of_another_custodian_time_or_purpose_is_refused_by_name(at: Scene) -> None:
    first = at.told()
    at.fetch()
    (known,) = shares.known_shares(at.node)
    old = shares.opened(at.node, known).split()
    other = next(said for said in known.body.shares if said.custodian == "travail")
    blob = at.hub.blobs[first.digest]["travail"]
    theirs = joint.open_share(at.world.keyrings["travail"].sealing(), known.body.key, other, blob).split()
    with pytest.raises(Refused, match="that of travail"):
        shares.restore(at.node, [theirs])
    with pytest.raises(Malformed, match="share 1"):
        shares.restore(at.node, [[old[1], old[0], *old[2:]]])
    with pytest.raises(Refused, match="another one: share 2"):
        shares.restore(at.node, [old, joint.split(SEED, 2, 3)[0].split()])
    with pytest.raises(Missing):
        shares.restore(at.node, [])
    at.told(first)
    with pytest.raises(Refused, match="newer shares have replaced"):
        shares.restore(at.node, [old])


def test_nothing_is_restored_before_the_journal_was_read(at: Scene) -> None:
    with pytest.raises(Missing, match="names no share"):
        shares.restore(at.node, [joint.split(SEED, 2, 3)[0].split()])
