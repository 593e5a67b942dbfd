import json
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import rows_reference as reference
from support.vectors import FOLDER
from vigie import rows
from vigie.datasets import BUILT_IN, Column, ColumnType, Dataset

CATEGORIES = ("a", "b", "c")


def all_types() -> Dataset:
    columns = [
        Column(name, ColumnType(kind), "", frozenset(), categories=CATEGORIES if kind == "category" else ())
        for name, kind in reference.ALL_TYPES["columns"]
    ]
    return Dataset.declared("all_types", 7, "event", "month", columns)


def table_of(dataset: Dataset, content: list[tuple[bytes, list[Any]]]) -> pa.Table:
    schema = dataset.wire_schema()
    columns = [pa.array([name for name, _ in content], schema.field(0).type)]
    for at, field in enumerate(list(schema)[1:]):
        cells = [row[at] for _, row in content]
        raw = pa.array(cells, pa.int32()).cast(field.type) if pa.types.is_date32(field.type) else None
        columns.append(raw if raw is not None else pa.array(cells, field.type))
    return pa.table(columns, schema=schema)


@pytest.mark.parametrize("name", ["all_types", "debts"])
def test_rows_and_digest_are_those_of_the_vectors(name: str) -> None:
    vector = json.loads((FOLDER / f"rows/{name}.json").read_text())
    dataset = all_types() if name == "all_types" else BUILT_IN[name]
    assert [[one.name, one.type.value] for one in dataset.columns] == vector["columns"]
    table = table_of(dataset, reference.cells_of(vector))
    assert [bytes(row).hex() for row in rows.encode_rows(table, dataset)] == vector["encoded"]
    digest = rows.RowsDigest(dataset)
    digest.update(table)
    assert digest.digest().hex() == vector["digest"]


def test_the_second_implementation_still_makes_the_vectors() -> None:
    for vector in (reference.ALL_TYPES, reference.DEBTS):
        kept = json.loads((FOLDER / f"rows/{vector['dataset']}.json").read_text())
        kinds = [kind for _, kind in kept["columns"]]
        encoded = [reference.row_bytes(kinds, name, cells) for name, cells in reference.cells_of(kept)]
        assert [one.hex() for one in encoded] == kept["encoded"]
        assert reference.digest(kept["dataset"], kept["schema"], kept["columns"], encoded).hex() == kept["digest"]


int64 = st.integers(-(2**63), 2**63 - 1)
day = st.integers(-(2**31), 2**31 - 1)
row = st.tuples(
    st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), b"\xff" * 16]),
    st.tuples(
        day, st.none() | int64, st.none() | st.floats(), st.none() | day, st.none() | st.booleans(),
        st.none() | st.integers(0, 2),
    ).map(list),
)  # fmt: skip


@given(st.lists(row, max_size=30), st.integers(0, 2**32), st.integers(1, 5))
def test_any_order_and_any_chunks_give_what_the_slow_implementation_gives(
    content: list[tuple[bytes, list[Any]]], seed: int, chunks: int
) -> None:
    dataset = all_types()
    kinds = [one.type.value for one in dataset.columns]
    encoded = [reference.row_bytes(kinds, name, cells) for name, cells in content]
    expected = reference.digest("all_types", 7, reference.ALL_TYPES["columns"], encoded)
    shuffled = content * 2
    random.Random(seed).shuffle(shuffled)
    table = table_of(dataset, shuffled)
    step = max(1, table.num_rows // chunks)
    pieces = [table.slice(at, step) for at in range(0, table.num_rows, step)]
    whole = pa.concat_tables([pa.concat_tables([table.slice(0, 0), *pieces])])
    digest = rows.RowsDigest(dataset)
    ordered = digest.update(whole)
    assert digest.digest() == expected
    assert digest.rows == len(set(encoded))
    assert [bytes(one) for one in rows.encode_rows(ordered, dataset)] == sorted(set(encoded))


@given(st.lists(row, min_size=1, max_size=30), st.integers(0, 30))
def test_buckets_in_order_give_the_digest_of_the_whole(content: list[tuple[bytes, list[Any]]], at: int) -> None:
    dataset = all_types()
    whole = rows.RowsDigest(dataset)
    whole.update(table_of(dataset, content))
    names = sorted({name for name, _ in content})
    border = names[min(at, len(names) - 1)]
    parts = rows.RowsDigest(dataset)
    parts.update(table_of(dataset, [one for one in content if one[0] < border]))
    parts.update(table_of(dataset, [one for one in content if one[0] >= border]))
    assert parts.digest() == whole.digest()


def test_companies_out_of_order_and_a_split_company_are_refused() -> None:
    dataset = BUILT_IN["debts"]
    low, high = (table_of(dataset, [(name, [19723, 1.0, 2.0])]) for name in (b"a" * 16, b"b" * 16))
    digest = rows.RowsDigest(dataset)
    digest.update(high)
    for late in (low, high):
        with pytest.raises(ValueError, match="ascending"):
            digest.update(late)
    digest.update(low.slice(0, 0))


def test_another_schema_and_a_row_without_pseudonym_are_refused() -> None:
    dataset = BUILT_IN["debts"]
    table = table_of(dataset, [(b"a" * 16, [19723, 1.0, 2.0])])
    with pytest.raises(ValueError, match="wire schema"):
        rows.encode_rows(table.select([0, 1]), dataset)
    with pytest.raises(ValueError, match="wire schema"):
        rows.encode_rows(table, BUILT_IN["headcount"])
    schema = dataset.wire_schema()
    nobody = pa.table([pa.array([None], pa.binary(16)), *table.columns[1:]], schema=schema)
    with pytest.raises(ValueError, match="no pseudonym"):
        rows.encode_rows(nobody, dataset)


def test_what_stands_under_a_null_does_not_count() -> None:
    dataset = BUILT_IN["debts"]
    schema = dataset.wire_schema()
    dirty = pa.Array.from_buffers(
        pa.float64(), 1, [pa.py_buffer(b"\x00"), pa.py_buffer(np.array([3.25]).tobytes())], null_count=1
    )
    name, month = pa.array([b"a" * 16], pa.binary(16)), pa.array([19723], pa.int32()).cast(pa.date32())
    clean = pa.array([None], pa.float64())
    one, other = (pa.table([name, month, cells, cells], schema=schema) for cells in (dirty, clean))
    assert rows.encode_rows(one, dataset).tobytes() == rows.encode_rows(other, dataset).tobytes()
