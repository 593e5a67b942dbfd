"""Overwriting secrets in memory as early as Python allows, and letting go of what an error holds on to.

What this is worth, honestly (docs/threats.md): a buffer that was wiped is gone from *that* place. Python, Arrow, DuckDB
and the libraries below them make copies of their own that nobody here can reach, freed memory keeps its content until
it is used again, and only the end of the process gives it back to the kernel, which zeroes it before anybody else has it.

The rule for callers: wipe only what you made or were handed alone. A ``bytes`` object is meant to be immutable; whoever
else holds it reads zeros afterwards.
"""

import ctypes
import sys
import traceback
from collections.abc import Iterator

import pyarrow as pa

_CPYTHON = sys.implementation.name == "cpython"
_HEAD = bytes.__basicsize__ - 1
"""Where the content of a ``bytes`` object begins, after its header; its size counts the closing zero."""


def wipe(*values: bytes | bytearray | memoryview | None) -> None:
    """Overwrite buffers with zeros.

    ``bytes`` of one byte or none are shared by the whole interpreter and left alone, and so are views of what may not
    be written. Constants of the program must never be given.
    """
    for value in values:
        if isinstance(value, bytearray):
            value[:] = bytes(len(value))
        elif isinstance(value, memoryview):
            if not value.readonly:
                value.cast("B")[:] = bytes(value.nbytes)
        elif isinstance(value, bytes) and len(value) > 1 and _CPYTHON:
            ctypes.memset(id(value) + _HEAD, 0, len(value))


def wipe_table(table: pa.Table) -> None:
    """Overwrite the memory of a table's columns. Every slice and copy without copying of it reads zeros afterwards."""
    for address, size in sorted(_extents(table)):
        ctypes.memset(address, 0, size)


def shares_memory(table: pa.Table, content: memoryview) -> bool:
    """Whether a column of a table lies inside a buffer, instead of in memory of its own."""
    if not content.nbytes:
        return False
    # Through Arrow, which gives the address of what may not be written too.
    held = pa.py_buffer(content)
    first, last = held.address, held.address + held.size
    return any(first < address + size and address < last for address, size in _extents(table))


def let_go(error: BaseException) -> None:
    """Clear the frames that an error and its causes hold, with every local in them, and cut it loose from them.

    To be called where it ends up, once everything that it passed through has returned; frames that still run are left.
    """
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        if one.__traceback__ is not None:
            traceback.clear_frames(one.__traceback__)
        one.__traceback__ = one.__cause__ = one.__context__ = None


def _extents(table: pa.Table) -> Iterator[tuple[int, int]]:
    seen = set()
    for column in table.columns:
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                if buffer is not None and buffer.size and buffer.address not in seen:
                    seen.add(buffer.address)
                    yield buffer.address, buffer.size
