"""Debts: balances of gaps become the debt of a company at each month's end (reference sections 1.4 and 2.1)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.golden import SAMPLES, golden_table
from support.typed_tables import all_rows, selected, typed
from vigie_node.canonicalise import canonicalise
from vigie_node.canonicalise.debts import clean_debit
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

Event = dict[str, Any]
LAST = date(2021, 6, 1)


def event(
    month: int, employee: str, employer: str = "0", *, sequence: int = 1, gap: str = "101", **other: Any
) -> Event:
    """A row of the extract that counts from a month of 2021."""
    row = {
        "siret": "11111111100001",
        "account": "1" * 18,
        "gap": gap,
        "sequence": sequence,
        "treated": date(2021, month, 5),
        "employee_share": Decimal(employee),
        "employer_share": Decimal(employer),
        "period_start": date(2020, 1, 1),
        "period_stop": date(2020, 2, 1),
        "period_irregular": False,
        "counted_from": date(2021, month, 1),
    }
    return row | other


def debts(workspace: Workspace, events: list[Event]) -> list[tuple[Any, ...]]:
    """The canonical rows."""
    (made,) = canonicalise(workspace, {"debit": typed(workspace, "debit", events)}, LAST)
    return all_rows(made.connection, made.table)


def test_a_balance_stays_until_an_event_changes_it_up_to_the_last_month(workspace: Workspace) -> None:
    rows = debts(workspace, [event(2, "10.10", "20"), event(4, "0", "0", sequence=2)])
    assert rows == [
        ("111111111", date(2021, 2, 1), 10.10, 20.0),
        ("111111111", date(2021, 3, 1), 10.10, 20.0),
        ("111111111", date(2021, 4, 1), 0.0, 0.0),
        ("111111111", date(2021, 5, 1), 0.0, 0.0),
        ("111111111", date(2021, 6, 1), 0.0, 0.0),
    ]


def test_a_gap_that_no_event_touches_in_a_month_still_counts(workspace: Workspace) -> None:
    """Section 1.4: the real system summed only the gaps touched in a month, until its issue 556."""
    rows = debts(workspace, [event(5, "10"), event(6, "3", gap="201")])
    assert [row[2] for row in rows] == [10.0, 13.0]


def test_of_several_events_in_a_month_the_highest_of_the_history_counts(workspace: Workspace) -> None:
    """Section 1.4: state, not flow; tie by Num_Hist_Ecn, whatever the order of lines."""
    rows = debts(workspace, [event(6, "7", sequence=10), event(6, "9", sequence=2), event(6, "8", sequence=3)])
    assert rows == [("111111111", LAST, 7.0, 0.0)]


def test_establishments_of_a_company_are_summed_exactly(workspace: Workspace) -> None:
    events = [event(6, "0.10", gap=str(gap), siret=f"1111111110{gap:04d}") for gap in range(1001, 1004)]
    assert debts(workspace, events) == [("111111111", LAST, 0.3, 0.0)]


def test_what_is_merged_or_comes_later_is_counted(workspace: Workspace) -> None:
    late = event(6, "5", sequence=9, counted_from=date(2021, 7, 1))
    events = [event(5, "1"), event(5, "1"), event(5, "2", sequence=2), late]
    (made,) = canonicalise(workspace, {"debit": typed(workspace, "debit", events)}, LAST)
    report = made.report
    assert dict(report.rules) == {"repeated_event": 1, "superseded_within_month": 1, "after_period": 1}
    assert (report.parsed, report.valid, report.skipped, report.rows) == (4, 1, 3, 2)
    assert report.parsed == report.valid + report.rejected + report.skipped


_MONTHS = st.integers(1, 8).map(lambda month: date(2021, month, 1))
_EVENTS = st.lists(
    st.builds(
        lambda siret, gap, month, sequence, employee, employer: (
            event(1, "0", gap=gap, siret=siret, sequence=sequence, counted_from=month)
            | {"employee_share": Decimal(employee) / 100, "employer_share": Decimal(employer) / 100}
        ),
        st.sampled_from(["00000000100001", "00000000100002", "99999999900001"]),
        st.sampled_from(["101", "201"]),
        _MONTHS,
        st.integers(0, 3),
        st.integers(-500, 10**12),
        st.integers(0, 500),
    ),
    min_size=1,
    max_size=12,
)


def by_definition(events: list[Event], last: date) -> list[tuple[Any, ...]]:
    """The balance of each gap at each month, looked up month by month, then summed by company."""
    rows = []
    for siren in sorted({one["siret"][:9] for one in events}):
        own = [(number, one) for number, one in enumerate(events) if one["siret"][:9] == siren]
        for month in (date(2021, number, 1) for number in range(1, last.month + 1)):
            latest: dict[tuple[str, str], tuple[tuple[Any, ...], Event]] = {}
            for line, one in own:
                if one["counted_from"] <= month:
                    rank = (one["counted_from"], one["sequence"], one["treated"], line)
                    gap = (one["siret"], one["gap"])
                    if gap not in latest or latest[gap][0] < rank:
                        latest[gap] = (rank, one)
            if latest:
                states = [one for _, one in latest.values()]
                employee = sum((one["employee_share"] for one in states), Decimal(0))
                employer = sum((one["employer_share"] for one in states), Decimal(0))
                rows.append((siren, month, float(employee), float(employer)))
    return rows


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for all examples of a property."""
    with Workspace(tmp_path_factory.mktemp("debts"), memory="256MB", threads=1) as opened:
        yield opened


@settings(max_examples=25)
@given(_EVENTS)
def test_debts_are_those_of_the_definition(shared: Workspace, events: list[Event]) -> None:
    assert debts(shared, events) == by_definition(events, LAST)


@settings(max_examples=25)
@given(_EVENTS)
def test_the_order_of_lines_with_different_histories_does_not_matter(shared: Workspace, events: list[Event]) -> None:
    one_each = {(one["siret"], one["gap"], one["counted_from"], one["sequence"]): one for one in events}
    assert debts(shared, list(one_each.values())) == debts(shared, list(reversed(one_each.values())))


def test_months_are_made_from_ranges_however_long(workspace: Workspace) -> None:
    """Half a million months from two thousand rows, in 256 MB."""
    select = (
        "SELECT printf('%09d00001', i) AS siret, '101' AS gap, 1 AS sequence, DATE '2001-01-01' AS treated, "
        "DATE '2000-01-01' AS period_start, DATE '2000-02-01' AS period_stop, DATE '2001-01-01' AS counted_from, "
        "1.00 AS employee_share, 2.00 AS employer_share FROM range(2000) r(i)"
    )
    (made,) = canonicalise(workspace, {"debit": selected(workspace, "debit", select)}, LAST)
    assert made.report.rows == 2000 * (20 * 12 + 6)
    assert made.report.companies == 2000


def test_the_view_of_the_real_system_is_reproduced(workspace: Workspace) -> None:
    """Its clean_debit, with is_last."""
    read(KINDS["debit"], [file_source(SAMPLES / "urssaf" / "debitTestData.csv")], workspace)
    found = workspace.connection.execute(f"{clean_debit()} ORDER BY siret, month").fetchall()
    assert [
        {
            "siret": siret,
            "periode": periode.isoformat(),
            "part_ouvriere": str(employee),
            "part_patronale": str(employer),
            "is_last": str(last).lower(),
        }
        for siret, periode, employee, employer, last in found
    ] == golden_table("test-export.clean_debit.golden.txt")


def test_the_view_of_the_real_system_keeps_gaps_and_says_which_month_is_last(workspace: Workspace) -> None:
    events = [event(2, "10"), event(4, "3", gap="201"), event(3, "1", siret="22222222200001")]
    typed(workspace, "debit", events)
    found = workspace.connection.execute(f"SELECT periode, part_ouvriere, is_last FROM ({clean_debit()}) ORDER BY ALL")
    assert found.fetchall() == [
        (date(2021, 2, 1), Decimal(10), False),
        (date(2021, 3, 1), Decimal(1), True),
        (date(2021, 4, 1), Decimal(13), True),
    ]
