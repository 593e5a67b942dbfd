"""``vigie convention``: draft, sign, verify, show and amend the agreement (docs/spec/convention.md).

A draft is TOML that people edit. The first signature makes it a signed note, of which no character may change any more;
each further ``sign`` adds one line. Nothing here trusts a file: everything is read back and verified before it is signed.
"""

import fcntl
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from vigie import durable, statement
from vigie.card import Card, parse_card
from vigie.chain import ConventionChain, Signatures, check_successor, required_keys, signatures
from vigie.cli import console, declare
from vigie.cli.files import hinted, named, read_conventions, read_file, signing_key
from vigie.clock import utc_now
from vigie.convention import Convention, parse
from vigie.convention.drafting import amend, draft, read_terms
from vigie.convention.words import describe
from vigie.errors import BadSignature, ConfigError, InputError, Refused
from vigie.keyring import Keyring
from vigie.note import VerifierKey
from vigie.passphrase import read_passphrase

app = typer.Typer(no_args_is_help=True, help="Draft, sign, verify, read and amend a convention.")

_FIRST_LINE = b"vigie/convention/v1\n"
_SIGNATURES = "\n\n— ".encode()

File = Annotated[Path, typer.Argument(help="The convention: a draft, or signed by some or all.")]
Amends = Annotated[
    list[Path] | None,
    typer.Option("--amends", help="Every earlier signed convention of an amendment, one option each."),
]
_TERMS: Final = "start from the demonstration's terms.toml; docs/spec/convention.md explains each key"
_WHICH: Final = "give the convention that `vigie convention draft` or a signatory made"
Cards = Annotated[list[Path] | None, typer.Option("--card", help="A member's card, one option each.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write; it must not be there yet.")]


def register(parent: typer.Typer) -> None:
    """Add the group."""
    declare.register(app)
    parent.add_typer(app, name="convention")


@dataclass(frozen=True)
class Opened:
    """A convention file: its text, its values, the one that it amends, and the note when anybody signed it."""

    text: bytes
    convention: Convention
    amended: Convention | None
    signed: statement.Statement | None

    @property
    def signatures(self) -> Signatures:
        """Who signed and who is missing; every line that is there is verified."""
        if self.signed is None:
            return Signatures((), required_keys(self.convention, self.amended))
        return signatures(self.signed, self.convention, self.amended)


@app.command("draft")
def draft_command(
    terms: Annotated[Path, typer.Option("--terms", help="TOML of the terms: all that the cards do not say.")],
    card: Cards = None,
    output: Output = Path("convention.toml"),
) -> None:
    """Write the draft of a first convention from the members' cards and the terms."""
    _refuse_existing(output)
    cards = _read_cards(card)
    if not any("hub" in one.roles for one in cards):
        raise InputError("none of the cards is the hub's", hint="one member has the role hub: give its card too")
    with named(terms, "complete", _TERMS):
        text = draft(cards, read_terms(_text(terms)))
    durable.write_file(output, text.encode(), mode=0o644)
    found = parse(text.encode())
    console.say(f"draft of {found.id}, version 1: {output}")
    console.say("before anybody signs, compare each card's fingerprint with its owner over the telephone:")
    for one in cards:
        console.say(f"  {one.name:<20} {one.fingerprint}")
    console.say(f"to sign: {', '.join(found.signatories)}")


@app.command("amend")
def amend_command(
    file: Annotated[Path, typer.Argument(help="The newest signed convention.")],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help='A change, for instance enclave.approvals=3 or convention.to="2029-12-31".'),
    ] = None,
    card: Cards = None,
    amends: Amends = None,
    output: Output = Path("convention.toml"),
) -> None:
    """Write the draft of the convention that amends a signed one; edit it further by hand before anybody signs."""
    _refuse_existing(output)
    current = ConventionChain.open(read_conventions([*(amends or ()), file])).current
    with hinted("change what --set says; `vigie convention show FILE --toml` shows what is there"):
        text = amend(current, dict(_change(one) for one in change or ()), cards=_read_cards(card))
        check_successor(parse(text.encode()), current)
    durable.write_file(output, text.encode(), mode=0o644)
    console.say(f"draft of {current.id}, version {current.version + 1}: {output}")
    required = required_keys(parse(text.encode()), current)
    console.say(f"to sign, those of version {current.version} too: {', '.join(_called(required))}")


@app.command("sign")
def sign_command(
    file: File,
    keyring: Annotated[Path, typer.Option("--keyring", help="The signatory's keyring.")],
    amends: Amends = None,
    words_kept: Annotated[
        bool, typer.Option("--words-kept", help="Say that the words of the keyring's seeds are in a safe.")
    ] = False,
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")
    ] = None,
) -> None:
    """Add one signatory's signature to a convention, in place."""
    passphrase = read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: ")
    keys = Keyring.load(keyring, passphrase)
    signer = signing_key(keys)
    _check_due(_open(file, amends), signer.verifier)
    unwritten = keys.unwritten()
    if unwritten and not words_kept:
        _ask_about_words(keyring, unwritten)
    with _alone(file):
        opened = _open(file, amends)
        _check_due(opened, signer.verifier)
        if opened.signed is None:
            signed = statement.sign_text(statement.convention_text(opened.text), [signer])
        else:
            signed = statement.countersign(opened.signed, [signer])
        durable.write_file(file, signed.raw, mode=0o644)
    missing = _called(signatures(signed, opened.convention, opened.amended).missing)
    console.say(f"{signer.verifier.name} signed {opened.convention.id}, version {opened.convention.version}")
    console.say(f"still to sign: {', '.join(missing)}" if missing else "every signatory has signed")
    if unwritten:
        _record_words(keyring, passphrase, unwritten)


@app.command("verify")
def verify_command(
    file: File,
    amends: Amends = None,
    newest: Annotated[
        str | None,
        typer.Option("--newest", help="Digest (hex) of the newest convention seen; an older one is refused."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Say who signed a convention and who is missing; refuse it unless all did and it is in force."""
    opened = _open(file, amends)
    found = opened.signatures
    if as_json:
        console.print_json(
            {
                "id": opened.convention.id,
                "version": opened.convention.version,
                "digest": opened.convention.digest.hex(),
                "signed": _called(found.signed),
                "missing": _called(found.missing),
                "in_force": opened.convention.in_force(utc_now()),
            }
        )
    else:
        console.show(f"{opened.convention.id}, version {opened.convention.version}, {opened.convention.digest.hex()}")
        for key in (*found.signed, *found.missing):
            console.show(f"  {'signed ' if key in found.signed else 'MISSING'}  {key.name} ({key.key_id.hex()})")
    if found.missing or opened.signed is None:
        raise BadSignature(
            f"the convention lacks the signature of {', '.join(_called(found.missing))}",
            hint="vigie convention sign FILE --keyring …",
        )
    ConventionChain.accept([*read_conventions(amends), opened.signed.raw], _digest(newest), now=utc_now())
    if not as_json:
        console.show("complete, and in force")


@app.command("show")
def show_command(
    file: File,
    language: Annotated[Literal["fr", "en"], typer.Option("--language", help="Language of the words.")] = "fr",
    toml: Annotated[bool, typer.Option("--toml", help="Print the TOML that is signed.")] = False,
) -> None:
    """Say in words what a convention, signed or not, allows and demands; signatures are for `verify`."""
    with named(file, "a convention", _WHICH):
        text, _ = _taken_apart(_read(file))
        lines = (
            text.decode(errors="replace").removesuffix("\n").split("\n") if toml else describe(parse(text), language)
        )
    for line in lines:
        console.show(line)


def _check_due(opened: Opened, key: VerifierKey) -> None:
    """Refuse a key that has signed already, or that need not sign."""
    found = opened.signatures
    if key in found.signed:
        raise Refused(
            "signature", expected="a signatory who has not signed yet", found=key.name,
            hint="nothing is left to do here: send the file on to whoever has not signed",
        )  # fmt: skip
    if key not in found.missing:
        raise Refused(
            "signatory",
            expected=f"one of the keys {', '.join(_called((*found.signed, *found.missing)))}",
            found=f"{key.name} ({key.key_id.hex()})",
            hint="is this the keyring whose card was used for the draft?",
        )


def _ask_about_words(keyring: Path, uses: Sequence[str]) -> None:
    """Ask whether the words of seeds are in a safe, before a signature makes others rely on them.

    Raises:
        InputError: they are not, or there is nobody to ask.
    """
    if not sys.stdin.isatty():
        raise InputError(
            f"nobody has said that the words of {', '.join(uses)} are in a safe, and there is no terminal to ask at",
            hint=f"vigie member words --keyring {keyring} shows them; once they are in a safe: --words-kept",
        )
    console.say("a convention relies on the keys of its members: without its oprf seed nobody makes pseudonyms again,")
    console.say("and every signatory must agree on a new epoch")
    if not typer.confirm(f"are the words of {', '.join(uses)} written down and in a safe?", err=True):
        raise InputError(
            "the words are not in a safe yet; nothing was signed", hint=f"vigie member words --keyring {keyring}"
        )


def _record_words(keyring: Path, passphrase: str, uses: Sequence[str]) -> None:
    """Record the answer, so that it is not asked for again at the next amendment."""
    try:
        with Keyring.changing(keyring, passphrase) as changed:
            changed.record_words([use for use, _ in changed.seeds() if use in uses], utc_now())
    except OSError as error:  # the signature stands
        console.say(f"{keyring} cannot be written ({error.strerror}): the words will be asked about again")


def _open(file: Path, amends: Sequence[Path] | None) -> Opened:
    """Read a convention file and hold it against the ones before it."""
    with named(file, "a convention", _WHICH):
        text, signed = _taken_apart(_read(file))
        convention = parse(text)
    earlier = read_conventions(amends)
    amended = ConventionChain.open(earlier).current if earlier else None
    if amended is None and convention.previous is not None:
        raise ConfigError(
            f"version {convention.version} amends another convention, which is not given",
            hint="give every earlier signed convention: --amends FILE, one option each",
        )
    check_successor(convention, amended)
    return Opened(text, convention, amended, signed)


def _taken_apart(data: bytes) -> tuple[bytes, statement.Statement | None]:
    """The TOML of a file, and the note when it is one that somebody signed."""
    if not data.startswith(_FIRST_LINE):
        return data, None
    if _SIGNATURES not in data:
        return data.removeprefix(_FIRST_LINE), None
    signed = statement.parse(data, kind="convention")
    return signed.payload, signed


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the file's folder while it is read, signed and replaced, so that two signatories do not lose a line."""
    try:
        descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"{file.parent} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    return read_file(path, "a convention, a card or terms")


def _read_cards(paths: Sequence[Path] | None) -> list[Card]:
    found = []
    for path in paths or ():
        with named(path, "a member's card", "give the card.toml that `vigie member init` wrote"):
            found.append(parse_card(_text(path)))
    return found


def _text(path: Path) -> str:
    try:
        return _read(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise InputError(f"{path} exists", hint="a convention is never overwritten; give another name with --output")


def _change(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise InputError(f"--set {text!r} is not path=value", hint="for instance: --set enclave.approvals=3")
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        read = None
    # A bare word or date means its text: a convention writes both in quotes.
    return path.strip(), read if isinstance(read, str | int | float | list | dict) else value.strip()


def _digest(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = bytes.fromhex(text)
    except ValueError as error:
        raise InputError("--newest is not hexadecimal") from error
    if len(digest) != 32:
        raise InputError("--newest is not a digest of 32 bytes")
    return digest


def _called(keys: Sequence[VerifierKey]) -> list[str]:
    """Names of keys; with their ids where one name has two keys."""
    names = [key.name for key in keys]
    return [f"{key.name} ({key.key_id.hex()})" if names.count(key.name) > 1 else key.name for key in keys]
