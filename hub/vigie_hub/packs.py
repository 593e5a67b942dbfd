"""Packs: one file for the sealed parts of one lot or one result, appended and synced in groups.

What is in a pack is what the database says (offset and size of each part); bytes beyond are the rest of a write that
was never confirmed, and the next write goes over them. So a pack needs no recovery. The rule it keeps: a part is told
to the database only after its bytes and the file's name are on the disk.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vigie.durable import sync_folder
from vigie.errors import StateError, Unavailable


@dataclass(frozen=True)
class Extent:
    """Where a part lies in its pack, in bytes."""

    start: int
    size: int


class Disk(Protocol):
    """The system calls that make bytes durable; a test lets each of them fail."""

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """As ``os.pwrite``."""

    def fsync(self, descriptor: int) -> None:
        """As ``os.fsync``."""

    def sync_folder(self, path: Path) -> None:
        """As :func:`vigie.durable.sync_folder`."""


class RealDisk:
    """The operating system."""

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """As the protocol says."""
        return os.pwrite(descriptor, data, offset)

    def fsync(self, descriptor: int) -> None:
        """As the protocol says."""
        os.fsync(descriptor)

    def sync_folder(self, path: Path) -> None:
        """As the protocol says."""
        sync_folder(path)


class Packs:
    """All packs below one folder.

    Args:
        root: the folder; made when it is not there.
        disk: how bytes become durable.
    """

    def __init__(self, root: Path, *, disk: Disk | None = None) -> None:
        self._root = root
        self._disk: Disk = disk or RealDisk()
        root.mkdir(mode=0o700, exist_ok=True)
        self._disk.sync_folder(root.parent)

    def path(self, name: str) -> Path:
        """Where the pack of that name is (``<member>/<hex>``: both checked by whoever made the name)."""
        return self._root / name

    def append(self, name: str, end: int, parts: Sequence[bytes]) -> list[Extent]:
        """Write parts one after the other from ``end`` on; on return they are durable.

        Args:
            name: of the pack, made when it is not there.
            end: where the last part that the database knows ends.
            parts: what to write.

        Raises:
            Unavailable: the disk is full or refuses; nothing that the database knows has changed.
        """
        path = self.path(name)
        try:
            fresh = not path.exists()
            if fresh and not path.parent.exists():
                path.parent.mkdir(mode=0o700)
                self._disk.sync_folder(self._root)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                extents = []
                for part in parts:
                    self._write(descriptor, part, end)
                    extents.append(Extent(end, len(part)))
                    end += len(part)
                self._disk.fsync(descriptor)
            finally:
                os.close(descriptor)
            # Also when the file was there: the process that made it may have been killed before this line.
            self._disk.sync_folder(path.parent)
        except OSError as exc:
            raise Unavailable("the hub cannot write to its disk", hint="its operator must look at it") from exc
        return extents

    def read(self, name: str, extent: Extent) -> bytes:
        """The bytes of one part.

        Raises:
            StateError: they are not all there.
        """
        try:
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, extent.size, extent.start)
            finally:
                os.close(descriptor)
        except OSError as exc:
            raise StateError("a part that the hub holds cannot be read", hint="look at the disk") from exc
        if len(data) != extent.size:
            raise StateError("a part that the hub holds is cut short", hint="look at the disk")
        return data

    def remove(self, name: str) -> None:
        """Forget a pack that the database no longer names."""
        self.path(name).unlink(missing_ok=True)

    def sweep(self, named: set[str]) -> int:
        """Remove every pack that the database does not name: what a killed process left. Returns how many."""
        removed = 0
        for folder in self._root.iterdir():
            for path in folder.iterdir():
                if f"{folder.name}/{path.name}" not in named:
                    path.unlink()
                    removed += 1
        return removed

    def _write(self, descriptor: int, part: bytes, offset: int) -> None:
        view = memoryview(part)
        while view:
            written = self._disk.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
