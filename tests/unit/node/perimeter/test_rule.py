"""Working a perimeter out: the real system's own fixture cell by cell, then one rule at a time against a slow reference."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.golden import SAMPLES
from support.perimeter import rule_of, section
from vigie.convention import PerimeterRule
from vigie.errors import ConfigError, ExtractError
from vigie_node.perimeter.rule import Computed, compute

FIXTURE = SAMPLES / "filter"
RULE = rule_of(section())
BARE = replace(RULE, excluded_legal_forms=(), excluded_activities=(), head_office_in_france=False)
PERIOD = "2021-04"

Headcount = tuple[str, str, int | None]
Unit = tuple[str, str | None, str | None, str | None]


def perimeter(
    headcount: Iterable[Headcount], units: Iterable[Unit] = (), rule: PerimeterRule = BARE, period: str = PERIOD
) -> Computed:
    connection = duckdb.connect()
    try:
        connection.execute("CREATE TABLE headcount (siren VARCHAR, month DATE, headcount BIGINT)")
        connection.execute("CREATE TABLE legal_units (siren VARCHAR, legal_form VARCHAR, activity VARCHAR, "
                           "head_office_department VARCHAR)")  # fmt: skip
        rows = [(siren, date.fromisoformat(f"{month}-01"), persons) for siren, month, persons in headcount]
        given_rows = pa.table(
            {
                "siren": pa.array([row[0] for row in rows], pa.string()),
                "month": pa.array([row[1] for row in rows], pa.date32()),
                "headcount": pa.array([row[2] for row in rows], pa.int64()),
            }
        )
        connection.register("given_rows", given_rows)
        connection.execute("INSERT INTO headcount SELECT * FROM given_rows")
        if listed := list(units):
            connection.executemany("INSERT INTO legal_units VALUES (?, ?, ?, ?)", listed)
        return compute(connection, rule, period)
    finally:
        connection.close()


def inside(*given: Any, **more: Any) -> list[str]:
    found: list[str] = perimeter(*given, **more).sirens.to_pylist()
    return found


# -- the real system's fixture ------------------------------------------------------------------------------------


def month_of(code: str) -> str:
    """``eff2010QM``: month M of quarter Q (reference of the field, Urssaf period codes)."""
    year, quarter, month = code[3:7], int(code[7]), int(code[8])
    return f"{year}-{3 * (quarter - 1) + month:02d}"


def unpivoted(path: Path) -> list[Headcount]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (row["siren"], month_of(code), int(cell) if cell else None)
            for row in csv.DictReader(file, delimiter=";")
            for code, cell in row.items()
            if code.startswith("eff")
        ]


def units() -> list[Unit]:
    with (FIXTURE / "test_uniteLegale.csv").open(encoding="utf-8", newline="") as file:
        return [
            (row["siren"], row["categorieJuridiqueUniteLegale"], row["activitePrincipaleUniteLegale"], "75")
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("window", [36, 100, 120])
def test_the_golden_output_is_reproduced(window: int) -> None:
    """With each of the windows that the real system has had; the golden list is of headcount alone."""
    golden = (FIXTURE / "test_golden.txt").read_text().split()
    assert "siren" in golden and len(golden) == 6
    found = perimeter(unpivoted(FIXTURE / "test_data.csv"), rule=replace(BARE, window_months=window), period="2020-12")
    assert found.sirens.to_pylist() == sorted(set(golden) - {"siren"})
    assert found.last_month == date(2020, 1, 1), "the trailing months without any value are not part of the window"


def test_the_legal_units_of_the_fixture_are_left_out_by_the_real_lists() -> None:
    """7490 and 7348 are on the list of legal forms; 84.59A is no NAF code and not on the list of activities."""
    found = perimeter(unpivoted(FIXTURE / "test_data.csv"), units(), RULE, "2020-12")
    assert found.sirens.to_pylist() == ["444444444", "555555555", "666666666"]
    assert found.left_out == {"legal_form": 2}
    division = replace(RULE, excluded_activities=("84",))
    assert inside(unpivoted(FIXTURE / "test_data.csv"), units(), division, "2020-12") == ["444444444", "555555555"]


def test_a_shorter_window_forgets_what_was_long_ago() -> None:
    """Three companies of the fixture have had nine persons for the last eleven months with a value."""
    rows = unpivoted(FIXTURE / "test_data.csv")
    assert inside(rows, rule=replace(BARE, window_months=11), period="2020-12") == [
        "222222222",
        "444444444",
    ]
    assert len(inside(rows, rule=replace(BARE, window_months=12), period="2020-12")) == 5


def test_the_minimal_fixture() -> None:
    """Its header names a quarter 0: one month all the same, whose values are headcounts and not départements."""
    with (FIXTURE / "minimal_effectif.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["siren"], "2024-01", int(row["eff202401"])) for row in csv.DictReader(file, delimiter=";")]
    assert inside(rows, period="2024-03") == ["000000000", "111111111"]
    assert inside(rows, rule=replace(BARE, minimum_headcount=80), period="2024-03") == ["111111111"]


# -- one rule at a time -------------------------------------------------------------------------------------------

A, B, C = "005520135", "552100554", "732829320"


def test_the_least_headcount_is_enough_and_one_less_is_not() -> None:
    rows = [(A, "2021-04", 10), (B, "2021-04", 9), (C, "2021-04", 0), (C, "2021-03", None)]
    assert inside(rows) == [A]


def test_the_window_ends_at_the_last_month_with_any_headcount_and_never_after_the_period() -> None:
    rows = [(A, "2018-01", 10), (B, "2020-12", 0), (C, "2021-03", None), (C, "2021-06", 500)]
    assert inside(rows) == [A] == inside(rows, rule=replace(BARE, window_months=36))
    assert inside(rows, rule=replace(BARE, window_months=35)) == []
    assert inside(rows, period="2021-06") == [C]


def test_a_recent_headcount_is_asked_for_only_where_the_convention_does() -> None:
    rows = [(A, "2020-01", 50), (A, "2021-01", None), (B, "2021-02", 12), (C, "2020-01", 50), (C, "2021-04", 0)]
    assert inside(rows) == [A, B, C]
    strict = perimeter(rows, rule=replace(BARE, recent_months=3))
    assert strict.sirens.to_pylist() == [B, C]
    assert strict.left_out == {"recent": 1}
    assert inside(rows, rule=replace(BARE, recent_months=2)) == [C]


@pytest.mark.parametrize(
    ("form", "activity", "department", "reason"),
    [
        ("5710", "62.02A", "75", None),
        ("7389", "62.02A", "75", "legal_form"),
        ("5710", "84.11Z", "2A", "activity"),
        ("5710", "8411Z", "971", "activity"),
        ("5710", "64.20Z", "75", None),
        ("5710", None, "75", None),
        (None, "62.02A", "75", None),
        ("5710", "62.02A", "", "head_office"),
        ("5710", "62.02A", None, "head_office"),
        ("7389", "84.11Z", None, "legal_form"),
    ],
)
def test_what_is_left_out(form: str | None, activity: str | None, department: str | None, reason: str | None) -> None:
    found = perimeter([(A, "2021-04", 10)], [(A, form, activity, department)], RULE)
    assert found.sirens.to_pylist() == ([] if reason else [A])
    assert found.left_out == ({reason: 1} if reason else {})
    assert found.without_legal_unit == 0


@pytest.mark.parametrize(
    ("code", "out"), [("6", None), ("62", True), ("62.0", True), ("62.02", True), ("62.02A", True), ("62.02B", False), ("63", False)]
)  # fmt: skip
def test_an_activity_is_left_out_by_its_code_or_the_beginning_of_it(code: str, out: bool | None) -> None:
    rule = replace(RULE, excluded_activities=(code,))
    found = inside([(A, "2021-04", 10)], [(A, "5710", "62.02A", "75")], rule)
    assert found == ([] if out is not False else [A])


def test_a_company_of_which_no_legal_unit_is_known_is_kept_and_counted() -> None:
    found = perimeter([(A, "2021-04", 10), (B, "2021-04", 10)], [(B, "5710", "62.02A", "75")], RULE)
    assert (found.sirens.to_pylist(), found.without_legal_unit) == ([A, B], 1)


def test_several_rows_of_one_company() -> None:
    doubled = [(A, "2021-04", 3), (A, "2021-04", 11), (B, "2021-04", 10)]
    rows = [
        (B, "5710", "62.02A", None),
        (B, "5710", "62.02A", "75"),
        (A, "5710", "62.02A", "75"),
        (A, "7389", None, "75"),
    ]
    assert inside(doubled, rows, RULE) == [B]


def test_head_offices_abroad_are_kept_where_the_convention_says_so() -> None:
    rule = replace(RULE, head_office_in_france=False)
    assert inside([(A, "2021-04", 10)], [(A, "5710", "62.02A", None)], rule) == [A]


@pytest.mark.parametrize("rows", [[], [(A, "2021-05", 20)], [(A, "2021-04", None)]])
def test_without_any_headcount_there_is_no_perimeter(rows: Sequence[Headcount]) -> None:
    with pytest.raises(ExtractError, match="no headcount at or before 2021-04"):
        perimeter(rows)


@pytest.mark.parametrize("period", ["2021", "2021-13", "2021-4", "21-04", "2021-04-01", ""])
def test_what_is_not_a_month_is_refused(period: str) -> None:
    with pytest.raises(ConfigError, match="not a month"):
        perimeter([(A, "2021-04", 10)], period=period)


def test_tables_may_have_other_names_and_are_left_as_they_were() -> None:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE \"odd \"\"name\" AS SELECT '005520135' AS siren, DATE '2021-04-01' AS month, 12 AS headcount"
    )
    connection.execute(
        "CREATE TABLE units AS SELECT '005520135' AS siren, '5710' AS legal_form, '62.02A' AS activity, "
        "'75' AS head_office_department"
    )
    before = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
    found = compute(connection, RULE, PERIOD, headcount='odd "name', legal_units="units")
    assert found.sirens.to_pylist() == [A]
    assert connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall() == before


MONTHS = [f"{year}-{month:02d}" for year in (2020, 2021) for month in range(1, 13)]


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from([A, B, C]), st.sampled_from(MONTHS), st.none() | st.integers(0, 20)), min_size=1, max_size=40
    ),
    units=st.lists(
        st.tuples(
            st.sampled_from([A, B, C]),
            st.sampled_from(["5710", "7389"]),
            st.sampled_from(["62.02A", "84.11Z"]),
            st.sampled_from(["75", None]),
        ),
        max_size=4,
    ),
    window=st.integers(1, 24),
    recent=st.integers(0, 6),
    period=st.sampled_from(MONTHS),
)  # fmt: skip
def test_it_is_what_the_rule_says_in_plain_python(
    rows: list[Headcount], units: list[Unit], window: int, recent: int, period: str
) -> None:
    rule = replace(RULE, window_months=window, recent_months=min(recent, window))
    known = [(siren, MONTHS.index(month), persons) for siren, month, persons in rows if persons is not None]
    known = [row for row in known if row[1] <= MONTHS.index(period)]
    if not known:
        with pytest.raises(ExtractError):
            perimeter(rows, units, rule, period)
        return
    last = max(month for _, month, _ in known)
    expected = []
    for siren in (A, B, C):
        own = [(month, persons) for one, month, persons in known if one == siren and month > last - window]
        legal = [unit for unit in units if unit[0] == siren]
        if (
            any(persons >= 10 for _, persons in own)
            and (not rule.recent_months or any(month > last - rule.recent_months for month, _ in own))
            and not any(unit[1] == "7389" or unit[2] == "84.11Z" for unit in legal)
            and (not legal or any(unit[3] for unit in legal))
        ):
            expected.append(siren)
    assert inside(rows, units, rule, period) == expected
