"""``vigie member``: a member's keyring and its card."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vigie import durable
from vigie.card import ROLES
from vigie.cli import console
from vigie.clock import utc_now
from vigie.errors import InputError, Malformed
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase

app = typer.Typer(no_args_is_help=True, help="Make a member's keyring, and show its card.")

KEYRING, CARD = "keyring.vigie", "card.toml"

Fd = Annotated[int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")]


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="member")


@app.command("init")
def init(
    name: Annotated[str, typer.Argument(help="Member name: lower-case letters, digits and hyphens.")],
    organisation: Annotated[str, typer.Option("--organisation", help="The legal person that the member belongs to.")],
    role: Annotated[list[str], typer.Option("--role", help="partner, custodian, witness, auditor or hub; repeatable.")],
    convention: Annotated[str, typer.Option("--convention", help="Id of the convention that the keys are for.")],
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Folder to make; it receives the two files.")],
    cost: Annotated[
        Literal["interactive", "moderate"], typer.Option("--cost", help="How hard the passphrase is to guess.")
    ] = "moderate",
    passphrase_fd: Fd = None,
) -> None:
    """Draw a member's keys into a keyring, and write the card to send to whoever drafts the convention."""
    keyring, card = folder / KEYRING, folder / CARD
    if keyring.exists():
        raise InputError(
            f"{keyring} exists", hint="a keyring is never replaced: its keys would be lost; choose another folder"
        )
    if unknown := [one for one in role if one not in ROLES]:
        raise InputError(f"--role {unknown[0][:40]!r} is none of {', '.join(ROLES)}", hint="give one --role for each")
    try:
        made = Keyring.create(name, organisation, role, convention, now=utc_now())
    except Malformed as error:
        raise InputError(str(error), hint=error.hint or "--help shows what each option takes") from error
    passphrase = read_passphrase(passphrase_fd, f"new passphrase for {KEYRING}: ", confirm=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made.save(keyring, passphrase, cost=cost)
    durable.write_file(card, made.card().text().encode(), mode=0o644)
    console.say(f"keys of {name}: {keyring}")
    console.say(f"card to send: {card}")
    console.say("this file is the only copy of these keys: back it up, and keep the passphrase apart from it;")
    console.say("a custodian that loses its keys makes every signatory agree on a new epoch")
    console.show(f"fingerprint of the card, to compare over the telephone: {made.card().fingerprint}")


@app.command("card")
def card_command(
    keyring: Annotated[Path, typer.Option("--keyring", help="The member's keyring.")],
    passphrase_fd: Fd = None,
) -> None:
    """Print the card of a keyring, as it is sent."""
    opened = Keyring.load(keyring, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
    console.show(opened.card().text().rstrip("\n"))
