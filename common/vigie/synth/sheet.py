"""A small delimited file taken apart into raw cells, so that a fault can be put exactly where it is meant to stand."""

import re
from dataclasses import dataclass
from typing import Self

import numpy as np

from vigie.errors import Missing
from vigie.synth.layout import Layout

ANY_MONTH = "eff*"
"""Stands for any one headcount column of a wide file."""

_MONTH = re.compile(r"eff\d{6}")
_BOM = "\ufeff"


@dataclass
class Sheet:
    """Lines of a file as raw cells: quotation marks are part of them.

    Attributes:
        layout: what the file claims to be.
        lines: the header row first.
    """

    layout: Layout
    lines: list[list[str]]

    @classmethod
    def read(cls, data: bytes, layout: Layout) -> Self:
        """Take apart the bytes of a whole file.

        Raises:
            Missing: there is no row under the header.
        """
        text = data.decode(layout.encoding).removeprefix(_BOM)
        cell = re.compile(rf'("(?:[^"]|"")*"|[^{re.escape(layout.separator)}]*)(?:{re.escape(layout.separator)}|$)')
        lines = [
            _cells(cell, line) if '"' in line else line.split(layout.separator)
            for line in text.removesuffix(layout.newline).split(layout.newline)
        ]
        if len(lines) < 2:
            raise Missing(f"a file of kind {layout.kind} has no row to plant a fault into", hint="make more companies")
        return cls(layout, lines)

    def text(self, lines: list[str] | None = None) -> str:
        """The whole file as text, or other ``lines`` of it joined the same way."""
        joined = [self.layout.separator.join(cells) for cells in self.lines] if lines is None else lines
        return "".join(f"{line}{self.layout.newline}" for line in joined)

    def encode(self) -> bytes:
        """The whole file, as delivered."""
        return self.encoded(self.text())

    def encoded(self, text: str) -> bytes:
        """Text in the encoding of the file; UTF-16 with its byte order mark."""
        return ((_BOM if self.layout.encoding == "utf-16-le" else "") + text).encode(self.layout.encoding)

    @property
    def header(self) -> list[str]:
        """Names of the columns, without quotation marks."""
        return [cell.strip('"') for cell in self.lines[0]]

    def place(self, column: str, rng: np.random.Generator) -> int:
        """Position of a column.

        Raises:
            Missing: the file has none of that name.
        """
        header = self.header
        if column == ANY_MONTH:
            return int(rng.choice([at for at, name in enumerate(header) if _MONTH.fullmatch(name)]))
        if column not in header:
            raise Missing(f"a file of kind {self.layout.kind} has no column {column!r}")
        return header.index(column)

    def row(self, place: int, rng: np.random.Generator) -> int:
        """A line under the header whose cell at ``place`` is not empty, or any line when all are."""
        filled = [at for at, cells in enumerate(self.lines) if at > 0 and cells[place].strip('"')]
        return int(rng.choice(filled)) if filled else int(rng.integers(1, len(self.lines)))

    def set(self, row: int, place: int, value: str) -> None:
        """Put a value into a cell, between quotation marks where there were some or the value needs them."""
        quoted = self.lines[row][place].startswith('"') or self.layout.separator in value
        self.lines[row][place] = f'"{value}"' if quoted else value


def _cells(cell: re.Pattern[str], line: str) -> list[str]:
    found: list[str] = []
    at = 0
    while True:
        match = cell.match(line, at)
        assert match is not None  # noqa: S101 - both alternatives may be empty
        found.append(match[1])
        if match.end() == len(line) and match.end() == match.end(1):
            return found
        at = match.end()
