"""Is this payload shaped like the message, and no larger?  Asked of the bare bytes, before a parser allocates anything.

A parser of protobuf takes two bytes for a message of a hundred in memory, keeps fields that it does not know, lets the
last of two equal fields win and follows nesting a hundred levels down.  The walk here lets none of that reach it: every
field is in the table, has its one wire type, stands as often as it may, and nesting ends where the table ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from vigie.errors import MalformedFrame
from vigie_hub.enclave.bounds import FIELDS

_VARINT: Final = 0
_BYTES: Final = 2
_LONGEST_VARINT: Final = 10
_TEXT: Final = frozenset({FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES})
_NUMBERS: Final = frozenset({FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64})


@dataclass(frozen=True)
class _Part:
    wire: int
    longest: int
    most: int
    inner: "Shape | None"


Shape = Mapping[int, _Part]
"""What may stand in a message, by field number."""


def shape_of(message: Descriptor) -> Shape:
    """The shape of a message, by its descriptor and the table of bounds.

    Raises:
        KeyError: a field has no row in the table (a mistake of the programmer).
        TypeError: a field is of a type that the channel does not use (likewise).
    """
    return {field.number: _part(message, field) for field in message.fields}


def check(payload: bytes | bytearray | memoryview, shape: Shape) -> None:
    """Refuse a payload that is not of that shape.

    Raises:
        MalformedFrame: an unknown field, another wire type, a value too long, a field too often, or an end in the middle.
    """
    _walk(payload, 0, len(payload), shape)


def _part(message: Descriptor, field: FieldDescriptor) -> _Part:
    bound = FIELDS[f"{message.name}.{field.name}"]
    if field.message_type is not None:
        return _Part(_BYTES, bound.longest, bound.most, shape_of(field.message_type))
    if field.type in _TEXT or (field.type in _NUMBERS and field.is_packed):
        return _Part(_BYTES, bound.longest, bound.most, None)
    if field.type in _NUMBERS and not field.is_repeated:
        return _Part(_VARINT, bound.longest, bound.most, None)
    raise TypeError(f"the channel has no rule for the type of {field.full_name}")


def _walk(data: bytes | bytearray | memoryview, at: int, end: int, shape: Shape) -> None:
    seen: dict[int, int] = {}
    while at < end:
        tag, at = _varint(data, at, end)
        part = shape.get(tag >> 3)
        if part is None or tag & 7 != part.wire:
            raise MalformedFrame("a control frame holds a field that is not of this protocol")
        count = seen[tag] = seen.get(tag, 0) + 1
        if count > part.most:
            raise MalformedFrame("a control frame holds a field more often than it may")
        length, at = _varint(data, at, end)
        if part.wire == _VARINT:
            continue
        if length > part.longest or length > end - at:
            raise MalformedFrame("a control frame holds a field that is longer than it may be")
        if part.inner is not None:
            _walk(data, at, at + length, part.inner)
        at += length


def _varint(data: bytes | bytearray | memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value, at
    raise MalformedFrame("a control frame ends in the middle of a number")
