"""Overwriting buffers, tables and the frames of errors; each beside the same thing left alone."""

import secrets
import weakref

import pyarrow as pa
import pytest

from vigie.segment import cut, read
from vigie.wiping import let_go, shares_memory, wipe, wipe_table


def test_every_kind_of_buffer_is_overwritten() -> None:
    array, whole = bytearray(b"secret"), secrets.token_bytes(40)
    view = memoryview(bytearray(b"secret"))
    arrow = pa.array([1.5, 2.5]).buffers()[1]
    wipe(array, view, whole, memoryview(arrow).cast("B") if not memoryview(arrow).readonly else None, None)
    assert bytes(array) == bytes(view) == bytes(6) and whole == bytes(40)


def test_what_others_hold_is_left_alone() -> None:
    wipe(b"", b"x", memoryview(b"read-only"))
    assert bytes([120]) == b"x", "the interpreter's own one-byte objects are as they were"


def test_a_table_reads_zeros_through_every_slice() -> None:
    table = pa.table({"a": [1, 2, 3], "b": ["x", "yy", "zzz"], "c": [None, 1.5, 2.5]})
    part, copied = table.slice(1), table.take([0, 1, 2])
    before = copied.to_pydict()
    wipe_table(table)
    assert part.column("a").to_pylist() == [0, 0] and copied.to_pydict() == before


@pytest.mark.parametrize("codec", [None, "zstd"])
def test_rows_that_were_read_do_not_lie_in_their_part(codec: str | None) -> None:
    table = pa.table({"a": pa.array([1.5, 2.5, 3.5])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table)
    stream = sink.getvalue()
    plain = bytearray(next(iter(cut(table))))
    size = len(plain)
    plain[:] = (len(stream).to_bytes(4, "big") + stream.to_pybytes()).ljust(size, b"\0")
    # Without compression, Arrow itself makes columns that lie in what they were read from.
    naive = pa.ipc.open_stream(memoryview(plain)[4 : 4 + len(stream)]).read_all()
    assert shares_memory(naive, memoryview(plain)) is (codec is None)
    found = read(bytes(plain), table.schema)
    part = bytes(plain)
    again = read(part, table.schema)
    wipe(part)
    assert part == bytes(size) and again.equals(found) and found.to_pydict() == table.to_pydict()


class Secret:
    """Something whose end can be seen."""


def deep(found: list[weakref.ref[Secret]]) -> None:
    held = Secret()
    found.append(weakref.ref(held))
    raise ValueError("inner")


def test_an_error_that_was_let_go_holds_no_local() -> None:
    found: list[weakref.ref[Secret]] = []
    kept: BaseException | None = None
    try:
        try:
            deep(found)
        except ValueError as inner:
            raise ExceptionGroup("outer", [inner]) from inner
    except ExceptionGroup as error:
        kept = error
    assert kept is not None and found[0]() is not None, "positive control: the frames hold it"
    let_go(kept)
    assert found[0]() is None
    assert kept.__traceback__ is None and kept.__cause__ is None
