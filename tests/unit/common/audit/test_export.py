"""Copying a journal: what is written is one history, or nothing is."""

import asyncio
from dataclasses import replace

import pytest

from support.exchange_story import WITNESSES, Change, Story, digest
from support.world import ORIGIN
from vigie.audit.export import fetch
from vigie.audit.folder import Export
from vigie.audit.verify import verify
from vigie.errors import BadProof, BadSignature, Malformed, MalformedStatement, Missing
from vigie.note import Signer

GOOD = Story()
LOG = GOOD.log().verifier


class Source:
    """A journal as a hub shows it, of which a test can bend every answer. It may grow while it is read."""

    def __init__(self, story: Story, sizes: tuple[int, ...] = (), page: int = 7) -> None:
        self.story = story
        self.sizes = list(sizes) or [len(story.entries)]
        self.page = page
        self.asked: list[tuple[int, int]] = []
        self.receipts_asked = 0

    async def checkpoint(self) -> bytes:
        size = self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]
        return self.story.checkpoint(size, WITNESSES)

    async def entries(self, start: int, limit: int) -> list[bytes]:
        self.asked.append((start, limit))
        return list(self.story.entries[start : start + min(limit, self.page)])

    async def receipt(self, digest: bytes) -> bytes:
        self.receipts_asked += 1
        name = next(name for name, said in self.story.said.items() if said.digest == digest)
        return self.story.receipt(name)

    async def quote(self, digest: bytes) -> bytes:
        raise Missing("no evidence of this story names a quote")


class LateReceipts(Source):
    """Gives receipts under the latest checkpoint, which is newer than the one that it showed first."""

    async def receipt(self, digest: bytes) -> bytes:
        name = next(name for name, said in self.story.said.items() if said.digest == digest)
        return self.story.receipt(name, len(self.story.entries))


def run(source: Source, previous: Export | None = None) -> Export:
    return asyncio.run(fetch(source, LOG, previous=previous))


def test_the_whole_journal_is_copied_and_verifies() -> None:
    steps: list[tuple[int, int]] = []
    found = asyncio.run(fetch(Source(GOOD), LOG, progress=lambda done, total: steps.append((done, total))))
    assert found == GOOD.export()
    assert verify(found).ok
    assert steps[-1] == (len(GOOD.entries), len(GOOD.entries))


def test_only_what_is_new_is_read_on_top_of_an_earlier_export() -> None:
    before = run(Source(GOOD, (20,)))
    assert len(before.entries) == 20
    source = Source(GOOD)
    assert run(source, before) == GOOD.export()
    assert min(start for start, _ in source.asked) == 20
    assert source.receipts_asked == 2, "those of the perimeters; all lots are in the earlier export"


def test_a_journal_that_grows_meanwhile_is_read_up_to_its_newest_receipt() -> None:
    source = LateReceipts(GOOD, (20, len(GOOD.entries)))
    found = run(source)
    assert len(found.entries) == len(GOOD.entries)
    assert verify(found).ok


def test_a_journal_that_was_rewritten_since_the_earlier_export_is_refused() -> None:
    other = Story(Change(arrange=lambda names: [*names[:2], names[3], names[2], *names[4:]]))
    with pytest.raises(BadProof, match="do not lead"):
        run(Source(other), run(Source(GOOD, (20,))))


def test_a_journal_that_shrank_is_refused() -> None:
    with pytest.raises(BadProof, match="after one of at least"):
        run(Source(GOOD, (20,)), run(Source(GOOD)))


class Another(Source):
    async def checkpoint(self) -> bytes:
        return self.story.checkpoint().replace(b"\n41\n", b"\n40\n")


class ShortPages(Source):
    async def entries(self, start: int, limit: int) -> list[bytes]:
        return []


class LongPages(Source):
    async def entries(self, start: int, limit: int) -> list[bytes]:
        return [b"x"] * (limit + 1)


class OtherEntry(Source):
    async def entries(self, start: int, limit: int) -> list[bytes]:
        return [raw + b"x" for raw in await super().entries(start, limit)]


class NoReceipt(Source):
    async def receipt(self, digest: bytes) -> bytes:
        return b""


class OtherReceipt(Source):
    async def receipt(self, digest: bytes) -> bytes:
        return self.story.receipt("refusal")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (Another, BadSignature),
        (ShortPages, Malformed),
        (LongPages, Malformed),
        (OtherEntry, BadProof),
        (NoReceipt, Malformed),
        (OtherReceipt, BadProof),
    ],
)
def test_what_is_not_one_history_is_refused(source: type[Source], error: type[Exception]) -> None:
    with pytest.raises(error):
        run(source(GOOD))


def test_another_log_is_refused() -> None:
    with pytest.raises(BadSignature):
        asyncio.run(fetch(Source(GOOD), Signer(ORIGIN, digest("another")).verifier))


def test_a_lot_that_is_no_statement_is_refused() -> None:
    story = Story(Change(raw={"lot ratios": lambda raw: raw.replace(b'{"as_of"', b'{ "as_of"')}))
    with pytest.raises(MalformedStatement, match="entry 15"):
        run(Source(story))


def test_a_log_that_promises_more_and_more_ends() -> None:
    class Promising(Source):
        async def receipt(self, digest: bytes) -> bytes:
            name = next(name for name, said in self.story.said.items() if said.digest == digest)
            return self.story.receipt(name, len(self.story.entries))

    with pytest.raises(BadProof):
        run(Promising(GOOD, (20,)))


def test_the_export_of_another_members_folder_is_not_believed() -> None:
    forged = replace(GOOD.export(), entries=(*GOOD.entries[:5], b"forged", *GOOD.entries[6:]))
    with pytest.raises(BadProof):
        run(Source(GOOD), forged)
