"""What changed since the last list: first alert, repeated, raised, lowered, left.

Worked out here and nowhere else: only the recipient's node has the lists that it opened before.  Lists are compared within
one grant and purpose; a list of the same period that was opened before is the same month told again and is not looked at.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from vigie.datasets import SIREN
from vigie.result import LEVELS
from vigie_node.state import StoredResult

CHANGE: Final = "change"
"""Name of the column; it stands after ``level``."""

FIRST: Final = "première alerte"
REPEATED: Final = "alerte répétée"
RAISED: Final = "niveau relevé"
LOWERED: Final = "niveau abaissé"
LEFT: Final = "sortie de liste"

ENGLISH: Final[Mapping[str, str]] = {
    FIRST: "first alert",
    REPEATED: "repeated alert",
    RAISED: "level raised",
    LOWERED: "level lowered",
    LEFT: "left the list",
}

_NO_ALERT: Final = LEVELS[0]


@dataclass(frozen=True)
class Earlier:
    """The lists that were opened before.

    Attributes:
        period: of the last one.
        levels: alerted companies of the last one, with their level.
        ever: companies that had an alert in any of them.
    """

    period: str
    levels: Mapping[str, str]
    ever: frozenset[str]


def earlier(folder: Path, results: Iterable[StoredResult], *, grant: str, purpose: str, period: str) -> Earlier | None:
    """Read the lists of the grant and purpose that are of earlier periods; None without any.

    Args:
        folder: of the node's results.
        results: that the node's state knows; of two of one period the one fetched last counts.
        grant, purpose, period: of the list that is opened now.
    """
    last: dict[str, StoredResult] = {}
    for one in sorted(results, key=lambda result: (result.period, result.fetched)):
        here = (one.grant, one.purpose) == (grant, purpose) and one.period < period
        if here and (folder / one.path / "result.parquet").exists():
            last[one.period] = one
    levels: dict[str, str] = {}
    ever: set[str] = set()
    for one in last.values():
        levels = _alerted(folder / one.path / "result.parquet")
        ever |= levels.keys()
    return Earlier(max(last), levels, frozenset(ever)) if last else None


def with_changes(table: pa.Table, before: Earlier | None) -> pa.Table:
    """Add the column :data:`CHANGE`, and a row for each company that left a list which only holds alerted companies.

    Such a row has no value but the company and the change: the list does not say what became of it.

    Args:
        table: of an opened result, ``siren`` first.
        before: the earlier lists.
    """
    sirens, levels = table.column(SIREN).to_pylist(), table.column("level").to_pylist()
    said = [_change(siren, level, before) for siren, level in zip(sirens, levels, strict=True)]
    place = table.column_names.index("level") + 1
    found = table.add_column(place, pa.field(CHANGE, pa.string()), pa.array(said, pa.string()))
    gone = sorted(set() if before is None else before.levels.keys() - set(sirens))
    if not gone:
        return found
    rows = {name: pa.nulls(len(gone), found.schema.field(name).type) for name in found.column_names}
    rows |= {SIREN: pa.array(gone, pa.string()), CHANGE: pa.array([LEFT] * len(gone), pa.string())}
    return pa.concat_tables([found, pa.table(rows, schema=found.schema)])


def _alerted(path: Path) -> dict[str, str]:
    table = pq.read_table(path, columns=[SIREN, "level"])
    rows = zip(table.column(SIREN).to_pylist(), table.column("level").to_pylist(), strict=True)
    return {siren: level for siren, level in rows if level not in (None, _NO_ALERT)}


def _change(siren: str, level: str | None, before: Earlier | None) -> str | None:
    was = None if before is None else before.levels.get(siren)
    if level in (None, _NO_ALERT):
        return None if was is None else LEFT
    if before is None or siren not in before.ever:
        return FIRST
    rank, old = LEVELS.index(level), LEVELS.index(was or _NO_ALERT)
    return REPEATED if rank == old else RAISED if rank > old else LOWERED
