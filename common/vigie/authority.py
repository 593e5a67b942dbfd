"""Who had to sign a statement, and whether it was allowed to say what it says (protocol section 1).

:func:`judge` is the one door: whoever takes a statement from outside passes it here, and gets a typed body or a reason.
It judges a statement alone, under the convention that it names. What depends on state – is the lot current, was the
budget used up, is the challenge fresh – is for the one who has that state.

The order of judging is fixed: form, convention, signatures, then content, so that a refusal about content always
concerns a statement that its signer really made.
"""

from dataclasses import dataclass
from typing import Any, Final

from vigie import attestation, bodies, body_rules, note, statement
from vigie import evidence as evidences
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
from vigie.convention import Convention
from vigie.errors import BadSignature, MalformedNote, MalformedStatement, Missing, Refused
from vigie.note import ED25519, VerifierKey
from vigie.statement import Statement

ENCLAVE_KEY_NAME: Final = "enclave/signing"
"""Name of the key that an enclave signs with; its public half stands in the evidence."""


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
    body = bodies.read(parsed, bodies.BODIES[parsed.kind])
    convention = _convention_of(body, chain, current_only=current_only)
    enclave = _named_enclave_key(body, evidence)
    required = _required_key_names(body, convention)
    signers = _verify(parsed, convention, enclave, required)
    _check_created(body, convention)
    body_rules.check(body, convention)
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


def _check_created(body: Body, convention: Convention) -> None:
    if not convention.in_force(parse_time(body.created)):
        raise Refused(
            "created",
            expected=f"a time from {convention.start.isoformat()} to {convention.end.isoformat()}",
            found=body.created,
        )


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
