"""Columns of numbers to the bytes of a text file, without a loop over rows.

Every function takes a whole column and gives a column of text; :func:`lines` joins columns into the bytes of a file.
The forms are those of the partners' files (``docs/extracts``): decimal comma or dot, seven ways to write a date.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Text: TypeAlias = pa.Array
Cells: TypeAlias = Text | str
"""A column of text, or one text that stands in every row."""

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def lines(columns: Sequence[Cells], separator: str, *, newline: str = "\n", quoted: bool = False) -> bytes:
    """UTF-8 rows of the columns, each ended by ``newline``; with ``quoted``, every cell between quotation marks."""
    rows = max((len(column) for column in columns if not isinstance(column, str)), default=0)
    if rows == 0:
        return b""
    edge = '"' if quoted else ""
    first, *others = (pa.scalar(column) if isinstance(column, str) else column for column in columns)
    if edge:
        first = pc.binary_join_element_wise(edge, first, "")
    joined = pc.binary_join_element_wise(first, *others, edge + separator + edge)
    joined = pc.binary_join_element_wise(joined, edge + newline, "")
    return _content(joined)


def _content(column: Text) -> bytes:
    """All cells one after the other: the data buffer of the column."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    offsets = np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    data = column.buffers()[2]
    return b"" if data is None else data.slice(int(offsets[0]), int(offsets[-1] - offsets[0])).to_pybytes()


def pick(table: Sequence[str], index: Ints) -> Text:
    """The text of the table at each index."""
    return pa.array(table, pa.string()).take(pa.array(index))


def choose(condition: Bools, yes: Cells, no: Cells) -> Text:
    """The one or the other in each row."""
    return pc.if_else(pa.array(condition), yes, no)


def blank(column: Text, null: Bools) -> Text:
    """The column with empty cells where ``null``."""
    return choose(null, "", column)


def integer(values: Ints) -> Text:
    """Digits, with a sign when negative."""
    return pa.array(values).cast(pa.string())


def padded(values: Ints, width: int) -> Text:
    """At least ``width`` digits, zeros first."""
    return pc.utf8_lpad(integer(values), width, "0")


def decimal(values: Ints, places: int) -> Text:
    """``values`` / 10^``places`` with a dot and all its places: (-2105, 2) → ``-21.05``."""
    exact = pa.array(values).cast(pa.decimal128(19, 0))
    return pc.multiply(exact, pa.scalar(Decimal(1).scaleb(-places))).cast(pa.string())


def euros(cents: Ints) -> Text:
    """Euros of the Urssaf files: an integer, or two places after a decimal comma."""
    return pc.replace_substring(pc.replace_substring_regex(decimal(cents, 2), r"\.00$", ""), ".", ",")


def comma(values: Ints, places: int) -> Text:
    """``values`` / 10^``places`` with a comma and all its places: (-2105, 2) → ``-21,05``."""
    return pc.replace_substring(decimal(values, places), ".", ",")


def shortest(values: Ints, places: int) -> Text:
    """With a dot and as few places as say the same, one at least: (21400, 2) → ``214.0``."""
    return pc.replace_substring_regex(decimal(values, places), r"(\.\d+?)0+$", r"\1")


def quote(column: Cells) -> Text:
    """Every cell between quotation marks; the cells hold none."""
    return pc.binary_join_element_wise('"', column, '"', "")


def join(*parts: Cells) -> Text:
    """The parts of each row one after the other; one part at least is a column."""
    return pc.binary_join_element_wise(*(pa.scalar(part) if isinstance(part, str) else part for part in parts), "")


def iso(days: Ints) -> Text:
    """``YYYY-MM-DD`` of days since 1970-01-01."""
    return pa.array(days.astype(np.int32)).cast(pa.date32()).cast(pa.string())


def french(days: Ints) -> Text:
    """``DD/MM/YYYY``."""
    year, month, day = calendar(days)
    return join(padded(day, 2), "/", padded(month, 2), "/", padded(year, 4))


def upper(days: Ints) -> Text:
    """``DDMMMYYYY`` with the English month in capitals: ``26MAY2014``."""
    year, month, day = calendar(days)
    return join(padded(day, 2), pick(_MONTHS, month - 1), padded(year, 4))


def compact(days: Ints) -> Text:
    """``YYYYMMDD``."""
    year, month, day = calendar(days)
    return padded(year * 10_000 + month * 100 + day, 8)


def aammjj(days: Ints) -> Text:
    """The Urssaf's ``(A)AAMMJJ``: YYYYMMDD - 19000000, so six digits before 2000."""
    year, month, day = calendar(days)
    return padded((year - 1900) * 10_000 + month * 100 + day, 6)


def calendar(days: Ints) -> tuple[Ints, Ints, Ints]:
    """Year, month and day of days since 1970-01-01."""
    stamps = days.astype("datetime64[D]")
    months = stamps.astype("datetime64[M]").astype(np.int64)
    day = (stamps - stamps.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    return months // 12 + 1970, months % 12 + 1, day


def period(month: Ints, *, quarter: Bools | None = None, short: bool = False) -> Text:
    """Urssaf code of the month year x 12 + month - 1, or of the whole quarter that begins with it.

    ``YYYYQM`` (``201712`` is February 2017), or ``YYQM`` where ``short`` and the century can be told from it.
    """
    year, of = month // 12, month % 12
    place = of % 3 + 1
    if quarter is not None:
        place = np.where(quarter, 0, place)
    code = year * 100 + (of // 3 + 1) * 10 + place
    if not short:
        return padded(code, 6)
    told = (year >= 1950) & (year < 2050)
    return choose(told, padded(code % 10_000, 4), padded(code, 6))
