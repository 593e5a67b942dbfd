"""Codes of the départements as the programme lists them, and the categories that stand for them.

A category must begin with a letter: ``01`` is ``d01``, ``2A`` is ``d2a``, ``971`` is ``d971``.  Names and regions are in
:mod:`vigie.datasets.reference`.
"""

import re
from typing import Final

DEPARTMENTS: Final = (
    *(f"{number:02d}" for number in range(1, 20)),
    *(str(number) for number in range(21, 30)),
    *("2A", "2B"),
    *(str(number) for number in range(30, 96)),
    *("971", "972", "973", "974", "975", "976", "977", "978"),
    *("981", "984", "986", "987", "988", "989"),
)
"""Every département and overseas collectivity, in the order of the codes."""

_PREFIX: Final = "d"
_COMMUNE: Final = re.compile(r"[0-9][0-9AB][0-9]{3}")
_LISTED: Final = frozenset(DEPARTMENTS)


def category_of(code: str) -> str:
    """``2A`` → ``d2a``.  The code is not looked up: see ``DEPARTMENTS``."""
    return _PREFIX + code.lower()


def code_of(category: str) -> str:
    """``d2a`` → ``2A``, the inverse of :func:`category_of`."""
    return category.removeprefix(_PREFIX).upper()


CATEGORIES: Final = tuple(category_of(code) for code in DEPARTMENTS)
"""The same list as categories of a column."""


def department_of_commune(commune: str) -> str | None:
    """Category of the département of a commune's code (Insee): ``2A004`` → ``d2a``, ``97411`` → ``d974``.

    A postcode does not tell it: Corsica and overseas go wrong.  None when the text is no code of a commune, or of one
    abroad (``99``).
    """
    if _COMMUNE.fullmatch(commune) is None:
        return None
    code = commune[:3] if commune.startswith(("97", "98")) else commune[:2]
    return category_of(code) if code in _LISTED else None
