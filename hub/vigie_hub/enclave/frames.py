"""Frames on the socket between host and enclave: 4 bytes of length, 1 byte of type, the payload.

The length is that of the payload alone.  Type 0 is a Control message, type 1 bulk bytes that the Control message before
them announced.  Every length is bounded before anything is allocated for it.
"""

from typing import Final

from vigie.errors import MalformedFrame
from vigie.sealing import OVERHEAD
from vigie.segment import CAP
from vigie_hub.enclave.door import Stream

CONTROL: Final = 0
BULK: Final = 1

MAX_CONTROL: Final = 8 * 1024 * 1024
"""The longest control frame: a Begin with the segment ids of many lots."""

MAX_BULK: Final = CAP + OVERHEAD
"""The longest bulk frame: one sealed part."""

_HEAD: Final = 5


def encode(kind: int, payload: bytes) -> bytes:
    """One frame.

    Raises:
        MalformedFrame: the payload is too long for its kind.
    """
    _check(kind, len(payload))
    return len(payload).to_bytes(4, "big") + bytes((kind,)) + payload


def send(connection: Stream, kind: int, payload: bytes) -> None:
    """Send one frame whole.

    Raises:
        MalformedFrame: the payload is too long for its kind.
        OSError: the peer is gone.
    """
    connection.sendall(encode(kind, payload))


def receive(connection: Stream, kind: int) -> bytes:
    """Receive one frame, which must be of that kind, and return its payload.

    Raises:
        MalformedFrame: another kind, too long, or the stream ends.
        OSError: the peer is gone.
    """
    head = _exactly(connection, _HEAD)
    if head[4] != kind:
        raise MalformedFrame(f"a frame of type {kind} was due and one of type {head[4]} came")
    length = int.from_bytes(head[:4], "big")
    _check(kind, length)
    return bytes(_exactly(connection, length))


def _check(kind: int, length: int) -> None:
    if length > (MAX_CONTROL if kind == CONTROL else MAX_BULK):
        raise MalformedFrame(f"a frame of type {kind} is longer than it may be")


def _exactly(connection: Stream, length: int) -> bytearray:
    buffer = bytearray(length)
    view = memoryview(buffer)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise MalformedFrame("the channel ended in the middle of a frame")
        view = view[count:]
    return buffer
