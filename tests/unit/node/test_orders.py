"""Orders in words: what a person reads before deciding, and where an order stands."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.release_case import NOTHING_YET, NOW, Case, chain, digest, make_lot, own
from vigie.clock import stamp
from vigie_node.ledger import KnownOrder
from vigie_node.orders import OrderView, view


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
        "Period: 2026-01", "opens 1 of this partner's lots (of 2 in all)", "debts, snapshot for 2026-01, lot 010101",
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
