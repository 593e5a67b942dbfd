"""Orders in words: what would be computed, from which lots of this partner, and where each order stands.

A person decides on an order's digest. So that the decision means something, what the order says is put in sentences
first (:mod:`vigie_node.order_words`), and what the node would do without a decision.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from vigie.clock import parse_time
from vigie.convention import Convention
from vigie_node.config import Policy
from vigie_node.known import KnownOrder, Standing
from vigie_node.ledger import ReleaseLedger
from vigie_node.order_words import Background, sentences
from vigie_node.own_lots import OwnLot
from vigie_node.release import MAX_RELEASES, waits

Stage = Literal["done", "refused", "approved", "automatic", "waiting", "late"]
"""Where an order stands for this node; stable words for ``--json``."""


@dataclass(frozen=True)
class OrderView:
    """One announced order as people see it.

    Attributes:
        digest: hexadecimal digest, which a decision names.
        stage: stable word.
        standing: that stage in a sentence.
        sentences: what would be computed, one thing per sentence.
    """

    digest: str
    purpose: str
    period: str
    deadline: str
    stage: Stage
    standing: str
    sentences: tuple[str, ...]


def view(
    order: KnownOrder,
    standing: Standing,
    *,
    convention: Convention,
    own_lots: tuple[OwnLot, ...],
    policy: Policy,
    now: datetime,
    about: Background | None = None,
) -> OrderView:
    """Put one order in words.

    Args:
        order: as recorded when it was announced.
        standing: decisions and counts for it.
        convention: the current one.
        own_lots: every lot of this partner, in the order of commitment.
        policy: this node's policy.
        now: current time.
        about: what this node read of other members, for the sentences.
    """
    body = order.body
    stage = _stage(order, standing, policy, now)
    about = replace(about or Background(), releases=(standing.since_decision, MAX_RELEASES))
    return OrderView(
        order.digest.hex(),
        body.purpose,
        body.period,
        body.deadline,
        stage,
        _in_words(stage, order, standing),
        tuple(sentences(order, convention, own_lots, about, now)),
    )


def waiting_orders(ledger: ReleaseLedger, policy: Policy, now: datetime) -> tuple[KnownOrder, ...]:
    """Return the announced orders that only wait for a person, oldest first."""
    found = []
    for order in ledger.orders():
        body = order.body
        if _stage(order, ledger.standing(order.digest, body.purpose, body.period), policy, now) == "waiting":
            found.append(order)
    return tuple(found)


def _stage(order: KnownOrder, standing: Standing, policy: Policy, now: datetime) -> Stage:
    if standing.run_of_order:
        return "done"
    if order.decision == "refuse" or order.refusal is not None:
        return "refused"
    if parse_time(order.body.deadline) < now:
        return "late"
    if order.decision == "approve":
        return "approved"
    return "waiting" if waits(policy, standing) else "automatic"


def _in_words(stage: Stage, order: KnownOrder, standing: Standing) -> str:
    released = f"; keys were released {_times(standing.released_under)} under it" if standing.released_under else ""
    if stage == "done":
        return "done: its run is in the journal" + released
    if stage == "refused":
        if order.decision != "refuse":
            return "refused by this node's rules; `vigie-node status` shows the reason" + released
        why = f": {order.reason}" if order.reason else ""
        return f"refused by a person{why}" + released
    if stage == "late":
        return "its deadline is past" + released
    if stage == "approved":
        return f"approved by a person, for at most {MAX_RELEASES} releases" + released
    if stage == "waiting":
        return f"waits for a decision: vigie-node approve {order.digest.hex()[:12]}" + released
    return "this node releases by itself, because its policy is auto" + released


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
