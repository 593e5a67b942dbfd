"""Runs and deliveries: what an enclave says went in and came out, against what the journal says.

The enclave signed the run, but it is the hub's machine: every claim in it that the journal can contradict is checked.
"""

from collections import defaultdict

from vigie import evidence as evidences
from vigie.audit.joints import share_givers
from vigie.audit.orders import refer, shortfalls
from vigie.audit.reading import Entry, Journal
from vigie.audit.releases import Released
from vigie.audit.report import Findings
from vigie.bodies import Delivery, Evidence, Lot, Order, Run
from vigie.convention import Convention


def check_runs(journal: Journal, releases: list[Released], findings: Findings) -> None:
    """Make the check ``runs``."""
    by_order: dict[bytes, list[Released]] = defaultdict(list)
    for release in releases:
        by_order[release.entry.body.order].append(release)
    first_run: dict[bytes, int] = {}
    limits: dict[str, None] = {}
    for entry in journal.of(Run):
        findings.looked("runs")
        said = entry.body
        first = first_run.setdefault(said.order, entry.index)
        if first != entry.index:
            findings.fail("runs", f"there is a run of this order already, entry {first}", entry.index)
        order = refer(journal, entry, said.order, Order, findings)
        evidence = refer(journal, entry, said.evidence, Evidence, findings)
        if evidence is not None:
            _check_evidence(journal, entry, evidence, findings)
            if evidence.convention is not None:
                limits.update(
                    dict.fromkeys(evidences.limits(evidence.body, evidence.convention, journal.proof(evidence)[0]))
                )
        opened = _check_claims(journal, entry, order, by_order[said.order], findings)
        if order is not None and entry.convention is not None:
            _check_required(entry, order, entry.convention, opened, findings)
            _check_results(entry, order, entry.convention, findings)
        if evidence is not None and entry.convention is not None:
            _check_opened(journal, entry, evidence, order, entry.convention, opened, findings)
        _tell(entry, order, opened, findings)
    for limit in limits:
        findings.note("runs", limit)
    for release in releases:
        run = first_run.get(release.entry.body.order)
        if release.opened and run is not None and release.entry.index > run:
            findings.fail("order-of-events", f"keys were released after the run, entry {run}", release.entry.index)


def _check_evidence(journal: Journal, entry: Entry[Run], evidence: Entry[Evidence], findings: Findings) -> None:
    said = entry.body
    if evidence.body.order != said.order:
        findings.fail("runs", "the evidence of this run is for another order", entry.index)
    if evidence.body.convention != said.convention:
        findings.fail("runs", "the run names another convention than its evidence", entry.index)
    if evidence.convention is not None:
        level = evidences.level(evidence.body, evidence.convention, journal.proof(evidence)[0])
        if level != said.level:
            findings.fail("runs", f"the run says level {said.level}, its evidence gives {level}", entry.index)


def _check_claims(
    journal: Journal, entry: Entry[Run], order: Entry[Order] | None, releases: list[Released], findings: Findings
) -> dict[str, Released]:
    """Hold the run's list of releases against the journal; return those that opened lots, by partner."""
    said = entry.body
    if order is not None:
        lots = [lot for digest in order.body.lots if (lot := journal.find(digest, Lot)) is not None]
        partners = {lot.body.partner for lot in lots}
        beside = share_givers(entry.convention, order.body) - partners
        for name in sorted((partners ^ set(said.releases)) - beside):
            what = "says nothing of" if name in partners else "lists a release of"
            whose = "whose lots its order names" if name in partners else "of whom its order names no lot"
            findings.fail("runs", f"the run {what} {name}, {whose}", entry.index)
    opened: dict[str, Released] = {}
    for partner, claimed in said.releases.items():
        before = [release for release in releases if release.entry.body.partner == partner]
        of_this = [release for release in before if release.entry.body.evidence == said.evidence]
        if claimed == "none":
            if of_this:
                findings.fail(
                    "runs",
                    f"the run says that {partner} did not answer; it did, entry {of_this[0].entry.index}",
                    entry.index,
                )
            continue
        findings.looked("order-of-events")
        found = next((release for release in before if release.entry.digest.hex() == claimed), None)
        if found is None:
            findings.fail("runs", f"the journal has no such release by {partner} for this order", entry.index)
            continue
        if found.entry.index > entry.index:
            findings.fail(
                "order-of-events", f"this run stands before a release that it names, {found.entry.index}", entry.index
            )
        if found.entry.body.evidence not in (None, said.evidence):
            findings.fail("runs", f"the release by {partner} that the run names is for another enclave", entry.index)
        elif found.opened:
            if found.entry.body.lots:
                opened[partner] = found
        elif any(release.opened for release in of_this):
            findings.fail("runs", f"the run names a refusal by {partner}, which released to this enclave", entry.index)
    return opened


def _check_required(
    entry: Entry[Run], order: Entry[Order], convention: Convention, opened: dict[str, Released], findings: Findings
) -> None:
    purpose = convention.purposes.get(order.body.purpose)
    for name in purpose.required if purpose else ():
        if name not in opened:
            findings.fail("runs", f"the run went on without {name}, which its purpose requires", entry.index)
    if not opened:
        findings.fail("runs", "no partner opened anything for this run", entry.index)


def _check_opened(
    journal: Journal,
    entry: Entry[Run],
    evidence: Entry[Evidence],
    order: Entry[Order] | None,
    convention: Convention,
    opened: dict[str, Released],
    findings: Findings,
) -> None:
    digests = [digest for release in opened.values() for digest in release.entry.body.lots]
    lots = [lot for digest in digests if (lot := journal.find(digest, Lot)) is not None]
    for sentence in shortfalls(
        evidence.body, convention, {lot.body.dataset for lot in lots}, journal.proof(evidence)[0]
    ):
        findings.fail("runs", f"the run used {sentence}", entry.index)
    if order is not None and not set(digests) <= set(order.body.lots):
        findings.fail("runs", "lots were opened for this run that its order does not name", entry.index)


def _check_results(entry: Entry[Run], order: Entry[Order], convention: Convention, findings: Findings) -> None:
    seen: set[str] = set()
    for result in entry.body.results:
        grant = convention.grants.get(result.grant)
        if grant is None:
            findings.fail("runs", f"there is a result for {result.grant}, which is no grant", entry.index)
        elif grant.recipient != result.recipient:
            findings.fail(
                "runs", f"the result of {grant.name} went to {result.recipient}, not to {grant.recipient}", entry.index
            )
        elif grant.purpose != order.body.purpose:
            findings.fail(
                "runs", f"{grant.name} is a grant of {grant.purpose}, not of {order.body.purpose}", entry.index
            )
        if result.grant in seen:
            findings.fail("runs", f"there are two results for {result.grant}", entry.index)
        seen.add(result.grant)


def _tell(entry: Entry[Run], order: Entry[Order] | None, opened: dict[str, Released], findings: Findings) -> None:
    said = entry.body
    what = f"{order.body.purpose} for {order.body.period}" if order else "an unknown order"
    absent = sorted(set(said.releases) - set(opened))
    sentence = f"{what} was computed at level {said.level} from the lots of {', '.join(sorted(opened)) or 'nobody'}"
    sentence += f", without {', '.join(absent)}" if absent else ""
    findings.tell(entry.index, "run", f"{sentence}; results: {', '.join(r.grant for r in said.results) or 'none'}")


def check_deliveries(journal: Journal, findings: Findings) -> None:
    """Make the check ``deliveries``."""
    for entry in journal.of(Delivery):
        findings.looked("deliveries")
        said = entry.body
        findings.tell(
            entry.index, "delivery", f"{said.recipient} opened the result of {said.grant}, level {said.level}"
        )
        run = refer(journal, entry, said.run, Run, findings)
        if run is None:
            continue
        result = next((result for result in run.body.results if result.grant == said.grant), None)
        if result is None:
            findings.fail("deliveries", f"the run has no result for {said.grant}", entry.index)
            continue
        if result.recipient != said.recipient:
            findings.fail("deliveries", f"{said.recipient} opened a result of {result.recipient}", entry.index)
        if result.digest != said.result:
            findings.fail("deliveries", "what was opened is not the result that the run names", entry.index)
        if run.body.level != said.level:
            findings.fail("deliveries", f"the delivery says level {said.level}, its run {run.body.level}", entry.index)
