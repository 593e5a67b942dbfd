"""The perimeter that a node filters by, kept in ``perimeter.sqlite``, and the filter itself.

One perimeter for each pseudonym epoch: the newest, with the statement and receipt that prove it, and its marks. Losing the
file costs a fetch. The rule it keeps: rows about a company whose mark is not there never reach a lot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyarrow as pa
import pyarrow.compute as pc

from vigie import statement as statements
from vigie.bodies import Perimeter, read
from vigie.clock import stamp
from vigie.convention import Convention
from vigie.datasets import PSEUDONYM, SIREN
from vigie.durable import open_database, transaction
from vigie.errors import Refused, StateError
from vigie.journal.proof import Receipt
from vigie.perimeter import MARK_BYTES, Place
from vigie_node.extracts.canonical import Checked

RULE: Final = "outside_perimeter"
"""Under this rule a report counts the rows that were skipped because their company is not looked at."""

SCHEMA: Final = (
    """
    CREATE TABLE perimeter (
        epoch INTEGER PRIMARY KEY,
        convention_id TEXT NOT NULL,
        member TEXT NOT NULL,
        statement BLOB NOT NULL,
        receipt BLOB NOT NULL,
        marks BLOB NOT NULL,
        kept TEXT NOT NULL
    ) STRICT;
    """,
)


@dataclass(frozen=True)
class KeptPerimeter:
    """A perimeter that was verified.

    Attributes:
        convention_id: id of the convention.
        member: the member for whom the marks are made: this node's.
        statement: the signed statement.
        receipt: its first receipt.
        marks: 16 bytes each, ascending; those of a recipient hold decoys.
    """

    convention_id: str
    member: str
    statement: bytes
    receipt: bytes
    marks: bytes

    @cached_property
    def body(self) -> Perimeter:
        """What the statement says."""
        return read(statements.parse(self.statement, kind="perimeter"), Perimeter)

    @cached_property
    def digest(self) -> bytes:
        """Digest of the statement."""
        return statements.parse(self.statement).digest

    @cached_property
    def journal_place(self) -> int:
        """Where the statement stands in the journal."""
        return Receipt.parse(self.receipt).index

    def inside(self, pseudonyms: pa.Array) -> pa.Array:
        """For each pseudonym (16 bytes) whether its company is in the perimeter, as booleans."""
        place = Place(self.convention_id, self.body.perimeter, self.body.epoch, self.body.period, self.member)
        wanted = pa.array(place.marks(pseudonyms.to_pylist()), pa.binary())
        known = pa.Array.from_buffers(
            pa.binary(MARK_BYTES), len(self.marks) // MARK_BYTES, [None, pa.py_buffer(self.marks)]
        )
        return pc.is_in(wanted, value_set=known.cast(pa.binary()))


class PerimeterStore:
    """The file of one node.

    Args:
        path: made when it is not there.
        clock: gives the current time, UTC.

    Raises:
        StateError: the file is damaged or of a newer version.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._connection = open_database(path, SCHEMA)
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def keep(self, perimeter: KeptPerimeter) -> None:
        """Keep a perimeter in the place of the one of its epoch; durable when this returns."""
        with transaction(self._connection) as db:
            db.execute(
                "INSERT OR REPLACE INTO perimeter VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    perimeter.body.epoch, perimeter.convention_id, perimeter.member, perimeter.statement,
                    perimeter.receipt, perimeter.marks, stamp(self._clock()),
                ),
            )  # fmt: skip

    def find(self, epoch: int) -> KeptPerimeter | None:
        """The perimeter of an epoch, or None."""
        row = self._connection.execute(
            "SELECT convention_id, member, statement, receipt, marks FROM perimeter WHERE epoch = ?", (epoch,)
        ).fetchone()
        return None if row is None else KeptPerimeter(*row)

    def newest(self) -> KeptPerimeter | None:
        """The perimeter of the newest epoch that there is one of, or None."""
        row = self._connection.execute("SELECT max(epoch) FROM perimeter").fetchone()
        return None if row[0] is None else self.find(row[0])


def binding(convention: Convention, member: str, day: date, store: PerimeterStore | None) -> KeptPerimeter | None:
    """The perimeter by which a member filters what it sends on a day; None when the convention asks for none.

    Raises:
        Refused: claim ``perimeter``: the convention asks for one, and this node has none for the epoch.
        Missing: the convention has no epoch on that day.
    """
    rule = convention.perimeter
    if rule is None or not rule.binds(member):
        return None
    epoch = convention.epoch_at(day).number
    kept = None if store is None else store.find(epoch)
    if kept is None or kept.body.owner != rule.owner or kept.member != member:
        command = "share" if member == rule.owner else "fetch"
        raise Refused(
            "perimeter",
            expected=f"the perimeter of {rule.owner} for epoch {epoch}, so that nothing is sent about other companies",
            found="none on this node",
            hint=f"run `vigie-node perimeter {command}` first",
        )
    return kept


def drop_outside(checked: Checked, kept: KeptPerimeter, pseudonyms: pa.Table) -> int:
    """Drop the rows about companies outside a perimeter; they count as skipped. Returns how many there were.

    Args:
        checked: the rows and their report; both are changed.
        kept: the perimeter.
        pseudonyms: ``siren`` and ``pseudonym`` of every company in it, of the perimeter's epoch.

    Raises:
        StateError: a company has no pseudonym.
    """
    sirens = checked.sirens()
    places = pc.index_in(sirens, value_set=pseudonyms[SIREN].combine_chunks())
    if places.null_count:
        raise StateError("a company of the extract has no pseudonym", hint="run the same command again")
    inside = kept.inside(pseudonyms[PSEUDONYM].combine_chunks().take(places))
    outside = sirens.filter(pc.invert(inside))
    if not len(outside):
        return 0
    connection, report, table = checked.connection, checked.report, f'"{checked.table}"'
    connection.register("outside_perimeter", pa.table({SIREN: outside}))
    try:
        connection.execute(f"DELETE FROM {table} WHERE {SIREN} IN (SELECT {SIREN} FROM outside_perimeter)")  # noqa: S608
    finally:
        connection.unregister("outside_perimeter")
    time = f'"{checked.dataset.time}"'  # an identifier that the convention or this program fixed
    ((rows, companies, first, last),) = connection.execute(
        f"SELECT count(*), count(DISTINCT {SIREN}), min({time})::VARCHAR, max({time})::VARCHAR FROM {table}"  # noqa: S608
    ).fetchall()
    dropped = report.rows - int(rows)
    report.rows, report.companies = int(rows), int(companies)
    report.first, report.last = first or "", last or ""
    if report.rows:
        report.columns = [dict(column) | {"empty": _empty(checked, str(column["name"]))} for column in report.columns]
    if report.made_from:
        # The counts of the report are of extract rows, and each row of the dataset is made of several or of a part of one.
        report.notes.append(
            f"{RULE}: {dropped} rows of the dataset are about companies outside the perimeter, and stay here"
        )
        return dropped
    report.valid = report.rows
    report.skipped += dropped
    report.rules[RULE] += dropped
    return dropped


def _empty(checked: Checked, column: str) -> float:
    query = f'SELECT 1 - count("{column}") / count(*) FROM "{checked.table}"'  # noqa: S608 - a column of the dataset
    ((share,),) = checked.connection.execute(query).fetchall()
    return round(float(share), 4)
