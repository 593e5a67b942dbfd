"""Orders and evidence, and that nothing in the journal stands before what it rests on.

The rule kept: a reference is followed by digest, never by the order in which things happen to stand; *that* is judged
here, once, by :func:`refer`.
"""

from collections.abc import Iterable
from typing import TypeVar

from vigie import evidence as evidences
from vigie.attestation import Proved
from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Body, Evidence, Lot, Order
from vigie.convention import LEVELS, Convention
from vigie.errors import Missing

B = TypeVar("B", bound=Body)


def refer(journal: Journal, entry: Entry[Body], digest: bytes, cls: type[B], findings: Findings) -> Entry[B] | None:
    """Follow a reference and make the check ``order-of-events`` on it; None when it leads nowhere."""
    findings.looked("order-of-events")
    kind, what = entry.statement.kind, cls.__name__.lower()
    found = journal.find(digest, cls)
    if found is None:
        findings.fail("order-of-events", f"the {what} that this {kind} names is not in the journal", entry.index)
    elif found.index > entry.index:
        findings.fail(
            "order-of-events", f"this {kind} stands before the {what} that it names, {found.index}", entry.index
        )
    return found


def check_orders(journal: Journal, wanted: dict[bytes, dict[bytes, Entry[Lot]]], findings: Findings) -> None:
    """Make the check ``orders``.

    Args:
        journal: the entries.
        wanted: for each order the lots that were current, as `check_lots` gives them.
        findings: where to report.
    """
    for entry in journal.of(Order):
        findings.looked("orders")
        said = entry.body
        lots = [lot for digest in said.lots if (lot := refer(journal, entry, digest, Lot, findings)) is not None]
        if len(set(said.lots)) != len(said.lots):
            findings.fail("orders", "the order names a lot twice", entry.index)
        if not said.lots:
            findings.fail("orders", "the order names no lot", entry.index)
        if said.deadline < said.created:
            findings.fail("orders", "the order's deadline was over when it was made", entry.index)
        findings.tell(
            entry.index, "order", f"{said.purpose} for {said.period} was ordered over {len(lots)} lots of "
            + (", ".join(sorted({lot.body.partner for lot in lots})) or "nobody"),
        )  # fmt: skip
        if entry.convention is not None:
            _check_terms(entry, entry.convention, findings)
        if entry.digest in wanted:
            _check_lots(entry, lots, wanted[entry.digest], findings)


def _check_terms(entry: Entry[Order], convention: Convention, findings: Findings) -> None:
    said = entry.body
    purpose = convention.purposes.get(said.purpose)
    if purpose is None:
        findings.fail("orders", f"the convention knows no purpose {said.purpose}", entry.index)
        return
    beyond = {column for grant in convention.grants_of(said.purpose) for column in grant.columns} - set(purpose.outputs)
    if beyond:
        findings.fail("orders", f"a grant gives {min(beyond)}, which is no output of {said.purpose}", entry.index)
    try:
        convention.epoch(said.epoch)
    except Missing as error:
        findings.fail("orders", str(error), entry.index)
    if not convention.start.isoformat() <= said.created[:10] <= convention.end.isoformat():
        findings.fail("orders", f"the convention was not in force on {said.created[:10]}", entry.index)
    if said.period > said.created[:7]:
        findings.fail("orders", f"the period {said.period} was in the future", entry.index)


def _check_lots(
    entry: Entry[Order], lots: Iterable[Entry[Lot]], wanted: dict[bytes, Entry[Lot]], findings: Findings
) -> None:
    named = set(entry.body.lots)
    for digest, lot in wanted.items():
        if digest not in named:
            findings.fail(
                "orders",
                f"the order leaves out a current lot of {lot.body.dataset} by {lot.body.partner}, entry {lot.index}",
                entry.index,
            )
    for lot in lots:
        if lot.digest not in wanted:
            findings.fail(
                "orders",
                f"the order names a lot of {lot.body.dataset} by {lot.body.partner}, entry {lot.index}, that was "
                "superseded, withdrawn, of another epoch or not of its purpose",
                entry.index,
            )


def check_evidence(journal: Journal, findings: Findings) -> None:
    """Follow every evidence to its order, and report challenges that were used before."""
    used: dict[tuple[str, bytes], int] = {}
    for entry in journal.of(Evidence):
        refer(journal, entry, entry.body.order, Order, findings)
        for member, challenge in entry.body.challenges.items():
            first = used.setdefault((member, challenge), entry.index)
            if first != entry.index:
                findings.fail(
                    "order-of-events", f"the challenge of {member} was used in entry {first} already", entry.index
                )


def shortfalls(said: Evidence, convention: Convention, datasets: Iterable[str], hardware: Proved | None) -> list[str]:
    """Return, in words, what keeps an enclave from being good enough to open lots of these datasets."""
    found: list[str] = []
    rule = convention.enclave
    if said.platform not in rule.platforms:
        found.append(f"an enclave on {said.platform}, where the convention wants {', '.join(rule.platforms)}")
    found.extend(
        f"an enclave whose layer {layer} is {said.layers.get(layer, 'not named')}"
        for layer in evidences.missing_layers(said, convention)
    )
    level = evidences.level(said, convention, hardware)
    for name in sorted(set(datasets)):
        dataset = convention.datasets.get(name)
        wanted = max(rule.minimum_level, dataset.minimum_level if dataset else rule.minimum_level, key=LEVELS.index)
        if not evidences.at_least(level, wanted):
            found.append(f"an enclave of level {level}, where {name} wants {wanted}")
    return found
