"""A delivery: what an operator hands over, files of any kind, and the canonical datasets that come of it.

Files that have a dataset's own shape are taken as they are; extracts as the partners deliver them are recognised, read,
and put together. The rules it keeps:

* nothing is guessed that matters: two files of one dataset, or a type said to be complete without a file, are errors;
* the reports of extracts come first, then those of the datasets made of them, which is what will be sent;
* everything lies in a scratch folder that goes away with the delivery.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from vigie.datasets import Dataset
from vigie.errors import ExtractError, InputError
from vigie_node.canonicalise import canonicalise
from vigie_node.extracts.canonical import FORMATS, Checked, check, dataset_name
from vigie_node.extracts.gathering import by_kind, sources_of
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import Source
from vigie_node.extracts.workspace import Workspace
from vigie_node.quality import Report

ACCOUNTS: Final = "admin_urssaf"
"""Read before the others: older layouts look their accounts up in it."""
FILTER: Final = "filter"
"""Read before the others: rows of companies outside it are skipped."""

Progress = Callable[[str], None]
"""Told what is read now."""


@dataclass(frozen=True)
class Asked:
    """What the operator says of the files.

    Attributes:
        month: the month that they are for, its first day.
        kind: type of all extracts among them, when it is said and not to be recognised.
        dataset: dataset of all files, which are canonical ones then.
        complete: types of which a file must be there, because it stands for the whole history.
        query: for the databases among the files.
        standard_input: what ``-`` stands for.
        environment: variables for addresses of databases.
        memory: most memory of the scratch database, as DuckDB writes it.
    """

    month: date
    kind: str | None = None
    dataset: str | None = None
    complete: tuple[str, ...] = ()
    query: str = ""
    standard_input: BinaryIO | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: str = "1GB"


@dataclass
class Delivery:
    """Datasets ready to be sent, and the reports about them; close it when the rows are no longer needed.

    Attributes:
        checked: the datasets that the convention names.
        unnamed: datasets that were made as well and that nothing names: they stay where they are.
        extracts: a report for each type of extract.
    """

    checked: list[Checked] = field(default_factory=list)
    unnamed: list[Checked] = field(default_factory=list)
    extracts: list[Report] = field(default_factory=list)
    _opened: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def take(
        cls,
        files: Sequence[str],
        known: Mapping[str, Dataset],
        asked: Asked,
        *,
        scratch: Path | None = None,
        progress: Progress = lambda _: None,
    ) -> "Delivery":
        """Read and judge files.

        Args:
            files: paths of files and folders, ``-`` for standard input, addresses of databases.
            known: datasets by name: those of the convention, or the built-in ones.
            asked: what the operator says.
            scratch: folder for the scratch database; the system's when not given.
            progress: told what is read now.

        Raises:
            ExtractError: a file as a whole cannot be used, or a type said to be complete has none.
            InputError: two files are of the same dataset.
        """
        delivery = cls()
        try:
            delivery._read(files, known, asked, scratch, progress)
        except BaseException:
            delivery.close()
            raise
        return delivery

    @property
    def reports(self) -> list[Report]:
        """All reports, extracts first."""
        return [*self.extracts, *(one.report for one in self.checked)]

    def close(self) -> None:
        """Forget the rows; may be called again."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(
        self,
        files: Sequence[str],
        known: Mapping[str, Dataset],
        asked: Asked,
        scratch: Path | None,
        progress: Progress,
    ) -> None:
        extracts: list[str] = []
        for file in files:
            if dataset := _canonical(Path(file), known, asked):
                progress(Path(file).name)
                one = check(Path(file), dataset)
                self._opened.callback(one.connection.close)
                self.checked.append(one)
            else:
                extracts.append(file)
        sources = sources_of(
            extracts, query=asked.query, standard_input=asked.standard_input, environment=asked.environment
        )
        given = _by_kind(sources, known, asked)
        for kind in asked.complete:
            if kind not in given:
                raise ExtractError(
                    f"{kind} is said to be complete, but no file of it was given",
                    hint="a complete type without a file would wipe its history: give the file, or take --complete away",
                )
        if given:
            self._read_extracts(given, known, asked, scratch, progress)
        names = [one.dataset.name for one in self.checked]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(
                f"two files are of the same dataset, {twice}", hint="a lot holds one dataset: send one file of each"
            )

    def _read_extracts(
        self,
        given: Mapping[str, list[Source]],
        known: Mapping[str, Dataset],
        asked: Asked,
        scratch: Path | None,
        progress: Progress,
    ) -> None:
        workspace = self._opened.enter_context(Workspace(scratch, memory=asked.memory))
        readings: dict[str, Reading] = {}
        for kind in sorted(given, key=lambda name: (name not in (ACCOUNTS, FILTER), list(KINDS).index(name))):
            progress(", ".join(source.name for source in given[kind]))
            perimeter = f'"{FILTER}"' if FILTER in readings and KINDS[kind].within_perimeter else ""
            readings[kind] = read(KINDS[kind], given[kind], workspace, perimeter=perimeter)
            self.extracts.append(Report.of_reading(readings[kind]))
        for one in canonicalise(workspace, readings, asked.month):
            (self.checked if known.get(one.dataset.name) == one.dataset else self.unnamed).append(one)


def definition(name: str, known: Mapping[str, Dataset], path: Path) -> Dataset:
    """Return the dataset of that name.

    Raises:
        ExtractError: there is none.
    """
    found = known.get(name)
    if found is None:
        raise ExtractError(
            f"{path.name}: there is no dataset called {name[:63]!r}",
            hint=f"name the file after its dataset, or give --dataset; datasets are {', '.join(known)}",
        )
    return found


def _canonical(path: Path, known: Mapping[str, Dataset], asked: Asked) -> Dataset | None:
    """The dataset that a file holds in its own shape, or None when it is to be read as an extract."""
    if asked.dataset is not None:
        return definition(asked.dataset, known, path)
    if asked.kind is not None or path.suffix not in FORMATS or not path.is_file():
        return None
    return known.get(dataset_name(path))


def _by_kind(sources: Sequence[Source], known: Mapping[str, Dataset], asked: Asked) -> dict[str, list[Source]]:
    if asked.kind is not None:
        if asked.kind not in KINDS:
            raise ExtractError(
                f"there is no type of extract called {asked.kind[:40]!r}", hint=f"types are {', '.join(KINDS)}"
            )
        return {asked.kind: list(sources)} if sources else {}
    try:
        return by_kind(sources)
    except ExtractError as error:
        if len(sources) != 1 or Path(sources[0].name).suffix not in FORMATS or "any known type" not in error.message:
            raise
        name = dataset_name(Path(sources[0].name))
        raise ExtractError(
            f"{sources[0].name}: there is no dataset called {name[:63]!r}, and its columns are of no type of extract",
            hint=f"name a canonical file after its dataset ({', '.join(known)}), or say the type with --type",
        ) from error
