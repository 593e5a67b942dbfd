"""What must not leak, and every way in which it could be written: the patterns that the scanner looks for.

A canary is a SIREN, an amount or a name that is in a partner's extract and nowhere else. Each has text forms and binary
forms, and each of those may again be written in hexadecimal or base64. A pattern knows how many bits it carries: one
that is so short that chance writes it into some megabytes of ciphertext is *weak* and proves something only in numbers
(see ``support.scanner``).
"""

import base64
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

WEAK_BITS = 40
"""A pattern below this many bits may stand somewhere by chance."""

_ZERO_BITS = 2  # a zero byte is what most binary formats are full of: it says next to nothing


@dataclass(frozen=True)
class Pattern:
    """One way of writing a canary.

    Attributes:
        canary: label of the canary.
        form: how it is written, for the message of a hit.
        code: ``plain``, ``hexadecimal`` or ``base64``.
        data: the bytes to find.
        bits: how surprising they are.
    """

    canary: str
    form: str
    code: str
    data: bytes
    bits: float

    @property
    def weak(self) -> bool:
        """Whether chance alone may write it."""
        return self.bits < WEAK_BITS


@dataclass(frozen=True)
class Canary:
    """One value that must not be found: exactly one of the three is given.

    Attributes:
        siren: nine digits.
        amount: euros, with cents.
        name: name of a company.
    """

    siren: str = ""
    amount: float | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """What a hit is called."""
        return self.siren or self.name or f"{self.amount}"

    def patterns(self) -> Iterator[Pattern]:
        """Yield every form to look for; the same bytes may come under two names."""
        for form, data in itertools.chain(self._texts(), self._numbers()):
            if len(data) <= 4 and 0 in data:
                continue  # three bytes and a zero are what the structure of many a file looks like
            yield Pattern(self.label, form, "plain", data, _bits(data))
            for written in (data.hex(), data.hex().upper()):
                yield Pattern(self.label, form, "hexadecimal", written.encode(), 4.0 * len(written))
            for shift, code in itertools.product(range(3), (base64.b64encode, base64.urlsafe_b64encode)):
                middle = _middle(code(bytes(shift) + data), shift, len(data))
                yield Pattern(self.label, form, "base64", middle, 6.0 * len(middle))

    def _texts(self) -> Iterator[tuple[str, bytes]]:
        for text in self._spellings():
            yield f"text {text!r}", text.encode()
            yield f"UTF-16 LE {text!r}", text.encode("utf-16-le")
            yield f"UTF-16 BE {text!r}", text.encode("utf-16-be")
            if not text.isascii():
                yield f"Latin-1 {text!r}", text.encode("latin-1", "replace")

    def _spellings(self) -> tuple[str, ...]:
        if self.siren:
            return self.siren, " ".join((self.siren[:3], self.siren[3:6], self.siren[6:]))
        if self.amount is not None:
            written = f"{self.amount:.2f}"
            return tuple(dict.fromkeys((written, repr(self.amount), written.replace(".", ","))))
        return tuple(dict.fromkeys((self.name, self.name.upper(), self.name.lower())))

    def _numbers(self) -> Iterator[tuple[str, bytes]]:
        if self.siren:
            yield from _whole("number", int(self.siren))
            yield from _floats("number", float(self.siren))
        elif self.amount is not None:
            yield from _whole("cents", round(self.amount * 100))
            yield from _floats("amount", self.amount)
            yield from _floats("cents", float(round(self.amount * 100)))


def _whole(what: str, number: int) -> Iterator[tuple[str, bytes]]:
    for order in ("<", ">"):
        if number < 2**31:
            yield f"{what} int32 {order}", struct.pack(f"{order}i", number)
        yield f"{what} int64 {order}", struct.pack(f"{order}q", number)
    yield f"{what} varint", _varint(number)


def _floats(what: str, number: float) -> Iterator[tuple[str, bytes]]:
    for order in ("<", ">"):
        yield f"{what} float64 {order}", struct.pack(f"{order}d", number)


def _varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _bits(data: bytes) -> float:
    return float(sum(8 if byte else _ZERO_BITS for byte in data))


def _middle(written: bytes, shift: int, size: int) -> bytes:
    """The characters of base64 that depend on ``size`` bytes after ``shift`` others, and on nothing around them."""
    first = -(-shift * 8 // 6)
    last = (shift + size) * 8 // 6
    return written[first:last]
