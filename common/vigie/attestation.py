"""From a quote beside evidence to what it proves: the one way in which hardware counts (docs/spec/hardware.md, section 9).

Steps of :func:`verify`:

1. The bundle is the one that the evidence names by its digest, in its one form, of the platform that the evidence claims.
2. The convention says what it accepts of that platform.
3. The quote verifies at the evidence's own time, up to a root that the library pins, by what the convention accepts.
4. It binds the hash of the rest of the evidence body.
5. The machine is one that the convention names, where it names any.

The rule kept: the verifier's policy and the keys of TPMs come from the convention, the roots from the library, and nothing of
them from whoever sends the quote. What fails is worth level A0, and says claim, expected and found.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import rfc8785

from vigie.bodies import Evidence
from vigie.body_codec import encode
from vigie.clock import parse_time
from vigie.convention import SOFTWARE, Convention, HardwareRule
from vigie.errors import MalformedStatement, Refused, VigieError
from vigie.hardware import Policy, Verified, bundle, pins
from vigie.hardware import verify as verify_hardware

CONTEXT: Final = b"vigie/evidence/1"
"""Stands before the body in what a quote binds."""

_LEVELS: Final[Mapping[str, str]] = {"tpm": "A2"}
_CONFIDENTIAL: Final = "A3"
_ELSEWHERE: Final = "A4"
# extraData of a TPM holds no more than its largest hash, which is SHA-256 on many.
_SHORT: Final = frozenset({"tpm", "azure-sev-snp", "azure-tdx"})


@dataclass(frozen=True)
class Proved:
    """A quote that holds: what it says, and the rule of the convention that accepts it."""

    verified: Verified
    rule: HardwareRule


def binding(claim: Evidence) -> bytes:
    """What the quote of some evidence must bind.

    SHA-512 of ``vigie/evidence/1`` and the RFC 8785 form of the body with ``quote`` null; SHA-256 of the same where a TPM
    signs (``tpm``, ``azure-sev-snp``, ``azure-tdx``).
    """
    try:
        body = rfc8785.dumps(encode(dataclasses.replace(claim, quote=None)))
    except rfc8785.CanonicalizationError as error:
        raise MalformedStatement("the evidence has no canonical form") from error
    algorithm = hashlib.sha256 if claim.platform in _SHORT else hashlib.sha512
    return algorithm(CONTEXT + body).digest()


def verify(claim: Evidence, convention: Convention, quote: bytes | None, *, at: datetime | None = None) -> Proved:
    """Verify the quote that evidence names; the steps are those of the module.

    Args:
        claim: its signatures already judged.
        convention: the one that it names.
        quote: the bundle that came beside it, untrusted; None or empty when none came.
        at: judge certificates and collateral as of another time, for a person's question; what is decided never gives it.

    Raises:
        MalformedEvidence: bundle, quote or endorsements are not laid out as they must be.
        BadSignature: a signature up to the pinned root does not hold.
        Refused: claim ``quote``: no bundle, another one, or one that binds another body; claim ``platform``, ``machine``,
            or one of `vigie.hardware.verify`.
    """
    # (1)
    named = "none" if claim.quote is None else claim.quote.hex()
    if claim.platform == SOFTWARE or claim.quote is None:
        raise Refused("quote", expected="evidence of hardware that names its quote", found=f"{claim.platform}, {named}")
    if not quote:
        raise Refused("quote", expected=f"the quote bundle {named}", found="none beside the evidence")
    if (found := bundle.digest_of(quote)) != claim.quote:
        raise Refused("quote", expected=f"the quote bundle {named}", found=found.hex())
    opened = bundle.decode(quote)
    if opened.platform != claim.platform:
        raise Refused("platform", expected=claim.platform, found=repr(opened.platform))
    # (2)
    rules = [rule for rule in convention.enclave.hardware if rule.platform == claim.platform]
    if not rules:
        raise Refused("platform", expected="one of which the convention accepts hardware", found=claim.platform)
    refusals: list[VigieError] = []
    for rule in rules:
        try:
            return Proved(_accepted(claim, opened, rule, at or parse_time(claim.created)), rule)
        except VigieError as error:
            refusals.append(error)
    # Who is refused for what the quote binds was accepted in everything else: that says most.
    raise next((one for one in refusals if isinstance(one, Refused) and one.claim == "quote"), refusals[0])


def proof(claim: Evidence, convention: Convention, quote: bytes | None) -> tuple[Proved | None, str]:
    """What the quote of evidence proves, and why not where it proves nothing. Raises nothing.

    Returns:
        the proof; or None and a sentence; None and an empty one for software, which has no quote.
    """
    if claim.platform == SOFTWARE:
        return None, ""
    try:
        return verify(claim, convention, quote), ""
    except VigieError as error:
        return None, error.message


def earned(claim: Evidence, convention: Convention, proved: Proved | None) -> str:
    """The level that hardware gives to evidence: A2 to A4, or A0 when the proof is none of it. Layers are not judged here."""
    if proved is None or claim.quote is None or claim.platform == SOFTWARE:
        return "A0"
    rule, verified = proved.rule, proved.verified
    about_it = verified.platform == claim.platform == rule.platform and rule in convention.enclave.hardware
    if not about_it or verified.debug or verified.report_data != binding(claim):
        return "A0"
    if rule.operator and verified.machine in rule.machines and rule.platform not in _LEVELS:
        return _ELSEWHERE
    return _LEVELS.get(rule.platform, _CONFIDENTIAL)


def policy_of(rule: HardwareRule) -> Policy:
    """The verifier's policy of a rule."""
    return Policy(
        refused_generations=rule.refused_generations,
        minimum_tcb=rule.minimum_tcb,
        tcb_statuses=rule.tcb_statuses,
        maximum_vmpl=rule.maximum_vmpl,
        registers=rule.registers,
        measurements=None if rule.platform == "tpm" else rule.measurements,
        vlek=rule.vlek,
    )


def warm_up() -> None:
    """Read the pinned roots: inside a sealed enclave no file can be opened any more."""
    for name in pins.DIGESTS:
        pins.pinned(name)


def _accepted(claim: Evidence, opened: bundle.QuoteBundle, rule: HardwareRule, at: datetime) -> Verified:
    # (3) and (4)
    endorsements = dataclasses.replace(opened.endorsements, keys=rule.keys)
    wanted = binding(claim)
    try:
        verified = verify_hardware(claim.platform, opened.evidence, endorsements, at, wanted, policy=policy_of(rule))
    except Refused as error:
        if error.claim != "report data":
            raise
        raise Refused(
            "quote", expected=f"a quote that binds this evidence, {error.expected}", found=error.found
        ) from error
    # (5)
    if rule.machines and verified.machine not in rule.machines:
        raise Refused(
            "machine", expected=f"one of those of {rule.name}", found=verified.machine or "one without a name"
        )
    return verified
