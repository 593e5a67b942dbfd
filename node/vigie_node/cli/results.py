"""``vigie-node results fetch|list|show|export``: lists that this member may see, checked, opened and written for people."""

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from vigie.cli import console
from vigie.errors import InputError, Missing
from vigie_node import export, showing
from vigie_node.cli.opening import connected, open_node
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.fetching import fetch_all
from vigie_node.folder import LockedNode, Node
from vigie_node.state import StoredResult

Form = Annotated[Literal["parquet", "csv", "xlsx"], typer.Option("--format", help="Kind of file.")]
Language = Annotated[Literal["fr", "en"], typer.Option("--language", help="Language of headings and reasons.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write; it must not exist unless --force.")]
Which = Annotated[str | None, typer.Option("--period", help="Period of the result; else the newest.")]
Grant = Annotated[str | None, typer.Option("--grant", help="Grant of the result, when there are several.")]
Company = Annotated[str | None, typer.Option("--company", help="SIREN of the one company to show.")]
Top = Annotated[int, typer.Option("--top", min=1, help="Most companies to show, most alarming first.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file.")]

verbs = typer.Typer(help="Results: fetch, list, show and export them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(verbs, name="results")


@verbs.command("fetch")
def fetch(folder: Folder, passphrase_fd: PassphraseDescriptor = None) -> None:
    """Fetch, check and open every result that waits; the daemon does the same by itself."""
    node = open_node(folder, passphrase_fd)
    try:
        opened = asyncio.run(_fetch(node))
        console.show(f"{opened} result(s) opened now, {len(node.state.results())} in all")
    finally:
        node.close()


async def _fetch(node: Node) -> int:
    async with connected(node) as channel:
        return await fetch_all(node, channel)


@verbs.command("list")
def list_results(folder: Folder, as_json: AsJson = False) -> None:
    """List the opened results."""
    node = LockedNode.look(folder)
    try:
        results = node.state.results()
    finally:
        node.close()
    if as_json:
        console.print_json(
            [
                {
                    "run": one.run.hex(), "grant": one.grant, "purpose": one.purpose, "period": one.period,
                    "level": one.level, "delivered": one.delivery is not None, "fetched": one.fetched,
                }
                for one in results
            ]
        )  # fmt: skip
        return
    for one in results:
        console.show(f"{one.period} {one.purpose} {one.grant} level {one.level} run {one.run.hex()[:16]}")
    if not results:
        console.show("no result yet: `vigie-node results fetch` asks the hub")


@verbs.command("show")
def show_result(
    folder: Folder,
    language: Language = "fr",
    period: Which = None,
    grant: Grant = None,
    company: Company = None,
    top: Top = 10,
) -> None:
    """Show companies of the newest list, or of the one asked for, with their reasons as sentences."""
    table = _read(folder, period, grant)
    said = showing.lines(table, export.about(table), language=language, company=company, top=top)
    if not said:
        raise Missing(
            "the list has no such company" if company else "the list has no company",
            hint="a list holds companies that this member has declared, and those that the grant's row rule selects",
        )
    for line in said:
        console.show(line)


@verbs.command("export")
def export_result(
    folder: Folder,
    output: Output,
    form: Form = "xlsx",
    language: Language = "fr",
    period: Which = None,
    grant: Grant = None,
    force: Force = False,
) -> None:
    """Write the newest list, or the one asked for, as a file for people or tools."""
    if output.exists() and not force:
        raise InputError(f"{output.name} exists", hint="give another --output, or --force to replace it")
    table = _read(folder, period, grant)
    output.parent.mkdir(parents=True, exist_ok=True)
    export.write(table.replace_schema_metadata(None), export.about(table), output, form=form, language=language)
    console.show(f"{table.num_rows} companies written to {output}")


def _read(folder: Path, period: str | None, grant: str | None) -> pa.Table:
    node = LockedNode.look(folder)
    try:
        chosen = _choose(node.state.results(), period, grant)
        return pq.read_table(node.folder.results / chosen.path / "result.parquet")
    finally:
        node.close()


def _choose(results: tuple[StoredResult, ...], period: str | None, grant: str | None) -> StoredResult:
    fitting = [one for one in results if period in (None, one.period) and grant in (None, one.grant)]
    if not fitting:
        raise Missing(
            "there is no such result here", hint="`vigie-node results list` shows those that are; `fetch` asks the hub"
        )
    return max(fitting, key=lambda one: (one.period, one.fetched))
