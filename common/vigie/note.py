"""Signed notes: the one envelope that everything signed in Vigie travels in (C2SP signed-note v1.0.0).

A note is a text that ends in a newline, one empty line, and signature lines ``— <name> <base64>``. This module parses
notes strictly, makes and checks their Ed25519 signatures (type 0x01) and the timestamped cosignatures of witnesses
(type 0x04, C2SP tlog-cosignature v1), and knows nothing of what a text means.

The rule it keeps: a text is what was signed, byte for byte. Nothing here re-encodes a text, and the bytes of a
received note stay with it as ``Note.raw``. See docs/spec/checkpoint.md for the notes of the journal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vigie.errors import BadSignature, MalformedNote

ED25519 = 0x01
"""Signature type: Ed25519 (RFC 8032) over the text."""
COSIGNATURE_V1 = 0x04
"""Signature type: Ed25519 over ``cosignature/v1``, a time and the text (tlog-cosignature)."""

MAX_BYTES = 65_535
"""The longest note that is read or made, signatures included."""
MAX_SIGNATURES = 64
"""The most signature lines in one note; the specification asks for at least 16."""
MAX_TIME = 2**63 - 1
"""The latest time that a cosignature may carry, in seconds since the epoch (tlog-cosignature)."""

_DASH = "\u2014"  # U+2014, the em dash that opens every signature line
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64

# The y coordinates of the points of order 1, 2, 4 and 8 on edwards25519. Under such a "public key" one signature fits
# many texts, so its owner could later deny what it signed. No honest key generation yields one.
_FIELD = 2**255 - 19
_SMALL_ORDER_Y = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    }
)


@dataclass(frozen=True)
class VerifierKey:
    """A public key that can check signature lines. Making one validates it, so an instance is always usable.

    Raises:
        MalformedNote: the name, the type or the key bytes are not allowed.
    """

    name: str
    """Key name: not empty, no space of any kind, no ``+``, no control character."""
    type: int
    """`ED25519` or `COSIGNATURE_V1`."""
    public: bytes
    """The Ed25519 public key, 32 bytes (RFC 8032)."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.type not in (ED25519, COSIGNATURE_V1):
            raise MalformedNote(
                f"The verifier key of {self.name!r} is of a type that Vigie does not know (0x{self.type:02x}).",
                hint="Use an Ed25519 key: type 0x01 for a signer, 0x04 for a witness.",
            )
        if len(self.public) != _KEY_BYTES:
            raise MalformedNote(f"The verifier key of {self.name!r} has {len(self.public)} bytes instead of 32.")
        y = int.from_bytes(self.public, "little") & (2**255 - 1)
        if y >= _FIELD or y in _SMALL_ORDER_Y:
            raise MalformedNote(
                f"The verifier key of {self.name!r} is not a sound Ed25519 key: its owner could deny its signatures.",
                hint="Ask its owner for a freshly generated key.",
            )

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name, newline, type, public key): a label for finding the key, not a proof."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.type]) + self.public).digest()[:4]

    def vkey(self) -> str:
        """The verifier key in text form: ``name+hex(key id)+base64(type, public key)``."""
        return f"{self.name}+{self.key_id.hex()}+{encode64(bytes([self.type]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read the form that `vkey` writes, and no other.

        Raises:
            MalformedNote: not that form, a type that is unknown, or a key id that is not this key's.
        """
        name, plus, rest = text.partition("+")
        key_id, second_plus, encoded = rest.partition("+")  # base64 itself may hold further plus signs
        if not plus or not second_plus:
            raise MalformedNote("A verifier key must have the form name+id+key.")
        material = decode64(encoded, "the key material of a verifier key")
        if not material:
            raise MalformedNote("A verifier key must hold a type byte and a public key.")
        key = cls(name, material[0], material[1:])
        if key.key_id.hex() != key_id:
            raise MalformedNote(
                f"The id in the verifier key of {name!r} is not the id of that key.",
                hint="A character was probably lost or changed in copying: copy the whole line again.",
            )
        return key


@dataclass(frozen=True)
class NoteSignature:
    """One signature line, checked for form only. `value` is opaque until `verify` finds the key that it names."""

    name: str
    key_id: bytes
    """4 bytes."""
    value: bytes
    """What follows the key id: 64 bytes for type 0x01, 8 bytes of time and 64 for type 0x04, anything for others."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.key_id) != 4 or not self.value:
            raise MalformedNote(f"A signature by {self.name!r} must have a key id of 4 bytes and a value.")

    def line(self) -> str:
        """The signature line, without its newline."""
        return f"{_DASH} {self.name} {encode64(self.key_id + self.value)}"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read one signature line, given without its newline.

        Raises:
            MalformedNote: not a signature line in its one canonical form.
        """
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != _DASH:
            raise MalformedNote("A signature line must be an em dash, a key name and a base64 value.")
        _check_name(parts[1])
        decoded = decode64(parts[2], "a signature")
        return cls(parts[1], decoded[:4], decoded[4:])


@dataclass(frozen=True)
class Note:
    """A note that is well-formed; nothing about it is proved before `verify`."""

    text: bytes
    """The signed text with its final newline, without the empty line that follows."""
    signatures: tuple[NoteSignature, ...]
    """In the order in which they stand, at least one."""
    raw: bytes
    """Exactly the bytes that were received."""


def parse(data: bytes, *, limit: int = MAX_BYTES) -> Note:
    """Take a note apart.

    Args:
        data: the whole note, untrusted.
        limit: the most bytes accepted.

    Raises:
        MalformedNote: too long, not UTF-8, a control character, no empty line, no signature or more than
            `MAX_SIGNATURES`, or a signature line that is not canonical.
    """
    if len(data) > limit:
        raise MalformedNote(f"A note of {len(data)} bytes is longer than the {limit} that are read.")
    _check_characters(data)
    # The text may hold empty lines of its own, so the last one is the border.
    border = data.rfind(b"\n\n")
    if border < 0:
        raise MalformedNote("A note must have an empty line between its text and its signatures.")
    text, tail = data[: border + 1], data[border + 2 :]
    if not tail.endswith(b"\n"):
        raise MalformedNote("A note must end with one or more signature lines, each with its newline.")
    lines = tail.decode()[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNote(f"A note with {len(lines)} signatures has more than the {MAX_SIGNATURES} that are read.")
    return Note(text, tuple(NoteSignature.parse(line) for line in lines), data)


def assemble(text: bytes, signatures: Sequence[NoteSignature]) -> bytes:
    """Write a note, one that `parse` accepts and takes apart into the same text and signatures.

    Raises:
        MalformedNote: the text does not end in a newline or holds what a note may not; there are no signatures or too
            many; or the note would be longer than `MAX_BYTES`.
    """
    check_text(text)
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise MalformedNote(f"A note must have 1 to {MAX_SIGNATURES} signatures, not {len(signatures)}.")
    data = text + b"\n" + b"".join(f"{signature.line()}\n".encode() for signature in signatures)
    if len(data) > MAX_BYTES:
        raise MalformedNote(f"A note of {len(data)} bytes is longer than the {MAX_BYTES} that are read.")
    return data


class Signer:
    """A key that signs notes (type 0x01).

    Args:
        name: the key name.
        seed: the 32-byte private key of RFC 8032.

    Raises:
        MalformedNote: the name is not a key name.
        ValueError: the seed is not 32 bytes (a mistake of the caller).
    """

    __slots__ = ("_private", "verifier")

    verifier: VerifierKey
    """The public half."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, ED25519, _public_bytes(self._private))

    def sign(self, text: bytes) -> NoteSignature:
        """Sign a text.

        Raises:
            MalformedNote: the text could not stand in a note, so that nothing else is ever signed with this key.
        """
        check_text(text)
        return NoteSignature(self.verifier.name, self.verifier.key_id, self._private.sign(text))


class Cosigner:
    """A witness's key (type 0x04). Use one key per witness: the signed message does not name the cosigner.

    Args and errors are those of `Signer`.
    """

    __slots__ = ("_private", "verifier")

    verifier: VerifierKey
    """The public half."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, COSIGNATURE_V1, _public_bytes(self._private))

    def cosign(self, text: bytes, time: int) -> NoteSignature:
        """Sign "as of `time`, this is the largest consistent tree that I saw": the caller has checked that it is.

        Args:
            text: the checkpoint's text, with its final newline.
            time: seconds since the epoch.

        Raises:
            MalformedNote: the text could not stand in a note.
            ValueError: the time is negative or above `MAX_TIME` (a mistake of the caller).
        """
        check_text(text)
        if not 0 <= time <= MAX_TIME:
            raise ValueError(f"cosignature time {time} is out of range")
        signed = self._private.sign(_cosigned_message(text, time))
        return NoteSignature(self.verifier.name, self.verifier.key_id, time.to_bytes(8, "big") + signed)


def verify(note: Note, keys: Iterable[VerifierKey]) -> frozenset[VerifierKey]:
    """Find which of the known keys signed a note.

    A line belongs to a known key when both name and key id agree. Lines of unknown keys are ignored; a known key whose
    line fails refuses the whole note (signed-note, "Signatures").

    Returns:
        The known keys that signed, perhaps none: whether they suffice is the caller's question.

    Raises:
        BadSignature: a known key's line does not verify, or two different known keys share a name and an id.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise BadSignature(f"Two different known keys are both called {key.name!r} with the same id.")
    verified: set[VerifierKey] = set()
    for signature in note.signatures:
        named = known.get((signature.name, signature.key_id))
        if named is not None:
            _verify_line(note.text, signature, named)
            verified.add(named)
    return frozenset(verified)


def cosignature_time(signature: NoteSignature) -> int:
    """The time that a cosignature (type 0x04) states, in seconds since the epoch; proved only once `verify` passed.

    Raises:
        MalformedNote: the value has not the form of a cosignature.
    """
    if len(signature.value) != 8 + _SIGNATURE_BYTES:
        raise MalformedNote(f"The signature by {signature.name!r} is not a timestamped cosignature.")
    time = int.from_bytes(signature.value[:8], "big")
    if time > MAX_TIME:
        raise MalformedNote(f"The cosignature by {signature.name!r} states an impossible time.")
    return time


def check_text(text: bytes) -> None:
    """Make sure that a text could stand in a note.

    Raises:
        MalformedNote: it does not end in a newline, is not UTF-8 or holds a control character.
    """
    if not text.endswith(b"\n"):
        raise MalformedNote("The text of a note must end with a newline.")
    _check_characters(text)


def encode64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4), the only binary-to-text form in notes."""
    return base64.b64encode(data).decode()


def decode64(text: str, what: str) -> bytes:
    """Read what `encode64` writes and nothing else: one value has one spelling, so two notes cannot differ unseen.

    Args:
        text: the base64, untrusted.
        what: the name of the value in an error message.

    Raises:
        MalformedNote: not canonical base64.
    """
    try:
        decoded = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as exc:
        raise MalformedNote(f"The base64 of {what} cannot be read.") from exc
    if encode64(decoded) != text:
        raise MalformedNote(f"The base64 of {what} is not in its canonical form.")
    return decoded


def _verify_line(text: bytes, signature: NoteSignature, key: VerifierKey) -> None:
    failed = BadSignature(
        f"The signature by {key.name!r} does not fit this text.",
        hint="The text was changed after it was signed, or another key was used: ask for it again from its source.",
    )
    message, value = text, signature.value
    if key.type == COSIGNATURE_V1:
        try:
            message = _cosigned_message(text, cosignature_time(signature))
        except MalformedNote as exc:
            raise failed from exc
        value = value[8:]
    if len(value) != _SIGNATURE_BYTES:
        raise failed
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(value, message)
    except (InvalidSignature, ValueError) as exc:  # ValueError: some builds refuse a key off the curve when loading it
        raise failed from exc


def _cosigned_message(text: bytes, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n".encode() + text


def _public_bytes(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _check_characters(data: bytes) -> None:
    try:
        decoded = data.decode()
    except UnicodeDecodeError as exc:
        raise MalformedNote(f"A note must be UTF-8; byte {exc.start} is not.") from exc
    # signed-note forbids those below U+0020. DEL and U+0080..U+009F go too: people read notes in terminals.
    if not decoded.replace("\n", "").isprintable() and any(
        unicodedata.category(character) == "Cc" for character in decoded if character != "\n"
    ):
        raise MalformedNote("A note must not hold any control character but the newline.")


def _check_name(name: str) -> None:
    if not name or "+" in name or any(c.isspace() or unicodedata.category(c) in ("Cc", "Cs") for c in name):
        raise MalformedNote(
            "A key name must not be empty, and must hold no space, no plus sign and no control character.",
        )
