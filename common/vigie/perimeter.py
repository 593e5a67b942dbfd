"""Perimeters on their way: which companies are looked at, as sealed marks that only who holds a company can read.

A *mark* is a pseudonym hashed for one recipient and one perimeter (docs/spec/perimeter.md). The rules it keeps: a mark
says something only to who has the company's pseudonym; marks of two recipients, or of two perimeters, have nothing in
common; and a list is filled with decoys up to its size class, so that its length is all that it tells of its number.
"""

import hashlib
import hmac
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import rfc8785
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vigie import custody, segment
from vigie.datasets import PSEUDONYM_BYTES
from vigie.errors import BadProof, MalformedSegment
from vigie.sizes import count_class

SPEC_VERSION: Final = 1
"""Version of the format; docs/spec/perimeter.md carries the same number."""

ID_BYTES: Final = 16
"""Length of a perimeter's id."""

MARK_BYTES: Final = 16
"""Length of a mark."""

HEAD: Final = b"vigie/marks/v1\n"
"""How the content of every part begins."""

MARKS_IN_PART: Final = (segment.CAP - 4 - len(HEAD)) // MARK_BYTES
"""The most marks in one part: 65 534, so that it fits 1 MiB before sealing."""


@dataclass(frozen=True)
class Place:
    """For whom, and for what, marks are made.

    Attributes:
        convention_id: id of the convention.
        perimeter: id of the perimeter, 16 bytes.
        epoch: number of the pseudonym epoch.
        period: ``YYYY-MM``.
        recipient: name of the member that reads them.
    """

    convention_id: str
    perimeter: bytes
    epoch: int
    period: str
    recipient: str

    def __post_init__(self) -> None:
        """Refuse what would not fill its place.

        Raises:
            ValueError: an id or a period of another length (a mistake of the caller).
        """
        if len(self.perimeter) != ID_BYTES or len(self.period.encode()) != len("YYYY-MM"):
            raise ValueError("a perimeter's id is 16 bytes, its period YYYY-MM")

    def bound(self) -> bytes:
        """The bytes that every mark and seal of this place is bound to."""
        return (
            hashlib.sha256(self.convention_id.encode()).digest()
            + self.perimeter
            + _u32(self.epoch)
            + self.period.encode()
            + hashlib.sha256(self.recipient.encode()).digest()
        )

    def info(self, part: int) -> bytes:
        """Place of one sealed part, for :func:`vigie.sealing.seal`."""
        return b"vigie/perimeter/v1" + self.bound() + _u32(part)

    def marks(self, pseudonyms: Iterable[bytes]) -> list[bytes]:
        """The marks of these pseudonyms (16 bytes each), in the same order.

        Raises:
            ValueError: a pseudonym is not 16 bytes (a mistake of the caller).
        """
        start = hashlib.sha256(b"vigie/mark/v1" + self.bound())
        made = []
        for pseudonym in pseudonyms:
            if len(pseudonym) != PSEUDONYM_BYTES:
                raise ValueError("a pseudonym is 16 bytes")
            one = start.copy()
            one.update(pseudonym)
            made.append(one.digest()[:MARK_BYTES])
        return made


def perimeter_id(
    epoch_seed: bytes,
    *,
    owner: str,
    convention_id: str,
    epoch: int,
    period: str,
    supersedes: bytes | None,
    pseudonyms: Iterable[bytes],
) -> bytes:
    """The id of a perimeter, 16 bytes: the same companies have the same id for their owner, and it tells others nothing.

    Args:
        epoch_seed: 32 bytes from the owner's keyring.
        owner: member name.
        convention_id: id of the convention.
        epoch: number of the pseudonym epoch.
        period: ``YYYY-MM``.
        supersedes: id of the perimeter that this one replaces.
        pseudonyms: of its companies, in any order.
    """
    companies = hashlib.sha256(b"".join(sorted(pseudonyms))).hexdigest()
    described: dict[str, str | int | None] = {
        "kind": "perimeter",
        "owner": owner,
        "convention": convention_id,
        "epoch": epoch,
        "period": period,
        "supersedes": None if supersedes is None else supersedes.hex(),
        "companies": companies,
    }
    return hmac.digest(custody.content_key(epoch_seed), rfc8785.dumps(described), hashlib.sha256)[:ID_BYTES]


def filled(epoch_seed: bytes, place: Place, pseudonyms: Sequence[bytes]) -> bytes:
    """The whole list for one recipient: the marks of the companies and decoys up to the size class, ascending.

    Raises:
        ValueError: there is no company, or one stands twice (a mistake of the caller).
    """
    if not pseudonyms or len(set(pseudonyms)) != len(pseudonyms):
        raise ValueError("a perimeter has at least one company, each once")
    wanted = count_class(len(pseudonyms))
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"vigie/decoys/v1").derive(epoch_seed)
    found = set(place.marks(pseudonyms))
    for number in itertools.count():
        if len(found) == wanted:
            return b"".join(sorted(found))
        found.add(hmac.digest(key, place.bound() + _u32(number), hashlib.sha256)[:MARK_BYTES])
    raise AssertionError("count never ends")


def cut(marks: bytes) -> list[bytes]:
    """Cut a list of marks into padded parts of at most 1 MiB, in order; there is at least one."""
    step = MARKS_IN_PART * MARK_BYTES
    return [segment.pad(HEAD + marks[start : start + step]) for start in range(0, max(1, len(marks)), step)]


def join(parts: Iterable[bytes], companies_class: int) -> bytes:
    """Read the opened parts of a list strictly: all of them, in order; return its marks, ascending.

    Args:
        parts: what was sealed, untrusted.
        companies_class: how many marks the signed statement says there are.

    Raises:
        MalformedSegment: a part that is not padded or headed as it must be, half a mark, or marks that are not ascending.
        BadProof: another number of marks than the statement says.
    """
    pieces = []
    for plain in parts:
        content = segment.unpad(plain)
        if not content.startswith(HEAD) or (len(content) - len(HEAD)) % MARK_BYTES:
            raise MalformedSegment("a part of a perimeter does not hold marks")
        pieces.append(content[len(HEAD) :])
    if any(len(piece) != MARKS_IN_PART * MARK_BYTES for piece in pieces[:-1]):
        raise MalformedSegment("a part of a perimeter before the last one is not full")
    marks = b"".join(pieces)
    if len(marks) != companies_class * MARK_BYTES:
        raise BadProof("the opened perimeter has another number of marks than its statement says")
    each = [marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES)]
    if any(one >= other for one, other in itertools.pairwise(each)):
        raise MalformedSegment("the marks of a perimeter are not ascending, each once")
    return marks


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")
