"""``vigie-node orders | approve | refuse``: what is to be computed, and a person's decision on it."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from vigie.cli import console
from vigie.clock import utc_now
from vigie.errors import InputError, Refused
from vigie_node.cli.options import AsJson, Folder
from vigie_node.folder import LockedNode
from vigie_node.known import Decision, KnownOrder
from vigie_node.ledger import NEWEST_MEASUREMENT
from vigie_node.order_words import Background
from vigie_node.orders import OrderView, view

Order = Annotated[str, typer.Argument(help="First digits of the order's digest, as `orders` shows it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("orders")(orders)
    app.command("approve")(approve)
    app.command("refuse")(refuse)


def orders(folder: Folder, as_json: AsJson = False) -> None:
    """List the announced orders, oldest first, and where each stands."""
    node = LockedNode.look(folder)
    try:
        now = utc_now()
        views = [_view(node, order, now) for order in node.ledger.orders()]
    finally:
        node.close()
    if as_json:
        console.print_json([asdict(one) for one in views])
        return
    if not views:
        console.say("no order has been announced to this node")
    for one in views:
        console.show(f"{one.digest[:12]}  {one.purpose}, {one.period}: {one.standing}")


def approve(order: Order, folder: Folder, yes: Yes = False) -> None:
    """Approve one order: keys may be released to approved enclaves under it, at most three times."""
    _decide(folder, order, "approve", None, yes)


def refuse(
    order: Order,
    folder: Folder,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept here and shown by `orders`.")] = "",
    yes: Yes = False,
) -> None:
    """Refuse one order: nothing of this member is opened under it."""
    _decide(folder, order, "refuse", reason or None, yes)


def _decide(folder: Folder, prefix: str, decision: Decision, reason: str | None, yes: bool) -> None:
    node = LockedNode.look(folder)
    try:
        now = utc_now()
        known = node.ledger.find_order(prefix)
        seen = _view(node, known, now)
        _show(seen)
        if seen.stage in ("done", "late"):
            raise Refused(
                "order", expected="an order that is open", found=f"one of which {_nothing(seen.stage, known)}",
                hint="there is nothing to decide; `vigie-node orders` lists those that wait",
            )  # fmt: skip
        if not yes and not typer.confirm(f"{decision} this order?", err=True):
            raise InputError("nothing was decided")
        node.ledger.decide(known.digest, decision, reason=reason, now=now)
        after = _view(node, node.ledger.find_order(known.digest.hex()), now)
    finally:
        node.close()
    console.say(f"recorded for {after.digest[:12]}: {after.standing}")


def _nothing(stage: str, order: KnownOrder) -> str:
    return "the run is in the journal" if stage == "done" else f"the deadline {order.body.deadline} is past"


def _view(node: LockedNode, order: KnownOrder, now: datetime) -> OrderView:
    body = order.body
    return view(
        order,
        node.ledger.standing(order.digest, body.purpose, body.period),
        convention=node.convention,
        own_lots=node.state.lots(),
        policy=node.config.policy,
        now=now,
        about=Background(
            node.member,
            node.state.seen.lots(body.lots),
            node.state.seen.approvals(),
            node.state.value(NEWEST_MEASUREMENT),
        ),
    )


def _show(seen: OrderView) -> None:
    console.say(f"Order {seen.digest}")
    for sentence in seen.sentences:
        console.say(sentence)
    console.say(f"Now: {seen.standing}.")
