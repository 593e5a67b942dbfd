"""Frozen dataclasses as JSON objects, strictly: what a field may hold, and the codec that holds it to that.

Bytes are lower-case hexadecimal. A missing or unknown key, a wrong type, a wrong length or a wrong pattern is refused.
"""

import dataclasses
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from vigie.errors import MalformedStatement

B = TypeVar("B")


@dataclass(frozen=True)
class Size:
    """Exact number of bytes of a bytes field."""

    size: int


@dataclass(frozen=True)
class Pattern:
    """Regular expression that a whole text field matches; digits are ASCII digits."""

    pattern: str


@dataclass(frozen=True)
class FreeJson:
    """Marks a field that holds any JSON object (a model card, metrics)."""


def encode(body: object) -> dict[str, Any]:
    """Return the JSON object of a body."""
    if not dataclasses.is_dataclass(body):
        raise TypeError("only a body can be encoded")
    return {field.name: _to_json(getattr(body, field.name)) for field in dataclasses.fields(body)}


def decode(cls: type[B], value: Any, *, where: str = "") -> B:
    """Read a JSON object strictly into the dataclass ``cls``.

    Raises:
        MalformedStatement: the message names the key, never its value.
    """
    hints = _hints(cls)  # type: ignore[arg-type]
    what = where.removesuffix(".") or cls.__name__.lower()
    if not isinstance(value, Mapping):
        raise MalformedStatement(f"{what} is not an object")
    unknown, missing = sorted(set(value) - set(hints)), sorted(set(hints) - set(value))
    if unknown or missing:
        raise MalformedStatement(
            f"{what} has the unknown key {unknown[0][:64]!r}" if unknown else f"{what} lacks the key {missing[0]!r}"
        )
    return cls(**{name: _from_json(hint, value[name], f"{where}{name}") for name, hint in hints.items()})


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return encode(value)
    return value


def _from_json(hint: Any, value: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _constrained(args[0], args[1], value, where)
    if origin in (Union, types.UnionType):
        return None if value is None else _from_json(args[0], value, where)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise MalformedStatement(f"{where} is not one of {', '.join(args)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise MalformedStatement(f"{where} is not a list")
        return tuple(_from_json(args[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise MalformedStatement(f"{where} is not an object")
        return {
            _from_json(args[0], key, f"a key of {where}"): _from_json(args[1], item, f"{where}.{key[:64]}")
            for key, item in value.items()
        }
    if dataclasses.is_dataclass(hint):
        return decode(hint, value, where=f"{where}.")  # type: ignore[arg-type]
    return _plain(hint, value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    if hint is int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
            return value
        raise MalformedStatement(f"{where} is not a whole number from 0 to 2^53 - 1")
    if type(value) is not hint:
        raise MalformedStatement(f"{where} is not of type {hint.__name__}")
    return value


def _constrained(base: Any, rule: object, value: Any, where: str) -> Any:
    if isinstance(rule, FreeJson):
        if not isinstance(value, dict):
            raise MalformedStatement(f"{where} is not an object")
        return value
    if not isinstance(value, str):
        raise MalformedStatement(f"{where} is not text")
    if isinstance(rule, Size):
        if re.fullmatch(r"[0-9a-f]*", value) is None or len(value) != 2 * rule.size:
            raise MalformedStatement(f"{where} is not {rule.size} bytes in lower-case hexadecimal")
        return bytes.fromhex(value)
    if isinstance(rule, Pattern) and re.fullmatch(rule.pattern, value, re.ASCII) is None:
        raise MalformedStatement(f"{where} does not have the form that is asked for")
    return base(value)
