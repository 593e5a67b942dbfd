"""Hold two copies of a journal against each other: did the hub show two members the same history?

Two checkpoints of the same size must have the same root. Of different sizes, the longer history must begin with the
shorter one, which its entries show. The rule kept: "one history" is only said when it was recomputed.
"""

from dataclasses import dataclass
from enum import Enum

from vigie.audit.folder import Export
from vigie.audit.tree import TreeKeys, roots_at
from vigie.errors import BadProof, VigieError
from vigie.journal.checkpoint import Checkpoint


class Verdict(Enum):
    """What two copies say about each other."""

    ONE = "one history"
    TWO = "two histories"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True)
class Copy:
    """One member's copy: a checkpoint, with the entries under it when the copy is an export.

    Attributes:
        name: how the copy is called in sentences (a file's name).
        checkpoint: the note as the member keeps it, untrusted.
        entries: entries of the export; None for a checkpoint alone.
    """

    name: str
    checkpoint: bytes
    entries: tuple[bytes, ...] | None = None

    @classmethod
    def of(cls, name: str, export: Export) -> "Copy":
        """The copy that an export is."""
        return cls(name, export.checkpoint, export.entries)


@dataclass(frozen=True)
class Comparison:
    """The outcome, in words."""

    verdict: Verdict
    sentence: str


def compare(first: Copy, second: Copy, keys: TreeKeys) -> Comparison:
    """Compare two copies.

    1. Both checkpoints are signed by the journal, so that neither member could have made one up.
    2. An export's entries lead to its own checkpoint.
    3. Same size: same root. Otherwise: at the shorter one's size, the longer one's entries have the shorter one's root.

    Args:
        first: one copy.
        second: the other.
        keys: the journal's keys, from a convention that whoever compares trusts.

    Raises:
        MalformedNote, BadSignature: step 1, a copy that proves nothing about the journal.
        BadProof: step 2, a damaged export.
    """
    # (1)
    opened = {copy: _open(copy, keys) for copy in (first, second)}
    # (2)
    for copy, tree in opened.items():
        _check_entries(copy, tree)
    # (3)
    short, long = sorted((first, second), key=lambda copy: opened[copy].size)
    shorter, longer = opened[short], opened[long]
    if shorter.size == longer.size:
        if shorter.root == longer.root:
            return Comparison(
                Verdict.ONE, f"one history: both are the same {shorter.size} entries with the root {shorter.root.hex()}"
            )
        return _two(short, shorter, f"{long.name} has another root at the same {shorter.size} entries")
    if long.entries is None:
        return Comparison(
            Verdict.UNKNOWN,
            f"cannot be told: {short.name} has {shorter.size} entries, {long.name} {longer.size}, and a checkpoint "
            "alone does not show what came before",
        )
    if roots_at(long.entries, [shorter.size])[shorter.size] == shorter.root:
        return Comparison(
            Verdict.ONE,
            f"one history: the {longer.size} entries of {long.name} begin with the {shorter.size} of {short.name}",
        )
    return _two(short, shorter, f"the first {shorter.size} entries of {long.name} have another root")


def _open(copy: Copy, keys: TreeKeys) -> Checkpoint:
    try:
        return keys.open(copy.checkpoint).checkpoint
    except VigieError as error:
        raise type(error)(f"{copy.name}: {error}", hint=error.hint) from error


def _check_entries(copy: Copy, tree: Checkpoint) -> None:
    if copy.entries is None:
        return
    if len(copy.entries) != tree.size or roots_at(copy.entries, ())[tree.size] != tree.root:
        raise BadProof(
            f"{copy.name}: its entries are not those of its checkpoint", hint=f"run: vigie audit verify {copy.name}"
        )


def _two(short: Copy, tree: Checkpoint, found: str) -> Comparison:
    return Comparison(
        Verdict.TWO,
        f"two histories: the journal signed {tree.root.hex()} for {tree.size} entries to {short.name}, and {found}. "
        "Keep both: together they prove that the hub showed its members different journals",
    )
