"""Orders in words: what a person reads before deciding, and where an order stands."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.release_case import MEASUREMENT, NOTHING_YET, NOW, Case, chain, digest, make_lot, own
from vigie.clock import stamp
from vigie_node.known import KnownOrder
from vigie_node.order_words import Background, sentences
from vigie_node.orders import OrderView, view
from vigie_node.seen import SeenLot


def known(case: Case, **changed: Any) -> KnownOrder:
    raw = case.order()
    order = KnownOrder(digest(raw), raw, NOW, None, None, None, 0, None)
    return replace(order, **changed)


def seen(case: Case, order: KnownOrder, *, now: Any = NOW, **standing: Any) -> OrderView:
    return view(
        order,
        replace(NOTHING_YET, **standing),
        convention=chain().current,
        own_lots=tuple(own(lot) for lot in case.lots),
        policy=case.policy,
        now=now,
    )


def test_everything_that_a_decision_needs_is_said() -> None:
    case = Case()
    said = "\n".join(seen(case, known(case)).sentences)
    for wanted in (
        "Détection précoce", "score, level, topics, reasons", "debts", "ratios", "acoss, banque-de-france, travail",
        "Period: 2026-01", "opens 1 of this partner's lots (of 2 in all)", "yours: debts, snapshot for 2026-01",
        stamp(NOW + timedelta(hours=1)),
    ):  # fmt: skip
        assert wanted in said


def test_a_superseded_lot_and_an_unknown_purpose_are_said() -> None:
    case = Case()
    case.named = [case.lots[0]]
    order = known(case)
    case.lots = [*case.lots, make_lot(3, supersedes=b"\1" * 16)]
    assert "SUPERSEDED" in "\n".join(seen(case, order).sentences)
    case = Case(order_changed={"purpose": "fishing"})
    assert "not in the current convention" in "\n".join(seen(case, known(case)).sentences)
    case = Case()
    case.named = case.others
    assert "none of this partner's lots" in "\n".join(seen(case, known(case)).sentences)


LATER = NOW + timedelta(hours=2)


@pytest.mark.parametrize(
    ("stage", "said", "policy", "order", "standing", "now"),
    [
        ("automatic", "by itself", "auto", {}, {}, NOW),
        ("automatic", "released once under it", "auto", {}, {"released_under": 1, "released": 1}, NOW),
        ("waiting", "vigie-node approve", "manual", {}, {}, NOW),
        ("waiting", "vigie-node approve", "auto", {}, {"run_seen": True}, NOW),
        ("waiting", "vigie-node approve", "auto", {}, {"released": 3}, NOW),
        ("approved", "approved by a person", "manual", {"decision": "approve"}, {"decision": "approve"}, NOW),
        ("refused", "refused by a person: no", "auto", {"decision": "refuse", "reason": "no"}, {}, NOW),
        ("refused", "refused by this node's rules", "auto", {"refusal": b"signed"}, {}, NOW),
        ("late", "deadline is past", "manual", {}, {}, LATER),
        ("done", "in the journal", "manual", {}, {"run_of_order": True}, LATER),
    ],
)  # fmt: skip
def test_where_it_stands(
    stage: str, said: str, policy: Any, order: dict[str, Any], standing: dict[str, Any], now: Any
) -> None:
    case = Case(policy=policy)
    shown = seen(case, known(case, **order), now=now, **standing)
    assert shown.stage == stage
    assert said in shown.standing


def test_lots_code_recipients_and_expiry_are_said_whole() -> None:
    case, convention = Case(), chain().current
    order = known(case)
    other = SeenLot("banque-de-france", "ratios", "2026-01", "2026-02-01", "snapshot", 96)
    about = Background(
        "acoss", {digest(case.others[0]): other}, {MEASUREMENT: ("acoss",), b"n" * 32: ("travail",)}, MEASUREMENT
    )
    shown = view(
        order, replace(NOTHING_YET, since_decision=1), convention=convention,
        own_lots=tuple(own(lot) for lot in case.lots), policy="manual", now=NOW, about=about,
    )  # fmt: skip
    said = "\n".join(shown.sentences)
    for wanted in (
        "yours: debts, snapshot for 2026-01, as of 2026-02-01, at most about 4 rows, lot 010101",
        "of banque-de-france: ratios, snapshot for 2026-01, as of 2026-02-01, at most about 96 rows",
        "this member and at least 2 organisations approved",
        f"measurement {MEASUREMENT.hex()[:16]}: approved by acoss (1 of 2 organisations, NOT ENOUGH); the last one",
        "level A1 or better", "acoss (acoss-list), about", "travail (travail-list), about",
        "nothing is released after 2026-03-01T13:15:00Z", "so far under this order: 1; a decision allows 3",
    ):  # fmt: skip
        assert wanted in said, wanted
    assert "not read of" not in said and (b"n" * 32).hex()[:16] not in said
    enough = replace(about, approved={MEASUREMENT: ("acoss", "travail", "gone")}, newest=None, others={})
    again = "\n".join(sentences(order, convention, (), enough, NOW))
    assert "approved by acoss, travail (2 of 2 organisations, enough)" in again
    assert "2 of others that this node has not read of" in again
    assert "approved no measurement yet" in "\n".join(sentences(order, convention, (), Background("acoss"), NOW))


def test_what_each_recipient_would_see_is_what_the_convention_says() -> None:
    convention = chain().current
    lines = [line for line in sentences(known(Case()), convention, (), Background("acoss"), NOW) if "-list)" in line]
    assert len(lines) == len(convention.grants_of("early-warning"))
    for grant, line in zip(convention.grants_of("early-warning"), lines, strict=True):
        for output in ("score", "level", "topics"):
            receives = convention.may_receive(grant.name, output)
            assert (f"no {output}" in line) is not receives and output in line
            freed = convention.is_declassified("early-warning", output)
            assert (f"{output} (freed" in line) is (freed and output in grant.columns)
        lacking = convention.purpose_labels("early-warning") - grant.labels
        assert ("never out of" in line) is bool(lacking and "reasons" in grant.columns)


def test_what_happens_at_expiry_depends_on_the_purpose() -> None:
    case, convention = Case(), chain().current
    required = convention.purposes["early-warning"].required
    for member in convention.partners():
        said = "\n".join(sentences(known(case), convention, (), Background(member), NOW))
        assert ("there is no run" in said) is (member in required)
        assert ("goes on without" in said) is (member not in required)


def test_a_withdrawn_lot_is_said() -> None:
    case = Case()
    lot = replace(own(case.lots[0]), withdrawn=True)
    assert "WITHDRAWN" in "\n".join(sentences(known(case), chain().current, (lot,), Background("acoss"), NOW))
