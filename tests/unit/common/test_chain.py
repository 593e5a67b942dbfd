"""The chain of conventions: signed by everybody who must and by nobody else, and never a step back."""

import itertools
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.world import PARTNERS, SIGNATORIES, World, sign_convention
from vigie import note, statement
from vigie.chain import ConventionChain, required_keys, signatures
from vigie.convention import parse
from vigie.convention.drafting import amend
from vigie.errors import BadSignature, MalformedConvention, MalformedStatement, Refused
from vigie.keyring import Keyring
from vigie.note import NoteSignature, Signer

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One convention; never amended."""
    return World.create(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two amendments."""
    world = World.create(tmp_path_factory.mktemp("three"))
    world.amend(enclave__approvals=3)
    world.amend(convention__to="2030-12-31")
    return world


def signed(world: World, text: str, *members: str) -> bytes:
    return sign_convention(text, [world.signer(name) for name in members])


# -- one convention -----------------------------------------------------------------------------------------------


def test_signed_by_every_signatory_it_is_accepted(one: World) -> None:
    chain = ConventionChain.open([one.convention_raw], now=NOW)
    assert chain.current.digest == chain.digest == statement.parse(one.convention_raw).digest
    assert chain.raws == (one.convention_raw,)
    assert chain.by_digest(chain.digest) is chain.current and chain.is_current(chain.digest)
    assert chain.by_digest(b"\0" * 32) is None and not chain.is_current(b"\0" * 32)


@pytest.mark.parametrize("order", list(itertools.permutations(SIGNATORIES))[::5])
def test_the_order_of_signing_does_not_matter(one: World, order: tuple[str, ...]) -> None:
    raw = signed(one, one.convention.text.decode(), *order)
    assert ConventionChain.open([raw]).digest == one.chain.digest


@pytest.mark.parametrize("absent", SIGNATORIES)
def test_a_missing_signature_is_refused_by_name(one: World, absent: str) -> None:
    raw = signed(one, one.convention.text.decode(), *(name for name in SIGNATORIES if name != absent))
    with pytest.raises(BadSignature, match=f"lacks the signature of {absent}/signing"):
        ConventionChain.open([raw])


@pytest.mark.parametrize("member", SIGNATORIES)
def test_a_wrong_signature_is_refused_by_name(one: World, member: str) -> None:
    opened = statement.parse(one.convention_raw).note
    lines = [
        NoteSignature(line.name, line.key_id, bytes(64)) if line.name == f"{member}/signing" else line
        for line in opened.signatures
    ]
    with pytest.raises(BadSignature, match=f"{member}/signing"):
        ConventionChain.open([note.assemble(opened.text, lines)])


@pytest.mark.parametrize(
    "extra", ["hub/host", "hub/operator", "stranger", "impostor", "witness"], ids=lambda name: name.replace("/", "-")
)
def test_a_signature_that_is_not_called_for_is_refused(one: World, extra: str) -> None:
    signers = {
        "stranger": Signer("dgfip/signing", b"\x09" * 32),
        "impostor": Signer("acoss/signing", b"\x09" * 32),  # the right name, another key
    }
    text = statement.convention_text(one.convention.text)
    lines = [one.signer(name).sign(text) for name in SIGNATORIES]
    if extra == "witness":
        lines.append(one.keyrings["acoss"].cosigner().cosign(text, 1))
    else:
        lines.append((signers.get(extra) or one.signer(extra)).sign(text))
    with pytest.raises(BadSignature, match="does not call for"):
        ConventionChain.open([note.assemble(text, lines)])


def test_a_signature_that_stands_twice_is_refused(one: World) -> None:
    text = statement.convention_text(one.convention.text)
    lines = [one.signer(name).sign(text) for name in (*SIGNATORIES, "acoss")]
    with pytest.raises(BadSignature, match="two signatures of one key"):
        ConventionChain.open([note.assemble(text, lines)])


def test_a_character_changed_after_signing_is_refused(one: World) -> None:
    raw = one.convention_raw.replace(b"approvals = 2", b"approvals = 1")
    assert raw != one.convention_raw
    with pytest.raises(BadSignature, match="does not fit"):
        ConventionChain.open([raw])


def test_what_is_no_convention_is_refused(one: World) -> None:
    with pytest.raises(MalformedConvention, match="no convention"):
        ConventionChain.open([])
    with pytest.raises(MalformedStatement):
        ConventionChain.open([b"[convention]\n"])
    with pytest.raises(MalformedStatement):
        ConventionChain.open([statement.make("order", {"a": 1}, [one.signer("acoss")]).raw])
    with pytest.raises(MalformedConvention):
        ConventionChain.open([sign_convention("a = 1\n", [one.signer("acoss")])])


@pytest.mark.parametrize(
    "now, good",
    [
        (datetime(2026, 1, 1, tzinfo=UTC), True), (datetime(2028, 12, 31, 23, 59, 59, tzinfo=UTC), True),
        (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), False), (datetime(2029, 1, 1, tzinfo=UTC), False),
    ],
)  # fmt: skip
def test_out_of_its_dates_it_is_refused(one: World, now: datetime, good: bool) -> None:
    if good:
        ConventionChain.open([one.convention_raw], now=now)
        return
    with pytest.raises(Refused) as refused:
        ConventionChain.open([one.convention_raw], now=now)
    assert refused.value.claim == "dates" and refused.value.found == now.date().isoformat()


def test_who_signed_so_far_is_told(one: World) -> None:
    partly = statement.parse(signed(one, one.convention.text.decode(), "travail", "acoss"))
    found = signatures(partly, one.convention, None)
    assert [key.name for key in found.signed] == ["acoss/signing", "travail/signing"]
    assert [key.name for key in found.missing] == ["banque-de-france/signing", "auditeur/signing"]


# -- amendments ---------------------------------------------------------------------------------------------------


def test_amendments_chain_in_whatever_order_they_are_given(three: World) -> None:
    for raws in itertools.permutations(three.raws):
        chain = ConventionChain.open(raws, now=NOW)
        assert chain.raws == tuple(three.raws) and chain.current.version == 3
    again = ConventionChain.open([*three.raws, three.raws[0]])
    assert again.raws == tuple(three.raws)
    assert [one.version for one in again.conventions] == [1, 2, 3]
    assert all(again.by_digest(one.digest) is one for one in again.conventions)


def test_only_the_newest_must_be_in_force(three: World) -> None:
    late = datetime(2030, 1, 1, tzinfo=UTC)
    assert ConventionChain.open(three.raws, now=late).current.version == 3
    with pytest.raises(Refused, match="dates"):
        ConventionChain.open(three.raws[:2], now=late)


@pytest.mark.parametrize("kept", [[1], [2], [1, 2], [0, 2]])
def test_a_gap_in_the_chain_is_refused(three: World, kept: list[int]) -> None:
    with pytest.raises(Refused) as refused:
        ConventionChain.open([three.raws[place] for place in kept])
    assert refused.value.claim in ("previous", "version")


def test_extending_is_opening(three: World) -> None:
    chain = ConventionChain.open(three.raws[:1]).extend(three.raws[1]).extend(three.raws[2], now=NOW)
    assert chain == ConventionChain.open(three.raws)
    for raw in three.raws:
        with pytest.raises(Refused):
            chain.extend(raw)
    with pytest.raises(Refused, match="dates"):
        ConventionChain.open(three.raws[:1]).extend(three.raws[1], now=datetime(2029, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize("absent", SIGNATORIES)
def test_an_amendment_without_one_signatory_is_refused(one: World, absent: str) -> None:
    text = amend(one.convention, {"enclave.approvals": 1})
    one.chain.extend(signed(one, text, *SIGNATORIES))
    with pytest.raises(BadSignature, match=f"{absent}/signing"):
        one.chain.extend(signed(one, text, *(name for name in SIGNATORIES if name != absent)))


def test_who_leaves_must_sign_too(one: World) -> None:
    staying = tuple(name for name in SIGNATORIES if name != "auditeur")
    text = amend(one.convention, {"convention.signatories": list(staying)})
    with pytest.raises(BadSignature, match="auditeur/signing"):
        one.chain.extend(signed(one, text, *staying))
    chain = one.chain.extend(signed(one, text, *SIGNATORIES))
    assert chain.current.signatories == staying
    # And no longer the time after.
    again = amend(chain.current, {"enclave.approvals": 3})
    assert chain.extend(signed(one, again, *staying)).current.version == 3
    with pytest.raises(BadSignature, match="does not call for"):
        chain.extend(signed(one, again, *SIGNATORIES))


def test_who_joins_must_sign_too(one: World) -> None:
    ring = Keyring.create("dgfip", "DGFiP", ["partner", "witness"], one.convention.id, now=NOW)
    text = amend(one.convention, {"convention.signatories": [*SIGNATORIES, "dgfip"]}, cards=[ring.card()])
    old = [one.signer(name) for name in SIGNATORIES]
    with pytest.raises(BadSignature, match="dgfip/signing"):
        one.chain.extend(sign_convention(text, old))
    assert "dgfip" in one.chain.extend(sign_convention(text, [*old, ring.signer()])).current.partners()


def test_a_changed_key_signs_with_the_old_and_the_new(one: World) -> None:
    ring = one.keyrings["acoss"]
    fresh = Keyring.create("acoss", "ACOSS", ring.roles, one.convention.id, now=NOW)
    text = amend(one.convention, {}, cards=[fresh.card()])
    others = [one.signer(name) for name in SIGNATORIES if name != "acoss"]
    for some in ([ring.signer()], [fresh.signer()]):
        with pytest.raises(BadSignature, match="lacks the signature of acoss/signing"):
            one.chain.extend(sign_convention(text, [*others, *some]))
    chain = one.chain.extend(sign_convention(text, [*others, ring.signer(), fresh.signer()]))
    assert chain.current.verifier("acoss", "signing") == fresh.signer().verifier
    assert len(required_keys(chain.current, one.convention)) == len(SIGNATORIES) + 1


@pytest.mark.parametrize(
    "old, new, claim",
    [
        ('id = "signaux-faibles-demo"', 'id = "another"', "id"),
        ("vigie.demo/exchange-log/2026", "vigie.demo/exchange-log/2027", "origin"),
        ("version = 2", "version = 3", "version"),
        ('previous = "', 'previous = "' + "0" * 64 + '"  # ', "previous"),
        ("buckets = 64", "buckets = 32", "buckets"),
    ],
)
def test_what_never_changes_does_not_change(one: World, old: str, new: str, claim: str) -> None:
    text = amend(one.convention, {})
    assert old in text
    broken = text.replace(old, new)
    assert parse(broken.encode()).signatories  # by itself it is a convention
    with pytest.raises(Refused) as refused:
        one.chain.extend(signed(one, broken, *SIGNATORIES))
    assert refused.value.claim == claim
    one.chain.extend(signed(one, text, *SIGNATORIES))


def test_the_custodians_of_an_epoch_do_not_change(one: World) -> None:
    custodians = [{"member": one.member, "key": one.key.hex()} for one in reversed(one.convention.epochs[0].custodians)]
    text = amend(one.convention, {"pseudonyms.epoch.1.custodian": custodians})
    with pytest.raises(Refused) as refused:
        one.chain.extend(signed(one, text, *SIGNATORIES))
    assert refused.value.claim == "epoch"


def test_two_amendments_of_one_convention_are_refused(one: World) -> None:
    left, right = (signed(one, amend(one.convention, {"enclave.approvals": n}), *SIGNATORIES) for n in (1, 3))
    with pytest.raises(Refused):
        ConventionChain.open([one.convention_raw, left, right])


# -- never a step back --------------------------------------------------------------------------------------------


def test_older_than_the_newest_seen_is_refused(three: World) -> None:
    digests = [one.digest for one in three.chain.conventions]
    for seen in (None, *digests):
        assert ConventionChain.accept(three.raws, seen, now=NOW).current.version == 3
    with pytest.raises(Refused) as refused:
        ConventionChain.accept(three.raws[:2], digests[2])
    assert refused.value.claim == "newest" and "version 2" in refused.value.found
    assert ConventionChain.accept(three.raws[:2], digests[1]).current.version == 2


def test_another_history_than_the_one_seen_is_refused(one: World, three: World, tmp_path: Path) -> None:
    other = World.create(tmp_path, overrides={"enclave.approvals": 1})
    with pytest.raises(Refused) as refused:
        ConventionChain.accept(other.raws, one.chain.digest)
    assert refused.value.claim == "newest"
    assert ConventionChain.accept(other.raws, other.chain.digest).digest == other.chain.digest


def test_partners_sign_what_binds_them(one: World) -> None:
    assert set(PARTNERS) <= set(one.convention.signatories)
