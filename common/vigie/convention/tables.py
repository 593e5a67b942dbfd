"""Strict reading of TOML tables: each key is asked for once, with its type and range; what is left over is refused.

Every refusal says which section, on which line it begins, which key, and what is wanted there.
"""

import binascii
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final, NoReturn

from vigie.errors import MalformedConvention, MalformedNote
from vigie.note import decode64

NAME: Final = r"[a-z][a-z0-9-]{0,62}"
"""Names of members, purposes and grants."""
IDENTIFIER: Final = r"[a-z][a-z0-9_]{0,62}"
"""Names of datasets and columns."""
LAYER: Final = r"[a-z][a-z0-9_-]{0,62}"

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST_TEXT: Final = 500
_MOST_ITEMS: Final = 1000
_INVISIBLE: Final = frozenset({"Cf", "Zl", "Zp", "Co", "Cn"})
"""Characters that could make people read another text than the one that is signed (reordering, hidden, line ends)."""


class Table:
    """One table of the TOML that is being read.

    Args:
        data: the table as tomllib gives it; emptied key by key.
        where: how to name it in a message, with its line.
    """

    def __init__(self, data: dict[str, Any], where: str) -> None:
        self._data = dict(data)
        self.where = where

    def refuse(self, what: str, *, hint: str = "") -> NoReturn:
        """Raise MalformedConvention about this table."""
        raise MalformedConvention(f"{self.where}: {what}", hint=hint)

    def has(self, key: str) -> bool:
        """Whether the key is there and has not been read yet."""
        return key in self._data

    def is_list(self, key: str) -> bool:
        """Whether the key holds a list."""
        return isinstance(self._data.get(key), list)

    def _take(self, key: str) -> Any:
        if key not in self._data:
            self.refuse(f"the key '{key}' is missing", hint="see docs/spec/convention.md for the keys of each section")
        return self._data.pop(key)

    def text(self, key: str, pattern: str | None = None, *, default: str | None = None) -> str:
        """A text on one line, not empty, that fits ``pattern`` when given."""
        if default is not None and key not in self._data:
            return default
        value = self._take(key)
        if not isinstance(value, str):
            self.refuse(f"'{key}' is not a text in quotes")
        return self._checked(key, value, pattern)

    def _checked(self, key: str, value: str, pattern: str | None) -> str:
        if pattern is not None:
            if re.fullmatch(pattern, value) is None:
                self.refuse(f"'{key}' does not have the form that is asked for: {value[:80]!r}", hint=_form(pattern))
        elif not value.strip() or len(value) > _LONGEST_TEXT or not value.isprintable():
            self.refuse(f"'{key}' is empty, longer than {_LONGEST_TEXT} characters or not printable")
        return value

    def choice(self, key: str, among: Sequence[str], *, default: str | None = None) -> str:
        """One of the given words."""
        value = self.text(key, default=default)
        if value not in among:
            self.refuse(f"'{key}' is {value[:80]!r}", hint=f"it is one of {', '.join(among)}")
        return value

    def texts(self, key: str, pattern: str | None = None, *, least: int = 0) -> tuple[str, ...]:
        """A list of texts without repetition."""
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.refuse(f"'{key}' is not a list of texts")
        if not least <= len(value) <= _MOST_ITEMS or len(set(value)) != len(value):
            self.refuse(f"'{key}' has fewer than {least} items, more than {_MOST_ITEMS}, or one of them twice")
        return tuple(self._checked(key, item, pattern) for item in value)

    def choices(self, key: str, among: Sequence[str], *, least: int = 0) -> tuple[str, ...]:
        """A list of words out of the given ones, without repetition."""
        value = self.texts(key, least=least)
        if unknown := [item for item in value if item not in among]:
            self.refuse(f"'{key}' holds {unknown[0][:80]!r}", hint=f"it may hold {', '.join(among)}")
        return value

    def integer(self, key: str, least: int, most: int, *, default: int | None = None) -> int:
        """A whole number from ``least`` to ``most``."""
        if default is not None and key not in self._data:
            return default
        value = self._take(key)
        if type(value) is not int or not least <= value <= most:
            self.refuse(f"'{key}' is not a whole number from {least} to {most}")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        """A finite number from ``least`` to ``most``."""
        value = self._take(key)
        if type(value) not in (int, float) or not least <= value <= most or not math.isfinite(value):
            self.refuse(f"'{key}' is not a number from {least:g} to {most:g}")
        return float(value)

    def boolean(self, key: str, *, default: bool | None = None) -> bool:
        """``true`` or ``false``."""
        value = self._take(key) if default is None else self._data.pop(key, default)
        if not isinstance(value, bool):
            self.refuse(f"'{key}' is not true or false")
        return value

    def day(self, key: str) -> date:
        """A day as text, ``"2026-01-31"``."""
        value = self._take(key)
        if not isinstance(value, str) or _DATE.fullmatch(value) is None:
            self.refuse(f"'{key}' is not a day in quotes", hint='write it like "2026-01-31"')
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.refuse(f"'{key}' names a day that does not exist")

    def base64(self, key: str, size: int | None = None) -> bytes:
        """Bytes in canonical base64, exactly ``size`` of them when given."""
        try:
            data = decode64(self.text(key, r"[A-Za-z0-9+/=]{1,40000}"), f"'{key}'")
        except MalformedNote as error:
            raise MalformedConvention(f"{self.where}: {error}", hint=error.hint) from error
        if size is not None and len(data) != size:
            self.refuse(f"'{key}' holds {len(data)} bytes instead of {size}")
        return data

    def hexadecimal(self, key: str, size: int) -> bytes:
        """Bytes in lower-case hexadecimal, exactly ``size`` of them."""
        return binascii.unhexlify(self.text(key, rf"[0-9a-f]{{{2 * size}}}"))

    def table(self, key: str) -> "Table":
        """A table below this one."""
        value = self._take(key)
        if not isinstance(value, dict):
            self.refuse(f"'{key}' is not a table")
        return Table(value, f"{self.where}.{key}")

    def tables(self, key: str) -> Iterator["Table"]:
        """An array of tables below this one; none when the key is absent."""
        value = self._data.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.refuse(f"'{key}' is not an array of tables", hint=f"write [[…{key}]] above each")
        for place, item in enumerate(value, start=1):
            yield Table(item, f"{self.where}.{key} number {place}")

    def done(self) -> None:
        """Refuse whatever has not been asked for."""
        if self._data:
            unknown = min(self._data)
            self.refuse(
                f"unknown key {unknown[:80]!r}", hint="see docs/spec/convention.md for the keys of each section"
            )


class Document:
    """A whole TOML text, cut into its sections.

    Raises:
        MalformedConvention: not UTF-8, not TOML, a tab or carriage return, or characters that hide or reorder text.
    """

    def __init__(self, text: bytes, sections: Sequence[str]) -> None:
        self._text = _decode(text)
        try:
            self._data = tomllib.loads(self._text)
        except (ValueError, RecursionError) as error:
            raise MalformedConvention(f"the convention is not TOML: {error}"[:300]) from error
        if unknown := sorted(set(self._data) - set(sections)):
            raise MalformedConvention(
                f"unknown section {unknown[0][:80]!r}{_line(self._text, unknown[0], 0)}",
                hint=f"sections are {', '.join(sections)}",
            )

    def has(self, name: str) -> bool:
        """Whether there is anything called ``name``."""
        return name in self._data

    def section(self, name: str) -> Table:
        """The section ``[name]``."""
        value = self._data.get(name)
        if not isinstance(value, dict):
            raise MalformedConvention(f"the section [{name}] is missing, or is not one table")
        return Table(value, f"[{name}]{_line(self._text, name, 0)}")

    def sections(self, name: str) -> Iterator[Table]:
        """Every section ``[[name]]``, in order; none when there is none."""
        value = self._data.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise MalformedConvention(f"'{name}' is not an array of tables", hint=f"write [[{name}]] above each")
        for place, item in enumerate(value):
            called = f" '{item['name'][:63]}'" if isinstance(item.get("name"), str) else f" number {place + 1}"
            yield Table(item, f"[[{name}]]{called}{_line(self._text, name, place)}")


def _decode(text: bytes) -> str:
    try:
        decoded = text.decode()
    except UnicodeDecodeError as error:
        raise MalformedConvention(f"a convention is UTF-8 text; byte {error.start} is not") from error
    if not decoded.endswith("\n"):
        raise MalformedConvention("a convention must end with a line end")
    if not decoded.replace("\n", "").isprintable():
        for number, line in enumerate(decoded.split("\n"), start=1):
            bad = [c for c in line if unicodedata.category(c) in _INVISIBLE or unicodedata.category(c) in ("Cc", "Cs")]
            if bad:
                raise MalformedConvention(
                    f"line {number} holds the character U+{ord(bad[0]):04X}, which does not show as what it is",
                    hint="use spaces, not tabs, plain line ends, and no invisible characters",
                )
    return decoded


def _line(text: str, section: str, place: int) -> str:
    header = re.compile(rf"^\s*\[\[?\s*{re.escape(section)}\s*\]\]?", re.MULTILINE)
    for number, match in enumerate(header.finditer(text)):
        if number == place:
            return f" (line {text.count(chr(10), 0, match.end()) + 1})"
    return ""


def _form(pattern: str) -> str:
    if pattern in (NAME, IDENTIFIER, LAYER):
        joint = {NAME: "hyphens", IDENTIFIER: "underscores", LAYER: "hyphens or underscores"}[pattern]
        return f"use lower-case letters, digits and {joint}, a letter first, at most 63 characters"
    return ""
