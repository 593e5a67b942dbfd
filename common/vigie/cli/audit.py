"""``vigie audit``: the auditor's commands (docs/roles/auditor.md).

``export`` copies the journal over the auditor's own mutual-TLS connection, ``verify`` and ``compare`` need no network and
no key, ``witness`` attends the hub. What was found goes to standard output, everything else to standard error; the exit
code is 0 only when nothing is wrong.
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vigie.audit import folder as folders
from vigie.audit.compare import Comparison, Copy, Verdict, compare
from vigie.audit.export import Progress, fetch
from vigie.audit.folder import Export
from vigie.audit.reading import read_journal
from vigie.audit.report import Check, Findings, Report
from vigie.audit.tree import TreeKeys
from vigie.audit.verify import verify
from vigie.chain import ConventionChain
from vigie.cli import audit_witness, console
from vigie.cli.files import hinted, read_conventions, read_file
from vigie.cli.reaching import reach
from vigie.client import channel_under
from vigie.client_journal import JournalClient
from vigie.convention import Convention
from vigie.errors import InputError, Missing
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase

app = typer.Typer(no_args_is_help=True, help="Copy, check and compare the exchange journal; witness it.")

EXIT_UNTRUSTED: Final = 4
"""The journal was read, and it does not prove what it must (as `Untrusted`)."""
EXIT_MISSING: Final = 6
"""What was given does not suffice to tell (as `Missing`)."""

_JSON = typer.Option("--json", help="Print the outcome as JSON.")


@app.command("export")
def export_command(
    hub: Annotated[str, typer.Option("--hub", help="The hub's host:port.")],
    convention: Annotated[
        list[Path], typer.Option("--convention", help="The signed convention; its ancestors first, one option each.")
    ],
    keyring: Annotated[Path, typer.Option("--keyring", help="The auditor's keyring.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; it must not be there yet.")],
    previous: Annotated[
        Path | None, typer.Option("--previous", help="An earlier export, so that only what is new is read.")
    ] = None,
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")
    ] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Copy the journal into a folder of static files, whole or not at all."""
    folders.refuse_existing(output)
    chain = ConventionChain.open(read_conventions(convention))
    before = _export(previous) if previous else None
    keys = Keyring.load(keyring, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
    with console.progress() as bars:
        found = asyncio.run(_fetch(chain.current, hub, keys, before, partial(bars.step, "entries")))
    folders.write(found, output)
    if as_json:
        console.print_json({"entries": len(found.entries), "receipts": len(found.receipts), "folder": str(output)})
    else:
        console.show(f"{output}: {len(found.entries)} entries, {len(found.receipts)} receipts of lots")


@app.command("verify")
def verify_command(
    folder: Annotated[Path, typer.Argument(help="Folder that `vigie audit export` wrote.")],
    convention: Annotated[
        Path | None, typer.Option("--convention", help="Your own signed copy of the convention.")
    ] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Check an export offline: every check, to the end."""
    report = verify(_export(folder), read_conventions([convention])[0] if convention else None)
    if as_json:
        console.print_json(report.as_json())
    else:
        show(report, Console())
    if not report.ok:
        raise typer.Exit(EXIT_UNTRUSTED)


@app.command("compare")
def compare_command(
    first: Annotated[Path, typer.Argument(help="A member's checkpoint file, or its export.")],
    second: Annotated[Path, typer.Argument(help="Another member's checkpoint file, or its export.")],
    convention: Annotated[
        list[Path] | None,
        typer.Option("--convention", help="The signed convention; its ancestors first, one option each."),
    ] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Say whether two members were shown one history of the journal, or two."""
    exports = {path: _export(path) for path in (first, second) if path.is_dir()}
    copies = [
        Copy.of(str(path), exports[path]) if path in exports else Copy(str(path), read_file(path, "a checkpoint"))
        for path in (first, second)
    ]
    keys = TreeKeys.of(_conventions(read_conventions(convention), exports))
    with hinted("give a checkpoint, a signed text of a few lines, or the folder of an export"):
        outcome = compare(copies[0], copies[1], keys)
    if as_json:
        console.print_json({"verdict": outcome.verdict.value, "sentence": outcome.sentence})
    else:
        console.show(outcome.sentence)
    if code := exit_code(outcome):
        raise typer.Exit(code)


audit_witness.register(app)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="audit")


def exit_code(outcome: Comparison) -> int:
    """Return the exit code of a comparison: 0 only for one history."""
    return {Verdict.ONE: 0, Verdict.TWO: EXIT_UNTRUSTED, Verdict.UNKNOWN: EXIT_MISSING}[outcome.verdict]


def show(report: Report, out: Console) -> None:
    """Print a report as tables in words."""
    out.print(f"journal [bold]{escape(report.origin or 'without a checkpoint')}[/], {report.size} entries")
    out.print(f"root {report.root.hex()}", soft_wrap=True)
    checks = Table("", "looked at", "check", box=None, pad_edge=False)
    for check in report.checks:
        checks.add_row(_mark(check), str(check.count), _words(check))
    out.print(checks)
    if report.events:
        events = Table("entry", "", "what the journal records", box=None, pad_edge=False)
        for event in report.events:
            events.add_row(str(event.index), event.kind, escape(event.sentence))
        out.print(events)
    faults = sum(len(check.failures) for check in report.checks)
    out.print("nothing is wrong" if report.ok else f"{faults} faults", style="green" if report.ok else "bold red")


def _export(path: Path) -> Export:
    found = folders.read(path)
    if not found.checkpoint and not found.entries:
        raise InputError(
            f"{path} is no copy of a journal: it holds no checkpoint and no entry",
            hint="give the folder that `vigie audit export` made",
        )
    return found


async def _fetch(convention: Convention, hub: str, keys: Keyring, before: Export | None, progress: Progress) -> Export:
    key, certificate = keys.tls()
    channel = channel_under(convention, hub, key_pem=key, cert_pem=certificate)
    try:
        await reach(channel, hub, "check the address, then ask the hub operator whether it runs; try again later")
        return await fetch(JournalClient(channel), convention.log_key(), previous=before, progress=progress)
    finally:
        await channel.close()


def _conventions(given: list[bytes], exports: dict[Path, Export]) -> tuple[Convention, ...]:
    """The conventions that name the journal's key: those given, otherwise those of an export."""
    if given:
        return ConventionChain.open(given).conventions
    for export in exports.values():
        return read_journal(export.entries, Findings()).agreed
    raise Missing("two checkpoints do not say whose they are", hint="give the signed convention with --convention")


def _mark(check: Check) -> str:
    return "[bold red]WRONG[/]" if check.failures else "[green]good[/]" if check.count else "-"


def _words(check: Check) -> str:
    lines = [escape(check.title)]
    lines += [f"  [dim]{escape(note)}[/]" for note in check.notes]
    lines += [
        f"  [red]{'' if fault.index is None else f'entry {fault.index}: '}{escape(fault.sentence)}[/]"
        for fault in check.failures
    ]
    return "\n".join(lines)
