"""The channel's descriptor, spoken to with the two system calls that the seal leaves for it: ``read`` and ``write``.

A :class:`socket.socket` would use ``recvfrom`` and ``sendto``, which can do more than is needed here.
"""

import io
import os
from types import TracebackType
from typing import Protocol, Self


class Stream(Protocol):
    """What frames are written to and read from; a connected socket is one too."""

    def recv_into(self, buffer: bytearray | memoryview, /) -> int:
        """Fill a buffer with what has come, wait when nothing has; 0 at the end."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""


class Door:
    """A connected socket, by its descriptor.  Blocking."""

    def __init__(self, descriptor: int) -> None:
        self._file = io.FileIO(descriptor, "r+")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def recv_into(self, buffer: bytearray | memoryview, /) -> int:
        """Fill a buffer with what has come, wait when nothing has; 0 at the end.

        Raises:
            OSError: the other side is gone.
        """
        count = self._file.readinto(buffer)
        assert count is not None  # noqa: S101 -- only of a descriptor that does not block
        return count

    def sendall(self, data: bytes, /) -> None:
        """Send all of it.

        Raises:
            OSError: the other side is gone.
        """
        descriptor = self._file.fileno()
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
