"""Workbooks (``.xlsx``): the first sheet as a table of text, its first row the header.

A workbook has no types worth trusting: codes stand as numbers, numbers as text. Every cell becomes the text that a person
sees in it, without thousands: a whole number has no decimals, a day is ISO. What a cell means is its grammar's business.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from pathlib import Path
from typing import Final

import pyarrow as pa
import python_calamine

from vigie.errors import ExtractError

SHEET_MEMBER: Final = "xl/workbook.xml"
"""File within a zip archive that tells a workbook from other archives."""
_BATCH_ROWS: Final = 1 << 14
_LINE: Final = "line"

Cell = object


def sheet_columns(path: Path) -> list[str]:
    """Return the header of a workbook's first sheet.

    Raises:
        ExtractError: it cannot be read, or its first sheet is empty.
    """
    with _opened(path) as rows:
        return _header(path, rows)[1]


@contextmanager
def open_sheet(path: Path) -> Iterator[pa.RecordBatchReader]:
    """Open the rows of a workbook's first sheet, all text, and last the number that the sheet shows for each row.

    Rows without any cell are passed over.

    Raises:
        ExtractError: it cannot be read, or its first sheet is empty.
    """
    with _opened(path) as rows:
        line, header = _header(path, rows)
        schema = pa.schema([(name, pa.string()) for name in header] + [(_LINE, pa.int64())])
        yield pa.RecordBatchReader.from_batches(schema, _batches(rows, line, len(header), schema))


def text_of(cell: Cell) -> str | None:
    """Return the text of a cell, None when it is empty: ``1234567.0`` is ``1234567``, ``90.2`` is ``90.2``."""
    match cell:
        case None:
            return None
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        case float():
            return repr(cell)
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime():
            return cell.isoformat(" ")
        case date() | time():
            return cell.isoformat()
        case _:
            return str(cell).strip() or None


Rows = Iterator[Sequence[Cell]]


@contextmanager
def _opened(path: Path) -> Iterator[Rows]:
    """The rows of the first sheet from its first row on; whatever goes wrong in the reader is our own error."""
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        with suppress(python_calamine.WorkbookClosed):
            try:
                yield _rows(workbook)
            finally:
                workbook.close()
    except ExtractError:
        raise
    except python_calamine.PasswordError as error:
        raise ExtractError(f"{path.name}: the workbook has a password", hint="save it without one") from error
    except (python_calamine.CalamineError, OSError, ValueError, OverflowError) as error:
        raise _unreadable(path) from error
    except BaseException as error:
        # The reader is compiled code: what it did not foresee comes as a panic, which is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise _unreadable(path) from error


def _rows(workbook: python_calamine.CalamineWorkbook) -> Rows:
    """The rows from the sheet's first one on, whether it holds anything or not."""
    sheet = workbook.get_sheet_by_index(0)
    if sheet.start is not None:
        yield from sheet.iter_rows()


def _header(path: Path, rows: Rows) -> tuple[int, list[str]]:
    """The number of the first row that holds something, and its cells."""
    for line, row in enumerate(rows, start=1):
        header = [text_of(cell) or "" for cell in row]
        while header and not header[-1]:
            header.pop()
        if header:
            return line, header
    raise ExtractError(f"{path.name}: its first sheet is empty", hint="is the table on another sheet? put it first")


def _batches(rows: Rows, line: int, width: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    kept: list[list[str | None]] = []
    lines: list[int] = []
    for number, row in enumerate(rows, start=line + 1):
        cells = [text_of(cell) for cell in row[:width]]
        if not any(cell is not None for cell in cells):
            continue
        kept.append(cells + [None] * (width - len(cells)))
        lines.append(number)
        if len(lines) == _BATCH_ROWS:
            yield _batch(kept, lines, schema)
            kept, lines = [], []
    if lines:
        yield _batch(kept, lines, schema)


def _batch(rows: list[list[str | None]], lines: list[int], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.record_batch([*columns, pa.array(lines, pa.int64())], schema=schema)


def _unreadable(path: Path) -> ExtractError:
    return ExtractError(
        f"{path.name}: not a readable workbook", hint="was it cut off while it was copied? save it again as .xlsx"
    )
