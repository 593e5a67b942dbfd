"""Times as Vigie writes them: RFC 3339, UTC, whole seconds, ``YYYY-MM-DDTHH:MM:SSZ`` and nothing else.

The rule kept: a function that needs the time takes it as an argument (``now``, aware, UTC), so that a test or a replay
can give any. Only the outermost shell calls :func:`utc_now`.
"""

import re
from datetime import UTC, datetime
from typing import Final

from vigie.errors import MalformedStatement

_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
_PATTERN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


def utc_now() -> datetime:
    """The time now: aware, UTC, cut to whole seconds as it will be written."""
    return datetime.now(UTC).replace(microsecond=0)


def stamp(now: datetime) -> str:
    """Write an aware time; fractions of a second are cut off.

    Raises:
        ValueError: the time has no time zone (a mistake of the caller).
    """
    if now.tzinfo is None:
        raise ValueError("a time without a time zone cannot be written")
    utc = now.astimezone(UTC)
    return f"{utc.year:04d}-{utc:%m-%dT%H:%M:%SZ}"  # %Y alone drops the leading zeros of early years on Linux


def parse_time(text: str) -> datetime:
    """Read what :func:`stamp` writes and nothing else.

    Raises:
        MalformedStatement: another form, or no such moment (a 30 February).
    """
    if _PATTERN.fullmatch(text) is None:
        raise MalformedStatement("a time does not have the form YYYY-MM-DDTHH:MM:SSZ")
    try:
        return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
    except ValueError as error:
        raise MalformedStatement("a time names a moment that does not exist") from error
