"""Perimeters and which of them is current (docs/spec/perimeter.md): one chain for each pseudonym epoch.

Who signed a perimeter, and that its recipients are the convention's, is judged with every other statement
(:mod:`vigie.authority`); that it has a receipt, with the tree. Here it is held against the ones before it.
"""

from vigie.audit.reading import Entry, Journal
from vigie.audit.report import Findings
from vigie.bodies import Perimeter


def check_perimeters(journal: Journal, findings: Findings) -> None:
    """Make the check ``perimeters``: each replaces the one that was current, and goes back to no earlier period."""
    current: dict[int, Entry[Perimeter]] = {}
    places: dict[tuple[str, bytes], int] = {}
    for entry in journal.of(Perimeter):
        findings.looked("perimeters")
        said = entry.body
        first = places.setdefault((said.owner, said.perimeter), entry.index)
        if first != entry.index:
            findings.fail("perimeters", f"entry {first} is the same perimeter of {said.owner}", entry.index)
            continue
        before = current.get(said.epoch)
        if said.supersedes != (before.body.perimeter if before else None):
            what = f"the perimeter of entry {before.index}" if before else "no earlier perimeter"
            findings.fail("perimeters", f"this perimeter must supersede {what}", entry.index)
        if before and said.period < before.body.period:
            findings.fail("perimeters", f"this perimeter is for a month before {before.body.period}", entry.index)
        current[said.epoch] = entry
        findings.tell(
            entry.index,
            "perimeter",
            f"{said.owner} shared the perimeter for {said.period} with {', '.join(sorted(said.recipients))}: "
            f"at most {said.companies_class} companies",
        )
