"""Lots and which of them are current, as every node and the hub must see it (protocol section 5).

A dataset's current lots are its last snapshot and the deltas based on it that no later delta supersedes, for each
partner and epoch, less what was withdrawn. The journal is walked once, and what was current is kept for every order.
"""

from collections import defaultdict
from typing import Final

from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Erasure, Lot, Order

LEAST_KEPT: Final = 0.8
"""Share of the snapshot that it replaces below which a snapshot must be confirmed."""


class Standing:
    """The current lots while the journal is walked from its beginning."""

    def __init__(self) -> None:
        self._current: dict[tuple[str, str], list[Entry[Lot]]] = defaultdict(list)
        self._places: dict[tuple[str, bytes], int] = {}

    def take(self, entry: Entry[Lot], findings: Findings) -> None:
        """Let a lot take its place, and report when that is not where it says that it belongs."""
        said = entry.body
        first = self._places.setdefault((said.partner, said.lot), entry.index)
        if first != entry.index:
            findings.fail("lots", f"entry {first} is the same lot of {said.partner}", entry.index)
            return
        kept = self._current[said.partner, said.dataset]
        if said.delivery == "snapshot":
            _check_snapshot(entry, kept, findings)
            kept[:] = [entry]
            return
        _check_delta(entry, kept, findings)
        kept[:] = [other for other in kept if other.body.lot != said.supersedes]
        kept.append(entry)

    def withdraw(self, said: Erasure) -> None:
        """Let every lot of a member and epoch count for nothing from here on."""
        for (partner, _), kept in self._current.items():
            if partner == said.member:
                kept[:] = [other for other in kept if other.body.epoch != said.epoch]

    def current(self, datasets: tuple[str, ...], epoch: int) -> dict[bytes, Entry[Lot]]:
        """Current lots of these datasets and that epoch, by the digest of their statements."""
        return {
            entry.digest: entry
            for (_, dataset), entries in self._current.items()
            if dataset in datasets
            for entry in entries
            if entry.body.epoch == epoch
        }


def check_lots(journal: Journal, findings: Findings) -> dict[bytes, dict[bytes, Entry[Lot]]]:
    """Make the check ``lots``; return, by digest of each order, the lots that it had to name (by statement digest).

    An order whose purpose the convention does not know is left out.
    """
    standing = Standing()
    wanted: dict[bytes, dict[bytes, Entry[Lot]]] = {}
    for entry in journal.entries:
        if isinstance(entry.body, Lot):
            findings.looked("lots")
            standing.take(entry, findings)
            _check_numbers(entry, findings)
            said = entry.body
            findings.tell(
                entry.index,
                "lot",
                f"{said.partner} sent {said.dataset} for {said.period}: a {said.delivery} of size class {said.rows_class},"
                f" {said.quality.rejected} of {said.quality.parsed} rows rejected",
            )
        elif isinstance(entry.body, Erasure) and entry.sound:
            standing.withdraw(entry.body)
        elif isinstance(entry.body, Order) and entry.convention is not None:
            purpose = entry.convention.purposes.get(entry.body.purpose)
            if purpose is not None:
                wanted[entry.digest] = standing.current(purpose.datasets, entry.body.epoch)
    return wanted


def _check_snapshot(entry: Entry[Lot], kept: list[Entry[Lot]], findings: Findings) -> None:
    said = entry.body
    before = next((other.body for other in kept if other.body.delivery == "snapshot"), None)
    if said.base is not None:
        findings.fail("lots", "a snapshot has no base", entry.index)
    if said.supersedes != (before.lot if before else None):
        what = f"the snapshot {before.lot.hex()}" if before else "no earlier snapshot"
        findings.fail("lots", f"this snapshot must supersede {what}", entry.index)
    if before and said.rows_class < LEAST_KEPT * before.rows_class and not said.shrink_confirmed:
        findings.fail("lots", "this snapshot is much smaller than the one that it replaces, unconfirmed", entry.index)


def _check_delta(entry: Entry[Lot], kept: list[Entry[Lot]], findings: Findings) -> None:
    said = entry.body
    if said.base not in {other.body.lot for other in kept if other.body.delivery == "snapshot"}:
        findings.fail("lots", "this delta is not based on the current snapshot", entry.index)
    if said.supersedes is not None and said.supersedes not in {
        other.body.lot for other in kept if other.body.delivery == "delta"
    }:
        findings.fail("lots", "this delta supersedes one that is not current", entry.index)


def _check_numbers(entry: Entry[Lot], findings: Findings) -> None:
    quality = entry.body.quality
    if quality.parsed != quality.valid + quality.rejected + quality.skipped:
        findings.fail("lots", "the counts of the validation do not add up", entry.index)
    rule = entry.convention.datasets.get(entry.body.dataset) if entry.convention else None
    if rule is not None and quality.rejected > rule.maximum_rejected * quality.parsed:
        findings.fail("lots", f"more rows were rejected than the convention allows for {rule.name}", entry.index)
