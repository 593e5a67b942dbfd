"""The whole audit of an export: pure, offline, every check, to the end.

1.  The entries lead to the root in the checkpoint that the journal signed.
2.  The conventions in it form one signed chain, and the auditor's own copy is in that chain.
3.  Every statement is canonical, of a known kind, and signed by who had to sign it under the convention that it names.
4.  Every receipt proves its entry in this very history.
5.  The cosignatures are good, and say how many organisations saw this history.
6.  Blind evaluations follow their questions, are counted once and stay within the budget.
7.  Nothing happened before what it rests on.
8.  Every order, release and run did what protocol sections 7 and 8 let it.
    Hardware evidence is verified again, at its own time, from the quotes that were archived beside it.
9.  Every delivery is of a result of its run.
10. Refusals are shown.
"""

from vigie import statement as statements
from vigie.audit.erasures import check_erasures
from vigie.audit.evaluations import check_evaluations
from vigie.audit.folder import Export
from vigie.audit.joints import check_joints
from vigie.audit.lots import check_lots
from vigie.audit.orders import check_evidence, check_orders
from vigie.audit.perimeters import check_perimeters
from vigie.audit.quotes import check_quotes
from vigie.audit.reading import Journal, read_journal
from vigie.audit.releases import check_releases
from vigie.audit.report import Findings, Report
from vigie.audit.runs import check_deliveries, check_runs
from vigie.audit.tree import check_tree
from vigie.bodies import Refusal


def verify(export: Export, own_convention: bytes | None = None) -> Report:
    """Check an export; the numbers are those of the module's list.

    Args:
        export: untrusted.
        own_convention: a signed convention that the auditor got by another way than the export. Without it, everything
            is judged by conventions that came with what they judge, and the report says so.

    Raises:
        Malformed: ``own_convention`` is not a convention; nothing about the export raises.
    """
    findings = Findings()
    _check_folder(export, findings)
    # (3), and the links of (2)
    journal = read_journal(export.entries, findings, export.quotes)
    # (1), (4) and (5)
    origin, root = check_tree(export, journal, findings)
    # (2)
    _check_conventions(export, journal, own_convention, findings)
    # (6)
    check_evaluations(journal, findings)
    # (7) and (8)
    wanted = check_lots(journal, findings)
    check_erasures(journal, findings)
    check_perimeters(journal, findings)
    check_orders(journal, wanted, findings)
    check_evidence(journal, findings)
    check_quotes(journal, findings)
    releases = check_releases(journal, findings)
    check_runs(journal, releases, findings)
    check_joints(journal, findings)
    # (9)
    check_deliveries(journal, findings)
    # (10)
    _show_refusals(journal, findings)
    return findings.report(origin=origin, size=len(export.entries), root=root)


def _check_folder(export: Export, findings: Findings) -> None:
    findings.looked("folder", len(export.entries) + len(export.conventions) + len(export.receipts) + 1)
    for name in export.strangers:
        findings.fail("folder", f"{name!r} does not belong into an export, is too large, or stands beyond a gap")


def _check_conventions(export: Export, journal: Journal, own: bytes | None, findings: Findings) -> None:
    if export.conventions != (journal.chain.raws if journal.chain else ()):
        findings.fail("conventions", "the folder conventions does not hold the conventions of the journal")
    if own is None:
        findings.note(
            "conventions", "these conventions came with the export: hold them against your own copy with --convention"
        )
        return
    digest = statements.parse(own, kind="convention").digest
    if digest not in {convention.digest for convention in journal.agreed}:
        findings.fail("conventions", "your own copy of the convention is not one of this journal's")
    else:
        findings.note("conventions", "your own copy of the convention is one of this journal's")


def _show_refusals(journal: Journal, findings: Findings) -> None:
    for entry in journal.of(Refusal):
        findings.looked("refusals")
        said, reason = entry.body, entry.body.reason
        times = f", {said.count} times" if said.count > 1 else ""
        findings.tell(
            entry.index,
            "refusal",
            f"{said.by} refused {said.about or 'a caller'}{times}: {reason.claim}: expected {reason.expected}, "
            f"found {reason.found}",
        )
