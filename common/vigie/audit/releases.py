"""Releases: each partner opened its own lots, to an enclave that enough organisations approved and that was good enough.

These are the checks of protocol section 7 that the journal can show; a node makes them before it answers, and the
auditor makes them again.
"""

from dataclasses import dataclass

from vigie.audit.orders import refer, shortfalls
from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Approval, Evidence, Lot, Order, Release


@dataclass(frozen=True)
class Released:
    """A release with what it names, as far as the journal has it."""

    entry: Entry[Release]
    order: Entry[Order] | None
    evidence: Entry[Evidence] | None

    @property
    def opened(self) -> bool:
        """Whether it opened lots."""
        return self.entry.body.decision == "released"


def check_releases(journal: Journal, findings: Findings) -> list[Released]:
    """Make the check ``releases``; return them in the order of the journal."""
    found: list[Released] = []
    granted: dict[tuple[str, bytes], int] = {}
    for entry in journal.of(Release):
        findings.looked("releases")
        said = entry.body
        order = refer(journal, entry, said.order, Order, findings)
        evidence = refer(journal, entry, said.evidence, Evidence, findings) if said.evidence is not None else None
        release = Released(entry, order, evidence)
        found.append(release)
        if evidence is not None and evidence.body.order != said.order:
            findings.fail("releases", "the evidence that this release names is for another order", entry.index)
        _check_form(release, findings)
        _tell(release, findings)
        if not release.opened or said.evidence is None:
            continue
        first = granted.setdefault((said.partner, said.evidence), entry.index)
        if first != entry.index:
            findings.fail("releases", f"{said.partner} released to this enclave in entry {first} already", entry.index)
        _check_lots(journal, release, findings)
        if evidence is not None:
            _check_enclave(journal, entry, evidence, findings)
    return found


def _check_form(release: Released, findings: Findings) -> None:
    said, index = release.entry.body, release.entry.index
    given = said.blob if said.lots else said.share
    if release.opened and (said.evidence is None or given is None or said.reason is not None):
        findings.fail("releases", "a release names evidence and a blob of keys, and gives no reason", index)
    if said.share is not None and release.order is not None and release.order.body.model == "train":
        findings.fail("releases", "a share of the joint key was given for an order that names no model", index)
    if not release.opened and (said.blob is not None or said.share is not None or said.reason is None):
        findings.fail("releases", "a refusal gives its reason, and has no blob of keys", index)


def _check_lots(journal: Journal, release: Released, findings: Findings) -> None:
    said, index = release.entry.body, release.entry.index
    if (not said.lots and said.share is None) or len(set(said.lots)) != len(said.lots):
        findings.fail("releases", "a release opens at least one lot, and each once", index)
    lots = [lot for digest in said.lots if (lot := refer(journal, release.entry, digest, Lot, findings)) is not None]
    for lot in lots:
        if lot.body.partner != said.partner:
            findings.fail("releases", f"{said.partner} opened a lot of {lot.body.partner}, entry {lot.index}", index)
    if release.order is not None:
        named = set(release.order.body.lots)
        for digest in said.lots:
            if digest not in named:
                findings.fail("releases", f"the order does not name the lot {digest.hex()} that was opened", index)


def _check_enclave(journal: Journal, entry: Entry[Release], evidence: Entry[Evidence], findings: Findings) -> None:
    said = entry.body
    if said.partner not in evidence.body.challenges:
        findings.fail("releases", f"the evidence answers no challenge of {said.partner}", entry.index)
    convention = entry.convention
    if convention is None:
        return
    approving = {
        approval.body.member: convention.organisation_of(approval.body.member)
        for approval in journal.of(Approval)
        if approval.sound
        and approval.index < entry.index
        and approval.body.measurement == evidence.body.measurement
        and approval.body.member in convention.members
    }
    if said.partner not in approving:
        findings.fail("releases", f"{said.partner} had not approved the measurement that it released to", entry.index)
    organisations, wanted = set(approving.values()), convention.enclave.approvals
    if len(organisations) < wanted:
        findings.fail(
            "releases",
            f"the measurement was approved by {len(organisations)} organisations, the convention wants {wanted}",
            entry.index,
        )
    lots = [lot for digest in said.lots if (lot := journal.find(digest, Lot)) is not None]
    for sentence in shortfalls(
        evidence.body, convention, {lot.body.dataset for lot in lots}, journal.proof(evidence)[0]
    ):
        findings.fail("releases", f"{said.partner} released to {sentence}", entry.index)


def _tell(release: Released, findings: Findings) -> None:
    said = release.entry.body
    if release.opened:
        sentence = f"{said.partner} opened {len(said.lots)} {'lot' if len(said.lots) == 1 else 'lots'}"
        sentence += " and gave its share of the models' key" if said.share is not None else ""
    else:
        reason = said.reason
        sentence = f"{said.partner} refused to open its lots"
        sentence += f" ({reason.claim}: expected {reason.expected}, found {reason.found})" if reason else ""
    findings.tell(release.entry.index, "release", sentence)
