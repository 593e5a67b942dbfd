"""Receipts: the proof, for years and offline, that an entry is in the journal (C2SP tlog-proof).

A receipt holds the entry's place, the Merkle path to the root and the checkpoint with everybody's signatures. Together
with the entry and the log's public key it needs nothing else. Format: docs/spec/receipt.md.

The rule it keeps: what is not authenticated is not trusted. `Receipt.extra` proves nothing, whoever sent it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vigie import note as notes
from vigie.errors import MalformedNote
from vigie.journal.checkpoint import MAX_SIZE, Checkpoint, OpenedCheckpoint, open_checkpoint, parse_size
from vigie.journal.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from vigie.note import VerifierKey

MAX_BYTES = 131_072
"""The longest receipt that is read: a checkpoint of the largest size, a whole path, and room for `extra`."""
MAX_HASHES = 63
"""The longest path: that of a tree of 2^63 - 1 entries."""

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class Receipt:
    """A tlog-proof that is well-formed; nothing about it is proved before `verify_receipt`.

    Raises:
        MalformedNote: a field could not stand in a receipt.
    """

    index: int
    """Place of the entry in the journal, from 0."""
    proof: tuple[bytes, ...]
    """Inclusion proof: hashes of 32 bytes from the leaf's sibling to the root's child."""
    checkpoint: bytes
    """The checkpoint verbatim, with all its signature lines."""
    extra: bytes | None = None
    """**Unauthenticated** bytes of the sender's choice; at least one, or None."""

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_SIZE:
            raise MalformedNote(f"The index of a receipt must be 0 to {MAX_SIZE}.")
        if len(self.proof) > MAX_HASHES or any(len(item) != HASH_BYTES for item in self.proof):
            raise MalformedNote(f"The path of a receipt must be at most {MAX_HASHES} hashes of 32 bytes.")
        if self.extra == b"":
            raise MalformedNote("The extra line of a receipt must be left out when there is nothing in it.")
        Checkpoint.parse_text(notes.parse(self.checkpoint).text)
        if len(self._bytes()) > MAX_BYTES:
            raise MalformedNote(f"A receipt must not be longer than {MAX_BYTES} bytes.")

    def encode(self) -> bytes:
        """The receipt as a ``.tlog-proof`` file: the one encoding that it has."""
        return self._bytes()

    def _bytes(self) -> bytes:
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {notes.encode64(self.extra)}")
        lines.append(f"index {self.index}")
        lines.extend(notes.encode64(item) for item in self.proof)
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Receipt:
        """Read what `encode` writes, and nothing else.

        Args:
            data: the whole receipt, untrusted.

        Raises:
            MalformedNote: not a receipt in its one canonical form, or longer than `MAX_BYTES`.
        """
        if len(data) > MAX_BYTES:
            raise MalformedNote(f"A receipt must not be longer than {MAX_BYTES} bytes.")
        # The lines before the checkpoint are never empty, so here the *first* empty line is the border.
        head, border, checkpoint = data.partition(b"\n\n")
        if not border:
            raise MalformedNote("A receipt must have an empty line before its checkpoint.")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as exc:
            raise MalformedNote("The lines of a receipt before its checkpoint must be ASCII.") from exc
        if lines.pop(0) != _HEADER:
            raise MalformedNote(f"A receipt must begin with the line {_HEADER!r}.")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = notes.decode64(lines.pop(0).removeprefix("extra "), "the extra line of a receipt")
        if not lines or not lines[0].startswith("index "):
            raise MalformedNote("A receipt must say the index of its entry.")
        index = parse_size(lines.pop(0).removeprefix("index "))
        if len(lines) > MAX_HASHES:
            raise MalformedNote(f"The path of a receipt must be at most {MAX_HASHES} hashes of 32 bytes.")
        return cls(index, tuple(notes.decode64(line, "a hash of a receipt") for line in lines), checkpoint, extra)


def verify_receipt(receipt: Receipt, entry: bytes, log_key: VerifierKey) -> OpenedCheckpoint:
    """Make sure that an entry is in the journal.

    1. The log signed the checkpoint in the receipt.
    2. The path leads from this entry, at this index, to the root in that checkpoint.

    Whether enough witnesses saw the checkpoint is not asked here: give the result's note to `witnessed_by`.

    Args:
        receipt: as parsed.
        entry: the exact bytes of the entry.
        log_key: the journal's key.

    Returns:
        The checkpoint, opened.

    Raises:
        MalformedNote, BadSignature: step 1, see `open_checkpoint`.
        BadProof: step 2.
    """
    # (1)
    opened = open_checkpoint(receipt.checkpoint, log_key)
    # (2)
    tree = opened.checkpoint
    verify_inclusion(leaf_hash(entry), receipt.index, tree.size, receipt.proof, tree.root)
    return opened
