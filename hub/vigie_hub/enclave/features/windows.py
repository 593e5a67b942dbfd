"""Pieces of SQL over several months: earlier values, and sums, counts and means written out month by month.

They are written out because an aggregate adds floating-point values in whatever order the rows come, and the order of the
keys would show in the last bits.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

MEAN_AT_LEAST: Final = 3
"""Fewest known months for a mean."""


def earlier(columns: Mapping[str, Iterable[int]]) -> str:
    """``lag(column, n) OVER timeline AS column_n`` for each column and n."""
    return ",\n        ".join(
        f"lag({column}, {n}) OVER timeline AS {column}_{n}" for column, months in columns.items() for n in months
    )


def sum_of_known(column: str, months: int) -> str:
    """Sum over the last months in one written order, unknown ones passed over."""
    return _wrapped([f"coalesce({name}, 0)" for name in _names(column, months)], " + ")


def any_known(column: str, months: int) -> str:
    """Whether one of the last months is known."""
    return f"coalesce({_wrapped(_names(column, months), ', ')}) IS NOT NULL"


def mean_of_known(column: str, lengths: Sequence[int]) -> str:
    """``column_mean_n`` for each number n of months: the mean of those known, at least :data:`MEAN_AT_LEAST`."""
    return ",\n        ".join(
        f"CASE WHEN {_count_known(column, months)} >= {MEAN_AT_LEAST}\n            THEN "
        f"({sum_of_known(column, months)}) / ({_count_known(column, months)}) END AS {column}_mean_{months}"
        for months in lengths
    )


def months_above_zero(column: str, months: int) -> str:
    """How many of the last months were above zero; unknown when none of them is known."""
    counted = _wrapped([f"coalesce(({name} > 0)::INTEGER, 0)" for name in _names(column, months)], " + ")
    return f"CASE WHEN {any_known(column, months)}\n            THEN {counted} END"


def _count_known(column: str, months: int) -> str:
    return _wrapped([f"known({name})" for name in _names(column, months)], " + ")


def _names(column: str, months: int) -> list[str]:
    return [column, *(f"{column}_{n}" for n in range(1, months))]


def _wrapped(parts: Sequence[str], separator: str) -> str:
    """Join, four to a line."""
    lines = [separator.join(parts[at : at + 4]) for at in range(0, len(parts), 4)]
    return f"{separator.rstrip()}\n                ".join(lines)
