"""A good journal passes every check, and each fault planted in one is found and named."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.exchange_story import WITNESSES, Change, Story, digest, enclave_signer
from support.merkle_tree import MemoryTree
from support.world import ORIGIN, demo_keyrings
from vigie import note
from vigie import statement as statements
from vigie.audit.folder import Export, gather, layout
from vigie.audit.report import CHECKS, Report
from vigie.audit.verify import verify
from vigie.bodies import Reason, RunResult, SealedModel
from vigie.errors import MalformedStatement
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.proof import Receipt

GOOD = Story()
EXPORT = GOOD.export()
OWN = GOOD.said["convention 1"].raw


def faults(report: Report) -> dict[str, list[str]]:
    return {check.name: [fault.sentence for fault in check.failures] for check in report.checks if check.failures}


def body(**changes: object) -> Callable[[object], object]:
    """Replace fields of a body; a callable value is given the old one."""

    def change(old: object) -> object:
        new = {key: value(getattr(old, key)) if callable(value) else value for key, value in changes.items()}
        return dataclasses.replace(old, **new)  # type: ignore[type-var]

    return change


def after(name: str, other: str) -> Callable[[list[str]], list[str]]:
    """Move the statement ``name`` to right after ``other``."""

    def arrange(names: list[str]) -> list[str]:
        names.remove(name)
        names.insert(names.index(other) + 1, name)
        return names

    return arrange


@dataclass(frozen=True)
class Fault:
    """What is planted, the check that must find it, words of its sentence, and the statement that it must point at."""

    check: str
    words: str
    at: str | None
    change: Change


def planted(check: str, words: str, at: str, field: str | None = None, **changes: object) -> Fault:
    return Fault(check, words, at, Change(body={field or at: body(**changes)}))


def result(**changes: object) -> Callable[[tuple[RunResult, ...]], tuple[RunResult, ...]]:
    return lambda old: (replace(old[0], **changes), *old[1:])  # type: ignore[arg-type]


def hexed(name: str) -> str:
    return GOOD.said[name].digest.hex()


def resigned(member: str, use: str = "signing") -> tuple[note.Signer, ...]:
    return (demo_keyrings()[member].signer(use),)


EARLY = {"erasure": body(convention=GOOD.said["convention 1"].digest)}
"""The erasure as it would be made before the convention was amended."""

FAULTS = {
    # -- erasures
    "erasure signed by another": Fault(
        "statements", "signed as it must be", "erasure", Change(signers={"erasure": resigned("acoss")})
    ),
    "erasure of another's lot": planted(
        "erasures", "names a lot of travail", "erasure", lots=(GOOD.said["lot short time"].digest,)
    ),
    "erasure before the lot that it names": Fault(
        "erasures", "had withdrawn epoch 1", "lot ratios",
        Change(body=EARLY, arrange=after("erasure", "approval acoss")),
    ),
    "order over a lot that was withdrawn": Fault(
        "orders", "withdrawn", "order 1", Change(body=EARLY, arrange=after("erasure", "lot ratios"))
    ),
    "opened after it was withdrawn": Fault(
        "erasures", "a copy of it was kept", "release bdf 1", Change(body=EARLY, arrange=after("erasure", "order 1"))
    ),
    # -- statements and conventions
    "lot signed by another": Fault(
        "statements", "signed as it must be", "lot ratios", Change(signers={"lot ratios": resigned("acoss")})
    ),
    "order signed by a partner": Fault(
        "statements", "signed as it must be", "order 1", Change(signers={"order 1": resigned("acoss")})
    ),
    "evidence without the host": Fault(
        "statements", "signed as it must be", "evidence 1", Change(signers={"evidence 1": (enclave_signer("evidence 1"),)})
    ),
    "evidence without its own key": Fault(
        "statements", "signed as it must be", "evidence 1", Change(signers={"evidence 1": resigned("hub", "host")})
    ),
    "run signed by another enclave": Fault(
        "statements", "signed as it must be", "run 1", Change(signers={"run 1": (enclave_signer("evidence 2"),)})
    ),
    "lot of a dataset of another": planted("statements", "not allowed", "lot ratios", dataset="debts"),
    "statement changed after it was signed": Fault(
        "statements", "signed as it must be", "lot ratios",
        Change(raw={"lot ratios": lambda raw: raw.replace(b'"parsed":510', b'"parsed":511')}),
    ),
    "statement not canonical": Fault(
        "statements", "canonical", "approval acoss",
        Change(raw={"approval acoss": lambda raw: raw.replace(b'{"convention"', b'{ "convention"')}),
    ),
    "statement of an unknown kind": Fault(
        "statements", "first line", "approval acoss",
        Change(raw={"approval acoss": lambda raw: raw.replace(b"vigie/approval/v1", b"vigie/wish/v1")}),
    ),
    "statement of a form of its own": Fault(
        "statements", "unknown key", "refusal",
        Change(raw={"refusal": lambda raw: raw.replace(b'{"about"', b'{"aaa":1,"about"')}),
    ),
    "the same statement twice": Fault(
        "statements", "already", None, Change(arrange=lambda names: [*names, "lot ratios"])
    ),
    "order under the convention before": planted(
        "statements", "current convention", "order 2", convention=GOOD.said["convention 1"].digest
    ),
    "convention that nobody knows": planted("statements", "not allowed", "lot ratios", convention=digest("?")),
    "amendment that not all signed": Fault(
        "conventions", "does not follow", "convention 2",
        Change(signers={"convention 2": [demo_keyrings()[name].signer() for name in WITNESSES if name != "travail"]}),
    ),
    "amendment left out": Fault("statements", "not allowed", "order 2", Change(leave_out=frozenset({"convention 2"}))),
    "no convention at first": Fault(
        "statements", "no convention before", "approval acoss", Change(arrange=after("convention 1", "refusal"))
    ),
    "perimeter signed by another": Fault(
        "statements", "signed as it must be", "perimeter 1", Change(signers={"perimeter 1": resigned("travail")})
    ),
    "perimeter of another than the owner": Fault(
        "statements", "not allowed", "perimeter 1",
        Change(body={"perimeter 1": body(owner="travail")}, signers={"perimeter 1": resigned("travail")}),
    ),
    "perimeter with a recipient too few": planted(
        "statements", "not allowed", "perimeter 1", recipients=lambda old: {"travail": old["travail"]}
    ),
    "perimeter with a recipient too many": planted(
        "statements", "not allowed", "perimeter 1", recipients=lambda old: {**old, "auditeur": old["travail"]}
    ),
    "perimeter under the convention before": planted(
        "statements", "current convention", "perimeter 1", convention=GOOD.said["convention 1"].digest
    ),
    "perimeter that forgets what it supersedes": planted("perimeters", "must supersede", "perimeter 2", supersedes=None),
    "first perimeter that supersedes one": planted(
        "perimeters", "no earlier", "perimeter 1", supersedes=digest("?")[:16]
    ),
    "perimeter for an earlier month": planted("perimeters", "a month before 2026-02", "perimeter 2", period="2026-01"),
    "one perimeter id twice": planted(
        "perimeters", "same perimeter", "perimeter 2", perimeter=digest("perimeter 1")[:16]
    ),
    # -- evaluations
    "answer with another count": planted("evaluations", "another count", "answered b", count=91),
    "answer for another batch": planted("evaluations", "another elements", "answered b", elements=digest("x")),
    "charged too little": planted("evaluations", "give not 489", "answered b", total=489),
    "charged what no entry shows": planted("evaluations", "no entry shows", "answered b", total=590),
    "one batch evaluated twice": planted(
        "evaluations", "the same batch", "answered b", elements=digest("batch a"), count=90
    ),
    "two answers to one question": planted(
        "evaluations", "answers the same question", "answered b", request=GOOD.said["asked a"].digest
    ),
    "above the budget": Fault(
        "evaluations", "budget", "answered c",
        Change(body={"answered c": body(total=17_000)}),
    ),
    "too large a batch": planted("evaluations", "1 to 4096", "asked c", count=4097),
    "answer without question": Fault(
        "order-of-events", "not in the journal", "answered a", Change(leave_out=frozenset({"asked a"}))
    ),
    "answer before its question": Fault(
        "order-of-events", "before its question", "answered a", Change(arrange=after("asked a", "answered a"))
    ),
    # -- lots
    "snapshot that forgets what it supersedes": planted("lots", "must supersede", "lot debts 2", supersedes=None),
    "snapshot with a base": planted("lots", "no base", "lot debts 2", base=digest("lot debts 1")[:16]),
    "delta on a superseded snapshot": planted(
        "lots", "not based", "lot debts 3", base=digest("lot debts 1")[:16]
    ),
    "delta that supersedes nothing that is there": planted(
        "lots", "not current", "lot debts 4", supersedes=digest("?")[:16]
    ),
    "shrunk snapshot": planted("lots", "smaller", "lot debts 2", rows_class=128),
    "one lot id twice": planted("lots", "same lot", "lot debts 4", lot=digest("lot debts 2")[:16]),
    "validation that does not add up": planted(
        "lots", "add up", "lot ratios", quality=lambda old: replace(old, valid=501)
    ),
    "too many rows rejected": planted(
        "lots", "more rows", "lot ratios", quality=lambda old: replace(old, valid=480, rejected=24)
    ),
    # -- order of events
    "lot after its order": Fault(
        "order-of-events", "before the lot", "order 1", Change(arrange=after("lot headcount", "order 1"))
    ),
    "evidence before its order": Fault(
        "order-of-events", "before the order", "evidence 1", Change(arrange=after("order 1", "evidence 1"))
    ),
    "release before its evidence": Fault(
        "order-of-events", "before the evidence", "release acoss 1",
        Change(arrange=after("evidence 1", "release acoss 1")),
    ),
    "run before a release": Fault(
        "order-of-events", "before a release", "run 1", Change(arrange=after("release bdf 1", "run 1"))
    ),
    "release after the run": Fault(
        "order-of-events", "after the run", "release bdf 1", Change(arrange=after("release bdf 1", "run 1"))
    ),
    "delivery before the run": Fault(
        "order-of-events", "before the run", "delivery acoss 1", Change(arrange=after("run 1", "delivery acoss 1"))
    ),
    "order that the journal lacks": Fault(
        "order-of-events", "order that this evidence names", "evidence 1", Change(leave_out=frozenset({"order 1"}))
    ),
    "challenge used twice": Fault(
        "order-of-events", "challenge of acoss", "evidence 1",
        Change(body={"evidence 1": body(challenges=lambda old: {
            **old, "acoss": digest("challenge evidence killed acoss")
        })}),
    ),
    # -- orders
    "current lot left out of the order": planted(
        "orders", "leaves out a current lot of headcount", "order 1", lots=lambda old: old[1:]
    ),
    "superseded lot in the order": planted(
        "orders", "superseded", "order 1", lots=lambda old: (*old, GOOD.said["lot debts 1"].digest)
    ),
    "lot twice in the order": planted("orders", "twice", "order 1", lots=lambda old: (*old, old[0])),
    "purpose that nobody agreed to": planted("orders", "no purpose", "order 1", purpose="curiosity"),
    "order for the future": planted("orders", "future", "order 1", period="2027-01"),
    "order outside the convention's dates": planted(
        "orders", "not in force", "order 1", created="2029-01-01T00:00:00Z", deadline="2029-01-02T00:00:00Z"
    ),
    "order past its deadline": planted("orders", "deadline", "order 1", deadline="2026-03-01T00:00:00Z"),
    "another epoch": planted("orders", "epoch 2", "order 1", epoch=2),
    # -- releases
    "lot of another opened": planted(
        "releases", "opened a lot of travail", "release acoss 1",
        lots=lambda old: (*old, GOOD.said["lot short time"].digest),
    ),
    "lot opened that the order does not name": planted(
        "releases", "does not name the lot", "release acoss 1",
        lots=lambda old: (*old, GOOD.said["lot debts 1"].digest),
    ),
    "measurement that too few approved": Fault(
        "releases", "by 1 organisations", "release acoss 1",
        Change(leave_out=frozenset({"approval travail", "approval banque-de-france"})),
    ),
    "measurement that the partner did not approve": Fault(
        "releases", "acoss had not approved", "release acoss 1", Change(leave_out=frozenset({"approval acoss"}))
    ),
    "approval after the release": Fault(
        "releases", "acoss had not approved", "release acoss 1",
        Change(arrange=after("approval acoss", "release acoss 1")),
    ),
    "approval of another measurement": Fault(
        "releases", "banque-de-france had not approved", "release bdf 1",
        Change(body={"approval banque-de-france": body(measurement=digest("other code"))}),
    ),
    "approval with a forged signature": Fault(
        "releases", "acoss had not approved", "release acoss 1",
        Change(signers={"approval acoss": resigned("travail")}),
    ),
    "evidence for another order": planted(
        "releases", "for another order", "release acoss 1", "release acoss 1", order=lambda _: digest("?")
    ),
    "released to one enclave twice": Fault(
        "releases", "already", "release killed acoss",
        Change(
            body={"release killed acoss": body(evidence=GOOD.said["evidence 1"].digest)},
            arrange=after("release killed acoss", "release bdf 1"),
        ),
    ),
    "challenge of nobody": Fault(
        "releases", "no challenge of acoss", "release acoss 1",
        Change(body={"evidence 1": body(challenges=lambda old: {
            name: value for name, value in old.items() if name != "acoss"
        })}),
    ),
    "layer missing": Fault(
        "releases", "layer core_dump is absent", "release acoss 1",
        Change(body={"evidence 1": body(layers=lambda old: {**old, "core_dump": "absent"})}),
    ),
    "platform not allowed": Fault(
        "releases", "enclave on tdx", "release acoss 1", Change(body={"evidence 1": body(platform="tdx")})
    ),
    "refusal with keys": planted("statements", "this release", "refusal travail", blob=digest("keys")),
    # -- runs
    "level too high": planted("runs", "says level A3, its evidence gives A1", "run 1", level="A3"),
    "run with a layer missing": Fault(
        "runs", "the run used an enclave of level A0", "run 1",
        Change(body={"evidence 1": body(layers=lambda old: {**old, "dumpable": "failed"})}),
    ),
    "answer denied": planted(
        "runs", "did not answer; it did", "run 1", releases=lambda old: {**old, "banque-de-france": "none"}
    ),
    "release that nobody gave": planted(
        "runs", "no such release by travail", "run 2", releases=lambda old: {**old, "travail": "0" * 64}
    ),
    "release to another enclave": planted(
        "runs", "another enclave", "run 1", releases=lambda old: {**old, "acoss": hexed("release killed acoss")}
    ),
    "partner not spoken of": planted(
        "runs", "says nothing of travail", "run 1",
        releases=lambda old: {name: value for name, value in old.items() if name != "travail"},
    ),
    "partner without lots": planted(
        "runs", "lists a release of auditeur", "run 1", releases=lambda old: {**old, "auditeur": "none"}
    ),
    "required partner missing": Fault(
        "runs", "without acoss", "run 2",
        Change(
            body={"run 2": body(releases=lambda old: {**old, "acoss": "none"})},
            leave_out=frozenset({"release acoss 2"}),
        ),
    ),
    "second run of an order": Fault(
        "runs", "already", "run 2",
        Change(body={"run 2": body(order=GOOD.said["order 1"].digest)}),
    ),
    "evidence of the run for another order": Fault(
        "runs", "for another order", "run 2", Change(body={"run 2": body(order=GOOD.said["order 1"].digest)})
    ),
    "result for no grant": planted("runs", "which is no grant", "run 1", results=result(grant="press-list")),
    "result to another recipient": planted("runs", "not to acoss", "run 1", results=result(recipient="travail")),
    "two results for one grant": planted("runs", "two results", "run 1", results=lambda old: (*old, old[1])),
    # -- deliveries
    "delivery of another result": planted("deliveries", "not the result", "delivery acoss 1", result=digest("?")),
    "delivery of a grant without result": planted(
        "deliveries", "no result for travail-list", "delivery acoss 1", grant="travail-list"
    ),
    "delivery to another": planted(
        "deliveries", "a result of banque-de-france", "delivery acoss 1", grant="banque-de-france-list"
    ),
    # -- joint keys and models
    "joint key of another threshold": planted("statements", "not allowed", "joint 1", threshold=3),
    "joint key signed by another enclave": Fault(
        "statements", "signed as it must be", "joint 1", Change(signers={"joint 1": (enclave_signer("evidence 2"),)})
    ),
    "joint key of other custodians": planted(
        "statements", "not allowed", "joint 1", shares=lambda old: tuple(replace(one, index=9) for one in old)
    ),
    "joint key drawn twice": planted("joint-keys", "was drawn in entry", "joint 2", previous=None),
    "joint key that follows nothing": planted("joint-keys", "must follow the one of", "joint 2", previous=digest("?")),
    "joint key that no run names": planted("joint-keys", "no run of the enclave", "joint 1", "run 1", joint=None, sealed=None),
    "joint key after its run": Fault(
        "joint-keys", "names it after it", "joint 1", Change(arrange=after("joint 1", "run 1"))
    ),
    "joint key that the journal lacks": planted("order-of-events", "not in the journal", "run 1", joint=digest("?")),
    "model that no run trained": planted(
        "joint-keys", "no run before this one trained", "run 2", "run 1", sealed=None
    ),
    "scored with another model": planted("joint-keys", "another model than its order", "run 2", model=digest("?")),
    "sealed a model that was given": planted(
        "joint-keys", "its order named one", "run 2", sealed=SealedModel(digest("?"), 1, 4096)
    ),
    "too few shares": planted(
        "joint-keys", "shares of 1 organisations, of which 2", "run 2", shares={"acoss": "sound", "travail": "wrong"}
    ),
    "share of nobody": planted(
        "joint-keys", "who has none", "run 2", shares=lambda old: {**old, "auditeur": "sound"}
    ),
    "share that was not given": planted(
        "joint-keys", "whose release gave none", "run 2", "release travail 2", share=None
    ),
    "shares used in training": planted(
        "joint-keys", "a run that trained used shares", "run 1", shares={"acoss": "sound"}
    ),
    "share given for training": planted(
        "releases", "an order that names no model", "release acoss 1", share=digest("?")
    ),
    "delivery at another level": planted("deliveries", "says level A4", "delivery acoss 1", level="A4"),
}  # fmt: skip


def test_a_good_journal_passes_every_check() -> None:
    report = verify(EXPORT, OWN)
    assert faults(report) == {}
    assert report.ok
    assert (report.origin, report.size) == (ORIGIN, len(GOOD.entries))
    assert report.root == MemoryTree(GOOD.entries).frontier.root()
    assert all(check.count for check in report.checks), "each check looked at something"


def test_the_report_tells_who_sent_what_what_was_computed_and_who_received_it() -> None:
    report = verify(EXPORT, OWN)
    told = {(event.index, event.kind): event.sentence for event in report.events}
    assert "travail sent short_time_work for 2026-01" in told[GOOD.index("lot short time"), "lot"]
    assert "from the lots of acoss, banque-de-france, without travail" in told[GOOD.index("run 1"), "run"]
    assert (
        "banque-de-france opened the result of banque-de-france-list" in told[GOOD.index("delivery bdf 1"), "delivery"]
    )
    assert "hub refused travail" in told[GOOD.index("refusal"), "refusal"]
    assert any("hub administrator could read data" in note for note in report.check("runs").notes)
    assert any("memory_lock" in note for note in report.check("runs").notes)
    assert "witnessed by 3 of 3 organisations" in report.check("witnesses").notes[0]
    assert report.as_json()["checks"][0]["name"] == next(iter(CHECKS))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_named(name: str) -> None:
    fault = FAULTS[name]
    story = Story(fault.change)
    report = verify(story.export(), OWN)
    found = [one.index for one in report.check(fault.check).failures if fault.words in one.sentence]
    assert found, f"{fault.check}: {faults(report)}"
    if fault.at is not None:
        assert story.index(fault.at) in found
    for check in ("checkpoint", "root", "receipts", "witnesses"):
        assert not report.check(check).failures, "the log itself is honest in these"


def export(**changes: object) -> Export:
    return replace(EXPORT, **changes)  # type: ignore[arg-type]


def some_receipt() -> tuple[bytes, bytes]:
    return next(iter(sorted(EXPORT.receipts.items())))


def reissued(data: bytes, **changes: object) -> bytes:
    return replace(Receipt.parse(data), **changes).encode()  # type: ignore[arg-type]


def forged_checkpoint(entries: tuple[bytes, ...], signer: note.Signer) -> bytes:
    tree = MemoryTree(entries)
    text = Checkpoint(ORIGIN, tree.frontier.size, tree.frontier.root()).text()
    return note.assemble(text, [signer.sign(text)])


def with_line(checkpoint: bytes, line: note.NoteSignature) -> bytes:
    opened = note.parse(checkpoint)
    return note.assemble(opened.text, (*opened.signatures, line))


DIGEST, RECEIPT = some_receipt()
STRANGER = note.Cosigner("press/witness", digest("press"))
TEXT = note.parse(EXPORT.checkpoint).text

BROKEN = {
    "entry left out": ("root", "the export holds", export(entries=EXPORT.entries[:-1])),
    "entry put in": ("root", "the export holds", export(entries=(*EXPORT.entries, EXPORT.entries[1]))),
    "two entries swapped": (
        "root", "give the root", export(entries=(*EXPORT.entries[:-2], EXPORT.entries[-1], EXPORT.entries[-2]))
    ),
    "no checkpoint": ("checkpoint", "no checkpoint", export(checkpoint=b"")),
    "checkpoint of nobody": (
        "checkpoint", "not the journal's",
        export(checkpoint=forged_checkpoint(EXPORT.entries, note.Signer(ORIGIN, digest("forger")))),
    ),
    "history rewritten and signed by the log": (
        "receipts", "another history",
        export(
            entries=(*EXPORT.entries[:1], *EXPORT.entries[2:4], EXPORT.entries[1], *EXPORT.entries[4:]),
            checkpoint=forged_checkpoint(
                (*EXPORT.entries[:1], *EXPORT.entries[2:4], EXPORT.entries[1], *EXPORT.entries[4:]), GOOD.log()
            ),
        ),
    ),
    "journal cut short by the log": (
        "receipts", "the export holds 19",
        export(
            entries=EXPORT.entries[:19],
            checkpoint=GOOD.checkpoint(19, WITNESSES),
            receipts={
                **{digest: data for digest, data in EXPORT.receipts.items() if Receipt.parse(data).index < 19},
                GOOD.said["lot debts 2"].digest: GOOD.receipt("lot debts 2", 30),
            },
        ),
    ),
    "receipt missing": (
        "receipts", "is missing", export(receipts={key: data for key, data in EXPORT.receipts.items() if key != DIGEST})
    ),
    "receipt of a perimeter missing": (
        "receipts", "receipt of this perimeter is missing",
        export(receipts={
            key: data for key, data in EXPORT.receipts.items() if key != GOOD.said["perimeter 1"].digest
        }),
    ),
    "receipt of nothing": ("receipts", "not in the journal", export(receipts={**EXPORT.receipts, b"\1" * 32: RECEIPT})),
    "receipt of another entry": (
        "receipts", "proves nothing", export(receipts={**EXPORT.receipts, DIGEST: GOOD.receipt("refusal")})
    ),
    "receipt with an extra line": (
        "receipts", "extra line", export(receipts={**EXPORT.receipts, DIGEST: reissued(RECEIPT, extra=b"x")})
    ),
    "receipt cosigned by nobody known": (
        "receipts", "no convention names",
        export(receipts={**EXPORT.receipts, DIGEST: reissued(
            RECEIPT, checkpoint=with_line(
                Receipt.parse(RECEIPT).checkpoint, STRANGER.cosign(note.parse(Receipt.parse(RECEIPT).checkpoint).text, 1)
            )
        )}),
    ),
    "cosignature of nobody known": (
        "witnesses", "no convention names", export(checkpoint=with_line(EXPORT.checkpoint, STRANGER.cosign(TEXT, 1)))
    ),
    "cosignature twice": (
        "witnesses", "two lines",
        export(checkpoint=with_line(EXPORT.checkpoint, demo_keyrings()["acoss"].cosigner().cosign(TEXT, 1))),
    ),
    "cosignature that fails": (
        "witnesses", "does not verify",
        export(checkpoint=with_line(
            GOOD.checkpoint(None, ["travail"]), demo_keyrings()["acoss"].cosigner().cosign(TEXT + b"x\n", 1)
        )),
    ),
    "conventions of another journal": ("conventions", "does not hold", export(conventions=EXPORT.conventions[:1])),
    "file too many": ("folder", "does not belong", export(strangers=("entries/000/000099.note",))),
    "nothing at all": ("conventions", "no convention", Export(b"", (), (), {})),
    "bytes without sense": ("statements", "not a statement", Export(b"\0", (b"", b"\xff" * 9), (b"",), {b"": b""})),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_export_is_found_and_named(name: str) -> None:
    check, words, broken = BROKEN[name]
    report = verify(broken, OWN)
    assert any(words in one.sentence for one in report.check(check).failures), faults(report)


def test_faults_are_shown_together() -> None:
    """An audit does not stop at the first fault."""
    change = Change(
        body={"run 1": body(level="A4"), "delivery bdf 1": body(result=digest("?"))},
        leave_out=frozenset({"approval acoss"}),
    )
    report = verify(replace(Story(change).export(), checkpoint=b"?"), OWN)
    assert set(faults(report)) >= {"checkpoint", "releases", "runs", "deliveries"}


def test_a_copy_of_the_convention_that_is_not_the_journals_is_found() -> None:
    other = statements.parse(OWN, kind="convention").payload.replace(b"2028-12-31", b"2027-12-31")
    signed = statements.sign_text(statements.convention_text(other), resigned("acoss"))
    report = verify(EXPORT, signed.raw)
    assert faults(report) == {"conventions": ["your own copy of the convention is not one of this journal's"]}
    assert verify(EXPORT, GOOD.said["convention 2"].raw).ok
    with pytest.raises(MalformedStatement):
        verify(EXPORT, b"not a convention")


def test_without_a_copy_of_the_convention_the_report_says_what_it_rests_on() -> None:
    assert "came with the export" in verify(EXPORT).check("conventions").notes[0]


def test_a_gap_in_the_totals_is_explained_by_a_question_that_is_still_open() -> None:
    """The answer to batch a is on its way: the total of b already counts it."""
    report = verify(Story(Change(leave_out=frozenset({"answered a"}))).export(), OWN)
    assert faults(report) == {}


def test_answers_may_enter_the_journal_in_another_order_than_they_were_charged() -> None:
    def arrange(names: list[str]) -> list[str]:
        return after("answered a", "answered b")(names)

    assert verify(Story(Change(arrange=arrange)).export(), OWN).ok


def test_a_refusal_after_evidence_counts_as_an_answer() -> None:
    def refuse(old: object) -> object:
        return dataclasses.replace(  # type: ignore[type-var]
            old,
            decision="refused",
            lots=(),
            blob=None,
            share=None,
            reason=Reason("policy", "a person's word", "none yet"),
        )

    def threshold_of_one(old: object) -> object:
        return dataclasses.replace(old, shares={"acoss": "sound"})  # type: ignore[type-var]

    change = Change(body={"release travail 2": refuse, "run 2": threshold_of_one})
    report = verify(Story(change).export(), OWN)
    assert list(faults(report)) == ["joint-keys"], "a refusal gives no share either"
    assert any("without banque-de-france, travail" in event.sentence for event in report.events)


FILES = layout(EXPORT)
NAMES = sorted(FILES)


def test_layout_and_gather_are_inverse() -> None:
    assert gather(FILES) == EXPORT


@settings(max_examples=60)
@given(data=st.data())
def test_every_changed_byte_is_detected(data: st.DataObject) -> None:
    """No byte of an export is without meaning: another one in its place is a fault, and never an accident."""
    name = data.draw(st.sampled_from(NAMES))
    place = data.draw(st.integers(0, len(FILES[name]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(FILES[name])
    changed[place] ^= flip
    assert not verify(gather({**FILES, name: bytes(changed)}), OWN).ok


@settings(max_examples=20)
@given(data=st.data())
def test_every_removed_cut_or_added_file_is_detected(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    content = FILES[name]
    kept = {path: one for path, one in FILES.items() if path != name}
    what = data.draw(st.sampled_from(["remove", "cut", "grow", "rename"]))
    if what == "cut":
        kept[name] = content[: data.draw(st.integers(0, len(content) - 1))]
    elif what == "grow":
        kept[name] = content + data.draw(st.binary(min_size=1, max_size=40))
    elif what == "rename":
        kept[name + "~"] = content
    assert not verify(gather(kept), OWN).ok


@settings(max_examples=20)
@given(
    checkpoint=st.binary(max_size=200),
    entries=st.lists(st.binary(max_size=200) | st.sampled_from(GOOD.entries), max_size=12),
    receipts=st.dictionaries(st.sampled_from(sorted(EXPORT.receipts)), st.binary(max_size=200), max_size=3),
)
def test_no_folder_makes_the_audit_fail_by_itself(
    checkpoint: bytes, entries: list[bytes], receipts: dict[bytes, bytes]
) -> None:
    report = verify(Export(checkpoint, tuple(entries), (), receipts))
    assert not report.ok
