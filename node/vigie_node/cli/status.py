"""``vigie-node status``: where this node stands, from its own folder alone (no passphrase, no call to the hub)."""

from typing import Any

import typer

from vigie.cli import console
from vigie.clock import stamp, utc_now
from vigie_node.cli.options import AsJson, Folder
from vigie_node.examination import attendance_of
from vigie_node.folder import LockedNode
from vigie_node.orders import waiting_orders


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("status")(status)


def status(folder: Folder, as_json: AsJson = False) -> None:
    """Show the connection, own lots, orders, releases, results and the journal as this node witnessed it."""
    node = LockedNode.look(folder)
    try:
        said = _gather(node)
    finally:
        node.close()
    if as_json:
        console.print_json(said)
        return
    _show(said)


def _gather(node: LockedNode) -> dict[str, Any]:
    now = utc_now()
    at = attendance_of(node)
    convention = node.convention
    answers = node.ledger.answers()
    return {
        "member": node.member,
        "hub": node.config.hub,
        "policy": node.config.policy,
        "convention": {
            "id": convention.id, "version": convention.version, "digest": convention.digest.hex(),
            "until": convention.end.isoformat(), "in_force": convention.in_force(now),
        },
        "attendance": {
            "running": at.running, "state": at.state if at.running else None, "since": at.since, "reason": at.reason,
        },
        "lots": [
            {
                "dataset": lot.body.dataset, "period": lot.body.period, "delivery": lot.body.delivery,
                "as_of": lot.body.as_of, "lot": lot.body.lot.hex(),
            }
            for lot in node.state.current_lots()
        ],
        "orders": {
            "announced": len(node.ledger.orders()),
            "waiting": [order.digest.hex() for order in waiting_orders(node.ledger, node.config.policy, now)],
        },
        "releases": [
            {
                "order": answer.order.hex(), "purpose": answer.purpose, "period": answer.period,
                "decision": answer.decision, "created": stamp(answer.created),
                "reason": None if answer.reason is None else vars(answer.reason),
            }
            for answer in answers[-10:]
        ],
        "results": [
            {"grant": one.grant, "purpose": one.purpose, "period": one.period, "level": one.level}
            for one in node.state.results()
        ],
        "witnessed": node.state.witness.state(convention.origin).size,
        "contradictions": len(node.state.witness.contradictions()),
    }  # fmt: skip


def _show(said: dict[str, Any]) -> None:
    convention, at = said["convention"], said["attendance"]
    console.show(f"{said['member']}, hub {said['hub']}, policy {said['policy']}")
    console.show(f"convention {convention['id']} version {convention['version']}, until {convention['until']}")
    console.show(f"attending: {_attending(at)}")
    console.show(f"current lots: {len(said['lots'])}")
    for lot in said["lots"]:
        console.show(f"  {lot['dataset']}, {lot['delivery']} for {lot['period']}, as of {lot['as_of']}")
    console.show(f"orders announced: {said['orders']['announced']}, waiting: {len(said['orders']['waiting'])}")
    for answer in said["releases"]:
        why = answer["reason"]
        reason = "" if why is None else f" ({why['claim']}: expected {why['expected']}, found {why['found']})"
        console.show(f"  {answer['created']} {answer['decision']} {answer['order'][:12]}{reason}")
    console.show(f"results here: {len(said['results'])}")
    console.show(f"journal witnessed up to {said['witnessed']} entries")
    if said["contradictions"]:
        console.show(f"THE JOURNAL CONTRADICTS ITSELF: {said['contradictions']} checkpoints; call the auditor")


def _attending(at: dict[str, Any]) -> str:
    if not at["running"]:
        return "no, no process runs this node"
    if at["state"] == "attending":
        return f"yes, since {at['since']}"
    return f"not connected ({at['reason'] or 'starting'})"
