"""The scratch database: gone when it is closed, and swept when a process was killed over it."""

from pathlib import Path

import pytest

from vigie.errors import StateError
from vigie_node.extracts.workspace import Workspace


def test_a_closed_workspace_leaves_nothing(tmp_path: Path) -> None:
    with Workspace(tmp_path / "scratch") as workspace:
        workspace.connection.execute("CREATE TABLE t AS SELECT 1")
        assert workspace.folder.stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "scratch").iterdir())
    workspace.close()


def test_what_a_killed_process_left_is_deleted_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    left = tmp_path / "vigie-extracts-left"
    left.mkdir()
    (left / "workspace.duckdb").write_bytes(b"rows in clear")
    (tmp_path / "another").mkdir()
    with Workspace(tmp_path) as first, Workspace(tmp_path) as second:
        assert not left.exists()
        assert first.folder.exists() and second.folder.exists() and (tmp_path / "another").exists()


def test_a_folder_that_cannot_be_made_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError) as caught:
        Workspace(tmp_path / "file" / "scratch")
    assert caught.value.hint


def limit(workspace: Workspace) -> int:
    ((found,),) = workspace.connection.execute(
        "SELECT parse_formatted_bytes(limit_now) FROM (SELECT current_setting('memory_limit') AS limit_now)"
    ).fetchall()
    return int(found)


@pytest.mark.parametrize("memory, most", [("1GB", 130_000_000), ("64MB", 64_000_000)])
def test_little_is_kept_in_memory_while_rows_go_in_and_as_much_as_before_afterwards(
    tmp_path: Path, memory: str, most: int
) -> None:
    with Workspace(tmp_path, memory=memory) as workspace:
        before = limit(workspace)
        with workspace.sparing():
            assert 0 < limit(workspace) <= most
        assert limit(workspace) == before
        with pytest.raises(ZeroDivisionError), workspace.sparing():
            raise ZeroDivisionError
        assert limit(workspace) == before


def test_what_is_written_as_a_whole_is_there_or_not_at_all(tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        workspace.connection.execute("CREATE TABLE t (n INTEGER)")
        with workspace.whole():
            workspace.connection.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(ValueError, match="a row"), workspace.whole():
            workspace.connection.execute("INSERT INTO t VALUES (2)")
            raise ValueError("a row that cannot be read")
        assert workspace.connection.execute("SELECT n FROM t").fetchall() == [(1,)]


def test_a_database_that_cannot_go_on_is_our_error(tmp_path: Path) -> None:
    with Workspace(tmp_path, memory="24MB", threads=1) as workspace:
        workspace.connection.execute("SET temp_directory = ''")
        with pytest.raises(StateError, match="OutOfMemoryException") as caught, workspace.whole():
            workspace.connection.execute(
                "CREATE TEMP TABLE t AS SELECT repeat('x', 200) || n AS x FROM range(1000000) r(n)"
            )
        assert "room" in (caught.value.hint or "")
