"""Check 6 of a release with hardware: the quote travels with the question, and the node verifies it by itself."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support import release_case
from support.release_case import MEASUREMENT, NOW, Case, keyring
from support.simulated import RULE, Machine, pinned
from support.world import World
from vigie import attestation, bodies, body_codec, statement
from vigie.attend import ReleaseQuestion
from vigie.bodies import Evidence
from vigie.clock import stamp
from vigie.errors import Refused
from vigie_node.order_checks import reason_of
from vigie_node.release import ReleasePlan, decide


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    overrides = {
        "enclave.platforms": ["software", "sev-snp"], "enclave.hardware": [RULE], "enclave.minimum_level": "A3",
    }  # fmt: skip
    return World.create(tmp_path_factory.mktemp("world"), now=NOW, overrides=overrides)


@pytest.fixture(autouse=True)
def believed() -> Iterator[None]:
    with pinned():
        yield


def case(world: World, machine: Machine, **changed: Any) -> tuple[Case, bytes]:
    """A right question on a machine with hardware: evidence that names a quote, made over the rest of it."""
    named = {"convention": world.chain.digest}
    approvals = [
        release_case.sign(bodies.Approval(world.chain.digest, MEASUREMENT, name, stamp(NOW)), keyring(name).signer())
        for name in ("acoss", "travail")
    ]
    layers = dict.fromkeys(world.convention.enclave.layers, "enforced")
    made = Case(
        order_changed=named,
        evidence_changed=named | {"platform": "sev-snp", "quote": b"q" * 32, "layers": layers} | changed,
        own_approvals=approvals[:1],
        approvals=approvals[1:],
    )
    said = bodies.read(statement.parse(made.evidence()), Evidence)
    quote = machine.quote(attestation.binding(said)).encode()
    made.evidence_changed["quote"] = statement.digest_of(quote)
    return made, quote


def judged(world: World, made: Case, quote: bytes, now: timedelta = timedelta()) -> ReleasePlan:
    question: ReleaseQuestion = replace(made.question(), quote=quote)
    return decide(question, chain=world.chain, member="acoss", known=made.known(), now=NOW + now)


def refused(world: World, made: Case, quote: bytes, expected: str) -> Refused:
    with pytest.raises(Refused) as caught:
        judged(world, made, quote)
    found = caught.value
    assert found.claim == "enclave" and expected in found.expected and found.found
    reason = reason_of(found)
    assert body_codec.decode(bodies.Reason, body_codec.encode(reason)) == reason, "every reason can be signed"
    return found


def test_a_quote_that_holds_opens_the_lots(world: World) -> None:
    plan = judged(world, *case(world, Machine()))
    assert plan.hardware is not None and plan.hardware.rule.name == "simulated"
    assert plan.lots and plan.warrant == "auto"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(spoil=lambda binding: bytes(64)), "quote: a quote that binds this evidence"),
        (Machine(at_0a=b"\x0b"), "debug: bit 19"),
        (Machine(at_90=b"\x3d"), "launch measurement: one of"),
        (Machine(at_180=bytes([4, 1, 0, 0, 0, 0, 23, 217])), "tcb: what the certificate is for"),
        (Machine(at_2a=b"\x01"), ""),
    ],
    ids=["binding", "debug", "image", "firmware", "nothing"],
)
def test_what_does_not_hold_is_refused_with_claim_expected_and_found(
    world: World, machine: Machine, expected: str
) -> None:
    made, quote = case(world, machine)
    if expected:
        refused(world, made, quote, expected)
    else:
        assert judged(world, made, quote).hardware is not None


def test_the_quote_must_come_and_be_the_one_that_the_evidence_names(world: World) -> None:
    made, quote = case(world, Machine())
    named = statement.digest_of(quote).hex()
    for other, found in ((b"", "none"), (quote + b"\0", ""), (case(world, Machine())[1], "")):
        assert found in refused(world, made, other, f"quote: the quote bundle {named}").found


def test_a_machine_that_only_the_tests_know_is_refused_outside_of_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, quote = case(world, Machine())
    judged(world, made, quote)
    monkeypatch.undo()
    from vigie.hardware import pins, snp

    monkeypatch.setattr(snp, "pinned", pins.pinned)
    refused(world, made, quote, "")


@pytest.mark.parametrize("minutes", [-7, 7, 60 * 24 * 30])
def test_evidence_of_another_time_is_refused(world: World, minutes: int) -> None:
    """Its own time is that of its collateral: a hub must not choose it."""
    made, quote = case(world, Machine(), created=stamp(NOW - timedelta(minutes=minutes)))
    refused(world, made, quote, "evidence made within minutes of")
    fresh, good = case(world, Machine(), created=stamp(NOW - timedelta(minutes=4)))
    assert judged(world, fresh, good).hardware is not None


def test_a_list_that_ended_is_refused_and_one_that_ends_soon_is_told(world: World) -> None:
    for days, soon in ((30, False), (6, True)):
        plan = judged(world, *case(world, Machine(list_end=NOW + timedelta(days=days))))
        assert plan.hardware is not None
        assert any("renew it" in note.en for note in plan.hardware.verified.notes) is soon
    made, quote = case(world, Machine(list_end=NOW - timedelta(days=1)))
    refused(world, made, quote, "revocation list: one of")
