"""The catalogue of faults: what partners' files get wrong, each planted on purpose to see that it is caught.

Some were met in the real system (a missing column that shifted all values, a département read as a headcount, a debt
without an amount that stopped the reader); the others are what files meet on their way.  ``expected`` says what a
reader must make of each, and :func:`plant_faults` writes one copy of a file for each, with a list that says where it is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from vigie.errors import Missing
from vigie.synth import layout as of
from vigie.synth.fault import (
    Expected,
    Fault,
    Planted,
    duplicate,
    gzip_cut,
    in_cell,
    in_header,
    in_row,
    of_file,
    truncated_last_line,
)
from vigie.synth.fault_cells import by_form, of_headcounts, own, provisional
from vigie.synth.layout import LAYOUTS, Layout
from vigie.synth.sheet import Sheet

CATALOGUE: Final = "catalogue.json"
SAMPLE_LINES: Final = 100
"""Faults are planted into the beginning of a file: header and as many lines less one."""

_SAMPLE_BYTES: Final = 4 << 20
_REFUSED, _REPORTED, _WARNED, _ACCEPTED = Expected.REFUSED, Expected.REPORTED, Expected.WARNED, Expected.ACCEPTED
_LENIENT: Final = ("apdemande", "cotisation", "diane")
"""Kinds in which a bare quotation mark is not necessarily a fault."""
_EXACT_HEADER: Final = ("paydex",)
"""Kinds whose header is compared as a whole, as in the real system."""
_WITH_WORDS: Final[Mapping[str, str]] = {
    "delai": "Denomination_premiere_ligne",
    "effectif": "rais_soc",
    "effectif_ent": "rais_soc",
    "bdf": "DENOM",
    "sirene": "libelleVoieEtablissement",
    "sirene_ul": "denominationUniteLegale",
}
"""Kind → a column of free text, where accents may stand."""
_CHANGING: Final[Mapping[str, str]] = {
    "cotisation": "cotis_due",
    "debit": "Mt_PO",
    "bdf": "TX_MARGE",
    "effectif_ent": "rais_soc",
    "sirene": "enseigne1Etablissement",
    "sirene_ul": "sigleUniteLegale",
    "apdemande": "HTA",
    "apconso": "HEURES",
}
"""Kind → a column outside its key, for two rows of one key that disagree."""


@cache
def catalogue() -> tuple[Fault, ...]:
    """All faults, by kind of file."""
    found = [
        *(fault for layout in LAYOUTS for fault in _of_kind(layout)),
        *own(),
        *(provisional(layout) for layout in (*of.LEGACY_HAS_NO_SIRET, of.PROCOL)),
        *of_headcounts(of.EFFECTIF),
        *of_headcounts(of.EFFECTIF_ENT),
        *_of_month_columns(of.EFFECTIF),
        *_of_month_columns(of.EFFECTIF_ENT),
    ]
    order = {layout.kind: at for at, layout in enumerate(LAYOUTS)}
    return tuple(sorted(found, key=lambda fault: order[fault.kind]))


def _of_kind(layout: Layout) -> Iterator[Fault]:
    yield from _of_header(layout)
    yield from _of_bytes(layout)
    yield from _of_rows(layout)
    yield from by_form(layout)


def _of_header(layout: Layout) -> Iterator[Fault]:
    for column in layout.required:
        yield in_header(
            layout, "missing-column", _REFUSED, "a required column is missing, its values too", column, _without
        )
    first, last = layout.required[0], layout.required[-1]
    exact = layout.kind in _EXACT_HEADER
    yield in_header(layout, "renamed-column", _REFUSED, "a required column has another name", last, _renamed)
    yield in_header(
        layout, "lost-name", _REFUSED, "a name is missing in the header, the values below are not", last, _nameless
    )
    yield in_header(layout, "twice-column", _REFUSED, "a required column stands twice", first, _twice)
    yield in_header(
        layout,
        "reordered-column",
        _REFUSED if exact else _ACCEPTED,
        "a column stands at the end; names still tell",
        first,
        _moved,
    )
    yield in_header(
        layout, "new-column", _REFUSED if exact else _WARNED, "a column that nobody announced", first, _added
    )


def _of_bytes(layout: Layout) -> Iterator[Fault]:
    other = "," if layout.separator == ";" else ";"
    utf16 = layout.encoding == "utf-16-le"
    yield of_file(
        layout, "wrong-separator", _REFUSED, "cells are separated by another character",
        lambda _, sheet: sheet.encoded(sheet.text([other.join(cells) for cells in sheet.lines])),
    )  # fmt: skip
    yield of_file(
        layout, "tabulated", _REFUSED, "cells are separated by tabulations",
        lambda _, sheet: sheet.encoded(sheet.text(["\t".join(cells) for cells in sheet.lines])),
    )  # fmt: skip
    yield of_file(
        layout, "utf-8" if utf16 else "utf-16", _REFUSED, "the whole file has another encoding",
        lambda _, sheet: sheet.text().encode("utf-8" if utf16 else "utf-16"),
    )  # fmt: skip
    yield of_file(layout, "empty", _REFUSED, "nothing in the file", lambda _, __: b"")
    yield of_file(
        layout, "header-only", _REFUSED, "a header and no row: a snapshot of it would wipe the history",
        lambda _, sheet: sheet.encoded(sheet.text([layout.separator.join(sheet.lines[0])])),
    )  # fmt: skip
    yield of_file(
        layout, "no-header", _REFUSED, "rows without a header",
        lambda _, sheet: sheet.encoded(sheet.text([layout.separator.join(cells) for cells in sheet.lines[1:]])),
    )  # fmt: skip
    stranger = of.PGE if layout is not of.PGE else of.CCSF
    row = ["0"] * len(stranger.columns)
    yield of_file(
        layout, "other-type", _REFUSED, f"the content is of the kind {stranger.kind}",
        lambda _, __: f"{stranger.header()}\n{stranger.separator.join(row)}\n".encode(),
    )  # fmt: skip
    yield of_file(layout, "binary", _REFUSED, "a spreadsheet or picture instead of text", lambda _, __: _BINARY)
    yield of_file(layout, "gzip-cut", _REFUSED, "a gzip file without its end", lambda data, _: gzip_cut(data), ".gz")
    yield of_file(layout, "not-gzip", _REFUSED, "plain text whose name ends in .gz", lambda data, _: data, ".gz")
    if not utf16:
        yield of_file(
            layout, "byte-order-mark", _ACCEPTED, "a byte order mark before the header", lambda data, _: _BOM + data
        )
    if layout.kind in _WITH_WORDS:
        yield _latin(layout, _WITH_WORDS[layout.kind])


def _of_rows(layout: Layout) -> Iterator[Fault]:
    key = layout.required[0]
    yield truncated_last_line(layout)
    yield in_row(layout, "extra-field", _REPORTED, "a cell too many", lambda cells: [*cells, "0"])
    if len(layout.columns) > 1:
        yield in_row(layout, "missing-field", _REPORTED, "a cell too few", lambda cells: cells[:-1])
    yield in_cell(
        layout,
        key,
        "nul",
        _REFUSED,
        "a NUL byte inside a cell: the file is no text, or was damaged",
        lambda cell: f"{cell[:2]}\0{cell[2:]}",
    )
    yield _repeated_header(layout)
    if layout.kind not in _LENIENT:
        yield in_row(layout, "open-quote", _REPORTED, "a quotation mark that is opened and never closed", _open_quote)
        yield in_row(layout, "stray-quote", _REPORTED, "a bare quotation mark inside a cell", _stray_quote)
    yield duplicate(layout, "same-row-twice", "a row that is delivered twice", None, "")
    if layout.kind in _CHANGING:
        yield duplicate(layout, "same-key-twice", "two rows of one key that disagree", _CHANGING[layout.kind], _another)


def _of_month_columns(layout: Layout) -> Iterator[Fault]:
    month = "eff*"
    yield in_header(
        layout, "fifth-quarter", _REFUSED, "a headcount column of a fifth quarter", month, _Named("eff202051")
    )
    yield in_header(
        layout, "short-month", _WARNED, "a headcount column whose month cannot be told", month, _Named("eff75")
    )
    yield of_file(layout, "no-month", _REFUSED, "no column of headcounts at all", _no_months)
    yield in_header(layout, "month-twice", _REFUSED, "two headcount columns of one month", month, _twice)


def _without(lines: list[list[str]], place: int) -> None:
    for cells in lines:
        del cells[place]


def _renamed(lines: list[list[str]], place: int) -> None:
    edge = '"' if lines[0][place].startswith('"') else ""
    lines[0][place] = f"{edge}{lines[0][place].strip(edge or None)}_v2{edge}"


def _nameless(lines: list[list[str]], place: int) -> None:
    del lines[0][place]


def _twice(lines: list[list[str]], place: int) -> None:
    for cells in lines:
        cells.append(cells[place])


def _moved(lines: list[list[str]], place: int) -> None:
    for cells in lines:
        cells.append(cells.pop(place))


def _added(lines: list[list[str]], _: int) -> None:
    for at, cells in enumerate(lines):
        cells.append("Nouveau" if at == 0 else "1")


@dataclass(frozen=True)
class _Named:
    """Gives a column another name."""

    name: str

    def __call__(self, lines: list[list[str]], place: int) -> None:
        lines[0][place] = self.name


def _another(cell: str) -> str:
    return f"1{cell}" if not cell.startswith("-") else cell[1:]


def _stray_quote(cells: list[str]) -> list[str]:
    at = next((at for at, cell in enumerate(cells) if len(cell) > 2 and '"' not in cell), None)
    if at is None:
        return [f'{cells[0][:3]}"{cells[0][3:]}', *cells[1:]]
    cells[at] = f'{cells[at][:2]}"{cells[at][2:]}'
    return cells


def _open_quote(cells: list[str]) -> list[str]:
    at = next((at for at, cell in enumerate(cells) if cell and '"' not in cell), 0)
    cells[at] = f'"{cells[at]}'
    return cells


def _no_months(_: bytes, sheet: Sheet) -> bytes:
    kept = [at for at, name in enumerate(sheet.header) if not name.startswith("eff")]
    sheet.lines = [[cells[at] for at in kept] for cells in sheet.lines]
    return sheet.encode()


def _latin(layout: Layout, column: str) -> Fault:
    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        place = sheet.place(column, rng)
        row = sheet.row(place, rng)
        sheet.set(row, place, "SOCI\udce9T\udce9")
        return Planted(sheet.text().encode(errors="surrogateescape"), row + 1, sheet.header[place])

    description = "accents of Latin-1 in a file that is to be UTF-8"
    return Fault(f"{layout.kind}-latin-1", layout, description, _REFUSED, column, plant)


def _repeated_header(layout: Layout) -> Fault:
    def plant(data: bytes, rng: np.random.Generator) -> Planted:
        sheet = Sheet.read(data, layout)
        row = int(rng.integers(2, len(sheet.lines) + 1))
        sheet.lines.insert(row, list(sheet.lines[0]))
        return Planted(sheet.encode(), row + 1, "")

    description = "the header again between the rows, as when two files were joined"
    return Fault(f"{layout.kind}-header-again", layout, description, _REPORTED, "", plant)


_BOM: Final = b"\xef\xbb\xbf"
_BINARY: Final = b"PK\x03\x04\x14\x00\x06\x00\x08\x00" + bytes(range(256))


@dataclass(frozen=True)
class Plantation:
    """What was planted: the faults, and those whose file had no row to carry them."""

    folder: Path
    planted: tuple[Fault, ...]
    left_out: tuple[Fault, ...]


def plant_faults(files: Mapping[str, Path], folder: Path, seed: int, *, one_each: bool = False) -> Plantation:
    """Write ``folder/<name>/<file>`` for each fault, and ``folder/catalogue.json`` that says where each one is.

    Args:
        files: kind → sound file, as :class:`vigie.synth.extracts.Written` names them, in today's layouts.
        folder: made if needed.
        seed: draws the places; the same seed, the same bytes.
        one_each: one fault of each kind of file, drawn too, instead of all.
    """
    samples = {kind: _sample(path, layout) for kind, path in files.items() if (layout := _layout(kind)) is not None}
    entries, planted, left_out = [], [], []
    for number, fault in enumerate(_drawn(seed) if one_each else catalogue()):
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=(number,))))
        try:
            if fault.kind not in samples:
                raise Missing(f"no file of {fault.kind} was made")
            made = fault.plant(samples[fault.kind], rng)
        except Missing:
            left_out.append(fault)
            continue
        path = folder / fault.name / f"{files[fault.kind].name}{fault.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.data)
        planted.append(fault)
        entries.append(
            {
                "name": fault.name,
                "kind": fault.kind,
                "file": path.relative_to(folder).as_posix(),
                "line": made.line,
                "column": made.column,
                "expected": fault.expected.value,
                "description": fault.description,
            }
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CATALOGUE).write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return Plantation(folder, tuple(planted), tuple(left_out))


def _drawn(seed: int) -> Iterator[Fault]:
    rng = np.random.Generator(np.random.Philox(seed))
    for layout in LAYOUTS:
        own_faults = [fault for fault in catalogue() if fault.kind == layout.kind]
        yield own_faults[int(rng.integers(len(own_faults)))]


def _layout(kind: str) -> Layout | None:
    return next((layout for layout in LAYOUTS if layout.kind == kind), None)


def _sample(path: Path, layout: Layout) -> bytes:
    """The beginning of a file: whole lines."""
    with path.open("rb") as file:
        data = file.read(_SAMPLE_BYTES)
    text = data[: len(data) - len(data) % 2].decode(layout.encoding, errors="ignore")
    return "".join(text.splitlines(keepends=True)[:SAMPLE_LINES]).encode(layout.encoding)
