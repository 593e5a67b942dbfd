"""Taking one epoch's seed out of a keyring for good, and looking for what could bring it back (docs/spec/erasure.md).

The rule it keeps: killed at any instruction, either the old keyring is whole and in its place, or the new one is and
running :func:`erase_epoch` again overwrites what is left of the old one. What overwriting is worth is the file system's
affair: the page says so, and nothing here claims more.
"""

import contextlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from vigie.durable import sync_folder
from vigie.errors import Malformed, Missing, StateError, WrongPassphrase
from vigie.keyring import Keyring

_FIRST_LINE: Final = b"vigie/keyring/v1\n"
_LARGEST: Final = 1_000_000
_ERASED: Final = "erased"


@dataclass(frozen=True)
class Copy:
    """A file other than the keyring that could bring a seed back.

    Attributes:
        path: where it lies.
        holds: ``seed`` (it opens with the same passphrase and has the seed), ``unknown`` (a keyring that does not
            open with this passphrase), ``clear`` (the seed itself, in bytes, hexadecimal or a sheet of words).
    """

    path: Path
    holds: Literal["seed", "unknown", "clear"]


def erase_epoch(path: Path, passphrase: str, epoch: int) -> bool:
    """Delete an epoch's seed from a keyring file and overwrite what the file was before; return whether it was there.

    1. Under the lock of :meth:`Keyring.changing`, leftovers of killed saves beside the file are overwritten and removed.
    2. The old file gets a second name, so that a kill cannot leave it unreachable.
    3. The keyring without the seed takes its place, durably.
    4. The old file is overwritten with random bytes, synced and removed.
    5. The keyring is read again: the seed must not be in it.

    Args:
        path: the keyring; a symbolic link is followed, so that the file itself is rewritten.
        passphrase: what opens it.
        epoch: whose seed goes.

    Raises:
        Missing, Malformed, WrongPassphrase: the keyring cannot be opened; nothing was changed.
        StateError: the seed is still there afterwards.
        OSError: the disk refuses; run it again.
    """
    path = path.resolve()
    with contextlib.ExitStack() as closing:
        with Keyring.changing(path, passphrase) as ring:
            for leftover in leftovers(path):
                _overwrite_and_remove(leftover, live=path)
            there = epoch in ring.epochs()
            # Also where the file system knows no second names, this leads to the old bytes.
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            closing.callback(os.close, descriptor)
            second = path.with_name(f".{path.name}.{secrets.token_hex(8)}.{_ERASED}")
            with contextlib.suppress(OSError):
                os.link(path, second)
                sync_folder(path.parent)
            if there:
                ring.forget_epoch(epoch)
        _overwrite(descriptor)
        second.unlink(missing_ok=True)
        sync_folder(path.parent)
    if epoch in Keyring.load(path, passphrase).epochs():
        raise StateError(f"the seed of epoch {epoch} is still in the keyring", hint="run the same command again")
    return there


def leftovers(path: Path) -> tuple[Path, ...]:
    """Return what killed saves and erasures left beside a keyring file, sorted."""
    return tuple(sorted(one for end in ("part", _ERASED) for one in path.parent.glob(f".{path.name}.*.{end}")))


def copies(
    keyring: Path, folders: Iterable[Path], passphrase: str, epoch: int, *, seed: bytes | None = None
) -> list[Copy]:
    """Look through folders for what could bring an epoch's seed back, the keyring itself left out.

    What people keep elsewhere – backups, paper – nobody here can see.

    Args:
        keyring: the keyring file.
        folders: each with everything below it; symbolic links are not followed.
        passphrase: tried on every other keyring that is found.
        epoch: whose seed.
        seed: the seed, while it is known: files that hold it in clear are found too.
    """
    keyring = keyring.resolve()
    found = []
    for path in _files(folders):
        if path.exists() and path.samefile(keyring):
            continue
        with contextlib.suppress(OSError):
            if _holds_clear(path, epoch, seed):
                found.append(Copy(path, "clear"))
            elif (holds := _holds(path, passphrase, epoch)) is not None:
                found.append(Copy(path, holds))
    return found


def _holds(path: Path, passphrase: str, epoch: int) -> Literal["seed", "unknown"] | None:
    with path.open("rb") as file:
        if file.read(len(_FIRST_LINE)) != _FIRST_LINE:
            return None
    try:
        return "seed" if epoch in Keyring.load(path, passphrase).epochs() else None
    except WrongPassphrase:
        return "unknown"
    except (Malformed, Missing):
        return None


def _holds_clear(path: Path, epoch: int, seed: bytes | None) -> bool:
    wanted = [] if seed is None else [seed, seed.hex().encode()]
    with path.open("rb") as file:
        head = file.read(_LARGEST)
        if re.search(rb"^# .*: epoch/%d, .* words$" % epoch, head, re.MULTILINE):
            return True  # a sheet of `vigie member words`
        before = b""
        while head:
            if any(one in before + head for one in wanted):
                return True
            before, head = head[-128:], file.read(_LARGEST) if wanted else b""
    return False


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for folder in folders:
        for place, _, names in os.walk(folder.resolve()):
            for name in sorted(names):
                path = Path(place) / name
                if path not in seen and path.is_file() and not path.is_symlink():
                    seen.add(path)
                    yield path


def _overwrite_and_remove(path: Path, *, live: Path) -> None:
    """Overwrite a file and remove its name; a second name of the live file only loses the name."""
    with contextlib.suppress(FileNotFoundError):
        if not path.samefile(live):
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                _overwrite(descriptor)
            finally:
                os.close(descriptor)
        path.unlink()


def _overwrite(descriptor: int) -> None:
    """Put random bytes in the place of a file's content and bring them to the disk."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, 0, os.SEEK_SET)
    left = memoryview(secrets.token_bytes(size))
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)
