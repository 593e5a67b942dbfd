"""Contributions: periods spread evenly over their months (reference sections 1.3 and 2.1)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.golden import SAMPLES, golden_table
from support.typed_tables import all_rows, typed
from vigie_node.canonicalise import canonicalise
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

Row = dict[str, Any]
LAST = date(2021, 6, 1)


def called(start: date, stop: date, due: str, paid: str | None = None, siret: str = "11111111100001") -> Row:
    return {
        "siret": siret,
        "account": "1" * 18,
        "period_start": start,
        "period_stop": stop,
        "due": Decimal(due),
        "paid": None if paid is None else Decimal(paid),
        "period_irregular": False,
    }


def contributions(workspace: Workspace, rows: list[Row]) -> list[tuple[Any, ...]]:
    (made,) = canonicalise(workspace, {"cotisation": typed(workspace, "cotisation", rows)}, LAST)
    return all_rows(made.connection, made.table)


def test_a_month_is_kept_and_a_quarter_and_a_year_are_spread(workspace: Workspace) -> None:
    """Section 1.3: the real system's clean_cotisation books the whole on the first month, features spread it."""
    rows = contributions(
        workspace,
        [
            called(date(2020, 1, 1), date(2020, 2, 1), "10"),
            called(date(2020, 4, 1), date(2020, 7, 1), "100", "1"),
            called(date(2021, 1, 1), date(2022, 1, 1), "1"),
        ],
    )
    assert rows[0] == ("111111111", date(2020, 1, 1), 10.0, None)
    assert rows[1:4] == [("111111111", date(2020, month, 1), 100 / 3, 1 / 3) for month in (4, 5, 6)]
    assert rows[4:] == [("111111111", date(2021, month, 1), 1 / 12, None) for month in range(1, 13)]


def test_negative_amounts_stay(workspace: Workspace) -> None:
    """Section 1.3: regularisations are legitimate."""
    assert contributions(workspace, [called(date(2010, 7, 1), date(2010, 8, 1), "-21099", "-68231")]) == [
        ("111111111", date(2010, 7, 1), -21099.0, -68231.0)
    ]


def test_a_period_that_has_no_even_part_a_month_is_left_out_and_counted(workspace: Workspace) -> None:
    rows = [called(date(2020, 1, 1), date(2020, 6, 1), "10"), called(date(2020, 1, 1), date(2020, 1, 1), "10")]
    rows.append(called(date(2020, 1, 1), date(2020, 2, 1), "1"))
    (made,) = canonicalise(workspace, {"cotisation": typed(workspace, "cotisation", rows)}, LAST)
    report = made.report
    assert (report.parsed, report.valid, report.skipped, report.rows) == (3, 1, 2, 1)
    assert dict(report.rules) == {"period_length": 2}


def test_the_view_of_the_real_system_is_the_same_for_months(workspace: Workspace) -> None:
    """Its clean_cotisation, by establishment; each of the fixture is a company of its own, and each period a month."""
    reading = read(KINDS["cotisation"], [file_source(SAMPLES / "urssaf" / "cotisationTestData.csv")], workspace)
    (made,) = canonicalise(workspace, {"cotisation": reading}, LAST)
    assert [
        {"siret": f"{siren}{siren[:5]}", "periode": month.isoformat(), "du": f"{due:.0f}"}
        for siren, month, due, _ in all_rows(made.connection, made.table)
    ] == golden_table("test-export.clean_cotisation.golden.txt")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for all examples of a property."""
    with Workspace(tmp_path_factory.mktemp("contributions"), memory="256MB", threads=1) as opened:
        yield opened


_AMOUNTS = st.integers(-(10**9), 10**9).map(lambda cents: str(Decimal(cents) / 100))
_ROWS = st.lists(
    st.builds(
        lambda siret, month, length, due, paid: called(
            date(2020, month, 1), date(2020 + (month + length > 12), (month + length - 1) % 12 + 1, 1), due, paid, siret
        ),
        st.sampled_from(["00000000100001", "00000000100002", "99999999900001"]),
        st.integers(1, 12),
        st.sampled_from([1, 3, 12]),
        _AMOUNTS,
        st.none() | _AMOUNTS,
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=25)
@given(_ROWS)
def test_each_month_has_the_exact_sum_of_its_parts_rounded_once(shared: Workspace, rows: list[Row]) -> None:
    due: dict[tuple[str, date], Fraction] = {}
    paid: dict[tuple[str, date], Fraction] = {}
    for row in rows:
        start, stop = row["period_start"], row["period_stop"]
        length = (stop.year - start.year) * 12 + stop.month - start.month
        for at in range(length):
            month = date(start.year + (start.month + at - 1) // 12, (start.month + at - 1) % 12 + 1, 1)
            key = (row["siret"][:9], month)
            due[key] = due.get(key, Fraction()) + Fraction(row["due"]) / length
            if row["paid"] is not None:
                paid[key] = paid.get(key, Fraction()) + Fraction(row["paid"]) / length
    expected = [(*key, float(due[key]), float(paid[key]) if key in paid else None) for key in sorted(due)]
    assert contributions(shared, rows) == expected
