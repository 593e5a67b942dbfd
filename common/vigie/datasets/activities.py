"""Activity codes of the NAF, revision 2, and legal forms, as numbers: text never crosses.

``62.02A`` is the section ``j``, the division 62, the group 620, the class 6202 and the letter 1 (A = 1 … Z = 26).  Class
and letter together are the whole code; the rest is told too because a model and a rule want it coarse.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_CODE: Final = re.compile(r"([0-9]{2})\.?([0-9]{2})([A-Z])")
_FORM: Final = re.compile(r"[0-9]{4}")
_BEFORE_A: Final = ord("A") - 1

_SECTIONS: Final = (
    ("a", 1, 3),
    ("b", 5, 9),
    ("c", 10, 33),
    ("d", 35, 35),
    ("e", 36, 39),
    ("f", 41, 43),
    ("g", 45, 47),
    ("h", 49, 53),
    ("i", 55, 56),
    ("j", 58, 63),
    ("k", 64, 66),
    ("l", 68, 68),
    ("m", 69, 75),
    ("n", 77, 82),
    ("o", 84, 84),
    ("p", 85, 85),
    ("q", 86, 88),
    ("r", 90, 93),
    ("s", 94, 96),
    ("t", 97, 98),
    ("u", 99, 99),
)

SECTIONS: Final = tuple(section for section, _, _ in _SECTIONS)
"""The sections A to U as categories."""

SECTION_OF_DIVISION: Final[Mapping[int, str]] = MappingProxyType(
    {division: section for section, first, last in _SECTIONS for division in range(first, last + 1)}
)
"""Division → section; a division within a section's span that the nomenclature leaves free is listed all the same."""


@dataclass(frozen=True)
class Activity:
    """An activity code cut into its levels.

    Attributes:
        section: ``a`` to ``u``.
        division: first two digits.
        group: first three.
        code: all four, the class.
        letter: A = 1 … Z = 26.
    """

    section: str
    division: int
    group: int
    code: int
    letter: int

    @property
    def text(self) -> str:
        """As Insee writes it: ``62.02A``."""
        return f"{self.division:02d}.{self.code % 100:02d}{chr(self.letter + _BEFORE_A)}"


def activity(text: str) -> Activity | None:
    """Cut a code, with or without its dot; None when it is none of the NAF, revision 2, or of no section of it."""
    found = _CODE.fullmatch(text)
    if found is None:
        return None
    division = int(found[1])
    section = SECTION_OF_DIVISION.get(division)
    if section is None:
        return None
    code = division * 100 + int(found[2])
    return Activity(section, division, code // 10, code, ord(found[3]) - _BEFORE_A)


def legal_form(text: str) -> int | None:
    """Legal form (*catégorie juridique*, four digits) as a number; None when the text is not one."""
    return int(text) if _FORM.fullmatch(text) else None
