"""Short-time work: hours used by month, and authorised hours spread over their days (reference section 1.9)."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.golden import ABSENT, SAMPLES, Difference, assert_same, golden_table
from support.typed_tables import all_rows, typed
from vigie.datasets.short_time_work import authorised_by_month
from vigie_node.canonicalise import canonicalise
from vigie_node.canonicalise.short_time_work import FTE_HOURS, UNIT, spread
from vigie_node.extracts.canonical import Checked
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

LAST = date(2021, 6, 1)
SITE = "11111111100001"


def used(day: date, hours: float | None, staff: float | None = None, siret: str = SITE) -> dict[str, Any]:
    return {"request": "a1", "siret": siret, "hours": hours, "staff": staff, "day": day, "month": day.replace(day=1)}


def asked(first: date, last: date, hours: float | None, reason: int | None = 1, siret: str = SITE) -> dict[str, Any]:
    return {
        "request": "a1", "siret": siret, "status_date": first, "first_day": first, "last_day": last,
        "authorised_hours": hours, "reason": reason,
    }  # fmt: skip


def made(workspace: Workspace, consumed: list[dict[str, Any]], requests: list[dict[str, Any]] | None = None) -> Checked:
    readings = {"apconso": typed(workspace, "apconso", consumed)}
    if requests is not None:
        readings["apdemande"] = typed(workspace, "apdemande", requests)
    (found,) = canonicalise(workspace, readings, LAST)
    return found


def rows(found: Checked) -> list[tuple[Any, ...]]:
    return all_rows(found.connection, found.table)


def test_hours_used_are_summed_by_company_and_month(workspace: Workspace) -> None:
    found = made(
        workspace,
        [used(date(2020, 12, 30), 0.1, 2), used(date(2020, 12, 1), 0.2, siret="11111111100002"), used(LAST, None)],
        [],
    )
    assert rows(found) == [("111111111", date(2020, 12, 1), 0.3, None, 2.0), ("111111111", LAST, None, None, None)]


def test_authorised_hours_are_spread_over_the_days_of_the_request(workspace: Workspace) -> None:
    """Section 1.9: the real system's clean_ap repeats all hours on every month."""
    found = made(workspace, [used(date(2020, 1, 1), 5)], [asked(date(2020, 1, 22), date(2020, 2, 10), 100)])
    assert rows(found) == [
        ("111111111", date(2020, 1, 1), 5.0, 50.0, None),
        ("111111111", date(2020, 2, 1), None, 50.0, None),
    ]


def test_requests_of_an_establishment_that_overlap_are_merged_first(workspace: Workspace) -> None:
    """Two requests of 30 and 60 hours, from 1 to 20 and from 11 to 31 January, then 29 days: 90 hours over 60 days."""
    requests = [asked(date(2020, 1, 1), date(2020, 1, 20), 30), asked(date(2020, 1, 11), date(2020, 2, 29), 60)]
    found = made(workspace, [used(LAST, 1)], requests)
    assert [row[3] for row in rows(found)] == [46.5, 43.5, None]
    # Another establishment of the company has spans of its own.
    requests[1]["siret"] = "11111111100002"
    found = made(workspace, [used(LAST, 1)], requests)
    assert [row[3] for row in rows(found)] == [30 + 60 * 21 / 50, 60 * 29 / 50, None]


def test_what_is_left_out_is_counted_by_its_first_rule(workspace: Workspace) -> None:
    """Sections 1.9 and 2.8: reasons from 6 on are left out; a spurious end far away makes no months after the period."""
    day = date(2021, 6, 1)
    requests = [
        asked(day, day, 5, reason=6),
        asked(day, day, 5, reason=8),
        asked(day, day, None),
        asked(day, day - timedelta(days=1), 5),
        asked(date(2021, 7, 1), date(2021, 7, 1), 5),
        asked(day, date(9999, 12, 31), 2_914_301),
        asked(day, day, 1, reason=None, siret="22222222200001"),
        asked(day, day, 1, reason=0, siret="22222222200001"),
    ]
    found = made(workspace, [used(date(2021, 7, 1), 1), used(day, 1)], requests)
    report = found.report
    assert dict(report.rules) == {"reason_unknown": 2, "no_hours": 1, "ends_before_start": 1, "after_period": 2}
    assert (report.parsed, report.valid, report.skipped) == (10, 4, 6)
    assert report.last == "2021-06-01"
    days = (date(9999, 12, 31) - day).days + 1
    assert rows(found) == [
        ("111111111", day, 1.0, pytest.approx(2_914_301 * 30 / days), None),
        ("222222222", day, None, 2.0, None),
    ]


@pytest.mark.parametrize("number", [1e300, -2e9, float("inf"), float("nan")])
def test_a_number_that_cannot_be_summed_is_left_out(workspace: Workspace, number: float) -> None:
    requests = [asked(LAST, LAST, number), asked(LAST, LAST, 2)]
    found = made(workspace, [used(LAST, number), used(LAST, 1, number), used(LAST, 3)], requests)
    assert rows(found) == [("111111111", LAST, 3.0, 2.0, None)]
    assert dict(found.report.rules) == {"number_too_large": 3}


def test_without_requests_the_dataset_is_made_and_says_so(workspace: Workspace) -> None:
    found = made(workspace, [used(LAST, 7)])
    assert rows(found) == [("111111111", LAST, 7.0, None, None)]
    assert found.report.notes == ["made without apdemande, which was not given"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for all examples of a property."""
    with Workspace(tmp_path_factory.mktemp("short"), memory="256MB", threads=1) as opened:
        yield opened


_REQUESTS = st.lists(
    st.builds(
        lambda siret, first, days, hours: asked(first, first + timedelta(days=days), hours / 100, siret=siret),
        st.sampled_from([SITE, "11111111100002", "22222222200001"]),
        st.dates(date(2020, 1, 1), date(2021, 4, 1)),
        st.integers(0, 70),
        st.integers(0, 10**8),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=25)
@given(_REQUESTS)
def test_authorised_hours_are_those_of_the_rule_in_python(shared: Workspace, requests: list[dict[str, Any]]) -> None:
    """:func:`authorised_by_month` says what is right; nothing of a request is lost or counted twice."""
    found = made(shared, [used(date(1999, 1, 1), 0, siret="99999999900001")], requests)
    expected: dict[tuple[str, date], float] = defaultdict(float)
    for siret in {one["siret"] for one in requests}:
        spans = [
            (one["first_day"], one["last_day"], one["authorised_hours"]) for one in requests if one["siret"] == siret
        ]
        for month, hours in authorised_by_month(spans).items():
            expected[siret[:9], month] += hours
    ours = {(siren, month): hours for siren, month, _, hours, _ in rows(found) if siren != "999999999"}
    assert ours == pytest.approx(dict(expected), abs=1e-9)
    assert sum(ours.values()) == pytest.approx(sum(one["authorised_hours"] for one in requests))


@settings(max_examples=25)
@given(_REQUESTS)
def test_the_order_of_requests_does_not_matter(shared: Workspace, requests: list[dict[str, Any]]) -> None:
    consumed = [used(LAST, 1)]
    assert rows(made(shared, consumed, requests)) == rows(made(shared, consumed, requests[::-1]))


def _spread(row: int, theirs: str, ours: str) -> Difference:
    return Difference(row, "etp_autorise", theirs, ours, "theirs repeats the hours of a request on each of its months")


def _nothing(row: int, column: str) -> Difference:
    return Difference(row, column, "0", "", "no consumption, or no request, was delivered: that is unknown, and not 0")


_KNOWN: Final = (
    _spread(0, "277.4346937429947", "199.406186"),
    _spread(1, "277.4346937429947", "78.028508"),
    _spread(2, "1.1736005802070286", "0.110025"),
    _spread(3, "1.1736005802070286", "1.063576"),
    _spread(7, "2.274675281861937", "0.146753"),
    _spread(8, "2.274675281861937", "2.127922"),
    *(_nothing(row, "etp_consomme") for row in (0, 1, 2, 3, 7, 8)),
    *(_nothing(row, "etp_autorise") for row in (4, 5, 6)),
)


def test_the_view_of_the_real_system_differs_by_its_known_defects(workspace: Workspace) -> None:
    """Its clean_ap, by establishment, in full-time months of 151.67 hours; what differs is listed with why."""
    readings = {
        kind: read(KINDS[kind], [file_source(SAMPLES / "dgefp" / f"{kind}TestData.csv")], workspace)
        for kind in ("apconso", "apdemande")
    }
    assert all(reading.valid == 3 for reading in readings.values())
    requests = "SELECT siret, first_day AS start, last_day AS stop, authorised_hours AS hours FROM apdemande"
    last_month = "DATE '2021-06-01'"
    found = workspace.connection.execute(
        f"SELECT siret, left(siret, 9) AS siren, month, round(units / {UNIT} / {FTE_HOURS}, 6), hours / {FTE_HOURS} "
        f"FROM ({spread(requests, last_month)}) FULL JOIN apconso USING (siret, month) ORDER BY siret, month"
    ).fetchall()
    ours = [
        {
            "siret": siret,
            "siren": siren,
            "periode": month.isoformat(),
            "etp_autorise": "" if authorised is None else repr(authorised),
            "etp_consomme": "" if consumed is None else repr(consumed),
        }
        for siret, siren, month, authorised, consumed in found
    ]
    theirs = golden_table("test-export.clean_ap.golden.txt")
    label = "the reason of a request is used to choose requests, and is not sent"
    last = "which month is the last of a file is told by the report"
    month = Difference(4, "periode", "2020-12-30", "2020-12-01", "a month is told by its first day")
    unsent = [
        Difference(row, column, theirs[row][column], ABSENT, why)
        for row in range(len(theirs))
        for column, why in (("motif_recours", label), ("is_last", last))
    ]
    assert_same(theirs, ours, listed=[*_KNOWN, month, *unsent], cut=20)
