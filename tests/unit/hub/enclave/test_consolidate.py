"""How buckets are grouped, which months are labelled, and what a run may publish about itself."""

import subprocess
import sys
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.enclave_story import Story
from support.panel import table
from support.world import World
from vigie.convention import Disclosure
from vigie_hub.enclave.consolidate import GROUP_COMPANIES, groups, last_labelled
from vigie_hub.enclave.disclosure import disclosed
from vigie_hub.enclave.intake import Opened, Task, read_task
from vigie_hub.enclave.messages import Begin, GivenLot
from vigie_hub.enclave.months import month_text
from vigie_hub.enclave.results import freshness

A = "000000001"
TABLES = {
    "acoss": {
        "headcount": table("headcount", [(A, "2018-01", 5)]),
        "proceedings": table("proceedings", [(A, "2018-09-01", "liquidation")]),
    },
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"), overrides={"pseudonyms.buckets": 4})


def task_of(story: Story) -> Task:
    begin = story.begin(story.order())
    lots = tuple(
        GivenLot(lot.statement, lot.receipt, tuple(lot.segment_ids), tuple(lot.parts_per_bucket)) for lot in begin.lots
    )
    return read_task(Begin(tuple(begin.conventions), begin.order, dict(begin.challenges), begin.measurement, lots))


@given(companies=st.integers(0, 10_000_000), power=st.integers(0, 16))
def test_groups_cover_every_bucket_once_and_hold_about_as_many_companies(companies: int, power: int) -> None:
    buckets = 2**power
    found = list(groups([companies, companies // 2], buckets))
    assert [bucket for first, last in found for bucket in range(first, last + 1)] == list(range(buckets))
    widest = max(last - first + 1 for first, last in found)
    assert widest == 1 or widest * companies <= GROUP_COMPANIES * buckets


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ({}, "2019-06"),
        ({"headcount": "2020-01"}, "2019-06"),  # tells no outcome
        ({"proceedings": "2020-10"}, "2019-04"),
        ({"proceedings": "2021-03"}, "2019-06"),
    ],
)
def test_a_month_is_labelled_when_the_lots_that_tell_outcomes_cover_its_horizon(
    world: World, periods: dict[str, str], expected: str
) -> None:
    story = Story(world, TABLES, period="2020-12")
    for lot in story.make_lots():
        body = replace(lot.body, period=periods.get(lot.body.dataset, lot.body.period))
        lot.body, lot.statement = body, world.sign(body.partner, body)
    task = task_of(story)
    assert month_text(last_labelled(task, list(task.lots))) == expected


def test_freshness_names_who_sent_what_and_as_of_when(world: World) -> None:
    task = task_of(Story(world, TABLES, period="2020-12"))
    whole = Opened(MappingProxyType(dict.fromkeys(range(2))), {}, ())  # type: ignore[arg-type]
    assert freshness(task, whole) == {
        name: {"partner": "acoss", "period": "2020-12", "as_of": "2020-12-28"} for name in ("headcount", "proceedings")
    }
    assert freshness(task, Opened({}, {}, ("acoss",))) == {}


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, None), (2, None), (3, 5), (7, 5), (8, 10), (12, 10)])
def test_counts_are_rounded_and_small_ones_are_not_told(count: int, told: int | None) -> None:
    assert disclosed(count, Disclosure(3, 0.85, 5)) == told


def test_imports_stay_inside() -> None:
    """The enclave imports vigie and itself: no other part of the hub is loaded with it."""
    program = (
        "import sys, vigie_hub.enclave.main; "
        "print(sorted(name for name in sys.modules if name.startswith(('vigie_hub.', 'vigie_node', 'grpc', 'typer'))"
        " and not name.startswith('vigie_hub.enclave')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
