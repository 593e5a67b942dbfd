"""What a fault is, and the ways to plant one: into a cell, a row, a header or a whole file."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from vigie.synth.layout import Layout
from vigie.synth.sheet import Sheet


class Expected(StrEnum):
    """What must become of a fault."""

    REFUSED = "refused"
    """The whole file is refused, with a hint at the cause."""
    REPORTED = "reported"
    """The row is rejected, and named with its line and column; the others are kept."""
    WARNED = "warned"
    """Nothing is rejected; the report counts it."""
    SKIPPED = "skipped"
    """The row is left out and counted, and nobody is at fault."""
    ACCEPTED = "accepted"
    """It does no harm: what is read is what the sound file says."""


@dataclass(frozen=True)
class Planted:
    """A file with a fault: its bytes, and where the fault stands.

    ``line`` counts from 1, the header row being the first.  ``column`` is a header cell, empty when the fault is not
    of one column.
    """

    data: bytes
    line: int
    column: str


Plant = Callable[[bytes, np.random.Generator], Planted]


@dataclass(frozen=True)
class Fault:
    """One way in which a partner's file can be wrong.

    Attributes:
        name: unique; kind, what is wrong, and the column when it is of one.
        layout: the kind of file.
        description: a sentence.
        expected: what must become of it.
        column: header cell, empty when the fault is of the row as a whole, which a reader may tell by any of its cells;
            ``eff*`` for a headcount of any month.
        plant: puts it into the bytes of a sound file, at a place that the generator draws.
        suffix: added to the name of the file.
    """

    name: str
    layout: Layout
    description: str
    expected: Expected
    column: str
    plant: Plant
    suffix: str = ""

    @property
    def kind(self) -> str:
        """Kind of the file."""
        return self.layout.kind


Change = str | Callable[[str], str]
"""What stands in a cell instead, or what becomes of what stood there."""


def in_cell(layout: Layout, column: str, what: str, expected: Expected, description: str, change: Change) -> Fault:
    """A fault in one cell of one row."""

    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        place = sheet.place(column, rng)
        row = sheet.row(place, rng)
        before = sheet.lines[row][place].strip('"')
        sheet.set(row, place, change if isinstance(change, str) else change(before))
        return Planted(sheet.encode(), row + 1, sheet.header[place])

    name = f"{layout.kind}-{what}-{slug(column)}"
    return Fault(name, layout, description, expected, column, plant)


def in_row(
    layout: Layout, what: str, expected: Expected, description: str, change: Callable[[list[str]], list[str]]
) -> Fault:
    """A fault of a whole row."""

    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        row = int(rng.integers(1, len(sheet.lines)))
        sheet.lines[row] = change(list(sheet.lines[row]))
        return Planted(sheet.encode(), row + 1, "")

    return Fault(f"{layout.kind}-{what}", layout, description, expected, "", plant)


def in_header(
    layout: Layout,
    what: str,
    expected: Expected,
    description: str,
    column: str,
    change: Callable[[list[list[str]], int], None],
) -> Fault:
    """A fault of the header row; ``change`` is given all lines and the position of the column."""

    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        place = sheet.place(column, rng)
        name = sheet.header[place]
        change(sheet.lines, place)
        return Planted(sheet.encode(), 1, name)

    return Fault(f"{layout.kind}-{what}-{slug(column)}", layout, description, expected, column, plant)


def of_file(
    layout: Layout, what: str, expected: Expected, description: str, change: Callable[[bytes, Sheet], bytes], suffix: str = ""
) -> Fault:  # fmt: skip
    """A fault of the file as a whole, which is seen at its first line."""

    def plant(data: bytes, _: np.random.Generator) -> Planted:
        return Planted(change(data, Sheet.read(data, layout)), 1, "")

    return Fault(f"{layout.kind}-{what}", layout, description, expected, "", plant, suffix)


def duplicate(layout: Layout, what: str, description: str, column: str | None, change: Change) -> Fault:
    """A row that is delivered twice, the second time with another value in ``column`` if that is given."""

    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        row = int(rng.integers(1, len(sheet.lines)))
        sheet.lines.insert(row + 1, list(sheet.lines[row]))
        if column is not None:
            place = sheet.place(column, rng)
            before = sheet.lines[row][place].strip('"')
            sheet.set(row + 1, place, change if isinstance(change, str) else change(before))
        return Planted(sheet.encode(), row + 2, "")

    return Fault(f"{layout.kind}-{what}", layout, description, Expected.WARNED, "", plant)


def truncated_last_line(layout: Layout) -> Fault:
    """The transfer was cut: the last line stops in the middle, without its end."""

    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        last = sheet.lines[-1]
        kept = int(rng.integers(1, max(len(last), 2)))
        sheet.lines[-1] = last[:kept]
        cut = sheet.text().removesuffix(layout.newline)
        if len(last) == 1:
            cut = cut[:-1]
        return Planted(sheet.encoded(cut), len(sheet.lines), "")

    description = "the last line stops in the middle, as after a broken transfer"
    return Fault(f"{layout.kind}-truncated-last-line", layout, description, Expected.REPORTED, "", plant)


def gzip_cut(data: bytes) -> bytes:
    """A gzip file without its end."""
    packed = gzip.compress(data, mtime=0)
    return packed[: len(packed) * 2 // 3]


def slug(column: str) -> str:
    """A header cell as part of a name: letters, digits and hyphens."""
    plain = column.lower().translate(_PLAIN)
    return "-".join("".join(letter if letter.isalnum() else " " for letter in plain).split()) or "month"


_PLAIN: Final = str.maketrans("éèêàâùûôîç_", "eeeaauuoic ")
