"""The made-up economy: it fails at the published rate, shows it beforehand, and is the same however it is cut."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.datasets import BUILT_IN
from vigie.demo.generate import PARTNERS, Summary, generate
from vigie.demo.sirens import Sirens, check_digit
from vigie.errors import ConfigError

FILES = [f"{partner}/{name}.parquet" for partner, names in PARTNERS.items() for name in names]
Rows = list[dict[str, object]]


@dataclass(frozen=True)
class Made:
    folder: Path
    summary: Summary

    def rows(self, file: str) -> Rows:
        return pq.read_table(self.folder / file).to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("world")
    return Made(folder, generate(folder, companies=16_384, months=26, seed=3))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("small")
    return Made(folder, generate(folder, companies=1500, months=24, seed=11, last_month="2020-12"))


def same(one: Path, other: Path) -> bool:
    return all(pq.read_table(one / file).equals(pq.read_table(other / file)) for file in FILES)


# SIRENs


def luhn(siren: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(siren))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def test_sirens_are_valid_distinct_and_shuffled() -> None:
    made = [f"{siren:09d}" for siren in Sirens(5).take(0, 20_000)]
    assert len(set(made)) == 20_000
    assert all(luhn(siren) for siren in made)
    assert 0.08 < sum(siren.startswith("0") for siren in made) / len(made) < 0.12
    assert made != sorted(made)


def test_nobody_is_given_siren_zero() -> None:
    """Find the index that the permutation sends to 0 by walking its network backwards, and ask for that one."""
    sirens = Sirens(7)
    left, right = 0, 0
    for table in sirens._tables[::-1]:
        left, right = (right - int(table[left])) % 10**4, left
    index = left * 10**4 + right
    assert sirens._permute(np.array([index]))[0] == 0
    around = sirens.take(max(index - 500, 0), 1000)
    assert (around > 0).all()
    assert len(set(around.tolist())) == 1000
    assert all(luhn(f"{siren:09d}") for siren in around)


@given(st.integers(0, 10**8 - 1))
def test_check_digit_passes_luhn(stem: int) -> None:
    assert luhn(f"{stem:08d}{check_digit(np.array([stem]))[0]}")


# Content


@pytest.mark.parametrize("file", FILES)
def test_files_have_the_canonical_schema_and_key(small: Made, file: str) -> None:
    one = BUILT_IN[Path(file).stem]
    table = pq.read_table(small.folder / file)
    assert table.schema.equals(one.file_schema())
    assert table.num_rows == small.summary.rows[one.name] > 0
    assert table.select(["siren", *one.key]).group_by(["siren", *one.key]).aggregate([]).num_rows == table.num_rows
    for column in one.columns:
        cells = table[column.name]
        assert column.nullable or cells.null_count == 0
        if column.categories:
            assert set(pc.unique(cells).to_pylist()) <= set(column.categories)
        if column.name == "month":
            assert pc.all(pc.equal(pc.day(cells), 1)).as_py()
            assert (pc.min(cells).as_py(), pc.max(cells).as_py()) == (date(2019, 1, 1), date(2020, 12, 1))
        # Plausible ranges are for real extracts to be held against: made-up ones stay within.
        if column.minimum is not None and column.maximum is not None:
            assert pc.min(cells).as_py() >= column.minimum
            assert pc.max(cells).as_py() <= column.maximum


def test_partners_know_different_companies(world: Made) -> None:
    sirens = {
        partner: {
            siren
            for name in names
            for siren in pq.read_table(world.folder / partner / f"{name}.parquet", columns=["siren"])["siren"]
            .unique()
            .to_pylist()
        }
        for partner, names in PARTNERS.items()
    }
    assert {partner: len(known) for partner, known in sirens.items()} == world.summary.known
    everybody = len(sirens["acoss"])
    assert everybody == world.summary.companies == 16_384
    assert 0.62 < len(sirens["banque-de-france"]) / everybody < 0.75
    assert 0.31 < len(sirens["travail"]) / everybody < 0.39
    assert sirens["banque-de-france"] | sirens["travail"] < sirens["acoss"]
    assert sirens["banque-de-france"] - sirens["travail"]
    assert sirens["travail"] - sirens["banque-de-france"]


def failures(world: Made) -> dict[str, date]:
    first: dict[str, date] = {}
    for row in world.rows("acoss/proceedings.parquet"):
        siren, day = str(row["siren"]), row["effective_date"]
        assert isinstance(day, date)
        first[siren] = min(first.get(siren, day), day)
    return first


def test_companies_fail_at_the_published_rate_and_debts_foretell_it(world: Made) -> None:
    """18 months ahead, companies already in proceedings left out; rule: more than a month's contributions owed."""
    at, until = date(2019, 10, 1), date(2021, 5, 1)
    first = failures(world)
    assert len(first) == world.summary.failures
    month = pc.equal(pc.field("month"), at)
    debts = pq.read_table(world.folder / "acoss/debts.parquet", filters=month).to_pylist()
    due = {
        row["siren"]: row["contribution_due"]
        for row in pq.read_table(world.folder / "acoss/contributions.parquet", filters=month).to_pylist()
    }
    healthy = [row for row in debts if first.get(row["siren"], until) >= date(2019, 11, 1)]
    fails = np.array([first.get(row["siren"], until) < until for row in healthy])
    owed = np.array([row["employee_share"] + row["employer_share"] > due[row["siren"]] for row in healthy])
    assert 0.007 < fails.mean() < 0.015
    assert 0.005 < owed.mean() < 0.05
    precision, recall = fails[owed].mean(), owed[fails].mean()
    assert precision > 5 * fails.mean()
    assert recall > 0.10
    assert precision < 0.6, "some incidents must lead nowhere"


def test_rows_stop_after_a_liquidation_and_go_on_after_a_receivership(world: Made) -> None:
    last = (
        pq.read_table(world.folder / "acoss/headcount.parquet", columns=["siren", "month"])
        .group_by("siren")
        .aggregate([("month", "max")])
    )
    ends = dict(zip(last["siren"].to_pylist(), last["month_max"].to_pylist(), strict=True))
    log = world.rows("acoss/proceedings.parquet")
    liquidated = {row["siren"]: row["effective_date"] for row in log if row["action"] == "liquidation"}
    assert len(liquidated) > 50
    for siren, day in liquidated.items():
        assert isinstance(day, date)
        assert ends[siren] == day.replace(day=1)
    others = {row["siren"] for row in log} - liquidated.keys()
    assert others
    assert {ends[siren] for siren in others} == {date(2021, 4, 1)}


def test_accounts_are_known_by_the_last_month_only_after_their_lag(small: Made) -> None:
    for row in small.rows("banque-de-france/ratios.parquet"):
        closing, known = row["closing_date"], row["available_from"]
        assert isinstance(closing, date)
        assert isinstance(known, date)
        assert (known.year * 12 + known.month) - (closing.year * 12 + closing.month) == 8
        assert known <= date(2020, 12, 1)


# Determinism


def test_same_arguments_give_the_same_content_and_another_seed_does_not(small: Made, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", companies=1500, months=24, seed=11, last_month="2020-12")
    assert again == small.summary
    assert same(small.folder, tmp_path / "again")
    generate(tmp_path / "other", companies=1500, months=24, seed=12, last_month="2020-12")
    assert not same(small.folder, tmp_path / "other")


def test_content_does_not_depend_on_the_cut(small: Made, tmp_path: Path) -> None:
    generate(tmp_path, companies=1500, months=24, seed=11, last_month="2020-12", blocks_at_once=1)
    assert same(small.folder, tmp_path)
    assert pq.ParquetFile(tmp_path / FILES[0]).num_row_groups == 2
    assert pq.ParquetFile(small.folder / FILES[0]).num_row_groups == 1


def test_more_companies_begin_with_the_same_ones(small: Made, tmp_path: Path) -> None:
    generate(tmp_path, companies=1100, months=24, seed=11, last_month="2020-12")
    for file in FILES:
        fewer, more = pq.read_table(tmp_path / file), pq.read_table(small.folder / file)
        assert more.slice(0, fewer.num_rows).equals(fewer)


def test_one_month_more_tells_the_same_past(small: Made, tmp_path: Path) -> None:
    generate(tmp_path, companies=1500, months=25, seed=11, last_month="2021-01")
    for file in FILES:
        one = BUILT_IN[Path(file).stem]
        when = one.available or one.time
        longer = pq.read_table(tmp_path / file)
        past = longer.filter(pc.less(longer[when], date(2021, 1, 1)))
        assert past.equals(pq.read_table(small.folder / file).combine_chunks()), file
        assert longer.num_rows > past.num_rows or one.grain == "event"


def test_small_worlds_are_made_too(tmp_path: Path) -> None:
    made = generate(tmp_path, companies=1, months=1, seed=0)
    assert made.rows["headcount"] == made.known["acoss"] == 1
    assert made.rows.keys() == {name for names in PARTNERS.values() for name in names} < BUILT_IN.keys()
    assert made.first_month == made.last_month == "2021-04"
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")) == sorted(FILES)


@pytest.mark.parametrize(
    "wrong",
    [{"companies": 0}, {"companies": 10**8}, {"months": 0}, {"months": 601}, {"seed": -1}, {"last_month": "2021-13"}],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    arguments = {"companies": 10, "months": 3, "seed": 0, "last_month": "2021-04", **wrong}
    with pytest.raises(ConfigError):
        generate(tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_failed_run_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(tmp_path, companies=5, months=3, seed=0)
    before = {file: (tmp_path / file).read_bytes() for file in FILES}

    def cut_short(self: Sirens, start: int, count: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sirens, "take", cut_short)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, companies=9, months=3, seed=1)
    assert {file: (tmp_path / file).read_bytes() for file in FILES} == before
    assert not list(tmp_path.rglob("*.partial"))
