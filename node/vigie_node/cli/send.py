"""``vigie-node send FILE…``: check, pseudonymise, seal and deposit extracts. Run again after a cut, it goes on."""

import asyncio
from calendar import monthrange
from datetime import date
from typing import Annotated, Any, Literal

import pyarrow as pa
import typer

from vigie.cli import console
from vigie.clock import utc_now
from vigie.errors import InputError
from vigie_node.cli.check import AsDataset, Files, read, save, show
from vigie_node.cli.opening import connected, open_node
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.extracts.canonical import Checked
from vigie_node.folder import Node
from vigie_node.outbox import Spool
from vigie_node.perimeter_store import PerimeterStore
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.pseudonyms.pseudonymise import pseudonymise
from vigie_node.pseudonyms.workers import Workers
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
    dataset: AsDataset = None,
    passphrase_fd: PassphraseDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Send extracts; each file becomes one lot, and the same content is never deposited twice."""
    terms = Terms(period, day(period, as_of), delivery, confirm_shrink)
    node = open_node(folder, passphrase_fd)
    try:
        checked = [read(path, node.convention, dataset) for path in files]
        names = [one.dataset.name for one in checked]
        if len(set(names)) != len(names):
            raise InputError("two files are of the same dataset", hint="a lot holds one dataset: send one file of each")
        target = folder / "reports" / f"{period}-{'-'.join(sorted(names))[:100]}.json"
        save([one.report for one in checked], target)
        sent = asyncio.run(_send(node, checked, terms))
        save([one.report for one in checked], target)  # now with the rows that were outside the perimeter
        said = [_said(node, one, result) for one, result in zip(checked, sent, strict=True)]
    finally:
        node.close()
    if as_json:
        console.print_json(said)
        return
    for one, line in zip(checked, said, strict=True):
        show(one.report)
        console.show(_in_words(line))


def day(period: str, as_of: str | None) -> date:
    """Return the day on which an extract was true: the one given, or the last of its period.

    Raises:
        InputError: not a month, or not a day.
    """
    try:
        first = date.fromisoformat(f"{period}-01")
    except ValueError as error:
        raise InputError(
            f"--period {period[:20]!r} is not a month", hint="write it as YYYY-MM, for example 2021-04"
        ) from error
    if as_of is None:
        return first.replace(day=monthrange(first.year, first.month)[1])
    try:
        return date.fromisoformat(as_of)
    except ValueError as error:
        raise InputError(f"--as-of {as_of[:20]!r} is not a day", hint="write it as YYYY-MM-DD") from error


async def _send(node: Node, checked: list[Checked], terms: Terms) -> list[Sent]:
    node.chain.check_in_force(utc_now())
    epoch = node.convention.epoch_at(utc_now().date()).number
    seed = node.keyring.oprf_seed() if _is_custodian(node, epoch) else None
    async with connected(node) as channel:
        hub = Hub(channel)
        with (
            PseudonymCache(node.folder.pseudonyms) as cache,
            PerimeterStore(node.folder.perimeter, utc_now) as perimeters,
            Workers(seed=seed, convention_id=node.convention.id) as workers,
            console.progress() as bar,
        ):
            sender = Sender(
                node.chain, node.keyring, node.state, Spool(node.folder.spool), hub, utc_now, bar.step, perimeters
            )  # fmt: skip
            for one in checked:
                sender.admit(one)
            sirens = pa.concat_arrays([one.sirens() for one in checked])
            await pseudonymise(
                sirens,
                epoch=epoch,
                convention=node.convention,
                member=node.member,
                cache=cache,
                workers=workers,
                ask=lambda _custodian, statement, elements: hub.evaluate(statement, elements),
                signer=node.keyring.signer("signing"),
                now=utc_now,
                batch=node.config.limits.batch,
                progress=lambda done, total: bar.step("pseudonymise", done, total),
            )
            table = cache.table(epoch)
            return [await sender.send(one, terms, table) for one in checked]


def _is_custodian(node: Node, epoch: int) -> bool:
    return any(custodian.member == node.member for custodian in node.convention.epoch(epoch).custodians)


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
        "quality": checked.report.to_json() | {"rejections": len(checked.report.rejections)},
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
