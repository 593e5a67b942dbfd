"""The only place that writes state: a file that is replaced whole, and an SQLite database that survives a power cut.

The rule it keeps: once a function here returns, the bytes are on the disk and so is the name under which they are
found; until then the old content is still there, whole. A process may be killed at any instruction.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from io import BufferedWriter
from pathlib import Path

from vigie.errors import StateError

_BUSY_MILLISECONDS = 30_000


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` at ``path``, whole or not at all: temporary file, fsync, rename, fsync of the folder.

    Args:
        path: where; its folder exists. A file that is there already is replaced.
        data: the whole content.
        mode: permissions of the new file, whatever the umask or the file that was there before.

    Raises:
        OSError: the disk refuses; what was at ``path`` before is still there.
    """
    with replacing(path, mode) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o600) -> Iterator[BufferedWriter]:
    """What is written inside is at ``path`` afterwards, whole; on any exception nothing of it is.

    Args:
        path: where; its folder exists. A file that is there already is replaced.
        mode: permissions of the new file, whatever the umask or the file that was there before.

    Raises:
        OSError: the disk refuses; what was at ``path`` before is still there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: what was created, renamed or removed there stays so after a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_database(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    """Open or create an SQLite database whose commits are durable, and bring its tables up to date.

    Args:
        path: the file, created with mode 0600; its folder exists.
        schema: one text of SQL statements per version. The database remembers how many it has (``user_version``) and
            runs the rest, each in its own transaction. An entry that was released is never edited, only followed.

    Returns:
        A connection in autocommit mode (use :func:`transaction`), WAL, ``synchronous=FULL``, foreign keys on. It may be
        handed between threads; the caller sees to it that only one uses it at a time.

    Raises:
        StateError: not a database, damaged, made by a newer version, or a disk that cannot keep a write-ahead log.
    """
    if not path.exists():
        # SQLite would create the file by the umask; the log and index beside it take the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _damaged(path) from error
    try:
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StateError(
                f"the disk under {path.name} cannot keep a write-ahead log",
                hint="use a local disk, not a network share",
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _migrate(connection, path, schema)
    except sqlite3.Error as error:
        connection.close()
        raise _damaged(path) from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything inside is committed together and durable afterwards; on any exception none of it happened."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _migrate(connection: sqlite3.Connection, path: Path, schema: Sequence[str]) -> None:
    for number, text in enumerate(schema, start=1):
        with transaction(connection):
            # Read inside the transaction: another process may have brought the tables up to date meanwhile.
            if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
                continue
            for statement in _statements(text):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > len(schema):
        raise StateError(
            f"{path.name} was written by a newer version of this program ({found} against {len(schema)})",
            hint="install the version that wrote it, or a later one",
        )


def _statements(text: str) -> Iterator[str]:
    """The statements of an SQL text; ``executescript`` would commit the transaction that they must share."""
    pending = ""
    for piece in text.split(";")[:-1]:
        pending += piece + ";"
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip() or text.rpartition(";")[2].strip():
        raise ValueError("a migration must end with a semicolon")


def _damaged(path: Path) -> StateError:
    return StateError(
        f"the database {path.name} cannot be opened", hint="check the disk, then restore the file from a copy"
    )
