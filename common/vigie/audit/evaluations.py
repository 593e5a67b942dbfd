"""Blind evaluations (protocol section 4): each answer follows its question, is charged once, and stays in the budget.

What was asked is blind by design; that so much was asked, by whom and of whom, is what the journal shows. The order in
which answers enter the journal is the hub's, so running totals are compared after sorting: what counts is that they
leave no gap and no overlap. A gap is a fault unless questions without an answer can fill it.
"""

from collections import Counter, defaultdict
from typing import Final

from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Evaluation
from vigie.errors import Missing

MAX_ELEMENTS: Final = 4096
"""Elements in one batch at most."""
LEAST_BUDGET: Final = 16_384
"""Elements above its declared population that a member may always ask for."""

_Account = tuple[str, str, int]  # requester, evaluator, epoch


def budget(population: int) -> int:
    """Elements that a member may have evaluated by one custodian in one epoch: the larger of 1.2 × and 16 384 +."""
    return max(population * 6 // 5, LEAST_BUDGET + population)


def check_evaluations(journal: Journal, findings: Findings) -> None:
    """Make the check ``evaluations`` and the part of ``order-of-events`` that is about them."""
    answered: dict[bytes, int] = {}
    charged: dict[_Account, list[Entry[Evaluation]]] = defaultdict(list)
    asked: dict[_Account, list[Entry[Evaluation]]] = defaultdict(list)
    for entry in journal.of(Evaluation):
        findings.looked("evaluations")
        said = entry.body
        _check_batch(entry, findings)
        account = (said.requester, said.evaluator, said.epoch)
        if said.stage == "requested":
            asked[account].append(entry)
            if said.request is not None or said.total is not None:
                findings.fail("evaluations", "a question carries an answer's request or total", entry.index)
            continue
        charged[account].append(entry)
        _check_answer(journal, entry, findings)
        if said.request is not None:
            if said.request in answered:
                findings.fail("evaluations", f"entry {answered[said.request]} answers the same question", entry.index)
            answered.setdefault(said.request, entry.index)
    for account, entries in charged.items():
        waiting = sum(entry.body.count for entry in asked[account] if entry.digest not in answered)
        _check_totals(account, entries, waiting, findings)
    _tell(charged, findings)


def _check_batch(entry: Entry[Evaluation], findings: Findings) -> None:
    said = entry.body
    if not 1 <= said.count <= MAX_ELEMENTS:
        findings.fail("evaluations", f"a batch has 1 to {MAX_ELEMENTS} elements, not {said.count}", entry.index)
    if said.requester == said.evaluator:
        findings.fail("evaluations", f"{said.requester} asks itself", entry.index)
    if entry.convention is None:
        return
    try:
        entry.convention.epoch(said.epoch).custodian(said.evaluator)
    except Missing as error:
        findings.fail("evaluations", str(error), entry.index)


def _check_answer(journal: Journal, entry: Entry[Evaluation], findings: Findings) -> None:
    said = entry.body
    if said.request is None or said.total is None:
        findings.fail("evaluations", "an answer names no question or no total", entry.index)
        return
    findings.looked("order-of-events")
    question = journal.find(said.request, Evaluation)
    if question is None or question.body.stage != "requested":
        findings.fail("order-of-events", "the question that this evaluation answers is not in the journal", entry.index)
        return
    if question.index > entry.index:
        findings.fail("order-of-events", f"this evaluation stands before its question, {question.index}", entry.index)
    for name in ("requester", "evaluator", "epoch", "sequence", "elements", "count"):
        if getattr(question.body, name) != getattr(said, name):
            findings.fail(
                "evaluations", f"the answer has another {name} than its question, {question.index}", entry.index
            )


def _check_totals(account: _Account, entries: list[Entry[Evaluation]], waiting: int, findings: Findings) -> None:
    requester, evaluator, _ = account
    batches = Counter(entry.body.elements for entry in entries)
    reached = gap = 0
    for entry in sorted(entries, key=lambda entry: entry.body.total or 0):
        said, total = entry.body, entry.body.total or 0
        if batches[said.elements] > 1:
            findings.fail("evaluations", f"{evaluator} evaluated the same batch of {requester} twice", entry.index)
        before = total - said.count
        if before < reached:
            findings.fail(
                "evaluations",
                f"{evaluator} had charged {requester} {reached} elements and {said.count} more give not {total}",
                entry.index,
            )
        elif before > reached:
            gap += before - reached
            if gap > waiting:
                findings.fail(
                    "evaluations",
                    f"{evaluator} charged {requester} {before - reached} elements before this that no entry shows; if an "
                    "answer was on its way into the journal, a later export shows it",
                    entry.index,
                )
        reached = max(reached, total)
        _check_budget(entry, total, findings)


def _check_budget(entry: Entry[Evaluation], total: int, findings: Findings) -> None:
    member = entry.convention.members.get(entry.body.requester) if entry.convention else None
    if member is not None and total > budget(member.population):
        findings.fail(
            "evaluations",
            f"{member.name} had {total} elements evaluated, more than its budget of {budget(member.population)}",
            entry.index,
        )


def _tell(charged: dict[_Account, list[Entry[Evaluation]]], findings: Findings) -> None:
    for (requester, evaluator, epoch), entries in sorted(charged.items()):
        total = sum(entry.body.count for entry in entries)
        findings.note(
            "evaluations",
            f"{evaluator} evaluated {total} elements for {requester} in epoch {epoch}, {len(entries)} batches",
        )
