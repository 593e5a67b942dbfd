"""Nothing that is dated after a month changes a feature at that month: every feature, every dataset, no list of either.

Rows are made from the schemas alone, so that a new dataset or feature is held to the rule without a line here. The control
turns the test round: a row dated by the month's end can change each feature, through each dataset that it names.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.panel import ACOSS, group, same_bits, table
from vigie.datasets import BUILT_IN, Column, ColumnType, Dataset
from vigie_hub.enclave.features import Group, catalogue_of
from vigie_hub.enclave.months import last_day, month_of, parse_month

COMPANIES = [f"{number:09d}" for number in range(100, 1000, 60)]
STRANGER = "999999999"
MONTH = parse_month("2020-06")
FIRST, LAST = parse_month("2018-01"), parse_month("2021-12")


def declared(grain: Any) -> Dataset:
    columns = [
        Column("month", ColumnType.MONTH, "month", frozenset()),
        Column("value", ColumnType.NUMBER, "EUR", frozenset()),
        Column("kind", ColumnType.CATEGORY, "", frozenset(), categories=("one", "two", "three")),
        Column("seen", ColumnType.DATE, "date", frozenset()),
    ]
    return Dataset.declared(
        f"panel_{grain}", 1, grain, "month", columns, available="seen" if grain != "month" else None
    )


DATASETS: Mapping[str, Dataset] = {
    **BUILT_IN, **{one.name: one for one in (declared("month"), declared("year"), declared("event"))}
}  # fmt: skip
CATALOGUE = catalogue_of(DATASETS.values())
# Two divisions, and their section, so that sectors hold several companies.
DIVISIONS = (41, 62)


def cell(column: Column, random: Random) -> Any:
    """A value that the schema allows, often awkward."""
    if column.nullable and random.random() < 0.1:
        return None
    if column.type is ColumnType.BOOLEAN:
        return random.random() < 0.5
    if column.type is ColumnType.CATEGORY:
        return random.choice(column.categories)
    if column.type in (ColumnType.DATE, ColumnType.MONTH):
        day = date(2015, 1, 1) + timedelta(days=random.randrange(3000))
        return (day if column.type is ColumnType.DATE else day.replace(day=1)).isoformat()
    low = -1000.0 if column.minimum is None else max(column.minimum, -1000.0)
    high = 1000.0 if column.maximum is None else min(column.maximum, 2000.0)
    if column.name == "activity_division":
        return random.choice(DIVISIONS)
    if column.type is ColumnType.INTEGER:
        return random.randint(int(low), int(max(low, high)))
    return random.choice([random.uniform(low, high), random.uniform(low, high), 0.0, 0.1 + 0.2])


def row(dataset: Dataset, siren: str, time: date, available: date | None, random: Random) -> tuple[Any, ...]:
    """A row of a company, dated as asked."""
    dates = {dataset.time: time, dataset.available: available}
    cells = [
        str(dates[column.name] if column.type is ColumnType.DATE else _first(dates[column.name]))
        if column.name in dates
        else cell(column, random)
        for column in dataset.columns
    ]
    return siren, *cells


def _first(day: date | None) -> date:
    assert day is not None
    return day.replace(day=1)


def some_day(random: Random, first: int, last: int) -> date:
    """A day of the months first..last."""
    day = last_day(random.randint(first, last))
    return day.replace(day=random.randint(1, day.day))


Rows = dict[str, list[tuple[Any, ...]]]


def unique(dataset: Dataset, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The first row of each company and key."""
    places = [0, *(1 + dataset.names.index(name) for name in dataset.key)]
    kept: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for one in rows:
        kept.setdefault(tuple(one[place] for place in places), one)
    return list(kept.values())


def history(dataset: Dataset, random: Random, companies: Sequence[str], each: int) -> list[tuple[Any, ...]]:
    """Rows of any time, and where rows become usable later, published within two years."""
    rows = []
    for siren in companies:
        for _ in range(each):
            time = some_day(random, FIRST, LAST)
            available = None if dataset.available is None else time + timedelta(days=random.randrange(700))
            rows.append(row(dataset, siren, time, available, random))
    return unique(dataset, rows)


def later(dataset: Dataset, random: Random, known: Sequence[tuple[Any, ...]], count: int) -> list[tuple[Any, ...]]:
    """Rows dated after the month, or about earlier times and published after it; some speak of a row that is there."""
    rows = []
    for _ in range(count):
        siren = random.choice([*COMPANIES, STRANGER])
        after = some_day(random, MONTH + 1, LAST)
        if dataset.available is None:
            rows.append(row(dataset, siren, after, None, random))
            continue
        time = some_day(random, FIRST, LAST)
        if known and random.random() < 0.5:
            again = random.choice(known)
            siren, time = again[0], date.fromisoformat(again[1 + dataset.names.index(dataset.time)])
        rows.append(row(dataset, siren, time, after, random))
    return unique(dataset, [*known, *rows])


def computed(rows: Rows, period: int) -> Group:
    tables = {name: table(DATASETS[name], rows[name]) for name in DATASETS}
    month = f"{period // 12:04d}-{period % 12 + 1:02d}"
    return group(tables, month, catalogue=CATALOGUE, perimeter=ACOSS, last_training=month, least=2)


def up_to(found: Group, month: int) -> tuple[list[tuple[str, int]], Any]:
    """The candidates up to a month: who and when, and their features."""
    chosen = found.month <= month
    keys = found.keys.to_pylist()
    named = [(keys[company], when) for company, when in zip(found.company[chosen], found.month[chosen], strict=True)]
    return named, found.candidates[chosen]


@given(st.integers(0, 2**32), st.integers(1, 6), st.dictionaries(st.sampled_from(sorted(DATASETS)), st.integers(1, 8)))
@settings(max_examples=6, deadline=None)
@example(7, 6, dict.fromkeys(DATASETS, 8))
def test_what_is_dated_later_changes_no_feature(seed: int, each: int, added: dict[str, int]) -> None:
    """Rows are drawn by seed, for a row of accounts has a hundred cells; which datasets get how many shrinks."""
    random = Random(seed)
    before: Rows = {name: history(one, random, COMPANIES[:6], each) for name, one in DATASETS.items()}
    after: Rows = {name: later(one, random, before[name], added.get(name, 0)) for name, one in DATASETS.items()}

    found, again = computed(before, MONTH), computed(after, MONTH)
    assert again.keys.equals(found.keys)
    assert same_bits(found.scored, again.scored)
    assert same_bits(found.candidates, again.candidates)
    assert found.sector.tolist() == again.sector.tolist()
    assert found.departement.tolist() == again.departement.tolist()

    # And seen from much later, the rows of that month and of those before it are what they were.
    found, again = computed(before, LAST), computed(after, LAST)
    (named, values), (named_again, values_again) = up_to(found, MONTH), up_to(again, MONTH)
    assert named == named_again
    assert same_bits(values, values_again)


@pytest.fixture(scope="module")
def rich() -> Rows:
    """A history in which every feature of the month is known for some company."""
    random = Random(1)
    return {name: full(one, random) for name, one in DATASETS.items()}


@pytest.fixture(scope="module")
def found(rich: Rows) -> Group:
    return computed(rich, MONTH)


def full(dataset: Dataset, random: Random) -> list[tuple[Any, ...]]:
    """A row for every month, or up to a dozen events; all of them by the month's end."""
    rows = []
    # Who is in proceedings is no measure of a sector: most are not.
    for siren in COMPANIES if dataset.name != "proceedings" else COMPANIES[:2]:
        newest = MONTH if dataset.available is None else MONTH - 3
        times = [last_day(month) for month in range(FIRST - 12, newest + 1)]
        if dataset.grain == "event":
            times = [some_day(random, FIRST - 12, MONTH) for _ in range(random.randint(1, 12))]
        for time in times:
            known = time + timedelta(days=random.randrange(80))
            available = None if dataset.available is None else min(known, last_day(MONTH))
            rows.append(row(dataset, siren, time, available, random))
    return unique(dataset, rows)


@pytest.mark.parametrize("dataset", sorted({name for feature in CATALOGUE.features for name in feature.datasets}))
def test_what_is_dated_by_the_months_end_can_change_each_feature_made_of_it(
    rich: Rows, found: Group, dataset: str
) -> None:
    other = computed({**rich, dataset: full(DATASETS[dataset], Random(2))}, MONTH)
    unknown = [
        feature.name for place, feature in enumerate(CATALOGUE.features) if np.isnan(found.scored[:, place]).all()
    ]
    assert unknown == []
    same = [
        feature.name
        for place, feature in enumerate(CATALOGUE.features)
        if dataset in feature.datasets and same_bits(found.scored[:, [place]], other.scored[:, [place]])
    ]
    assert same == []
    # What is not made of it stays: sources are told in full.
    moved = [
        feature.name
        for place, feature in enumerate(CATALOGUE.features)
        if dataset not in feature.datasets and not same_bits(found.scored[:, [place]], other.scored[:, [place]])
    ]
    assert moved == []


@pytest.mark.parametrize("datasets", sorted({tuple(sorted(feature.datasets)) for feature in CATALOGUE.features}))
def test_a_feature_needs_no_dataset_but_its_own(rich: Rows, found: Group, datasets: tuple[str, ...]) -> None:
    """A purpose that reads these alone has the same values, though what is asked of the history is shorter."""
    narrow = catalogue_of(DATASETS[name] for name in datasets)
    # Proceedings say besides who is looked at among the sector's companies.
    tables = {name: table(DATASETS[name], rich[name]) for name in {*datasets, "proceedings"}}
    alone = group(tables, "2020-06", catalogue=narrow, perimeter=datasets, last_training="2020-06", least=2)
    assert set(narrow.names) >= {one.name for one in CATALOGUE.features if one.datasets == frozenset(datasets)}
    places = [CATALOGUE.names.index(name) for name in narrow.names]
    assert alone.keys.equals(found.keys)
    assert same_bits(alone.scored, found.scored[:, places])


def test_the_rows_made_here_are_dated_as_they_should_be() -> None:
    random = Random(3)
    for one in DATASETS.values():
        known = history(one, random, COMPANIES, 4)
        places = [1 + one.names.index(name) for name in (one.time, one.available or one.time)]
        extra = later(one, random, known, 20)[len(known) :]
        assert extra, one.name
        assert all(max(month_of(date.fromisoformat(made[place])) for place in places) > MONTH for made in extra)
        assert all(month_of(date.fromisoformat(made[place])) <= MONTH for made in full(one, random) for place in places)


def test_the_order_of_rows_and_keys_and_the_neighbours_change_nothing_but_the_sector(rich: Rows, found: Group) -> None:
    turned = {name: rows[::-1] for name, rows in rich.items()}
    again = computed(turned, MONTH)
    assert same_bits(found.scored, again.scored)
    assert same_bits(found.candidates, again.candidates)

    other = {siren: f"{10**9 - 1 - int(siren):09d}" for siren in COMPANIES}
    renamed = computed({name: [(other[one[0]], *one[1:]) for one in rows] for name, rows in rich.items()}, MONTH)
    assert same_bits(found.scored, renamed.scored[::-1])

    own = [place for place, feature in enumerate(CATALOGUE.features) if not feature.in_sector]
    alone = computed({name: [one for one in rows if one[0] == COMPANIES[3]] for name, rows in rich.items()}, MONTH)
    assert same_bits(found.scored[3:4, own], alone.scored[:, own])
    assert isinstance(found.keys, pa.Array)
