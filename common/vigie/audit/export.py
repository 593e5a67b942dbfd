"""Take a copy of the journal: everything under one checkpoint, verified on the way (docs/spec/journal-export.md).

The rule kept: what is handed to the disk is one history. The entries lead to the root that the journal signed, an earlier
export that is built upon is a prefix of it, and each lot has its receipt; otherwise nothing is written.
"""

from collections.abc import Callable
from typing import Final, Protocol

from vigie import statement as statements
from vigie.audit.folder import RECEIPTED, Export
from vigie.errors import BadProof, Malformed, MalformedStatement
from vigie.hardware.bundle import digest_of
from vigie.journal.checkpoint import Checkpoint, open_checkpoint
from vigie.journal.merkle import Frontier, leaf_hash
from vigie.journal.proof import Receipt, verify_receipt
from vigie.note import VerifierKey

Progress = Callable[[int, int], None]
"""Called with (entries read, entries in all)."""

_ROUNDS: Final = 100


class JournalSource(Protocol):
    """Where a journal is read from; everything that it answers is untrusted."""

    async def checkpoint(self) -> bytes:
        """Return the latest checkpoint."""

    async def entries(self, start: int, limit: int) -> list[bytes]:
        """Return at most ``limit`` entries from ``start`` on."""

    async def receipt(self, digest: bytes) -> bytes:
        """Return the receipt of a statement."""

    async def quote(self, digest: bytes) -> bytes:
        """Return the quote bundle that evidence names by that digest."""


async def fetch(
    source: JournalSource, log_key: VerifierKey, *, previous: Export | None = None, progress: Progress | None = None
) -> Export:
    """Read the whole journal, or what is new since an earlier export.

    1. The checkpoint is signed by the journal, and not smaller than the earlier export.
    2. Entries up to its size lead to its root; those of the earlier export are not read again but count.
    3. Every lot and perimeter has a receipt that proves it under a checkpoint of the journal. Receipts may be newer than the
       checkpoint: then everything is read on, until nothing is newer.
    4. Every evidence that names a quote has the bundle of that digest.

    Args:
        source: the journal, untrusted.
        log_key: the journal's key, from the convention that the auditor trusts.
        previous: an earlier export of the same journal.
        progress: told how far it is.

    Raises:
        MalformedNote, BadSignature: step 1 or 3, a checkpoint or receipt that is not the journal's.
        BadProof: steps 1 to 4, another history than the one signed, or than the earlier export's.
        MalformedStatement: an entry is not a statement.
        Unavailable, Refused: the hub.
    """
    entries = list(previous.entries) if previous else []
    receipts = dict(previous.receipts) if previous else {}
    frontier = Frontier()
    for raw in entries:
        frontier.append(leaf_hash(raw))
    wanted = len(entries)
    for _ in range(_ROUNDS):
        # (1)
        checkpoint = await source.checkpoint()
        tree = open_checkpoint(checkpoint, log_key).checkpoint
        if tree.size < max(wanted, len(entries)):
            raise BadProof(
                f"The journal signed a checkpoint of {tree.size} entries after one of at least {wanted}.",
                hint="keep both and compare them: vigie audit compare",
            )
        # (2)
        await _read_on(source, tree, entries, frontier, progress)
        # (3)
        newest = await _read_receipts(source, log_key, entries, receipts)
        if newest <= tree.size:
            conventions = tuple(raw for raw in entries if statements.parse(raw).kind == "convention")
            # (4)
            quotes = await _read_quotes(source, entries, previous)
            return Export(checkpoint, tuple(entries), conventions, receipts, (), quotes)
        wanted = newest
    raise BadProof("The journal gives receipts that are newer than any checkpoint that it shows.")


async def _read_on(
    source: JournalSource, tree: Checkpoint, entries: list[bytes], frontier: Frontier, progress: Progress | None
) -> None:
    while len(entries) < tree.size:
        page = await source.entries(len(entries), tree.size - len(entries))
        if not page or len(page) > tree.size - len(entries):
            raise Malformed("the hub does not answer with the entries that it was asked for")
        for raw in page:
            frontier.append(leaf_hash(raw))
        entries.extend(page)
        if progress is not None:
            progress(len(entries), tree.size)
    if frontier.root() != tree.root:
        raise BadProof(
            f"The {tree.size} entries do not lead to the root that the journal signed.",
            hint="with --previous: the journal was rewritten since; keep both and tell the other members",
        )


async def _read_quotes(source: JournalSource, entries: list[bytes], previous: Export | None) -> dict[bytes, bytes]:
    found = dict(previous.quotes) if previous else {}
    for raw in entries:
        if not raw.startswith(b"vigie/evidence/v1\n"):
            continue
        named = statements.parse(raw).body.get("quote")
        if not isinstance(named, str) or (digest := bytes.fromhex(named)) in found:
            continue
        data = await source.quote(digest)
        if digest_of(data) != digest:
            raise BadProof(f"The hub gives another quote than the one that evidence names, {named}.")
        found[digest] = data
    return found


async def _read_receipts(
    source: JournalSource, log_key: VerifierKey, entries: list[bytes], receipts: dict[bytes, bytes]
) -> int:
    """Fetch the receipts of lots and perimeters that have none yet; return the largest tree size that any was given for."""
    newest = 0
    for index, raw in enumerate(entries):
        if not raw.startswith(tuple(f"vigie/{kind}/v1\n".encode() for kind in RECEIPTED)):
            continue
        try:
            digest = statements.parse(raw).digest
        except MalformedStatement as error:
            raise MalformedStatement(f"entry {index} of the journal is not a statement: {error}") from error
        if digest in receipts:
            continue
        data = await source.receipt(digest)
        receipt = Receipt.parse(data)
        opened = verify_receipt(receipt, raw, log_key)
        if receipt.index != index:
            raise BadProof(f"The receipt of entry {index} is for entry {receipt.index}.")
        receipts[digest] = data
        newest = max(newest, opened.checkpoint.size)
    return newest
