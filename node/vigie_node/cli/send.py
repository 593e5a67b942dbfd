"""``vigie-node send FILE…``: check, pseudonymise, seal and deposit extracts. Run again after a cut, it goes on."""

import asyncio
from calendar import monthrange
from datetime import date
from typing import Annotated, Any, Literal

import pyarrow as pa
import typer

from vigie.cli import console
from vigie.clock import utc_now
from vigie.errors import ExtractError, InputError
from vigie_node.cli.check import save, show, too_many
from vigie_node.cli.giving import (
    AsDataset,
    AsKind,
    Complete,
    Files,
    Query,
    asked_of,
    first_of,
    known_datasets,
    say_unnamed,
)
from vigie_node.cli.opening import connected, open_node
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.delivery import Delivery
from vigie_node.extracts.canonical import Checked
from vigie_node.folder import Node
from vigie_node.outbox import Spool
from vigie_node.perimeter.store import PerimeterStore
from vigie_node.profiles import Profiles
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.pseudonyms.opened import pseudonyms_for
from vigie_node.sending import Sender, Sent, Terms
from vigie_node.state import current
from vigie_node.wire import Hub

Period = Annotated[str, typer.Option("--period", help="Month that the extracts are for, YYYY-MM.")]
Kind = Annotated[
    Literal["snapshot", "delta"],
    typer.Option("--delivery", help="snapshot: the whole history. delta: what changed since the last snapshot."),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Day on which the data was true; else the period's last day.")
]
Confirm = Annotated[bool, typer.Option("--confirm-shrink", help="A snapshot much smaller than the last one is meant.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("send")(send)


def send(
    files: Files,
    folder: Folder,
    period: Period,
    delivery: Kind,
    as_of: AsOf = None,
    confirm_shrink: Confirm = False,
    kind: AsKind = None,
    dataset: AsDataset = None,
    complete: Complete = None,
    query: Query = "",
    passphrase_fd: PassphraseDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Send extracts; each dataset made of them becomes one lot, and the same content is never deposited twice."""
    terms = Terms(period, day(period, as_of), delivery, confirm_shrink)
    asked = asked_of(period, kind, dataset, complete, query)
    node = open_node(folder, passphrase_fd)
    try:
        with Delivery.take(
            files, known_datasets(node.convention), asked, scratch=node.folder.scratch, progress=console.say
        ) as taken:
            checked = _own(node, taken)
            profiles = Profiles(node.folder.profiles)
            seen = [profiles.compare(one, period) for one in checked]
            names = "-".join(sorted(one.dataset.name for one in checked))[:100]
            target = node.folder.reports / f"{period}-{names}"
            save(taken.reports, target)
            _hold_back(node, taken)
            sent = asyncio.run(_send(node, checked, terms))
            save(taken.reports, target)  # now with the rows that were outside the perimeter
            for profile in seen:
                profiles.keep(profile)
            said = [_said(node, one, result) for one, result in zip(checked, sent, strict=True)]
            if not as_json:
                for report in taken.extracts:
                    show(report)
                for one, line in zip(checked, said, strict=True):
                    show(one.report)
                    console.show(_in_words(line))
    finally:
        node.close()
    if as_json:
        console.print_json(said)


def _own(node: Node, taken: Delivery) -> list[Checked]:
    """The datasets to be sent: all that were given as such; of those made from extracts, this member's own.

    Raises:
        ExtractError: there is none.
    """
    own = []
    say_unnamed(taken)
    for one in taken.checked:
        if not one.report.made_from or node.convention.may_deposit(node.member, one.dataset.name):
            own.append(one)
        else:
            owners = ", ".join(node.convention.datasets[one.dataset.name].owners)
            console.say(f"note: the convention lets {owners} send {one.dataset.name}, not {node.member}: it stays here")
    if not own:
        mine = ", ".join(node.convention.owned_datasets(node.member)) or "none"
        raise ExtractError(
            "the files give no dataset that this member may send",
            hint=f"datasets of {node.member} are {mine}; docs/roles/partner.md says which extracts each is made of",
        )
    return own


def _hold_back(node: Node, taken: Delivery) -> None:
    """Send nothing when a file has too many rejected rows, even if its rows are few among those of its dataset.

    Raises:
        ExtractError: a file has.
    """
    beyond = [said for one in taken.extracts if (said := too_many(one, node.convention))]
    if beyond:
        raise ExtractError(
            f"too many rejected rows: {', '.join(beyond)}; nothing was sent",
            hint="run `vigie-node check` on the files: it lists every rejected row with its place",
        )


def day(period: str, as_of: str | None) -> date:
    """Return the day on which an extract was true: the one given, or the last of its period.

    Raises:
        InputError: not a month, or not a day.
    """
    first = first_of(period)
    if as_of is None:
        return first.replace(day=monthrange(first.year, first.month)[1])
    try:
        return date.fromisoformat(as_of)
    except ValueError as error:
        raise InputError(f"--as-of {as_of[:20]!r} is not a day", hint="write it as YYYY-MM-DD") from error


async def _send(node: Node, checked: list[Checked], terms: Terms) -> list[Sent]:
    node.chain.check_in_force(utc_now())
    async with connected(node) as channel:
        hub = Hub(channel)
        with (
            PseudonymCache(node.folder.pseudonyms) as cache,
            PerimeterStore(node.folder.perimeter, utc_now) as perimeters,
            console.progress() as bar,
        ):
            sender = Sender(
                node.chain, node.keyring, node.state, Spool(node.folder.spool), hub, utc_now, bar.step, perimeters
            )  # fmt: skip
            for one in checked:
                sender.admit(one)
            sirens = pa.concat_arrays([one.sirens() for one in checked])
            table = await pseudonyms_for(node, hub, cache, sirens, bar.step)
            return [await sender.send(one, terms, table) for one in checked]


def _said(node: Node, checked: Checked, sent: Sent) -> dict[str, Any]:
    body = sent.lot.body
    counts = current(node.state.lots(body.dataset))
    return {
        "dataset": body.dataset,
        "lot": body.lot.hex(),
        "statement": sent.lot.digest.hex(),
        "receipt": sent.lot.receipt.decode(),
        "again": sent.again,
        "current": any(lot.digest == sent.lot.digest for lot in counts),
        "segments": body.segments,
        "segments_sent": sent.segments_sent,
        "bytes": body.bytes,
        "quality": checked.report.to_json() | {"rejections": checked.report.rejected},
    }


def _in_words(said: dict[str, Any]) -> str:
    lot = said["lot"][:16]
    if said["again"] and not said["current"]:
        return f"  {said['dataset']}: this content was deposited before as lot {lot}, and a later lot supersedes it"
    if said["again"]:
        return f"  {said['dataset']}: deposited before as lot {lot}; the same receipt counts"
    return (
        f"  {said['dataset']}: deposited as lot {lot}, {said['segments']} segments, {said['bytes'] / 2**20:.1f} MiB; "
        "the receipt is kept"
    )
