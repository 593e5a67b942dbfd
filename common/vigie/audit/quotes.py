"""Hardware evidence, verified again from what was archived: the check ``quotes``.

It gives the same answer years later: every certificate, list and collateral is judged at the time of the evidence, and the
roots come with this program.
"""

from vigie.audit.reading import Journal
from vigie.audit.report import Findings
from vigie.bodies import Evidence
from vigie.convention import SOFTWARE
from vigie.hardware.bundle import digest_of


def check_quotes(journal: Journal, findings: Findings) -> None:
    """Verify the quote of every evidence that names one; report bundles that nobody names."""
    named: set[bytes] = set()
    for entry in journal.of(Evidence):
        said = entry.body
        if said.platform == SOFTWARE or said.quote is None:
            continue
        findings.looked("quotes")
        named.add(said.quote)
        proved, why = journal.proof(entry)
        if proved is None:
            findings.fail("quotes", f"the hardware evidence does not hold: {why}", entry.index)
            continue
        findings.tell(
            entry.index,
            "hardware",
            f"{proved.verified.platform}, generation {proved.verified.generation}, firmware {proved.verified.tcb}, signed by "
            f"{proved.verified.signer}, accepted as {proved.rule.name}",
        )
    for digest, data in journal.quotes.items():
        if digest not in named or digest_of(data) != digest:
            findings.fail("quotes", f"the bundle {digest.hex()} is named by no evidence, or is not what its name says")
