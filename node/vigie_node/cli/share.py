"""``vigie-node share list|words|restore``: this custodian's shares of the models' key, and their words on paper."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vigie import durable
from vigie import words as paper
from vigie.cli import console
from vigie.cli.asking import read_words
from vigie.clock import utc_now
from vigie.errors import InputError, Missing
from vigie_node import shares
from vigie_node.cli.opening import open_node
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.folder import LockedNode

verbs = typer.Typer(
    help="Shares of the models' key: list them, write them on paper, restore them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.add_typer(verbs, name="share")


@verbs.command("list")
def list_shares(folder: Folder, as_json: AsJson = False) -> None:
    """List the shares that the journal names for this custodian, and whether they are kept here."""
    node = LockedNode.look(folder)
    try:
        known = shares.known_shares(node)
    finally:
        node.close()
    if as_json:
        console.print_json(
            [
                {
                    "key": one.body.key.hex(), "epoch": one.body.epoch, "number": one.said.index,
                    "threshold": one.body.threshold, "created": one.body.created, "counts": one.newest,
                    "kept": one.kept, "confirmed": one.confirmed,
                }
                for one in known
            ]
        )  # fmt: skip
        return
    for one in known:
        here = "kept here" if one.kept else "NOT HERE" if one.newest else "deleted"
        standing = here if one.newest else f"replaced by newer shares, {here}: destroy its paper"
        console.show(
            f"key {one.body.key.hex()[:8]}, epoch {one.body.epoch}, made {one.body.created}: share {one.said.index}, "
            f"{one.body.threshold} are needed; {standing}"
        )
    if not known:
        console.show("no share yet: one comes with the first run that trains a model")


@verbs.command("words")
def words(
    folder: Folder,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the words to this file, unprotected, instead of the terminal."),
    ] = None,
    passphrase_fd: PassphraseDescriptor = None,
) -> None:
    """Show the shares that count as SLIP-39 words, to be written on paper for a safe."""
    if output is None and not sys.stdout.isatty():
        raise InputError(
            "the words are shown at a terminal only, and this is none",
            hint="whoever has enough shares opens the models; if they must go to a file, name it with --output",
        )
    if output is not None and output.exists():
        raise InputError(f"{output} exists", hint="give another name with --output")
    node = open_node(folder, passphrase_fd)
    try:
        counting = [one for one in shares.known_shares(node) if one.newest]
        if not counting:
            raise Missing("this node has no share", hint="`vigie-node share list` shows what the journal names")
        title = f"{node.member}, {node.convention.id}, {utc_now():%Y-%m-%d}"
        text = "\n".join(paper.format_sheet(shares.sheet(node, one), title) for one in counting)
    finally:
        node.close()
    if output is not None:
        durable.write_file(output, text.encode(), mode=0o600)
        console.say(f"words, unprotected: {output}; print it, and destroy it")
        return
    console.show(text)
    console.say("clear this terminal now, its history too; destroy the sheet when newer shares replace it")


@verbs.command("restore")
def restore(
    folder: Folder,
    words_fd: Annotated[
        int | None, typer.Option("--words-fd", help="File descriptor to read the words from, instead of asking.")
    ] = None,
    passphrase_fd: PassphraseDescriptor = None,
) -> None:
    """Keep shares again that were written on paper; each is held against what the journal says."""
    typed = read_words(words_fd, passphrase_fd)
    node = open_node(folder, passphrase_fd)
    try:
        for one in shares.restore(node, typed):
            console.show(f"share {one.said.index} of the key {one.body.key.hex()[:8]} is kept again")
    finally:
        node.close()
