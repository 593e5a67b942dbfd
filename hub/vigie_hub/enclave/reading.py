"""From sealed parts to one table for each dataset: nothing is believed about the content of a lot, though it is signed.

A partner's rows are checked for what the run relies on: their form (exactly the wire schema), that they lie in the bucket
that they came in and in ascending order, that categories exist and dates are in this era, and that no company has two
rows of one key.  What fails stops the run under the claim ``rows``, naming the dataset and never a row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vigie.datasets import PSEUDONYM, PSEUDONYM_BYTES, ColumnType, Dataset
from vigie.errors import Refused
from vigie.sealing import SealingPrivateKey, segment_info
from vigie.segment import read, segment_id
from vigie.wiping import wipe, wipe_table
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.intake import NamedLot
from vigie_hub.enclave.stopping import rule

EARLIEST: Final = date(1900, 1, 1)
LATEST: Final = date(2199, 12, 31)
"""Dates outside cannot be about a company that anybody looks at, and would overflow later arithmetic."""

_FORM: Final = "rows in the dataset's one form"


@dataclass(frozen=True)
class LotRows:
    """The rows of one lot in one group of buckets."""

    lot: NamedLot
    rows: pa.Table


def read_lot(
    channel: Channel, lot: NamedLot, key: SealingPrivateKey, convention_id: str, buckets: int, first: int, last: int
) -> LotRows:
    """Fetch, open and check the rows of one lot in the buckets first..last.

    Raises:
        Refused: claim ``segment`` (another id, or it does not open) or ``rows``.
        MalformedFrame: the host breaks the protocol.
    """
    offsets = np.concatenate(([0], np.cumsum(lot.parts_per_bucket)))
    schema = lot.definition.wire_schema()
    tables: list[pa.Table] = []
    try:
        for sealed in channel.fetch(lot.place, first, last, lot.parts_per_bucket):
            if segment_id(sealed.content) != lot.segment_ids[int(offsets[sealed.bucket]) + sealed.part]:
                raise Refused("segment", expected="the segment that the partner signed for", found="other bytes")
            info = segment_info(convention_id, lot.body.lot, sealed.bucket, sealed.part)
            with rule("segment", "a segment that opens at its place"):
                plain = key.open(info, sealed.content)
            try:
                with rule("rows", f"{_FORM}, {lot.body.dataset}"):
                    table = read(plain, schema)
            finally:
                wipe(plain)
            tables.append(table)
            _check_bucket(table, sealed.bucket, buckets, lot.body.dataset)
        rows = pa.concat_tables(tables)
        check_rows(rows, lot.definition)
        return LotRows(lot, rows)
    except BaseException:
        for one in tables:
            wipe_table(one)
        raise


def check_rows(rows: pa.Table, definition: Dataset) -> None:
    """Refuse rows out of order, unknown categories and dates out of this era.

    Raises:
        Refused: claim ``rows``.
    """
    keys = key_bytes(rows.column(PSEUDONYM))
    high, low = keys[:, :8].view(">u8").ravel(), keys[:, 8:].view(">u8").ravel()
    if not bool(((high[1:] > high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] >= low[:-1]))).all()):
        raise Refused("rows", expected=f"{_FORM}, {definition.name}", found="companies out of order")
    for column in definition.columns:
        lowest, highest = _bounds(rows.column(column.name), column.type)
        if column.type is ColumnType.CATEGORY and not 0 <= lowest <= highest < len(column.categories):
            raise Refused("rows", expected=f"{_FORM}, {definition.name}", found=f"an unknown category of {column.name}")
        if column.type in (ColumnType.MONTH, ColumnType.DATE) and not _EARLIEST_DAY <= lowest <= highest <= _LATEST_DAY:
            raise Refused(
                "rows", expected=f"{_FORM}, {definition.name}", found=f"a date of {column.name} out of this era"
            )


_EARLIEST_DAY: Final = (EARLIEST - date(1970, 1, 1)).days
_LATEST_DAY: Final = (LATEST - date(1970, 1, 1)).days


def merge(connection: duckdb.DuckDBPyConnection, lots: Sequence[LotRows]) -> pa.Table:
    """The rows of one dataset: a snapshot with its deltas laid over it, of one partner or several.

    A row of a delta takes the place of the row with the same company and key; deltas count in the order of their period,
    then of their making.  Two partners may not speak of one company and key.

    Raises:
        Refused: claim ``rows``: two rows of one key in one lot, or of two partners.
    """
    definition = lots[0].lot.definition
    key = ", ".join(f'"{name}"' for name in (PSEUDONYM, *definition.key))
    owners: dict[str, list[LotRows]] = {}
    for lot in sorted(lots, key=_precedence):
        owners.setdefault(lot.lot.body.partner, []).append(lot)
    merged = [_lay_over(connection, chain, key) for chain in owners.values()]
    table = pa.concat_tables(merged)
    if len(merged) > 1:
        _refuse_doubles(connection, table, key, definition.name)
    return table


def key_bytes(keys: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint8]:
    """Pseudonyms as an array of bytes, shape (n, 16)."""
    chunks = keys.chunks if isinstance(keys, pa.ChunkedArray) else [keys]
    pieces = [
        np.frombuffer(chunk.buffers()[1], np.uint8)[
            chunk.offset * PSEUDONYM_BYTES : (chunk.offset + len(chunk)) * PSEUDONYM_BYTES
        ]
        for chunk in chunks
        if len(chunk)
    ]
    joined = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
    return np.ascontiguousarray(joined).reshape(-1, PSEUDONYM_BYTES)


def known_companies(rows: pa.Table, definition: Dataset) -> pa.Array:
    """Companies about which a table says anything: a value that is neither null nor the row's own date."""
    dates = {definition.time, definition.available}
    said = pa.array(np.zeros(rows.num_rows, np.bool_))
    for column in definition.columns:
        if column.name not in dates:
            said = pc.or_(said, pc.is_valid(rows.column(column.name)))
    return rows.column(PSEUDONYM).filter(said).combine_chunks().unique()


def _check_bucket(table: pa.Table, bucket: int, buckets: int, dataset: str) -> None:
    leading = key_bytes(table.column(PSEUDONYM))[:, :4]
    numbers = np.ascontiguousarray(leading).view(">u4").ravel().astype(np.uint64) * np.uint64(buckets) >> np.uint64(32)
    if not bool((numbers == bucket).all()):
        raise Refused("rows", expected=f"{_FORM}, {dataset}", found="a company in another company's bucket")


def _bounds(column: pa.ChunkedArray, kind: ColumnType) -> tuple[int, int]:
    """Smallest and largest value as whole numbers; (0, 0) for a column that is empty or has no bounds to check."""
    if kind not in (ColumnType.CATEGORY, ColumnType.MONTH, ColumnType.DATE):
        return 0, 0
    values = column if kind is ColumnType.CATEGORY else column.cast(pa.int32())
    found = pc.min_max(values)
    lowest, highest = found["min"].as_py(), found["max"].as_py()
    return (0, 0) if lowest is None else (lowest, highest)


def _precedence(one: LotRows) -> tuple[str, bool, str, str, bytes]:
    body = one.lot.body
    return body.partner, body.delivery == "delta", body.period, body.created, body.lot


def _lay_over(connection: duckdb.DuckDBPyConnection, chain: Sequence[LotRows], key: str) -> pa.Table:
    for one in chain:
        _refuse_doubles(connection, one.rows, key, one.lot.body.dataset)
    if len(chain) == 1:
        return chain[0].rows
    numbered = [
        one.rows.append_column("lot", pa.array(np.full(one.rows.num_rows, place))) for place, one in enumerate(chain)
    ]
    connection.register("delivered", pa.concat_tables(numbered))
    try:
        laid = connection.sql(
            "SELECT * EXCLUDE (lot) FROM delivered "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY lot DESC) = 1"
        ).to_arrow_table()
    finally:
        connection.unregister("delivered")
    return laid.cast(chain[0].rows.schema)


def _refuse_doubles(connection: duckdb.DuckDBPyConnection, rows: pa.Table, key: str, dataset: str) -> None:
    connection.register("delivered", rows)
    try:
        found = connection.execute(f"SELECT 1 FROM delivered GROUP BY {key} HAVING count(*) > 1 LIMIT 1").fetchall()
    finally:
        connection.unregister("delivered")
    if found:
        raise Refused("rows", expected=f"one row for each company and key, {dataset}", found="two")


def by_dataset(lots: Sequence[LotRows]) -> Mapping[str, list[LotRows]]:
    """Rows of lots, put together by dataset."""
    result: dict[str, list[LotRows]] = {}
    for one in lots:
        result.setdefault(one.lot.body.dataset, []).append(one)
    return result
