"""A panel that Vigie has never heard of, declared in the convention by its columns alone and cut among three partners.

The reference is plain LightGBM on the joined matrix, written here without a line of the enclave's code: the settings are
repeated on purpose. Scores must agree in every bit, with gaps, with a company that a partner does not know, and with values
from 1e-9 to 1e10 beside one another.
"""

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from support.enclave_story import Outcome, Story, pseudonym_of
from support.panel import table
from support.world import World
from vigie.datasets import BUILT_IN, PSEUDONYM, Dataset

COLUMNS = {"acoss": ("x3", "x1"), "travail": ("x2",), "banque-de-france": ("x5", "x4", "x6")}
ORDER = ("x3", "x1", "x2", "x5", "x4", "x6")
"""Of the purpose's datasets, and in each of its schema; not that of the names."""
LABELS = {"acoss": "urssaf", "travail": "dgefp", "banque-de-france": "bdf"}
TRAINED, SCORED = "2018-12", "2020-12"
SETTINGS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "max_bin": 255,
    "deterministic": True, "force_row_wise": True, "seed": 0, "num_threads": 2, "verbose": -1,
}  # fmt: skip


def dataset_name(partner: str) -> str:
    return f"panel_{LABELS[partner]}"


def declaration(partner: str) -> dict[str, Any]:
    columns = [{"name": "month", "type": "month", "unit": "month", "label": []}]
    columns += [{"name": name, "type": "number", "unit": "EUR", "label": LABELS[partner]} for name in COLUMNS[partner]]
    return {
        "name": dataset_name(partner), "schema": 1, "owners": [partner], "maximum_rejected": 0.0,
        "minimum_level": "A1", "grain": "year", "time": "month", "column": columns,
    }  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    built_in = {
        "name": "proceedings", "schema": 1, "owners": ["acoss"], "maximum_rejected": 0.0, "minimum_level": "A1",
    }  # fmt: skip
    overrides = {
        "pseudonyms.buckets": 8,
        "dataset": [built_in, *map(declaration, COLUMNS)],
        "purpose.early-warning.datasets": ["proceedings", *map(dataset_name, COLUMNS)],
        "purpose.early-warning.target": "failure",
    }
    return World.create(tmp_path_factory.mktemp("world"), overrides=overrides)


class Panel:
    """Companies of a made-up panel: trained on at one year's end, scored two years later."""

    def __init__(self, companies: int = 700) -> None:
        random = np.random.default_rng(5)
        self.sirens = [f"{number:09d}" for number in random.permutation(10**6)[:companies]]
        self.values = {month: self._values(random, companies) for month in (TRAINED, SCORED)}
        risk = np.nan_to_num(self.values[TRAINED]["x1"]) - np.nan_to_num(self.values[TRAINED]["x4"])
        self.failed = risk + random.normal(size=companies) > 1.5
        self.unknown = {partner: random.random(companies) < 0.2 for partner in ("travail", "banque-de-france")}

    @staticmethod
    def _values(random: np.random.Generator, companies: int) -> dict[str, npt.NDArray[np.float64]]:
        values = {name: random.normal(size=companies) for name in ORDER}
        values["x2"] *= 1e10
        values["x6"] *= 1e-9
        for column in values.values():
            column[random.random(companies) < 0.1] = np.nan
        return values

    def rows(self, partner: str) -> list[tuple[Any, ...]]:
        unknown = self.unknown.get(partner, np.zeros(len(self.sirens), np.bool_))
        return [
            (siren, month, *(None if np.isnan(value) else value for value in cells))
            for month, columns in self.values.items()
            for siren, missing, cells in zip(
                self.sirens, unknown, zip(*(columns[name].tolist() for name in COLUMNS[partner]), strict=True),
                strict=True,
            )
            if not missing
        ]  # fmt: skip

    def tables(self, definitions: dict[str, Dataset]) -> dict[str, dict[str, pa.Table]]:
        cut = {name: {dataset_name(name): table(definitions[dataset_name(name)], self.rows(name))} for name in COLUMNS}
        judged = [
            (siren, "2019-07-01", "liquidation", "opening")
            for siren, failed in zip(self.sirens, self.failed, strict=True)
            if failed
        ]
        return {**cut, "acoss": {"proceedings": table(BUILT_IN["proceedings"], judged), **cut["acoss"]}}

    def matrix(self, month: str, away: tuple[str, ...] = ()) -> npt.NDArray[np.float64]:
        """Joined and in canonical order of columns, companies by SIREN, unknown as NaN."""
        columns = []
        for partner, names in COLUMNS.items():
            for name in names:
                column = self.values[month][name].copy()
                column[self.unknown.get(partner, np.zeros(len(column), np.bool_)) | (partner in away)] = np.nan
                columns.append(column)
        return np.column_stack(columns)[np.argsort(self.sirens)]

    @cache  # noqa: B019 -- one panel in the whole module
    def reference(self, away: tuple[str, ...] = ()) -> dict[bytes, float]:
        labels = self.failed[np.argsort(self.sirens)].astype(np.float64)
        settings = {**SETTINGS, "bin_construct_sample_cnt": len(labels)}
        booster = lightgbm.train(
            settings, lightgbm.Dataset(self.matrix(TRAINED, away), labels, params=settings), num_boost_round=300
        )
        scores = np.asarray(booster.predict(self.matrix(SCORED, away)))
        return dict(zip(map(pseudonym_of, sorted(self.sirens)), scores.tolist(), strict=True))


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel()


@pytest.fixture
def story(world: World, panel: Panel) -> Story:
    definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
    return Story(world, panel.tables(definitions), SCORED)


def scores_of(outcome: Outcome, world: World) -> dict[bytes, float]:
    found = outcome.opened(world, "acoss-list")[0]
    return dict(zip(found.column(PSEUDONYM).to_pylist(), found.column("score").to_pylist(), strict=True))


def test_the_reference_is_worth_agreeing_with(panel: Panel) -> None:
    assert 0.05 < panel.failed.mean() < 0.5
    assert len(set(panel.reference().values())) > 500


def test_federated_equals_plain_lightgbm(story: Story, world: World, panel: Panel) -> None:
    outcome = story.in_process()
    assert outcome.body.model_card["features"] == [
        f"{dataset_name(partner)}.{name}" for partner, names in COLUMNS.items() for name in names
    ]
    assert scores_of(outcome, world) == panel.reference()


def test_without_a_partner_it_equals_the_table_with_those_cells_blank(story: Story, world: World, panel: Panel) -> None:
    # With one other owner left the score is withheld, so a grant that holds every label looks.
    world.amend({"grant.acoss-list.labels": ["urssaf", "bdf", "dgefp"]})
    story.silent = ["travail"]
    outcome = story.in_process()
    assert outcome.body.model_card["missing_partners"] == ["travail"]
    assert scores_of(outcome, world) == panel.reference(("travail",))
    assert panel.reference(("travail",)) != panel.reference()
