"""Frames on the socket between host and enclave: 4 bytes of length, 1 byte of type, the payload.

The length is that of the payload alone.  Type 0 is a Control message, type 1 bulk bytes that the Control message before
them announced.  Every length is bounded before anything is allocated for it, and every wait by the monotonic clock.

After the enclave has sealed itself it reads and writes with the calls ``read`` and ``write`` alone: the kernel's own time
limits on the socket, set at the start, wake it up to look at the clock.
"""

import io
import socket
import struct
import time
from typing import Final

from vigie.errors import MalformedFrame
from vigie_hub.enclave.bounds import MAX_BULK

CONTROL: Final = 0
BULK: Final = 1

HEAD: Final = 5
"""Bytes before a payload."""

_TICK_MICROSECONDS: Final = 250_000


def head(kind: int, length: int) -> bytes:
    """What stands before a payload of that length."""
    return length.to_bytes(4, "big") + bytes((kind,))


def encode(kind: int, payload: bytes) -> bytes:
    """One frame."""
    return head(kind, len(payload)) + payload


class Wire:
    """One end of a connected socket, which stays its owner's.

    Bulk bytes are received into one buffer that is used again: a view of them is good until the next bulk frame.
    """

    def __init__(self, connection: socket.socket) -> None:
        tick = struct.pack("@ll", 0, _TICK_MICROSECONDS)
        connection.setblocking(True)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, tick)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, tick)
        self._file = io.FileIO(connection.fileno(), "r+b", closefd=False)
        self._head = memoryview(bytearray(HEAD))
        self._bulk = memoryview(bytearray(MAX_BULK))
        self._broken = False

    def control(self, longest: int, until: float) -> bytearray:
        """Receive one control frame and return its payload.

        Args:
            longest: bytes that it may have.
            until: moment of the monotonic clock at which it must be whole.

        Raises:
            MalformedFrame: another type, too long, too late, or the stream ends.
            OSError: the peer is gone.
        """
        payload = bytearray(self._receive_head(CONTROL, longest, until))
        self._fill(memoryview(payload), until)
        return payload

    def bulk(self, size: int, until: float) -> memoryview:
        """Receive one bulk frame of exactly that size; the view is good until the next one.

        Raises:
            MalformedFrame: another type or size, too late, or the stream ends.
            OSError: the peer is gone.
        """
        if size > MAX_BULK:
            raise MalformedFrame("a part is longer than it may be")
        if self._receive_head(BULK, MAX_BULK, until) != size:
            raise MalformedFrame("a part is not as long as announced")
        view = self._bulk[:size]
        self._fill(view, until)
        return view

    def send(self, kind: int, payload: bytes, until: float) -> None:
        """Send one frame whole; after one that could not be sent whole nothing else is.

        Raises:
            MalformedFrame: the peer has not taken it in time.
            OSError: the peer is gone.
        """
        if self._broken:
            raise BrokenPipeError("the channel ended in the middle of a frame")
        self._broken = True
        self._write(memoryview(head(kind, len(payload))), until)
        self._write(memoryview(payload), until)
        self._broken = False

    def _receive_head(self, kind: int, longest: int, until: float) -> int:
        self._fill(self._head, until)
        if self._head[4] != kind:
            raise MalformedFrame("a frame of another type came than the one that was due")
        length = int.from_bytes(self._head[:4], "big")
        if length > longest:
            raise MalformedFrame("a frame is longer than it may be")
        return length

    def _fill(self, view: memoryview, until: float) -> None:
        while view:
            count = self._file.readinto(view)
            if count == 0:
                raise MalformedFrame("the channel ended")
            if count is not None:
                view = view[count:]
            if view and time.monotonic() > until:
                raise MalformedFrame("the host was silent for longer than it may be")

    def _write(self, view: memoryview, until: float) -> None:
        while view:
            count = self._file.write(view)
            if count is not None:
                view = view[count:]
            if view and time.monotonic() > until:
                raise MalformedFrame("the host did not listen for longer than it may")
