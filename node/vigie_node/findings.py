"""Every rejected row of an extract with its place, however many there are.

They are kept in a table of the scratch database, not in memory: a systematic fault of a national file has millions.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from vigie_node.handing import Handed

SHAPE_LENGTH: Final = 24
"""Characters of a cell whose shape is kept."""

_SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("column", pa.string()),
        ("rule", pa.string()),
        ("shape", pa.string()),
    ]
)


@dataclass(frozen=True)
class Finding:
    """One cell or row that breaks a rule.

    Attributes:
        file: name of the file, without its folder.
        line: place in the file; for text the line with the header as 1, else the row from 1.
        column: name of the column in the file, empty when the row as a whole is meant.
        rule: a stable word.
        shape: the masked cell.
    """

    file: str
    line: int
    column: str
    rule: str
    shape: str


def shape_sql(cell: str) -> str:
    """SQL of the shape of a text: digits as 9, letters as a; ``(empty)`` for null. The twin of ``quality.shape_of``."""
    cut = f"left({cell}, {SHAPE_LENGTH})"
    masked = f"regexp_replace(regexp_replace({cut}, '[\\p{{Nd}}]', '9', 'g'), '[\\p{{L}}\\p{{M}}]', 'a', 'g')"
    return f"coalesce({masked} || CASE WHEN length({cell}) > {SHAPE_LENGTH} THEN '…' ELSE '' END, '(empty)')"


class Findings:
    """The findings about one kind of extract.

    Args:
        connection: the scratch database.
        name: of the table that holds them.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self._connection = connection
        self._name = f'"findings_{name}"'
        self._view = f'"findings_{name}_added"'
        self._added = Handed(connection, f"findings_{name}_added")
        self._connection.execute(
            f'CREATE OR REPLACE TABLE {self._name} (file VARCHAR, line BIGINT, "column" VARCHAR, rule VARCHAR, shape VARCHAR)'
        )

    def add(self, table: pa.Table) -> None:
        """Add findings given as a table of ``file, line, column, rule, shape``."""
        self._added.show(table.cast(_SCHEMA))
        try:
            self._connection.execute(f"INSERT INTO {self._name} SELECT * FROM {self._view}")
        finally:
            self._added.release()

    def add_all(self, findings: list[Finding]) -> None:
        """Add a few findings."""
        if findings:
            self.add(pa.Table.from_pylist([finding.__dict__ for finding in findings], schema=_SCHEMA))

    def __len__(self) -> int:
        ((found,),) = self._connection.execute(f"SELECT count(*) FROM {self._name}").fetchall()
        return int(found)

    def __iter__(self) -> Iterator[Finding]:
        return self._read("")

    def first(self, most: int) -> list[Finding]:
        """Return the first ones, by file and line."""
        return list(self._read(f" LIMIT {most:d}"))

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many rows break each (rule, column)."""
        rows = self._connection.execute(f'SELECT rule, "column", count(*) FROM {self._name} GROUP BY ALL').fetchall()
        return Counter({(rule, column): int(count) for rule, column, count in rows})

    def _read(self, limit: str) -> Iterator[Finding]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(f"SELECT * FROM {self._name} ORDER BY file, line{limit}")
            while rows := cursor.fetchmany(10_000):
                for row in rows:
                    yield Finding(*row)
        finally:
            cursor.close()
