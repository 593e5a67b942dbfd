"""``vigie-node perimeter compute|share|fetch|show``: which companies are looked at, from its owner to those that filter by it."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pyarrow.compute as pc
import typer

from vigie.cli import console
from vigie.clock import utc_now
from vigie.datasets import BUILT_IN, PSEUDONYM
from vigie.errors import Missing
from vigie_node.cli.giving import Files, Query, asked_of
from vigie_node.cli.opening import connected, open_node
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.delivery import Delivery
from vigie_node.folder import LockedNode, Node
from vigie_node.perimeter import fetching, sharing
from vigie_node.perimeter.extracts import perimeter_of
from vigie_node.perimeter.file import read_sirens, write_sirens
from vigie_node.perimeter.sharing import Shared
from vigie_node.perimeter.store import KeptPerimeter, PerimeterStore
from vigie_node.pseudonyms.cache import PseudonymCache

Companies = Annotated[Path, typer.Argument(help="File of the companies: siren, then nine digits a line.")]
Period = Annotated[str, typer.Option("--period", help="Month that the perimeter is for, YYYY-MM.")]
Confirm = Annotated[bool, typer.Option("--confirm-shrink", help="A perimeter much smaller than the last one is meant.")]

Output = Annotated[
    Path, typer.Option("--output", "-o", help="File to write: siren, then nine digits a line (filter_siren_….csv).")
]

verbs = typer.Typer(help="The perimeter: compute, share, fetch and show it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(verbs, name="perimeter")


@verbs.command("compute")
def compute(
    files: Files, folder: Folder, period: Period, output: Output, query: Query = "", as_json: AsJson = False
) -> None:
    """Work the perimeter out from headcount and the register of companies, by the convention's rule."""
    node = LockedNode.look(folder)
    convention, scratch = node.convention, node.folder.scratch
    node.close()
    asked = asked_of(period, None, None, None, query)
    with Delivery.take(files, BUILT_IN, asked, scratch=scratch, progress=console.say) as delivery:
        found = perimeter_of(delivery, convention, period)
    write_sirens(output, found.sirens)
    said = {
        "companies": len(found.sirens),
        "last_month": f"{found.last_month:%Y-%m}",
        "left_out": dict(found.left_out),
        "without_legal_unit": found.without_legal_unit,
    }
    if as_json:
        console.print_json(said)
        return
    console.show(f"{len(found.sirens)} companies are in the perimeter; headcount is known up to {said['last_month']}")
    for reason, companies in found.left_out.items():
        console.show(f"  left out: {companies} ({reason})")
    if found.without_legal_unit:
        console.show(f"  kept although the register does not know them: {found.without_legal_unit}")


@verbs.command("share")
def share(
    companies: Companies,
    folder: Folder,
    period: Period,
    confirm_shrink: Confirm = False,
    passphrase_fd: PassphraseDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Share the perimeter with the partners that the convention names; the same companies again change nothing."""
    sirens = read_sirens(companies)
    node = open_node(folder, passphrase_fd)
    try:

        async def run() -> Shared:
            async with connected(node) as channel:
                with console.progress() as bar:
                    return await sharing.share(
                        node, channel, sirens, period, shrink_confirmed=confirm_shrink, progress=bar.step
                    )

        shared = asyncio.run(run())
    finally:
        node.close()
    said = _said(shared.kept) | {"again": shared.again, "parts_sent": shared.parts_sent}
    if as_json:
        console.print_json(said)
        return
    what = "shared before; the same receipt counts" if shared.again else "shared; the receipt is kept"
    console.show(f"perimeter for {said['period']}, {len(sirens)} companies: {what}")
    console.show(f"  recipients: {', '.join(said['recipients'])}; they see the size class {said['companies_class']}")


@verbs.command("fetch")
def fetch(folder: Folder, passphrase_fd: PassphraseDescriptor = None, as_json: AsJson = False) -> None:
    """Fetch the perimeter, check it, and keep it: what is sent from now on is filtered by it."""
    node = open_node(folder, passphrase_fd)
    try:
        kept, fresh = asyncio.run(_fetch(node))
    finally:
        node.close()
    said = _said(kept) | {"new": fresh}
    if as_json:
        console.print_json(said)
        return
    console.show(f"{_in_words(said)}: {'fetched and checked' if fresh else 'here already'}")


async def _fetch(node: Node) -> tuple[KeptPerimeter, bool]:
    node.chain.check_in_force(utc_now())
    async with connected(node) as channel:
        return await fetching.fetch(node, channel)


@verbs.command("show")
def show(folder: Folder, as_json: AsJson = False) -> None:
    """Show the perimeter that counts here, and how many of the companies that this node knows are inside."""
    node = LockedNode.look(folder)
    try:
        with PerimeterStore(node.folder.perimeter, utc_now) as store:
            kept = store.newest()
        if kept is None:
            raise Missing(
                "there is no perimeter on this node",
                hint="`vigie-node perimeter fetch` asks the hub for it; its owner shares it with `perimeter share`",
            )
        with PseudonymCache(node.folder.pseudonyms) as cache:
            known = cache.table(kept.body.epoch)[PSEUDONYM].combine_chunks()
        inside = int(pc.sum(kept.inside(known)).as_py() or 0)
    finally:
        node.close()
    said = _said(kept) | {"inside": inside, "outside": len(known) - inside}
    if as_json:
        console.print_json(said)
        return
    console.show(_in_words(said))
    console.show(f"  statement {said['statement']}, entry {said['entry']} of the journal")
    console.show(f"  of the {len(known)} companies that this node knows: {inside} inside, {said['outside']} outside")


def _said(kept: KeptPerimeter) -> dict[str, Any]:
    body = kept.body
    return {
        "period": body.period,
        "epoch": body.epoch,
        "owner": body.owner,
        "recipients": sorted(body.recipients),
        "companies_class": body.companies_class,
        "statement": kept.digest.hex(),
        "entry": kept.journal_place,
        "receipt": kept.receipt.decode(),
    }


def _in_words(said: dict[str, Any]) -> str:
    return (
        f"perimeter of {said['owner']} for {said['period']}, epoch {said['epoch']}, "
        f"at most {said['companies_class']} companies"
    )
