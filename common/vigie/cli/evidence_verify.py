"""``vigie evidence verify``: what evidence is worth, claim by claim, offline."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from vigie.appraisal import appraise
from vigie.chain import ConventionChain
from vigie.cli import console
from vigie.cli.files import hinted, read_conventions, read_file
from vigie.clock import parse_time
from vigie.errors import InputError, Malformed

EXIT_REFUSED: Final = 5
"""Something in the evidence is not allowed (as `Refused`)."""


def register(parent: typer.Typer) -> None:
    """Add the command to the group."""
    parent.command("verify")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="The evidence, an entry of kind evidence of a journal export.")],
    convention: Annotated[
        list[Path], typer.Option("--convention", help="The signed convention; its ancestors first, one option each.")
    ],
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="The quote bundle that it names: quotes/….bundle of the export.")
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="Judge collateral as of this time (2026-01-31T12:00:00Z), not its own.")
    ] = None,
    french: Annotated[bool, typer.Option("--fr", help="The sentences of the level in French.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say claim by claim what evidence is worth, its level, and what that does not stop. Needs no network and no key."""
    raw = read_file(file, "evidence")
    quote = read_file(bundle, "a quote bundle") if bundle else None
    when = _time(at) if at else None
    with hinted("give an entry of kind evidence, as `vigie audit export` writes it"):
        found = appraise(
            raw,
            ConventionChain.open(read_conventions(convention)),
            quote,
            at=when,
            language="fr" if french else "en",
        )
    if as_json:
        console.print_json(found.as_json())
    else:
        for line in found.lines:
            console.show(line.text())
        console.show(f"level {found.level}{f', as of {at}' if at else ''}")
        for sentence in found.sentences:
            console.show(sentence)
    if not found.holds:
        raise typer.Exit(EXIT_REFUSED)


def _time(text: str) -> datetime:
    try:
        return parse_time(text)
    except Malformed as error:
        raise InputError(f"{text[:40]!r} is no time", hint="write it like 2026-01-31T12:00:00Z") from error
