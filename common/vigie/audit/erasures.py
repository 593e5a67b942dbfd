"""Erasures: what a member destroyed was its own, and nothing was made or opened of it afterwards.

An audit cannot see that a seed is gone, nor that no copy of it was kept; it sees that the member said so, and that
nobody acted otherwise since.
"""

from vigie.audit.orders import refer
from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Erasure, Lot, Release


def check_erasures(journal: Journal, findings: Findings) -> None:
    """Make the check ``erasures``."""
    first: dict[tuple[str, int], Entry[Erasure]] = {}
    for entry in journal.of(Erasure):
        findings.looked("erasures")
        said = entry.body
        _tell(entry, findings)
        if entry.sound:
            first.setdefault((said.member, said.epoch), entry)
        for digest in said.lots:
            lot = refer(journal, entry, digest, Lot, findings)
            if lot is not None and (lot.body.partner, lot.body.epoch) != (said.member, said.epoch):
                findings.fail(
                    "erasures",
                    f"{said.member} names a lot of {lot.body.partner} and epoch {lot.body.epoch}, entry {lot.index}",
                    entry.index,
                )
    for deposited in journal.of(Lot):
        erasure = first.get((deposited.body.partner, deposited.body.epoch))
        if erasure is not None and deposited.index > erasure.index:
            findings.fail(
                "erasures",
                f"{deposited.body.partner} had withdrawn epoch {deposited.body.epoch} in entry {erasure.index}",
                deposited.index,
            )
    for release in journal.of(Release):
        for digest in release.body.lots:
            lot = journal.find(digest, Lot)
            erasure = None if lot is None else first.get((lot.body.partner, lot.body.epoch))
            if erasure is not None and release.index > erasure.index:
                findings.fail(
                    "erasures",
                    f"a lot was opened whose key was destroyed in entry {erasure.index}: a copy of it was kept",
                    release.index,
                )


def _tell(entry: Entry[Erasure], findings: Findings) -> None:
    said = entry.body
    lots = "1 lot" if len(said.lots) == 1 else f"{len(said.lots)} lots"
    why = f": {said.reason}" if said.reason else ""
    findings.tell(
        entry.index, "erasure", f"{said.member} destroyed the seed of epoch {said.epoch}, which opened {lots}{why}"
    )
