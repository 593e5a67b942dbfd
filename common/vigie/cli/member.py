"""``vigie member``: a member's keyring and its card, and the words of its seeds on paper."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from vigie import durable
from vigie import words as paper
from vigie.card import ROLES, parse_card
from vigie.cli import console
from vigie.cli.asking import read_words
from vigie.cli.files import named, read_file
from vigie.clock import utc_now
from vigie.errors import InputError, Malformed
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase
from vigie.restoring import restore_keyring

app = typer.Typer(no_args_is_help=True, help="Make a member's keyring, show its card, keep its seeds as words.")

KEYRING, CARD = "keyring.vigie", "card.toml"

Fd = Annotated[int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")]
Cost = Annotated[
    Literal["interactive", "moderate"], typer.Option("--cost", help="How hard the passphrase is to guess.")
]


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
    cost: Cost = "moderate",
    passphrase_fd: Fd = None,
) -> None:
    """Draw a member's keys into a keyring, and write the card to send to whoever drafts the convention."""
    keyring, card = folder / KEYRING, folder / CARD
    _refuse_existing(keyring)
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
    console.say("this file is the only copy of these keys: back it up, keep the passphrase apart from it, and write")
    console.say("the seeds down for a safe: vigie member words --keyring …;")
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


@app.command("words")
def words_command(
    keyring: Annotated[Path, typer.Option("--keyring", help="The member's keyring.")],
    threshold: Annotated[int, typer.Option("--threshold", help="How many shares restore a seed.")] = 1,
    shares: Annotated[int, typer.Option("--shares", help="How many shares to make of each seed, at most 16.")] = 1,
    use: Annotated[
        list[str] | None,
        typer.Option("--use", help="Only this seed (oprf, signing, epoch/1 …); repeatable. All of them by default."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the words to this file, unprotected, instead of the terminal."),
    ] = None,
    passphrase_fd: Fd = None,
) -> None:
    """Show the seeds of a keyring as SLIP-39 words, to be written on paper for a safe."""
    if output is None and not sys.stdout.isatty():
        raise InputError(
            "the words are shown at a terminal only, and this is none",
            hint="whoever has them has the keys; if they must go to a file, name it with --output",
        )
    if output is not None and output.exists():
        raise InputError(f"{output} exists", hint="give another name with --output")
    passphrase = read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: ")
    opened = Keyring.load(keyring, passphrase)
    seeds = [(one, seed) for one, seed in opened.seeds() if not use or one in use]
    if unknown := sorted(set(use or ()) - {one for one, _ in seeds}):
        raise InputError(
            f"the keyring of {opened.member} has no seed for {unknown[0][:40]!r}",
            hint=f"it has {', '.join(one for one, _ in opened.seeds())}",
        )
    sheets = paper.write_down(opened.member, opened.convention_id, seeds, threshold=threshold, shares=shares)
    title = f"{opened.member}, {opened.convention_id}, {utc_now():%Y-%m-%d}"
    # By share, not by seed: what goes into one envelope stands together.
    text = "\n".join(paper.format_sheet(one, title) for one in sorted(sheets, key=lambda one: one.number))
    if output is not None:
        durable.write_file(output, text.encode(), mode=0o600)
        console.say(f"words of {opened.member}, unprotected: {output}; print it, and destroy it")
    else:
        console.show(text)
        if not typer.confirm(f"are all {len(sheets)} sheets written down and compared with the screen?", err=True):
            console.say("not recorded: `vigie convention sign` will ask again")
            return
        console.say("clear this terminal now, its history too")
    with Keyring.changing(keyring, passphrase) as changed:
        changed.record_words([one for one, _ in seeds if one in dict(changed.seeds())], utc_now())
    console.say(f"recorded in {keyring.name}: the words of {', '.join(one for one, _ in seeds)} are kept")


@app.command("restore")
def restore_command(
    card: Annotated[Path, typer.Option("--card", help="The member's card, which the words are held against.")],
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Folder to make; it receives the two files.")],
    words_fd: Annotated[
        int | None, typer.Option("--words-fd", help="File descriptor to read the words from, instead of asking.")
    ] = None,
    cost: Cost = "moderate",
    passphrase_fd: Fd = None,
) -> None:
    """Make a keyring again from words on paper, under a new passphrase."""
    keyring, new_card = folder / KEYRING, folder / CARD
    _refuse_existing(keyring)
    with named(card, "a member's card", "give the card.toml that `vigie member init` wrote"):
        known = parse_card(read_file(card, "a card").decode(errors="replace"))
    shares = read_words(words_fd, passphrase_fd)
    made = restore_keyring(known, shares, now=utc_now())
    passphrase = read_passphrase(passphrase_fd, f"new passphrase for {KEYRING}: ", confirm=True)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made.save(keyring, passphrase, cost=cost)
    durable.write_file(new_card, made.card().text().encode(), mode=0o644)
    console.say(f"keys of {made.member}, as on the card: {keyring}")
    if "partner" in made.roles:
        epochs = ", ".join(map(str, made.epochs()))
        console.say(f"epochs whose lots can be opened: {epochs or 'none: no words of an epoch were given'}")
    console.say(f"the TLS key is new: send {new_card}, and have the convention amended with the new certificate")
    console.show(f"fingerprint of the card, to compare over the telephone: {made.card().fingerprint}")


def _refuse_existing(keyring: Path) -> None:
    if keyring.exists():
        raise InputError(
            f"{keyring} exists", hint="a keyring is never replaced: its keys would be lost; choose another folder"
        )
