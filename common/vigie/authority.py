"""Who had to sign: every statement judged under the convention that it names (protocol section 1).

:func:`judge` is the one door through which a statement of somebody else becomes something to act on. It parses, finds
the convention, works out whose signature the kind asks for, and verifies it; unknown keys are ignored and never satisfy a
required signer, and a known key that fails refuses the whole.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vigie import bodies, note, statement
from vigie.bodies import (
    Approval,
    Body,
    Delivery,
    Evaluation,
    Evidence,
    Lot,
    Order,
    Refusal,
    Release,
    Run,
)
from vigie.chain import ConventionChain
from vigie.convention import Convention
from vigie.errors import BadSignature, Malformed, MalformedStatement, Missing, Refused
from vigie.note import ED25519, VerifierKey
from vigie.statement import Statement

ENCLAVE_KEY_NAME: Final = "enclave/signing"
"""Name of the key that an enclave signs with; the key itself is named in the evidence."""

CURRENT_ONLY: Final = frozenset({"order", "evidence", "release"})
"""Kinds that name the current convention, when they are acted upon."""


@dataclass(frozen=True)
class Judged:
    """A statement whose required signers have signed.

    Attributes:
        statement: what was judged.
        body: its typed body.
        convention: the convention that it names.
        signers: names of the keys that verified.
    """

    statement: Statement
    body: Body
    convention: Convention
    signers: frozenset[str]


def enclave_key(evidence: Evidence) -> VerifierKey:
    """Return the key that the enclave of some evidence signs with.

    Raises:
        MalformedStatement: the evidence names bytes that are no Ed25519 key.
    """
    try:
        return VerifierKey(ENCLAVE_KEY_NAME, ED25519, evidence.enclave_signing_key)
    except Malformed as error:
        raise MalformedStatement("the enclave key of the evidence is not a sound Ed25519 key") from error


def judge(
    data: bytes,
    chain: ConventionChain,
    *,
    kind: str | None = None,
    evidence: Statement | None = None,
    current_only: bool = False,
) -> Judged:
    """Parse a statement and verify that whoever had to sign it did.

    Args:
        data: the statement as received.
        chain: the conventions that are known.
        kind: refuse any other kind, when given. A convention is never judged here, but by the chain.
        evidence: for a run, the evidence that it names.
        current_only: an order, evidence or release must name the current convention, not an ancestor.

    Raises:
        MalformedStatement: not a statement, of another kind, or with a body that is not of its form.
        BadSignature: a required signer is missing, or a known key's signature fails.
        Refused: the convention that it names is not known or not current, or does not give the signer that right.
    """
    opened = statement.parse(data, kind=kind)
    cls = bodies.BODIES.get(opened.kind)
    if cls is None:
        raise MalformedStatement(f"a {opened.kind} is not judged as a statement of a member")
    body = bodies.read(opened, cls)
    named = chain.by_digest(body.convention)
    if named is None:
        raise Refused(
            "convention",
            expected="the current convention or an ancestor of it",
            found=f"convention {body.convention.hex()[:16]}, which is not known here",
            hint="was the convention amended? put the newest signed file in place",
        )
    if current_only and opened.kind in CURRENT_ONLY and not chain.is_current(body.convention):
        raise Refused("convention", expected="the current convention", found=f"version {named.version}")
    try:
        groups = _required(body, named, evidence)
    except Missing as error:
        raise Refused("signer", expected="a member with the key that this kind asks for", found=str(error)) from error
    known = {*named.known_keys, *(key for group in groups for key in group)}
    verified = note.verify(opened.note, known)
    for group in groups:
        if not group & verified:
            names = ", ".join(sorted({key.name for key in group}))
            raise BadSignature(f"this {opened.kind} is not signed by {names}")
    return Judged(opened, body, named, frozenset(key.name for key in verified))


Groups = tuple[frozenset[VerifierKey], ...]
"""One of each group must have signed."""


def _required(body: Body, convention: Convention, evidence: Statement | None) -> Groups:
    if isinstance(body, Run):
        return _run(body, evidence)
    return _RULES[type(body)](body, convention)


def _one(convention: Convention, member: str, use: str) -> Groups:
    return (frozenset({convention.verifier(member, use)}),)


def _lot(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Lot)  # noqa: S101 - the table below gives each rule its own kind
    if not convention.may_deposit(body.partner, body.dataset):
        raise Refused("dataset", expected=f"a dataset that {body.partner} may deposit", found=body.dataset)
    rule = convention.datasets[body.dataset]
    if rule.definition.schema != body.schema:
        raise Refused("schema", expected=str(rule.definition.schema), found=str(body.schema))
    convention.epoch(body.epoch)
    return _one(convention, body.partner, "signing")


def _evaluation(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Evaluation)  # noqa: S101 - as above
    convention.epoch(body.epoch).custodian(body.evaluator)
    by_evaluator = body.stage == "evaluated"
    if by_evaluator != (body.request is not None) or by_evaluator != (body.total is not None):
        raise MalformedStatement("an evaluation has a request and a total when it is evaluated, and only then")
    return _one(convention, body.evaluator if by_evaluator else body.requester, "signing")


def _order(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Order)  # noqa: S101 - as above
    operators = frozenset(
        member.keys["operator"]
        for member in convention.members.values()
        if "hub" in member.roles and "operator" in member.keys
    )
    return (operators,)


def _evidence(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Evidence)  # noqa: S101 - as above
    return (*_one(convention, convention.hub, "host"), frozenset({enclave_key(body)}))


def _release(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Release)  # noqa: S101 - as above
    released = body.decision == "released"
    complete = body.evidence is not None and body.blob is not None and body.reason is None
    if released != complete or (not released and (body.reason is None or body.blob is not None)):
        raise MalformedStatement("a release has evidence and sealed keys; a refusal has a reason and no keys")
    return _one(convention, body.partner, "signing")


def _run(body: Run, evidence: Statement | None) -> Groups:
    if evidence is None or evidence.kind != "evidence" or evidence.digest != body.evidence:
        raise Refused("evidence", expected="the evidence that the run names", found="another, or none")
    return (frozenset({enclave_key(bodies.read(evidence, Evidence))}),)


def _refusal(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Refusal)  # noqa: S101 - as above
    return _one(convention, body.by, "host" if body.by == convention.hub else "signing")


def _approval(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Approval)  # noqa: S101 - as above
    return _one(convention, body.member, "signing")


def _delivery(body: Body, convention: Convention) -> Groups:
    assert isinstance(body, Delivery)  # noqa: S101 - as above
    return _one(convention, body.recipient, "signing")


_RULES: Final[Mapping[type[Body], Callable[[Body, Convention], Groups]]] = {
    Approval: _approval,
    Lot: _lot,
    Evaluation: _evaluation,
    Order: _order,
    Evidence: _evidence,
    Release: _release,
    Delivery: _delivery,
    Refusal: _refusal,
}
