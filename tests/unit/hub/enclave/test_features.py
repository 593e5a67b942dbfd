"""Values worked out by hand, and the rules that every feature keeps: point in time, unknown stays unknown, one order."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.panel import ALL, group, same_bits, scored, table
from vigie.datasets import BUILT_IN, Column, ColumnType, Dataset
from vigie.datasets.departments import CATEGORIES
from vigie.errors import MalformedConvention
from vigie_hub.enclave.features import BUILT_IN_FEATURES, catalogue_of, connect
from vigie_hub.enclave.features.catalogue import DATASETS_READ
from vigie_hub.enclave.features.page import page
from vigie_hub.enclave.months import month_text, parse_month
from vigie_hub.enclave.reading import known_companies

A, B = "000000001", "900000002"
MONTHS = [month_text(month) for month in range(parse_month("2019-01"), parse_month("2020-12") + 1)]


def close(found: float, expected: float | None) -> bool:
    return math.isnan(found) if expected is None else found == pytest.approx(expected, rel=1e-12)


def test_debts_against_contributions() -> None:
    tables = {
        "contributions": table("contributions", [(A, month, 1000.0 + place) for place, month in enumerate(MONTHS)]),
        "debts": table("debts", [(A, month, 10.0 * place, 100.0 * place) for place, month in enumerate(MONTHS)]),
        "headcount": table("headcount", [(A, "2020-12", 11)]),
    }
    values = scored(group(tables, "2020-12"), A)
    mean = [float(np.mean([1000.0 + at for at in range(max(0, place - 11), place + 1)])) for place in range(24)]
    assert close(values["contribution_mean_12m"], mean[23])
    assert close(values["debt_employee_share"], 230.0)
    assert close(values["debt_employer_share"], 2300.0)
    assert close(values["debt_ratio"], 2530.0 / mean[23])
    for ago in (1, 2, 3, 6, 12):
        assert close(values[f"debt_ratio_{ago}m_ago"], 110.0 * (23 - ago) / mean[23 - ago])
    assert close(values["debt_per_head"], 230.0)
    assert close(values["debt_change_3m"], 330.0)


@pytest.mark.parametrize(
    ("months", "expected"), [(["2020-11", "2020-12"], None), (["2020-02", "2020-11", "2020-12"], 5.0)]
)
def test_a_mean_wants_three_known_months(months: list[str], expected: float | None) -> None:
    found = group({"contributions": table("contributions", [(A, month, 5.0) for month in months])}, "2020-12")
    assert close(scored(found, A)["contribution_mean_12m"], expected)


def test_headcount_is_carried_six_months_and_no_further() -> None:
    tables = {"headcount": table("headcount", [(A, "2019-12", 20), (A, "2020-06", 10), (B, "2020-05", 7)])}
    found = group(tables, "2020-12")
    a, b = scored(found, A), scored(found, B)
    assert close(a["headcount"], 10.0)
    assert close(a["headcount_age"], 6.0)
    assert close(a["headcount_change_6m"], 0.0)
    assert close(a["headcount_change_12m"], -0.5)
    assert all(math.isnan(value) for value in b.values())


def test_payment_plans() -> None:
    plans = [
        (A, "2020-01-15", "2020-12-31", 350),  # runs to the last day
        (A, "2020-06-01", "2021-02-10", 250),
        (A, "2021-01-01", "2021-12-31", 364),  # made after the month
        (B, "2019-01-01", "2020-12-30", 700),  # over the day before
    ]
    tables = {"payment_plans": table("payment_plans", plans), "headcount": table("headcount", [(A, "2020-12", 1)])}
    found = group(tables, "2020-12")
    a, b = scored(found, A), scored(found, B)
    assert (a["plan_active"], a["plan_remaining_days"], a["plan_duration_days"]) == (1.0, 41.0, 350.0)
    assert b["plan_active"] == 0.0
    assert math.isnan(b["plan_remaining_days"])


def test_short_time_work() -> None:
    rows = [(A, "2020-01", 100.0, None), (A, "2020-11", 30.0, 50.0), (A, "2020-12", 151.67, 60.0)]
    tables = {
        "short_time_work": table("short_time_work", rows),
        "headcount": table("headcount", [(A, "2020-12", 4), (B, "2020-12", 4)]),
    }
    found = group(tables, "2020-12")
    a, b = scored(found, A), scored(found, B)
    assert close(a["short_time_hours"], 151.67)
    assert close(a["short_time_hours_3m"], 181.67)
    assert close(a["short_time_hours_12m"], 281.67)
    assert close(a["short_time_authorised_hours"], 60.0)
    assert close(a["short_time_ratio"], 0.25)
    assert all(math.isnan(b[name]) for name in b if name.startswith("short_time"))


@pytest.mark.parametrize(
    ("period", "margin"), [("2019-07", None), ("2019-08", 1.0), ("2020-08", 1.0), ("2020-09", None), ("2020-10", 2.0)]
)
def test_accounts_count_from_the_day_they_are_known_for_thirteen_months(period: str, margin: float | None) -> None:
    rows = [
        (A, "2018-12-31", "2019-08-01", 2018, None, 1.0),
        (A, "2019-12-31", "2020-10-15", 2019, None, 2.0),  # filed late
    ]
    tables = {"ratios": table("ratios", rows), "headcount": table("headcount", [(A, "2019-01", 1)])}
    values = scored(group(tables, period, last_training="2019-01"), A)
    assert close(values["margin_rate"], margin)
    closed = parse_month("2018-12") if margin == 1.0 else parse_month("2019-12")
    assert close(values["accounts_age"], None if margin is None else parse_month(period) - closed)


def test_older_accounts_that_are_filed_late_replace_nothing() -> None:
    rows = [
        (A, "2019-12-31", "2020-08-01", 2019, None, 2.0),
        (A, "2018-12-31", "2020-09-01", 2018, None, 1.0),
    ]
    tables = {"ratios": table("ratios", rows), "headcount": table("headcount", [(A, "2019-01", 1)])}
    assert scored(group(tables, "2020-12"), A)["margin_rate"] == 2.0


def test_who_is_in_the_perimeter() -> None:
    tables = {
        "headcount": table("headcount", [(A, "2020-12", None), (B, "2021-01", 5)]),
        "ratios": table("ratios", [("500000000", "2018-12-31", "2019-08-01", 2018)]),
    }
    assert group(tables, "2020-12").keys.to_pylist() == [A]
    assert group(tables, "2021-01").keys.to_pylist() == [A, B]
    assert group({"headcount": tables["headcount"]}, "2019-01").scored.shape == (0, len(ALL.features))


def test_training_candidates_are_the_months_with_a_monthly_row() -> None:
    tables = {
        "headcount": table("headcount", [(B, "2019-01", 1), (A, "2019-01", 1), (A, "2019-06", 1), (A, "2019-07", 1)]),
        "proceedings": table("proceedings", [(A, "2018-05-05", "safeguard")]),
    }
    found = group(tables, "2020-12")
    months = [month_text(month) for month in found.month.tolist()]
    assert list(zip(found.company.tolist(), months, strict=True)) == [(0, "2019-01"), (0, "2019-06"), (1, "2019-01")]
    assert found.proceeding.tolist() == [parse_month("2018-05"), 2**31 - 1]


def test_a_dataset_that_is_away_leaves_its_columns_in_place_and_empty() -> None:
    tables = {
        "headcount": table("headcount", [(A, month, 5) for month in MONTHS]),
        "ratios": table("ratios", [(A, "2019-06-30", "2020-02-01", 2019, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)]),
    }
    whole, without = group(tables, "2020-12"), group({"headcount": tables["headcount"]}, "2020-12")
    assert whole.scored.shape == without.scored.shape
    away = [place for place, feature in enumerate(ALL.features) if "ratios" in feature.datasets]
    now = [place for place in away if not ALL.names[place].endswith(("_ago", "_in_sector"))]
    assert len(now) == 7 and not np.isnan(whole.scored[:, now]).any()
    assert np.isnan(without.scored[:, away]).all()
    stay = [place for place in range(len(ALL.features)) if place not in away]
    assert same_bits(whole.scored[:, stay], without.scored[:, stay])


def test_a_company_has_the_sector_and_departement_that_the_register_last_gave_by_the_period() -> None:
    rows = [
        (A, "2019-01", "j", 62, 620, 6202, 1, 5710, "2001-01-01", True, "d2a"),
        (A, "2020-06", "g", 47, 471, 4711, 1, 5710, "2001-01-01", True, "d75"),
        (A, "2021-01", "c", 10),  # a stock that comes later
        (B, "2021-01", "c", 10),
    ]
    tables = {
        "headcount": table("headcount", [(A, "2018-01", 1), (B, "2018-01", 1)]),
        "legal_units": table("legal_units", rows),
    }
    for period, division, departement in (("2018-12", -1, -1), ("2020-05", 62, "d2a"), ("2020-12", 47, "d75")):
        found = group(tables, period)
        assert found.sector.tolist() == [division, -1]
        assert found.departement.tolist() == [departement if departement == -1 else CATEGORIES.index(departement), -1]
        assert found.sector.dtype == found.departement.dtype == np.int16


amounts = st.one_of(st.none(), st.floats(-1e9, 1e9), st.sampled_from([0.1, 0.2, 0.3, -0.0, 1e-300]))
histories = st.lists(st.tuples(st.sampled_from(MONTHS), amounts, amounts), max_size=24, unique_by=lambda row: row[0])


@given(st.dictionaries(st.sampled_from([A, B, "123456789"]), histories, min_size=1), st.sampled_from(MONTHS[6:]))
@settings(max_examples=6, deadline=None)
def test_nothing_after_a_month_reaches_it_and_no_order_or_neighbour_matters(
    companies: dict[str, list[tuple[str, float | None, float | None]]], period: str
) -> None:
    rows = [(siren, *row) for siren, history in companies.items() for row in history]
    tables = {
        "debts": table("debts", rows),
        "contributions": table("contributions", [(siren, month, due) for siren, month, due, _ in rows]),
        "short_time_work": table("short_time_work", rows),
    }
    found = group(tables, period, last_training=period)

    shuffled = {name: one.take(pa.array(range(one.num_rows)[::-1], pa.int64())) for name, one in tables.items()}
    again = group(shuffled, period, last_training=period)
    assert same_bits(found.scored, again.scored)
    assert same_bits(found.candidates, again.candidates)

    before = [row for row in rows if row[1] <= period]
    past = {
        "debts": table("debts", before),
        "contributions": table("contributions", [(siren, month, due) for siren, month, due, _ in before]),
        "short_time_work": table("short_time_work", before),
    }
    assert same_bits(found.scored, group(past, period, last_training=period).scored)

    for place, siren in enumerate(found.keys.to_pylist()):
        alone = {name: one.filter(pa.compute.equal(one.column(0), siren)) for name, one in tables.items()}
        assert same_bits(found.scored[place : place + 1], group(alone, period, last_training=period).scored)


PANEL = Dataset.declared(
    "panel",
    1,
    "year",
    "month",
    [
        Column("month", ColumnType.MONTH, "month", frozenset()),
        Column("z", ColumnType.NUMBER, "EUR", frozenset({"bdf"}), "le z", "the z"),
        Column("key", ColumnType.INTEGER, "persons", frozenset({"urssaf"})),
        Column("company", ColumnType.BOOLEAN, "", frozenset()),
        Column("kind", ColumnType.CATEGORY, "", frozenset(), categories=("one", "two")),
        Column("order", ColumnType.DATE, "date", frozenset()),
    ],
    owner_label="urssaf",
)


def test_a_declared_dataset_counts_as_it_is() -> None:
    catalogue = catalogue_of([PANEL])
    assert catalogue.names == ("panel.z", "panel.key", "panel.company", "panel.kind", "panel.order")
    rows = [
        (A, "2018-01", 1.5, 2, True, "two", "2017-11-30"),
        (A, "2020-01", None, 2**53, False, "one", None),
        (B, "2019-01", 0.1 + 0.2, None, None, None, "2019-01-31"),
    ]
    found = group({"panel": table(PANEL, rows)}, "2020-12", catalogue=catalogue, perimeter=["panel"])
    assert [None if math.isnan(value) else value for value in found.scored[0]] == [None, 2.0**53, 0.0, 0.0, None]
    assert [None if math.isnan(value) else value for value in found.scored[1]] == [0.1 + 0.2, None, None, None, 23.0]
    assert [month_text(month) for month in found.month.tolist()] == ["2018-01", "2019-01"]
    assert found.candidates[0].tolist() == [1.5, 2.0, 1.0, 1.0, 2.0]
    assert catalogue.labels(catalogue.features[0]) == {"bdf"}


def test_the_catalogue_refuses_what_would_not_hold_together() -> None:
    other = Dataset.declared("debts", 1, "month", "month", PANEL.columns)
    with pytest.raises(MalformedConvention):
        catalogue_of([other])
    with pytest.raises(MalformedConvention):
        catalogue_of([PANEL, PANEL])


def test_a_purpose_has_the_features_whose_sources_it_reads() -> None:
    names = catalogue_of([BUILT_IN["debts"], BUILT_IN["headcount"]]).names
    assert "debt_per_head" in names
    assert "debt_ratio" not in names


WITHOUT_FEATURES = sorted(BUILT_IN.keys() - DATASETS_READ - {"proceedings"})


def test_a_built_in_dataset_without_features_adds_none_and_is_not_a_declared_one() -> None:
    assert WITHOUT_FEATURES == ["establishment_departments", "explanation_requests", "perimeter"]
    assert not {source for feature in ALL.features for source in feature.datasets} & set(WITHOUT_FEATURES)
    assert ALL.declared == {}
    assert ALL.names == catalogue_of(BUILT_IN[name] for name in BUILT_IN if name not in WITHOUT_FEATURES).names
    alone = catalogue_of(BUILT_IN[name] for name in WITHOUT_FEATURES)
    assert alone.features == ()
    assert alone.declared == {}


def test_a_dataset_without_features_changes_no_bit_and_makes_no_history_longer() -> None:
    """Its rows are far older than any other: were they looked at, the first month and the marks would move."""
    heads = [(A, month, 10 + place) for place, month in enumerate(MONTHS)]
    before = {
        "headcount": table("headcount", heads),
        "contributions": table("contributions", [(A, month, 0.1 * place) for place, month in enumerate(MONTHS)]),
        "debts": table("debts", [(A, month, 0.3 * place, 0.7) for place, month in enumerate(MONTHS)]),
    }
    old = "2011-01"
    others: dict[str, list[tuple[Any, ...]]] = {
        "establishment_departments": [(A, old, "d2a", 2), (A, old, "d971", 1)],
        "explanation_requests": [(A, old)],
        "perimeter": [(A, old)],
    }
    assert sorted(others) == WITHOUT_FEATURES
    without = catalogue_of(BUILT_IN[name] for name in BUILT_IN if name not in WITHOUT_FEATURES)
    plain = group(before, "2020-12", catalogue=without, last_training="2019-06")
    listed = group(before, "2020-12", last_training="2019-06")
    delivered = group(
        {**before, **{name: table(name, rows) for name, rows in others.items()}}, "2020-12", last_training="2019-06"
    )
    for found in (listed, delivered):
        assert found.keys.equals(plain.keys)
        assert same_bits(found.scored, plain.scored)
        assert same_bits(found.candidates, plain.candidates)
        assert found.first == plain.first == parse_month("2019-01")
        assert found.in_default.tolist() == plain.in_default.tolist()


def test_a_row_of_the_perimeter_makes_no_company_known() -> None:
    month, keys = pa.array([240], pa.date32()), pa.array([bytes(16)], pa.binary(16))
    assert len(known_companies(pa.table({"pseudonym": keys, "month": month}), BUILT_IN["perimeter"])) == 0
    loans = pa.table({"pseudonym": keys, "as_of": month, "active": [False]})
    assert known_companies(loans, BUILT_IN["state_guaranteed_loans"]).to_pylist() == [bytes(16)]


def test_labels_are_those_of_the_sources() -> None:
    labels = {feature.name: ALL.labels(feature) for feature in BUILT_IN_FEATURES}
    assert labels["headcount"] == frozenset()
    assert labels["debt_per_head"] == {"urssaf"}
    assert labels["short_time_ratio"] == {"dgefp"}
    assert labels["supplier_delay"] == {"bdf"}
    assert len(labels) == len(BUILT_IN_FEATURES) == 154


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/leak.csv'",
        "ATTACH '/tmp/leak.db'",
        "SET enable_external_access = true",
        "SET threads = 64",
        "INSTALL httpfs",
    ],
)
def test_the_database_reaches_nothing_outside(query: str) -> None:
    connection = connect()
    with pytest.raises(Exception, match=r"(?i)disabled|locked|permission|cannot"):
        connection.execute(query)


def test_the_page_is_what_the_catalogue_says() -> None:
    written = Path(__file__).parents[4] / "docs" / "features.md"
    assert written.read_text(encoding="utf-8") == page(), "run: python -m vigie_hub.enclave.features > docs/features.md"


def test_the_page_prints_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vigie_hub.enclave.features"], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == page()
