"""Where extracts come from: files, plain or gzipped, a folder of them, standard input, Parquet, a query.

A source is opened when it is read and not before. Text comes as bytes, everything else as Arrow batches whose columns
keep the types of the warehouse. A query can only read: that is the warehouse's business, and the account's that it gave.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from vigie.errors import ExtractError

GZIP_MAGIC: Final = b"\x1f\x8b"
PARQUET_MAGIC: Final = b"PAR1"
_PEEK: Final = 1 << 16


@dataclass(frozen=True)
class TextSource:
    """Bytes of a text file, decompressed.

    Attributes:
        name: without its folder, for reports; ``-`` for standard input.
        begin: opens the bytes, from the start.
    """

    name: str
    begin: Callable[[], BinaryIO]

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the bytes, decompressed when they are a gzip file.

        Raises:
            ExtractError: the file cannot be opened, or its compressed bytes are damaged.
        """
        try:
            with self.begin() as stream:
                yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ExtractError(
                f"{self.name}: the compressed file is damaged or cut off", hint="copy it again, and compare its size"
            ) from error
        except OSError as error:
            raise ExtractError(
                f"{self.name}: cannot be read ({error.strerror})", hint="check its permissions"
            ) from error


@dataclass(frozen=True)
class TableSource:
    """Rows that have columns and types already.

    Attributes:
        name: for reports.
        begin: opens a reader of Arrow batches.
    """

    name: str
    begin: Callable[[], pa.RecordBatchReader]


Source = TextSource | TableSource


def file_source(path: Path) -> Source:
    """The source that a file is: Parquet by its first bytes, else text, decompressed when it is gzip.

    Raises:
        ExtractError: there is no such file, or it is empty.
    """
    if not path.is_file():
        raise ExtractError(f"{path.name}: there is no such file", hint="check the path")
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ExtractError(f"{path.name}: cannot be read ({error.strerror})", hint="check its permissions") from error
    if not magic:
        raise ExtractError(f"{path.name}: the file is empty", hint="was the export cut off? deliver it again")
    if magic == PARQUET_MAGIC:
        return parquet_source(path)
    gzipped = magic.startswith(GZIP_MAGIC)
    if path.suffix == ".gz" and not gzipped:
        raise ExtractError(f"{path.name}: not a gzip file", hint="is it plain text that was only renamed?")
    if gzipped:
        return TextSource(path.name, lambda: cast("BinaryIO", gzip.open(path, "rb")))
    return TextSource(path.name, lambda: path.open("rb"))


def parquet_source(path: Path) -> TableSource:
    """A Parquet file, a row group at a time."""

    def begin() -> pa.RecordBatchReader:
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise ExtractError(
                f"{path.name}: not a readable Parquet file", hint="was it cut off while it was copied? deliver it again"
            ) from error
        return pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches(batch_size=_PEEK))

    return TableSource(path.name, begin)
