"""Reading extracts that a test writes itself, or a real fixture; and what came of it."""

import io
from typing import Any

import duckdb

from support.golden import sample
from vigie_node.extracts.cells import Cell
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.sources import TextSource, file_source
from vigie_node.extracts.workspace import Workspace


def text_source(data: bytes | str, name: str = "extract.csv") -> TextSource:
    """A source of the given content."""
    raw = data.encode() if isinstance(data, str) else data
    return TextSource(name, lambda: io.BytesIO(raw))


def lines_source(*lines: str) -> TextSource:
    """A source of the given lines."""
    return text_source("\n".join(lines) + "\n")


def read_lines(workspace: Workspace, kind: Kind, header: str, *rows: str, perimeter: str = "") -> Reading:
    """Read a file of the given lines."""
    return read(kind, [lines_source(header, *rows)], workspace, perimeter=perimeter)


def read_sample(workspace: Workspace, kind: Kind, folder: str, name: str) -> Reading:
    """Read a real fixture."""
    return read(kind, [file_source(sample(folder, name))], workspace)


def cell_value(cell: Cell, text: str) -> Any:
    """What a cell with that text is read as."""
    ((found,),) = duckdb.execute(f"SELECT {cell.parse('x')} FROM (SELECT CAST(? AS VARCHAR) AS x)", [text]).fetchall()
    return found


def values(reading: Reading, columns: str, order: str = "file, line") -> list[tuple[Any, ...]]:
    """Some columns of the typed table."""
    return reading.connection.execute(f"SELECT {columns} FROM {reading.table} ORDER BY {order}").fetchall()


def rejections(reading: Reading) -> list[tuple[int, str, str]]:
    """Line, column and rule of every rejection."""
    return [place[:3] for place in places(reading)]


def column(reading: Reading, name: str) -> Any:
    """The value of a column in the only row."""
    ((found,),) = reading.connection.execute(f"SELECT {name} FROM {reading.table}").fetchall()
    return found


def told(reading: Reading, first: int) -> tuple[Any, ...]:
    """All that reading found but the names of the files; lines are counted from ``first``."""
    names = ", ".join(f'"{name}"' for name in reading.kind.columns())
    return (
        reading.connection.execute(f"SELECT line - {first}, {names} FROM {reading.table} ORDER BY line").fetchall(),
        [(line - first, *rest) for line, *rest in places(reading)],
        (reading.parsed, reading.valid, reading.rejected, reading.skipped),
        reading.rules, reading.warnings, reading.absent, reading.extra, reading.layouts,
    )  # fmt: skip


def places(reading: Reading) -> list[tuple[int, str, str, str]]:
    """Line, column, rule and shape of every rejection."""
    return [(found.line, found.column, found.rule, found.shape) for found in reading.findings]


def odd(reading: Reading) -> dict[str, int]:
    """Warnings by name, but those about check digits, which invented identifiers and those of the real fixtures fail."""
    return {name: rows for name, rows in reading.warnings.items() if "check_digit" not in name}
