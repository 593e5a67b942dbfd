"""Where extracts come from: what a source is, and the sources that are files or standard input.

A source is opened when it is read and not before. Text comes as bytes, everything else as Arrow batches whose columns
keep the types of the warehouse. Workbooks are in ``sheets.py``, databases in ``databases.py``, folders in
``gathering.py``.
"""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from vigie.errors import ExtractError
from vigie_node.extracts.sheets import SHEET_MEMBER, open_sheet, sheet_columns

GZIP_MAGIC: Final = b"\x1f\x8b"
PARQUET_MAGIC: Final = b"PAR1"
ZIP_MAGIC: Final = b"PK\x03\x04"
HEAD_BYTES: Final = 1 << 20
"""Bytes of a text, decompressed, that are looked at to recognise it; the longest line that is read is as long."""
_BATCH_ROWS: Final = 1 << 16


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
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            raise ExtractError(
                f"{self.name}: the compressed file is damaged or cut off", hint="copy it again, and compare its size"
            ) from error
        except OSError as error:
            raise ExtractError(
                f"{self.name}: cannot be read ({error.strerror})", hint="check its permissions"
            ) from error

    def head(self) -> bytes:
        """Return the first :data:`HEAD_BYTES` bytes; what is read once only loses nothing by it.

        Raises:
            ExtractError: as for :meth:`open`.
        """
        with self.open() as stream:
            return stream.read(HEAD_BYTES)


@dataclass(frozen=True)
class TableSource:
    """Rows that have columns and types already.

    Attributes:
        name: for reports.
        columns: looks up the names of the columns, without reading the rows.
        begin: opens a reader of Arrow batches, and closes what it stands on.
        numbered: the last column of each batch is no column of the table but the line (int64) where a row stands.
    """

    name: str
    columns: Callable[[], list[str]]
    begin: Callable[[], AbstractContextManager[pa.RecordBatchReader]]
    numbered: bool = False


Source = TextSource | TableSource


def file_source(path: Path) -> Source:
    """The source that a file is, by its first bytes: Parquet, a workbook, else text, gzipped, zipped or plain.

    Raises:
        ExtractError: there is no such file, it is empty, or it is an archive of several files.
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
    if magic == ZIP_MAGIC:
        return _zip_source(path)
    gzipped = magic.startswith(GZIP_MAGIC)
    if path.suffix == ".gz" and not gzipped:
        raise ExtractError(f"{path.name}: not a gzip file", hint="is it plain text that was only renamed?")
    if gzipped:
        return TextSource(path.name, lambda: cast("BinaryIO", gzip.open(path, "rb")))
    return TextSource(path.name, lambda: path.open("rb"))


def parquet_source(path: Path) -> TableSource:
    """A Parquet file, a row group at a time."""

    @contextmanager
    def opened() -> Iterator[pq.ParquetFile]:
        try:
            file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise _bad_parquet(path) from error
        with file:
            yield file

    @contextmanager
    def begin() -> Iterator[pa.RecordBatchReader]:
        with opened() as file:
            batches = _guarded(path, file.iter_batches(batch_size=_BATCH_ROWS))
            yield pa.RecordBatchReader.from_batches(file.schema_arrow, batches)

    def columns() -> list[str]:
        with opened() as file:
            return list(file.schema_arrow.names)

    return TableSource(path.name, columns, begin)


def sheet_source(path: Path) -> TableSource:
    """The first sheet of a workbook; rows keep the numbers that the sheet shows, the header's row being the first."""
    return TableSource(path.name, lambda: sheet_columns(path), lambda: open_sheet(path), numbered=True)


def stream_source(stream: BinaryIO, name: str = "-") -> TextSource:
    """Standard input, or another stream that can be read once only, gzipped or plain.

    Its first bytes may be looked at any number of times before the rest is read; they are kept for that.

    Args:
        stream: buffered, in bytes; it is not closed.
        name: for reports.
    """
    once = _Once(stream, name)
    return TextSource(name, once.begin)


def _zip_source(path: Path) -> Source:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise ExtractError(
            f"{path.name}: the compressed file is damaged or cut off", hint="copy it again, and compare its size"
        ) from error
    if any(one.filename == SHEET_MEMBER for one in members):
        return sheet_source(path)
    if len(members) != 1:
        raise ExtractError(
            f"{path.name}: an archive of {len(members)} files", hint="unpack it into a folder, and give the folder"
        )
    if members[0].flag_bits & 1:
        raise ExtractError(f"{path.name}: the archive has a password", hint="unpack it, and give the file within")
    return TextSource(path.name, lambda: _Member(path, members[0]))


class _Member(io.BufferedReader):
    """The bytes of one member of an archive, which is closed with them."""

    def __init__(self, path: Path, member: zipfile.ZipInfo) -> None:
        self._archive = zipfile.ZipFile(path)
        try:
            opened = self._archive.open(member)
        except (NotImplementedError, RuntimeError) as error:
            self._archive.close()
            raise zipfile.BadZipFile("a way of compression that is not known") from error
        super().__init__(cast("io.RawIOBase", opened))

    def close(self) -> None:
        super().close()
        self._archive.close()


class _Once:
    """A stream of which the first bytes are kept, so that it can be opened again until more than those are read."""

    # What is looked at is HEAD_BYTES of text; compressed it may be a little longer, and readers read ahead.
    _KEPT: Final = 2 * HEAD_BYTES

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.stream = stream
        self.name = name
        self.kept: bytes | None = None
        self.spent = False

    def begin(self) -> BinaryIO:
        if self.spent:
            raise ExtractError(
                f"{self.name}: standard input can be read once only", hint="save it as a file, and give the file"
            )
        if self.kept is None:
            self.kept = self.stream.read(self._KEPT)
        if self.kept.startswith((PARQUET_MAGIC, ZIP_MAGIC)):
            raise ExtractError(
                f"{self.name}: Parquet files and workbooks cannot be read from standard input",
                hint="save it as a file, and give the file",
            )
        raw = io.BufferedReader(_Replayed(self))
        if self.kept.startswith(GZIP_MAGIC):
            return cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb"))
        return raw


class _Replayed(io.RawIOBase):
    """The kept bytes of a stream, then the rest of it."""

    def __init__(self, once: _Once) -> None:
        super().__init__()
        self._once = once
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        once = self._once
        kept = once.kept or b""
        data = kept[self._at : self._at + len(buffer)]
        if not data and len(kept) == once._KEPT:  # noqa: SLF001 - the two are one
            once.spent = True
            data = once.stream.read(len(buffer))
        self._at += len(data)
        buffer[: len(data)] = data
        return len(data)


def _guarded(path: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except (pa.ArrowException, OSError) as error:
        raise _bad_parquet(path) from error


def _bad_parquet(path: Path) -> ExtractError:
    return ExtractError(
        f"{path.name}: not a readable Parquet file", hint="was it cut off while it was copied? deliver it again"
    )
