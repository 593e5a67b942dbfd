import hashlib
import random
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vectors import FOLDER
from vigie import segment
from vigie.datasets import BUILT_IN
from vigie.errors import MalformedSegment
from vigie.sealing import OVERHEAD
from vigie.sizes import size_class

SCHEMA = BUILT_IN["debts"].wire_schema()


def debts(count: int, seed: int = 1) -> pa.Table:
    draw = np.random.default_rng(seed)
    names = draw.integers(0, 256, (count, 16), np.uint8)
    months = pa.array(draw.integers(18000, 20000, count), pa.int32()).cast(pa.date32())
    amounts = [pa.array(draw.normal(size=count), mask=draw.random(count) < 0.2) for _ in range(2)]
    return pa.table([pa.array([bytes(one) for one in names], pa.binary(16)), months, *amounts], schema=SCHEMA)


def framed(content: bytes) -> bytes:
    return (len(content).to_bytes(4, "big") + content).ljust(size_class(4 + len(content)), b"\0")


def stream(*batches: pa.RecordBatch, schema: pa.Schema = SCHEMA) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@given(st.integers(0, 400), st.integers(0, 5), st.sampled_from([4096, 6144, 16384, segment.CAP]))
def test_parts_hold_the_rows_in_order_and_each_is_a_size_class(count: int, seed: int, cap: int) -> None:
    table = debts(count, seed)
    parts = list(segment.cut(table, cap=cap))
    assert parts
    assert all(len(part) == size_class(len(part), cap=cap) for part in parts)
    assert pa.concat_tables([segment.read(part, SCHEMA) for part in parts]).equals(table)


def test_an_empty_bucket_looks_like_a_small_one() -> None:
    (empty,) = segment.cut(SCHEMA.empty_table())
    (few,) = segment.cut(debts(3))
    assert len(empty) == len(few) == 4096
    assert segment.read(empty, SCHEMA).num_rows == 0


def test_a_large_bucket_is_cut_near_the_cap_and_what_compresses_well_is_cut_too() -> None:
    parts = list(segment.cut(debts(100_000)))
    assert 2 <= len(parts) <= 8
    same = debts(1).take(pa.array(np.zeros(1_500_000, np.int64)))
    assert same.nbytes > segment.MAX_OPEN_BYTES // 2
    assert sum(segment.read(part, SCHEMA).num_rows for part in segment.cut(same)) == 1_500_000


def test_one_row_that_does_not_fit_is_a_mistake_of_the_caller() -> None:
    schema = pa.schema([pa.field("text", pa.string())])
    table = pa.table({"text": [random.Random(1).randbytes(8000).hex()]}, schema=schema)
    with pytest.raises(ValueError, match="one row"):
        list(segment.cut(table, cap=4096))


def test_metadata_does_not_travel() -> None:
    (part,) = segment.cut(debts(2).replace_schema_metadata({"from": "somewhere"}))
    assert segment.read(part, SCHEMA).schema.metadata is None


def wrong_parts() -> dict[str, bytes]:
    (good,) = segment.cut(debts(5))
    batch = debts(5).to_batches()[0]
    optional = pa.schema([field.with_nullable(True) for field in SCHEMA])
    no_month = debts(5).set_column(1, optional.field(1), pa.nulls(5, pa.date32())).cast(optional).to_batches()[0]
    content = stream(batch)
    forged = pa.schema(list(SCHEMA), metadata={"a": "b"})
    return {
        "empty": b"",
        "short": good[:3],
        "cut": good[:-1],
        "one byte more": good + b"\0",
        "a class too large": good.ljust(8192, b"\0"),
        "larger than 1 MiB": framed(stream(batch) + bytes(2**20)),
        "padding": good[:-1] + b"x",
        "length too small": (int.from_bytes(good[:4], "big") - 8).to_bytes(4, "big") + good[4:],
        "no stream": framed(b"not arrow"),
        "nothing": framed(b""),
        "after the stream": framed(content + b"\0" * 8),
        "two streams": framed(content + content),
        "no end": framed(content[:-8]),
        "another schema": framed(stream(pa.RecordBatch.from_pydict({"a": [1]}), schema=pa.schema({"a": pa.int64()}))),
        "nullable": framed(stream(batch.cast(optional), schema=optional)),
        "a null month": framed(stream(no_month, schema=optional)),
        "metadata": framed(stream(batch.replace_schema_metadata({"a": "b"}), schema=forged)),
        "an empty batch": framed(stream(batch.slice(0, 0))),
        "a file, not a stream": framed(b"ARROW1\0\0" + content),
    }


@pytest.mark.parametrize("name", sorted(wrong_parts()))
def test_a_wrong_part_is_malformed(name: str) -> None:
    with pytest.raises(MalformedSegment):
        segment.read(wrong_parts()[name], SCHEMA)


def test_nulls_behind_a_schema_that_forbids_them_are_malformed() -> None:
    batch = debts(5).to_batches()[0]
    lying = pa.RecordBatch.from_arrays([batch.column(0), pa.nulls(5, pa.date32()), *batch.columns[2:]], schema=SCHEMA)
    with pytest.raises(MalformedSegment, match="nulls"):
        segment.read(framed(stream(lying)), SCHEMA)


def test_what_swells_beyond_the_limit_is_malformed() -> None:
    # 36 bytes a row, all alike: zstd makes hundreds of times less of it.
    huge = debts(1).take(pa.array(np.zeros(2_000_000, np.int64))).combine_chunks()
    assert huge.nbytes > segment.MAX_OPEN_BYTES
    content = segment._stream(huge)
    assert len(content) < segment.CAP
    with pytest.raises(MalformedSegment):
        segment.read(framed(content), SCHEMA)


@given(st.binary(max_size=600))
def test_bytes_that_nobody_cut_are_malformed(content: bytes) -> None:
    for part in (content, framed(content)):
        with pytest.raises(MalformedSegment):
            segment.read(part, SCHEMA)


@given(st.data())
def test_an_altered_part_gives_our_error_or_sound_rows_and_nothing_else(data: st.DataObject) -> None:
    (good,) = segment.cut(debts(20))
    length = int.from_bytes(good[:4], "big")
    altered = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, length + 8))] = data.draw(st.integers(0, 255))
    try:
        table = segment.read(bytes(altered), SCHEMA)
    except MalformedSegment:
        return
    assert table.schema.equals(SCHEMA, check_metadata=True)
    table.validate(full=True)


def test_the_page_shows_the_version_and_the_overhead() -> None:
    page = (FOLDER.parent.parent / "docs/spec/segment.md").read_text(encoding="utf-8")
    assert f"\nVersion {segment.SPEC_VERSION}. " in page
    assert f"\n{4096 + OVERHEAD} bytes: " in page


def test_ids_and_root() -> None:
    leaf: Callable[[bytes], bytes] = lambda one: hashlib.sha256(b"\0" + one).digest()  # noqa: E731
    ids = [segment.segment_id(bytes([number])) for number in range(3)]
    assert ids[1] == hashlib.sha256(b"\1").digest()
    left = hashlib.sha256(b"\1" + leaf(ids[0]) + leaf(ids[1])).digest()
    assert segment.segment_root(ids) == hashlib.sha256(b"\1" + left + leaf(ids[2])).digest()
    assert segment.segment_root(ids[::-1]) != segment.segment_root(ids)
