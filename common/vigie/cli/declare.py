"""``vigie convention declare-dataset``: from the header of a table to the ``[[dataset]]`` that declares it."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import typer

from vigie.cli import console
from vigie.convention.declaring import column_type, dataset_text, declaration, identifiers
from vigie.convention.tables import IDENTIFIER, NAME
from vigie.datasets import LABELS, SIREN
from vigie.errors import InputError

_TIME: Final = "month"


def register(group: typer.Typer) -> None:
    """Add the verb to ``vigie convention``."""
    group.command("declare-dataset")(declare)


def declare(
    table: Annotated[Path, typer.Argument(help="The table: Parquet, or CSV with commas and a header.")],
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.")],
    owner: Annotated[str, typer.Option("--owner", help="The partner that deposits it.")],
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Whose secret the columns are, one option each; none: public.")
    ] = None,
    unit: Annotated[str, typer.Option("--unit", help="Unit of the columns; edit those that have another.")] = "1",
    grain: Annotated[Literal["month", "year"], typer.Option("--grain", help="One row a month or a year.")] = "year",
    siren: Annotated[str, typer.Option("--siren", help="The column with the SIREN, as text of nine digits.")] = SIREN,
    time: Annotated[str | None, typer.Option("--time", help="The column with the date of a row.")] = None,
    period: Annotated[str | None, typer.Option("--period", help="YYYY-MM of all rows, where none has a date.")] = None,
    leave_out: Annotated[list[str] | None, typer.Option("--leave-out", help="A column that is not sent.")] = None,
    canonical: Annotated[
        Path | None, typer.Option("--canonical", help="Folder for the table as the node reads it, NAME.parquet.")
    ] = None,
) -> None:
    """Print the TOML that declares a table as a dataset of a convention; its columns keep their order as their position."""
    for text, form in ((name, IDENTIFIER), (owner, NAME)):
        if re.fullmatch(form, text) is None:
            raise InputError(f"{text[:80]!r} is not a name", hint="lower-case letters and digits, a letter first")
    if unknown := sorted(set(label or ()) - LABELS):
        raise InputError(f"there is no label {unknown[0][:80]!r}", hint=f"labels are {', '.join(sorted(LABELS))}")
    found = _read(table)
    left = {*(leave_out or ()), siren, *([time] if time else [])}
    if missing := sorted(left - set(found.column_names) - {SIREN}):
        raise InputError(f"{table.name} has no column {missing[0][:80]!r}", hint="write it as in the header")
    columns = found.drop_columns([one for one in found.column_names if one in left])
    if len(set(columns.column_names)) != columns.num_columns:
        raise InputError(f"{table.name}: a column stands twice in the header", hint="keep one of them")
    positions = {one: place for place, one in enumerate(columns.column_names, start=1)}
    made = declaration(
        columns.schema, name=name, owner=owner, labels=sorted(set(label or ())), unit=unit, grain=grain, time=_TIME,
        positions=positions,
    )  # fmt: skip
    if canonical is not None:
        path = canonical / f"{name}.parquet"
        if path.exists():
            raise InputError(f"{path} exists", hint="give another folder")
        written = _canonical(table.name, found, columns, siren, time, period)
        canonical.mkdir(parents=True, exist_ok=True)
        pq.write_table(written, path)
        console.say(f"{written.num_rows} rows written to {path}")
    console.show(dataset_text(made))


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path).replace_schema_metadata(None)
        # One block: a column is of one type in the whole file, not as its first lines look.
        whole = pa_csv.ReadOptions(block_size=max(path.stat().st_size, 1) + 1)
        text = pa_csv.ConvertOptions(column_types={SIREN: pa.string()}, strings_can_be_null=True)
        return pa_csv.read_csv(path, read_options=whole, convert_options=text)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path.name} cannot be read as {path.suffix[1:] or 'CSV'}", hint="give a .parquet or .csv file"
        ) from error


def _canonical(
    called: str, whole: pa.Table, columns: pa.Table, siren: str, time: str | None, period: str | None
) -> pa.Table:
    """The table as the node reads it: SIREN, month, then the columns under the names of the convention.

    Raises:
        InputError: no SIREN as text, no date, or single-precision numbers.
    """
    if siren not in whole.column_names or not pa.types.is_string(whole.schema.field(siren).type):
        raise InputError(
            f"{called} has no column {siren[:80]!r} of text",
            hint="a SIREN is nine digits as text, with its leading zeros; name the column with --siren",
        )
    for field in columns.schema:
        if pa.types.is_floating(field.type) and not pa.types.is_float64(field.type):
            raise InputError(
                f"the column {field.name[:80]!r} of {called} is of single precision: its digits are lost already",
                hint="export it from its source in double precision",
            )
    if (time is None) == (period is None):
        raise InputError("when is a row?", hint="give either --time COLUMN or --period YYYY-MM")
    names = identifiers(columns.column_names, [_TIME])
    made = {SIREN: whole.column(siren), _TIME: _months(whole, time, period)}
    for name, field in zip(names, columns.schema, strict=True):
        dated = column_type(field.name, field.type) == "date"
        column = columns.column(field.name)
        made[name] = column.cast(pa.date32()) if dated else column
    return pa.table(made)


def _months(whole: pa.Table, time: str | None, period: str | None) -> pa.Array:
    if period is not None:
        if re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", period) is None:
            raise InputError(
                f"--period {period[:20]!r} is not a month", hint="write it as YYYY-MM, for example 2021-04"
            )
        return pa.array([date.fromisoformat(f"{period}-01")] * whole.num_rows, pa.date32())
    assert time is not None  # noqa: S101 - one of the two was given
    kind = whole.schema.field(time).type
    if not (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        raise InputError(f"the column {time[:80]!r} is {kind}, no date", hint="write dates as YYYY-MM-DD")
    days = whole.column(time).cast(pa.date32()).to_pylist()
    return pa.array([None if day is None else day.replace(day=1) for day in days], pa.date32())
