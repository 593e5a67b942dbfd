import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vigie.durable import open_database, transaction, write_file
from vigie.errors import StateError

ONE = ("CREATE TABLE a (x INTEGER) STRICT; CREATE INDEX b ON a (x);",)
TWO = (*ONE, "ALTER TABLE a ADD COLUMN y TEXT;\n-- why; it was needed\nINSERT INTO a VALUES (1, 'p;q');")


def test_a_file_is_replaced_whole_with_the_mode_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_file(path, b"old", 0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208 - dot files count here


def test_when_the_rename_fails_the_old_file_stays_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.mkdir()
    (path / "inside").write_bytes(b"old")
    with pytest.raises(OSError, match=r"."):
        write_file(path, b"new")
    assert (path / "inside").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]  # noqa: PTH208


def test_a_database_is_private_durable_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    first = open_database(path, ONE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert first.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert first.execute("PRAGMA synchronous").fetchone() == (2,)
    assert first.execute("PRAGMA foreign_keys").fetchone() == (1,)
    first.close()
    second = open_database(path, TWO)
    assert second.execute("SELECT x, y FROM a").fetchall() == [(1, "p;q")]
    second.close()
    again = open_database(path, TWO)
    assert again.execute("SELECT count(*) FROM a").fetchone() == (1,)
    again.close()


def test_a_migration_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    open_database(path, ONE).close()
    with pytest.raises(StateError):
        open_database(path, (*ONE, "CREATE TABLE c (x INTEGER); SELECT nothing FROM nowhere;"))
    connection = open_database(path, ONE)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'c'").fetchone() == (0,)
    connection.close()


def test_a_database_of_a_newer_version_and_a_damaged_one_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    open_database(path, TWO).close()
    with pytest.raises(StateError, match="newer version"):
        open_database(path, ONE)
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StateError, match="cannot be opened"):
        open_database(path, ONE)


def test_a_migration_without_its_semicolon_is_a_mistake_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="semicolon"):
        open_database(tmp_path / "state.sqlite", ("CREATE TABLE a (x INTEGER)",))


def test_a_transaction_happens_whole_or_not_at_all(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "state.sqlite", ONE)
    with pytest.raises(sqlite3.Error), transaction(connection) as db:
        db.execute("INSERT INTO a VALUES (1)")
        db.execute("INSERT INTO nowhere VALUES (1)")
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)
    with transaction(connection) as db:
        db.execute("INSERT INTO a VALUES (1)")
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)
    connection.close()


def test_a_process_that_is_killed_in_a_transaction_leaves_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    program = (
        "import os, signal, sys; from pathlib import Path; from vigie.durable import open_database, transaction\n"
        f"db = open_database(Path(sys.argv[1]), {ONE!r})\n"
        "with transaction(db): db.execute('INSERT INTO a VALUES (1)')\n"
        "with transaction(db):\n"
        "    db.execute('INSERT INTO a VALUES (2)')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False, timeout=60)
    assert ended.returncode == -9
    connection = open_database(path, ONE)
    assert connection.execute("SELECT x FROM a").fetchall() == [(1,)]
    connection.close()
