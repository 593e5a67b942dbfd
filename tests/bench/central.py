"""The same consolidation in one process on clear files: the yardstick of the bench, and of the equality tests.

Reads the partners' canonical Parquet files with DuckDB, joins on SIREN, and runs the features, training, scoring and
explanation that the enclave runs, with the same settings. Nothing is pseudonymised, sealed, sent or checked.

    python tests/bench/central.py FOLDER 2021-04
"""

import json
import resource
import sys
import time
from collections import deque
from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa

from vigie.datasets import BUILT_IN, SIREN, ColumnType, Dataset
from vigie_hub.enclave.features import Catalogue, Group, catalogue_of, compute, connect, place_in_sectors
from vigie_hub.enclave.model import Panel, PanelBuilder, Scores, train_and_score
from vigie_hub.enclave.months import parse_month

HORIZON = 18
COMPANIES_AT_ONCE = 4000


def load(path: Path, definition: Dataset) -> pa.Table:
    """Read a canonical file, sorted by SIREN, with categories as indices as on the wire."""
    columns = [SIREN]
    for column in definition.columns:
        if column.type is ColumnType.CATEGORY:
            listed = ", ".join(f"'{category}'" for category in column.categories)
            columns.append(f'(list_position([{listed}], "{column.name}") - 1)::SMALLINT AS "{column.name}"')
        else:
            columns.append(f'"{column.name}"')
    order = ", ".join((SIREN, *(f'"{name}"' for name in definition.names)))
    query = f"SELECT DISTINCT {', '.join(columns)} FROM read_parquet('{path}') ORDER BY {order}"
    table = duckdb.connect(config={"threads": 2}).sql(query).to_arrow_table()
    wire = definition.wire_schema()
    return table.cast(pa.schema([pa.field(SIREN, pa.string(), nullable=False), *list(wire)[1:]]))


def centralised(
    data: Path, period: str, *, target: str = "failure-or-default", owner: str = "acoss"
) -> tuple[Scores, tuple[int, ...]]:
    """Score every company of the owner's files at a period; return the scores and the shape of the training matrix.

    Args:
        data: folder with one folder of canonical files for each partner.
        period: month of the scores, YYYY-MM.
        target: as in a purpose of the convention.
        owner: the partner that decides which companies are looked at.
    """
    panel, catalogue = panel_of(data, period, target=target, owner=owner)
    return train_and_score(panel, catalogue), panel.values.shape


def panel_of(
    data: Path,
    period: str,
    *,
    target: str = "failure-or-default",
    owner: str = "acoss",
    without: Collection[str] = (),
    at_once: int = COMPANIES_AT_ONCE,
) -> tuple[Panel, Catalogue]:
    """The labelled rows and the companies to score, and the features that their columns are.

    Args:
        data: folder with one folder of canonical files for each partner.
        period: month of the scores, YYYY-MM.
        target: as in a purpose of the convention.
        owner: the partner that decides which companies are looked at.
        without: partners whose files are left out; their features stay in place, empty.
        at_once: how many companies are computed together.
    """
    paths = sorted(data.glob("*/*.parquet"))
    tables = {path.stem: load(path, BUILT_IN[path.stem]) for path in paths if path.parent.name not in without}
    own = {path.stem for path in (data / owner).glob("*.parquet")}
    catalogue = catalogue_of(
        definition for name, definition in BUILT_IN.items() if name in {path.stem for path in paths}
    )
    month = parse_month(period)
    builder = PanelBuilder(target=target, horizon=HORIZON, period=month)
    sirens = duckdb.connect().execute(
        "SELECT DISTINCT siren FROM read_parquet(?) ORDER BY 1", [[str(data / owner / f"{name}.parquet") for name in own]]
    ).fetchall()  # fmt: skip
    connection = connect()
    made: deque[Group] = deque()
    for start in range(0, len(sirens), at_once):
        low, high = sirens[start][0], sirens[min(start + at_once, len(sirens)) - 1][0]
        part = {name: between(table, low, high) for name, table in tables.items()}
        made.append(
            compute(
                connection,
                part,
                perimeter={name: part[name] for name in own},
                catalogue=catalogue,
                period=month,
                last_training=month - HORIZON,
                key=SIREN,
            )
        )
    place_in_sectors(made, catalogue)
    while made:
        builder.add(made.popleft())
    return builder.build(), catalogue


def between(table: pa.Table, low: str, high: str) -> pa.Table:
    """Return the rows whose SIREN lies between two, of a table sorted by SIREN."""
    column = table.column(SIREN)
    first = _place(column, low, after=False)
    return table.slice(first, _place(column, high, after=True) - first)


def _place(column: pa.ChunkedArray, siren: str, *, after: bool) -> int:
    low, high = 0, len(column)
    while low < high:
        middle = (low + high) // 2
        value = column[middle].as_py()
        if value < siren or (after and value == siren):
            low = middle + 1
        else:
            high = middle
    return low


def main() -> None:
    """Run once and print what it took."""
    began = time.perf_counter()
    scores, shape = centralised(Path(sys.argv[1]), sys.argv[2])
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "companies": len(scores.keys), "matrix": shape}))


if __name__ == "__main__":
    main()
