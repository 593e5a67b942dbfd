"""What a canonical dataset is: one table of companies with typed, labelled columns, the same on every side.

A partner's extract becomes a canonical table on the partner's own node, and nothing outside the columns declared here
can be sent (protocol §5).  The rules that a :class:`Dataset` keeps:

* **The order of the columns is part of the agreement.**  It fixes the order of bytes in a lot's digest and the order of
  features at the hub, and with them the bits of every score.  A column is never inserted or reordered under the same
  schema number.
* **No text crosses.**  A category travels as its index (int16) among the categories that the schema lists.
* **Every column carries its labels** (``urssaf``, ``bdf`` …): the owners whose grant a reader must hold.  A column
  without labels is public.

The key of a table is the company: ``siren`` (nine digits, text) in a file, ``pseudonym`` (16 bytes) on the wire.
Neither is a column of the dataset.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal, Self

import pyarrow as pa

from vigie.errors import MalformedConvention

Grain = Literal["month", "year", "event"]

LABELS: Final = frozenset({"urssaf", "dgefp", "bdf", "fiscal", "pge"})
"""The secrecy labels that exist; a column without any is public."""

SIREN: Final = "siren"
"""Key column of a canonical file: nine ASCII digits, leading zeros kept."""

PSEUDONYM: Final = "pseudonym"
"""Key column on the wire."""

PSEUDONYM_BYTES: Final = 16

_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_GRAINS: Final = ("month", "year", "event")
_MAX_COLUMNS: Final = 4096
_MAX_CATEGORIES: Final = 32_767  # an int16 index
_MAX_TEXT: Final = 1000


class ColumnType(StrEnum):
    """The types that a canonical column may have."""

    INTEGER = "integer"
    NUMBER = "number"
    MONTH = "month"
    DATE = "date"
    BOOLEAN = "boolean"
    CATEGORY = "category"


_ARROW: Final[dict[ColumnType, pa.DataType]] = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.MONTH: pa.date32(),
    ColumnType.DATE: pa.date32(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.CATEGORY: pa.int16(),
}
_TIMES: Final = (ColumnType.MONTH, ColumnType.DATE)


def check_identifier(text: str, what: str) -> None:
    """Refuse a name that is not ``[a-z][a-z0-9_]{0,62}``.

    Raises:
        MalformedConvention: naming ``what`` carries the bad name.
    """
    if _IDENTIFIER.fullmatch(text) is None:
        raise MalformedConvention(
            f"the name of {what} is not valid: {text[:80]!r}",
            hint="use lower-case letters, digits and underscores, a letter first, at most 63 characters",
        )


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    ``minimum`` and ``maximum`` are what is plausible: a value outside is counted as a warning, never refused.
    ``meaning_fr`` is what an agent reads beside a reason, ``meaning_en`` its English twin.
    ``position`` is the place of a declared column among the features of all declared datasets of a purpose, from 1; columns
    without one come after them, as listed.  The order within the dataset is not touched by it.
    """

    name: str
    type: ColumnType
    unit: str
    labels: frozenset[str]
    meaning_fr: str = ""
    meaning_en: str = ""
    nullable: bool = True
    categories: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    position: int | None = None

    def __post_init__(self) -> None:
        """Refuse a column that could not be sent or explained.

        Raises:
            MalformedConvention: a bad name, unknown label, or categories that do not fit the type.
        """
        check_identifier(self.name, "a column")
        if self.name in (SIREN, PSEUDONYM):
            raise MalformedConvention(f"a column may not be called {self.name!r}", hint="the key is added by itself")
        if unknown := sorted(self.labels - LABELS):
            raise MalformedConvention(
                f"column {self.name!r} carries an unknown label: {', '.join(unknown)}",
                hint=f"labels are {', '.join(sorted(LABELS))}; give none for public data",
            )
        if any(len(text) > _MAX_TEXT for text in (self.unit, self.meaning_fr, self.meaning_en)):
            raise MalformedConvention(f"a text of column {self.name!r} is longer than {_MAX_TEXT} characters")
        self._check_categories()
        if self.minimum is not None and self.maximum is not None and not self.minimum <= self.maximum:
            raise MalformedConvention(f"the plausible range of column {self.name!r} is empty")

    def _check_categories(self) -> None:
        if (self.type is ColumnType.CATEGORY) != bool(self.categories):
            raise MalformedConvention(
                f"column {self.name!r} of type {self.type} must {'' if self.type is ColumnType.CATEGORY else 'not '}"
                "list categories"
            )
        if len(set(self.categories)) != len(self.categories) or len(self.categories) > _MAX_CATEGORIES:
            raise MalformedConvention(f"the categories of column {self.name!r} repeat or are too many")
        for category in self.categories:
            check_identifier(category, f"a category of column {self.name!r}")

    @property
    def arrow_type(self) -> pa.DataType:
        """Type on the wire; a category is the int16 index of its name in ``categories``."""
        return _ARROW[self.type]

    @property
    def file_type(self) -> pa.DataType:
        """Type in a canonical file; a category is its name, as text."""
        return pa.string() if self.type is ColumnType.CATEGORY else self.arrow_type


@dataclass(frozen=True)
class Dataset:
    """One agreed table: what each row is, which column says when, and what may be sent.

    Attributes:
        name: identifier, unique in a convention with ``schema``.
        schema: version of the columns, from 1.
        grain: ``month`` or ``year`` (one row per company and ``time``) or ``event`` (any number, dated by ``time``).
        time: the month or date column that orders the rows of a company; never null.  A ``month`` is stored as its
            first day; for the grain ``year`` the time is a month, that from which the yearly figures count.
        available: the date column from which a row may be used (it must not influence anything earlier), or None when
            that is ``time`` itself.
        lag: the same rule in words, with the delay with which the owner delivers.
        owner_label: who produces the table, one of ``LABELS``, or empty.  Public columns have an owner too.
        columns: without the key column, in canonical order; the time column is the first.
        key: columns that together with the company are unique in a table.
    """

    name: str
    schema: int
    grain: Grain
    time: str
    available: str | None
    lag: str
    owner_label: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse a dataset whose parts do not fit together.

        Raises:
            MalformedConvention: saying which part.
        """
        check_identifier(self.name, "a dataset")
        if not 1 <= self.schema <= 65_535:
            raise MalformedConvention(f"the schema number of dataset {self.name!r} is not between 1 and 65535")
        if self.grain not in _GRAINS:
            raise MalformedConvention(f"the grain of dataset {self.name!r} is none of {', '.join(_GRAINS)}")
        if self.owner_label and self.owner_label not in LABELS:
            raise MalformedConvention(f"the owner of dataset {self.name!r} is not a known label")
        names = self.names
        if not names or len(names) > _MAX_COLUMNS or len(set(names)) != len(names):
            raise MalformedConvention(f"dataset {self.name!r} has no columns, too many, or two of one name")
        wanted = (ColumnType.DATE, ColumnType.MONTH) if self.grain == "event" else (ColumnType.MONTH,)
        self._check_time(self.time, wanted, nullable=False)
        if names[0] != self.time:
            raise MalformedConvention(
                f"the first column of dataset {self.name!r} is not its time column",
                hint="put the time column first: rows are ordered by company, then by their columns",
            )
        if self.available is not None:
            self._check_time(self.available, _TIMES, nullable=False)
        if not self.key or not set(self.key) <= set(names) or len(set(self.key)) != len(self.key):
            raise MalformedConvention(f"the key of dataset {self.name!r} is empty or names no column of it")

    def _check_time(self, name: str, wanted: tuple[ColumnType, ...], *, nullable: bool) -> None:
        if name not in self.names:
            raise MalformedConvention(
                f"dataset {self.name!r} has no column {name!r} to say when a row counts",
                hint="name one of its own columns",
            )
        column = self.column(name)
        if column.type not in wanted or column.nullable is not nullable:
            raise MalformedConvention(
                f"column {name!r} of dataset {self.name!r} must be a {' or '.join(wanted)} and never empty"
            )

    @classmethod
    def declared(
        cls,
        name: str,
        schema: int,
        grain: Grain,
        time: str,
        columns: Iterable[Column],
        *,
        available: str | None = None,
        owner_label: str = "",
    ) -> Self:
        """A dataset that a convention declares by its columns, beside the built-in ones.

        The time column (and ``available``) is made non-null whatever the declaration says.  The key is the time column
        for a monthly or yearly table and the whole row for events.

        Raises:
            MalformedConvention: the declaration does not hold together.
        """
        never_empty = {time, available}
        cut = tuple(_required(column) if column.name in never_empty else column for column in columns)
        return cls(
            name=name,
            schema=schema,
            grain=grain,
            time=time,
            available=available,
            lag=f"a row counts from its column {available or time}",
            owner_label=owner_label,
            columns=cut,
            key=tuple(column.name for column in cut) if grain == "event" else (time,),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns in canonical order, the key column not among them."""
        return tuple(column.name for column in self.columns)

    @property
    def labels(self) -> frozenset[str]:
        """Union of the labels of all columns."""
        return frozenset[str]().union(*(column.labels for column in self.columns))

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            MalformedConvention: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise MalformedConvention(f"dataset {self.name!r} has no column {name[:80]!r}")

    def file_schema(self) -> pa.Schema:
        """Arrow schema of a canonical file: ``siren`` (text) then the columns, categories as text."""
        fields = [pa.field(column.name, column.file_type, column.nullable) for column in self.columns]
        return pa.schema([pa.field(SIREN, pa.string(), nullable=False), *fields])

    def wire_schema(self) -> pa.Schema:
        """Arrow schema inside a segment: ``pseudonym`` (16 bytes) then the columns, categories as int16 indices."""
        fields = [pa.field(column.name, column.arrow_type, column.nullable) for column in self.columns]
        return pa.schema([pa.field(PSEUDONYM, pa.binary(PSEUDONYM_BYTES), nullable=False), *fields])


def _required(column: Column) -> Column:
    return replace(column, nullable=False)
