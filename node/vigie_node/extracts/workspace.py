"""The scratch database in which extracts are typed, judged and put together; it goes away with the command.

It lives in a file, so that memory does not grow with an extract, in a folder that only its owner can enter: it holds
what the extracts hold, in clear. Each is locked by the process that uses it, so that what a killed process left behind is
found by the next one and deleted.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import duckdb

from vigie.errors import StateError

_PREFIX: Final = "vigie-extracts-"
_LOCK: Final = "in-use"
_SPARING: Final = 128_000_000
"""Bytes of the database in memory while blocks of rows go in; the widest extract gets by with half."""


class Workspace:
    """A DuckDB database in a folder of its own.

    Args:
        parent: where the folder is made; the system's folder for temporary files when not given.
        memory: most memory of the database, as DuckDB writes it.
        threads: threads of the database.

    Raises:
        StateError: the folder cannot be made or the database not opened.
    """

    def __init__(self, parent: Path | None = None, *, memory: str = "1GB", threads: int = 2) -> None:
        self._memory = memory
        try:
            if parent is not None:
                parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _sweep(parent)
            self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = _take(self.folder)
            self.connection = duckdb.connect(
                str(self.folder / "workspace.duckdb"),
                config={
                    "threads": threads,
                    "memory_limit": memory,
                    "temp_directory": str(self.folder / "spill"),
                    "preserve_insertion_order": False,
                    "autoinstall_known_extensions": False,
                    "autoload_known_extensions": False,
                },
            )
            # It is deleted when it is closed: what is not in its file yet need not go there.
            self.connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        except (OSError, duckdb.Error) as error:
            raise StateError(
                "the scratch database cannot be made", hint="is there room, and may this account write there?"
            ) from error

    @contextmanager
    def whole(self) -> Iterator[None]:
        """One transaction: what is written inside counts as a whole or not at all.

        Raises:
            StateError: the database could not go on, for want of memory or room.
        """
        try:
            self.connection.begin()
            try:
                yield
            except BaseException:
                self.connection.rollback()
                raise
            self.connection.commit()
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise StateError(
                f"the scratch database cannot go on ({type(error).__name__})",
                hint="is there room on the disk of the node's folder, and memory? nothing was sent",
            ) from error

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Keep little in memory of what is written meanwhile: rows that go in block by block are not looked at again soon.

        The database would keep them up to its limit, and reading would take the more memory the longer a file is.
        """
        ((least,),) = self.connection.execute(
            f"SELECT least(parse_formatted_bytes(?), {_SPARING})", [self._memory]
        ).fetchall()
        self.connection.execute(f"SET memory_limit = '{least}B'")
        try:
            yield
        finally:
            self.connection.execute(f"SET memory_limit = '{self._memory}'")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database and delete it; may be called again."""
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)


def _take(folder: Path) -> int:
    """Lock a scratch folder; the lock goes with the process, however that ends.

    Raises:
        BlockingIOError: another process has it.
    """
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def _sweep(parent: Path) -> None:
    """Delete scratch folders that nobody uses any more."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = _take(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
