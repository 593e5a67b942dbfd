"""An export as a folder of static files, and back (docs/spec/journal-export.md).

::

    checkpoint                              the latest checkpoint, with all cosignatures
    conventions/000.note …                  the conventions of the journal, oldest first
    entries/000/000000.note …               every entry, a thousand to a folder
    receipts/<statement digest>.tlog-proof  the receipt of every lot and perimeter
    quotes/<digest>.bundle                  the quote bundle of every evidence that names one

Turning files into values is pure and total: whatever is missing or in excess becomes part of the value, for the audit to
report. The rule kept on disk: a folder appears whole under its name, or not at all.
"""

import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from vigie.durable import sync_folder
from vigie.errors import InputError

SPEC_VERSION: Final = 1
"""Version of the layout; docs/spec/journal-export.md carries the same number."""
FILE_LIMIT: Final = 262_144
"""Bytes of one file that are read; nothing in an export is as long."""

RECEIPTED: Final = ("lot", "perimeter")
"""Kinds of statements whose receipts an export holds: what a partner deposited."""

_PER_FOLDER: Final = 1000
_QUOTE: Final = re.compile(r"quotes/([0-9a-f]{64})\.bundle")
_RECEIPT: Final = re.compile(r"receipts/([0-9a-f]{64})\.tlog-proof")


@dataclass(frozen=True)
class Export:
    """A copy of a journal; nothing about it is proved before `vigie.audit.verify.verify`.

    Attributes:
        checkpoint: the latest checkpoint; empty when the file is missing.
        entries: whole statements, in the order of the journal.
        conventions: the convention statements once more, oldest first, so that a person finds them.
        receipts: receipts (tlog-proof) by the digest of the statement that they are for.
        strangers: names of files that do not belong to an export, or stand beyond a gap.
        quotes: quote bundles by their digest, as evidence names them (hardware.md).
    """

    checkpoint: bytes
    entries: tuple[bytes, ...]
    conventions: tuple[bytes, ...]
    receipts: Mapping[bytes, bytes]
    strangers: tuple[str, ...] = ()
    quotes: Mapping[bytes, bytes] = field(default_factory=lambda: MappingProxyType({}))


def entry_path(index: int) -> str:
    """Path of an entry inside an export."""
    return f"entries/{index // _PER_FOLDER:03d}/{index:06d}.note"


def layout(export: Export) -> dict[str, bytes]:
    """Return the files of an export, by their path inside it."""
    files = {entry_path(index): raw for index, raw in enumerate(export.entries)}
    files |= {f"conventions/{number:03d}.note": raw for number, raw in enumerate(export.conventions)}
    files |= {f"receipts/{digest.hex()}.tlog-proof": raw for digest, raw in export.receipts.items()}
    files |= {f"quotes/{digest.hex()}.bundle": raw for digest, raw in export.quotes.items()}
    files["checkpoint"] = export.checkpoint
    return files


def gather(files: Mapping[str, bytes]) -> Export:
    """Read files into an export; the reverse of `layout`. Never raises: what does not fit is among ``strangers``."""
    left = dict(files)
    checkpoint = left.pop("checkpoint", b"")
    entries = _in_order(left, entry_path)
    conventions = _in_order(left, lambda number: f"conventions/{number:03d}.note")
    receipts = {bytes.fromhex(match[1]): left.pop(path) for path in list(left) if (match := _RECEIPT.fullmatch(path))}
    quotes = {bytes.fromhex(match[1]): left.pop(path) for path in list(left) if (match := _QUOTE.fullmatch(path))}
    return Export(checkpoint, entries, conventions, receipts, tuple(sorted(left)), quotes)


def read(folder: Path) -> Export:
    """Read the export in a folder.

    Raises:
        InputError: the folder is not there or cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", hint="give the folder that `vigie audit export` wrote")
    files: dict[str, bytes] = {}
    strangers: list[str] = []
    try:
        for root, folders, names in os.walk(folder, onerror=_give_up):
            folders.sort()
            for name in [*names, *(name for name in folders if Path(root, name).is_symlink())]:
                place = Path(root, name)
                data = _read_plain(place)
                path = place.relative_to(folder).as_posix()
                if data is None:
                    strangers.append(path)
                else:
                    files[path] = data
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read") from error
    found = gather(files)
    return Export(
        found.checkpoint,
        found.entries,
        found.conventions,
        found.receipts,
        tuple(sorted((*strangers, *found.strangers))),
        found.quotes,
    )


def write(export: Export, folder: Path) -> None:
    """Put an export on disk under a name that is free; a killed process leaves at most a hidden ``.part`` folder.

    Raises:
        InputError: something of that name is there already, or the folder around it is not.
        OSError: the disk refuses; nothing appears under the name.
    """
    refuse_existing(folder)
    folder = folder.absolute()
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.part")
    temporary.mkdir(mode=0o755)
    try:
        for path, data in layout(export).items():
            place = temporary / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        os.sync()  # once for all: a journal may have a hundred thousand entries
        # A rename onto a folder that appeared meanwhile fails unless that one is empty: nothing is ever overwritten.
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def refuse_existing(folder: Path) -> None:
    """Make sure that an export can be written under a name.

    Raises:
        InputError: it is taken, or the folder around it is missing.
    """
    if folder.exists() or folder.is_symlink():
        raise InputError(
            f"{folder} is there already", hint="give a new name, and the earlier export with --previous to build on it"
        )
    if not folder.absolute().parent.is_dir():
        raise InputError(f"there is no folder {folder.absolute().parent}", hint="make it first")


def _in_order(left: dict[str, bytes], path_of: Callable[[int], str]) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while (data := left.pop(path_of(len(found)), None)) is not None:
        found.append(data)
    return tuple(found)


def _read_plain(path: Path) -> bytes | None:
    """Bytes of an ordinary file of a sensible size, otherwise None. Links are not followed out of the folder."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_LIMIT:
        return None
    return path.read_bytes()


def _give_up(error: OSError) -> None:
    raise error
