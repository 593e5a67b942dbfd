"""``effectif`` and ``effectif_ent``: headcount by month, wide as Urssaf delivers it, tall as it is used (section 1.8).

A column ``effYYYYQM`` holds the headcount of month M of quarter Q; columns that are not called so are never taken for a
month. **Zero is a headcount**, an empty cell is none. Spaces may stand between thousands; ``1.5`` and ``-5`` reject
their line, of which the real system makes 15 and 5. Months at the end that no line fills are not delivered yet.
Sources: ``lib/parsing/urssaf/effectif.go`` and ``effectif_ent.go``; ``createfilter`` of prepare-import.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vigie.errors import ExtractError
from vigie_node.extracts.cells import CODE, ISO_DATE, NATURAL, SIREN, Cell
from vigie_node.extracts.headers import plain
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siren_warnings, siret_warnings
from vigie_node.extracts.kind import Dialect, Field, Kind, Layout, RawRows, Reshape
from vigie_node.extracts.reading import Reading

MONTH: Final = "month"
HEADCOUNT: Final = "effYYYYQM"
"""Name of the tall column of headcounts, and what its source columns are called."""

_ORIGIN: Final = "'eff' || year(month) || quarter(month) || ((month(month) - 1) % 3 + 1)"
_MOST: Final = 10**15 - 1
_THOUSANDS: Final = "^([0-9]{1,3}([ \u00a0\u202f][0-9]{3})+|[0-9]{1,15})$"
_WHOLE: Final = {SIREN: "^[0-9]{9}$", DELIVERED_SIRET: "^[0-9]{14}$"}


def month_of(name: str) -> date | None:
    """First day of the month of a column ``effYYYYQM``; None for every other column.

    >>> month_of("eff201712")
    datetime.date(2017, 2, 1)
    """
    found = re.fullmatch(r"eff((?:19|20|21)[0-9]{2})([1-4])([1-3])", plain(name), re.ASCII)
    return date(int(found[1]), 3 * int(found[2]) - 3 + int(found[3]), 1) if found else None


def unpivot(fields: tuple[Field, ...]) -> Callable[[list[str]], Reshape]:
    """What makes, of a wide header, the reshape of its rows into (identifiers, month, headcount).

    A line without any headcount gives one row without one, so that its identifiers are judged all the same.

    Args:
        fields: the identifiers of a line.
    """

    def of_header(header: list[str]) -> Reshape:
        months = {place: month for place, name in enumerate(header) if (month := month_of(name)) is not None}
        names = [plain(name) for name in header]
        odd = [name for place, name in enumerate(names) if re.fullmatch("eff[0-9]{6}", name) and place not in months]
        if odd:
            raise ExtractError(
                f"column {odd[0]} is no month",
                hint="a column of headcounts is called effYYYYQM: year, quarter from 1 to 4, month of it from 1 to 3",
            )
        if not months:
            raise ExtractError(
                "there is no column of headcounts",
                hint="they are called effYYYYQM: year, quarter from 1 to 4, month of it from 1 to 3",
            )
        places = [cast("int", field.found_in(names)) for field in fields]
        return lambda rows: _tall(rows, fields, places, months)

    return of_header


def _tall(rows: RawRows, fields: tuple[Field, ...], places: list[int], months: dict[int, date]) -> RawRows:
    """One part of rows for each month, from arrays that the parts share: nothing is copied but what leaves cells out."""
    counts, whole = _headcounts([rows.cells.column(place) for place in months], padded=rows.padded)
    identifiers = [_identifier(rows.cells.column(place), padded=rows.padded) for place in places]
    sound = {field.header[0] for field, cells in zip(fields, identifiers, strict=True) if _all_whole(field.cell, cells)}
    lines = pa.chunked_array([rows.lines])
    parts: list[list[pa.ChunkedArray]] = []
    for month, cells in zip(months.values(), counts, strict=True):
        part = [lines, *identifiers, cells]
        if parts and cells.null_count:
            kept = cells.is_valid()
            part = [one.filter(kept) for one in part]
        first = pa.repeat(pa.scalar(month, pa.date32()), len(part[0]))
        parts.append([*part, pa.chunked_array([first])])
    joined = [
        pa.chunked_array([chunk for one in column for chunk in one.chunks], column[0].type)
        for column in zip(*parts, strict=True)
    ]
    names = [*(field.header[0] for field in fields), HEADCOUNT, MONTH]
    sound |= {MONTH, HEADCOUNT} if whole else {MONTH}
    return RawRows(pa.table(joined[1:], names=names), joined[0], rows.padded, frozenset(sound))


def _headcounts(columns: list[pa.ChunkedArray], *, padded: bool) -> tuple[list[pa.ChunkedArray], bool]:
    """The columns as whole numbers, and true; or, when some cell is none, all of them as text, and false."""
    numbers = []
    for column in columns:
        number = _numbers(column, padded=padded)
        if number is None:
            return [_text(one) for one in columns], False
        numbers.append(number)
    return numbers, True


def _numbers(column: pa.ChunkedArray, *, padded: bool) -> pa.ChunkedArray | None:
    """The cells as whole numbers from 0, or None when some cell is none."""
    try:
        if pa.types.is_string(column.type) and not _only_digits(column):
            text = pc.utf8_trim(column, " \t") if padded else column
            text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
            if pc.any(pc.invert(pc.match_substring_regex(text, _THOUSANDS))).as_py():
                return None
            column = pc.replace_substring_regex(text, "[^0-9]", "")
        number = pc.cast(column, pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    ends = pc.min_max(number).as_py()
    return number if (ends["min"] or 0) >= 0 and (ends["max"] or 0) <= _MOST else None


def _only_digits(column: pa.ChunkedArray) -> bool:
    """Whether the bytes of a text column are digits all over; Arrow alone would take ``0x1F`` for a number."""
    for chunk in column.chunks:
        data = chunk.buffers()[2]
        if data is not None and (np.frombuffer(data, np.uint8) - np.uint8(0x30) > 9).any():
            return False
    return True


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_string(column.type) else pc.cast(column, pa.string())


def _identifier(column: pa.ChunkedArray, *, padded: bool) -> pa.ChunkedArray:
    text = _text(column)
    if not padded:
        return text
    trimmed = pc.utf8_trim(text, " \t")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _all_whole(cell: Cell, column: pa.ChunkedArray) -> bool:
    pattern = _WHOLE.get(cell)
    return pattern is not None and not pc.any(pc.invert(pc.match_substring_regex(column, pattern))).as_py()


_SIRET: Final = Field("siret", ("siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment")
_SIREN: Final = Field("siren", ("siren",), SIREN, nullable=False, upstream="siren", meaning="company")
_ACCOUNT: Final = Field("account", ("compte",), CODE, upstream="numero_compte", meaning="Urssaf account")
_MONTH: Final = Field("month", (MONTH,), ISO_DATE, nullable=False, upstream="période", meaning="first day of the month")


def _headcount(upstream: str) -> Field:
    return Field(
        "headcount", (HEADCOUNT,), NATURAL, upstream=upstream, meaning="people employed; 0 is none", origin=_ORIGIN
    )


def _wide(name: str, identifiers: tuple[Field, ...], upstream: str) -> Layout:
    return Layout(
        name, Dialect(";"), (*identifiers, _headcount(upstream), _MONTH),
        reshape=unpivot(identifiers), recognised=(*(field.header[0] for field in identifiers), HEADCOUNT),
    )  # fmt: skip


def _tall_layout(identifiers: tuple[Field, ...], upstream: str) -> Layout:
    """The form in which the real system's own web API takes it: tall already, with commas."""
    return Layout(
        "datapi", Dialect(","),
        (
            *identifiers,
            Field("month", ("période",), ISO_DATE, nullable=False),
            Field("headcount", (upstream,), NATURAL, nullable=False),
        ),
    )  # fmt: skip


EFFECTIF: Final = Kind(
    name="effectif",
    title="headcount by establishment and month",
    titre="effectifs par établissement et par mois",
    owner="urssaf",
    delivered_as=("sigfaible_effectif_siret.csv", "*effectif*siret*.csv"),
    layouts=(_wide("wide", (_SIRET, _ACCOUNT), "effectif"), _tall_layout((_SIRET, _ACCOUNT), "effectif")),
    company="left(siret, 9)",
    time="month",
    skips=(provisional_siret(),),
    warnings=siret_warnings(),
    whole_line=True,
    unpivoted="headcount",
)

EFFECTIF_ENT: Final = Kind(
    name="effectif_ent",
    title="headcount by company and month",
    titre="effectifs par entreprise et par mois",
    owner="urssaf",
    delivered_as=("sigfaible_effectif_siren.csv", "*effectif*siren*.csv", "*effectif_ent*.csv"),
    layouts=(
        _wide("legacy", (_SIREN, _ACCOUNT), "effectif_entreprise"),
        _wide("2026", (_SIREN,), "effectif_entreprise"),
        _tall_layout((_SIREN,), "effectif_entreprise"),
    ),
    company="siren",
    time="month",
    warnings=siren_warnings(),
    whole_line=True,
    unpivoted="headcount",
)


def last_delivered_month(reading: Reading) -> date | None:
    """The last month for which some company has a headcount: the real system's ``date_fin_effectif``.

    Months after it are columns that no line fills yet; they are not delivered, and nobody's headcount fell to nothing.
    """
    ((found,),) = reading.connection.execute(f"SELECT max(month) FROM {reading.table}").fetchall()
    return cast("Any", found)
