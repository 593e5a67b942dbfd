"""A reason as a sentence: what the feature means, the company's value, and what is usual in its sector.

    Dette Urssaf rapportée à la cotisation mensuelle moyenne : 3,2 (habituel dans le secteur : 0 à 0,4)

Numbers are written as the reader's language does, to three significant digits, thousands in full; what is not known is said
to be unknown and never becomes 0.  Nothing here reads a file or knows a company.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_THIN: Final = "\N{NARROW NO-BREAK SPACE}"
_HARD: Final = "\N{NO-BREAK SPACE}"
_MINUS: Final = "\N{MINUS SIGN}"
_SECTIONS: Final = "ABCDEFGHIJKLMNOPQRSTU"

_SCIENTIFIC_FROM: Final = 1e15
"""From here on digits in full would claim what a double does not hold."""
_LEAST: Final = 0.001
"""Nearer to zero than this a number is only said to be near it."""


@dataclass(frozen=True)
class _Words:
    unknown: str
    withheld: str
    usual: str
    to: str
    colon: str
    yes: str
    no: str
    point: str
    thousands: str


_FRENCH: Final = _Words("inconnu", "non communiqué", "habituel dans le secteur", "à", " : ", "oui", "non", ",", _THIN)
_ENGLISH: Final = _Words("unknown", "withheld", "usual in the sector", "to", ": ", "yes", "no", ".", ",")

_UNITS: Final[Mapping[str, tuple[tuple[str, str], tuple[str, str]]]] = {
    "EUR": (("€", "€"), ("EUR", "EUR")),
    "%": (("%", "%"), ("%", "%")),
    "days": (("jour", "jours"), ("day", "days")),
    "months": (("mois", "mois"), ("month", "months")),
    "h": (("h", "h"), ("h", "h")),
    "persons": (("salarié", "salariés"), ("person", "persons")),
    "establishments": (("établissement", "établissements"), ("establishment", "establishments")),
    "interquartile ranges": (
        ("écart interquartile", "écarts interquartiles"),
        ("interquartile range", "interquartile ranges"),
    ),
}
"""Unit of a feature -> (one, several) in French and in English."""

_BARE: Final = frozenset({"", "1", "ratio", "share", "as delivered"})
"""Units of a plain number."""


def sentence(
    meaning: str,
    value: float | None,
    unit: str,
    usual: tuple[float | None, float | None],
    *,
    language: str = "fr",
    range_withheld: bool = False,
) -> str:
    """Say a reason.

    Args:
        meaning: of the feature, in that language.
        value: the company's; None or not finite is unknown.
        unit: of the feature, as the enclave names it; one that is not known here is written as it is.
        usual: low and high end of what is usual in the sector; unknown when either is.
        language: ``fr`` or ``en``.
        range_withheld: whether the recipient may not be told what is usual.
    """
    words = _FRENCH if language == "fr" else _ENGLISH
    known = _known(value)
    said = words.unknown if known is None else _told(known, unit, words) + _after(known, unit, words)
    between = words.withheld if range_withheld else _range(usual, unit, words)
    return f"{meaning[:1].upper()}{meaning[1:]}{words.colon}{said} ({words.usual}{words.colon}{between})"


def number(value: float, language: str = "fr") -> str:
    """Write a finite number: three significant digits, all of them from 1 000 on, thousands apart."""
    return _number(value, _FRENCH if language == "fr" else _ENGLISH)


def _number(value: float, words: _Words) -> str:
    size, sign = abs(value), _MINUS if value < 0 else ""
    if size == 0:
        return "0"
    if size < _LEAST:
        return f"{'>' if value < 0 else '<'}{_HARD}{sign}0{words.point}001"
    if size >= _SCIENTIFIC_FROM:
        mantissa, _, exponent = f"{size:.2e}".partition("e")
        return f"{sign}{_tidy(mantissa, words)}{_HARD}×{_HARD}10^{int(exponent)}"
    digits = max(0, 2 - math.floor(math.log10(size)))
    return sign + _tidy(f"{size:,.{digits}f}", words)


def _tidy(digits: str, words: _Words) -> str:
    """Digits as Python writes them, without zeros that say nothing, in the language's signs."""
    whole, _, rest = digits.partition(".")
    rest = rest.rstrip("0")
    return whole.replace(",", words.thousands) + (words.point + rest if rest else "")


def _known(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _told(value: float, unit: str, words: _Words) -> str:
    """The number, or the word that a code stands for."""
    special = _CODES.get(unit)
    return _number(value, words) if special is None else special(value, words)


def _yes_or_no(value: float, words: _Words) -> str:
    return {0.0: words.no, 1.0: words.yes}.get(value, _number(value, words))


def _section(value: float, words: _Words) -> str:
    place = int(value) - 1
    return _SECTIONS[place] if place + 1 == value and 0 <= place < len(_SECTIONS) else _number(value, words)


_CODES: Final[Mapping[str, Callable[[float, _Words], str]]] = {
    "0 or 1": _yes_or_no,
    "section, 1 for A … 21 for U": _section,
}
"""Units whose numbers are no quantities."""


def _after(value: float, unit: str, words: _Words) -> str:
    if unit in _BARE or unit in _CODES:
        return ""
    if unit not in _UNITS:
        return _HARD + unit
    one, several = _UNITS[unit][words is _ENGLISH]
    # French counts 0 and 1.5 as one, English does not.
    few = abs(value) < 2 if words is _FRENCH else abs(value) == 1
    gap = "" if unit == "%" and words is _ENGLISH else _HARD
    return gap + (one if few else several)


def _range(usual: tuple[float | None, float | None], unit: str, words: _Words) -> str:
    low, high = _known(usual[0]), _known(usual[1])
    if low is None or high is None:
        return words.unknown
    first, last = _told(low, unit, words), _told(high, unit, words)
    unit_said = _after(high, unit, words)
    return f"{first}{unit_said}" if first == last else f"{first} {words.to} {last}{unit_said}"
