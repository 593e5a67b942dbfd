"""The canonical bytes of rows: their one order and their digest (docs/spec/lot.md section 3).

Arrow bytes are not canonical (offsets, padding, values under nulls), so a lot's content is named by these bytes
instead: the same rows give the same digest by whatever file, order or library they came. The encoding is for ever:
tests/vectors/rows holds vectors and the test beside them a second, slow implementation.
"""

import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rfc8785

from vigie.datasets.schema import PSEUDONYM_BYTES, ColumnType, Dataset

SPEC_VERSION = 1
"""Version of the row encoding; docs/spec/lot.md carries the same number."""

Bytes = npt.NDArray[np.uint8]

_CELL = 9
_NAN = np.uint64(0x7FF8_0000_0000_0000)


def width(dataset: Dataset) -> int:
    """Bytes of one encoded row: the pseudonym and nine for each column."""
    return PSEUDONYM_BYTES + _CELL * len(dataset.columns)


def encode_rows(table: pa.Table, dataset: Dataset) -> Bytes:
    """Encode every row of a table, in the table's order.

    A row is pseudonym (16) ‖ for each column one validity byte (0: null, 1: value) ‖ eight bytes, big-endian: zeros for
    null; two's complement for integers, months and dates (days since 1970-01-01), booleans (0, 1) and categories (their
    index); IEEE 754 bits for numbers, every NaN as 7ff8000000000000 and −0 as +0.

    Args:
        table: with exactly ``dataset.wire_schema()``; chunks and slices do not matter.
        dataset: what the columns are.

    Returns:
        Array of shape (rows, :func:`width`), uint8.

    Raises:
        ValueError: the table is not of the dataset's wire schema (a mistake of the caller).
    """
    if not table.schema.equals(dataset.wire_schema()):
        raise ValueError(f"the table does not have the wire schema of {dataset.name}")
    encoded = np.zeros((table.num_rows, width(dataset)), np.uint8)
    if not table.num_rows:
        return encoded
    encoded[:, :PSEUDONYM_BYTES] = _pseudonyms(_whole(table.column(0)))
    for place, column in enumerate(dataset.columns):
        cells = _whole(table.column(1 + place))
        at = PSEUDONYM_BYTES + _CELL * place
        encoded[:, at] = cells.is_valid().to_numpy(zero_copy_only=False)
        encoded[:, at + 1 : at + _CELL] = _values(cells, column.type).astype(">u8").view(np.uint8).reshape(-1, 8)
        encoded[encoded[:, at] == 0, at + 1 : at + _CELL] = 0
    return encoded


def canonical(table: pa.Table, dataset: Dataset) -> tuple[pa.Table, Bytes]:
    """Return the table in its one order, each distinct row once, and its encoding.

    The order is that of the encoded rows as bytes: by pseudonym, then column by column, so by time first.

    Raises:
        ValueError: as :func:`encode_rows`.
    """
    encoded = encode_rows(table, dataset)
    keys = _keys(encoded)
    # np.unique would sort the whole rows as well; the order alone is enough to take from both.
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = ordered[1:] != ordered[:-1]
    order = order[fresh]
    if len(order) == table.num_rows and bool((order[1:] > order[:-1]).all()):
        return table, encoded
    return table.take(pa.array(order)), encoded[order]


class RowsDigest:
    """The digest of all rows of a lot, fed bucket by bucket.

    SHA-256 of ``vigie/rows/v1`` LF, RFC 8785 of {columns: [[name, type] …], dataset, schema} LF, and every encoded row
    in canonical order. Rows are a set: an exact repetition of a row does not count.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        columns = [[column.name, column.type.value] for column in dataset.columns]
        described = rfc8785.dumps({"dataset": dataset.name, "schema": dataset.schema, "columns": columns})
        self._hash = hashlib.sha256(b"vigie/rows/v1\n" + described + b"\n")
        self._last = b""
        self.rows = 0

    def update(self, table: pa.Table) -> pa.Table:
        """Take the next rows: whole companies, all of whose pseudonyms are above those taken before.

        Returns:
            The same rows in canonical order, each once: what the segments are cut from.

        Raises:
            ValueError: another schema, or pseudonyms not above those taken before (a mistake of the caller).
        """
        ordered, encoded = canonical(table, self._dataset)
        if len(encoded):
            if encoded[0, :PSEUDONYM_BYTES].tobytes() <= self._last:
                raise ValueError("rows must come by ascending pseudonym, all rows of a company together")
            self._last = encoded[-1, :PSEUDONYM_BYTES].tobytes()
            self._hash.update(np.ascontiguousarray(encoded).data)
            self.rows += len(encoded)
        return ordered

    def digest(self) -> bytes:
        """SHA-256 of what was taken so far, 32 bytes."""
        return self._hash.digest()


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks()


def _pseudonyms(column: pa.Array) -> Bytes:
    if column.null_count:
        raise ValueError("a row has no pseudonym")
    size = PSEUDONYM_BYTES
    flat = np.frombuffer(column.buffers()[1], np.uint8, len(column) * size, column.offset * size)
    return flat.reshape(-1, size)


def _values(cells: pa.Array, kind: ColumnType) -> npt.NDArray[np.uint64]:
    """The eight bytes of every cell as a number; what stands under a null is whatever it is."""
    if kind is ColumnType.NUMBER:
        numbers: npt.NDArray[np.float64] = cells.fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0  # −0 + 0 is +0
        bits = numbers.view(np.uint64)
        return np.where(np.isnan(numbers), _NAN, bits)
    if kind in (ColumnType.MONTH, ColumnType.DATE):
        cells = cells.cast(pa.int32())
    whole: npt.NDArray[np.int64] = cells.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    return whole.astype(np.int64).view(np.uint64)


def _keys(encoded: Bytes) -> npt.NDArray[np.bytes_]:
    # Fixed-width byte strings compare like their bytes: all are equally long, so that numpy's zero padding is no loss.
    return np.ascontiguousarray(encoded).view(f"S{encoded.shape[1]}").reshape(-1)
