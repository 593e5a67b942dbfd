"""Who is scored: the companies of the perimeter's own lot where there is one, and otherwise as before."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from support.enclave_story import DEMO, EnclaveFailed, Outcome, Story, load, pseudonym_of
from support.panel import ACOSS, group, same_bits, scored, table
from support.world import World
from vigie.datasets import BUILT_IN, PSEUDONYM, SIREN, Column, ColumnType, Dataset
from vigie_hub.enclave.features import PERIMETER, Group, catalogue_of

A, B, C, D = "005520135", "552100554", "732829320", "900000002"
DEFINITION = BUILT_IN.get(PERIMETER) or Dataset.declared(
    PERIMETER, 1, "month", "month", [Column("month", ColumnType.MONTH, "month", frozenset(), nullable=False)]
)
CATALOGUE = catalogue_of([*(one for name, one in BUILT_IN.items() if name != PERIMETER), DEFINITION])
PERIOD = "2021-04"
OWN = {
    "headcount": table("headcount", [(A, "2018-01", 5), (A, "2021-04", 6), (B, "2018-02", 7), (C, "2021-03", 8)]),
    "proceedings": table("proceedings", [(B, "2018-09-01", "liquidation")]),
}


def with_lot(*rows: tuple[str, str]) -> Group:
    tables = {**OWN, PERIMETER: table(DEFINITION, rows)}
    return group(tables, PERIOD, catalogue=CATALOGUE, perimeter=[*ACOSS, PERIMETER])


def candidates(found: Group) -> list[tuple[str, int]]:
    keys = found.keys.to_pylist()
    return [(keys[company], int(month)) for company, month in zip(found.company, found.month, strict=True)]


def test_without_a_lot_everybody_that_the_owner_knows_is_scored() -> None:
    found = group(OWN, PERIOD, catalogue=CATALOGUE)
    assert found.inside.all() and found.scored_keys.to_pylist() == [A, B, C]


def test_with_a_lot_exactly_its_companies_at_the_period_are_scored() -> None:
    found = with_lot((A, PERIOD), (D, PERIOD), (C, "2021-03"), (B, "2018-02"), (C, "2021-05"))
    assert found.scored_keys.to_pylist() == [A, D]
    assert found.keys.to_pylist() == [A, B, C, D]
    known = scored(found, A, CATALOGUE)
    assert known["headcount"] == 6.0
    assert np.isnan(scored(found, D, CATALOGUE)["headcount"]), "nothing is known of it, and it is scored all the same"


def test_training_rows_are_the_same_with_and_without_it() -> None:
    before, after = group(OWN, PERIOD, catalogue=CATALOGUE), with_lot((A, PERIOD), (D, PERIOD), (D, "2018-01"))
    assert candidates(before) == candidates(after) != []
    assert same_bits(before.candidates, after.candidates)


def test_a_lot_of_another_month_scores_nobody() -> None:
    assert len(with_lot((A, "2021-03"), (B, "2021-05")).scored_keys) == 0


# -- whole runs ---------------------------------------------------------------------------------------------------


def world_with(folder: Any, owner: str) -> World:
    declared: dict[str, Any] = {"grain": "month", "time": "month"}
    declared["column"] = [{"name": "month", "type": "month", "unit": "month", "label": []}]
    rule = {"name": PERIMETER, "schema": 1, "owners": [owner], "maximum_rejected": 0.0, "minimum_level": "A1"}
    terms = World.create(folder / "terms").convention
    datasets = [
        {"name": one.name, "schema": 1, "owners": list(one.owners), "maximum_rejected": 0.0, "minimum_level": "A1"}
        for one in terms.datasets.values()
        if one.name != PERIMETER
    ]
    return World.create(
        folder / "world",
        overrides={
            "pseudonyms.buckets": 8,
            "dataset": [*datasets, rule if PERIMETER in BUILT_IN else rule | declared],
            "purpose.early-warning.datasets": [*(one["name"] for one in datasets), PERIMETER],
        },
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_with(tmp_path_factory.mktemp("acoss"), "acoss")


def story(world: World, owner: str, month: str, count: int | None) -> tuple[Story, list[str]]:
    """The demonstration's data with a perimeter of some of its companies, or without one."""
    definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
    tables = {partner: dict(of) for partner, of in load(DEMO, definitions).items()}
    companies = sorted(set(tables["acoss"]["headcount"].column(SIREN).to_pylist()))
    chosen = companies[: count or 0]
    if count is not None:
        tables[owner][PERIMETER] = table(definitions[PERIMETER], [(siren, month) for siren in chosen])
    return Story(world, tables, PERIOD), chosen


def keys(outcome: Outcome, world: World) -> set[bytes]:
    return set(outcome.opened(world, "acoss-list")[0].column(PSEUDONYM).to_pylist())


def test_a_run_scores_the_companies_of_the_lot_with_the_model_of_all(world: World) -> None:
    told, chosen = story(world, "acoss", PERIOD, 150)
    outcome = told.in_thread()
    assert keys(outcome, world) == {pseudonym_of(siren) for siren in chosen}
    without = story(world, "acoss", PERIOD, None)[0].in_thread()
    assert len(keys(without, world)) == 400
    assert without.body.model == outcome.body.model
    scores = [
        dict(zip(*(opened.column(name).to_pylist() for name in (PSEUDONYM, "score")), strict=True))
        for opened in (outcome.opened(world, "acoss-list")[0], without.opened(world, "acoss-list")[0])
    ]
    assert all(scores[1][key] == score for key, score in scores[0].items())


def test_a_lot_without_a_company_at_the_period_stops_the_run(world: World) -> None:
    with pytest.raises(EnclaveFailed) as failed:
        story(world, "acoss", "2021-03", 150)[0].in_thread()
    assert failed.value.claim == "perimeter" and "for the period" in failed.value.expected


def test_a_lot_that_stays_closed_stops_the_run(tmp_path: Any) -> None:
    """Its owner is another partner than the one that the purpose requires, and refuses."""
    other = world_with(tmp_path, "travail")
    told = replace(story(other, "travail", PERIOD, 150)[0], withhold=("travail",))
    with pytest.raises(EnclaveFailed) as failed:
        told.in_thread()
    assert failed.value.claim == "perimeter" and "keys to the lot" in failed.value.expected
