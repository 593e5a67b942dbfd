"""Taking a seed out of a keyring: nothing of the old file is left where the file system writes in place, killed or not."""

import copy
import os
from pathlib import Path
from typing import Any

import pytest

from support.world import PASSPHRASE, demo_keyrings, save_cheaply
from vigie import durable, erasing, words
from vigie.erasing import copies, erase_epoch, leftovers
from vigie.errors import Missing, WrongPassphrase
from vigie.keyring import Keyring


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "keyring.vigie"
    save_cheaply(copy.deepcopy(demo_keyrings()["acoss"]), path, PASSPHRASE)
    return path


def epochs(path: Path) -> tuple[int, ...]:
    return Keyring.load(path, PASSPHRASE).epochs()


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def test_the_seed_is_gone_and_the_old_bytes_are_overwritten(keyring: Path, tmp_path: Path) -> None:
    before, seeds = keyring.read_bytes(), dict(Keyring.load(keyring, PASSPHRASE).seeds())
    # A second name shows what became of the old file: a plain replacement would leave it as it was.
    witness = tmp_path / "witness"
    witness.hardlink_to(keyring)
    assert erase_epoch(keyring, PASSPHRASE, 1)
    after = witness.read_bytes()
    assert len(after) == len(before) and after != before and not after.startswith(b"vigie/keyring")
    same = [place for place in range(len(before) - 8) if before[place : place + 8] == after[place : place + 8]]
    assert not same
    assert names(keyring) == ["keyring.vigie"] and keyring.stat().st_mode & 0o777 == 0o600
    left = dict(Keyring.load(keyring, PASSPHRASE).seeds())
    assert seeds.keys() - left.keys() == {"epoch/1"} and all(seeds[use] == seed for use, seed in left.items())
    with pytest.raises(Missing):
        Keyring.load(keyring, PASSPHRASE).epoch_seed(1)
    assert not erase_epoch(keyring, PASSPHRASE, 1), "again: it was gone already"


def test_a_plain_change_leaves_the_old_bytes(keyring: Path, tmp_path: Path) -> None:
    """The positive control of the test above."""
    before, witness = keyring.read_bytes(), tmp_path / "witness"
    witness.hardlink_to(keyring)
    with Keyring.changing(keyring, PASSPHRASE) as ring:
        ring.forget_epoch(1)
    assert witness.read_bytes() == before


def test_what_killed_commands_left_is_overwritten_too(keyring: Path, tmp_path: Path) -> None:
    content = keyring.read_bytes()
    left = [keyring.with_name(f".{keyring.name}.{number}.{end}") for number, end in ((1, "part"), (2, "erased"))]
    for number, path in enumerate(left):
        path.write_bytes(content)
        (tmp_path / f"witness-{number}").hardlink_to(path)
    other = keyring.with_name(".other.vigie.1.part")
    other.write_bytes(content)
    assert leftovers(keyring) == tuple(sorted(left))
    erase_epoch(keyring, PASSPHRASE, 1)
    assert names(keyring) == [other.name, keyring.name] and other.read_bytes() == content
    for number in (0, 1):
        assert not (tmp_path / f"witness-{number}").read_bytes().startswith(b"vigie/keyring")


def test_a_symbolic_link_is_followed(keyring: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.vigie"
    link.symlink_to(keyring)
    erase_epoch(link, PASSPHRASE, 1)
    assert link.is_symlink() and epochs(keyring) == ()


def test_nothing_changes_with_a_wrong_passphrase(keyring: Path) -> None:
    before = keyring.read_bytes()
    with pytest.raises(WrongPassphrase):
        erase_epoch(keyring, "another", 1)
    assert keyring.read_bytes() == before and names(keyring) == ["keyring.vigie"]


class Killed(BaseException):
    pass


STEPS = ("os.link", "os.fsync", "Path.replace", "os.write", "Path.unlink", "sync_folder")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_anywhere_and_run_again_it_completes(
    keyring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    witness = tmp_path / "witness"
    witness.hardlink_to(keyring)
    calls = iter(range(1, 1000))

    def dying(real: Any) -> Any:
        def call(*given: Any, **more: Any) -> Any:
            if next(calls) == nth:
                raise Killed
            return real(*given, **more)

        return call

    with monkeypatch.context() as patch:
        owner: Any = {"os": os, "Path": Path}.get(step.partition(".")[0])
        if owner is None:
            patch.setattr(erasing, "sync_folder", dying(durable.sync_folder))
        else:
            patch.setattr(owner, step.partition(".")[2], dying(getattr(owner, step.partition(".")[2])))
        try:
            erase_epoch(keyring, PASSPHRASE, 1)
        except Killed:
            # Whatever the moment: a whole keyring is in its place.
            assert epochs(keyring) in ((1,), ())
    erase_epoch(keyring, PASSPHRASE, 1)
    assert epochs(keyring) == () and names(keyring) == ["keyring.vigie"]
    assert not witness.read_bytes().startswith(b"vigie/keyring")


# -- what could bring it back -------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> Path:
    folder = tmp_path / "node"
    folder.mkdir()
    (folder / "state.sqlite").write_bytes(os.urandom(3_000_000))
    return folder


def test_copies_are_found_and_told_apart(keyring: Path, node: Path) -> None:
    ring = Keyring.load(keyring, PASSPHRASE)
    seed, folders = ring.epoch_seed(1), (node, keyring.parent)
    assert copies(keyring, folders, PASSPHRASE, 1, seed=seed) == []
    (keyring.parent / "keyring.bak").write_bytes(keyring.read_bytes())
    save_cheaply(ring, node / "deep" / "other", "another passphrase")
    big = node / "dump"
    big.write_bytes(b"\0" * 999_990 + seed + b"\0" * 10)
    (node / "hex.txt").write_text(seed.hex())
    sheets = words.write_down("acoss", ring.convention_id, [("epoch/1", seed)], threshold=1, shares=1)
    (node / "words.txt").write_text("".join(words.format_sheet(one, "acoss, demo") for one in sheets))
    without = copy.deepcopy(ring)
    without.forget_epoch(1)
    save_cheaply(without, node / "after", PASSPHRASE)
    found = {one.path.name: one.holds for one in copies(keyring, folders, PASSPHRASE, 1, seed=seed)}
    assert found == {
        "keyring.bak": "seed", "other": "unknown", "dump": "clear", "hex.txt": "clear", "words.txt": "clear",
    }  # fmt: skip
    # Afterwards the seed is not known any more: what holds it as such is found by its form alone.
    erase_epoch(keyring, PASSPHRASE, 1)
    found = {one.path.name: one.holds for one in copies(keyring, folders, PASSPHRASE, 1)}
    assert found == {"keyring.bak": "seed", "other": "unknown", "words.txt": "clear"}
