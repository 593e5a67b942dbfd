"""Reading extracts: every row typed and judged, block by block, into a table of the scratch database.

The counts keep the real system's rule, parsed = valid + rejected + skipped, and a malformed row never stops a file. What
is valid stands in the table named after the kind, with ``file`` and ``line``; what is not stands in the findings.
"""

import io
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from vigie.errors import ExtractError
from vigie_node.extracts.headers import nearest, plain
from vigie_node.extracts.judging import Judge
from vigie_node.extracts.kind import Kind, Layout, RawRows, same
from vigie_node.extracts.lines import Block, Lines
from vigie_node.extracts.oddities import count_oddities
from vigie_node.extracts.sources import Source, TableSource
from vigie_node.extracts.typed import readable
from vigie_node.extracts.workspace import Workspace
from vigie_node.findings import Finding, Findings

_ROWS: Final = 65_536
_SENTENCES: Final = {"wrong_number_of_fields": "wrong number of fields", "stray_quote": "stray quote"}


@dataclass
class Reading:
    """What reading one kind of extract found.

    Attributes:
        kind: what was read.
        connection: the scratch database; the table named after the kind holds the valid rows.
        findings: the rejected rows.
        files: names of the sources, in order.
        layouts: name of the layout of each source.
        parsed: rows read; ``valid + rejected + skipped``.
        rules: rows per (rule, column) that were rejected or skipped.
        warnings: rows per warning.
        absent: optional columns that no source has, by today's names.
        extra: columns of the sources that are not read, as they stand in the headers.
    """

    kind: Kind
    connection: duckdb.DuckDBPyConnection
    findings: Findings
    files: list[str] = field(default_factory=list)
    layouts: list[str] = field(default_factory=list)
    parsed: int = 0
    valid: int = 0
    rejected: int = 0
    skipped: int = 0
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    absent: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    @property
    def table(self) -> str:
        """The quoted name of the table of valid rows."""
        return f'"{self.kind.name}"'

    def summary(self) -> str:
        """One sentence in the real system's own shape (``import_logs``), in French as its operators know it."""
        return (
            f"{', '.join(self.files)}: intégration terminée, {self.parsed} lignes traitées, 0 erreurs fatales, "
            f"{self.rejected} lignes rejetées, {self.skipped} lignes filtrées, {self.valid} lignes valides"
        )

    def head_rejected(self, most: int = 200) -> list[str]:
        """The first rejections, as sentences of the real system's shape (``import_logs``): *Line* counts the rows of a text file from 1.

        They say where and by which rule, and never show the cell.
        """
        return [
            f"Line {found.line - 1}: record on line {found.line}: {_SENTENCES.get(found.rule) or _sentence(found)}"
            for found in self.findings.first(most)
        ]


def read(kind: Kind, sources: Sequence[Source], workspace: Workspace, *, perimeter: str = "") -> Reading:
    """Read all sources of one kind.

    Args:
        kind: what they are.
        sources: one or more, each with a layout of the kind.
        workspace: where the typed table is made; a table of that name from an earlier reading is replaced.
        perimeter: table of the workspace with a column ``siren``; rows of other companies are skipped. Empty: none are.

    Raises:
        ExtractError: a source as a whole cannot be used; the message says why, the hint what to do.
        StateError: the scratch database cannot go on, for want of memory or room.
    """
    connection = workspace.connection
    columns = ", ".join(f'"{name}" {kind_type}' for name, kind_type in kind.stored().items())
    connection.execute(f'CREATE OR REPLACE TABLE "{kind.store}" (file SMALLINT, line BIGINT, {columns})')
    if kind.unnested:
        connection.execute(f'CREATE OR REPLACE VIEW "{kind.name}" AS {kind.shown()}')
    reading = Reading(kind, connection, Findings(connection, kind.name))
    for number, source in enumerate(sources):
        reading.files.append(source.name)
        # One transaction a source: what is written goes straight to the file, and an error leaves nothing half-read.
        with workspace.sparing(), workspace.whole():
            _read_one(reading, source, number, perimeter)
    _count_warnings(reading)
    reading.warnings += count_oddities(kind, connection)
    if kind.afterwards:
        connection.execute(kind.afterwards)
    return reading


def _read_one(reading: Reading, source: Source, number: int, perimeter: str) -> None:
    if isinstance(source, TableSource):
        with source.begin() as reader:
            header = list(reader.schema.names)[: -1 if source.numbered else None]
            layout = layout_of(reading.kind, header, source.name)
            blocks = _table_blocks(source, reader)
            _judge_all(reading, source.name, number, layout, header, blocks, perimeter)
        return
    # Recognised by its first bytes, which a source that is read once only keeps for that.
    layout = text_layout(reading.kind, source.name, source.head())
    with source.open() as stream:
        lines = Lines(source.name, stream, layout.dialect)
        with closing(_ahead(lines.blocks())) as blocks:
            _judge_all(reading, source.name, number, layout, lines.header, blocks, perimeter)


def _ahead(blocks: Iterator[Block]) -> Generator[Block, None, None]:
    """Cut the next block in a thread of its own while the one before is judged; the thread has ended when this has."""
    with ThreadPoolExecutor(1, "extracts-ahead") as thread:
        coming = thread.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, blocks, None)
            yield block


def _judge_all(
    reading: Reading, name: str, number: int, layout: Layout, header: list[str], blocks: Iterable[Block], perimeter: str
) -> None:
    try:
        judge = Judge(reading.kind, layout, header, reading.connection, perimeter=perimeter)
    except ExtractError as error:
        raise ExtractError(f"{name}: {error}", hint=error.hint) from error
    reading.layouts.append(layout.name)
    reading.absent += [one for one in judge.absent if one not in reading.absent]
    reading.extra += [one for one in judge.extra if one not in reading.extra]
    parsed = 0
    for block in blocks:
        broken = [Finding(name, one.line, "", one.rule, "") for one in block.broken]
        reading.findings.add_all(broken)
        reading.rules.update((one.rule, "") for one in block.broken)
        judged = judge.judge(block.rows, name, number)
        if len(judged.findings):
            reading.findings.add(judged.findings)
        reading.rules.update(judged.rules)
        reading.rejected += judged.rejected + len(broken)
        reading.skipped += judged.skipped
        reading.valid += judged.valid
        parsed += judged.valid + judged.rejected + judged.skipped + len(broken)
    judge.close()
    reading.parsed += parsed
    reading.warnings += judge.tolerated(number)
    if not parsed:
        raise ExtractError(f"{name}: the file has a header and no rows", hint="was the export cut off?")


def text_layout(kind: Kind, name: str, head: bytes) -> Layout:
    """Return the layout of a kind that the first bytes of a text file are of.

    Raises:
        ExtractError: none is; the message is that of the dialect which cuts the header into most columns.
    """
    refused: ExtractError | None = None
    most = -1
    for dialect in dict.fromkeys(layout.dialect for layout in kind.layouts):
        found = 0
        try:
            header = Lines(name, io.BytesIO(head), dialect).header
            found = len(header)
            layout = layout_of(kind, header, name, dialect.separator)
        except ExtractError as error:
            if found > most:
                refused, most = error, found
            continue
        if layout.dialect == dialect:
            return layout
    raise refused or ExtractError(
        f"{name}: not a file of {kind.name}", hint="its columns are those of one form of it, its separator of another"
    )


def layout_of(kind: Kind, header: Sequence[str], name: str, separator: str = "") -> Layout:
    """Return the layout of a kind whose columns a header has.

    Raises:
        ExtractError: none has them; the message names the first column that is missing of the one that fits best.
    """
    names = [plain(one) for one in header]
    if repeated := next((one for one, times in Counter(names).items() if times > 1 and one), None):
        # What stands in the first line of a file without header is content, and is not shown.
        places = [str(place) for place, one in enumerate(names, start=1) if one == repeated]
        shown = f"the column {header[names.index(repeated)][:40]!r}" if _names_column(kind, repeated) else "a name"
        raise ExtractError(
            f"{name}, line 1: {shown} stands twice, in columns {' and '.join(places[:9])}", hint="keep one of them"
        )
    missing: dict[str, list[str]] = {}
    for layout in kind.layouts:
        lacking = [one for one in layout.required() if not _has(layout, one, names)]
        if not lacking:
            _check_exact(kind, layout, header, name)
            return layout
        missing[layout.name] = lacking
    best = min(kind.layouts, key=lambda layout: (len(missing[layout.name]), kind.layouts.index(layout)))
    lacking = missing[best.name]
    raise ExtractError(
        f"{name}: column {lacking[0]} not found, aborting",
        hint=_why_missing(kind, best, lacking, header, separator),
    )


def _names_column(kind: Kind, name: str) -> bool:
    """Whether a plain name is one that a column of a kind can have."""
    return any(
        any(field.found_in([name]) is not None for field in layout.fields)
        or any(same(wanted, name) for wanted in layout.recognised)
        or (layout.reads_column is not None and layout.reads_column(name))
        for layout in kind.layouts
    )


def _check_exact(kind: Kind, layout: Layout, header: Sequence[str], name: str) -> None:
    wanted = [field.header[0] for field in layout.fields]
    if not layout.exact or list(header) == wanted:
        return
    for place, (found, one) in enumerate(zip_longest(header, wanted, fillvalue="(none)"), start=1):
        if found != one:
            raise ExtractError(
                f"{name}: column {place} is {found[:40]!r}, and is {one!r} in a file of {kind.name}",
                hint=f"its header is compared letter by letter: {', '.join(wanted)}",
            )


def _has(layout: Layout, wanted: str, names: list[str]) -> bool:
    if layout.recognised:
        return any(same(wanted, name) for name in names)
    return any(field.header[0] == wanted and field.found_in(names) is not None for field in layout.fields)


def _why_missing(kind: Kind, layout: Layout, lacking: list[str], header: Sequence[str], separator: str) -> str:
    if len(header) == 1 and len(layout.required()) > 1:
        other = next((one for one in ";,|\t" if one != separator and one in header[0]), None)
        seen = {"\t": "a tab"}.get(other, repr(other)) if other else None
        if seen:
            return (
                f"the separator looks like {seen}; a file of {kind.name} is separated by {layout.dialect.separator!r}"
            )
    if len(lacking) == len(layout.required()):
        return f"none of the columns of a file of {kind.name} is there: is it a file of another type?"
    close = nearest(lacking[0], header)
    if close:
        return f"is it the one that the header calls {close!r}? a file of {kind.name} names it {lacking[0]}"
    return f"a file of {kind.name} has the columns {', '.join(layout.required()[:30])}; was the export changed?"


def _table_blocks(source: TableSource, reader: pa.RecordBatchReader) -> Iterator[Block]:
    row = 0
    for batch in reader:
        for start in range(0, batch.num_rows, _ROWS):
            part = batch.slice(start, _ROWS)
            columns = part.columns
            lines = columns.pop() if source.numbered else pc.add(pa.array(range(part.num_rows), pa.int64()), row + 1)
            row += part.num_rows
            names = reader.schema.names
            cells = [readable(column, names[place], source.name) for place, column in enumerate(columns)]
            yield Block(RawRows(pa.table(cells, names=[f"c{place}" for place in range(len(cells))]), lines), ())


def _count_warnings(reading: Reading) -> None:
    for per in dict.fromkeys(check.per for check in reading.kind.warnings):
        checks = [check for check in reading.kind.warnings if check.per == per]
        stored = f'"{reading.kind.store}"'
        rows = f'(SELECT "{per}", count(*) AS times FROM {stored} GROUP BY 1)' if per else stored
        times = "sum(times)" if per else "count(*)"
        counts = ", ".join(f"{times} FILTER (WHERE {check.sql})" for check in checks)
        (found,) = reading.connection.execute(f"SELECT {counts} FROM {rows}").fetchall()
        for check, times_found in zip(checks, found, strict=True):
            if times_found:
                name = f"{check.rule}:{check.column}" if check.column else check.rule
                reading.warnings[name] += int(times_found)


def _sentence(found: Finding) -> str:
    return f"column {found.column}: {found.rule.replace('_', ' ')}" if found.column else found.rule.replace("_", " ")
