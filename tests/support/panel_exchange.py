"""A panel of companies through a whole exchange: three partners, a hub, one order for each fold.

Each partner has one declared dataset; the Banque de France has one more for each fold, whose only column is the outcome,
empty for the rows that the fold is to score. Each fold is a purpose with that column as its target.
"""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from support.exchange import Exchange
from support.panels import LABELS, Panel
from vigie.convention.declaring import dataset_text, declaration, identifiers
from vigie.convention.writing import value_text
from vigie.datasets import SIREN
from vigie.demo.story import HUB, PARTNERS
from vigie_node.state import NodeState

PERIOD = "2021-04"
MONTH = date(2021, 4, 1)
OUTCOME_OWNER = "banque-de-france"


@dataclass
class PanelExchange(Exchange):
    """An exchange about a panel.

    Attributes:
        panel: what the partners have together.
        folds: the folds that are to be scored.
    """

    panel: Panel = field(kw_only=True)
    folds: Sequence[int] = field(kw_only=True)

    @classmethod
    def of(cls, panel: Panel, folds: Sequence[int], folder: Path, enclave: Path) -> Self:
        """An exchange in a new folder."""
        folder.mkdir(parents=True)
        (folder / "temporary").mkdir()
        return cls(
            folder, folder / "data", lambda _: None, lambda _: None, enclave, {"buckets": "8"},
            population=len(panel.sirens), panel=panel, folds=folds,
        )  # fmt: skip

    # -- the convention ----------------------------------------------------------------------------------------------

    def terms(self, population: int) -> str:
        """The demonstration's terms with the panel's datasets, and one purpose for each fold."""
        text = super().terms(population)
        made = tomllib.loads(text)
        kept = [
            part for part in _sections(text) if not part.startswith(("[[dataset", "[[purpose", "[[grant", "[[declass"))
        ]
        datasets = [*map(self.declared, LABELS), *map(_outcome_dataset, self.folds)]
        assert made["convention"]["id"]
        return "\n".join([*kept, *map(dataset_text, datasets), *self._purposes()])

    def declared(self, partner: str) -> dict[str, Any]:
        """The dataset of a partner, from the header of its table."""
        table = self.table(partner)
        places = {self.panel.columns[place]: place + 1 for place in self.panel.places(partner)}
        return declaration(
            table.drop_columns([SIREN, "month"]).schema, name=dataset_of(partner), owner=partner,
            labels=[LABELS[partner]], unit="as published", positions=places,
        )  # fmt: skip

    def _purposes(self) -> Iterator[str]:
        for fold in self.folds:
            yield _lines(
                "[[purpose]]", name=f"fold-{fold}", title=f"Fold {fold} of {self.panel.name}",
                datasets=[*map(dataset_of, LABELS), f"outcome_{fold}"], required=list(LABELS),
                perimeter=OUTCOME_OWNER, target=f"outcome_{fold}.label", outputs=["score"], horizon=12,
            )  # fmt: skip
            for partner, label in LABELS.items():
                yield _lines(
                    "[[grant]]", name=f"fold-{fold}-{partner}", recipient=partner, purpose=f"fold-{fold}", rows="all",
                    columns=["score"], labels=[label],
                )  # fmt: skip
            yield _lines("[[declassification]]", purpose=f"fold-{fold}", output="score")

    # -- the files ---------------------------------------------------------------------------------------------------

    def table(self, partner: str) -> pa.Table:
        """A partner's table, named as in the file, one row for each company that it knows."""
        there = np.flatnonzero(self.panel.present[partner])
        columns: dict[str, Any] = {
            SIREN: pa.array([self.panel.sirens[row] for row in there.tolist()]),
            "month": pa.array([MONTH] * len(there), pa.date32()),
        }
        for place in self.panel.places(partner):
            values = pa.array(self.panel.values[there, place], pa.float64(), from_pandas=True)
            whole = self.panel.whole[place]
            columns[self.panel.columns[place]] = values.cast(pa.int32()) if whole else values
        return pa.table(columns)

    def outcomes(self, fold: int) -> pa.Table:
        """The outcomes of the companies of all other folds; those of the fold have an empty cell."""
        label = pa.array(self.panel.outcome, pa.int64(), mask=self.panel.fold == fold)
        month = pa.array([MONTH] * len(label), pa.date32())
        return pa.table({SIREN: pa.array(self.panel.sirens), "month": month, "label": label})

    def write(self, partner: str, name: str, table: pa.Table) -> Path:
        """Write a canonical file of a partner, its columns named as the convention names them."""
        folder = self.data / partner
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        pq.write_table(table, path)
        return path

    def renamed(self, partner: str, table: pa.Table) -> pa.Table:
        """A table with the names that the convention gives its columns."""
        names = [self.panel.columns[place] for place in self.panel.places(partner)]
        new = dict(zip(names, identifiers(names, ["month"]), strict=True))
        return table.rename_columns([new.get(name, name) for name in table.column_names])

    def deliver(self, seed: int = 3) -> None:
        """Have every partner send its files: the rows of each in an order of its own, of one also the columns."""
        random = np.random.default_rng(seed)
        for partner in PARTNERS:
            table = self.renamed(partner, self.table(partner))
            table = table.take(pa.array(random.permutation(table.num_rows)))
            if partner == "travail":
                table = table.select(random.permutation(table.column_names).tolist())
            self.write(partner, f"{dataset_of(partner)}.parquet", table)
        for fold in self.folds:
            table = self.outcomes(fold)
            self.write(
                OUTCOME_OWNER, f"outcome_{fold}.parquet", table.take(pa.array(random.permutation(table.num_rows)))
            )
        for partner in PARTNERS:
            self.send(partner, PERIOD)

    # -- the scores --------------------------------------------------------------------------------------------------

    def score(self, fold: int) -> None:
        """Order the consolidation of a fold and wait for its run."""
        self.run(
            [
                "vigie-hub", "consolidate", "--folder", str(self.hub), "--purpose", f"fold-{fold}", "--period", PERIOD,
                "--json",
            ],
            HUB,
        )  # fmt: skip

    def scores(self, fold: int, partners: Sequence[str]) -> dict[str, float]:
        """SIREN → score, of the lists of these partners, as their nodes export them.

        Raises:
            AssertionError: two lists say different things of one company.
        """
        found: dict[str, float] = {}
        for partner in partners:
            target = self.folder / "results" / f"{partner}-{fold}.parquet"
            self.run(
                [
                    "vigie-node", "results", "export", "--folder", str(self.node(partner)), "--format", "parquet",
                    "--grant", f"fold-{fold}-{partner}", "--output", str(target),
                ]
            )  # fmt: skip
            table = pq.read_table(target, columns=[SIREN, "score"])
            mine = dict(zip(table.column(SIREN).to_pylist(), table.column("score").to_pylist(), strict=True))
            assert all(found.get(siren, score) == score for siren, score in mine.items())
            found |= mine
        return found

    def fetch(self, partners: Sequence[str]) -> None:
        """Have partners fetch the results that wait."""
        for partner in partners:
            self.run(["vigie-node", "results", "fetch", "--folder", str(self.node(partner))], partner)

    def lots(self, partner: str) -> dict[str, bytes]:
        """A partner's lots: dataset → lot."""
        state = NodeState.open(self.node(partner) / "state.sqlite")
        try:
            return {lot.body.dataset: lot.body.lot for lot in state.lots()}
        finally:
            state.close()


def compared(
    exchange: PanelExchange, fold: int, partners: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Of the rows of a fold, in the table's order: the exchange's scores, one process's, and who is known to a partner.

    A company that none of the partners knows anything about is in nobody's list: its score is NaN.
    """
    panel = exchange.panel
    rows = np.flatnonzero(panel.fold == fold)
    said = exchange.scores(fold, partners)
    assert set(said) <= {panel.sirens[row] for row in rows.tolist()}
    found = np.array([said.get(panel.sirens[row], np.nan) for row in rows.tolist()], np.float64)
    # Who says nothing of a company is not told of it (docs/spec/result.md).
    known = np.zeros(len(rows), np.bool_)
    for partner in partners:
        known |= ~np.isnan(panel.values[np.ix_(rows, np.array(panel.places(partner)))]).all(axis=1)
    return found, panel.reference(fold), known


def dataset_of(partner: str) -> str:
    """Name of a partner's dataset."""
    return f"panel_{LABELS[partner]}"


def _outcome_dataset(fold: int) -> dict[str, Any]:
    schema = pa.schema([pa.field("label", pa.int64())])
    return declaration(schema, name=f"outcome_{fold}", owner=OUTCOME_OWNER, labels=["bdf"], unit="0 or 1")


def _lines(header: str, **settings: Any) -> str:
    return "\n".join([header, *(f"{key} = {value_text(value)}" for key, value in settings.items()), ""])


def _sections(text: str) -> list[str]:
    """The text cut before each header."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("["):
            parts.append([])
        parts[-1].append(line)
    return ["\n".join(part) + "\n" for part in parts if part]
