"""The joint key: its vector, its shares, and that a wrong share is always told from the others."""

import dataclasses
import hashlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic.wordlist import WORDLIST

from support.vectors import FOLDER, blocks
from support.world import World
from vigie import joint, sealing
from vigie.bodies import Joint, JointShare
from vigie.convention import Convention
from vigie.errors import BadProof, BadSeal, Malformed, MalformedConvention, Refused
from vigie.sealing import SealingPrivateKey

SEED = bytes(range(32))
CONVENTION = "signaux-faibles-demo"
PAGE = (FOLDER.parent.parent / "docs/spec/joint.md").read_text(encoding="utf-8")
seeds = st.binary(min_size=32, max_size=32)
layouts = st.integers(2, 7).flatmap(lambda count: st.tuples(st.integers(2, count), st.just(count)))


def stated(seed: bytes, threshold: int, shares: list[str]) -> Joint:
    """What a statement says of shares, one custodian each."""
    public = joint.key_of(seed, CONVENTION, 1).public
    said = tuple(
        JointShare(
            f"c{number}", number, bytes([number]) * 32, joint.share_digest(bytes([number]) * 32, share), b"b" * 32
        )
        for number, share in enumerate(shares, start=1)
    )
    return Joint(
        b"c" * 32, 1, joint.key_id(public), public, threshold, b"e" * 32, b"o" * 32, None, said, "2026-03-20T09:30:00Z"
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"))


def test_the_vector_holds_for_ever() -> None:
    (vector,) = blocks("joint/joint.txt")
    seed = bytes.fromhex(vector["seed"])
    private = joint.key_of(seed, vector["convention"], int(vector["epoch"]))
    assert joint.key_id(private.public).hex() == vector["key"]
    assert hashlib.sha256(private.public).hexdigest() == vector["public-sha256"]
    shares = [vector[f"share-{number}"] for number in (1, 2, 3)]
    said = stated(seed, 2, shares)
    for pair in itertools.combinations(shares, 2):
        assert joint.combine(said, vector["convention"], pair) == seed
    assert joint.share_digest(bytes.fromhex(vector["salt"]), shares[0]).hex() == vector["digest"]
    custodian = SealingPrivateKey.from_seed(bytes.fromhex(vector["custodian-seed"]))
    first = dataclasses.replace(said.shares[0], custodian=vector["custodian"])
    assert joint.open_share(custodian, said.key, first, bytes.fromhex(vector["sealed-share"])) == shares[0]
    enclave = SealingPrivateKey.from_seed(bytes.fromhex(vector["enclave-seed"]))
    evidence, order, named = (bytes.fromhex(vector[name]) for name in ("evidence", "order", "statement"))
    assert joint.take_share(enclave, evidence, order, named, bytes.fromhex(vector["given-share"])) == shares[0]
    model = bytes.fromhex(vector["model"])
    assert joint.open_model(private, hashlib.sha256(model).digest(), [bytes.fromhex(vector["sealed-model"])]) == model


def test_the_page_shows_the_vector_and_the_version() -> None:
    (vector,) = blocks("joint/joint.txt")
    assert f"\nVersion {joint.SPEC_VERSION}. " in PAGE
    for name in ("seed", "key", "digest"):
        assert vector[name] in PAGE
    assert vector["share-1"] in " ".join(PAGE.split())


@given(seed=seeds, layout=layouts, data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_k_shares_give_the_seed_back_and_fewer_do_not(
    seed: bytes, layout: tuple[int, int], data: st.DataObject
) -> None:
    threshold, count = layout
    shares = joint.split(seed, threshold, count)
    said = stated(seed, threshold, shares)
    chosen = data.draw(st.permutations(shares))
    assert joint.combine(said, CONVENTION, chosen[:threshold]) == seed
    assert joint.combine(said, CONVENTION, chosen) == seed
    with pytest.raises(Refused) as refused:
        joint.combine(said, CONVENTION, [*chosen[: threshold - 1], *chosen[: threshold - 1]])
    assert (refused.value.claim, refused.value.found) == ("shares", str(threshold - 1))


@given(seed=seeds, layout=layouts, data=st.data())
@settings(max_examples=60, deadline=None)
def test_every_single_wrong_share_names_its_custodian(
    seed: bytes, layout: tuple[int, int], data: st.DataObject
) -> None:
    """A share of another split of the same seed, of another seed, of another custodian, or with one word changed."""
    threshold, count = layout
    shares = joint.split(seed, threshold, count)
    said = stated(seed, threshold, shares)
    place = data.draw(st.integers(0, count - 1))
    fault = data.draw(st.sampled_from(["another split", "another seed", "another custodian", "a word", "cut short"]))
    if fault == "another split":
        wrong = joint.split(seed, threshold, count)[place]
    elif fault == "another seed":
        wrong = joint.split(bytes(32) if seed != bytes(32) else SEED, threshold, count)[place]
    elif fault == "another custodian":
        wrong = shares[(place + 1) % count]
    elif fault == "a word":
        listed = shares[place].split(" ")
        at = data.draw(st.integers(0, len(listed) - 1))
        listed[at] = data.draw(st.sampled_from(sorted(set(WORDLIST) - {listed[at]})))
        wrong = " ".join(listed)
    else:
        wrong = shares[place].rpartition(" ")[0]
    given_shares = [*shares[:place], wrong, *shares[place + 1 :]]
    found = []
    for one, share in zip(said.shares, given_shares, strict=True):
        try:
            joint.check_share(one, share)
        except BadProof:
            found.append(one.custodian)
    assert found == [f"c{place + 1}"]


def test_shares_that_are_not_the_statements_restore_nothing() -> None:
    shares = joint.split(SEED, 2, 3)
    other = joint.split(bytes(32), 2, 3)
    with pytest.raises(BadProof):
        joint.combine(stated(SEED, 2, shares), CONVENTION, other)
    with pytest.raises(Malformed):
        joint.combine(stated(SEED, 2, shares), CONVENTION, [shares[0], other[1]])
    with pytest.raises(BadProof):
        joint.combine(stated(SEED, 2, shares), "another convention", shares)


def test_shares_go_to_organisations_and_open_for_their_custodians_only(world: World) -> None:
    convention = world.convention
    private = joint.key_of(SEED, convention.id, 1)
    said, blobs = joint.make_shares(SEED, convention, private.public)
    key = joint.key_id(private.public)
    assert [(one.custodian, one.index) for one in said] == list(joint.holders(convention).items())
    assert set(blobs) == {"acoss", "banque-de-france", "travail"}
    opened = {
        one.custodian: joint.open_share(world.keyrings[one.custodian].sealing(), key, one, blobs[one.custodian])
        for one in said
    }
    assert joint.combine(stated(SEED, 2, [opened[one.custodian] for one in said]), CONVENTION, opened.values()) == SEED
    first, second = said[0], said[1]
    for changed, blob in (
        (first, blobs[second.custodian]),
        (dataclasses.replace(first, index=9), blobs[first.custodian]),
    ):
        with pytest.raises(BadSeal):
            joint.open_share(world.keyrings[first.custodian].sealing(), key, changed, blob)
    with pytest.raises(BadSeal):
        joint.open_share(world.keyrings[first.custodian].sealing(), b"k" * 16, first, blobs[first.custodian])
    with pytest.raises(BadProof):
        renamed = dataclasses.replace(first, digest=b"d" * 32)
        joint.open_share(world.keyrings[first.custodian].sealing(), key, renamed, blobs[first.custodian])


def test_custodians_of_one_organisation_hold_one_share(world: World) -> None:
    members = dict(world.convention.members)
    members["travail"] = dataclasses.replace(members["travail"], organisation="ACOSS")
    together = dataclasses.replace(world.convention, members=members)
    assert joint.holders(together) == {"acoss": 1, "banque-de-france": 2, "travail": 1}
    said, _ = joint.make_shares(SEED, together, joint.key_of(SEED, CONVENTION, 1).public)
    numbers = {one.custodian: one.index for one in said}
    assert numbers["acoss"] == numbers["travail"] != numbers["banque-de-france"]


def test_a_threshold_of_one_gives_everybody_the_same_share(world: World) -> None:
    rule = dataclasses.replace(world.convention.custody, threshold=1)
    convention = dataclasses.replace(world.convention, custody=rule)
    assert set(joint.holders(convention).values()) == {1}
    said, blobs = joint.make_shares(SEED, convention, joint.key_of(SEED, CONVENTION, 1).public)
    assert len(said) == len(blobs) == 3


def test_a_change_of_custodians_threshold_or_keys_is_another_layout(world: World) -> None:
    convention = world.convention
    members = dict(convention.members)
    without = dataclasses.replace(
        convention,
        members={**members, "travail": dataclasses.replace(members["travail"], roles=frozenset({"partner"}))},
    )
    other_key = dataclasses.replace(
        convention, members={**members, "travail": dataclasses.replace(members["travail"], sealing=b"k" * 1216)}
    )
    other_threshold = dataclasses.replace(convention, custody=dataclasses.replace(convention.custody, threshold=3))
    assert joint.same_layout(convention, dataclasses.replace(convention, buckets=2))
    assert not any(joint.same_layout(convention, other) for other in (without, other_key, other_threshold))


@pytest.mark.parametrize("size", [0, 1, 4096, sealing.SEED_BYTES, 1024 * 1024 - 4, 1024 * 1024 - 3, 2_500_000])
def test_a_model_comes_back_from_its_sealed_parts(size: int) -> None:
    private = joint.key_of(SEED, CONVENTION, 1)
    model = bytes(number % 251 for number in range(size))
    digest = hashlib.sha256(model).digest()
    parts = joint.seal_model(private.public, model)
    assert len(parts) == max(1, -(-size // (1024 * 1024 - 4)))
    assert joint.open_model(private, digest, parts) == model


def test_no_other_parts_pass_for_a_model() -> None:
    private = joint.key_of(SEED, CONVENTION, 1)
    model = b"m" * 1_500_000
    digest = hashlib.sha256(model).digest()
    parts = joint.seal_model(private.public, model)
    other = joint.seal_model(private.public, b"n" * 1_500_000)
    with pytest.raises(BadProof):
        joint.open_model(private, digest, parts[:1])
    for given_parts in (parts[::-1], other, [parts[0], other[1]]):
        with pytest.raises(BadSeal):
            joint.open_model(private, digest, given_parts)
    with pytest.raises(BadSeal):
        joint.open_model(joint.key_of(SEED, CONVENTION, 2), digest, parts)
    lie = [
        sealing.seal(
            private.public, joint.model_info(joint.key_id(private.public), digest, 0), b"\0\0\0\1x".ljust(4096, b"\0")
        )
    ]
    with pytest.raises(BadProof):
        joint.open_model(private, digest, lie)


def test_what_is_too_large_or_no_share_is_refused() -> None:
    private = joint.key_of(SEED, CONVENTION, 1)
    with pytest.raises(Malformed):
        joint.seal_model(private.public, bytes(257 * 1024 * 1024))
    for plain in (b"x" * 2000, "é".encode()):
        blob = sealing.seal(private.public, b"vigie/given-share/v1" + b"e" * 32 + b"o" * 32 + b"j" * 32, plain)
        with pytest.raises(Malformed):
            joint.take_share(private, b"e" * 32, b"o" * 32, b"j" * 32, blob)


@pytest.mark.parametrize("changed", [0, 1, 2], ids=["evidence", "order", "statement"])
def test_a_given_share_is_for_one_evidence_order_and_statement(changed: int) -> None:
    enclave = SealingPrivateKey.from_seed(bytes(range(96)))
    names = [b"e" * 32, b"o" * 32, b"j" * 32]
    blob = joint.give_share(enclave.public, names[0], names[1], names[2], "some words")
    assert joint.take_share(enclave, names[0], names[1], names[2], blob) == "some words"
    names[changed] = b"?" * 32
    with pytest.raises(BadSeal):
        joint.take_share(enclave, names[0], names[1], names[2], blob)


def test_a_convention_needs_custodians_to_seal_shares_to(tmp_path: Path) -> None:
    with pytest.raises(MalformedConvention, match=r"threshold.*2 of|'threshold' is 3"):
        World.create(tmp_path, custodians=("acoss", "travail"), overrides={"custody.threshold": 3})


def test_custodians_without_a_sealing_key_do_not_count(world: World) -> None:
    from vigie.convention.checks import check

    def without_keys(convention: Convention, names: tuple[str, ...]) -> Convention:
        members = dict(convention.members)
        for name in names:
            roles = frozenset({"custodian", "witness"})
            members[name] = dataclasses.replace(members[name], sealing=None, roles=roles)
        datasets = {name: rule for name, rule in convention.datasets.items() if not set(rule.owners) & set(names)}
        return dataclasses.replace(
            convention,
            members=members,
            purposes={},
            grants={},
            datasets=datasets,
            declassifications=frozenset(),
        )

    check(without_keys(world.convention, ("travail",)))
    with pytest.raises(MalformedConvention, match="with a key 'sealing'"):
        check(without_keys(world.convention, ("travail", "banque-de-france")))
