"""``effectif`` and ``effectif_ent``: headcount by month, wide as Urssaf delivers it, tall as it is used (section 1.8).

A column ``effYYYYQM`` holds the headcount of month M of quarter Q; columns that are not called so are never taken for a
month. **Zero is a headcount**, an empty cell is none. Spaces may stand between thousands; ``1.5`` and ``-5`` reject
their line, of which the real system makes 15 and 5. Months at the end that no line fills are not delivered yet.

A line is kept as one row with the lists of its months and headcounts, and shown as one row a month: the lists take a
tenth of the time and of the room. Sources: ``lib/parsing/urssaf/effectif.go``, ``effectif_ent.go``; ``createfilter`` of
prepare-import.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vigie.errors import ExtractError
from vigie_node.extracts.cells import CODE, NATURAL, SIREN, TEXT, Cell
from vigie_node.extracts.headers import plain
from vigie_node.extracts.identifiers import DELIVERED_SIRET, provisional_siret, siren_warnings, siret_warnings
from vigie_node.extracts.kind import Dialect, Field, Kind, Layout, RawRows, Reshape
from vigie_node.extracts.reading import Reading

HEADCOUNT: Final = "effYYYYQM"
"""What a column of headcounts is called, in messages."""

_MOST: Final = 10**15 - 1
_THOUSANDS: Final = "^([0-9]{1,3}([ \u00a0\u202f][0-9]{3})+|[0-9]{1,15})$"
_HINT: Final = "a column of headcounts is called effYYYYQM: year, quarter from 1 to 4, month of it from 1 to 3"
_EPOCH: Final = date(1970, 1, 1)


def month_of(name: str) -> date | None:
    """First day of the month of a column ``effYYYYQM``; None for every other column.

    >>> month_of("eff201712")
    datetime.date(2017, 2, 1)
    """
    found = re.fullmatch(r"eff((?:19|20|21)[0-9]{2})([1-4])([1-3])", plain(name), re.ASCII)
    return date(int(found[1]), 3 * int(found[2]) - 3 + int(found[3]), 1) if found else None


def gathered(identifiers: tuple[Field, ...]) -> Callable[[list[str]], Reshape]:
    """What makes, of a wide header, the reshape of its lines into identifiers and lists of months and headcounts.

    Args:
        identifiers: fields of a line that stay as they are.
    """

    def of_header(header: list[str]) -> Reshape:
        months = {place: month for place, name in enumerate(header) if (month := month_of(name)) is not None}
        names = [plain(name) for name in header]
        odd = [name for place, name in enumerate(names) if re.fullmatch("eff[0-9]{6}", name) and place not in months]
        if odd:
            raise ExtractError(f"line 1: column {odd[0]} is no month", hint=_HINT)
        places = {field.header[0]: cast("int", field.found_in(names)) for field in identifiers}
        return lambda rows: _gather(rows, places, months)

    return of_header


def _gather(rows: RawRows, places: dict[str, int], months: dict[int, date]) -> RawRows:
    lines = len(rows.lines)
    values = np.zeros((lines, len(months)), np.int64)
    empty = np.ones((lines, len(months)), np.bool_)
    wrong: list[tuple[str, NDArray[np.bool_], pa.ChunkedArray]] = []
    for at, place in enumerate(months):
        name = rows.cells.column_names[place]
        numbers, bad, text = _headcounts(rows.cells.column(place), name, padded=rows.padded)
        values[:, at] = numbers.fill_null(0).to_numpy()
        empty[:, at] = numbers.is_null().to_numpy()
        if bad is not None:
            wrong.append((name, bad, text))
    days = np.array([(month - _EPOCH).days for month in months.values()], np.int32)
    offsets = pa.array(np.arange(lines + 1, dtype=np.int32) * np.int32(len(months)))
    counts = pa.ListArray.from_arrays(offsets, pa.array(values.ravel(), mask=empty.ravel()))
    dates = pa.ListArray.from_arrays(offsets, pa.array(np.tile(days, lines), pa.date32()))
    origin, cell = _first_wrong(wrong, lines)
    columns = {name: rows.cells.column(place) for name, place in places.items()}
    made = {"headcounts": counts, "months": dates, "origin": origin}
    return RawRows(pa.table(columns | made | {HEADCOUNT: cell}), rows.lines, rows.padded, frozenset(made))


def _headcounts(
    column: pa.ChunkedArray, name: str, *, padded: bool
) -> tuple[pa.ChunkedArray, NDArray[np.bool_] | None, pa.ChunkedArray]:
    """The cells as whole numbers; which of them are none, if any; and all of them as text."""
    if pa.types.is_integer(column.type) or (pa.types.is_string(column.type) and _only_digits(column)):
        with suppress(pa.ArrowInvalid):
            numbers = pc.cast(column, pa.int64())
            ends = pc.min_max(numbers).as_py()
            if (ends["min"] or 0) >= 0 and (ends["max"] or 0) <= _MOST:
                return numbers, None, column
    try:
        text = pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ExtractError(f"column {name} holds no numbers and no text", hint=_HINT) from error
    if padded:
        text = pc.utf8_trim(text, " \t")
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
    sound = pc.match_substring_regex(text, _THOUSANDS)
    bad = pc.invert(sound).fill_null(False)
    digits = pc.replace_substring_regex(pc.if_else(bad, pa.scalar(None, pa.string()), text), "[^0-9]", "")
    return pc.cast(digits, pa.int64()), bad.to_numpy() if pc.any(bad).as_py() else None, text


def _only_digits(column: pa.ChunkedArray) -> bool:
    """Whether the bytes of a text column are digits all over; Arrow alone would take ``0x1F`` for a number."""
    for chunk in column.chunks:
        data = chunk.buffers()[2]
        if data is not None and (np.frombuffer(data, np.uint8) - np.uint8(0x30) > 9).any():
            return False
    return True


def _first_wrong(
    wrong: list[tuple[str, NDArray[np.bool_], pa.ChunkedArray]], lines: int
) -> tuple[pa.Array, pa.Array | pa.ChunkedArray]:
    """For each line the column of its first cell that is no headcount, and that cell; null where all are."""
    origin, cell = pa.nulls(lines, pa.string()), pa.nulls(lines, pa.string())
    for name, bad, text in reversed(wrong):
        mask = pa.array(bad)
        origin = pc.if_else(mask, pa.scalar(name), origin)
        cell = pc.if_else(mask, text, cell)
    return origin, cell


_SIRET: Final = Field("siret", ("siret",), DELIVERED_SIRET, nullable=False, upstream="siret", meaning="establishment")
_SIREN: Final = Field("siren", ("siren",), SIREN, nullable=False, upstream="siren", meaning="company")
_ACCOUNT: Final = Field("account", ("compte",), CODE, upstream="numero_compte", meaning="Urssaf account")
_NEVER: Final = Cell("natural", "VARCHAR", lambda _: "CAST(NULL AS VARCHAR)", NATURAL.wanted)
"""Grammar of the first cell of a line that is no headcount: nothing is of it."""


def _lists(upstream: str) -> tuple[Field, ...]:
    numbers = Cell("natural", "BIGINT[]", lambda x: x, NATURAL.wanted)
    months = Cell("date", "DATE[]", lambda x: x, "first day of a month")
    return (
        Field("wrong", (HEADCOUNT,), _NEVER, stored=False, origin="origin"),
        Field("origin", ("origin",), TEXT, stored=False),
        Field("headcounts", ("headcounts",), numbers, upstream=upstream, meaning="people employed; 0 is none"),
        Field("months", ("months",), months, upstream="période", meaning="first day of the month"),
    )


def _layout(name: str, identifiers: tuple[Field, ...], upstream: str) -> Layout:
    return Layout(
        name, Dialect(";"), (*identifiers, *_lists(upstream)),
        reshape=gathered(identifiers), recognised=(*(field.header[0] for field in identifiers), HEADCOUNT),
    )  # fmt: skip


_UNNESTED: Final = (("headcounts", "headcount"), ("months", "month"))

EFFECTIF: Final = Kind(
    name="effectif",
    title="headcount by establishment and month",
    titre="effectifs par établissement et par mois",
    owner="urssaf",
    delivered_as=("sigfaible_effectif_siret.csv", "*effectif*siret*.csv"),
    layouts=(_layout("wide", (_SIRET, _ACCOUNT), "effectif"),),
    company="left(siret, 9)",
    time="month",
    skips=(provisional_siret(),),
    warnings=siret_warnings(),
    unnested=_UNNESTED,
)

EFFECTIF_ENT: Final = Kind(
    name="effectif_ent",
    title="headcount by company and month",
    titre="effectifs par entreprise et par mois",
    owner="urssaf",
    delivered_as=("sigfaible_effectif_siren.csv", "*effectif*siren*.csv", "*effectif_ent*.csv"),
    layouts=(
        _layout("legacy", (_SIREN, _ACCOUNT), "effectif_entreprise"),
        _layout("2026", (_SIREN,), "effectif_entreprise"),
    ),
    company="siren",
    time="month",
    warnings=siren_warnings(),
    unnested=_UNNESTED,
)


def last_delivered_month(reading: Reading) -> date | None:
    """The last month for which some line has a headcount: the real system's ``date_fin_effectif``.

    Months after it are columns that no line fills yet; they are not delivered, and nobody's headcount fell to nothing.
    """
    ((found,),) = reading.connection.execute(f"SELECT max(month) FROM {reading.table}").fetchall()
    return cast("date | None", found)
