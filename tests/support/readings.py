"""Reading extracts that a test writes itself, without files."""

import io

from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.sources import TextSource
from vigie_node.extracts.workspace import Workspace


def text_source(data: bytes | str, name: str = "extract.csv") -> TextSource:
    """A source of the given content."""
    raw = data.encode() if isinstance(data, str) else data
    return TextSource(name, lambda: io.BytesIO(raw))


def read_lines(workspace: Workspace, kind: Kind, header: str, *rows: str, perimeter: str = "") -> Reading:
    """Read a file of the given lines."""
    return read(kind, [text_source("\n".join((header, *rows)) + "\n")], workspace, perimeter=perimeter)


def values(reading: Reading, columns: str, order: str = "file, line") -> list[tuple[object, ...]]:
    """Some columns of the typed table."""
    return reading.connection.execute(f"SELECT {columns} FROM {reading.table} ORDER BY {order}").fetchall()


def places(reading: Reading) -> list[tuple[int, str, str, str]]:
    """Line, column, rule and shape of every rejection."""
    return [(found.line, found.column, found.rule, found.shape) for found in reading.findings]


def odd(reading: Reading) -> dict[str, int]:
    """Warnings by name, but those about check digits, which invented identifiers and those of the real fixtures fail."""
    return {name: rows for name, rows in reading.warnings.items() if "check_digit" not in name}
