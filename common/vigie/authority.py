"""Who had to sign a statement, and whether it was allowed to say what it says (protocol section 1).

:func:`judge` is the one door: whoever takes a statement from outside passes it here, and gets a typed body or a reason.
It judges a statement alone, under the convention that it names. What depends on state – is the lot current, was the
budget used up, is the challenge fresh – is for the one who has that state.

The order of judging is fixed: form, convention, signatures, then content, so that a refusal about content always
concerns a statement that its signer really made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from vigie import attestation, bodies, note, sizes, statement
from vigie import evidence as evidences
from vigie import joint as joints
from vigie.bodies import (
    Approval,
    Body,
    Delivery,
    Erasure,
    Evaluation,
    Evidence,
    Joint,
    Lot,
    Order,
    Perimeter,
    Refusal,
    Release,
    Run,
)
from vigie.chain import ConventionChain
from vigie.clock import parse_time
from vigie.convention import SOFTWARE, Convention
from vigie.errors import BadSignature, MalformedNote, MalformedStatement, Missing, Refused
from vigie.note import ED25519, VerifierKey
from vigie.statement import Statement

ENCLAVE_KEY_NAME: Final = "enclave/signing"
"""Name of the key that an enclave signs with; its public half stands in the evidence."""
MOST_ELEMENTS: Final = 4096
"""Blinded elements in one batch (protocol section 4)."""


@dataclass(frozen=True)
class Judged:
    """A statement that its right signers signed and that the convention it names allows.

    Attributes:
        statement: with the exact bytes.
        body: typed, of the class that belongs to the statement's kind.
        convention: the one that it names.
        signers: names of all known keys that signed it (``acoss/signing``), the required ones among them.
    """

    statement: Statement
    body: Any
    convention: Convention
    signers: frozenset[str]


def enclave_key(evidence: Evidence) -> VerifierKey:
    """The key that the enclave of some evidence signs with.

    Raises:
        MalformedStatement: the evidence names bytes that are no sound Ed25519 key.
    """
    try:
        return VerifierKey(ENCLAVE_KEY_NAME, ED25519, evidence.enclave_signing_key)
    except MalformedNote as error:
        raise MalformedStatement("the enclave's signing key is not a sound Ed25519 key") from error


def judge(
    data: bytes,
    chain: ConventionChain,
    *,
    kind: str | None = None,
    evidence: Statement | None = None,
    quote: bytes | None = None,
    current_only: bool = False,
) -> Judged:
    """Judge a statement from outside.

    Args:
        data: the signed note as received.
        chain: the conventions accepted here.
        kind: refuse any other kind.
        evidence: for a ``run`` or ``joint``: the evidence that it names. It is judged here too.
        quote: for a ``run``: the quote bundle that came beside that evidence, when it names one.
        current_only: refuse a statement that names an older convention than the current one. Orders, evidence and
            releases that are still to be acted upon are judged so.

    Raises:
        MalformedStatement: not a statement, of another kind, or its body is not of that kind's form.
        BadSignature: a known key's line fails, or a required signer is absent.
        Refused: the convention does not allow what it says; the claim names the rule.
    """
    parsed = statement.parse(data, kind=kind)
    if parsed.kind == "convention":
        raise Refused("kind", expected="a statement made under a convention", found="a convention")
    cls = bodies.BODIES[parsed.kind]
    body = bodies.read(parsed, cls)
    convention = _convention_of(body, chain, current_only=current_only)
    enclave = _named_enclave_key(body, evidence)
    required = _required_key_names(body, convention)
    signers = _verify(parsed, convention, enclave, required)
    _check_created(body, convention)
    _CHECKS[cls](body, convention)
    if isinstance(body, Run | Joint):
        _check_against_evidence(body, convention, chain, evidence, quote, current_only=current_only)
    return Judged(parsed, body, convention, signers)


def _convention_of(body: Body, chain: ConventionChain, *, current_only: bool) -> Convention:
    convention = chain.by_digest(body.convention)
    if convention is None:
        raise Refused(
            "convention",
            expected=f"the current convention {chain.digest.hex()} or one before it",
            found=body.convention.hex(),
            hint="the sender works under another convention, or under a newer one that has not arrived here",
        )
    if current_only and not chain.is_current(body.convention):
        raise Refused(
            "convention",
            expected=f"the current convention {chain.digest.hex()}",
            found=f"version {convention.version}, which was amended",
        )
    return convention


# -- signatures ---------------------------------------------------------------------------------------------------


def _required_key_names(body: Body, convention: Convention) -> tuple[str, ...]:
    names: tuple[str, ...]
    match body:
        case Lot() | Release():
            names = (_key(convention, body.partner, "signing", "partner"),)
        case Approval() | Erasure():
            names = (_key(convention, body.member, "signing", "member"),)
        case Evaluation():
            speaker = body.requester if body.stage == "requested" else body.evaluator
            names = (_key(convention, speaker, "signing", "member"),)
        case Order():
            names = (_key(convention, convention.hub, "operator", "member"),)
        case Evidence():
            names = (_key(convention, convention.hub, "host", "member"), ENCLAVE_KEY_NAME)
        case Run() | Joint():
            names = (ENCLAVE_KEY_NAME,)
        case Delivery():
            names = (_key(convention, body.recipient, "signing", "recipient"),)
        case Refusal():
            use = "host" if body.by == convention.hub else "signing"
            names = (_key(convention, body.by, use, "member"),)
        case Perimeter():
            names = (_key(convention, body.owner, "signing", "owner"),)
    return names


def _key(convention: Convention, member: str, use: str, claim: str) -> str:
    try:
        return convention.verifier(member, use).name
    except Missing as error:
        raise Refused(claim, expected=f"a member that has a key for {use}", found=member) from error


def _named_enclave_key(body: Body, evidence: Statement | None) -> VerifierKey | None:
    if isinstance(body, Evidence):
        return enclave_key(body)
    if isinstance(body, Run | Joint):
        if evidence is None:
            raise Refused("evidence", expected=f"the evidence {body.evidence.hex()}", found="none")
        if evidence.digest != body.evidence:
            raise Refused("evidence", expected=f"the evidence {body.evidence.hex()}", found=evidence.digest.hex())
        return enclave_key(bodies.read(evidence, Evidence))
    return None


def _verify(
    parsed: Statement, convention: Convention, enclave: VerifierKey | None, required: tuple[str, ...]
) -> frozenset[str]:
    known = convention.known_keys if enclave is None else (*convention.known_keys, enclave)
    signers = frozenset(key.name for key in note.verify(parsed.note, known))
    for name in required:
        if name not in signers:
            raise BadSignature(
                f"this {parsed.kind} statement must be signed by {name}, and is not",
                hint="it comes from somebody else, or was made under a convention in which that key was another one",
            )
    return signers


# -- content ------------------------------------------------------------------------------------------------------


def _check_created(body: Body, convention: Convention) -> None:
    if not convention.in_force(parse_time(body.created)):
        raise Refused(
            "created",
            expected=f"a time from {convention.start.isoformat()} to {convention.end.isoformat()}",
            found=body.created,
        )


def _check_approval(body: Approval, convention: Convention) -> None:
    """Any member that signs may approve; that it is one was checked with its key."""


def _check_lot(body: Lot, convention: Convention) -> None:
    _partner(body.partner, convention, "partner")
    rule = convention.datasets.get(body.dataset)
    if rule is None or not convention.may_deposit(body.partner, body.dataset):
        raise Refused("dataset", expected=f"a dataset that {body.partner} may deposit", found=body.dataset)
    if body.schema != rule.definition.schema:
        raise Refused("schema", expected=str(rule.definition.schema), found=str(body.schema))
    _epoch(body.epoch, convention)
    try:
        date.fromisoformat(body.as_of)
    except ValueError as error:
        raise Refused("as_of", expected="a day that exists", found=body.as_of) from error
    if (body.delivery == "delta") != (body.base is not None):
        raise Refused(
            "delivery",
            expected="a base for a delta, and none for a snapshot",
            found=f"a {body.delivery} {'without' if body.base is None else 'with'} a base",
        )
    if body.segments < convention.buckets:
        raise Refused("segments", expected=f"at least {convention.buckets}, one per bucket", found=str(body.segments))
    quality = body.quality
    if quality.parsed != quality.valid + quality.rejected + quality.skipped:
        raise Refused("quality", expected="parsed rows = valid + rejected + skipped", found="counts that do not add up")
    if quality.rejected > rule.maximum_rejected * quality.parsed:
        raise Refused(
            "quality",
            expected=f"at most {rule.maximum_rejected:.2%} of the rows rejected",
            found=f"{quality.rejected / quality.parsed:.2%}",
        )


def _check_evaluation(body: Evaluation, convention: Convention) -> None:
    _epoch(body.epoch, convention)
    epoch = convention.epoch(body.epoch)
    if body.evaluator not in {one.member for one in epoch.custodians}:
        raise Refused("evaluator", expected=f"a custodian of epoch {body.epoch}", found=body.evaluator)
    requester = convention.members.get(body.requester)
    if requester is None or not requester.roles & {"partner", "custodian"}:
        raise Refused("requester", expected="a partner or custodian", found=body.requester)
    if body.requester == body.evaluator:
        raise Refused("evaluator", expected="another member than the requester", found=body.evaluator)
    if not 1 <= body.count <= MOST_ELEMENTS:
        raise Refused("count", expected=f"1 to {MOST_ELEMENTS} elements", found=str(body.count))
    answered = body.stage == "evaluated"
    if (body.request is not None) != answered or (body.total is not None) != answered:
        raise Refused(
            "stage", expected="a request and a total in an answer, and in nothing else", found=f"stage {body.stage}"
        )


def _check_order(body: Order, convention: Convention) -> None:
    if body.purpose not in convention.purposes:
        raise Refused("purpose", expected="a purpose of the convention", found=body.purpose)
    _epoch(body.epoch, convention)
    _distinct(body.lots, "lots", least=1)
    _distinct(body.states, "states")
    if parse_time(body.deadline) <= parse_time(body.created):
        raise Refused("deadline", expected=f"a time after {body.created}", found=body.deadline)


def _check_evidence(body: Evidence, convention: Convention) -> None:
    for member in body.challenges:
        _answering(member, convention, "challenges")
    if (body.quote is None) != (body.platform == SOFTWARE):
        raise Refused(
            "quote",
            expected="a quote on every platform but software, and none on it",
            found=f"{'no' if body.quote is None else 'a'} quote on {body.platform}",
        )


def _check_release(body: Release, convention: Convention) -> None:
    if body.lots:
        _partner(body.partner, convention, "partner")
    else:
        _answering(body.partner, convention, "partner")
    _distinct(body.lots, "lots")
    released = body.decision == "released"
    keys = (body.blob is not None) == bool(body.lots) and (bool(body.lots) or body.share is not None)
    whole = (body.evidence is not None, keys, body.reason is None)
    if released and not all(whole):
        raise Refused(
            "decision",
            expected="evidence, lots with their sealed keys or a share, and no reason in a release",
            found="a part that does not fit",
        )
    if not released and (body.reason is None or body.blob is not None or body.lots or body.share is not None):
        raise Refused(
            "decision",
            expected="a reason and neither lots, keys nor a share in a refusal",
            found="a part that does not fit",
        )


def _check_run(body: Run, convention: Convention) -> None:
    for member in body.releases:
        _answering(member, convention, "releases")
    if body.sealed is not None and (body.joint is None or body.sealed.parts < 1):
        raise Refused("sealed", expected="at least one part, under a joint key", found="none")
    _distinct(tuple(result.grant for result in body.results), "results")
    for result in body.results:
        _granted(result.grant, result.recipient, convention)


def _check_against_evidence(
    made: Run | Joint,
    convention: Convention,
    chain: ConventionChain,
    evidence: Statement | None,
    quote: bytes | None,
    *,
    current_only: bool,
) -> None:
    if evidence is None:  # excluded with the enclave's key; kept for the type
        raise Refused("evidence", expected="the evidence that it names", found="none")
    claim = judge(evidence.raw, chain, kind="evidence", current_only=current_only)
    said: Evidence = claim.body
    if said.order != made.order:
        raise Refused("order", expected=f"the evidence's order {said.order.hex()}", found=made.order.hex())
    if said.convention != made.convention:
        raise Refused("convention", expected="the evidence's convention", found=made.convention.hex())
    if isinstance(made, Joint):
        return
    hardware, why = attestation.proof(said, convention, quote)
    computed = evidences.level(said, convention, hardware)
    if made.level != computed:
        expected = f"{computed}, computed from the evidence{f' ({why})' if why else ''}"
        raise Refused("level", expected=expected, found=made.level)


def _check_delivery(body: Delivery, convention: Convention) -> None:
    _granted(body.grant, body.recipient, convention)


def _check_refusal(body: Refusal, convention: Convention) -> None:
    if body.about is not None and body.about not in convention.members:
        raise Refused("about", expected="a member", found=body.about)
    if body.count < 1:
        raise Refused("count", expected="1 or more", found="0")


def _check_perimeter(body: Perimeter, convention: Convention) -> None:
    rule = convention.perimeter
    if rule is None:
        raise Refused("perimeter", expected="a convention that names a perimeter", found="one that does not")
    if body.owner != rule.owner:
        raise Refused("owner", expected=f"{rule.owner}, who works the perimeter out", found=body.owner)
    _epoch(body.epoch, convention)
    if set(body.recipients) != set(rule.shared_with):
        raise Refused(
            "recipients",
            expected=", ".join(sorted(rule.shared_with)),
            found=", ".join(sorted(body.recipients)) or "none",
        )
    if body.companies_class < 1 or sizes.count_class(body.companies_class) != body.companies_class:
        raise Refused("companies_class", expected="a size class of at least one company", found="another number")
    if any(share.parts < 1 or share.bytes < share.parts for share in body.recipients.values()):
        raise Refused("recipients", expected="at least one part for each recipient", found="none")


def _check_joint(body: Joint, convention: Convention) -> None:
    if body.previous is None:  # a key goes on when the epoch that it was drawn in is over
        _epoch(body.epoch, convention)
    joints.check_statement(body, convention)


def _check_erasure(body: Erasure, convention: Convention) -> None:
    _partner(body.member, convention, "member")
    _epoch(body.epoch, convention)
    _distinct(body.lots, "lots")


def _granted(grant: str, recipient: str, convention: Convention) -> None:
    found = convention.grants.get(grant)
    if found is None:
        raise Refused("grant", expected="a grant of the convention", found=grant)
    if found.recipient != recipient:
        raise Refused("recipient", expected=f"{found.recipient}, by the grant {grant}", found=recipient)


def _partner(member: str, convention: Convention, claim: str) -> None:
    found = convention.members.get(member)
    if found is None or "partner" not in found.roles:
        raise Refused(claim, expected="a member with the role partner", found=member)


def _answering(member: str, convention: Convention, claim: str) -> None:
    found = convention.members.get(member)
    if found is None or not found.roles & {"partner", "custodian"}:
        raise Refused(claim, expected="a member with the role partner or custodian", found=member)


def _epoch(number: int, convention: Convention) -> None:
    try:
        convention.epoch(number)
    except Missing as error:
        raise Refused("epoch", expected="a pseudonym epoch of the convention", found=str(number)) from error


def _distinct(items: tuple[object, ...], claim: str, *, least: int = 0) -> None:
    if len(items) < least:
        raise Refused(claim, expected=f"at least {least}", found=str(len(items)))
    if len(set(items)) != len(items):
        raise Refused(claim, expected="each named once", found="one of them twice")


_CHECKS: Final[Mapping[type[Any], Callable[[Any, Convention], None]]] = {
    Approval: _check_approval,
    Lot: _check_lot,
    Evaluation: _check_evaluation,
    Order: _check_order,
    Evidence: _check_evidence,
    Release: _check_release,
    Run: _check_run,
    Delivery: _check_delivery,
    Refusal: _check_refusal,
    Perimeter: _check_perimeter,
    Joint: _check_joint,
    Erasure: _check_erasure,
}
