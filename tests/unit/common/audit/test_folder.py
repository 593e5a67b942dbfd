"""An export on disk: whole or not at all, and nothing foreign in it goes unseen."""

from pathlib import Path

import pytest

from support.exchange_story import Story
from vigie.audit import folder
from vigie.audit.verify import verify
from vigie.errors import InputError

EXPORT = Story().export()


def test_an_export_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder.write(EXPORT, tmp_path / "journal")
    assert folder.read(tmp_path / "journal") == EXPORT
    assert [path.name for path in tmp_path.iterdir()] == ["journal"], "nothing else is left"
    assert (tmp_path / "journal/entries/000/000003.note").read_bytes() == EXPORT.entries[3]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder.write(EXPORT, tmp_path / "journal")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    with pytest.raises(InputError, match="already"):
        folder.write(EXPORT, tmp_path / "journal")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="already"):
        folder.write(EXPORT, tmp_path / "link")
    (tmp_path / "link").unlink()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_nothing_is_left_when_the_disk_refuses(tmp_path: Path) -> None:
    """A digest of another length than any name may have stands for a disk that refuses half-way."""
    broken = folder.Export(EXPORT.checkpoint, EXPORT.entries, EXPORT.conventions, {b"x" * 200: b"receipt"})
    with pytest.raises(OSError, match="too long"):
        folder.write(broken, tmp_path / "journal")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_around_it_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        folder.write(EXPORT, tmp_path / "nowhere" / "journal")
    with pytest.raises(InputError, match="no folder"):
        folder.read(tmp_path / "nowhere")


def test_foreign_files_links_and_large_files_are_named(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    folder.write(EXPORT, place)
    (place / "entries/000/notes.txt").write_text("mine")
    (place / "elsewhere").symlink_to(tmp_path)
    (place / "receipts" / f"{'0' * 64}.tlog-proof").symlink_to("/etc/hostname")
    (place / "entries/000/000040.note").write_bytes(b"x" * (folder.FILE_LIMIT + 1))
    found = folder.read(place)
    assert found.strangers == (
        "elsewhere",
        "entries/000/000040.note",
        "entries/000/notes.txt",
        f"receipts/{'0' * 64}.tlog-proof",
    )
    assert len(found.entries) == 40
    report = verify(found)
    assert len(report.check("folder").failures) == 4
    assert report.check("root").failures


def test_entries_beyond_a_gap_are_not_taken_for_the_journal(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    folder.write(EXPORT, place)
    (place / "entries/000/000030.note").unlink()
    found = folder.read(place)
    assert len(found.entries) == 30
    assert len(found.strangers) == 10
    assert not verify(found).ok


def test_a_thousand_entries_to_a_folder() -> None:
    assert folder.entry_path(0) == "entries/000/000000.note"
    assert folder.entry_path(999) == "entries/000/000999.note"
    assert folder.entry_path(1000) == "entries/001/001000.note"
    assert folder.entry_path(1_234_567) == "entries/1234/1234567.note"
    many = folder.Export(b"", tuple(b"%d" % number for number in range(2001)), (), {})
    assert folder.gather(folder.layout(many)) == many
