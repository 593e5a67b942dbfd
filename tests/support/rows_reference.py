"""A second, slow reading of docs/spec/lot.md section 3, in plain Python: one row, one cell, one byte after the other.

``python -m support.rows_reference`` (from tests/) writes tests/vectors/rows and tests/vectors/sizes anew; they are for
ever, so that it must leave no difference.
"""

import hashlib
import json
import struct
from collections.abc import Sequence
from typing import Any

from support.vectors import FOLDER

Cell = int | float | bool | None

ALL_TYPES: dict[str, Any] = {
    "dataset": "all_types",
    "schema": 7,
    "columns": [
        ["month", "month"],
        ["whole", "integer"],
        ["number", "number"],
        ["day", "date"],
        ["yes", "boolean"],
        ["kind", "category"],
    ],
    # Numbers are texts: JSON knows neither NaN nor −0. Months and dates are days since 1970-01-01.
    "rows": [
        ["ff" * 16, 18262, 1, "1.5", 0, True, 2],
        ["00" * 16, 18293, None, None, None, None, None],
        ["00" * 16, 18262, -1, "-0.0", -1, False, 0],
        ["00" * 16, 18262, 9223372036854775807, "NaN", 2932896, True, 1],
        ["00" * 16, 18262, -9223372036854775808, "-inf", -719162, None, None],
        ["80" + "00" * 15, 18262, 0, "5e-324", 1, False, 2],
        ["80" + "00" * 15, 18262, 0, "0.0", 1, False, 2],
        ["80" + "00" * 15, 18262, 0, "-0.0", 1, False, 2],
    ],
}
DEBTS: dict[str, Any] = {
    "dataset": "debts",
    "schema": 1,
    "columns": [["month", "month"], ["employee_share", "number"], ["employer_share", "number"]],
    "rows": [
        ["00112233445566778899aabbccddeeff", 19723, "1234.56", "0.0"],
        ["00112233445566778899aabbccddeeff", 19692, "1000.0", None],
        ["0f0e0d0c0b0a09080706050403020100", 19723, "0.1", "0.2"],
    ],
}


def cell_bytes(kind: str, value: Cell) -> bytes:
    """One cell: validity and eight bytes."""
    if value is None:
        return bytes(9)
    if kind == "number":
        assert isinstance(value, float)
        if value != value:  # noqa: PLR0124 - only a NaN differs from itself
            return b"\x01\x7f\xf8\x00\x00\x00\x00\x00\x00"
        return b"\x01" + (bytes(8) if value == 0 else struct.pack(">d", value))
    return b"\x01" + struct.pack(">q", int(value))


def row_bytes(kinds: Sequence[str], pseudonym: bytes, cells: Sequence[Cell]) -> bytes:
    """One row."""
    return pseudonym + b"".join(cell_bytes(kind, cell) for kind, cell in zip(kinds, cells, strict=True))


def digest(dataset: str, schema: int, columns: Sequence[Sequence[str]], encoded: Sequence[bytes]) -> bytes:
    """The rows digest, over rows in any order and any number of times."""
    described = {"columns": [list(column) for column in columns], "dataset": dataset, "schema": schema}
    header = json.dumps(described, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(f"vigie/rows/v1\n{header}\n".encode() + b"".join(sorted(set(encoded)))).digest()


def cells_of(vector: dict[str, Any]) -> list[tuple[bytes, list[Cell]]]:
    """Rows of a vector with numbers as floats."""
    kinds = [kind for _, kind in vector["columns"]]
    return [
        (
            bytes.fromhex(name),
            [float(cell) if isinstance(cell, str) else cell for _, cell in zip(kinds, cells, strict=True)],
        )
        for name, *cells in vector["rows"]
    ]


def write() -> None:
    """Write the vectors."""
    for vector in (ALL_TYPES, DEBTS):
        kinds = [kind for _, kind in vector["columns"]]
        encoded = [row_bytes(kinds, name, cells) for name, cells in cells_of(vector)]
        whole = vector | {
            "encoded": [one.hex() for one in encoded],
            "digest": digest(vector["dataset"], vector["schema"], vector["columns"], encoded).hex(),
        }
        _write(f"rows/{vector['dataset']}.json", whole)
    series = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024]
    bytes_ = [[n, next(1024 * one for one in series if 1024 * one >= n)] for one in series for n in _around(1024 * one)]
    counts = [[n, next(one for one in series if one >= n) if n else 0] for one in series for n in _around(one)]
    _write("sizes/classes.json", {"bytes": bytes_, "counts": [[0, 0], *counts]})


def _around(number: int) -> list[int]:
    return [number - 1, number] + ([number + 1] if number not in (1024, 1024 * 1024) else [])


def _write(name: str, value: Any) -> None:
    (FOLDER / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
