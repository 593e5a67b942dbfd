"""The Merkle side of an audit: checkpoint, root, receipts and cosignatures, all recomputed from the entries.

The rule kept: a receipt or checkpoint is compared with the root that *these* entries give at its size. A signature of
the log alone proves only that the log said so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vigie import note as notes
from vigie.audit.folder import RECEIPTED, Export
from vigie.audit.reading import Journal
from vigie.audit.report import Findings
from vigie.convention import Convention
from vigie.errors import BadSignature, VigieError
from vigie.journal.checkpoint import OpenedCheckpoint, open_checkpoint, witnessed_by
from vigie.journal.merkle import Frontier, leaf_hash
from vigie.journal.proof import Receipt, verify_receipt
from vigie.note import Note, VerifierKey


@dataclass(frozen=True)
class TreeKeys:
    """Keys of the journal and of its witnesses, from every convention of the chain.

    Attributes:
        logs: keys that may sign checkpoints; more than one only after an amendment.
        witnesses: witnesses' keys, with the organisation of each.
        never: organisations whose cosignatures count for nothing: those of the hub.
    """

    logs: tuple[VerifierKey, ...]
    witnesses: dict[VerifierKey, str]
    never: frozenset[str]

    @classmethod
    def of(cls, conventions: Iterable[Convention]) -> "TreeKeys":
        """Gather them; without any convention there are none, and nothing verifies."""
        logs: dict[VerifierKey, None] = {}
        witnesses: dict[VerifierKey, str] = {}
        never: set[str] = set()
        for convention in conventions:
            logs[convention.log_key()] = None
            witnesses |= convention.witness_keys()
            never.add(convention.organisation_of(convention.hub))
        return cls(tuple(logs), witnesses, frozenset(never))

    def open(self, checkpoint: bytes) -> OpenedCheckpoint:
        """Open a checkpoint that one of the log's keys signed.

        Raises:
            MalformedNote, BadSignature: as `open_checkpoint`.
        """
        failure: VigieError = BadSignature("There is no convention that names the journal's key.")
        for key in self.logs:
            try:
                return open_checkpoint(checkpoint, key)
            except BadSignature as error:
                failure = error
        raise failure

    def organisations(self, note: Note) -> dict[str, str]:
        """Witnesses whose cosignature verifies, by key name, with their organisation.

        Raises:
            BadSignature: a witness's line is there and fails.
        """
        names = witnessed_by(note, self.witnesses)
        return {key.name: organisation for key, organisation in self.witnesses.items() if key.name in names}


def roots_at(entries: Sequence[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """Roots of the tree over these entries: at the sizes wanted that it reaches, and at its own."""
    wanted = {*sizes, len(entries)}
    frontier = Frontier()
    roots = {0: frontier.root()} if 0 in wanted else {}
    for entry in entries:
        frontier.append(leaf_hash(entry))
        if frontier.size in wanted:
            roots[frontier.size] = frontier.root()
    return roots


def check_tree(export: Export, journal: Journal, findings: Findings) -> tuple[str, bytes]:
    """Make the checks ``checkpoint``, ``root``, ``witnesses`` and ``receipts``; return origin and computed root."""
    keys = TreeKeys.of(journal.agreed)
    receipts = _open_receipts(export, journal, keys, findings)
    roots = roots_at(export.entries, [opened.checkpoint.size for _, opened in receipts])
    root = roots[len(export.entries)]
    for index, opened in receipts:
        tree = opened.checkpoint
        if roots.get(tree.size) != tree.root:
            findings.fail("receipts", _other_history(tree.size, len(export.entries)), index)
        _check_lines(opened.note, keys, "receipts", index, findings)
    for digest, kind in journal.kinds.items():
        if kind in RECEIPTED and digest not in export.receipts:
            findings.fail("receipts", f"the receipt of this {kind} is missing from the export", journal.places[digest])
    return _check_checkpoint(export, journal, keys, root, findings), root


def _check_checkpoint(export: Export, journal: Journal, keys: TreeKeys, root: bytes, findings: Findings) -> str:
    if not export.checkpoint:
        findings.fail("checkpoint", "the export holds no checkpoint")
        return ""
    findings.looked("checkpoint")
    try:
        opened = keys.open(export.checkpoint)
    except VigieError as error:
        findings.fail("checkpoint", f"the checkpoint is not the journal's: {error}")
        return ""
    tree = opened.checkpoint
    findings.looked("root", len(export.entries))
    if tree.size != len(export.entries):
        findings.fail("root", f"the checkpoint is of {tree.size} entries, the export holds {len(export.entries)}")
    elif tree.root != root:
        findings.fail(
            "root", f"the {tree.size} entries give the root {root.hex()}, the journal signed {tree.root.hex()}"
        )
    if _check_lines(opened.note, keys, "witnesses", None, findings):
        _tell_witnesses(keys.organisations(opened.note), journal, keys, findings)
    return tree.origin


def _check_lines(note: Note, keys: TreeKeys, check: str, index: int | None, findings: Findings) -> bool:
    """Every signature line under a checkpoint is of a known key, there once, and good."""
    known = {(key.name, key.key_id) for key in (*keys.logs, *keys.witnesses)}
    seen: set[tuple[str, bytes]] = set()
    for line in note.signatures:
        if (line.name, line.key_id) not in known:
            findings.fail(check, f"a line is signed with a key called {line.name!r} that no convention names", index)
        elif (line.name, line.key_id) in seen:
            findings.fail(check, f"{line.name!r} has two lines under one checkpoint", index)
        seen.add((line.name, line.key_id))
    try:
        # A line of the log's other key, after an amendment, is checked with the witnesses'.
        notes.verify(note, (*keys.logs, *keys.witnesses))
    except VigieError as error:
        findings.fail(check, f"a signature line does not verify: {error}", index)
        return False
    return True


def _tell_witnesses(found: dict[str, str], journal: Journal, keys: TreeKeys, findings: Findings) -> None:
    counting = {organisation for organisation in keys.witnesses.values() if organisation not in keys.never}
    organisations = sorted(set(found.values()) & counting)
    findings.looked("witnesses", len(found))
    who = f" ({', '.join(organisations)})" if organisations else ""
    findings.note("witnesses", f"witnessed by {len(organisations)} of {len(counting)} organisations{who}")
    idle = sorted(set(found.values()) & keys.never)
    if idle:
        findings.note("witnesses", f"the cosignature of {', '.join(idle)}, which runs the hub, counts for nothing")
    quorum = journal.agreed[-1].witness.release_quorum
    if len(organisations) < quorum:
        findings.note(
            "witnesses",
            f"keys are released under {quorum} cosignatures of other organisations: ask for a later checkpoint",
        )


def _open_receipts(
    export: Export, journal: Journal, keys: TreeKeys, findings: Findings
) -> list[tuple[int, OpenedCheckpoint]]:
    """Every receipt that proves its entry under a checkpoint that the log signed, with the entry's index."""
    opened: list[tuple[int, OpenedCheckpoint]] = []
    for digest, data in sorted(export.receipts.items()):
        findings.looked("receipts")
        index = journal.places.get(digest)
        if index is None:
            findings.fail("receipts", f"the receipt of {digest.hex()} is for a statement that is not in the journal")
            continue
        try:
            receipt = Receipt.parse(data)
            key = _signer(keys, receipt.checkpoint)
            opened.append((index, verify_receipt(receipt, export.entries[index], key)))
        except VigieError as error:
            findings.fail("receipts", f"the receipt of this entry proves nothing: {error}", index)
            continue
        if receipt.index != index:
            findings.fail("receipts", f"the receipt says that this is entry {receipt.index}", index)
        if receipt.extra is not None:
            findings.fail("receipts", "the receipt carries an extra line, which proves nothing", index)
    return opened


def _signer(keys: TreeKeys, checkpoint: bytes) -> VerifierKey:
    for key in keys.logs:
        try:
            open_checkpoint(checkpoint, key)
        except BadSignature:
            continue
        return key
    raise BadSignature("The journal has not signed the checkpoint of this receipt.")


def _other_history(size: int, held: int) -> str:
    if size > held:
        return f"the receipt was given for a journal of {size} entries, the export holds {held}"
    return f"the receipt is of another history: at {size} entries these have another root"
