"""Made extracts, small, with a fault each, and what a delivery makes of them: reports, typed rows, datasets, messages."""

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from vigie.datasets import BUILT_IN
from vigie.errors import ExtractError
from vigie.synth.extracts import write_extracts
from vigie.synth.fault import Fault, Planted
from vigie.synth.layout import LAYOUTS, Layout
from vigie_node import delivery
from vigie_node.delivery import Asked, Delivery
from vigie_node.extracts.reading import Reading, read
from vigie_node.findings import Finding
from vigie_node.quality import Report, write_json, write_page

MONTH: Final = date(2021, 4, 1)
LINES: Final = 12
"""Lines of a sample, its header among them."""

Rows = Counter[tuple[Any, ...]]


@dataclass
class Taken:
    """What a delivery of one file ended in.

    Attributes:
        error: why it was refused, if it was.
        report: of the extract.
        findings: its rejections.
        lines: lines of the file that have typed rows.
        typed: the typed rows, without their places.
        datasets: rows of the datasets made of it, by name.
        made: reports of those datasets.
        said: all that a person may see of it: message and hint, or the reports as JSON and as a page.
    """

    error: ExtractError | None = None
    report: Report = field(default_factory=lambda: Report(""))
    findings: list[Finding] = field(default_factory=list)
    lines: set[int] = field(default_factory=set)
    typed: Rows = field(default_factory=Counter)
    datasets: dict[str, Rows] = field(default_factory=dict)
    made: list[Report] = field(default_factory=list)
    said: str = ""


class Partner:
    """Delivers the beginnings of made files, sound or with a fault.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        written = write_extracts(folder / "sound", companies=900, months=24, seed=6)
        self._folder = folder
        self.names = {kind: path.name for kind, path in written.files.items()}
        self.samples = {one.kind: _beginning(written.files[one.kind], one) for one in LAYOUTS}
        self._kept: dict[tuple[str, int], Taken] = {}

    def planted(self, fault: Fault) -> Planted:
        """A sample with a fault, always the same."""
        return fault.plant(self.samples[fault.kind], np.random.default_rng(4))

    def sound(self, kind: str, without: int = 0) -> Taken:
        """What becomes of a sample, or of it without one of its lines; worked out once."""
        if (kind, without) not in self._kept:
            layout = next(one for one in LAYOUTS if one.kind == kind)
            lines = self.samples[kind].decode(layout.encoding).splitlines(keepends=True)
            kept = "".join(line for at, line in enumerate(lines, start=1) if at != without)
            self._kept[kind, without] = self.take(kind, kept.encode(layout.encoding))
        return self._kept[kind, without]

    def take(self, kind: str, data: bytes, suffix: str = "") -> Taken:
        """Deliver a file of a kind."""
        path = self._folder / f"{self.names[kind]}{suffix}"
        path.write_bytes(data)
        readings: list[Reading] = []
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(delivery, "read", partial(_kept_reading, readings))
                with Delivery.take(
                    [str(path)], BUILT_IN, Asked(MONTH, kind), scratch=self._folder / "scratch"
                ) as taken:
                    return _told(taken, readings[0])
        except ExtractError as error:
            return Taken(error, said=f"{error.message}\n{error.hint}")


def _kept_reading(readings: list[Reading], *args: Any, **options: Any) -> Reading:
    readings.append(read(*args, **options))
    return readings[-1]


def _told(taken: Delivery, reading: Reading) -> Taken:
    rows = reading.connection.execute(f"SELECT line, * EXCLUDE (file, line) FROM {reading.table}").fetchall()
    made = [*taken.checked, *taken.unnamed]
    texts = [io.StringIO(), io.StringIO()]
    write_json(reports := [*taken.extracts, *(one.report for one in made)], texts[0])
    write_page(reports, texts[1])
    return Taken(
        None, taken.extracts[0], list(taken.extracts[0].rejections),
        {row[0] for row in rows}, Counter(_hashable(row[1:]) for row in rows),
        {
            one.dataset.name: Counter(map(_hashable, one.connection.execute(f'SELECT * FROM "{one.table}"').fetchall()))
            for one in made
        },
        [one.report for one in made], "\n".join(text.getvalue() for text in texts),
    )  # fmt: skip


def _hashable(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(repr(cell) if isinstance(cell, (list, dict)) else cell for cell in row)


def _beginning(path: Path, layout: Layout) -> bytes:
    text = path.read_bytes().decode(layout.encoding)
    return "".join(text.splitlines(keepends=True)[:LINES]).encode(layout.encoding)


_PUBLIC: Final = re.compile(r"[\d/.:-]{10}|\d{2}[A-Z]{3}\d{4}|[\d ]{1,6}|true|false")
"""Cells that a report may hold for another reason: days, of which it tells the first and the last, and small numbers."""


def secrets(data: bytes, layout: Layout) -> set[str]:
    """Cells of a file that nothing said about it may hold: long ones, that are no names of columns."""
    text = data.decode(layout.encoding, errors="ignore")
    cells = {cell.strip(' "\r') for line in text.split("\n") for cell in re.split("[;,\t]", line)}
    named = layout.header() + text.split("\n")[0] if layout.columns[0] in text.split("\n")[0] else layout.header()
    return {cell for cell in cells if len(cell) > 6 and cell not in named and not _PUBLIC.fullmatch(cell)}
