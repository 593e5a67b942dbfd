"""Months as whole numbers, so that windows are plain arithmetic: year * 12 + (month - 1)."""

import re
from datetime import date
from typing import Final

from vigie.errors import InputError

NEVER: Final = 2**31 - 1
"""A month later than any other: what did not happen."""

_PERIOD: Final = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def month_of(day: date) -> int:
    """The month that a day lies in."""
    return day.year * 12 + day.month - 1


def parse_month(text: str) -> int:
    """The month written ``YYYY-MM``.

    Raises:
        InputError: another form.
    """
    if _PERIOD.fullmatch(text) is None or text.startswith("0000"):
        raise InputError(f"a month is written YYYY-MM, not {text[:20]!r}")
    return int(text[:4]) * 12 + int(text[5:]) - 1


def month_text(month: int) -> str:
    """The form ``YYYY-MM`` of a month."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def last_day(month: int) -> date:
    """The last day of a month."""
    return date.fromordinal(date((month + 1) // 12, (month + 1) % 12 + 1, 1).toordinal() - 1)
