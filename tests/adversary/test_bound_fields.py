"""Every field that a release is bound to, changed in every way that a hostile hub could: 0 releases.

One release question that is right in every point is spoilt in one field at a time. The hub has its own keys – ``host``,
``operator``, ``log`` – and those of an enclave of its making; it has no partner's and no witness's. So each value is put
in without a new signature, signed again by the hub, and signed again and entered into the journal, which witnesses cosign
in good faith. The fields are those of the dataclasses: a new one without a mutation fails the test.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import pytest

from support.enclave_story import EnclaveFailed, Host, Story
from support.panel import table
from support.release_case import (
    MEASUREMENT,
    NOW,
    Case,
    Journal,
    chain,
    digest,
    keyring,
    make_approval,
    make_lot,
    sign,
    stricter,
)
from support.world import ORIGIN, World
from vigie import bodies, custody, note, statement
from vigie.attend import ReleaseQuestion
from vigie.clock import stamp
from vigie.errors import Refused
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.proof import Receipt
from vigie.note import Signer
from vigie.sealing import SealingPrivateKey, generate
from vigie.v1 import enclave_pb2 as pb
from vigie_node.known import Challenge
from vigie_node.release import Known, ReleasePlan, decide

OTHER: Final = b"\xa5" * 32
KEY: Final = SealingPrivateKey.from_seed(generate()).public
ENCLAVE: Final = Signer("enclave/signing", b"h" * 32)
"""Of an enclave of the hub's own making."""


def flips(value: bytes) -> list[bytes]:
    """One bit changed at the start, in the middle and at the end; and another value altogether."""
    found = [bytes(len(value)), hashlib.shake_256(value).digest(len(value))]
    for at in (0, len(value) // 2, len(value) - 1):
        changed = bytearray(value)
        changed[at] ^= 1
        found.append(bytes(changed))
    return found


def true_question() -> tuple[Case, ReleaseQuestion, Known]:
    case = Case()
    return case, case.question(), case.known()


def released(question: ReleaseQuestion, known: Known, member: str = "acoss") -> ReleasePlan:
    return decide(question, chain=chain(), member=member, known=known, now=NOW)


def refused(question: ReleaseQuestion, known: Known, *claims: str, member: str = "acoss") -> None:
    with pytest.raises(Refused) as caught:
        released(question, known, member)
    error = caught.value
    assert error.claim in claims, (error.claim, error.expected, error.found)
    assert error.expected and error.found and error.expected != error.found


def test_the_question_that_is_spoilt_below_is_a_right_one() -> None:
    _, question, known = true_question()
    plan = released(question, known)
    assert plan.evidence_digest == digest(question.evidence)


# -- evidence -----------------------------------------------------------------------------------------------------

TRUE: Final = bodies.read(statement.parse(Case().evidence()), bodies.Evidence)
LAYERS: Final = chain().current.enclave.layers


@dataclass(frozen=True)
class Values:
    """Other values of a field.

    Attributes:
        values: them.
        journaled: the claim that refuses each even when the hub signs it again and enters it into the journal; none for
            what is the hub's own word at level A1, whatever it says.
    """

    values: tuple[Any, ...]
    journaled: str = ""


def layers() -> Iterator[dict[str, str]]:
    for layer in LAYERS:
        yield {name: state for name, state in TRUE.layers.items() if name != layer}
        for state in ("absent", "failed", "Enforced", "enforcedx: yes"):
            yield TRUE.layers | {layer: state}
    yield {}


EVIDENCE: Final[Mapping[str, Values]] = {
    "convention": Values(tuple(flips(TRUE.convention)), "journal"),
    "order": Values((*flips(TRUE.order), TRUE.convention), "journal"),
    "enclave_key": Values((KEY,)),
    "enclave_signing_key": Values((ENCLAVE.verifier.public,)),
    "challenges": Values(
        (
            {}, {"travail": b"c" * 32}, *({"acoss": value} for value in flips(b"c" * 32)),
            {"acoss": OTHER, "travail": b"c" * 32},
        ),
        "challenge",
    ),
    "measurement": Values((*flips(MEASUREMENT), TRUE.policy), "approval"),
    "policy": Values(tuple(flips(TRUE.policy))),
    "platform": Values(("tpm", "sev-snp", "tdx", "sgx", "nitro"), "journal"),
    "layers": Values(tuple(layers()), "enclave"),
    "host": Values(({}, {"kernel": "7.0"}, {"kernel": "6.1", "python": "3.11"})),
    "quote": Values((OTHER, MEASUREMENT), "journal"),
    "created": Values((stamp(NOW - timedelta(days=1)), stamp(NOW + timedelta(days=1)))),
}  # fmt: skip


def variants(rows: Mapping[str, Values]) -> list[Any]:
    return [
        pytest.param(field, value, one.journaled, id=f"{field}-{place}")
        for field, one in rows.items()
        for place, value in enumerate(one.values)
    ]


def unsigned(raw: bytes, body: bodies.Body) -> bytes:
    """A changed text under the signatures of the true one."""
    lines = raw[raw.index(b"\n\n") :]
    return bodies.text_for(body) + lines[1:]


def resigned_evidence(body: bodies.Evidence, case: Case) -> bytes:
    signer = ENCLAVE if body.enclave_signing_key == ENCLAVE.verifier.public else case.enclave
    return sign(body, keyring("hub").signer("host"), signer)


@pytest.mark.parametrize(("field", "value", "claim"), variants(EVIDENCE))
def test_evidence(field: str, value: Any, claim: str) -> None:
    case, question, known = true_question()
    changed: dict[str, Any] = {field: value}
    body = replace(TRUE, **changed)
    assert body != TRUE
    refused(replace(question, evidence=unsigned(question.evidence, body)), known, "journal")
    evidence = resigned_evidence(body, case)
    refused(replace(question, evidence=evidence), known, "journal")  # the receipt is of the true one
    again = Case(evidence_changed=changed, evidence_signers=(keyring("hub").signer("host"), case.enclave))
    if field == "enclave_signing_key":
        again.evidence_signers = (keyring("hub").signer("host"), ENCLAVE)
    if claim:
        refused(again.question(), replace(again.known(), challenge=known.challenge), claim)
        return
    # The hub's own word: it makes other evidence in public, and what is released is bound to that and to no other.
    plan = released(again.question(), again.known())
    assert plan.evidence_digest == digest(again.evidence()) != digest(question.evidence)
    assert plan.enclave_key == body.enclave_key


def test_what_the_hub_alone_says_is_what_the_threats_page_says() -> None:
    """At level A1, of what evidence says; docs/threats.md names it."""
    free = {field for field, one in EVIDENCE.items() if not one.journaled}
    assert free == {"enclave_key", "enclave_signing_key", "policy", "host", "created"}


@pytest.mark.parametrize("signers", [("host",), ("enclave",), ("operator", "enclave"), ("log", "enclave"), ()])
def test_evidence_with_other_signatures(signers: tuple[str, ...]) -> None:
    case, question, known = true_question()
    keys = {name: keyring("hub").signer(name) for name in ("host", "operator")}
    keys |= {"enclave": case.enclave, "log": keyring("hub").log_signer(ORIGIN)}
    text = statement.parse(question.evidence).text
    raw = statement.sign_text(text, [keys[name] for name in signers]).raw if signers else text + b"\n"
    refused(replace(question, evidence=raw), known, "journal")


# -- order --------------------------------------------------------------------------------------------------------

ORDER: Final = bodies.read(statement.parse(Case().order()), bodies.Order)

ORDERS: Final[Mapping[str, Values]] = {
    "convention": Values(tuple(flips(ORDER.convention)), "order"),
    "epoch": Values((0, 2, 1 << 31), "order"),
    "period": Values(("2025-12", "2025-01"), "challenge"),
    "purpose": Values(("fishing", "early-warning2", "early_warning"), "order"),
    "lots": Values(
        (
            (), ORDER.lots[1:], (OTHER,), (OTHER, *ORDER.lots[1:]), *((one, *ORDER.lots[1:]) for one in flips(ORDER.lots[0])),
            (*ORDER.lots, ORDER.lots[0]),
        ),
        "lots",
    ),
    "states": Values(((OTHER,), (OTHER, MEASUREMENT)), "challenge"),
    "model": Values((), "order"),
    "deadline": Values((stamp(NOW + timedelta(minutes=30)), stamp(NOW + timedelta(days=9))), "challenge"),
    "created": Values((stamp(NOW - timedelta(minutes=1)), stamp(NOW + timedelta(minutes=1))), "challenge"),
}  # fmt: skip
"""``model`` has one value in this version: no other can be written."""


@pytest.mark.parametrize(("field", "value", "claim"), variants(ORDERS))
def test_order(field: str, value: Any, claim: str) -> None:
    """An order is announced, and every challenge drawn for it: another order would need another challenge."""
    _, question, known = true_question()
    changed: dict[str, Any] = {field: value}
    body = replace(ORDER, **changed)
    assert body != ORDER
    refused(replace(question, order=unsigned(question.order, body)), known, "order")
    order = sign(body, keyring("hub").signer("operator"))
    refused(replace(question, order=order), known, "order", "lots", "journal")
    # Signed again, with evidence for it, both in the journal.
    again = Case(order_changed=changed)
    refused(again.question(), replace(again.known(), challenge=known.challenge), claim, "order")


def test_lots_swapped_in_their_order() -> None:
    _, question, known = true_question()
    body = replace(ORDER, lots=ORDER.lots[::-1])
    refused(replace(question, order=sign(body, keyring("hub").signer("operator"))), known, "journal")


@pytest.mark.parametrize("use", ["host", "signing"])
def test_an_order_that_no_operator_signed(use: str) -> None:
    _, question, known = true_question()
    order = sign(ORDER, keyring("hub").signer("host") if use == "host" else keyring("acoss").signer())
    refused(replace(question, order=order), known, "order")


def test_an_older_order_and_its_evidence() -> None:
    """A whole question of last month, each part in the journal."""
    old = Case(order_changed={"created": stamp(NOW - timedelta(days=30)), "deadline": stamp(NOW - timedelta(days=29))})
    refused(old.question(), old.known(), "order")


# -- the lots that an order names ------------------------------------------------------------------------------------

LOT: Final = bodies.read(statement.parse(make_lot(1)), bodies.Lot)

LOTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "convention": tuple(flips(LOT.convention)),
    "epoch": (0, 2),
    "lot": tuple(flips(LOT.lot)),
    "lot_key": (KEY, *flips(LOT.lot_key)),
    "partner": ("travail", "banque-de-france", "hub"),
    "dataset": ("headcount", "ratios"),
    "schema": (0, 2),
    "period": ("2025-12", "2026-02"),
    "as_of": ("2026-01-31",),
    "delivery": ("delta",),
    "base": (b"b" * 16,),
    "supersedes": (b"s" * 16,),
    "shrink_confirmed": (True,),
    "rows_class": (3, 5),
    "companies_class": (3, 5),
    "bytes": (0, 2),
    "segments": (0, 2),
    "segment_root": tuple(flips(LOT.segment_root)),
    "quality": (bodies.Quality(2, 2, 0, 0, 0), bodies.Quality(1, 0, 1, 0, 0)),
    "created": (stamp(NOW + timedelta(seconds=1)),),
}


@pytest.mark.parametrize("field", LOTS)
def test_lot(field: str) -> None:
    """The order names a lot that differs in one field: whoever signed it, it is none of this partner's."""
    for value in LOTS[field]:
        changed: dict[str, Any] = {field: value}
        body = replace(LOT, **changed)
        assert body != LOT
        other = unsigned(make_lot(1), body)
        case = Case()
        case.named = [other, *case.others]
        refused(case.question(), case.known(), "lots")


# -- the journal --------------------------------------------------------------------------------------------------


def receipt_with(raw: bytes, **changed: Any) -> bytes:
    return replace(Receipt.parse(raw), **changed).encode()


RECEIPTS: Final[Mapping[str, Callable[[Receipt], list[Any]]]] = {
    "index": lambda receipt: [receipt.index - 1, receipt.index + 1, receipt.index + 2, 1 << 40],
    "proof": lambda receipt: [
        (), receipt.proof[:-1], (*receipt.proof, OTHER), receipt.proof[::-1],
        *((one, *receipt.proof[1:]) for one in flips(receipt.proof[0])),
    ],
    "checkpoint": lambda receipt: [checkpoint(**changed) for changed in CHECKPOINTS],
    "extra": lambda receipt: [],
}  # fmt: skip
"""``extra`` is said by its format to be unauthenticated, and is read by nobody."""

CHECKPOINTS: Final[tuple[dict[str, Any], ...]] = (
    {"origin": "elsewhere.example/journal"}, {"size": 3}, {"size": 5}, {"size": 1 << 40}, {"root": OTHER}, {"root": bytes(32)},
    {"extensions": ("more",)}, {"witnesses": ()}, {"witnesses": ("acoss",)}, {"witnesses": ("banque-de-france",)},
    {"witnesses": ("acoss", "banque-de-france")}, {"log": Signer(ORIGIN, b"x" * 32)}, {"older": True},
)  # fmt: skip


def checkpoint(
    witnesses: tuple[str, ...] | None = None, log: Signer | None = None, older: bool = False, **changed: Any
) -> bytes:
    """The true checkpoint with a change, signed by the log again; witnesses cosign what they saw, which is the true one."""
    case = Case()
    case.question()
    true = Checkpoint(ORIGIN, 4, case.journal.roots[4])
    if older:
        return case.journal.checkpoint(3, case.witnesses)
    text = replace(true, **changed).text()
    names = case.witnesses if witnesses is None else witnesses
    cosigned = [keyring(name).cosigner().cosign(true.text(), int(NOW.timestamp())) for name in names]
    return note.assemble(text, [(log or case.journal.signer).sign(text), *cosigned])


@pytest.mark.parametrize("which", ["order_receipt", "evidence_receipt", "both"])
@pytest.mark.parametrize("field", [field for field in RECEIPTS if field != "extra"])
def test_receipt(field: str, which: str) -> None:
    _, question, known = true_question()
    names = ["order_receipt", "evidence_receipt"] if which == "both" else [which]
    true = {name: Receipt.parse(getattr(question, name)) for name in names}
    options = {name: RECEIPTS[field](receipt) for name, receipt in true.items()}
    for place in range(min(map(len, options.values()))):
        value: dict[str, Any] = {
            name: receipt_with(getattr(question, name), **{field: options[name][place]}) for name in names
        }
        if field == "checkpoint" and which != "both" and "witnesses" in CHECKPOINTS[place]:
            continue  # the other receipt carries the cosignatures of the same text
        refused(replace(question, **value), known, "journal")


def test_a_receipt_of_something_else() -> None:
    _, question, known = true_question()
    refused(replace(question, order_receipt=question.evidence_receipt), known, "journal")
    refused(replace(question, evidence_receipt=question.order_receipt), known, "journal")
    refused(replace(question, order_receipt=b""), known, "journal")


def test_a_second_history_that_witnesses_never_saw() -> None:
    """The hub keeps a journal for this partner alone: same size, and its node witnessed another."""
    case = Case(journal=Journal())
    case.journal.append(b"another first entry")
    honest = Case()
    honest.question()
    question = case.question()
    for size in (4, 5):
        refused(question, replace(case.known(), witnessed_root={size: honest.journal.roots[4]}.get), "journal")


# -- approvals, challenge, member ----------------------------------------------------------------------------------

APPROVALS: Final[Mapping[str, tuple[Any, ...]]] = {
    "convention": tuple(flips(chain().digest)),
    "measurement": tuple(flips(MEASUREMENT)),
    "member": ("hub", "auditeur", "banque-de-france", "acoss"),
    "created": (stamp(NOW + timedelta(seconds=1)), stamp(NOW - timedelta(days=4000))),
}


@pytest.mark.parametrize("field", APPROVALS)
def test_approval(field: str) -> None:
    _, question, known = true_question()
    raw = question.approvals[0]
    true = bodies.read(statement.parse(raw), bodies.Approval)
    for value in APPROVALS[field]:
        changed: dict[str, Any] = {field: value}
        body = replace(true, **changed)
        for forged in (
            unsigned(raw, body),
            sign(body, keyring("hub").signer("host")),
            sign(body, keyring("hub").signer("operator")),
        ):
            refused(replace(question, approvals=(forged,)), known, "approval")


def test_approvals_dropped_doubled_and_of_another() -> None:
    _, question, known = true_question()
    for approvals in (
        (),
        known.approvals,
        (*known.approvals, *known.approvals),
        (make_approval("travail", OTHER),),
        (b"",),
    ):
        refused(replace(question, approvals=approvals), known, "approval")
    others = tuple(make_approval(name) for name in ("travail", "banque-de-france", "auditeur"))
    refused(replace(question, approvals=others), replace(known, approvals=()), "approval")


CHALLENGES: Final[Mapping[str, tuple[Any, ...]]] = {
    "challenge": tuple(flips(b"c" * 32)),
    "order": tuple(flips(digest(Case().order()))),
    "drawn": (NOW - timedelta(seconds=301), NOW - timedelta(days=1), NOW + timedelta(seconds=1)),
    "used": (True,),
}


@pytest.mark.parametrize("field", CHALLENGES)
def test_challenge(field: str) -> None:
    _, question, known = true_question()
    true = known.challenge(b"c" * 32)
    assert true is not None
    for value in CHALLENGES[field]:
        changed: dict[str, Any] = {field: value}
        drawn = replace(true, **changed)
        refused(question, replace(known, challenge={drawn.challenge: drawn}.get), "challenge")


def test_the_question_of_another_member() -> None:
    _, question, known = true_question()
    for member in ("travail", "banque-de-france"):
        refused(question, replace(known, own_lots=()), "lots", member=member)
        refused(question, known, "journal", "challenge", member=member)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("grant.acoss-list.rows", "alerted"), ("grant.acoss-list.recipient", "travail"), ("purpose.early-warning.required", ["travail"]),
        ("purpose.early-warning.horizon", 12), ("enclave.approvals", 1), ("enclave.layers", []), ("witness.release_quorum", 2),
        ("disclosure.minimum_cell", 4), ("convention.to", "2099-01-01"), ("custody.threshold", 1), ("pseudonyms.buckets", 32),
    ],
)  # fmt: skip
def test_a_convention_that_says_something_else(path: str, value: Any) -> None:
    """Purpose, outputs, grants, recipients and thresholds are in the convention, which order and evidence name."""
    other = stricter(path, value)
    assert other.digest != chain().digest
    changed = {"convention": other.digest}
    case = Case(order_changed=changed, evidence_changed=changed)
    refused(case.question(), case.known(), "order")


# -- the whole ----------------------------------------------------------------------------------------------------


def test_each_field_has_its_mutations() -> None:
    for cls, rows in (
        (bodies.Evidence, EVIDENCE), (bodies.Order, ORDERS), (bodies.Lot, LOTS), (bodies.Approval, APPROVALS),
        (Receipt, RECEIPTS), (Challenge, CHALLENGES), (bodies.Release, RELEASES),
    ):  # fmt: skip
        assert {field.name for field in dataclasses.fields(cls)} == set(rows), cls
    assert {field.name for field in dataclasses.fields(Checkpoint)} <= {name for one in CHECKPOINTS for name in one}
    parts = {field.name for field in dataclasses.fields(ReleaseQuestion)}
    assert parts == {"order", "evidence", "order_receipt", "evidence_receipt", "approvals", "joint", "quote"}


@pytest.mark.parametrize("platform", ["tpm", "sev-snp", "tdx", "sgx", "nitro"])
def test_hardware_that_the_convention_does_not_accept(platform: str) -> None:
    """The whole claim of a platform, quote and all, signed again by the hub and journaled."""
    case, question, known = true_question()
    again = Case(
        evidence_changed={"platform": platform, "quote": OTHER},
        evidence_signers=(keyring("hub").signer("host"), case.enclave),
    )
    for quote in (b"", b"a bundle"):
        asked = replace(again.question(), quote=quote)
        refused(asked, replace(again.known(), challenge=known.challenge), "enclave")
    # Beside evidence of software a bundle is nothing, and changes nothing of what is released.
    plan = released(replace(question, quote=b"a bundle"), known)
    assert (plan.evidence_digest, plan.hardware) == (digest(question.evidence), None)


def test_a_share_is_not_asked_for_where_nothing_is_opened_with_it() -> None:
    """The order trains: whatever statement the hub names, the lots are released and no share is looked for."""
    _, question, known = true_question()
    plan = released(replace(question, joint=OTHER), known)
    assert plan.lots == released(question, known).lots


@pytest.mark.parametrize("part", ["order", "evidence", "order_receipt", "evidence_receipt"])
def test_each_part_with_a_bit_of_each_region_flipped(part: str) -> None:
    """64 places over the whole length; a bit that does not matter leaves the very same order and evidence."""
    _, question, known = true_question()
    data = getattr(question, part)
    claims: set[str] = set()
    for number in range(64):
        changed = bytearray(data)
        changed[number * len(data) // 64] ^= 1 << (number % 8)
        spoilt: dict[str, Any] = {part: bytes(changed)}
        try:
            plan = released(replace(question, **spoilt), known)
        except Refused as error:
            claims.add(error.claim)
        else:
            assert part.endswith("receipt"), "a bit of a cosignature's key name, that is ignored with its line"
            assert (plan.order_digest, plan.evidence_digest) == (digest(question.order), digest(question.evidence))
    assert claims == {"order" if part == "order" else "journal"}


# -- inside the enclave -------------------------------------------------------------------------------------------

A, B = "552100554", "900000002"
TABLES: Final = {
    "acoss": {
        "headcount": table("headcount", [(A, "2018-01", 5), (B, "2018-01", 7), (A, "2020-12", 5)]),
        "proceedings": table("proceedings", [(A, "2018-09-01", "liquidation", "opening")]),
    },
    "travail": {"short_time_work": table("short_time_work", [(A, "2020-12", 5.0)])},
}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    overrides = {"pseudonyms.buckets": 2, "purpose.early-warning.required": ["acoss"]}
    story = Story(World.create(tmp_path_factory.mktemp("world"), overrides=overrides), TABLES, period="2020-12")
    story.make_lots()
    return story


RELEASES: Final[Mapping[str, tuple[Any, ...]]] = {
    "convention": (OTHER,),
    "order": (OTHER, MEASUREMENT),
    "evidence": (OTHER, None),
    "partner": ("travail", "banque-de-france"),
    "decision": ("refused",),
    "lots": ((), (OTHER,), "first", "reversed and one more"),
    "blob": (OTHER, None),
    "reason": (bodies.Reason("policy", "a", "b"),),
    "created": ("1999-01-01T00:00:00Z",),
    "share": (OTHER,),
}
"""Other values of a release; each is put in without a signature, with the hub's, and, but for ``created``, the partner's."""

SEALED: Final = (
    "other enclave",
    "other evidence",
    "other order",
    "other partner's",
    "other lots",
    "older",
    "cut",
    "nothing",
)


class Watching(Host):
    """Remembers whether the enclave asked for anything."""

    asked = False

    def receive(self, *wanted: str) -> pb.Control:
        control = super().receive(*wanted)
        Watching.asked |= control.HasField("fetch")
        return control


def never_opened(story: Story, spoil: Callable[[pb.Release], None]) -> None:
    def only(release: pb.Release) -> None:
        if release.partner == "acoss":
            before = release.SerializeToString()
            spoil(release)
            assert release.SerializeToString() != before

    Watching.asked = False
    playing = replace(story, spoil_release=only, host=Watching, codes=[])
    with pytest.raises(EnclaveFailed) as caught:
        playing.in_thread()
    assert caught.value.claim in ("required", "release"), caught.value
    assert playing.codes == [1] and not Watching.asked


@pytest.mark.parametrize("field", RELEASES)
def test_release(story: Story, field: str) -> None:
    world = story.world
    for value in RELEASES[field]:

        def body_of(release: pb.Release, value: Any = value) -> bodies.Release:
            true = bodies.read(statement.parse(release.statement), bodies.Release)
            if value == "first":
                value = true.lots[:1]
            elif value == "reversed and one more":
                value = (*true.lots[::-1], OTHER)
            changed: dict[str, Any] = {field: value}
            return replace(true, **changed)

        def plain(release: pb.Release, body_of: Any = body_of) -> None:
            release.statement = unsigned(release.statement, body_of(release))

        def hubs(release: pb.Release, body_of: Any = body_of) -> None:
            release.statement = world.sign("hub/host", body_of(release)).raw

        def partners(release: pb.Release, body_of: Any = body_of) -> None:
            release.statement = world.sign("acoss", body_of(release)).raw

        # A partner may name a share where none is needed: nothing is opened with it.
        for how in (plain, hubs) if field == "share" else (plain, hubs, partners):
            never_opened(story, how)


@pytest.mark.parametrize("what", SEALED)
def test_keys_sealed_for_something_else(story: Story, what: str) -> None:
    """The partner's own release, over a blob that is not for this enclave, evidence, order, partner or lots."""
    world = story.world
    mine = {lot.body.lot: lot.seed for lot in story.lots if lot.body.partner == "acoss"}
    foreign = {lot.body.lot: lot.seed for lot in story.lots if lot.body.partner == "travail"}

    def blob(body: bodies.Release, key: bytes) -> bytes:
        evidence = body.evidence or b""
        match what:
            case "other enclave":
                return custody.seal_release(KEY, evidence, body.order, mine)
            case "other evidence":
                return custody.seal_release(key, OTHER, body.order, mine)
            case "other order":
                return custody.seal_release(key, evidence, OTHER, mine)
            case "other partner's":
                return custody.seal_release(key, evidence, body.order, foreign)
            case "other lots":
                return custody.seal_release(
                    key, evidence, body.order, dict(zip(mine, reversed(mine.values()), strict=True))
                )
            case "older":
                return custody.seal_release(KEY, OTHER, OTHER, mine)
            case "cut":
                return custody.seal_release(key, evidence, body.order, mine)[:-1]
            case _:
                return b""

    def spoil(release: pb.Release) -> None:
        body = bodies.read(statement.parse(release.statement), bodies.Release)
        key = replaced[-1]
        release.blob = blob(body, key)
        release.statement = world.sign("acoss", replace(body, blob=hashlib.sha256(release.blob).digest())).raw

    replaced: list[bytes] = []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Story, "release", wrapped_release(Story.release, replaced))
        never_opened(story, spoil)


def wrapped_release(true: Any, seen: list[bytes]) -> Any:
    """The story's own release, that first notes the key of the enclave to which it is to be sealed."""

    def release(self: Story, partner: str, order: Any, evidence: Any) -> pb.Release:
        seen.append(bodies.read(evidence, bodies.Evidence).enclave_key)
        answer: pb.Release = true(self, partner, order, evidence)
        return answer

    return release


def test_the_release_that_is_spoilt_above_is_a_right_one(story: Story) -> None:
    outcome = replace(story, codes=[]).in_thread()
    assert set(outcome.body.releases) == {"acoss", "travail"}


def test_there_are_enough_of_them() -> None:
    """Refusals that the tables above ask for; the tests without a table come on top."""
    evidence = sum(len(one.values) * (3 if one.journaled else 2) for one in EVIDENCE.values())
    orders = 3 * sum(len(one.values) for one in ORDERS.values())
    partners = 3 * sum(map(len, (*APPROVALS.values(), *RELEASES.values())))
    others = sum(map(len, (*LOTS.values(), *CHALLENGES.values()))) + len(SEALED)
    assert evidence + orders + partners + others > 440
