"""Times: one form, written and read back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie import clock
from vigie.errors import MalformedStatement


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_back_to_the_second(moment: datetime) -> None:
    assert clock.parse_time(clock.stamp(moment)) == moment.replace(microsecond=0)


def test_other_zones_are_written_in_utc() -> None:
    paris = timezone(timedelta(hours=2))
    assert clock.stamp(datetime(2026, 7, 1, 1, 30, 59, 999_999, tzinfo=paris)) == "2026-06-30T23:30:59Z"


def test_a_time_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="time zone"):
        clock.stamp(datetime(2026, 1, 1))  # noqa: DTZ001 - what is tested


@pytest.mark.parametrize(
    "text",
    [
        "", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00.5Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z",
        "0000-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n", " 2026-01-01T00:00:00Z", "٢٠٢٦-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedStatement):
        clock.parse_time(text)


def test_now_is_aware_and_whole() -> None:
    now = clock.utc_now()
    assert now.tzinfo is UTC and now.microsecond == 0
    assert abs(datetime.now(UTC) - now) < timedelta(seconds=60)
