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
