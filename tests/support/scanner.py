"""Finding canaries in any bytes, whatever they are wrapped in.

Every pattern is searched for in one pass (numpy finds where four of its bytes stand), then in whatever can be inflated:
zstd frames (Arrow compresses its buffers with it), zlib, gzip and the members of a zip, anywhere in the data, inside one
another to a bounded depth.

A number of four bytes stands in some gigabytes of ciphertext by chance. Such weak patterns are counted over everything
scanned together, those of one kind against each other, and reported only when chance would not write so many: one
leaked column holds all of them.
"""

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from support.canary import Canary, Pattern

DEPTH = 3
"""How many wrappings are taken off."""

MOST_INFLATED = 64 * 1024 * 1024
"""The most bytes taken out of one wrapping."""

CHANCE = 1e-6
"""Weak finds are reported when chance would produce as many less often than this."""

_WINDOW = 4 * 1024 * 1024
_ANCHOR = 4
_ZSTD = b"\x28\xb5\x2f\xfd"
_GZIP = b"\x1f\x8b\x08"
_ZIP = b"PK\x03\x04"
_ZLIB = tuple(bytes([0x78, second]) for second in (0x01, 0x5E, 0x9C, 0xDA))
_LEAST_DEFLATED = 8  # what a stray header inflates to before it breaks says nothing


@dataclass(frozen=True)
class Hit:
    """A canary that was found.

    Attributes:
        canary: its label.
        form: how it was written.
        where: the file, and what had to be inflated on the way.
        offset: in that data.
    """

    canary: str
    form: str
    where: str
    offset: int


@dataclass
class _Finds:
    """What one scan has found so far; weak finds wait for the judgement over all of it."""

    strong: list[Hit] = field(default_factory=list)
    weak: dict[tuple[str, float], list[Hit]] = field(default_factory=dict)
    scanned: int = 0


class Scanner:
    """Looks for canaries in bytes and in folders."""

    def __init__(self, canaries: Sequence[Canary]) -> None:
        found: dict[bytes, Pattern] = {}
        for canary in canaries:
            for pattern in canary.patterns():
                found.setdefault(pattern.data, pattern)
        self._patterns = tuple(found.values())
        # How many patterns there are of each weakness: so many chances has each position.
        self._weak = Counter((pattern.code, pattern.bits) for pattern in self._patterns if pattern.weak)
        self._by_anchor: dict[bytes, list[tuple[int, Pattern]]] = {}
        self._first = np.zeros(65_536, np.bool_)
        self._second = np.zeros(65_536, np.bool_)
        self._longest = max((len(pattern.data) for pattern in self._patterns), default=0)
        for pattern in self._patterns:
            at = _anchor(pattern.data)
            four = pattern.data[at : at + _ANCHOR]
            self._by_anchor.setdefault(four, []).append((at, pattern))
            self._first[int.from_bytes(four[:2], "little")] = True
            self._second[int.from_bytes(four[2:], "little")] = True

    def scan(self, data: bytes, where: str) -> list[Hit]:
        """Return every hit in ``data`` and in what can be inflated from it."""
        finds = _Finds()
        self._scan(data, where, DEPTH, finds)
        return self._judged(finds)

    def scan_tree(self, folder: Path) -> list[Hit]:
        """Return every hit in the files under ``folder``, whose names are scanned as well; links are not followed."""
        return self.scan_files(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())

    def scan_files(self, paths: Iterable[Path]) -> list[Hit]:
        """Return every hit in these files and in their names."""
        finds = _Finds()
        for path in paths:
            self._scan(str(path).encode(), f"the name {path.name}", 0, finds)
            self._scan(path.read_bytes(), str(path), DEPTH, finds)
        return self._judged(finds)

    def _judged(self, finds: _Finds) -> list[Hit]:
        told = list(finds.strong)
        for (code, bits), hits in finds.weak.items():
            if _at_least(len(hits), finds.scanned * self._weak[code, bits] * 2.0**-bits) < CHANCE:
                told += hits
        return told

    def _scan(self, data: bytes, where: str, depth: int, finds: _Finds) -> None:
        finds.scanned += len(data)
        for at, pattern in self._matches(data):
            hits = finds.weak.setdefault((pattern.code, pattern.bits), []) if pattern.weak else finds.strong
            hits.append(Hit(pattern.canary, f"{pattern.form}, {pattern.code}", where, at))
        if depth:
            for name, inflated in inflatable(data):
                self._scan(inflated, f"{where} > {name}", depth - 1, finds)

    def _matches(self, data: bytes) -> Iterator[tuple[int, Pattern]]:
        for start in range(0, len(data), _WINDOW):
            # Anchors begin inside the window; three bytes more complete the last one.
            window = data[start : start + _WINDOW + _ANCHOR - 1]
            for shift in (0, 1):
                pairs = np.frombuffer(window, "<u2", max(0, (len(window) - shift) // 2), min(shift, len(window)))
                for index in self._candidates(pairs):
                    yield from self._verified(data, start + shift + 2 * index)

    def _candidates(self, pairs: npt.NDArray[np.uint16]) -> list[int]:
        if len(pairs) < 2:
            return []
        hits = np.flatnonzero(self._first[pairs[:-1]])
        kept: list[int] = hits[self._second[pairs[hits + 1]]].tolist()
        return kept

    def _verified(self, data: bytes, at: int) -> Iterator[tuple[int, Pattern]]:
        for before, pattern in self._by_anchor.get(data[at : at + _ANCHOR], ()):
            if at >= before and data.startswith(pattern.data, at - before):
                yield at - before, pattern


def _anchor(data: bytes) -> int:
    """Where the four bytes of a pattern are that other data has least: distinct ones, no zeros."""
    return max(range(len(data) - _ANCHOR + 1), key=lambda at: len({*data[at : at + _ANCHOR]} - {0}))


def _at_least(count: int, expected: float) -> float:
    """Probability of ``count`` or more chance finds where ``expected`` are expected (Poisson)."""
    if count == 0:
        return 1.0
    term = math.exp(-expected + count * math.log(expected) - math.lgamma(count + 1)) if expected else 0.0
    total = 0.0
    for step in range(count, count + 200):
        total += term
        term *= expected / (step + 1)
    return min(1.0, total)


# -- wrappings -----------------------------------------------------------------------------------------------------------


def inflatable(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a name and the content of everything in ``data`` that inflates, wherever it begins."""
    for at in _places(data, _ZSTD):
        if frame := zstd_frame(data, at):
            yield f"zstd at {at}", _inflate_zstd(frame)
    for at in _places(data, _GZIP):
        yield from _deflated(data, at, 31, "gzip")
    for magic in _ZLIB:
        for at in _places(data, magic):
            yield from _deflated(data, at, 15, "zlib")
    for at in _places(data, _ZIP):
        if len(data) >= at + 30:
            skipped = int.from_bytes(data[at + 26 : at + 28], "little") + int.from_bytes(
                data[at + 28 : at + 30], "little"
            )
            yield from _deflated(data, at + 30 + skipped, -15, "zip member")


def _places(data: bytes, magic: bytes) -> Iterator[int]:
    at = data.find(magic)
    while at >= 0:
        yield at
        at = data.find(magic, at + 1)


def _deflated(data: bytes, at: int, bits: int, name: str) -> Iterator[tuple[str, bytes]]:
    inflater = zlib.decompressobj(bits)
    out = bytearray()
    try:
        # A piece at a time, so that what was good before a break is kept and a stray header costs little.
        for start in range(at, len(data), 4096):
            out += inflater.decompress(data[start : start + 4096], MOST_INFLATED - len(out) + 1)
            if inflater.eof or len(out) > MOST_INFLATED:
                break
    except zlib.error:
        pass
    if len(out) >= _LEAST_DEFLATED:
        yield f"{name} at {at}", bytes(out[:MOST_INFLATED])


def zstd_frame(data: bytes, at: int) -> bytes:
    """Return the whole zstd frame that begins at ``at`` (RFC 8878 section 3.1.1), or nothing when it is not one."""
    if len(data) < at + 5:
        return b""
    descriptor = data[at + 4]
    single = descriptor >> 5 & 1
    content = (single, 2, 4, 8)[descriptor >> 6]
    end = at + 5 + (not single) + (0, 1, 2, 4)[descriptor & 3] + content
    last = False
    while not last:
        if len(data) < end + 3:
            return b""
        header = int.from_bytes(data[end : end + 3], "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 3:
            return b""
        end += 3 + (1 if kind == 1 else size)
    end += 4 * (descriptor >> 2 & 1)
    return data[at:end] if end <= len(data) else b""


def _inflate_zstd(frame: bytes) -> bytes:
    out = bytearray()
    try:
        with pa.CompressedInputStream(pa.BufferReader(frame), "zstd") as stream:
            while piece := stream.read(min(1024 * 1024, MOST_INFLATED - len(out))):
                out += piece
    except (OSError, pa.ArrowException):
        pass
    return bytes(out)
