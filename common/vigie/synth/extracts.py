"""Made-up extracts: the files of each partner, exactly in the form in which the real ones are delivered.

They tell of the same world as :func:`vigie.demo.generate.generate` for the same arguments: read and aggregated by the
rules of ``docs/extracts`` they give its canonical tables, to the cent and the hundredth of an hour.  What the forms
cannot say is left out: a month of headcount that was not delivered has no row, and a debt of nothing has no row either.

Companies are made in blocks and written as they come, so memory does not grow with their number.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from vigie.demo.generate import check_arguments
from vigie.demo.process import BLOCK, World
from vigie.demo.sirens import Sirens
from vigie.errors import ConfigError
from vigie.synth import accounts, debits, diane, labour, layout, register, urssaf
from vigie.synth.block import Block
from vigie.synth.layout import Layout

MOST_LATE: Final = 6
"""Headcounts are up to this many months late."""


@dataclass(frozen=True)
class Options:
    """How the files are delivered.

    Attributes:
        legacy_urssaf: the Urssaf's files as before 2025: without SIRET, and with the table of accounts.
        old_paydex: payment delays in the layout before 2022.
        late_headcount: how many of the last months have no headcount yet, 0 to 6; one month is always delivered.
    """

    legacy_urssaf: bool = False
    old_paydex: bool = False
    late_headcount: int = 2


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: kind → path of the file, for those that have rows.
        rows: kind → rows under the header.
        size: bytes of all files.
    """

    files: Mapping[str, Path]
    rows: Mapping[str, int]
    size: int


def write_extracts(
    folder: Path, *, companies: int, months: int, seed: int, last_month: str = "2021-04", options: Options | None = None
) -> Written:
    """Write the files under ``folder``, one folder for each partner; a file there is replaced when all is done.

    A file that would have no row is not delivered, and an earlier one goes away.

    The same arguments give the same bytes, and the files of more companies begin with those of fewer.

    Args:
        folder: made if needed.
        companies: how many, 1 to 10^8 - 1.
        months: visible months, 1 to 600, the last being ``last_month``.
        seed: any number from 0.
        last_month: ``YYYY-MM``.
        options: how the files are delivered.

    Raises:
        ConfigError: an argument is out of its range.
    """
    options = options or Options()
    last = check_arguments(companies=companies, months=months, seed=seed, last_month=last_month)
    if not 0 <= options.late_headcount <= MOST_LATE:
        raise ConfigError("late_headcount is out of range", hint=f"give 0 to {MOST_LATE}")
    world = World.draw(seed, last - months + 1, months)
    sirens = Sirens(seed)
    with ExitStack() as stack:
        files = {
            one.layout.kind: stack.enter_context(_File(folder / one.layout.folder / one.name, one))
            for one in _plan(world, options)
        }
        for at in range(-(-companies // BLOCK)):
            _write(Block.make(world, sirens, at, min(BLOCK, companies - at * BLOCK)), options, files)
        for file in files.values():
            file.done = True
    made = {kind: file for kind, file in files.items() if file.rows}
    return Written(
        {kind: file.path for kind, file in made.items()},
        {kind: file.rows for kind, file in made.items()},
        sum(file.path.stat().st_size for file in made.values()),
    )


@dataclass(frozen=True)
class _Planned:
    layout: Layout
    name: str
    header: str


def _plan(world: World, options: Options) -> Iterator[_Planned]:
    """The files of a run, with their names and header rows."""
    last = world.first + world.months - 1
    months = layout.effectif_months(world.first, world.months)
    stamp = f"{last // 12:04d}{last % 12 + 1:02d}28"
    wide = {
        "effectif": ";".join([*layout.EFFECTIF.columns[:5], *months, *layout.EFFECTIF.columns[5:]]),
        "effectif_ent": ";".join(["siren", *months, "rais_soc"]),
        "diane": diane.header(diane.last_year(last)),
    }
    for one in layout.LAYOUTS:
        made = layout.PAYDEX_OLD if one is layout.PAYDEX and options.old_paydex else one
        name = made.file.format(stamp=f"{stamp}0730", day=stamp)
        yield _Planned(made, name, wide.get(made.kind) or _header(made, options))
    if options.legacy_urssaf:
        yield _Planned(layout.ADMIN_URSSAF, layout.ADMIN_URSSAF.file, layout.ADMIN_URSSAF.header())


def _header(one: Layout, options: Options) -> str:
    if options.legacy_urssaf and one in layout.LEGACY_HAS_NO_SIRET:
        return one.separator.join(column for column in one.columns if column != "Siret")
    return one.header()


def _write(block: Block, options: Options, files: Mapping[str, "_File"]) -> None:
    """Add the rows of one block to every file."""
    legacy = options.legacy_urssaf
    late = min(options.late_headcount, block.world.months - 1)
    asked, consumed = labour.short_time_work(block)
    rows: dict[str, Callable[[], bytes]] = {
        "cotisation": lambda: urssaf.cotisation(block, legacy=legacy),
        "debit": lambda: debits.debit(block, legacy=legacy),
        "delai": lambda: urssaf.delai(block, legacy=legacy),
        "ccsf": lambda: urssaf.ccsf(block, legacy=legacy),
        "procol": lambda: urssaf.procol(block),
        "effectif": lambda: urssaf.effectif(block, late),
        "effectif_ent": lambda: urssaf.effectif_ent(block, late),
        "admin_urssaf": lambda: urssaf.comptes(block),
        "bdf": lambda: accounts.bdf(block),
        "diane": lambda: diane.diane(block),
        "paydex": lambda: accounts.paydex(block, old=options.old_paydex),
        "pge": lambda: accounts.pge(block),
        "inpi_bce": lambda: accounts.inpi(block),
        "apdemande": lambda: labour.apdemande(block, asked, consumed),
        "apconso": lambda: labour.apconso(block, asked, consumed),
        "sirene": lambda: register.sirene(block),
        "sirene_ul": lambda: register.sirene_ul(block),
        "sirene_histo": lambda: register.sirene_histo(block),
    }
    for kind, file in files.items():
        file.write(rows[kind]())


class _File:
    """A file written beside its place, which it takes only when everything was written."""

    def __init__(self, path: Path, planned: _Planned) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows = 0
        self.done = False
        self._encoding = planned.layout.encoding
        self._partial = path.with_name(f"{path.name}.partial")
        self._file = self._partial.open("wb")
        if self._encoding == "utf-16-le":
            self._file.write("\ufeff".encode(self._encoding))
        self._put(f"{planned.header}{planned.layout.newline}".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self.done and self.rows:
            self._partial.replace(self.path)
            return
        self._partial.unlink()
        if self.done:
            self.path.unlink(missing_ok=True)

    def write(self, rows: bytes) -> None:
        """Append rows, given in UTF-8."""
        self.rows += rows.count(b"\n")
        self._put(rows)

    def _put(self, content: bytes) -> None:
        self._file.write(content if self._encoding == "utf-8" else content.decode().encode(self._encoding))
