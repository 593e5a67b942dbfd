"""Reasons that a partner asks for: it alone is told them, and nothing else of the run moves."""

from collections.abc import Sequence
from typing import Any

import pytest

from support.enclave_story import DEMO, EnclaveFailed, Outcome, Story, load, pseudonym_of
from support.panel import table
from support.world import World
from vigie.datasets import BUILT_IN, PSEUDONYM, SIREN
from vigie.errors import MalformedConvention
from vigie.result import REASONS, TOPICS
from vigie_hub.enclave.asked import REQUESTS

PERIOD = "2021-04"
OWNERS = ["acoss", "banque-de-france", "travail"]
NO_ALERT = "Pas d'alerte"
WHY = [*TOPICS, *(f"reason_{number}" for number in range(1, REASONS + 1)), "other_sources"]
UNKNOWN = "900000002"
Asking = dict[str, Sequence[tuple[str, str]]]
"""Partner to the companies and months that it asks about."""


def terms(world: World, **changed: Any) -> dict[str, Any]:
    datasets = [
        {"name": one.name, "schema": 1, "owners": list(one.owners), "maximum_rejected": 0.0, "minimum_level": "A1"}
        for one in world.convention.datasets.values()
    ]
    asking = {"name": REQUESTS, "schema": 1, "owners": OWNERS, "maximum_rejected": 0.0, "minimum_level": "A1"}
    return {
        "pseudonyms.buckets": 8,
        "dataset": [*datasets, asking],
        "purpose.early-warning.datasets": [*(one["name"] for one in datasets), REQUESTS],
        **changed,
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("asked")
    return World.create(folder / "world", overrides=terms(World.create(folder / "terms")))


def run(world: World, asking: Asking, *, silent: str = "") -> Outcome:
    """A run in which partners ask; the one that is ``silent`` sends nothing else."""
    tables = load(DEMO, dict(BUILT_IN))
    if silent:
        tables[silent] = {}
    for partner, rows in asking.items():
        tables[partner][REQUESTS] = table(REQUESTS, rows)
    return Story(world, tables, PERIOD).in_thread()


def rows_of(outcome: Outcome, world: World, grant: str) -> dict[bytes, dict[str, Any]]:
    return {row[PSEUDONYM]: row for row in outcome.opened(world, grant)[0].to_pylist()}


@pytest.fixture(scope="module")
def before(world: World) -> Outcome:
    return run(world, {})


@pytest.fixture(scope="module")
def quiet(world: World, before: Outcome) -> list[str]:
    """Companies without an alert that every partner knows, by SIREN."""
    lists = [rows_of(before, world, f"{owner}-list") for owner in OWNERS]
    found = [
        siren
        for siren in sorted(set(load(DEMO, dict(BUILT_IN))["acoss"]["headcount"].column(SIREN).to_pylist()))
        if all(pseudonym_of(siren) in one for one in lists) and lists[0][pseudonym_of(siren)]["level"] == NO_ALERT
    ]
    assert len(found) > 10
    return found


def test_who_asks_is_told_and_nobody_else_sees_that_it_asked(world: World, before: Outcome, quiet: list[str]) -> None:
    first, second, third = quiet[:3]
    asking: Asking = {
        "acoss": [(first, PERIOD), (second, "2021-03"), (UNKNOWN, PERIOD)],
        "travail": [(first, PERIOD), (third, PERIOD)],
    }
    after = run(world, asking)
    for owner, wanted in (("acoss", {first}), ("banque-de-france", set()), ("travail", {first, third})):
        grant = f"{owner}-list"
        told, earlier = rows_of(after, world, grant), rows_of(before, world, grant)
        assert list(told) == list(earlier), "to ask makes no company known"
        changed = {name for name, row in told.items() if row != earlier[name]}
        assert changed == {pseudonym_of(siren) for siren in wanted}
        for name in changed:
            assert all(earlier[name][column] is None for column in WHY)
            assert told[name]["level"] == NO_ALERT
            assert told[name]["score"] == earlier[name]["score"]
            assert all(told[name][column] is not None for column in (*TOPICS, "other_sources"))
    assert after.body.model == before.body.model
    assert after.body.metrics == before.body.metrics, "what the run tells everybody does not depend on who asks"


def test_to_ask_brings_nobody_into_the_perimeter(world: World, before: Outcome) -> None:
    after = run(world, {"acoss": [(UNKNOWN, PERIOD)]})
    assert after.body.model == before.body.model
    assert pseudonym_of(UNKNOWN) not in rows_of(after, world, "acoss-list")


def test_a_partner_that_only_asks_does_not_decide_who_is_looked_at(world: World, quiet: list[str]) -> None:
    with pytest.raises(EnclaveFailed) as failed:
        run(world, {"acoss": [(quiet[0], PERIOD)]}, silent="acoss")
    assert failed.value.claim == "perimeter"


def test_a_purpose_may_not_require_a_partner_that_only_asks(tmp_path: Any) -> None:
    world = World.create(tmp_path / "terms")
    names = [one.name for one in world.convention.datasets.values() if "travail" not in one.owners]
    changed = {
        "purpose.early-warning.datasets": [*names, REQUESTS],
        "purpose.early-warning.required": ["acoss", "travail"],
    }
    with pytest.raises(MalformedConvention, match="'travail' owns none of the datasets"):
        World.create(tmp_path / "world", overrides=terms(world, **changed))
