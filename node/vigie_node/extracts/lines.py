"""Text files cut into lines and cells, a block of whole lines at a time.

Memory holds a few blocks, whatever the size of the file. Every line is a record: a quoted cell does not run over the end
of its line, so that a stray quote spoils its own row and no other. The rules:

* an empty line between rows is passed over, and is no row;
* a line with too few or too many cells, a stray quote or a stray carriage return is *broken*: its place is kept, its
  content is not;
* bytes that are not text in the encoding of the dialect refuse the file, with the line where they stand.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from vigie.errors import ExtractError
from vigie_node.extracts.kind import Dialect, RawRows

BLOCK_BYTES: Final = 16 << 20
"""Bytes of a file that are looked at together."""
LONGEST_LINE: Final = 1 << 20
"""Bytes of one line at most; a longer one is a sign of a file that is no table."""

_NEWLINE: Final = 0x0A
_RETURN: Final = 0x0D
_QUOTE: Final = 0x22


@dataclass(frozen=True)
class Broken:
    """A line that cannot be cut into the cells of the header; ``rule`` says why."""

    line: int
    rule: str


@dataclass(frozen=True)
class Block:
    """Rows that stand together in a file: those that could be cut into cells, and the places of those that could not."""

    rows: RawRows
    broken: tuple[Broken, ...]


class Lines:
    """The header and the blocks of one text file.

    Args:
        name: of the file, for messages.
        stream: its bytes, decompressed.
        dialect: how they are cut.
        block_bytes: bytes to look at together.

    Raises:
        ExtractError: the file is empty, its first line is no text in the encoding, or far too long.
    """

    def __init__(self, name: str, stream: BinaryIO, dialect: Dialect, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.name = name
        self.dialect = dialect
        self._blocks = _whole_lines(name, _as_utf8(name, stream, dialect, block_bytes))
        self._line = 0
        self._kept = b""
        self.header = self._read_header()

    def _read_header(self) -> list[str]:
        for data in self._blocks:
            end = data.find(b"\n")
            first = data[:end] if end >= 0 else data
            self._line += 1
            self._kept = data[end + 1 :] if end >= 0 else b""
            return self._names(first)
        raise ExtractError(f"{self.name}: the file is empty", hint="was the export cut off? deliver it again")

    def _names(self, first: bytes) -> list[str]:
        text = _decoded(self.name, first.removesuffix(b"\r"), 1).removeprefix("\ufeff")
        if not text.strip():
            raise ExtractError(
                f"{self.name}, line 1: the header is empty", hint="the first line must name the columns of the file"
            )
        return [name.strip().strip('"').replace('""', '"').strip() for name in _split(text, self.dialect.separator)]

    def blocks(self) -> Iterator[Block]:
        """Yield the rows of the file in order.

        Raises:
            ExtractError: bytes that are not text, or a line without end.
        """
        if self._kept:
            yield self._block(self._kept)
            self._kept = b""
        for data in self._blocks:
            yield self._block(data)

    def _block(self, data: bytes) -> Block:
        if not data.endswith(b"\n"):
            data += b"\n"
        raw = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(raw == _NEWLINE)
        starts = np.concatenate(([0], ends[:-1] + 1))
        numbers = np.arange(self._line + 1, self._line + 1 + len(ends), dtype=np.int64)
        self._line += len(ends)
        self._check_text(data, raw, ends, numbers)
        if (cells := self._sound_cells(data, raw, len(ends))) is not None:
            return Block(RawRows(cells, pa.array(numbers), self._padded(raw)), ())
        reason, filled = self._judge(data, raw, starts, ends)
        good = filled & (reason == 0)
        rows = RawRows(self._cells(data, starts, ends, good), pa.array(numbers[good]), self._padded(raw))
        bad = np.flatnonzero(filled & (reason > 0))
        return Block(rows, tuple(Broken(int(numbers[at]), _RULES[reason[at]]) for at in bad))

    def _check_text(
        self, data: bytes, raw: NDArray[np.uint8], ends: NDArray[np.int64], numbers: NDArray[np.int64]
    ) -> None:
        nul = np.flatnonzero(raw == 0)
        if len(nul):
            line = int(numbers[np.searchsorted(ends, nul[0])])
            raise ExtractError(
                f"{self.name}, line {line}: a NUL byte, which no text holds",
                hint="is it UTF-16, compressed, or cut off while it was copied? export it again as UTF-8 text",
            )
        try:
            codecs.utf_8_decode(data, "strict", True)
        except UnicodeDecodeError as error:
            line = int(numbers[np.searchsorted(ends, error.start)])
            raise _not_utf8(self.name, line) from error

    def _padded(self, raw: NDArray[np.uint8]) -> bool:
        """Whether a space stands at the edge of some cell; one within quotes that counts too does no harm."""
        spaces = np.flatnonzero((raw == 0x20) | (raw == 0x09))
        edges = np.zeros(256, np.bool_)
        edges[list(self.dialect.separator.encode() + b'"\r\n')] = True
        beside = edges[raw[np.maximum(spaces - 1, 0)]] | edges[raw[np.minimum(spaces + 1, len(raw) - 1)]]
        return bool(beside.any() or (len(spaces) and spaces[0] == 0))

    def _sound_cells(self, data: bytes, raw: NDArray[np.uint8], lines: int) -> pa.Table | None:
        """The cells of a block of which no line is empty or broken, as nearly all are; None when that is not certain.

        Arrow counts cells while it cuts them, and refuses a line with too few or too many. It would take a carriage return
        for the end of a line and a stray quote for content, so that both are looked for before.
        """
        if len(self.header) == 1 or not _ends_only(data) or (b'"' in data and not self._quotes_whole_cells(raw)):
            return None
        try:
            cells = self._parsed(data, self._schema())
        except pa.ArrowInvalid:
            return None
        # A quoted cell that ran over the end of its line would leave fewer rows.
        return cells if cells.num_rows == lines else None

    def _quotes_whole_cells(self, raw: NDArray[np.uint8]) -> bool:
        """Whether each quote that opens stands at the start of a cell, and each that closes at the end of one.

        Within a cell a doubled quote closes and opens again, so that a quote may stand beside it too.
        """
        quotes = np.flatnonzero(raw == _QUOTE)
        if len(quotes) % 2:
            return False
        opening, closing = quotes[0::2], quotes[1::2]
        edges = np.zeros(256, np.bool_)
        edges[list(self.dialect.separator.encode() + b'"\r\n')] = True
        # The byte before the first one is taken from the end of the block, which is the end of a line.
        return bool(edges[raw[opening - 1]].all() and edges[raw[closing + 1]].all())

    def _judge(
        self, data: bytes, raw: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return, for each line, the number of the rule that it breaks (0: none), and whether it holds anything."""
        lengths = ends - starts
        filled = (lengths > 1) | ((lengths == 1) & (raw[starts] != _RETURN))
        separators = _per_line(raw == ord(self.dialect.separator), ends)
        reason = np.where(separators == len(self.header) - 1, 0, _WRONG_COUNT).astype(np.uint8)
        if b'"' in data:
            # Separators within quotes do not count: such lines are looked at one by one in text, by a regular expression.
            quoted = np.flatnonzero(_per_line(raw == _QUOTE, ends) > 0)
            texts = _texts(data, ends).take(pa.array(quoted))
            counted = _matches(texts, _row_pattern(self.dialect, len(self.header)))
            reason[quoted] = 0
            others = np.flatnonzero(~counted)
            sound = _matches(texts.take(pa.array(others)), _row_pattern(self.dialect))
            reason[quoted[others]] = np.where(sound, _WRONG_COUNT, _STRAY_QUOTE)
        if b"\r" in data:
            # A carriage return alone ends a line for some readers, and is content for others.
            returns = np.flatnonzero(raw == _RETURN)
            stray = returns[raw[returns + 1] != _NEWLINE]
            reason[np.searchsorted(ends, stray)] = _STRAY_RETURN
        return reason, filled

    def _cells(
        self, data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], good: NDArray[np.bool_]
    ) -> pa.Table:
        schema = self._schema()
        if not good.any():
            return schema.empty_table()
        if not good.all():
            data = b"".join([data[starts[at] : ends[at] + 1] for at in np.flatnonzero(good)])
        return self._parsed(data, schema)

    def _schema(self) -> pa.Schema:
        return pa.schema([(f"c{place}", pa.string()) for place in range(len(self.header))])

    def _parsed(self, data: bytes, schema: pa.Schema) -> pa.Table:
        if data.startswith(codecs.BOM_UTF8):
            # Arrow passes over one byte order mark; within a file it is content.
            data = codecs.BOM_UTF8 + data
        return pcsv.read_csv(
            pa.BufferReader(data),
            read_options=pcsv.ReadOptions(column_names=schema.names, use_threads=False, block_size=len(data) + 1),
            parse_options=pcsv.ParseOptions(delimiter=self.dialect.separator, ignore_empty_lines=False),
            convert_options=pcsv.ConvertOptions(
                column_types=schema, null_values=[""], strings_can_be_null=True, check_utf8=False
            ),
        )


_WRONG_COUNT: Final = 1
_STRAY_QUOTE: Final = 2
_STRAY_RETURN: Final = 3
_RULES: Final = {
    _WRONG_COUNT: "wrong_number_of_fields",
    _STRAY_QUOTE: "stray_quote",
    _STRAY_RETURN: "stray_carriage_return",
}


def _ends_only(data: bytes) -> bool:
    """Whether no line is empty and a carriage return stands nowhere but at the end of a line."""
    returns = data.count(b"\r")
    return not (
        data.startswith((b"\n", b"\r"))
        or b"\n\n" in data
        or (returns and (returns != data.count(b"\r\n") or b"\n\r" in data))
    )


def _per_line(marks: NDArray[np.bool_], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many marks each line holds."""
    return np.diff(np.cumsum(marks, dtype=np.int32)[ends], prepend=0)


def _row_pattern(dialect: Dialect, count: int | None = None) -> str:
    """Regular expression of a line whose cells are quoted as a whole or not at all; of ``count`` cells, when given."""
    separator = re.escape(dialect.separator)
    bare = f'[^{separator}"\r][^{separator}\r]*' if dialect.lazy_quotes else f'[^{separator}"\r]+'
    cell = f'(?:"(?:[^"]|"")*"|{bare}|)'
    times = "*" if count is None else f"{{{count - 1}}}"
    # RE2 bounds repetitions at 1000.
    if count is not None and count > 1000:
        times = "*"
    return f"^{cell}(?:{separator}{cell}){times}\r?\n$"


def _matches(texts: pa.Array, pattern: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
    return found


def _texts(data: bytes, ends: NDArray[np.int64]) -> pa.Array:
    """The lines with their ends, as an Arrow array over their bytes, which are UTF-8."""
    offsets = np.concatenate(([0], ends + 1)).astype(np.int32)
    return pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data))


def _split(text: str, separator: str) -> list[str]:
    return re.findall(
        rf'(?:"(?:[^"]|"")*"|[^{re.escape(separator)}])+|(?<={re.escape(separator)})(?={re.escape(separator)}|$)', text
    )


def _decoded(name: str, data: bytes, line: int) -> str:
    if b"\x00" in data:
        raise ExtractError(
            f"{name}, line {line}: a NUL byte, which no text holds",
            hint="is it UTF-16 or compressed? export it again as UTF-8 text",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(name, line) from error


def _not_utf8(name: str, line: int) -> ExtractError:
    return ExtractError(
        f"{name}, line {line}: not UTF-8", hint="was it exported as Windows-1252 or Latin-1? export it again as UTF-8"
    )


def _whole_lines(name: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Cut a stream of bytes after line ends."""
    rest = b""
    for chunk in chunks:
        end = chunk.rfind(b"\n")
        if end < 0:
            rest += chunk
            if len(rest) > LONGEST_LINE:
                raise ExtractError(f"{name}: a line of more than {LONGEST_LINE >> 20} MiB", hint="is this a text file?")
            continue
        yield rest + chunk[: end + 1]
        rest = chunk[end + 1 :]
    if rest:
        yield rest


def _as_utf8(name: str, stream: BinaryIO, dialect: Dialect, block_bytes: int) -> Iterator[bytes]:
    """The stream's text as UTF-8 bytes; UTF-8 itself is passed on as it is and looked at line by line later."""
    decoder = None if dialect.encoding == "utf-8" else codecs.getincrementaldecoder("utf-16-le")()
    read = 0
    while chunk := stream.read(block_bytes):
        if decoder is None:
            yield chunk
            continue
        try:
            yield decoder.decode(chunk).encode()
        except UnicodeError as error:
            raise ExtractError(f"{name}: not UTF-16, near byte {read}", hint="export it again as UTF-16LE") from error
        read += len(chunk)
    if decoder is not None:
        try:
            decoder.decode(b"", final=True)
        except UnicodeError as error:
            raise ExtractError(
                f"{name}: the file ends in the middle of a character", hint="was it cut off while it was copied?"
            ) from error
