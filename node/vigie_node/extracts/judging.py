"""Judging a block of rows: one SQL query that types every cell and finds the first rule that each row breaks."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from vigie.errors import ExtractError
from vigie_node.extracts.cells import NATURAL
from vigie_node.extracts.headers import plain
from vigie_node.extracts.kind import Check, Field, Kind, Layout, RawRows
from vigie_node.findings import shape_sql
from vigie_node.handing import Handed

ACCOUNTS: Final = "account_sirets"
"""Table of the workspace with the SIRET of an account over time: account, siret, since (inclusive), until (exclusive)."""


_REPEATED: Final = 4
"""Rows for each value of a column, on average, from which on it pays to type each value once."""


@dataclass(frozen=True)
class Judged:
    """What became of a block: counts, (rule, column) of what was left out, and the rejected rows' places."""

    valid: int
    rejected: int
    skipped: int
    rules: Counter[tuple[str, str]]
    findings: pa.Table


@dataclass(frozen=True)
class _Rule:
    rule: str
    column: str
    field: str
    sql: str
    skips: bool = False


class Judge:
    """Judges the rows of one source.

    Args:
        kind: what is read.
        layout: the form of the source.
        header: its columns.
        connection: the scratch database, which has the table of the kind.
        perimeter: table with the SIREN to keep, or empty.

    Raises:
        ExtractError: the header has nothing to unpivot, or the layout needs the accounts and they were not read.
    """

    def __init__(
        self,
        kind: Kind,
        layout: Layout,
        header: list[str],
        connection: duckdb.DuckDBPyConnection,
        *,
        perimeter: str = "",
    ) -> None:
        self._kind = kind
        self._layout = layout
        self._connection = connection
        self._reshape = layout.reshape(header) if layout.reshape else None
        if layout.account_date and not _has_table(connection, ACCOUNTS):
            raise ExtractError(
                f"a file of {kind.name} without SIRET needs the table of accounts",
                hint="give the file of admin_urssaf (sigfaible_etablissement_utf8.csv) as well",
            )
        self._perimeter = perimeter
        self._names = [plain(name) for name in header]
        self._header = header
        self.absent = [
            one.header[0] for one in layout.fields if self._reshape is None and one.found_in(self._names) is None
        ]
        used = {one.found_in(self._names) for one in layout.fields}
        self.extra = [
            name
            for place, name in enumerate(header)
            if place not in used and (self._reshape is None or not layout.reads(self._names[place]))
        ]
        self._query = ""
        self._rules: list[_Rule] = []
        self._asked_of: tuple[pa.Schema, tuple[str, ...], bool, frozenset[str]] | None = None
        self._repeating = {one.name for one in layout.fields if one.cell.repeats}
        self._block = Handed(connection, "block")
        self._values = Handed(connection, "repeated")
        self._lenient = [one for one in layout.fields if one.lenient]
        self._filled: Counter[str] = Counter()

    def tolerated(self, number: int) -> Counter[str]:
        """Return, for the valid rows so far, how many cells of each lenient column were left empty for their grammar.

        Args:
            number: of the source.
        """
        if not self._lenient:
            return Counter()
        names = ", ".join(f'count("{one.name}")' for one in self._lenient)
        (typed,) = self._connection.execute(
            f'SELECT {names} FROM "{self._kind.store}" WHERE file = {number:d}'
        ).fetchall()
        found: Counter[str] = Counter()
        for one, kept in zip(self._lenient, typed, strict=True):
            place = None if self._reshape else one.found_in(self._names)
            name = one.header[0] if place is None else self._header[place]
            found[f"{one.cell.rule}:{name}"] = self._filled[one.name] - int(kept)
        return +found

    def judge(self, rows: RawRows, name: str, number: int) -> Judged:
        """Type and judge rows; the valid ones are inserted into the kind's table.

        Args:
            rows: as they stand in the source.
            name: of the source, for the findings.
            number: of the source.
        """
        header = self._names
        if self._reshape is not None:
            rows = self._reshape(RawRows(rows.cells.rename_columns(self._header), rows.lines, rows.padded))
            header = [plain(one) for one in rows.cells.column_names]
        cells = rows.cells.rename_columns([f"c{at}" for at in range(len(header))]).append_column("line", rows.lines)
        cells = self._with_repeated(self._used(cells, header), header, padded=rows.padded)
        self._prepare(cells.schema, tuple(header), padded=rows.padded, sound=rows.sound)
        self._block.show(cells)
        try:
            return self._settle_rows(name, number, rows.cells.num_rows, rows)
        finally:
            self._block.release()

    def close(self) -> None:
        """Take off the database what served to judge, once all rows are."""
        self._block.remove()
        self._values.remove()

    def _used(self, cells: pa.Table, header: list[str]) -> pa.Table:
        """The columns that some field stands in, and the lines."""
        places = {one.found_in(header) for one in self._layout.fields}
        return cells.select([f"c{place}" for place in range(len(header)) if place in places] + ["line"])

    def _with_repeated(self, cells: pa.Table, header: list[str], *, padded: bool) -> pa.Table:
        """Add, as ``typed_<field>``, the columns whose values repeat, each of the values typed once."""
        for one in self._layout.fields:
            place = one.found_in(header) if one.name in self._repeating else None
            if place is None or not pa.types.is_string(cells.schema.field(f"c{place}").type):
                continue
            encoded = cells.column(f"c{place}").combine_chunks().dictionary_encode()
            if isinstance(encoded, pa.ChunkedArray) or len(encoded.dictionary) * _REPEATED > len(encoded):
                self._repeating.discard(one.name)
                continue
            values = pa.table({"c0": encoded.dictionary, "place": pa.array(range(len(encoded.dictionary)), pa.int32())})
            self._values.show(values)
            raw = _raw(0, pa.string(), padded=padded)
            try:
                typed = self._connection.sql(
                    f"SELECT {one.cell.parse('trimmed')} FROM (SELECT place, {raw} AS trimmed FROM repeated) ORDER BY place"
                ).to_arrow_table()
            finally:
                self._values.release()
            column = typed.column(0).combine_chunks().take(encoded.indices)
            cells = cells.append_column(f"typed_{one.name}", column)
        return cells

    def _settle_rows(self, name: str, number: int, lines: int, block: RawRows) -> Judged:
        """Nearly all blocks are sound: their rows go in by one query, and only the others are judged a second time."""
        valid = self._insert(f"({self._query})", number, block)
        if valid == lines:
            return Judged(valid, 0, 0, Counter(), _NOTHING)
        self._connection.execute(
            f"CREATE OR REPLACE TEMP TABLE judged AS SELECT line, rule, {self._origin()} AS origin, {self._cell()} AS cell "
            f"FROM ({self._query}) WHERE rule IS NOT NULL"
        )
        return self._judged(name, valid)

    def _insert(self, rows: str, number: int, block: RawRows) -> int:
        columns = ", ".join(f'"{one}"' for one in self._kind.stored())
        ((valid,),) = self._connection.execute(
            f'INSERT INTO "{self._kind.store}" SELECT {number:d}, line, {columns} FROM {rows} WHERE rule IS NULL'
        ).fetchall()
        if self._lenient:
            self._count_filled(rows, block, int(valid))
        return int(valid)

    def _count_filled(self, rows: str, block: RawRows, valid: int) -> None:
        """Count the cells of lenient columns as they stand; the typed ones are counted once, at the end."""
        if valid == block.cells.num_rows and not block.padded:
            header = list(self._asked_of[1]) if self._asked_of else []
            places = [(one.name, one.found_in(header)) for one in self._lenient]
            nulls = {name: block.cells.column(place).null_count for name, place in places if place is not None}
            self._filled.update({name: valid - count for name, count in nulls.items()})
            return
        cells = ", ".join(f'count("raw_{one.name}")' for one in self._lenient)
        (filled,) = self._connection.execute(f"SELECT {cells} FROM {rows} WHERE rule IS NULL").fetchall()
        self._filled.update({one.name: int(count) for one, count in zip(self._lenient, filled, strict=True)})

    def _judged(self, name: str, valid: int) -> Judged:
        """What the table ``judged`` (line, rule, cell) says."""
        rules: Counter[tuple[str, str]] = Counter()
        rejected = skipped = 0
        for rule, rows in self._connection.execute("SELECT rule, count(*) FROM judged GROUP BY 1").fetchall():
            one = self._rules[rule]
            rules[one.rule, one.column] += rows
            skipped += rows if one.skips else 0
            rejected += 0 if one.skips else rows
        return Judged(valid, rejected, skipped, rules, self._findings(name) if rejected else _NOTHING)

    def _cell(self) -> str:
        """SQL of the cell that a row is rejected for."""
        cells = [
            f'WHEN {at} THEN CAST("raw_{one.field}" AS VARCHAR)'
            for at, one in enumerate(self._rules)
            if one.field and not one.skips
        ]
        return f"CASE rule {' '.join(cells)} END" if cells else "CAST(NULL AS VARCHAR)"

    def _origin(self) -> str:
        """SQL of the column that an unpivoted cell stood in, null for others."""
        origins = {one.name: one.origin for one in self._layout.fields if one.origin}
        found = [f"WHEN {at} THEN {origins[one.field]}" for at, one in enumerate(self._rules) if one.field in origins]
        return f"CASE rule {' '.join(found)} END" if found else "CAST(NULL AS VARCHAR)"

    def _findings(self, name: str) -> pa.Table:
        rejecting = [at for at, one in enumerate(self._rules) if not one.skips]
        columns = " ".join(f"WHEN {at} THEN {_text(self._rules[at].column)}" for at in rejecting)
        words = " ".join(f"WHEN {at} THEN {_text(self._rules[at].rule)}" for at in rejecting)
        return self._connection.sql(
            f"SELECT {_text(name)} AS file, line, coalesce(origin, CASE rule {columns} END) AS column, CASE rule {words} END AS rule, "
            f"{shape_sql('cell')} AS shape FROM judged WHERE rule IN ({', '.join(map(str, rejecting))})"
        ).to_arrow_table()

    def _prepare(self, schema: pa.Schema, header: tuple[str, ...], *, padded: bool, sound: frozenset[str]) -> None:
        if self._asked_of == (schema, header, padded, sound):
            return
        self._asked_of = (schema, header, padded, sound)
        places = {one.name: one.found_in(list(header)) for one in self._layout.fields}
        raw, typed = [], []
        for one in self._layout.fields:
            place = places[one.name]
            kind = schema.field(f"c{place}").type if place is not None else pa.null()
            if place is not None and header[place] in sound:
                raw.append(f'c{place} AS "raw_{one.name}"')
                typed.append(f'c{place} AS "{one.name}"')
                continue
            raw.append(f'{_raw(place, kind, padded=padded)} AS "raw_{one.name}"')
            known = f"typed_{one.name}" in schema.names
            typed.append(f'{f"typed_{one.name}" if known else _typed(one, place, kind)} AS "{one.name}"')
        own = {one.name for one in self._layout.fields}
        derived = {one.name for one in self._kind.derived}
        typed += [
            f'CAST(NULL AS {kind}) AS "{name}"'
            for name, kind in self._kind.stored().items()
            if name not in own and name not in derived
        ]
        query = f"SELECT *, {', '.join(typed)} FROM (SELECT *, {', '.join(raw)} FROM block)"
        if self._layout.account_date:
            query = (
                f"SELECT t.* REPLACE (m.siret AS siret) FROM (SELECT *, {self._layout.account_date} AS account_day "
                f"FROM ({query})) t LEFT JOIN {ACCOUNTS} m "
                "ON m.account = t.account AND t.account_day >= m.since AND t.account_day < m.until"
            )
        for made in self._kind.derived:
            if made.stored:
                query = f'SELECT *, CAST({made.sql} AS {made.type}) AS "{made.name}" FROM ({query})'
        self._rules = self._list_rules(
            places, {name for name, place in places.items() if place is not None and header[place] in sound}
        )
        branches = " ".join(f"WHEN {one.sql} THEN {at}" for at, one in enumerate(self._rules))
        verdict = f"CASE {branches} END" if branches else "NULL"
        self._query = f"SELECT *, CAST({verdict} AS SMALLINT) AS rule FROM ({query})"

    def _list_rules(self, places: dict[str, int | None], sound: set[str]) -> list[_Rule]:
        rules = []
        for one in self._layout.fields:
            place = places[one.name]
            if place is None:
                continue
            name = self._column(one, place)
            if not one.nullable:
                rules.append(_Rule("empty", name, one.name, f'"raw_{one.name}" IS NULL'))
            if one.name not in sound and not one.lenient:
                wrong = f'"raw_{one.name}" IS NOT NULL AND "{one.name}" IS NULL'
                rules.append(_Rule(one.cell.rule, name, one.name, wrong))
        fields = {one.name: one for one in self._layout.fields}

        def further(check: Check, *, skips: bool) -> _Rule:
            one = fields.get(check.column)
            place = places.get(check.column)
            name = self._column(one, place) if one is not None and place is not None else check.column
            return _Rule(
                check.rule, name, check.column if one is not None else "", f"coalesce({check.sql}, false)", skips
            )

        rules += [further(check, skips=False) for check in self._kind.rejects]
        if self._layout.account_date:
            rules.append(_Rule("account_without_siret", "", "", "siret IS NULL", skips=True))
        if self._perimeter and self._kind.company and self._kind.within_perimeter:
            # Not EXISTS: within it, a company that is called siren too would be the perimeter's own.
            outside = f"({self._kind.company}) NOT IN (SELECT siren FROM {self._perimeter})"
            rules.append(_Rule("outside_perimeter", "", "", outside, skips=True))
        rules += [further(check, skips=True) for check in self._kind.skips]
        return rules

    def _column(self, one: Field, place: int) -> str:
        """The column's name as it stands in the file."""
        return self._header[place] if self._reshape is None else one.header[0]


_NOTHING: Final = pa.table(
    {name: pa.array([], kind) for name, kind in
     (("file", pa.string()), ("line", pa.int64()), ("column", pa.string()), ("rule", pa.string()), ("shape", pa.string()))}
)  # fmt: skip


def _raw(place: int | None, kind: pa.DataType, *, padded: bool) -> str:
    if place is None:
        return "CAST(NULL AS VARCHAR)"
    text = f"c{place}" if pa.types.is_string(kind) else f"CAST(c{place} AS VARCHAR)"
    if pa.types.is_floating(kind) or (pa.types.is_decimal(kind) and kind.scale > 0):
        # A warehouse keeps codes and centimes as 101.0 or 101.00; a file has 101.
        whole = f"c{place} = trunc(c{place}) AND abs(c{place}) < 1e15"
        text = f"CASE WHEN {whole} THEN CAST(CAST(c{place} AS BIGINT) AS VARCHAR) ELSE {text} END"
    # Text cells come with null for empty; to trim them all would cost as much as to read them.
    return f"nullif(trim({text}, ' \t'), '')" if padded else text


def _typed(one: Field, place: int | None, kind: pa.DataType) -> str:
    """SQL of the typed value: a cell that the source has typed already is taken as it is, when it is of that type."""
    if place is None:
        return f"CAST(NULL AS {one.cell.type})"
    dated = pa.types.is_date(kind) or pa.types.is_timestamp(kind)
    numeric = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if one.cell.type == "DATE" and dated:
        return f"CAST(c{place} AS DATE)"
    if one.cell.type == "DOUBLE" and numeric:
        return f"CASE WHEN isfinite(CAST(c{place} AS DOUBLE)) THEN CAST(c{place} AS DOUBLE) END"
    if one.cell.type == "BIGINT" and numeric:
        least = f" AND c{place} >= 0" if one.cell is NATURAL else ""
        return f"CASE WHEN c{place} = round(c{place}){least} THEN TRY_CAST(c{place} AS BIGINT) END"
    if one.cell.type == "BOOLEAN" and pa.types.is_boolean(kind):
        return f"c{place}"
    return one.cell.parse(f'"raw_{one.name}"')


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    ((found,),) = connection.execute(
        "SELECT count(*) FROM information_schema.tables WHERE table_name = ?", [name]
    ).fetchall()
    return bool(found)
