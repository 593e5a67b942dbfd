"""A column of a declared dataset as the target: who is trained on, who is scored, and the plain table that it equals.

The reference is pandas: the partners' tables joined on the SIREN, in the convention's order of columns, sorted by key, and
plain LightGBM on it, without a line of the enclave's code. Matrices and scores must agree in every bit.
"""

from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest

from support.enclave_story import EnclaveFailed, Outcome, Story, pseudonym_of
from support.panel import group, same_bits, table
from support.world import World
from vigie.convention.words import describe
from vigie.datasets import BUILT_IN, PSEUDONYM, SIREN, Column, ColumnType, Dataset
from vigie.errors import MalformedConvention, Refused
from vigie_hub.enclave.features import catalogue_of
from vigie_hub.enclave.model import PanelBuilder, train_and_score
from vigie_hub.enclave.model.target import outcomes
from vigie_hub.enclave.months import month_text, parse_month

A, B, C = "000000001", "500000002", "900000003"
PERIOD = "2020-12"
LABELS = {"acoss": "urssaf", "travail": "dgefp", "banque-de-france": "bdf"}
WIDTHS = {"acoss": 36, "travail": 24, "banque-de-france": 35}
TARGET = "panel_bdf.failed"
SETTINGS = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "max_bin": 255,
    "deterministic": True, "force_row_wise": True, "seed": 0, "num_threads": 2, "verbose": -1,
}  # fmt: skip


def dataset_name(partner: str) -> str:
    return f"panel_{LABELS[partner]}"


def names_of(partner: str) -> list[str]:
    """Columns of a partner, whose order is not that of their names."""
    return [f"{LABELS[partner]}_{number * 11 % WIDTHS[partner]:02d}" for number in range(WIDTHS[partner])]


def declared(partner: str, grain: Any = "year") -> Dataset:
    columns = [Column("month", ColumnType.MONTH, "month", frozenset())]
    columns += [Column(name, ColumnType.NUMBER, "EUR", frozenset({LABELS[partner]})) for name in names_of(partner)]
    if partner == "banque-de-france":
        columns.insert(5, Column("failed", ColumnType.INTEGER, "0 or 1", frozenset({"bdf"})))
    return Dataset.declared(dataset_name(partner), 1, grain, "month", columns)


DATASETS = {partner: declared(partner) for partner in LABELS}
CATALOGUE = catalogue_of(DATASETS.values(), TARGET)


class Table:
    """A table of companies without a time, as a study has it: one row each, some labelled, some to be scored."""

    def __init__(self, companies: int = 500, month: str = "2018-12") -> None:
        random = np.random.default_rng(11)
        self.month = month
        self.sirens = [f"{number:09d}" for number in random.permutation(10**6)[:companies]]
        names = [name for partner in LABELS for name in names_of(partner)]
        values = random.normal(size=(companies, len(names)))
        values[:, 3::11] *= 1e10
        values[:, 5::13] *= 1e-9
        values[random.random(values.shape) < 0.15] = np.nan
        self.frame = pd.DataFrame(values, columns=names, index=self.sirens)
        risk = np.nan_to_num(values[:, 0]) - np.nan_to_num(values[:, 40]) + random.normal(size=companies)
        self.frame["failed"] = np.where(random.random(companies) < 0.25, np.nan, (risk > 1.2).astype(float))
        for partner in ("acoss", "travail"):
            self.frame.loc[random.random(companies) < 0.2, names_of(partner)] = np.nan
        self.random = random

    def tables(self) -> dict[str, pa.Table]:
        """Cut among the partners; who has nothing of a company has no row; rows in an order of their own."""
        cut = {}
        for partner, definition in DATASETS.items():
            columns = list(definition.names[1:])
            rows = [
                (siren, self.month, *(None if value != value else value for value in row))  # noqa: PLR0124 - NaN
                for siren, row in zip(self.sirens, self.frame[columns].to_numpy().tolist(), strict=True)
                if partner == "banque-de-france" or any(value == value for value in row)  # noqa: PLR0124
            ]
            made = table(definition, rows)
            cut[dataset_name(partner)] = made.take(pa.array(self.random.permutation(made.num_rows)))
        return cut

    def plain(self) -> pd.DataFrame:
        """The joined table, sorted by SIREN, columns in the order of the convention."""
        return self.frame.sort_index()[[*(name.partition(".")[2] for name in CATALOGUE.names), "failed"]]

    def reference(self) -> tuple[lightgbm.Booster, dict[str, float]]:
        """Plain LightGBM on the labelled rows, and its scores of the others."""
        known = self.plain()[lambda frame: frame["failed"].notna()]
        data = lightgbm.Dataset(known.drop(columns="failed").to_numpy(), known["failed"].to_numpy())
        booster = lightgbm.train({**SETTINGS, "bin_construct_sample_cnt": len(known)}, data, num_boost_round=300)
        asked = self.plain()[lambda frame: frame["failed"].isna()]
        scores = np.asarray(booster.predict(asked.drop(columns="failed").to_numpy()))
        return booster, dict(zip(asked.index, scores.tolist(), strict=True))


@pytest.fixture(scope="module")
def study() -> Table:
    return Table()


def bits(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """As the enclave has it: one NaN."""
    values: npt.NDArray[np.float64] = frame.drop(columns="failed").to_numpy(np.float64, copy=True)
    values[np.isnan(values)] = np.nan
    return values


def test_the_matrix_is_the_plain_table_bit_for_bit(study: Table) -> None:
    found = group(study.tables(), PERIOD, catalogue=CATALOGUE, perimeter=["panel_bdf"])
    plain = study.plain()
    known = plain["failed"].notna().to_numpy()
    assert found.candidates.shape[1] == 95
    assert found.keys.to_pylist() == plain.index.tolist()
    assert same_bits(found.candidates, bits(plain[known]))
    assert found.company.tolist() == np.flatnonzero(known).tolist()
    assert set(found.month.tolist()) == {parse_month("2018-12")}
    assert found.label.tolist() == plain["failed"][known].astype(int).tolist()
    assert found.scored_keys.to_pylist() == plain.index[~known].tolist()
    assert same_bits(found.scored[found.inside], bits(plain[~known]))


def test_scores_are_those_of_plain_lightgbm(study: Table) -> None:
    builder = PanelBuilder(target=TARGET, horizon=12, period=parse_month(PERIOD))
    builder.add(group(study.tables(), PERIOD, catalogue=CATALOGUE, perimeter=["panel_bdf"]))
    scores = train_and_score(builder.build(), CATALOGUE)
    assert dict(zip(scores.keys.to_pylist(), scores.score.tolist(), strict=True)) == study.reference()[1]


def test_a_position_gives_the_order_of_the_whole_table_and_no_other_changes_it() -> None:
    def dataset(name: str, **positions: int | None) -> Dataset:
        month = Column("month", ColumnType.MONTH, "month", frozenset())
        columns = [Column(one, ColumnType.NUMBER, "1", frozenset(), position=at) for one, at in positions.items()]
        return Dataset.declared(name, 1, "year", "month", [month, *columns])

    first, second = dataset("a", x=3, y=None, z=1), dataset("b", u=2, v=None, w=3)
    assert catalogue_of([first, second]).names == ("a.z", "b.u", "a.x", "b.w", "a.y", "b.v")
    assert catalogue_of([second, first]).names == ("a.z", "b.u", "b.w", "a.x", "b.v", "a.y")
    assert first.names == ("month", "x", "y", "z")


def test_the_label_is_never_a_feature() -> None:
    assert TARGET not in CATALOGUE.names
    assert TARGET in catalogue_of(DATASETS.values()).names
    for wrong in ("panel_bdf.nothing", "other.failed", "debts.employee_share"):
        with pytest.raises(MalformedConvention):
            catalogue_of([*DATASETS.values(), BUILT_IN["debts"]], wrong)


def panel(grain: Any, rows: list[tuple[Any, ...]], *, available: bool = False, **wanted: Any) -> Any:
    """A group over one dataset ``p`` of (month, x, y[, seen])."""
    columns = [
        Column("month", ColumnType.MONTH, "month", frozenset()),
        Column("x", ColumnType.NUMBER, "EUR", frozenset()),
        Column("y", ColumnType.BOOLEAN, "yes or no", frozenset()),
    ]
    if available:
        columns.append(Column("seen", ColumnType.DATE, "date", frozenset()))
    dataset = Dataset.declared("p", 1, grain, "month", columns, available="seen" if available else None)
    catalogue = catalogue_of([dataset, *wanted.pop("others", [])], "p.y")
    tables = {"p": table(dataset, rows), **wanted.pop("tables", {})}
    return group(tables, PERIOD, catalogue=catalogue, perimeter=wanted.pop("perimeter", ["p"]), **wanted)


def trained(found: Any) -> list[tuple[str, str, float, int]]:
    keys = found.keys.to_pylist()
    return [
        (keys[company], month_text(month), row[0], label)
        for company, month, row, label in zip(
            found.company.tolist(), found.month.tolist(), found.candidates.tolist(), found.label.tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("grain", ["month", "year"])
def test_in_a_panel_each_row_with_a_label_is_trained_on_and_the_newest_without_one_is_scored(grain: str) -> None:
    rows = [
        (A, "2005-12", 1.0, False),  # however old
        (A, "2019-12", 2.0, True),
        (A, "2020-12", 3.0, None),
        (B, "2019-12", 4.0, None),
        (B, "2020-12", 5.0, False),
        (C, "2020-12", 6.0, None),
        (C, "2021-01", 7.0, True),  # not known yet
    ]
    found = panel(grain, rows)
    assert trained(found) == [
        (A, "2005-12", 1.0, 0),
        (A, "2019-12", 2.0, 1),
        (B, "2020-12", 5.0, 0),
    ]
    assert found.scored_keys.to_pylist() == [A, C]
    assert found.scored[found.inside].tolist() == [[3.0], [6.0]]
    counts, outcome = outcomes(found, "p.y", 18)
    assert counts.all() and outcome.tolist() == [0, 1, 0]


def test_a_label_is_known_from_the_day_that_its_row_may_be_used() -> None:
    rows = [
        (A, "2019-12", 1.0, True, "2020-03-15"),
        (B, "2019-12", 2.0, False, "2021-01-01"),
        (C, "2019-12", 3.0, None, "2020-03-15"),
    ]
    found = panel("year", rows, available=True)
    assert [(siren, month, label) for siren, month, _, label in trained(found)] == [(A, "2020-03", 1)]
    assert found.scored_keys.to_pylist() == [B, C]
    assert np.isnan(found.scored[1]).all()


def test_who_is_labelled_is_trained_on_and_who_is_in_the_perimeter_is_scored() -> None:
    rows = [(A, "2019-12", 1.0, True), (B, "2019-12", 2.0, None)]
    heads = table("headcount", [(C, "2019-12", 5), (B, "2019-12", 5)])
    found = panel(
        "year", rows, tables={"headcount": heads}, others=[BUILT_IN["headcount"]], perimeter=["headcount"],
    )  # fmt: skip
    assert [one[0] for one in trained(found)] == [A]
    assert found.scored_keys.to_pylist() == [B, C]


def test_a_label_other_than_0_and_1_stops_the_run() -> None:
    wrong = table(DATASETS["banque-de-france"], [(A, "2018-12", *[1.0] * 4, 2)])
    with pytest.raises(Refused) as refused:
        group({"panel_bdf": wrong}, PERIOD, catalogue=CATALOGUE, perimeter=["panel_bdf"])
    assert refused.value.claim == "label"


# -- through the enclave, and in the convention -------------------------------------------------------------------------


def declaration(partner: str) -> dict[str, Any]:
    columns = [
        {"name": one.name, "type": str(one.type), "unit": one.unit, "label": sorted(one.labels)}
        for one in DATASETS[partner].columns
    ]
    return {
        "name": dataset_name(partner), "schema": 1, "owners": [partner], "maximum_rejected": 0.0,
        "minimum_level": "A1", "grain": "year", "time": "month", "column": columns,
    }  # fmt: skip


def overrides(**changed: Any) -> dict[str, Any]:
    return {
        "pseudonyms.buckets": 4,
        "dataset": [declaration(partner) for partner in LABELS],
        "purpose.early-warning.datasets": [dataset_name(partner) for partner in LABELS],
        "purpose.early-warning.required": ["banque-de-france"],
        "purpose.early-warning.perimeter": "banque-de-france",
        "purpose.early-warning.target": TARGET,
        **changed,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"), overrides=overrides())


def test_the_enclave_gives_the_scores_of_plain_lightgbm(world: World, study: Table) -> None:
    tables = study.tables()
    cut = {partner: {dataset_name(partner): tables[dataset_name(partner)]} for partner in LABELS}
    outcome: Outcome = Story(world, cut, PERIOD).in_thread()
    found = outcome.opened(world, "banque-de-france-list")[0]
    scores = dict(zip(found.column(PSEUDONYM).to_pylist(), found.column("score").to_pylist(), strict=True))
    assert scores == {pseudonym_of(siren): score for siren, score in study.reference()[1].items()}
    assert outcome.body.model_card["target"] == TARGET
    assert outcome.body.model_card["training_months"] == ["2018-12", "2018-12"]


def test_without_labels_there_is_nothing_to_learn(world: World, study: Table) -> None:
    tables = study.tables()
    bank = tables["panel_bdf"]
    blank = bank.set_column(bank.schema.get_field_index("failed"), "failed", pa.nulls(bank.num_rows, pa.int64()))
    with pytest.raises(EnclaveFailed) as failed:
        Story(world, {"banque-de-france": {"panel_bdf": blank}}, PERIOD).in_thread()
    assert failed.value.claim == "training"


def test_signatories_are_told_whose_column_the_target_is(world: World) -> None:
    assert any(
        "la colonne failed de panel_bdf, renseignée par banque-de-france" in line
        for line in describe(world.convention, "fr")
    )
    assert any(
        "the column failed of panel_bdf, filled in by banque-de-france" in line
        for line in describe(world.convention, "en")
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"purpose.early-warning.target": "panel_bdf.nothing"}, "has no column 'nothing'"),
        ({"purpose.early-warning.target": "panel_bdf.month"}, "not a column of type integer or boolean"),
        ({"purpose.early-warning.target": "panel_bdf.bdf_00"}, "not a column of type integer or boolean"),
        ({"dataset.panel_bdf.owners": ["banque-de-france", "acoss"]}, "has 2 owners"),
        ({"dataset.panel_bdf.grain": "event"}, "is of events"),
        ({"purpose.early-warning.datasets": ["panel_urssaf"]}, "is none of this purpose|owns none"),
    ],
)
def test_a_target_that_is_nobodys_label_is_refused(tmp_path: Any, changed: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedConvention, match=message):
        World.create(tmp_path, overrides=overrides(**changed))


def test_companies_are_told_by_their_keys_alone(study: Table) -> None:
    """Other keys, in another order, give the same rows to the same companies."""
    tables = study.tables()
    other = {siren: f"{10**9 - 1 - int(siren):09d}" for siren in study.sirens}
    renamed = {
        name: one.set_column(0, SIREN, pa.array([other[siren] for siren in one.column(SIREN).to_pylist()]))
        for name, one in tables.items()
    }
    found = group(tables, PERIOD, catalogue=CATALOGUE, perimeter=["panel_bdf"])
    again = group(renamed, PERIOD, catalogue=CATALOGUE, perimeter=["panel_bdf"])
    assert same_bits(found.scored, again.scored[::-1])
    assert same_bits(found.candidates, again.candidates[::-1])
