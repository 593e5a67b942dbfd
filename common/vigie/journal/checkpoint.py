"""Checkpoints: what a log says of its tree, and who else has seen it (C2SP tlog-checkpoint v1.0.0).

A checkpoint is a signed note whose text is the origin, the number of entries and the root. The log signs it under a
key named like the origin; witnesses add cosignatures (tlog-cosignature v1). Format: docs/spec/checkpoint.md.

The rule it keeps: a `Checkpoint` that was merely parsed is a claim; only `open_checkpoint` makes an `OpenedCheckpoint`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vigie import note as notes
from vigie.errors import BadSignature, MalformedNote
from vigie.journal.merkle import EMPTY_ROOT, HASH_BYTES
from vigie.note import COSIGNATURE_V1, Note, NoteSignature, VerifierKey

MAX_SIZE = 2**63 - 1
"""The largest tree size that is read."""

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True)
class Checkpoint:
    """A tree head: the claim that the log `origin`, at `size` entries, has this root.

    Raises:
        MalformedNote: a field could not stand in a checkpoint.
    """

    origin: str
    """The identity of the log: one line that is not empty."""
    size: int
    """Number of entries, 0 to `MAX_SIZE`."""
    root: bytes
    """Root of the Merkle tree, 32 bytes."""
    extensions: tuple[str, ...] = ()
    """Further lines, none of them empty. Our log writes none; another's are kept because they are signed."""

    def __post_init__(self) -> None:
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise MalformedNote("The origin and the extensions of a checkpoint must be lines that are not empty.")
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedNote(f"The size of a checkpoint must be 0 to {MAX_SIZE}.")
        if len(self.root) != HASH_BYTES:
            raise MalformedNote(f"The root of a checkpoint must have 32 bytes, not {len(self.root)}.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MalformedNote("A checkpoint of size 0 must have the root of the empty tree.")
        try:
            notes.check_text(self.text())
        except UnicodeEncodeError as exc:
            raise MalformedNote("The lines of a checkpoint must be text that UTF-8 can hold.") from exc

    def text(self) -> bytes:
        """The text that the log and its witnesses sign."""
        lines = (self.origin, str(self.size), notes.encode64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines).encode()

    @classmethod
    def parse_text(cls, text: bytes) -> Checkpoint:
        """Read a text that `text` writes, and no other.

        Raises:
            MalformedNote: fewer than three lines, an empty line, a size with leading zeroes, a root that is not
                canonical base64 of 32 bytes, or a text that could not stand in a note.
        """
        notes.check_text(text)
        lines = text.decode()[:-1].split("\n")
        if len(lines) < 3:
            raise MalformedNote("A checkpoint must have three lines: the origin, the size and the root.")
        return cls(lines[0], parse_size(lines[1]), notes.decode64(lines[2], "the root"), tuple(lines[3:]))


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint that its log signed. Made by `open_checkpoint` only."""

    checkpoint: Checkpoint
    note: Note
    """The note around it, with all its signature lines and its exact bytes."""


def parse_size(text: str) -> int:
    """Read a tree size or an entry index: ASCII decimal without leading zeroes, at most `MAX_SIZE`.

    Raises:
        MalformedNote: anything else.
    """
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise MalformedNote("A size or an index must be decimal digits without leading zeroes, below 2^63.")
    return int(text)


def open_checkpoint(data: bytes, log_key: VerifierKey) -> OpenedCheckpoint:
    """Read a checkpoint and make sure that its log signed it.

    1. It is a well-formed note, and its text a well-formed checkpoint.
    2. Its origin is the name of the log's key.
    3. The log's key signed it.

    Args:
        data: the whole checkpoint, untrusted.
        log_key: the key of the one log whose checkpoint is wanted.

    Raises:
        MalformedNote: step 1.
        BadSignature: steps 2 and 3.
    """
    # (1)
    note = notes.parse(data)
    checkpoint = Checkpoint.parse_text(note.text)
    # (2)
    if checkpoint.origin != log_key.name:
        raise BadSignature(f"The checkpoint is of another log than {log_key.name!r}.")
    # (3)
    if log_key not in notes.verify(note, [log_key]):
        raise BadSignature(f"The log {log_key.name!r} has not signed this checkpoint.")
    return OpenedCheckpoint(checkpoint, note)


def merge_cosignatures(data: bytes, lines: Iterable[NoteSignature]) -> bytes:
    """Add cosignatures to a checkpoint.

    The text and the lines that are there stay as they are, except that of one cosigner (name and key id) the newest
    cosignature is kept. The log's own line is never replaced. Nothing is verified here: an unproved line with a later
    time would push out a good one, so check each with `witnessed_by` before it is merged.

    Args:
        data: the checkpoint.
        lines: timestamped cosignatures (type 0x04) of that same text.

    Returns:
        The checkpoint with the lines; merging the same again changes nothing.

    Raises:
        MalformedNote: `data` is not a checkpoint, a line has not the form of a cosignature, or there are too many.
    """
    note = notes.parse(data)
    Checkpoint.parse_text(note.text)
    kept: dict[tuple[str, bytes], NoteSignature] = {}
    added = tuple(lines)
    for line in added:
        notes.cosignature_time(line)
    for line in (*note.signatures, *added):
        standing = kept.setdefault((line.name, line.key_id), line)
        if _is_newer(line, standing):
            kept[line.name, line.key_id] = line
    return notes.assemble(note.text, tuple(kept.values()))


def witnessed_by(note: Note, keys: Iterable[VerifierKey]) -> frozenset[str]:
    """The names of the witnesses whose cosignature on a checkpoint verifies.

    Args:
        note: an opened checkpoint's note.
        keys: the witnesses that count; keys of another type than 0x04 are passed over, the log's own for instance.

    Raises:
        BadSignature: a known witness's line is there and fails.
    """
    cosigners = [key for key in keys if key.type == COSIGNATURE_V1]
    return frozenset(key.name for key in notes.verify(note, cosigners))


def _is_newer(line: NoteSignature, standing: NoteSignature) -> bool:
    try:
        return notes.cosignature_time(line) > notes.cosignature_time(standing)
    except MalformedNote:  # one of the two is no cosignature: what stands there stays
        return False
