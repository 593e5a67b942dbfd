"""Canonical files, Parquet or CSV: the open door for any partner whose warehouse already has the agreed shape.

A file is called ``<dataset>.parquet`` or ``<dataset>.csv`` (comma, header, UTF-8, dates as YYYY-MM-DD). Columns are
matched by name; a missing or unknown column refuses the file, because a value in the wrong column is worse than none.
Rows that break a rule are rejected one by one with their place; the others end in the DuckDB table ``valid``, with
categories as their index, ready to be pseudonymised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from vigie.datasets import SIREN, Column, ColumnType, Dataset
from vigie.errors import ExtractError
from vigie_node.findings import Findings, shape_sql
from vigie_node.quality import Report

FORMATS = (".parquet", ".csv")


@dataclass
class Checked:
    """A dataset that was read: the report, and the rows that may be sent.

    Attributes:
        dataset: what it is.
        report: what was found; ``report.rows`` rows may be sent.
        connection: the database of the rows.
        table: their table: ``siren`` (text), then the dataset's columns in canonical order in their wire types, categories
            as index. Several datasets may stand in one database.
    """

    dataset: Dataset
    report: Report
    connection: duckdb.DuckDBPyConnection
    table: str = "valid"

    def sirens(self) -> pa.Array:
        """Return the distinct SIREN of the valid rows, sorted, as a string array."""
        found = self.connection.sql(f'SELECT DISTINCT {SIREN} FROM "{self.table}" ORDER BY 1').to_arrow_table()
        return found.column(0).combine_chunks()


def dataset_name(path: Path) -> str:
    """Return the dataset that a file's name stands for."""
    return path.name.split(".")[0]


def check(path: Path, dataset: Dataset, *, threads: int = 2, memory: str = "2GB", spill: Path | None = None) -> Checked:
    """Read one canonical file and judge each of its rows.

    Args:
        path: the file.
        dataset: what it should hold.
        threads: threads of the reader.
        memory: most memory that the reader may use, as DuckDB writes it.
        spill: folder for what does not fit in memory; none keeps everything in memory.

    Raises:
        ExtractError: the file as a whole cannot be used; the message says why, the hint what to do.
    """
    if not path.is_file():
        raise ExtractError(f"{path.name}: there is no such file", hint="check the path; a folder is not a file")
    if path.suffix not in FORMATS:
        raise ExtractError(f"{path.name}: not a canonical file", hint="canonical files end in .parquet or .csv")
    if path.stat().st_size == 0:
        raise ExtractError(f"{path.name}: the file is empty", hint="was the export cut off? deliver it again")
    connection = duckdb.connect(
        config={
            "threads": threads,
            "memory_limit": memory,
            "temp_directory": str(spill) if spill else "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    try:
        offset = (
            _load_parquet(connection, path, dataset)
            if path.suffix == ".parquet"
            else _load_csv(connection, path, dataset)
        )
        report = _judge(connection, path, dataset, offset)
    except duckdb.Error as error:
        connection.close()
        # The library's message may quote a cell; only its kind is passed on.
        raise ExtractError(
            f"{path.name}: the file cannot be read as {path.suffix[1:]} ({type(error).__name__})",
            hint="is it complete, and in the format that its name says? open it with the tool that wrote it",
        ) from error
    except ExtractError:
        connection.close()
        raise
    return Checked(dataset, report, connection)


def _check_names(path: Path, found: Sequence[str], dataset: Dataset) -> None:
    wanted = (SIREN, *dataset.names)
    if missing := [name for name in wanted if name not in found]:
        raise ExtractError(
            f"{path.name}: column {missing[0]!r} not found, aborting",
            hint=f"a file of {dataset.name} has the columns {', '.join(wanted)}; is this a file of another dataset?",
        )
    if unknown := [name for name in found if name not in wanted]:
        raise ExtractError(
            f"{path.name}: {len(unknown)} column(s) outside the schema, the first in place {found.index(unknown[0]) + 1}",
            hint=f"only {', '.join(wanted)} may be sent; remove the others from the export",
        )
    if len(set(found)) != len(found):
        raise ExtractError(f"{path.name}: a column stands twice in the header", hint="keep one of them")


def _load_parquet(connection: duckdb.DuckDBPyConnection, path: Path, dataset: Dataset) -> int:
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise ExtractError(
            f"{path.name}: not a readable Parquet file", hint="was it cut off while it was copied? deliver it again"
        ) from error
    _check_names(path, schema.names, dataset)
    for column in dataset.columns:
        _check_type(path, column, schema.field(column.name).type)
    if not _is_text(schema.field(SIREN).type):
        raise ExtractError(
            f"{path.name}: column 'siren' is {schema.field(SIREN).type}, not text",
            hint="write SIREN as text of nine digits; as a number it loses its leading zeros",
        )
    columns = ", ".join(f'"{name}"' for name in (SIREN, *dataset.names))
    connection.execute(
        f"CREATE TABLE raw AS SELECT file_row_number + 1 AS line, {columns} "
        "FROM read_parquet(?, file_row_number = true)",
        [str(path)],
    )
    return 0


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _check_type(path: Path, column: Column, found: pa.DataType) -> None:
    if pa.types.is_dictionary(found):
        found = found.value_type
    kind = column.type
    fits = {
        ColumnType.INTEGER: pa.types.is_integer(found),
        # Single precision is refused, never widened: the score of a company depends on the bits (see docs/spec/lot.md).
        ColumnType.NUMBER: pa.types.is_float64(found) or pa.types.is_integer(found) or pa.types.is_null(found),
        ColumnType.MONTH: pa.types.is_date(found) or pa.types.is_timestamp(found),
        ColumnType.DATE: pa.types.is_date(found) or pa.types.is_timestamp(found),
        ColumnType.BOOLEAN: pa.types.is_boolean(found),
        ColumnType.CATEGORY: _is_text(found),
    }[kind] or pa.types.is_null(found)
    if not fits:
        raise ExtractError(
            f"{path.name}: column {column.name!r} is {found}, the schema wants {column.file_type}",
            hint="write the column in the type of the schema; single-precision numbers are not accepted"
            if kind is ColumnType.NUMBER
            else "write the column in the type of the schema",
        )


def _load_csv(connection: duckdb.DuckDBPyConnection, path: Path, dataset: Dataset) -> int:
    with path.open("rb") as file:
        first = file.readline(1 << 16)
    try:
        header = first.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ExtractError(f"{path.name}: line 1 is not UTF-8", hint="export the file as UTF-8") from error
    if ";" in header and "," not in header:
        raise ExtractError(f"{path.name}: the separator is ';'", hint="canonical CSV files are separated by commas")
    names = [name.strip().strip('"') for name in header.split(",")]
    _check_names(path, names, dataset)
    connection.execute(
        "CREATE TABLE raw AS SELECT row_number() OVER () + 1 AS line, * FROM read_csv(?, delim = ',', quote = '\"', "
        "escape = '\"', header = true, all_varchar = true, nullstr = '', encoding = 'utf-8', null_padding = false, "
        "strict_mode = true, parallel = false)",
        [str(path)],
    )
    return 1


def _cast(column: Column) -> str:
    """SQL that gives the wire value of a raw cell, null when it cannot be had."""
    cell = f'r."{column.name}"'
    match column.type:
        case ColumnType.CATEGORY:
            listed = ", ".join(f"'{category}'" for category in column.categories)
            return f"(nullif(list_position([{listed}], CAST({cell} AS VARCHAR)), 0) - 1)::SMALLINT"
        case ColumnType.INTEGER:
            return f"TRY_CAST({cell} AS BIGINT)"
        case ColumnType.NUMBER:
            return f"TRY_CAST({cell} AS DOUBLE)"
        case ColumnType.BOOLEAN:
            return f"TRY_CAST({cell} AS BOOLEAN)"
        case _:
            return f"TRY_CAST({cell} AS DATE)"


def _rules(dataset: Dataset) -> list[tuple[str, str, str]]:
    """Rules in the order in which a row is judged: (rule, column, SQL that is true when the row breaks it)."""
    rules = [
        ("siren_missing", SIREN, f"r.{SIREN} IS NULL"),
        ("siren_form", SIREN, f"NOT regexp_full_match(r.{SIREN}, '[0-9]{{9}}')"),
    ]
    for column in dataset.columns:
        raw, value = f'r."{column.name}"', f'v."{column.name}"'
        if not column.nullable:
            rules.append(("empty", column.name, f"{raw} IS NULL"))
        wrong = "category_unknown" if column.type is ColumnType.CATEGORY else f"not_{column.type.value}"
        rules.append((wrong, column.name, f"{raw} IS NOT NULL AND {value} IS NULL"))
        if column.type is ColumnType.MONTH:
            rules.append(("not_first_of_month", column.name, f"day({value}) <> 1"))
        if column.type is ColumnType.NUMBER:
            rules.append(("not_finite", column.name, f"NOT isfinite({value})"))
    return rules


def _judge(connection: duckdb.DuckDBPyConnection, path: Path, dataset: Dataset, header: int) -> Report:
    report = Report(dataset.name, files=(path.name,))
    casts = ", ".join(f'{_cast(column)} AS "{column.name}"' for column in dataset.columns)
    connection.execute(f"CREATE TABLE typed AS SELECT r.line, r.{SIREN}, {casts} FROM raw r")
    rules = _rules(dataset)
    branches = " ".join(f"WHEN {sql} THEN {number}" for number, (_, _, sql) in enumerate(rules))
    connection.execute(
        f"CREATE TABLE broken AS SELECT line, rule FROM (SELECT r.line, CASE {branches} END AS rule "
        "FROM raw r JOIN typed v ON v.line = r.line) WHERE rule IS NOT NULL"
    )
    connection.execute(
        "CREATE TABLE sound AS SELECT * FROM typed t WHERE NOT EXISTS (SELECT 1 FROM broken b WHERE b.line = t.line)"
    )
    _repeats(connection, dataset)
    columns = ", ".join(f'"{name}"' for name in (SIREN, *dataset.names))
    connection.execute(
        f"CREATE TABLE valid AS SELECT {columns} FROM sound s "
        "WHERE NOT EXISTS (SELECT 1 FROM repeated p WHERE p.line = s.line)"
    )
    report.parsed = _count(connection, "raw")
    report.valid = report.rows = _count(connection, "valid")
    for rule_number, rows in connection.execute("SELECT rule, count(*) FROM broken GROUP BY 1 ORDER BY 1").fetchall():
        report.rules[f"{rules[rule_number][0]}:{rules[rule_number][1]}"] += rows
        report.rejected += rows
    for rule, rows in connection.execute("SELECT rule, count(*) FROM repeated GROUP BY 1 ORDER BY 1").fetchall():
        report.rules[rule] += rows
        if rule == "repeated_row":
            report.skipped += rows
        else:
            report.rejected += rows
    _places(connection, report, rules, path)
    describe(connection, report, dataset)
    for table in ("raw", "typed", "broken", "sound", "repeated"):
        connection.execute(f"DROP TABLE {table}")
    if not report.valid and header + report.parsed == header:
        raise ExtractError(f"{path.name}: the file has a header and no rows", hint="was the export cut off?")
    return report


def _repeats(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
    """Rows that stand twice: the same row is skipped once more; two different rows for one key are both rejected."""
    whole = ", ".join(f'"{name}"' for name in (SIREN, *dataset.names))
    key = ", ".join(f'"{name}"' for name in (SIREN, *dataset.key))
    connection.execute(
        "CREATE TABLE repeated AS "
        f"WITH copies AS (SELECT line, row_number() OVER (PARTITION BY {whole} ORDER BY line) AS nth, {key} FROM sound) "
        "SELECT line, 'repeated_row' AS rule FROM copies WHERE nth > 1 "
        f"UNION ALL SELECT line, 'repeated_key' FROM (SELECT line, count(*) OVER (PARTITION BY {key}) AS n "
        "FROM copies WHERE nth = 1) WHERE n > 1"
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    ((found,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(found)


def _places(
    connection: duckdb.DuckDBPyConnection, report: Report, rules: list[tuple[str, str, str]], path: Path
) -> None:
    """Keep the place of every rejected row, and the shape of the cell that it was rejected for."""
    words = " ".join(f"WHEN {number} THEN '{rule}'" for number, (rule, _, _) in enumerate(rules))
    columns = " ".join(f"WHEN {number} THEN '{column}'" for number, (_, column, _) in enumerate(rules))
    cells = " ".join(f'WHEN {number} THEN CAST(r."{column}" AS VARCHAR)' for number, (_, column, _) in enumerate(rules))
    findings = Findings(connection, report.dataset)
    found = connection.sql(
        f'SELECT b.line, CASE b.rule {columns} END AS "column", CASE b.rule {words} END AS rule, '
        f"{shape_sql(f'(CASE b.rule {cells} END)')} AS shape FROM broken b JOIN raw r ON r.line = b.line "
        "UNION ALL SELECT line, '', rule, '' FROM repeated WHERE rule = 'repeated_key'"
    ).to_arrow_table()
    findings.add(found.add_column(0, "file", pa.array([path.name] * len(found), pa.string())))
    report.rejections = findings


def _luhn(name: str) -> str:
    """SQL for the Luhn sum of nine digits; a warning only, real files are full of identifiers that fail it."""
    terms = []
    for place in range(9):
        digit = f"CAST(substr({name}, {place + 1}, 1) AS INTEGER)"
        terms.append(f"(({digit} * 2) // 10 + ({digit} * 2) % 10)" if place % 2 else digit)
    return f"({' + '.join(terms)}) % 10 <> 0"


def describe(connection: duckdb.DuckDBPyConnection, report: Report, dataset: Dataset, table: str = "valid") -> None:
    """Complete a report whose rows are counted: companies, span of time, each column's empty and implausible cells.

    Args:
        connection: the database of the rows.
        report: ``rows`` is right; the rest is added to.
        dataset: what the rows are.
        table: their table, as :attr:`Checked.table`.
    """
    time = dataset.time
    ((report.companies, first, last, luhn),) = connection.execute(
        f'SELECT count(DISTINCT {SIREN}), CAST(min("{time}") AS VARCHAR), CAST(max("{time}") AS VARCHAR), '
        f'count(DISTINCT CASE WHEN {_luhn(SIREN)} THEN {SIREN} END) FROM "{table}"'
    ).fetchall()
    report.first, report.last = first or "", last or ""
    if luhn:
        report.warnings["siren_check_digit"] = luhn
    for column in dataset.columns:
        name = f'"{column.name}"'
        empty, outside = _column_facts(connection, column, name, table)
        if outside:
            report.warnings[f"outside_plausible_range:{column.name}"] = outside
        share = round(empty / report.rows, 4) if report.rows else 0.0
        report.columns.append(
            {
                "name": column.name, "type": column.type.value, "unit": column.unit, "empty": share,
                "fr": column.meaning_fr, "en": column.meaning_en,
            }
        )  # fmt: skip


def _column_facts(connection: duckdb.DuckDBPyConnection, column: Column, name: str, table: str) -> tuple[int, int]:
    tests = []
    if column.minimum is not None:
        tests.append(f"{name} < {column.minimum!r}")
    if column.maximum is not None:
        tests.append(f"{name} > {column.maximum!r}")
    outside = f"count(*) FILTER (WHERE {' OR '.join(tests)})" if tests else "0"
    ((empty, beyond),) = connection.execute(f'SELECT count(*) - count({name}), {outside} FROM "{table}"').fetchall()
    return int(empty), int(beyond)
