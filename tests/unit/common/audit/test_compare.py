"""Two members' copies of a journal: one history, two histories, or not to be told."""

import dataclasses

import pytest

from support.exchange_story import WITNESSES, Change, Story, digest
from support.world import ORIGIN
from vigie import note
from vigie.audit.compare import Copy, Verdict, compare
from vigie.audit.reading import read_journal
from vigie.audit.report import Findings
from vigie.audit.tree import TreeKeys
from vigie.errors import BadProof, BadSignature, MalformedNote

GOOD = Story()
OTHER = Story(Change(arrange=lambda names: [*names[:2], names[3], names[2], *names[4:]]))
"""The same log signed another history: two entries are swapped."""
KEYS = TreeKeys.of(read_journal(GOOD.entries, Findings()).agreed)
FULL = Copy.of("export", GOOD.export())


def alone(story: Story, size: int | None = None, name: str = "checkpoint") -> Copy:
    return Copy(name, story.checkpoint(size, WITNESSES))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (FULL, FULL),
        (FULL, alone(GOOD)),
        (alone(GOOD), alone(GOOD)),
        (alone(GOOD, 20), FULL),
        (FULL, alone(GOOD, 1)),
        (FULL, alone(GOOD, 0)),
        (alone(OTHER, 2), FULL),
    ],
    ids=["same export", "same size", "two checkpoints", "shorter", "one entry", "empty", "before they part"],
)
def test_one_history(first: Copy, second: Copy) -> None:
    outcome = compare(first, second, KEYS)
    assert outcome.verdict is Verdict.ONE
    assert outcome.sentence.startswith("one history")


@pytest.mark.parametrize("size", [3, 5, 20, None])
def test_two_histories(size: int | None) -> None:
    for pair in ((FULL, alone(OTHER, size)), (alone(OTHER, size), FULL)):
        outcome = compare(*pair, KEYS)
        assert outcome.verdict is Verdict.TWO
        assert outcome.sentence.startswith("two histories")
    exports = compare(FULL, Copy.of("other", OTHER.export()), KEYS)
    assert exports.verdict is Verdict.TWO


def test_two_checkpoints_of_the_same_size_tell_two_histories() -> None:
    assert compare(alone(GOOD, 20), alone(OTHER, 20), KEYS).verdict is Verdict.TWO


def test_two_checkpoints_of_different_sizes_cannot_tell() -> None:
    outcome = compare(alone(GOOD, 20), alone(GOOD), KEYS)
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.sentence.startswith("cannot be told")
    short = Copy("short", GOOD.checkpoint(20), GOOD.entries[:20])
    assert compare(short, alone(GOOD), KEYS).verdict is Verdict.UNKNOWN


def test_a_copy_that_the_journal_did_not_sign_accuses_nobody() -> None:
    """Otherwise a member could make up the second history itself."""
    text = note.parse(OTHER.checkpoint()).text
    made_up = Copy("made up", note.assemble(text, [note.Signer(ORIGIN, digest("forger")).sign(text)]))
    with pytest.raises(BadSignature, match="made up"):
        compare(FULL, made_up, KEYS)
    with pytest.raises(MalformedNote, match="nothing"):
        compare(Copy("nothing", b""), FULL, KEYS)
    with pytest.raises(BadSignature):
        compare(FULL, FULL, TreeKeys.of(()))


@pytest.mark.parametrize("entries", [GOOD.entries[:-1], (*GOOD.entries[:-1], b"x"), OTHER.entries])
def test_a_damaged_export_accuses_nobody(entries: tuple[bytes, ...]) -> None:
    with pytest.raises(BadProof, match="export"):
        compare(dataclasses.replace(FULL, entries=entries), alone(GOOD), KEYS)
