"""Golden outputs of the real system, and what we print to compare with them, cell by cell.

Theirs come in four forms, all of which become rows of text cells: CSV after a line ``==== name.csv ====``, tables whose
columns are cut at 20 characters (``sql.stg_*``), JSON tuples (``expected*.json``), and reports (in those JSON files, or
as rows of ``sql.import_logs``). Ours is a typed table under the real system's own column names.

A difference is data in a test: which row, which column, what they have, what we have, why ours is right. One that is
not listed fails the test, and so does a listed one that is none any more.
"""

import csv
import json
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from vigie_node.extracts.reading import Reading

SAMPLES: Final = Path(__file__).resolve().parent.parent / "data" / "signaux-faibles"
"""Real fixtures and golden outputs; each folder has its SOURCE.md."""
CUT: Final = 20
"""Bytes of a cell that the tables ``sql.*`` and ``export.*`` show; the last letter may be cut in two."""

Row = dict[str, str]


@dataclass(frozen=True)
class Difference:
    """One place where ours is not theirs.

    Attributes:
        row: from 0: of theirs, or of ours when ``theirs`` has no such row.
        column: in their words; empty when one side has no such row at all.
        theirs: their cell; ``ROW`` when only they have the row.
        ours: our cell; ``ROW`` when only we have the row; ``ABSENT`` when we have no such column.
        why: what makes ours right.
    """

    row: int
    column: str
    theirs: str
    ours: str
    why: str


ROW: Final = "(row)"
ABSENT: Final = "(no column)"


def sample(folder: str, name: str) -> Path:
    """Path of a real fixture."""
    return SAMPLES / folder / name


def copied(source: Path, name: str, folder: Path) -> Path:
    """A fixture under another name, for readers that look at names."""
    return Path(shutil.copy(source, folder / name))


# ------------------------------------------------------------------------------------------------------------- theirs


def golden_csv(name: str, folder: str = "golden") -> list[Row]:
    """The rows of the CSV of one golden file; the line before its header names it and is passed over."""
    lines = sample(folder, name).read_text(encoding="utf-8").split("\n")
    rows = [line for line in lines if line.strip() and not line.startswith("==== ")]
    return list(csv.DictReader(rows))


def golden_table(name: str) -> list[Row]:
    """The rows of a golden table, its names and cells cut at :data:`CUT` characters; NULL is empty, days lose 00:00:00."""
    text = sample("golden", name).read_text(encoding="utf-8", errors="ignore")
    lines = [line for line in text.split("\n") if line.strip("\t ")]
    header = [cell.strip() for cell in lines[0].split("\t")]
    rows = [[_shown(cell) for cell in line.split("\t")] for line in lines[1:]]
    return [{name: cell for name, cell in zip(header, row, strict=True) if name} for row in rows]


def golden_json(folder: str, name: str) -> list[Row]:
    """The tuples of an ``expected*.json``; a period within is two columns, ``_debut`` and ``_fin``."""
    rows = []
    for found in json.loads(sample(folder, name).read_text(encoding="utf-8"))["tuples"]:
        row: Row = {}
        for key, value in found.items():
            if isinstance(value, dict):
                row |= {f"{key}_debut": text_of(value["start"]), f"{key}_fin": text_of(value["end"])}
            else:
                row[key] = text_of(value)
        rows.append(row)
    return rows


def golden_report(folder: str, name: str) -> Row:
    """The report within an ``expected*.json``, old form or new, as one row; folders of paths are dropped."""
    whole = json.loads(sample(folder, name).read_text(encoding="utf-8"))
    report = whole["reports"][0] if "reports" in whole else whole["events"][0]["event"]
    plain = {_snake(key): value for key, value in report.items()}
    row = {key: text_of(plain[key]) for key in _COUNTS}
    row["head_rejected"] = "\n".join(plain["head_rejected"])
    path, rest = plain["summary"].split(":", 1)
    row["summary"] = f"{path.rsplit('/', 1)[-1]}:{rest}"
    return row


def golden_log(parser: str) -> Row:
    """The row of ``import_logs`` of one parser, without its summary: its 20 characters are those of a path of theirs."""
    (row,) = [row for row in golden_table("test-import.sql.import_logs.golden.txt") if row["parser"] == parser]
    kept = {key: row[key] for key in _COUNTS}
    return kept | {"head_rejected": row["head_rejected"].removeprefix("[").removesuffix("]")}


_COUNTS: Final = ("is_fatal", "lines_parsed", "lines_rejected", "lines_skipped", "lines_valid")


def _shown(cell: str) -> str:
    cell = cell.strip()
    return "" if cell == "NULL" else cell.removesuffix(" 00:00:00")


def _snake(key: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)


# --------------------------------------------------------------------------------------------------------------- ours


def text_of(value: Any) -> str:
    """A value as the real system writes it: ISO days, true and false, numbers without trailing zeros, null empty."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value.removesuffix("T00:00:00Z")
        case datetime():
            return value.isoformat(" ").removesuffix(" 00:00:00")
        case date():
            return value.isoformat()
        case Decimal():
            return _number(value)
        case float():
            return _number(Decimal(repr(value)))
        case _:
            return str(value)


def _number(value: Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def printed(reading: Reading, *, extra: Mapping[str, str] | None = None, order: str = "file, line") -> list[Row]:
    """Our typed table under the real system's column names.

    Args:
        reading: whose valid rows are printed.
        extra: SQL over the typed table for more of their columns, by their names.
        order: SQL of the order of the rows; their place in the table decides the rest.
    """
    stored = reading.kind.columns()
    derived = {one.name: f"CAST({one.sql} AS {one.type})" for one in reading.kind.derived if not one.stored}
    asked = {
        theirs: f'"{ours}"' if ours in stored else derived[ours] for theirs, ours in reading.kind.upstream().items()
    } | dict(extra or {})
    columns = ", ".join(f'{sql} AS "{name}"' for name, sql in asked.items())
    within = ", ".join(f'"{item}"' for _, item in reversed(reading.kind.unnested)) or "rowid"
    found = reading.connection.execute(f"SELECT {columns} FROM {reading.table} ORDER BY {order}, {within}").fetchall()
    return [dict(zip(asked, (text_of(cell) for cell in row), strict=True)) for row in found]


def report_of(reading: Reading) -> Row:
    """Our report as theirs would stand in ``import_logs``."""
    return {
        "is_fatal": "false",
        "lines_parsed": str(reading.parsed),
        "lines_rejected": str(reading.rejected),
        "lines_skipped": str(reading.skipped),
        "lines_valid": str(reading.valid),
        "head_rejected": "\n".join(reading.head_rejected()),
        "summary": reading.summary(),
    }


# --------------------------------------------------------------------------------------------------------- comparison


def assert_same(
    theirs: Sequence[Row],
    ours: Sequence[Row],
    *,
    listed: Sequence[Difference] = (),
    names: Mapping[str, str] | None = None,
    cut: int | None = None,
) -> None:
    """Compare all of their cells with ours.

    Args:
        theirs: their rows; their columns are those that are compared.
        ours: ours, in the same order.
        listed: the differences that are known and right.
        names: their column → ours, where the two differ by more than accents, case and the cut.
        cut: bytes that theirs show of names and cells.
    """
    found = differences(theirs, ours, listed=listed, names=names or {}, cut=cut)
    known = {(one.row, one.column, one.theirs, one.ours) for one in listed}
    assert all(one.why for one in listed), "a difference needs its reason"
    assert not found - known, f"not listed: {sorted(found - known)[:20]}"
    assert not known - found, f"listed, but no difference: {sorted(known - found)[:20]}"


def differences(
    theirs: Sequence[Row],
    ours: Sequence[Row],
    *,
    listed: Sequence[Difference] = (),
    names: Mapping[str, str] | None = None,
    cut: int | None = None,
) -> set[tuple[int, str, str, str]]:
    """What differs, as (row, column, theirs, ours); rows that ``listed`` says one side lacks are set aside first."""
    assert theirs, "nothing to compare with"
    found: set[tuple[int, str, str, str]] = set()
    only_theirs = {one.row for one in listed if not one.column and one.theirs == ROW}
    only_ours = {one.row for one in listed if not one.column and one.ours == ROW}
    left = [(at, row) for at, row in enumerate(theirs) if at not in only_theirs]
    right = [row for at, row in enumerate(ours) if at not in only_ours]
    found |= {(at, "", ROW, "") for at in only_theirs if at < len(theirs)}
    found |= {(at, "", "", ROW) for at in only_ours if at < len(ours)}
    found |= {(at, "", ROW, "") for at, _ in left[len(right) :]}
    found |= {(at, "", "", ROW) for at in range(len(ours) - len(right) + len(left), len(ours))}
    columns = {name: _our_name(name, right[0] if right else {}, names or {}, cut) for name in theirs[0]}
    for (at, row), mine in zip(left, right, strict=False):
        for name, cell in row.items():
            our_name = columns.get(name, "")
            ours_cell = shortened(mine[our_name], cut) if our_name else ABSENT
            if cell != ours_cell:
                found.add((at, name, cell, ours_cell))
    return found


def shortened(cell: str, cut: int | None) -> str:
    """The first bytes of a cell, without the rest of a letter that they cut in two."""
    return cell.encode()[:cut].decode(errors="ignore").rstrip()


def _our_name(name: str, ours: Mapping[str, str], names: Mapping[str, str], cut: int | None) -> str:
    if name in names:
        return names[name]
    return next((one for one in ours if _bare(one)[:cut] == _bare(name)), "")


def _bare(name: str) -> str:
    return "".join(
        letter for letter in unicodedata.normalize("NFD", name.casefold()) if not unicodedata.combining(letter)
    )
