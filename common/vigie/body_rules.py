"""What a statement of each kind may say under the convention that it names; who signed it is :mod:`vigie.authority`'s to say."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from vigie import joint as joints
from vigie import sizes
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
from vigie.clock import parse_time
from vigie.convention import SOFTWARE, Convention
from vigie.errors import Missing, Refused

MOST_ELEMENTS: Final = 4096
"""Blinded elements in one batch (protocol section 4)."""


def check(body: Body, convention: Convention) -> None:
    """Judge what a body says, alone: nothing here depends on state.

    Raises:
        Refused: the claim is the field that the convention does not allow.
    """
    _CHECKS[type(body)](body, convention)


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
