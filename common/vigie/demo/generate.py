"""Made-up extracts of three partners, at any size: canonical files that behave like an economy.

The files have the layout of ``tests/data/demo``: ``acoss``, ``banque-de-france`` and ``travail``, one Parquet file per
dataset.  Companies are made in blocks and written as they come, so memory does not grow with their number; the content
depends on the arguments only, never on how it was cut.  No quality of a score may be claimed from it.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vigie.datasets import BUILT_IN, Dataset
from vigie.demo import traces as seen
from vigie.demo.process import BEFORE, BLOCK, Streams, World, simulate
from vigie.demo.sirens import COUNT, Sirens
from vigie.errors import ConfigError

PARTNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "acoss": ("contributions", "debts", "headcount", "payment_plans", "proceedings"),
    "banque-de-france": ("ratios",),
    "travail": ("short_time_work",),
}
"""Which partner delivers which datasets."""

MAX_MONTHS: Final = 600
_BLOCKS_AT_ONCE: Final = 8
_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Summary:
    """What was made.

    Attributes:
        companies: how many companies there are; ``acoss`` knows all of them.
        first_month, last_month: the visible months, ``YYYY-MM``.
        rows: rows per dataset.
        known: companies in the files of each partner.
        failures: companies whose first judgment falls in the visible months.
    """

    companies: int
    first_month: str
    last_month: str
    rows: Mapping[str, int]
    known: Mapping[str, int]
    failures: int


def generate(
    folder: Path,
    *,
    companies: int,
    months: int,
    seed: int,
    last_month: str = "2021-04",
    blocks_at_once: int = _BLOCKS_AT_ONCE,
) -> Summary:
    """Write the canonical files of the three partners under ``folder``; a file there is replaced when all is done.

    The same (companies, months, seed, last_month) give the same content.  With the same first month, more companies or
    more months continue the same world: from 18 months on, the rows that were there stay as they were.

    Args:
        folder: made if needed.
        companies: how many, 1 to 10^8 - 1.
        months: visible months, 1 to 600, the last being ``last_month``.
        seed: any number from 0.
        last_month: ``YYYY-MM``.
        blocks_at_once: blocks of 1024 companies held in memory together; one row group each.

    Raises:
        ConfigError: an argument is out of its range.
    """
    last = check_arguments(companies=companies, months=months, seed=seed, last_month=last_month)
    _check("blocks_at_once", blocks_at_once, 1, 1024)
    world = World.draw(seed, last - months + 1, months)
    sirens = Sirens(seed)
    made_here = {name for names in PARTNERS.values() for name in names}
    rows = {name: 0 for name in BUILT_IN if name in made_here}
    known = dict.fromkeys(PARTNERS, 0)
    failures = 0
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(_Replaced(folder / partner / f"{name}.parquet", BUILT_IN[name]))
            for partner, names in PARTNERS.items()
            for name in names
        }
        for group in _groups(companies, blocks_at_once):
            made = [_block(world, sirens, at, min(BLOCK, companies - at * BLOCK)) for at in group]
            for name, file in files.items():
                table = pa.concat_tables([block.tables[name] for block in made])
                file.write(table)
                rows[name] += table.num_rows
            for block in made:
                failures += block.failures
                for partner in PARTNERS:
                    known[partner] += block.known[partner]
        for file in files.values():
            file.done = True
    return Summary(companies, _month_text(world.first), last_month, rows, known, failures)


def check_arguments(*, companies: int, months: int, seed: int, last_month: str) -> int:
    """The last month as year x 12 + month - 1, when a world can be made of these.

    Raises:
        ConfigError: an argument is out of its range.
    """
    last = _month_number(last_month)
    _check("companies", companies, 1, COUNT)
    _check("months", months, 1, MAX_MONTHS)
    _check("seed", seed, 0, 2**63 - 1)
    return last


@dataclass(frozen=True)
class _Block:
    tables: Mapping[str, pa.Table]
    known: Mapping[str, int]
    failures: int


def _block(world: World, sirens: Sirens, at: int, count: int) -> _Block:
    """The tables of the first ``count`` companies of block ``at``."""
    streams = Streams(world.seed, at)
    companies = simulate(world, streams)
    traces = seen.observe(world, companies, streams)
    parts = {
        "contributions": seen.contributions(world, traces, streams),
        "debts": seen.debts(world, traces, streams),
        "headcount": seen.headcount(world, companies, traces, streams),
        "payment_plans": seen.payment_plans(world, traces, streams),
        "proceedings": seen.proceedings(world, companies, streams),
        "ratios": seen.ratios(world, companies, traces, streams),
        "short_time_work": seen.short_time_work(world, companies, traces, streams),
    }
    names = pa.array([f"{siren:09d}" for siren in sirens.take(at * BLOCK, count)], pa.string())
    fails = companies.fails[:count]
    return _Block(
        tables={name: _table(BUILT_IN[name], names, rows, count) for name, rows in parts.items()},
        known={
            partner: len(np.unique(np.concatenate([parts[name][0][parts[name][0] < count] for name in datasets])))
            for partner, datasets in PARTNERS.items()
        },
        failures=int(np.count_nonzero((fails >= BEFORE) & (fails < BEFORE + world.months))),
    )


def _table(dataset: Dataset, names: pa.Array, rows: seen.Rows, count: int) -> pa.Table:
    """Arrow table of the file schema, of the first ``count`` companies."""
    company, columns = rows
    kept = company < count
    schema = dataset.file_schema()
    cells = [names.take(pa.array(company[kept]))]
    for field, column in zip(list(schema)[1:], columns, strict=True):
        values, null = np.ma.getdata(column)[kept], np.ma.getmaskarray(column)[kept]
        if field.type == pa.date32():
            cells.append(pa.array(values.astype(np.int32)).cast(field.type))
        elif field.type == pa.string():
            cells.append(pa.array(values.tolist(), field.type))
        else:
            cells.append(pa.array(values, field.type, mask=null))
    return pa.table(cells, schema=schema)


class _Replaced:
    """A Parquet file written beside its place, which it takes only when everything was written."""

    def __init__(self, path: Path, dataset: Dataset) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.done = False
        self._path = path
        self._partial = path.with_suffix(".partial")
        self._writer = pq.ParquetWriter(self._partial, dataset.file_schema(), compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        if self.done:
            self._partial.replace(self._path)
        else:
            self._partial.unlink()

    def write(self, table: pa.Table) -> None:
        """Append one row group."""
        self._writer.write_table(table)


def _groups(companies: int, blocks_at_once: int) -> Iterator[range]:
    blocks = -(-companies // BLOCK)
    for start in range(0, blocks, blocks_at_once):
        yield range(start, min(start + blocks_at_once, blocks))


def _month_number(text: str) -> int:
    found = _MONTH.fullmatch(text)
    if found is None or not 1970 <= int(found[1]) <= 2200:
        raise ConfigError(f"{text[:20]!r} is not a month", hint="write it YYYY-MM, between 1970-01 and 2200-12")
    return int(found[1]) * 12 + int(found[2]) - 1


def _month_text(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def _check(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is out of range", hint=f"give {low} to {high}")
