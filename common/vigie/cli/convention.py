"""``vigie convention``: draft, sign, verify, show and amend the agreement.

A draft is the statement's text without signatures; every signatory adds one line to the same file. Once the first has
signed, a changed character makes every signature wrong, and the tools say so.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from vigie import durable, note, statement
from vigie.card import parse_card
from vigie.chain import ConventionChain, Signatures, signatures
from vigie.cli import console
from vigie.clock import utc_now
from vigie.convention import Convention, parse
from vigie.convention.drafting import amend as amended_text
from vigie.convention.drafting import draft as drafted_text
from vigie.convention.drafting import read_terms
from vigie.convention.words import describe
from vigie.errors import InputError, MalformedStatement, Missing, Refused
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase

app = typer.Typer(no_args_is_help=True, help="Draft, sign, verify, show and amend the convention.")

_HEADER = b"vigie/convention/v1\n"

File = Annotated[Path, typer.Argument(help="The convention's file.")]
Earlier = Annotated[
    list[Path] | None, typer.Option("--amends", help="The signed conventions before it, oldest first; one option each.")
]
Cards = Annotated[list[Path] | None, typer.Option("--card", help="A member's card; one option each.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write; it must not exist.")]


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="convention")


@app.command("draft")
def draft(
    terms: Annotated[Path, typer.Option("--terms", help="TOML of what the members agree on, without keys.")],
    output: Output,
    card: Cards = None,
) -> None:
    """Write a first convention from the members' cards and their terms."""
    _must_be_new(output)
    cards = [parse_card(_text(path)) for path in card or []]
    durable.write_file(output, _HEADER + drafted_text(cards, read_terms(_text(terms))).encode(), mode=0o644)
    console.say(f"the draft is {output}; compare each fingerprint with its owner before anybody signs:")
    for one in cards:
        console.say(f"  {one.name:<24} {one.fingerprint}")
    console.say("next: vigie convention show, then vigie convention sign, by every signatory")


@app.command("amend")
def amend(
    file: File,
    output: Output,
    amends: Earlier = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="path=value, for instance enclave.approvals=3; repeatable.")
    ] = None,
    card: Cards = None,
) -> None:
    """Write the draft of the convention that amends FILE, the newest signed one."""
    _must_be_new(output)
    chain = ConventionChain.open([*_earlier(amends), _bytes(file)])
    changes = dict(_change(text) for text in set_ or [])
    cards = [parse_card(_text(path)) for path in card or []]
    durable.write_file(output, _HEADER + amended_text(chain.current, changes, cards=cards).encode(), mode=0o644)
    console.say(f"the draft of version {chain.current.version + 1} is {output}")
    console.say("every signatory of both versions must sign it")


@app.command("sign")
def sign(
    file: File,
    keyring: Annotated[Path, typer.Option("--keyring", help="The signatory's keyring.")],
    amends: Earlier = None,
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")
    ] = None,
) -> None:
    """Add a signatory's line to the file."""
    data = _bytes(file)
    text, lines = _opened(data)
    convention = parse(text[len(_HEADER) :])
    amended = _amended(convention, amends)
    keys = Keyring.load(keyring, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
    signer = keys.signer("signing")
    called = {convention.verifier(name, "signing") for name in convention.signatories}
    if amended is not None:
        called |= {amended.verifier(name, "signing") for name in amended.signatories}
    if signer.verifier not in called:
        raise Refused(
            "signatory",
            expected=f"the signing key of one of {', '.join(convention.signatories)}",
            found=f"the key of {keys.member}",
            hint="a member that is not a signatory does not sign; a new keyring needs its card in the convention first",
        )
    if any((line.name, line.key_id) == (signer.verifier.name, signer.verifier.key_id) for line in lines):
        raise InputError(
            f"{keys.member} has signed this convention already", hint="vigie convention verify shows who has"
        )
    signed = statement.parse(note.assemble(text, [*lines, signer.sign(text)]))
    found = signatures(signed, convention, amended)
    durable.write_file(file, signed.raw, mode=0o644)
    console.say(f"{keys.member} signed version {convention.version}, digest {convention.digest.hex()}")
    console.say(_missing(found))


@app.command("verify")
def verify(
    file: File,
    amends: Earlier = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say who signed and who has yet to; exit code 0 only when everybody did and it is in force today."""
    opened = statement.parse(_bytes(file), kind="convention")
    convention = parse(opened.payload)
    found = signatures(opened, convention, _amended(convention, amends))
    said = {
        "id": convention.id,
        "version": convention.version,
        "digest": convention.digest.hex(),
        "signed": [key.name for key in found.signed],
        "missing": [key.name for key in found.missing],
        "in_force": convention.in_force(utc_now()),
    }
    if as_json:
        console.print_json(said)
    else:
        console.show(f"{convention.id} version {convention.version}, digest {convention.digest.hex()}")
        for key in found.signed:
            console.show(f"  signed   {key.name}")
        for key in found.missing:
            console.show(f"  MISSING  {key.name}")
    ConventionChain.open([*_earlier(amends), opened.raw], now=utc_now())
    if not as_json:
        console.show("complete, and in force")


@app.command("show")
def show(
    file: File,
    language: Annotated[Literal["fr", "en"], typer.Option("--language", help="Language of the words.")] = "fr",
    toml: Annotated[bool, typer.Option("--toml", help="Print the TOML that is signed.")] = False,
) -> None:
    """Say in words what the convention allows, to whom, and who signed it."""
    text, lines = _opened(_bytes(file))
    if toml:
        console.show(text[len(_HEADER) :].decode().rstrip("\n"))
        return
    for line in describe(parse(text[len(_HEADER) :]), language):
        console.show(line)
    signed = ", ".join(line.name for line in lines)
    console.show(
        ("Signatures (non vérifiées ici) : " if language == "fr" else "Signatures (not verified here): ")
        + (signed or "-")
    )


def _missing(found: Signatures) -> str:
    if not found.missing:
        return "everybody has signed: vigie convention verify"
    return f"still to sign: {', '.join(key.name.partition('/')[0] for key in found.missing)}"


def _opened(data: bytes) -> tuple[bytes, tuple[note.NoteSignature, ...]]:
    """Return the text of a draft or of a signed convention, and its signature lines."""
    if data.startswith(_HEADER) and b"\n\n\xe2\x80\x94 " not in data:
        return statement.convention_text(data[len(_HEADER) :]), ()
    try:
        opened = statement.parse(data, kind="convention")
    except MalformedStatement as error:
        raise MalformedStatement(
            f"this is neither a draft nor a signed convention: {error}",
            hint="a draft comes from vigie convention draft",
        ) from error
    return opened.text, opened.note.signatures


def _amended(convention: Convention, amends: list[Path] | None) -> Convention | None:
    if convention.previous is None:
        return None
    if not amends:
        raise Missing(
            f"version {convention.version} amends another, whose signatories must sign too",
            hint="give the signed conventions before it with --amends, oldest first",
        )
    amended = ConventionChain.open(_earlier(amends)).current
    if amended.digest != convention.previous:
        raise Refused("previous", expected=convention.previous.hex(), found=amended.digest.hex())
    return amended


def _earlier(amends: list[Path] | None) -> list[bytes]:
    return [_bytes(path) for path in amends or []]


def _change(text: str) -> tuple[str, Any]:
    path, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text[:60]!r} is not path=value", hint="for instance --set enclave.approvals=3")
    try:
        return path.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return path.strip(), value.strip()  # an unquoted text is meant as a text


def _must_be_new(output: Path) -> None:
    if output.exists():
        raise InputError(f"{output} exists", hint="a convention is never overwritten; give another name")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read", hint="check the path") from error


def _text(path: Path) -> str:
    try:
        return _bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error
