"""What an extract is: the columns of a partner's file as delivered, and how each row of it is judged.

A :class:`Kind` is a declaration and nothing else; ``reading.py`` carries it out. It has one or several layouts, because
files change their columns over the years, and all of them give the same typed table. The rules it keeps:

* Columns are found **by name**, never by place: a column that is missing refuses the file instead of shifting values
  (issue 303 of the real system). Case and repeated spaces do not count.
* A row is rejected for one reason, the first that it breaks in the order of the layout's fields.
* Codes beyond the known tables and identifiers that fail their check digit are counted as warnings and kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from vigie_node.extracts.cells import Cell
from vigie_node.extracts.headers import plain

LINE: Final = "line"
"""Column of every typed table: where the row stands in its file (for CSV the header is line 1; else rows from 1)."""
FILE: Final = "file"
"""Column of every typed table: number of the source, from 0, in the order in which the sources were given."""


@dataclass(frozen=True)
class Dialect:
    """How the bytes of a text file are cut into cells.

    Attributes:
        separator: one ASCII character.
        encoding: ``utf-8`` (a byte order mark is tolerated) or ``utf-16-le`` (with byte order mark).
        lazy_quotes: a quote inside an unquoted cell is content; elsewhere it rejects its row.
    """

    separator: str = ";"
    encoding: Literal["utf-8", "utf-16-le"] = "utf-8"
    lazy_quotes: bool = False


@dataclass(frozen=True)
class Check:
    """One more rule on a typed row; ``sql`` is true when the row breaks it and may name any typed column.

    Attributes:
        rule: a stable word, as it stands in reports.
        column: name of the field whose header and cell are reported.
        sql: expression over the typed columns.
        per: for a warning, the column that ``sql`` alone looks at, when its values repeat: each is looked at once.
    """

    rule: str
    column: str
    sql: str
    per: str = ""


@dataclass(frozen=True)
class Field:
    """One column of a file.

    Attributes:
        name: of the typed column.
        header: names that the column has had in files, today's first.
        cell: the grammar of its cells, and with it the SQL type.
        required: a file without it is refused; else the typed column is null.
        nullable: its cell may be empty.
        upstream: name of the column in the real system's own output, empty when it has none.
        meaning: what it holds, for the documentation.
        stored: it is a column of the typed table, and not only of use to derived ones.
        origin: for a field that stands for many columns of a line, SQL over the fields of the one that its cell is of.
        lenient: a cell that is not of the grammar becomes null and is counted as a warning; its row is kept.
    """

    name: str
    header: tuple[str, ...]
    cell: Cell
    required: bool = True
    nullable: bool = True
    upstream: str = ""
    meaning: str = ""
    stored: bool = True
    origin: str = ""
    lenient: bool = False

    def __post_init__(self) -> None:
        """Refuse a declaration that cannot be carried out: what is not stored cannot be counted."""
        if self.lenient and not (self.stored and self.nullable):
            raise ValueError(f"the lenient field {self.name} must be stored and nullable")

    def found_in(self, header: list[str]) -> int | None:
        """Place of the column in a header whose names are plain already (see :func:`headers.plain`), or None."""
        for name in self.header:
            if plain(name) in header:
                return header.index(plain(name))
        return None


@dataclass(frozen=True)
class Derived:
    """A typed column that follows from others of its row.

    Attributes:
        name: of the typed column.
        type: SQL type.
        sql: expression over the fields (a period is a struct of ``start`` and ``stop``).
        upstream: name of the column in the real system's own output, empty when it has none.
        stored: it is a column of the typed table; else it is made from the stored ones by who asks for it.
    """

    name: str
    type: str
    sql: str
    upstream: str = ""
    stored: bool = True


@dataclass(frozen=True)
class RawRows:
    """Rows as they stand in a file, before any cell is judged.

    Attributes:
        cells: one column for each column of the header, in its order, called ``c0``, ``c1`` … before they are reshaped
            and by their headers afterwards; text, or typed when the source is. An empty cell is null.
        lines: int64, where each row stands.
        padded: some cell may have spaces around it.
        sound: columns, by their plain headers, whose cells a reshape has made or looked at: they are of the type and the
            grammar of their field, and not judged again.
    """

    cells: pa.Table
    lines: pa.Array | pa.ChunkedArray
    padded: bool = True
    sound: frozenset[str] = frozenset()


Reshape = Callable[[RawRows], RawRows]
"""Turns wide rows into tall ones, each keeping the line that it comes from."""


@dataclass(frozen=True)
class Layout:
    """One form in which files of a kind are delivered.

    Attributes:
        name: which one, for a person.
        dialect: how its bytes are read.
        fields: in the order of the file; rows are judged in this order.
        reshape: makes, of a header, what turns its wide rows into tall ones; ``fields`` are those of the tall rows.
            It raises :class:`~vigie.errors.ExtractError` when the header has nothing to unpivot.
        recognised: headers that tell this layout from others when ``fields`` are not in the header of the file itself;
            ``YYYYQM`` in one stands for any six digits.
        account_date: SQL over the typed columns of the date at which the account is looked up in ``admin_urssaf``, for
            layouts without SIRET.
        reads_column: whether a reshape reads a column, by its plain name, when ``recognised`` does not tell.
        exact: the header must be today's names of the fields, letter by letter and in this order.
    """

    name: str
    dialect: Dialect
    fields: tuple[Field, ...]
    reshape: Callable[[list[str]], Reshape] | None = None
    recognised: tuple[str, ...] = ()
    account_date: str = ""
    exact: bool = False
    reads_column: Callable[[str], bool] | None = None

    def required(self) -> list[str]:
        """Today's names of the columns that a file must have."""
        if self.recognised:
            return list(self.recognised)
        return [field.header[0] for field in self.fields if field.required]

    def reads(self, name: str) -> bool:
        """Whether a reshape reads a column of a file, by its plain name; if neither ``reads_column`` nor a series tells, yes."""
        if self.reads_column is not None:
            return self.reads_column(name)
        series = any("yyyyqm" in plain(wanted) for wanted in self.recognised)
        return not series or any(same(wanted, name) for wanted in self.recognised)


def same(wanted: str, name: str) -> bool:
    """Whether a plain name is the wanted one, in which ``YYYYQM`` stands for six digits."""
    before, period, after = plain(wanted).partition("yyyyqm")
    if not period:
        return name == before
    middle = name.removeprefix(before).removesuffix(after)
    return name == f"{before}{middle}{after}" and len(middle) == 6 and middle.isascii() and middle.isdigit()


@dataclass(frozen=True)
class Kind:
    """A kind of extract.

    Attributes:
        name: of the type in the real system (``cotisation``, ``debit`` …), and of the typed table.
        title: what it is, in English.
        titre: the same in French.
        owner: label of its owner (``urssaf`` …), empty for public data.
        delivered_as: shell patterns of the file names under which it is delivered, without ``.gz``.
        layouts: newest first.
        derived: columns that follow from the fields, in order; a later one may use an earlier one.
        company: SQL over typed columns that gives the SIREN of a row (text of nine digits), empty when rows have none.
        time: the typed date by which the freshness of a file is told, empty when there is none.
        rejects: further rules that reject a row, after those of its cells.
        skips: rules that leave a sound row out (not rejected, counted as skipped).
        warnings: rules that are counted and change nothing.
        stock: a new file replaces all earlier data of the kind (*stock*); else it is added (*flux*).
        unnested: columns of lists that are kept one row a line, and shown one row an item → name of an item's column;
            items of a row that stand at the same place belong together, and those without the first column are none.
        afterwards: SQL that is run once all sources of the kind have been read.
        key: typed columns that no two rows should share; those that do are counted as warnings. Empty where repeated rows
            are ordinary, or counted when they are put together.
        since: first year that a date of the kind can be of; earlier ones are counted as warnings.
        within_perimeter: rows of companies outside the perimeter are skipped, when there is one; false for what the
            perimeter itself is computed from.
    """

    name: str
    title: str
    titre: str
    owner: str
    delivered_as: tuple[str, ...]
    layouts: tuple[Layout, ...]
    derived: tuple[Derived, ...] = ()
    company: str = ""
    time: str = ""
    rejects: tuple[Check, ...] = ()
    skips: tuple[Check, ...] = ()
    warnings: tuple[Check, ...] = ()
    stock: bool = True
    unnested: tuple[tuple[str, str], ...] = ()
    afterwards: str = ""
    within_perimeter: bool = True
    key: tuple[str, ...] = ()
    since: int = 1980

    @property
    def store(self) -> str:
        """Name of the table that rows are inserted into: of the typed table itself, unless lists are unnested from it."""
        return f"{self.name}_lines" if self.unnested else self.name

    def shown(self) -> str:
        """SQL of the typed table over the stored one, for kinds whose lists are unnested."""
        items = dict(self.unnested)
        columns = ", ".join(
            f'unnest("{name}") AS "{items[name]}"' if name in items else f'"{name}"' for name in self.stored()
        )
        first = self.unnested[0][1]
        return f'SELECT * FROM (SELECT {FILE}, {LINE}, {columns} FROM "{self.store}") WHERE "{first}" IS NOT NULL'

    def columns(self) -> dict[str, str]:
        """Name → SQL type of every typed column, in order, without ``file`` and ``line``."""
        items = dict(self.unnested)
        return {
            items.get(name, name): type_.removesuffix("[]") if name in items else type_
            for name, type_ in self.stored().items()
        }

    def stored(self) -> dict[str, str]:
        """Name → SQL type of every column of the stored table, in order, without ``file`` and ``line``."""
        found: dict[str, str] = {}
        for layout in self.layouts:
            for field in layout.fields:
                if field.stored:
                    found.setdefault(field.name, field.cell.type)
        found.update((one.name, one.type) for one in self.derived if one.stored)
        return found

    def upstream(self) -> dict[str, str]:
        """The real system's name of a column → our name, for those that it has."""
        named: dict[str, str] = {}
        for layout in self.layouts:
            named.update((field.upstream, field.name) for field in layout.fields if field.upstream)
        named.update((one.upstream, one.name) for one in self.derived if one.upstream)
        items = dict(self.unnested)
        return {theirs: items.get(ours, ours) for theirs, ours in named.items()}
