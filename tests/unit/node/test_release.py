"""The seven checks before a release: the whole that passes, and for each check everything that must not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import release_case
from support.release_case import (
    MEASUREMENT,
    NOTHING_YET,
    NOW,
    Case,
    Journal,
    chain,
    digest,
    keyring,
    make_approval,
    make_lot,
    make_order,
    own,
    stricter,
)
from support.world import ORIGIN, World
from vigie import bodies, body_codec, statement
from vigie.attend import ReleaseQuestion
from vigie.chain import ConventionChain
from vigie.clock import stamp
from vigie.errors import Refused
from vigie.note import Signer
from vigie_node.known import Standing
from vigie_node.order_checks import judge_order, reason_of
from vigie_node.release import MAX_RELEASES, ReleasePlan, check_policy, decide, waits

GOOD = Case().question()
"""A question that is right in every point."""


def judged(case: Case, *, by: ConventionChain | None = None, **changed: Any) -> ReleasePlan:
    question = replace(case.question(), **changed)
    return decide(question, chain=by or chain(), member="acoss", known=case.known(), now=NOW)


def refused(case: Case, claim: str, found: str = "", *, by: ConventionChain | None = None, **changed: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        judged(case, by=by, **changed)
    assert caught.value.claim == claim
    assert found in caught.value.found, caught.value.found
    reason = reason_of(caught.value)
    assert body_codec.decode(bodies.Reason, body_codec.encode(reason)) == reason, "every reason can be signed"
    return caught.value


def test_all_seven_hold() -> None:
    case = Case()
    plan = judged(case)
    assert [lot.body.lot for lot in plan.lots] == [b"\1" * 16], "this partner's lot, and no other"
    assert plan.order_digest == digest(case.order())
    assert plan.evidence_digest == digest(case.evidence())
    assert (plan.challenge, plan.measurement, plan.warrant) == (b"c" * 32, MEASUREMENT, "auto")


# -- a model of an earlier run ------------------------------------------------------------------------------------


def with_model(case: Case, *, trained: bool = True, custodian: bool = True) -> ReleasePlan:
    case.order_changed = {"model": "ab" * 32}
    seen: list[tuple[bytes, str]] = []

    def known_model(model: bytes, purpose: str) -> bool:
        seen.append((model, purpose))
        return trained

    known = replace(case.known(), trained=known_model, custodian=custodian)
    plan = decide(case.question(), chain=chain(), member="acoss", known=known, now=NOW)
    assert seen == [(b"\xab" * 32, "early-warning")]
    return plan


def test_1_a_model_that_a_run_of_the_purpose_trained() -> None:
    assert [lot.body.lot for lot in with_model(Case()).lots] == [b"\1" * 16]
    with pytest.raises(Refused, match="none such in the journal") as caught:
        with_model(Case(), trained=False)
    assert caught.value.claim == "model"
    case = Case(order_changed={"model": "ab" * 32})
    refused(case, "model")


def test_2_a_custodian_answers_without_lots_and_nobody_else_does() -> None:
    assert with_model(Case(lots=[], named=[make_lot(9, partner="banque-de-france", dataset="ratios")])).lots == ()
    with pytest.raises(Refused, match="none of its lots"):
        with_model(Case(lots=[], named=[make_lot(9, partner="banque-de-france", dataset="ratios")]), custodian=False)
    case = Case(lots=[], named=[make_lot(9, partner="banque-de-france", dataset="ratios")])
    with pytest.raises(Refused, match="none of its lots"):
        decide(case.question(), chain=chain(), member="acoss", known=replace(case.known(), custodian=True), now=NOW)


def test_6_a_share_alone_wants_the_level_of_every_dataset_of_the_purpose() -> None:
    case = Case(lots=[], named=[make_lot(9, partner="banque-de-france", dataset="ratios")])
    case.evidence_changed = {"layers": {"network": "absent"}}
    with pytest.raises(Refused) as caught:
        with_model(case)
    assert caught.value.claim == "enclave"


# -- 1: the order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "signer",
    [keyring("hub").signer("host"), keyring("acoss").signer(), keyring("travail").signer()],
    ids=["host", "itself", "partner"],
)
def test_1_only_an_operator_orders(signer: Signer) -> None:
    refused(Case(order_signers=(signer,)), "order", "must be signed by hub/operator")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"purpose": "fishing"}, "purpose: fishing"),
        ({"period": "2026-04"}, "period 2026-04"),
        ({"epoch": 2}, "epoch: 2"),
        (
            {
                "created": stamp(NOW - timedelta(hours=2)),
                "deadline": stamp(NOW - bodies.ORDER_GRACE - timedelta(seconds=1)),
            },
            "deadline",
        ),
        ({"deadline": "2026-02-30T00:00:00Z"}, "moment that does not exist"),
        ({"convention": b"?" * 32}, "convention: 3f3f"),
    ],
    ids=["purpose", "period", "epoch", "deadline", "no such day", "convention"],
)
def test_1_purpose_period_and_convention(changed: dict[str, Any], found: str) -> None:
    refused(Case(order_changed=changed), "order", found)


def test_1_an_order_is_carried_out_a_while_after_its_deadline_but_announced_only_before() -> None:
    """Somebody was away: the others release when the deadline has passed."""
    late = {"created": stamp(NOW - timedelta(hours=2)), "deadline": stamp(NOW - bodies.ORDER_GRACE)}
    case = Case(order_changed=late)
    assert judged(case).lots
    with pytest.raises(Refused) as caught:
        judge_order(case.order(), chain=chain(), own_lots=[own(lot) for lot in case.lots], now=NOW)
    assert caught.value.claim == "order"


def test_1_an_expired_convention() -> None:
    old = stricter("convention.to", "2026-03-01")
    case = Case(order_changed={"convention": old.digest, "deadline": stamp(NOW + timedelta(days=2))})
    question = replace(GOOD, order=case.order())
    with pytest.raises(Refused) as caught:
        decide(question, chain=old, member="acoss", known=case.known(), now=NOW + timedelta(days=1))
    assert (caught.value.claim, "2026-03-02" in caught.value.found) == ("order", True)


def test_1_an_order_under_a_convention_that_was_amended(tmp_path: Path) -> None:
    amended = World.create(tmp_path, now=NOW)
    amended.amend({"disclosure.rounding": 10})
    assert amended.chain.by_digest(chain().digest) is not None
    refused(Case(), "order", "version 1", by=amended.chain)


# -- 2: the lots --------------------------------------------------------------------------------------------------


def test_2_a_superseded_lot() -> None:
    case = Case()
    older, newer = make_lot(1), make_lot(3, supersedes=b"\1" * 16)
    case.lots, case.named = [older, newer], [older, *case.others]
    refused(case, "lots", "superseded lot 0101")


def test_2_a_withdrawn_lot() -> None:
    case = Case()
    known = case.known()
    lots = tuple(replace(lot, withdrawn=True) for lot in known.own_lots)
    with pytest.raises(Refused) as refused:
        decide(case.question(), chain=chain(), member="acoss", known=replace(known, own_lots=lots), now=NOW)
    assert (refused.value.claim, "destroyed" in refused.value.found) == ("lots", True)
    assert "not withdrawn" in refused.value.expected


def test_2_a_delta_left_out() -> None:
    case = Case()
    base, delta = make_lot(1), make_lot(3, delivery="delta", base=b"\1" * 16)
    case.lots, case.named = [base, delta], [base, *case.others]
    refused(case, "lots", "without the lot 0303")
    case = Case(lots=[base, delta], named=[base, delta, *case.others])
    assert len(judged(case).lots) == 2


def test_2_a_dataset_that_the_purpose_does_not_use() -> None:
    narrow = stricter("purpose.early-warning.datasets", ["headcount", "ratios", "debts", "contributions"])
    changed = {"convention": narrow.digest}
    case = Case(order_changed=changed, lots=[make_lot(1), make_lot(2, dataset="payment_plans")])
    case.named = [*case.lots, *case.others]
    refused(case, "lots", "a lot of payment_plans", by=narrow)


def test_2_none_of_this_partner() -> None:
    case = Case()
    case.lots, case.named = [], case.others
    refused(case, "lots", "none of its lots")


def test_2_all_lots_of_this_partner_left_out() -> None:
    case = Case()
    case.named = case.others
    refused(case, "lots", "without the lot 0101")


def test_2_a_lot_named_twice() -> None:
    case = Case()
    case.named = [case.lots[0], case.lots[0]]
    refused(case, "order", "lots: one of them twice")


def test_2_a_lot_of_another_epoch() -> None:
    case = Case()
    case.lots = [make_lot(1, epoch=2)]
    refused(case, "lots", "of epoch 2")


# -- 3: the journal -----------------------------------------------------------------------------------------------


def test_3_evidence_needs_both_signatures() -> None:
    case = Case()
    for signers in ((keyring("hub").signer("host"),), (case.enclave,)):
        refused(Case(evidence_signers=signers), "journal", "must be signed by")


def test_3_evidence_for_another_order() -> None:
    refused(Case(evidence_changed={"order": b"?" * 32}), "journal", "another order")


def test_3_a_receipt_of_something_else() -> None:
    case = Case()
    question = case.question()
    refused(case, "journal", "", order_receipt=question.evidence_receipt)
    refused(case, "journal", "", evidence_receipt=question.order_receipt)
    refused(case, "journal", "", order_receipt=b"no receipt")


def test_3_a_checkpoint_of_another_log() -> None:
    refused(Case(journal=Journal(Signer(ORIGIN, b"x" * 32))), "journal", "not signed this checkpoint")


def test_3_two_checkpoints() -> None:
    case = Case()
    question = case.question()
    smaller = case.journal.receipt(question.order, size=3, witnesses=case.witnesses)
    refused(case, "journal", "two different checkpoints", order_receipt=smaller)


def test_3_a_checkpoint_that_this_node_did_not_witness() -> None:
    refused(Case(witnessed={}), "journal", "did not")
    refused(Case(witnessed={3: b"r" * 32}), "journal", "4 entries")


def test_3_a_second_history() -> None:
    case = Case()
    case.question()
    case.witnessed = {4: b"another root, of the same size...."[:32]}
    error = refused(case, "journal", "another tree of the same size")
    assert "auditor" in error.hint


@pytest.mark.parametrize(
    "witnesses",
    [(), ("acoss",), ("banque-de-france",), ("acoss", "banque-de-france")],
    ids="+".join,
)
def test_3_cosignatures_that_do_not_count(witnesses: tuple[str, ...]) -> None:
    """This member's own does not count, nor does any of the hub's organisation, whatever member made it."""
    refused(Case(witnesses=witnesses), "journal", "0")


@pytest.mark.parametrize("witness", ["travail", "auditeur"])
def test_3_cosignatures_that_count(witness: str) -> None:
    assert judged(Case(witnesses=(witness,))).warrant == "auto"


def test_3_a_quorum_of_two_counts_organisations() -> None:
    two = stricter("witness.release_quorum", 2)
    refused(under(two, witnesses=("travail", "acoss", "banque-de-france")), "journal", "1", by=two)
    assert judged(under(two, witnesses=("travail", "auditeur")), by=two).warrant == "auto"


def under(by: ConventionChain, **changed: Any) -> Case:
    """A right question under another convention."""
    named = {"convention": by.digest}
    approvals = [
        release_case.sign(bodies.Approval(by.digest, MEASUREMENT, name, stamp(NOW)), keyring(name).signer())
        for name in ("acoss", "travail")
    ]
    return Case(
        order_changed=named, evidence_changed=named, own_approvals=approvals[:1], approvals=approvals[1:], **changed
    )


def test_3_a_forged_cosignature_refuses_the_whole() -> None:
    case = Case(witnesses=("travail", "auditeur"))
    question = case.question()
    name = b"travail/witness "
    at = question.evidence_receipt.index(name) + len(name) + 20
    spoilt = bytearray(question.evidence_receipt)
    spoilt[at] = ord("A") if spoilt[at] != ord("A") else ord("B")
    refused(case, "journal", "", evidence_receipt=bytes(spoilt))


# -- 4: the challenge ---------------------------------------------------------------------------------------------


def test_4_another_challenge_or_none() -> None:
    refused(Case(evidence_changed={"challenges": {"acoss": b"?" * 32}}), "challenge", "another one")
    refused(Case(evidence_changed={"challenges": {"travail": b"c" * 32}}), "challenge", "or none")


def test_4_a_challenge_for_another_order() -> None:
    refused(Case(challenge_order=b"?" * 32), "challenge", "another order")


def test_4_a_used_challenge() -> None:
    refused(Case(used=True), "challenge", "one that was")


def test_4_an_old_challenge() -> None:
    assert judged(Case(drawn=NOW - timedelta(seconds=300))).warrant == "auto"
    refused(Case(drawn=NOW - timedelta(seconds=301)), "challenge", "301 seconds")


def test_4_a_challenge_of_the_future() -> None:
    refused(Case(drawn=NOW + timedelta(seconds=1)), "challenge", "-1 seconds")


# -- 5: approvals -------------------------------------------------------------------------------------------------


def test_5_this_member_itself_must_approve() -> None:
    others = [make_approval(name) for name in ("travail", "banque-de-france", "auditeur")]
    refused(Case(own_approvals=[], approvals=others), "approval", MEASUREMENT.hex())


def test_5_its_own_may_come_with_the_question() -> None:
    assert judged(Case(own_approvals=[], approvals=[make_approval("acoss"), make_approval("travail")])).lots


def test_5_an_approval_of_an_older_enclave() -> None:
    refused(Case(own_approvals=[make_approval("acoss", b"o" * 32)]), "approval", "which it did not")


def test_5_too_few_organisations() -> None:
    refused(Case(approvals=[]), "approval", "1")
    refused(Case(approvals=[make_approval("travail", b"o" * 32)]), "approval", "1")
    refused(Case(approvals=[make_approval("acoss"), make_approval("acoss")]), "approval", "1")


def test_5_what_is_not_signed_by_whom_it_names_counts_for_nothing() -> None:
    forged = make_approval("travail", MEASUREMENT, keyring("banque-de-france").signer())
    refused(Case(approvals=[forged, b"garbage", Case().order()]), "approval", "1")


# -- 6: the enclave -----------------------------------------------------------------------------------------------


def test_6_another_platform() -> None:
    refused(Case(evidence_changed={"platform": "sgx", "quote": b"q" * 32}), "enclave", "sgx")


@pytest.mark.parametrize("layer", chain().current.enclave.layers)
def test_6_a_layer_that_is_missing(layer: str) -> None:
    layers = dict.fromkeys(chain().current.enclave.layers, "enforced")
    refused(Case(evidence_changed={"layers": layers | {layer: "absent"}}), "enclave", f"{layer}: absent")
    del layers[layer]
    refused(Case(evidence_changed={"layers": layers}), "enclave", f"{layer}: not named")


def test_6_a_dataset_that_asks_for_more() -> None:
    more = stricter("dataset.debts.minimum_level", "A3")
    refused(under(more), "enclave", "level A1", by=more)


# -- 7: the policy ------------------------------------------------------------------------------------------------


def standing(**changed: Any) -> Standing:
    return replace(NOTHING_YET, **changed)


@pytest.mark.parametrize(
    ("policy", "so_far", "warrant"),
    [
        ("auto", NOTHING_YET, "auto"),
        ("auto", standing(released=MAX_RELEASES - 1), "auto"),
        ("auto", standing(decision="approve", run_seen=True), "approved"),
        ("auto", standing(decision="approve", released=MAX_RELEASES), "approved"),
        ("manual", standing(decision="approve"), "approved"),
        ("manual", standing(decision="approve", since_decision=MAX_RELEASES - 1), "approved"),
    ],
)
def test_7_allowed(policy: Any, so_far: Standing, warrant: str) -> None:
    assert judged(Case(policy=policy, standing=so_far)).warrant == warrant
    assert not waits(policy, so_far)


@pytest.mark.parametrize(
    ("policy", "so_far", "found", "waiting"),
    [
        ("manual", NOTHING_YET, "policy is manual", True),
        ("auto", standing(run_seen=True), "run for this purpose", True),
        ("auto", standing(released=MAX_RELEASES), "after 3 releases", True),
        ("auto", standing(decision="refuse"), "refused by a person", False),
        ("manual", standing(decision="refuse"), "refused by a person", False),
        ("manual", standing(decision="approve", since_decision=MAX_RELEASES), "3", False),
        ("manual", standing(decision="approve", run_of_order=True), "this very order", False),
        ("auto", standing(run_of_order=True), "this very order", False),
    ],
)
def test_7_refused(policy: Any, so_far: Standing, found: str, waiting: bool) -> None:
    refused(Case(policy=policy, standing=so_far), "policy", found)
    assert waits(policy, so_far) == waiting


@given(
    decision=st.sampled_from([None, "approve", "refuse"]),
    since=st.integers(0, 5),
    released=st.integers(0, 5),
    run_seen=st.booleans(),
    run_of_order=st.booleans(),
    policy=st.sampled_from(["auto", "manual"]),
)
def test_7_no_path_around(
    decision: Any, since: int, released: int, run_seen: bool, run_of_order: bool, policy: Any
) -> None:
    so_far = Standing(decision, since, since, released, run_seen, run_of_order)
    try:
        warrant = check_policy(policy, so_far)
    except Refused:
        return
    assert not run_of_order
    assert decision != "refuse"
    if warrant == "auto":
        assert policy == "auto"
        assert decision is None
        assert not run_seen
        assert released < MAX_RELEASES
    else:
        assert decision == "approve"
        assert since < MAX_RELEASES


# -- the order of the checks, and hostile bytes -------------------------------------------------------------------


def test_the_checks_come_in_their_order() -> None:
    """Everything is wrong at once: what is reported is always the first check that fails."""
    wrong: list[tuple[str, Callable[[Case], None]]] = [
        ("policy", lambda case: setattr(case, "policy", "manual")),
        ("enclave", lambda case: case.evidence_changed.update(platform="tdx", quote=b"q" * 32)),
        ("approval", lambda case: setattr(case, "own_approvals", [])),
        ("challenge", lambda case: setattr(case, "used", True)),
        ("journal", lambda case: setattr(case, "witnessed", {})),
        ("lots", lambda case: case.lots.append(make_lot(7, delivery="delta", base=b"\1" * 16))),
        ("order", lambda case: case.order_changed.update(purpose="fishing")),
    ]
    case = Case()
    for claim, spoil in wrong:
        spoil(case)
        refused(case, claim)


def changed(question: ReleaseQuestion, part: str, data: bytes) -> ReleaseQuestion:
    parts: dict[str, Any] = {part: data}
    return replace(question, **parts)


@settings(max_examples=60, deadline=None)
@given(
    part=st.sampled_from(["order", "evidence", "order_receipt", "evidence_receipt"]),
    at=st.integers(0, 10_000),
    value=st.integers(0, 255),
)
def test_one_changed_byte_never_passes_as_another_question(part: str, at: int, value: int) -> None:
    """Either the byte does not matter (an unknown cosigner's line), or the release is refused; nothing else escapes."""
    case = Case()
    case.question()
    data = bytearray(getattr(GOOD, part))
    data[at % len(data)] = value
    question = changed(GOOD, part, bytes(data))
    try:
        plan = decide(question, chain=chain(), member="acoss", known=case.known(), now=NOW)
    except Refused:
        return
    assert (plan.order_digest, plan.evidence_digest) == (digest(GOOD.order), digest(GOOD.evidence))


@given(data=st.binary(max_size=200))
def test_garbage_is_refused(data: bytes) -> None:
    case = Case()
    for part in ("order", "evidence", "order_receipt", "evidence_receipt"):
        with pytest.raises(Refused):
            decide(changed(GOOD, part, data), chain=chain(), member="acoss", known=case.known(), now=NOW)


def test_an_announcement_is_judged_by_the_first_two_checks() -> None:
    case = Case()
    lots = [own(lot) for lot in case.lots]
    assert len(judge_order(case.order(), chain=chain(), own_lots=lots, now=NOW).lots) == 1
    with pytest.raises(Refused) as caught:
        judge_order(make_order(case.others), chain=chain(), own_lots=lots, now=NOW)
    assert caught.value.claim == "lots"


def test_a_reason_is_always_signable() -> None:
    hostile = Refused("order", expected="x" * 2000, found="line\nbreak\x07")
    reason = reason_of(hostile)
    body = bodies.Release(chain().digest, b"o" * 32, None, "acoss", "refused", (), None, reason, stamp(NOW))
    raw = release_case.sign(body, keyring("acoss").signer())
    assert bodies.read(statement.parse(raw), bodies.Release).reason == reason


def test_the_question_is_complete() -> None:
    assert isinstance(GOOD, ReleaseQuestion)
