"""What an audit found: named checks, each with how much it looked at and every fault, and the story of the exchange.

The rule kept: a check that looked at nothing says so by its count, and a report is good only if no check has a fault.
Nothing here holds partner data: the journal has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

CHECKS: Final[Mapping[str, str]] = {
    "folder": "The export holds the files that it must and no others",
    "checkpoint": "The journal signed its checkpoint",
    "root": "The entries lead to the root in the checkpoint",
    "conventions": "The conventions form one signed chain",
    "statements": "Every entry is a statement, signed by who had to sign it",
    "receipts": "Every receipt fits this very history",
    "witnesses": "The cosignatures on the checkpoint are good",
    "evaluations": "Blind evaluations were asked for, counted once and within the budget",
    "lots": "Every lot has its place among the lots of its dataset",
    "erasures": "What was withdrawn was its member's own, and was never opened again",
    "perimeters": "Every perimeter took the place of the one before it",
    "order-of-events": "Nothing happened before what it rests on",
    "orders": "Every order named all current lots of its purpose and no others",
    "quotes": "The hardware evidence verifies at its own time, and binds what it is evidence of",
    "releases": "Keys were released by their owners to an approved enclave that was good enough",
    "runs": "Every run says what the journal says, and its results go where the convention lets them",
    "joint-keys": "Every joint key was drawn once, shared anew from its newest shares, and used by enough custodians",
    "deliveries": "Every delivery is of a result of its run",
    "refusals": "Refusals, shown",
}
"""Names of the checks, which are stable, with what each makes sure of; in the order in which they are shown."""


@dataclass(frozen=True)
class Failure:
    """One fault. ``index`` is the place of the entry in the journal, None when it is not about one entry."""

    index: int | None
    sentence: str


@dataclass(frozen=True)
class Check:
    """One check: its name out of `CHECKS`, how many things it looked at, every fault, and remarks that are no faults."""

    name: str
    count: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """What this check makes sure of, in words."""
        return CHECKS[self.name]


@dataclass(frozen=True)
class Event:
    """Something that the journal records, in words. ``kind`` is the kind of its statement."""

    index: int
    kind: str
    sentence: str


@dataclass(frozen=True)
class Report:
    """The outcome of an audit.

    Attributes:
        origin: name of the journal; empty when there was no checkpoint to read.
        size: number of entries.
        root: root that was computed from the entries, 32 bytes.
        checks: one for each of `CHECKS`, in their order.
        events: who sent what, what was computed, who received what, what was refused; by index.
    """

    origin: str
    size: int
    root: bytes
    checks: tuple[Check, ...]
    events: tuple[Event, ...]

    @property
    def ok(self) -> bool:
        """Whether no check found a fault."""
        return not any(check.failures for check in self.checks)

    def check(self, name: str) -> Check:
        """The check of that name (`KeyError` for a name that is not in `CHECKS`)."""
        return {check.name: check for check in self.checks}[name]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON values; keys and names of checks are stable, sentences are not."""
        return {
            "ok": self.ok,
            "origin": self.origin,
            "size": self.size,
            "root": self.root.hex(),
            "checks": [
                {
                    "name": check.name,
                    "title": check.title,
                    "count": check.count,
                    "failures": [{"index": fault.index, "sentence": fault.sentence} for fault in check.failures],
                    "notes": list(check.notes),
                }
                for check in self.checks
            ],
            "events": [{"index": event.index, "kind": event.kind, "sentence": event.sentence} for event in self.events],
        }


class Findings:
    """Collects what the checks find; each check adds to it and none takes away."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(CHECKS, 0)
        self._failures: dict[str, list[Failure]] = {name: [] for name in CHECKS}
        self._notes: dict[str, list[str]] = {name: [] for name in CHECKS}
        self._events: list[Event] = []

    def looked(self, name: str, number: int = 1) -> None:
        """Record that a check looked at so many things more."""
        self._counts[name] += number

    def fail(self, name: str, sentence: str, index: int | None = None) -> None:
        """Record a fault."""
        self._failures[name].append(Failure(index, sentence))

    def note(self, name: str, sentence: str) -> None:
        """Record a remark that is no fault."""
        self._notes[name].append(sentence)

    def tell(self, index: int, kind: str, sentence: str) -> None:
        """Record an event of the exchange."""
        self._events.append(Event(index, kind, sentence))

    def report(self, *, origin: str, size: int, root: bytes) -> Report:
        """Return everything found so far."""
        checks = tuple(
            Check(name, self._counts[name], tuple(self._failures[name]), tuple(self._notes[name])) for name in CHECKS
        )
        return Report(origin, size, root, checks, tuple(sorted(self._events, key=lambda event: event.index)))
