"""From checked rows to a sealed lot: pseudonyms in, buckets cut, segments sealed to the lot's own key.

The rows go through DuckDB bucket by bucket, twice: once to learn their digest, which names the lot (protocol section 5),
once to seal them. Nothing larger than one bucket is held as a table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from vigie import rows, sealing, segment
from vigie.datasets import PSEUDONYM, SIREN, Dataset
from vigie.errors import StateError
from vigie_node.extracts.canonical import Checked

Progress = Callable[[int, int], None]
"""Called with (done, total) in buckets."""


@dataclass(frozen=True)
class SealedSegment:
    """One sealed segment: its place in the lot, its id and its ciphertext."""

    bucket: int
    part: int
    id: bytes
    sealed: bytes


class PseudonymisedRows:
    """The rows of one dataset keyed by pseudonym and cut by bucket, in canonical order.

    Args:
        checked: the checked rows; their connection gets a table ``pseudonymised_<dataset>`` beside theirs.
        pseudonyms: table with ``siren`` (text) and ``pseudonym`` (16 bytes) that covers every company.
        buckets: number of buckets of the convention, a power of two.

    Raises:
        StateError: a company has no pseudonym.
    """

    def __init__(self, checked: Checked, pseudonyms: pa.Table, buckets: int) -> None:
        self.dataset: Dataset = checked.dataset
        self.buckets = buckets
        self._connection = checked.connection
        self._table = f'"pseudonymised_{self.dataset.name}"'
        self._connection.register("known", pseudonyms)
        columns = ", ".join(f'v."{name}"' for name in self.dataset.names)
        bits = buckets.bit_length() - 1
        # The bucket is the leading bits of the pseudonym; sixteen of them are enough for any number of buckets allowed.
        leading = f"(('0x' || left(hex(k.{PSEUDONYM}), 4))::INTEGER >> {16 - bits})"
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {self._table} AS SELECT {leading} AS bucket, k.{PSEUDONYM}, {columns} "
            f'FROM "{checked.table}" v JOIN known k ON k.{SIREN} = v.{SIREN} ORDER BY bucket'
        )
        self._connection.unregister("known")
        self.rows = self._scalar(f"SELECT count(*) FROM {self._table}")
        self.companies = self._scalar(f"SELECT count(DISTINCT {PSEUDONYM}) FROM {self._table}")
        if self.rows != checked.report.rows:
            raise StateError("a company of the extract has no pseudonym", hint="run the same command again")

    def _scalar(self, sql: str) -> int:
        ((found,),) = self._connection.execute(sql).fetchall()
        return int(found)

    def bucket(self, number: int) -> pa.Table:
        """Return the rows of one bucket in canonical order, in the dataset's wire schema."""
        names = ", ".join(f'"{name}"' for name in (PSEUDONYM, *self.dataset.names))
        found = self._connection.sql(f"SELECT {names} FROM {self._table} WHERE bucket = {number:d}").to_arrow_table()
        ordered, _ = rows.canonical(found.cast(self.dataset.wire_schema()), self.dataset)
        return ordered

    def digest(self, progress: Progress) -> bytes:
        """Return the digest of all rows (docs/spec/lot.md), 32 bytes."""
        total = rows.RowsDigest(self.dataset)
        for number in range(self.buckets):
            total.update(self.bucket(number))
            progress(number + 1, self.buckets)
        return total.digest()

    def sealed(self, *, convention_id: str, lot: bytes, lot_key: bytes, progress: Progress) -> Iterator[SealedSegment]:
        """Seal every bucket, in order; each gives at least one segment, an empty one too."""
        for number in range(self.buckets):
            for part, plain in enumerate(segment.cut(self.bucket(number))):
                info = sealing.segment_info(convention_id, lot, number, part)
                ciphertext = sealing.seal(lot_key, info, plain)
                yield SealedSegment(number, part, segment.segment_id(ciphertext), ciphertext)
            progress(number + 1, self.buckets)
