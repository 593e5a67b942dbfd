"""The hub's durable state: one writer thread over SQLite, and group commit.

Work that changes state is a function of the open transaction. The writer takes all work that is waiting, runs each
piece in its own savepoint, calls the *sealer* (the journal signs one checkpoint for the batch), commits once, and only
then resolves the waiting calls. So a caller that has an answer has a durable one, and a hundred callers share one
``fsync``.

The rule it keeps: after a commit that failed in any way but "disk full", nobody knows what is on the disk. The store
is then *failed*: everything more raises :class:`StateError` until the process starts again and reads what is there.
"""

import asyncio
import fcntl
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import structlog

from vigie.durable import open_database
from vigie.errors import StateError, Unavailable, VigieError
from vigie_hub.schema import MIGRATIONS

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
Opener = Callable[[Path, Sequence[str]], sqlite3.Connection]

MOST_TOGETHER: Final = 256
"""Pieces of work that share one commit at most."""

_log = structlog.get_logger("vigie.hub.store")


@dataclass
class _Job(Generic[T]):
    work: Work[T]
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[T]"
    result: Any = None
    error: BaseException | None = None

    def settle(self, error: BaseException | None = None) -> None:
        """Answer the caller, unless it went away."""
        self.loop.call_soon_threadsafe(self._settle, error or self.error)

    def _settle(self, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(error)


class Store:
    """The hub's folder, opened by exactly one process.

    Args:
        folder: the hub's folder; ``hub.sqlite``, ``lots/``, ``results/`` and ``perimeters/`` live in it.
        opener: opens a database and brings its schema up to date.

    Raises:
        StateError: another process has the folder open, or the database cannot be used.
    """

    def __init__(self, folder: Path, *, opener: Opener = open_database) -> None:
        self.folder = folder
        self._lock_file = _lock(folder / "hub.lock")
        try:
            self._db = opener(folder / "hub.sqlite", MIGRATIONS)
            self.reader = open_database(folder / "hub.sqlite", MIGRATIONS)
        except sqlite3.Error as exc:
            os.close(self._lock_file)
            raise StateError(f"the database in {folder} cannot be opened: {exc}") from exc
        except BaseException:
            os.close(self._lock_file)
            raise
        self.reader.execute("PRAGMA query_only = ON")
        self._sealer: Work[None] = _nothing
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._failed: str | None = None
        self._closed = False
        self.on_failure: Callable[[], None] = lambda: None
        self.after_commit: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="vigie-hub-writer", daemon=True)
        self._thread.start()

    reader: sqlite3.Connection
    """Sees committed state only; used from the event loop's thread, for short questions."""

    on_failure: Callable[[], None]
    """Called once, from the writer's thread, when the store has failed."""

    after_commit: Callable[[], None]
    """Called after each commit, from the writer's thread."""

    def seal_with(self, sealer: Work[None]) -> None:
        """Let ``sealer`` finish each batch inside its transaction."""
        self._sealer = sealer

    @property
    def failed(self) -> str | None:
        """Why the store has stopped, or None."""
        return self._failed

    async def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction and return its result once that is durable.

        A :class:`VigieError` from ``work`` undoes this piece alone.

        Raises:
            Unavailable: the disk is full; nothing of the batch was kept.
            StateError: the store has failed.
        """
        if self._closed:
            raise StateError("the hub is stopping")
        loop = asyncio.get_running_loop()
        job: _Job[T] = _Job(work, loop, loop.create_future())
        self._jobs.put(job)
        return await job.future

    def finish(self) -> None:
        """Finish what is waiting and take no more; blocks. :meth:`close` must follow."""
        self._closed = True
        self._jobs.put(None)
        self._thread.join()

    def close(self) -> None:
        """Finish what is waiting, close the databases and free the folder.

        In the thread that uses :attr:`reader`: a connection that is closed under a running query ends the process.
        """
        if self._thread.is_alive():
            self.finish()
        self.reader.close()
        self._db.close()
        os.close(self._lock_file)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            jobs: list[_Job[Any]] = []
            waiting = self._jobs.get()
            while waiting is not None:
                jobs.append(waiting)
                if len(jobs) == MOST_TOGETHER:
                    break
                try:
                    waiting = self._jobs.get_nowait()
                except queue.Empty:
                    break
            stopping = waiting is None
            if jobs:
                self._commit(jobs)

    def _commit(self, jobs: list[_Job[Any]]) -> None:
        if self._failed is not None:
            _settle(jobs, StateError(f"the hub's store has stopped: {self._failed}"))
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._attempt(job)
            self._sealer(self._db)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode == sqlite3.SQLITE_FULL and self._undo():
                _settle(jobs, Unavailable("the hub's disk is full", hint="its operator must make room"))
                return
            self._fail(jobs, exc)
        except Exception as exc:  # noqa: BLE001 - whatever it was, the state is unknown now
            self._fail(jobs, exc)
        else:
            for job in jobs:
                job.settle()
            self.after_commit()

    def _attempt(self, job: _Job[Any]) -> None:
        self._db.execute("SAVEPOINT piece")
        try:
            job.result = job.work(self._db)
        except VigieError as exc:
            self._db.execute("ROLLBACK TO piece")
            job.error = exc
        self._db.execute("RELEASE piece")

    def _undo(self) -> bool:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True

    def _fail(self, jobs: list[_Job[Any]], exc: Exception) -> None:
        self._failed = f"{type(exc).__name__}: {exc}"
        _log.critical("store failed", error=self._failed, exc_info=exc)
        self._undo()
        _settle(jobs, StateError(f"the hub's store has stopped: {self._failed}", hint="start the hub again"))
        self.on_failure()


def _nothing(db: sqlite3.Connection) -> None:
    """What a batch is finished with before there is a journal."""


def _settle(jobs: list[_Job[Any]], error: VigieError) -> None:
    for job in jobs:
        job.settle(error)


def _lock(path: Path) -> int:
    """Take the folder's lock; it goes with the process, however that ends."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise StateError(f"the hub's folder {path.parent} cannot be used: {exc.strerror}") from exc
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        raise StateError(
            f"another process has the hub's folder {path.parent} open", hint="only one hub serves a folder: stop it"
        ) from exc
    return descriptor
