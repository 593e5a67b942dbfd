"""Judging an order: checks 1 and 2 before a release, and all that can be judged when it is announced.

The rule it keeps: an order is held against the current convention and against the lots that this partner itself knows to
have committed, never against what the hub says is current.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vigie import authority
from vigie.authority import Judged
from vigie.bodies import Order, Reason
from vigie.chain import ConventionChain
from vigie.clock import parse_time
from vigie.convention import Convention
from vigie.errors import Malformed, Missing, Refused, Untrusted, VigieError
from vigie.statement import Statement
from vigie_node.own_lots import OwnLot, current

TRAIN: Final = "train"
"""What an order says instead of the digest of a model."""


@dataclass(frozen=True)
class JudgedOrder:
    """An order that passed checks 1 and 2; ``lots`` are those of this partner that it names."""

    statement: Statement
    body: Order
    convention: Convention
    lots: tuple[OwnLot, ...]


def judge_order(
    data: bytes,
    *,
    chain: ConventionChain,
    own_lots: Sequence[OwnLot],
    now: datetime,
    grace: timedelta = timedelta(0),
    custodian: bool = False,
) -> JudgedOrder:
    """Make checks 1 and 2 alone: all that can be judged when an order is announced.

    Args:
        data: the order as received.
        chain: the conventions that this node accepted.
        own_lots: every lot that this partner committed, in order.
        now: current time on this node's clock.
        grace: how long after its deadline the order still counts; none when it is announced.
        custodian: this member may hold a share of the joint key, and answers orders that name a model without lots too.

    Raises:
        Refused: claim ``order`` or ``lots``.
    """
    # (1)
    judged = authentic(data, chain, "order", claim="order", expected="an order signed by a hub operator")
    body: Order = judged.body
    convention: Convention = judged.convention
    _check_order(body, convention, now, grace)
    # (2)
    return JudgedOrder(judged.statement, body, convention, _check_lots(body, convention, own_lots, custodian))


def reason_of(error: VigieError) -> Reason:
    """Return the reason of a refusal in the form that a signed ``release`` carries."""
    if isinstance(error, Refused):
        return Reason(error.claim, sentence(error.expected), sentence(error.found))
    return Reason("question", "a question that can be judged", sentence(str(error)))


# -- check 1 ------------------------------------------------------------------------------------------------------


def _check_order(order: Order, convention: Convention, now: datetime, grace: timedelta) -> None:
    # That the purpose and the epoch are in the convention was judged with the signature.
    if not convention.in_force(now):
        raise Refused(
            "order",
            expected=f"a convention in force ({convention.start.isoformat()} to {convention.end.isoformat()})",
            found=f"the day {now.date().isoformat()}",
        )
    outputs = set(convention.purposes[order.purpose].outputs)
    beyond = {column for grant in convention.grants_of(order.purpose) for column in grant.columns} - outputs
    if beyond:
        raise Refused("order", expected="outputs of the purpose only", found=f"a grant of {min(beyond)}")
    if order.period > f"{now.year:04d}-{now.month:02d}":
        raise Refused("order", expected="a period that is not in the future", found=f"period {order.period}")
    if parse_time(order.deadline) + grace < now:
        raise Refused("order", expected="an order before its deadline", found=f"the deadline {order.deadline} is past")


# -- check 2 ------------------------------------------------------------------------------------------------------


def _check_lots(
    order: Order, convention: Convention, own_lots: Sequence[OwnLot], custodian: bool
) -> tuple[OwnLot, ...]:
    named = set(order.lots)
    counting = {lot.digest: lot for lot in current(own_lots)}
    datasets = convention.purposes[order.purpose].datasets
    mine = tuple(lot for lot in own_lots if lot.digest in named)
    for lot in mine:
        if lot.withdrawn:
            raise Refused(
                "lots",
                expected="lots whose epoch this member has not withdrawn",
                found=f"the lot {lot.body.lot.hex()} of epoch {lot.body.epoch}, whose key this member destroyed",
                hint="a new order without it is needed; nothing opens that lot any more",
            )
        if lot.digest not in counting:
            raise Refused(
                "lots",
                expected=f"the current lots of {lot.body.dataset}",
                found=f"the superseded lot {lot.body.lot.hex()}",
                hint="a newer lot was committed after the order was made: a new order is needed",
            )
        if lot.body.dataset not in datasets or lot.body.epoch != order.epoch:
            raise Refused(
                "lots",
                expected="lots of the purpose's datasets and of the order's epoch",
                found=f"a lot of {lot.body.dataset} of epoch {lot.body.epoch}",
            )
    for lot in counting.values():
        if lot.body.dataset in datasets and lot.body.epoch == order.epoch and lot.digest not in named:
            raise Refused(
                "lots",
                expected=f"all current lots of {lot.body.dataset}",
                found=f"an order without the lot {lot.body.lot.hex()}",
            )
    if not mine and not (custodian and order.model != TRAIN):
        raise Refused("lots", expected="an order that uses lots of this partner", found="none of its lots")
    return mine


# -- shared -------------------------------------------------------------------------------------------------------


def authentic(data: bytes, chain: ConventionChain, kind: str, *, claim: str, expected: str) -> Judged:
    """Judge a statement of the current convention, and name every failure as one of the seven checks.

    Args:
        data: the statement as received.
        chain: the conventions that this node accepted.
        kind: the kind wanted.
        claim: the check that this is part of.
        expected: what the check wants.

    Raises:
        Refused: with that claim, whatever is wrong.
    """
    try:
        return authority.judge(data, chain, kind=kind, current_only=True)
    except Refused as error:
        found = sentence(f"{error.claim}: {error.found}")
        raise Refused(claim, expected=sentence(error.expected), found=found, hint=error.hint) from error
    except (Malformed, Untrusted, Missing) as error:
        raise Refused(claim, expected=expected, found=sentence(str(error)), hint=error.hint) from error


def sentence(text: str) -> str:
    """Bounded text without control characters, as a signed reason may carry it."""
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean[:500] or "nothing"
