"""What is usual in a sector, out of the real sealed process: the quartiles of the same companies in clear."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from support.enclave_story import DEMO, Outcome, Story, load, pseudonym_of
from support.panel import ACOSS, group, table
from support.world import World
from vigie.datasets import BUILT_IN, PSEUDONYM, SIREN
from vigie.result import REASONS
from vigie_hub.enclave.features import catalogue_of
from vigie_hub.enclave.features.sectors import LEAST
from vigie_hub.enclave.months import parse_month
from vigie_node import export

PERIOD = "2021-04"
BUILDING, SHOPS, SMALL = 41, 47, 10
NAMES = (*ACOSS, "short_time_work", "ratios", "legal_units")


def world_with_a_register(folder: Path) -> World:
    rules = World.create(folder / "terms").convention.datasets.values()
    owners = {one.name: list(one.owners) for one in rules} | {"legal_units": ["acoss"]}
    datasets = [
        {"name": name, "schema": 1, "owners": owner, "maximum_rejected": 0.0, "minimum_level": "A1"}
        for name, owner in owners.items()
    ]
    overrides = {"pseudonyms.buckets": 4, "dataset": datasets, "purpose.early-warning.datasets": list(owners)}
    return World.create(folder / "world", overrides=overrides)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_with_a_register(tmp_path_factory.mktemp("register"))


@pytest.fixture(scope="module")
def divisions(world: World) -> dict[str, int | None]:
    """A division for each company: one of a few companies, two of many, and none for some."""
    definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
    companies = sorted(set(load(DEMO, definitions)["acoss"]["headcount"].column(SIREN).to_pylist()))
    few = set(companies[:: len(companies) // (LEAST - 2)][: LEAST - 1])
    return {
        siren: SMALL if siren in few else (BUILDING, SHOPS, SHOPS, None)[place % 4]
        for place, siren in enumerate(companies)
    }


@pytest.fixture(scope="module")
def story(world: World, divisions: dict[str, int | None]) -> Story:
    definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
    tables = {partner: dict(of) for partner, of in load(DEMO, definitions).items()}
    register = [(siren, "2021-04", None, division) for siren, division in divisions.items()]
    tables["acoss"]["legal_units"] = table("legal_units", register)
    return Story(world, tables, PERIOD)


@pytest.fixture(scope="module")
def outcome(story: Story) -> Outcome:
    return story.in_process()


@pytest.mark.timeout(600)
def test_a_range_is_that_of_the_same_companies_in_clear(
    outcome: Outcome, story: Story, world: World, divisions: dict[str, int | None]
) -> None:
    catalogue = catalogue_of(BUILT_IN[name] for name in NAMES)
    clear = {name: one for tables in story.tables.values() for name, one in tables.items()}
    found = group(clear, PERIOD, catalogue=catalogue)
    sirens = found.keys.to_pylist()
    healthy = found.proceeding > parse_month(PERIOD)
    sector = np.array([divisions[siren] or -1 for siren in sirens])
    by_pseudonym = {pseudonym_of(siren): siren for siren in sirens}
    told = dict.fromkeys((BUILDING, SHOPS, SMALL, None), 0)
    rows, about = outcome.opened(world, "acoss-list")
    assert about["withheld"] == {}
    for row in rows.to_pylist():
        division = divisions[by_pseudonym[row[PSEUDONYM]]]
        for number in range(1, REASONS + 1):
            name, low, high = (row[f"reason_{number}{end}"] for end in ("", "_low", "_high"))
            if name is None:
                assert (low, high) == (None, None)
                continue
            told[division] += 1
            values = found.scored[:, catalogue.names.index(name)][healthy & (sector == (division or -2))]
            values = values[~np.isnan(values)]
            if division in (None, SMALL) or len(values) < LEAST:
                assert (low, high) == (None, None)
            else:
                assert low == pytest.approx(np.quantile(values, 0.25), rel=0.0501)
                assert high == pytest.approx(np.quantile(values, 0.75), rel=0.0501)
                assert (low, high) == (float(f"{low:.1e}"), float(f"{high:.1e}"))
    assert all(told.values()), told


def test_the_agent_reads_it_in_a_sentence(outcome: Outcome, world: World) -> None:
    rows, about = outcome.opened(world, "acoss-list")
    said: list[str] = []
    for number in range(1, REASONS + 1):
        said += [one for one in export.reasons_in_words(rows, number, about, "fr") if one is not None]
    assert len(said) == sum(pa.compute.count(rows.column(f"reason_{n + 1}")).as_py() for n in range(REASONS))
    assert any(" (habituel dans le secteur : inconnu)" in one for one in said)
    assert any("(habituel dans le secteur : 0 à " in one for one in said)
