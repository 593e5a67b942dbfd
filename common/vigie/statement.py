"""Statements: the one signed form of everything (docs/spec/statement.md, protocol section 1).

A statement is a C2SP signed note whose text is ``vigie/<kind>/v1`` and one line of RFC 8785 canonical JSON (for a
``convention``: its TOML). The bytes received are kept; nothing is ever serialised again to verify. Parsing says what a
statement *is*; who had to sign it is judged by :mod:`vigie.authority`.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import rfc8785

from vigie import note
from vigie.errors import MalformedNote, MalformedStatement

SPEC_VERSION = 1
"""Version of the statement format; docs/spec/statement.md carries the same number."""

LIMIT = 65_535
"""A statement with its signatures is at most this many bytes."""

KINDS = frozenset(
    {
        "convention", "approval", "lot", "evaluation", "order", "evidence", "release", "run", "delivery", "refusal",
        "perimeter", "joint", "erasure",
    }
)  # fmt: skip
"""Kinds that this version understands; any other is refused."""

_FIRST_LINE = re.compile(r"vigie/([a-z]+)/v1")

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


class SignsText(Protocol):
    """Anything that can put its signature line under a text."""

    def sign(self, text: bytes) -> note.NoteSignature:
        """Return the signature line for ``text``."""


@dataclass(frozen=True)
class Statement:
    """A well-formed statement; nothing about its signers has been judged yet.

    Attributes:
        kind: one of :data:`KINDS`.
        body: the JSON object; empty for a convention, whose body is :attr:`payload`.
        payload: the bytes after the first line.
        note: the signed note, with the exact bytes received in ``note.raw``.
        digest: SHA-256 of the note's text.
    """

    kind: str
    body: Mapping[str, Any]
    payload: bytes
    note: note.Note
    digest: bytes

    @property
    def raw(self) -> bytes:
        """The exact bytes that were received or made, signatures included."""
        return self.note.raw

    @property
    def text(self) -> bytes:
        """The exact bytes that are signed."""
        return self.note.text


def text_of(kind: str, body: Mapping[str, Any]) -> bytes:
    """Return the text to sign for a JSON statement of ``kind``."""
    if kind not in KINDS or kind == "convention":
        raise MalformedStatement(f"there is no JSON statement of kind {kind!r}")
    try:
        payload = rfc8785.dumps(body)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise MalformedStatement(f"the body of this {kind} statement has no canonical form") from error
    return f"vigie/{kind}/v1\n".encode() + payload + b"\n"


def convention_text(toml: bytes) -> bytes:
    """Return the text to sign for a convention given as TOML."""
    _check_convention_payload(toml)
    return b"vigie/convention/v1\n" + toml


def digest_of(text: bytes) -> bytes:
    """Return a statement's digest: SHA-256 of its text, 32 bytes."""
    return hashlib.sha256(text).digest()


def make(kind: str, body: Mapping[str, Any], signers: Sequence[SignsText]) -> Statement:
    """Make and sign a JSON statement.

    Raises:
        MalformedStatement: the body has no canonical form or the result is too large.
    """
    return sign_text(text_of(kind, body), signers)


def sign_text(text: bytes, signers: Sequence[SignsText]) -> Statement:
    """Sign a statement's text with every signer, in order, and return the parsed result."""
    return parse(note.assemble(text, [signer.sign(text) for signer in signers]))


def countersign(statement: Statement, signers: Sequence[SignsText]) -> Statement:
    """Add signature lines to a statement; a line of the same key replaces the one that is there."""
    fresh = [signer.sign(statement.text) for signer in signers]
    taken = {(line.name, line.key_id) for line in fresh}
    kept = [line for line in statement.note.signatures if (line.name, line.key_id) not in taken]
    return parse(note.assemble(statement.text, [*kept, *fresh]))


def parse(data: bytes, *, kind: str | None = None) -> Statement:
    """Read a statement strictly.

    Args:
        data: the signed note as received.
        kind: refuse any other kind, when given.

    Raises:
        MalformedStatement: not a statement, of another kind, too large, or not in its one canonical form.
    """
    try:
        opened = note.parse(data, limit=LIMIT)
    except MalformedNote as error:
        raise MalformedStatement(f"not a signed statement: {error}", hint=error.hint) from error
    first, _, payload = opened.text.partition(b"\n")
    match = _FIRST_LINE.fullmatch(first.decode())
    if match is None or match[1] not in KINDS:
        raise MalformedStatement("the first line does not name a kind of statement that this version knows")
    found = match[1]
    if kind is not None and found != kind:
        raise MalformedStatement(f"this is a statement of kind {found}, not {kind}")
    if found == "convention":
        _check_convention_payload(payload)
        return Statement(found, {}, payload, opened, digest_of(opened.text))
    return Statement(found, _canonical_object(found, payload), payload, opened, digest_of(opened.text))


def _canonical_object(kind: str, payload: bytes) -> dict[str, Any]:
    if not payload.endswith(b"\n") or b"\n" in payload[:-1]:
        raise MalformedStatement(f"the body of this {kind} statement is not exactly one line")
    line = payload[:-1]
    try:
        body = json.loads(line, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        canonical = rfc8785.dumps(body)
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise MalformedStatement(f"the body of this {kind} statement is not canonical JSON") from error
    if not isinstance(body, dict) or canonical != line:
        # Canonicalising to compare is allowed; the signature is always judged over the bytes received.
        raise MalformedStatement(f"the body of this {kind} statement is not byte-equal to its canonical form")
    return body


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _check_convention_payload(payload: bytes) -> None:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise MalformedStatement("a convention is UTF-8 text") from error
    if "\t" in text or "\r" in text or not text.endswith("\n"):
        raise MalformedStatement("a convention has LF line ends, no tabs, and ends with a line end")
