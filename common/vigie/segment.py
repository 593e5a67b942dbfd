"""Segments: the rows of one bucket as padded parts of at most 1 MiB (docs/spec/segment.md).

The plain text of a part is u32 length ‖ Arrow IPC stream (zstd) ‖ zeros up to a size class. A part is one message on
the wire and the unit of resuming. Parts of results have the same form. The rule :func:`read` keeps: what comes out has
exactly the schema that was asked for, and nothing else was in the part.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa

from vigie.errors import MalformedSegment
from vigie.journal import merkle
from vigie.sizes import size_class
from vigie.wiping import shares_memory, wipe

SPEC_VERSION = 1
"""Version of the format; docs/spec/segment.md carries the same number."""

CAP = 1024 * 1024
"""The largest part before sealing."""

MAX_OPEN_BYTES = 64 * 1024 * 1024
"""The most memory that the rows of one part may take once decompressed."""

_LENGTH = 4
_END = b"\xff\xff\xff\xff\0\0\0\0"


def cut(table: pa.Table, *, cap: int = CAP) -> Iterator[bytes]:
    """Cut the rows of one bucket into parts, in order; an empty table gives one part.

    Args:
        table: rows in canonical order. Metadata of its schema is left out.
        cap: the largest part, itself a size class.

    Raises:
        ValueError: one row alone does not fit under ``cap`` (a mistake of the caller).
    """
    yield from _cut(table.replace_schema_metadata(None).combine_chunks(), cap)


def read(plain: bytes, schema: pa.Schema) -> pa.Table:
    """Read one opened part strictly.

    Args:
        plain: what was sealed, untrusted: a partner made it. Nothing of the table lies in it: it may be wiped afterwards.
        schema: names, types and nullability that the rows must have, without metadata.

    Raises:
        MalformedSegment: more than 1 MiB, a wrong length, padding that is not zeros, not an Arrow stream, another schema, nulls where
            there may be none, values that break their type, too large when decompressed, or anything after the stream.
    """
    content = _content(plain)
    try:
        table = _read_stream(content, schema)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError, EOFError, MemoryError) as error:
        raise MalformedSegment("the content of a part is not a sound Arrow stream") from error
    if any(not field.nullable and table.column(place).null_count for place, field in enumerate(schema)):
        raise MalformedSegment("a part has nulls in a column that may have none")
    # What was not compressed lies in the part itself, which the caller is about to wipe.
    return _read_stream(memoryview(_copied(table)).cast("B"), schema) if shares_memory(table, content) else table


def pad(content: bytes) -> bytes:
    """Frame content as a part: its length (4 bytes), itself, zeros up to the size class."""
    size = size_class(_LENGTH + len(content))
    return b"".join((len(content).to_bytes(_LENGTH, "big"), content, bytes(size - _LENGTH - len(content))))


def unpad(plain: bytes) -> bytes:
    """Return the content of a framed part.

    Raises:
        MalformedSegment: more than 1 MiB, a wrong length, or padding that is not zeros.
    """
    return bytes(_content(plain))


def _content(plain: bytes) -> memoryview:
    """As :func:`unpad`, without a copy."""
    length = int.from_bytes(plain[:_LENGTH], "big")
    if not _LENGTH <= len(plain) <= CAP or size_class(_LENGTH + length) != len(plain):
        raise MalformedSegment("the length of a part is not that of its content's size class")
    if any(plain[_LENGTH + length :]):
        raise MalformedSegment("the padding of a part is not zeros")
    return memoryview(plain)[_LENGTH : _LENGTH + length]


def segment_id(ciphertext: bytes | memoryview) -> bytes:
    """The id of a sealed part: SHA-256 of its ciphertext, 32 bytes."""
    return hashlib.sha256(ciphertext).digest()


def segment_root(ids: Sequence[bytes]) -> bytes:
    """The RFC 6962 root over the ordered ids: ``segment_root`` of a lot, ``digest`` of a result."""
    return merkle.root_of_leaves(merkle.leaf_hash(one) for one in ids)


def _cut(table: pa.Table, cap: int) -> Iterator[bytes]:
    content = _stream(table) if table.nbytes <= MAX_OPEN_BYTES // 2 else b""
    if content and size_class(_LENGTH + len(content)) <= cap:
        whole = pad(content)
        wipe(content)
        yield whole
        return
    if table.num_rows < 2:
        raise ValueError("one row does not fit in a part")
    # About as many equal pieces as its size calls for; a piece that is still too large is cut again.
    total = max(len(content), table.nbytes if not content else 0)
    wipe(content)
    pieces = min(table.num_rows, total * 11 // (cap * 10) + 2)
    bounds = [table.num_rows * piece // pieces for piece in range(pieces + 1)]
    for start, end in itertools.pairwise(bounds):
        yield from _cut(table.slice(start, end - start), cap)


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd"), use_threads=False)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        if table.num_rows:
            writer.write_batch(table.combine_chunks().to_batches()[0])
    written = sink.getvalue()
    stream: bytes = written.to_pybytes()
    wipe(memoryview(written))
    return stream


def _copied(table: pa.Table) -> pa.Buffer:
    """The table as a stream that is not compressed, in memory of its own."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _read_stream(content: memoryview, schema: pa.Schema) -> pa.Table:
    if content[-len(_END) :] != _END:  # Arrow would take a stream that was cut off between two batches
        raise ValueError("no end of stream")
    source = pa.BufferReader(content)
    options = pa.ipc.IpcReadOptions(use_threads=False)
    with pa.ipc.open_stream(source, options=options) as reader:
        if not reader.schema.equals(schema, check_metadata=True):
            raise ValueError("another schema")
        batches: list[pa.RecordBatch] = []
        held = 0
        for batch in reader:
            held += batch.nbytes
            if held > MAX_OPEN_BYTES:
                raise ValueError("too large when decompressed")
            if not batch.num_rows:
                raise ValueError("an empty batch")
            batches.append(batch)
    if source.tell() != len(content):
        raise ValueError("something follows the stream")
    return pa.Table.from_batches(batches, schema)
