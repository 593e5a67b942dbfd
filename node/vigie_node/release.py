"""Whether this node opens its lots to an enclave: the seven checks of protocol section 7, in their order.

`decide` is pure: what the hub sent, what this node knows and the time go in; a plan to release, or `Refused` with the
rule, what it wants and what was found, comes out. It changes nothing: the caller makes the use of the challenge and the
count of the release durable, in the same transaction, before any key is sealed.

The rule it keeps: every check is made against what this node knows by itself – its own lots, the trees that it
witnessed, the challenges that it drew, its own approvals – or against signatures; never against the hub's word.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from vigie import attestation, authority, evidence
from vigie.attend import ReleaseQuestion
from vigie.attestation import Proved
from vigie.bodies import ORDER_GRACE, Approval, Evidence
from vigie.chain import ConventionChain
from vigie.clock import parse_time, stamp
from vigie.convention import SOFTWARE, Convention
from vigie.errors import Malformed, Missing, Refused, Untrusted
from vigie.journal.checkpoint import OpenedCheckpoint, witnessed_by
from vigie.journal.proof import Receipt, verify_receipt
from vigie.statement import Statement
from vigie_node.config import Policy
from vigie_node.known import Challenge, Standing
from vigie_node.ledger import CHALLENGE_LIFE
from vigie_node.order_checks import TRAIN, JudgedOrder, authentic, judge_order, sentence
from vigie_node.own_lots import OwnLot

MAX_RELEASES: Final = 3
"""Releases without asking a person, per (purpose, period); and under one decision of a person (protocol section 7)."""

CLOCK_TOLERANCE: Final = timedelta(minutes=1)
"""By how much the clock under which evidence was made may differ from this node's, beyond the life of a challenge."""


@dataclass(frozen=True)
class Known:
    """What this node knows by itself when it judges a release.

    Attributes:
        own_lots: every lot that this partner ever committed, in the order of commitment.
        witnessed_root: the root that this node cosigned for a size, or None when it never cosigned that size.
        challenge: a challenge that this node drew, by its value.
        approvals: this member's own signed approvals.
        policy: ``auto`` or ``manual``.
        standing: decisions and counts.
        trained: whether a run for a purpose trained a model, by its digest, in the journal that this node read.
        custodian: whether this member may hold a share of the joint key.
    """

    own_lots: tuple[OwnLot, ...]
    witnessed_root: Callable[[int], bytes | None]
    challenge: Callable[[bytes], Challenge | None]
    approvals: tuple[bytes, ...]
    policy: Policy
    standing: Standing
    trained: Callable[[bytes, str], bool] = lambda _model, _purpose: False
    custodian: bool = False


@dataclass(frozen=True)
class ReleasePlan:
    """All seven checks passed: seal the keys of exactly ``lots`` to ``enclave_key``.

    ``warrant`` says why check 7 allowed it: ``auto``, or ``approved`` by a person; ``hardware`` what a quote proved.
    """

    order: JudgedOrder
    order_digest: bytes
    evidence_digest: bytes
    enclave_key: bytes
    measurement: bytes
    challenge: bytes
    lots: tuple[OwnLot, ...]
    warrant: Literal["auto", "approved"]
    hardware: Proved | None = None


def decide(
    question: ReleaseQuestion, *, chain: ConventionChain, member: str, known: Known, now: datetime
) -> ReleasePlan:
    """Judge a request to release keys.

    1. The order is signed by a hub operator; its purpose, outputs and period are in the current convention. A model that
       it names was trained by a run for that purpose, which is in the journal.
    2. The order names all current lots of each dataset that it uses, and none of this partner's that is superseded.
    3. Order and evidence are in the journal under one checkpoint that this node itself witnessed, and that at least
       ``release_quorum`` other organisations cosigned – neither this member's nor the hub's.
    4. The challenge is this node's own, for this order, unused and at most five minutes old.
    5. This member itself approved the measurement, and at least ``approvals`` organisations did.
    6. Platform, layers, quote and level satisfy the convention for this partner's datasets; evidence with a quote was made
       within the life of a challenge.
    7. The policy says yes: a person approved this order; or ``auto``, while no run for this purpose and period is in
       the journal and fewer than three releases were made.

    Args:
        question: what the hub sent, untrusted.
        chain: the conventions that this node accepted.
        member: this member's name.
        known: what this node knows by itself.
        now: current time on this node's clock.

    Raises:
        Refused: a check failed; ``claim`` is ``order``, ``model``, ``lots``, ``journal``, ``challenge``, ``approval``,
            ``enclave`` or ``policy``.
    """
    # (1) and (2)
    order = judge_order(
        question.order,
        chain=chain,
        own_lots=known.own_lots,
        now=now,
        grace=ORDER_GRACE,
        custodian=known.custodian,
    )
    _check_model(order, known.trained)
    # (3)
    said, statement = _check_journal(question, order, chain, member, known.witnessed_root)
    # (4)
    challenge = _check_challenge(said, order, member, known.challenge, now)
    # (5)
    _check_approvals(said, (*known.approvals, *question.approvals), chain, member)
    # (6)
    hardware = _check_enclave(said, order, question.quote, now)
    # (7)
    warrant = check_policy(known.policy, known.standing)
    return ReleasePlan(
        order,
        order.statement.digest,
        statement.digest,
        said.enclave_key,
        said.measurement,
        challenge,
        order.lots,
        warrant,
        hardware,
    )


def check_policy(policy: Policy, standing: Standing) -> Literal["auto", "approved"]:
    """Make check 7; used alone to answer an announcement.

    Raises:
        Refused: claim ``policy``; ``undecided`` in its ``found`` only when a person has not decided yet (see `waits`).
    """
    if standing.run_of_order:
        raise Refused("policy", expected="an order without a run in the journal", found="a run of this very order")
    if standing.decision == "refuse":
        raise Refused("policy", expected="an order that this member does not refuse", found="refused by a person")
    if standing.decision == "approve":
        if standing.since_decision < MAX_RELEASES:
            return "approved"
        raise Refused(
            "policy",
            expected=f"at most {MAX_RELEASES} releases after a person's approval",
            found=f"{standing.since_decision}",
            hint="`vigie-node approve` the order again to allow more",
        )
    if waits(policy, standing):
        raise Refused(
            "policy",
            expected="an approval of this order by a person",
            found=_why_a_person(policy, standing),
            hint="`vigie-node orders` shows what waits",
        )
    return "auto"


def waits(policy: Policy, standing: Standing) -> bool:
    """Whether only a person's decision is missing."""
    if standing.decision is not None or standing.run_of_order:
        return False
    return policy != "auto" or standing.run_seen or standing.released >= MAX_RELEASES


def _why_a_person(policy: Policy, standing: Standing) -> str:
    if policy != "auto":
        return "no decision yet, and this node's policy is manual"
    if standing.run_seen:
        return "no decision yet, and a run for this purpose and period is already in the journal"
    return f"no decision yet, after {standing.released} releases for this purpose and period"


# -- check 1, a model ---------------------------------------------------------------------------------------------


def _check_model(order: JudgedOrder, trained: Callable[[bytes, str], bool]) -> None:
    """Anybody can seal a file to the joint key: a model that no enclave made could be made to tell."""
    model = order.body.model
    if model != TRAIN and not trained(bytes.fromhex(model), order.body.purpose):
        raise Refused(
            "model", expected=f"a model that a run for {order.body.purpose} trained", found="none such in the journal"
        )


# -- check 3 ------------------------------------------------------------------------------------------------------


def _check_journal(
    question: ReleaseQuestion,
    order: JudgedOrder,
    chain: ConventionChain,
    member: str,
    witnessed_root: Callable[[int], bytes | None],
) -> tuple[Evidence, Statement]:
    expected = "evidence signed by the hub's host key and by the enclave's own"
    judged = authentic(question.evidence, chain, "evidence", claim="journal", expected=expected)
    said: Evidence = judged.body
    if said.order != order.statement.digest:
        raise Refused("journal", expected="evidence for this order", found="evidence for another order")
    of_order = _opened(question.order_receipt, question.order, order.convention, "order")
    of_evidence = _opened(question.evidence_receipt, question.evidence, order.convention, "evidence")
    tree = of_evidence.checkpoint
    if (of_order.checkpoint.size, of_order.checkpoint.root) != (tree.size, tree.root):
        raise Refused("journal", expected="order and evidence under one checkpoint", found="two different checkpoints")
    root = witnessed_root(tree.size)
    if root is None:
        raise Refused(
            "journal",
            expected="a checkpoint that this node witnessed itself",
            found=f"a checkpoint of {tree.size} entries, which it did not",
        )
    if root != tree.root:
        raise Refused(
            "journal",
            expected=f"the tree of {tree.size} entries that this node witnessed",
            found="another tree of the same size, signed by the journal",
            hint="the journal shows different histories: keep the state folder and tell the auditor",
        )
    _check_quorum((of_order, of_evidence), order.convention, member)
    return said, judged.statement


def _check_quorum(opened: Sequence[OpenedCheckpoint], convention: Convention, member: str) -> None:
    counting = convention.counting_witnesses(member)
    wanted = convention.witness.release_quorum
    organisation = {key.name: of for key, of in counting.items()}
    try:
        # Both receipts carry the same text, so a cosignature on either of them speaks for both.
        names = frozenset().union(*(witnessed_by(one.note, counting) for one in opened))
    except (Malformed, Untrusted) as error:
        raise Refused("journal", expected="cosignatures that verify", found=sentence(str(error))) from error
    found = {organisation[name] for name in names}
    if len(found) < wanted:
        raise Refused(
            "journal",
            expected=f"cosignatures of at least {wanted} other organisations, the hub's not counted",
            found=f"{len(found)}",
        )


def _opened(receipt: bytes, entry: bytes, convention: Convention, what: str) -> OpenedCheckpoint:
    try:
        return verify_receipt(Receipt.parse(receipt), entry, convention.log_key())
    except (Malformed, Untrusted, Missing) as error:
        raise Refused(
            "journal", expected=f"a receipt that proves the {what} to be in the journal", found=sentence(str(error))
        ) from error


# -- checks 4, 5 and 6 --------------------------------------------------------------------------------------------


def _check_challenge(
    said: Evidence,
    order: JudgedOrder,
    member: str,
    drawn: Callable[[bytes], Challenge | None],
    now: datetime,
) -> bytes:
    value = said.challenges.get(member)
    challenge = None if value is None else drawn(value)
    if value is None or challenge is None:
        raise Refused("challenge", expected="the challenge that this node drew", found="another one or none")
    if challenge.order != order.statement.digest:
        raise Refused("challenge", expected="the challenge drawn for this order", found="one drawn for another order")
    if challenge.used:
        raise Refused("challenge", expected="a challenge that was not used", found="one that was")
    age = now - challenge.drawn
    # A clock that was set back makes the age negative: nothing is known of it then.
    if not 0 <= age.total_seconds() <= CHALLENGE_LIFE.total_seconds():
        raise Refused(
            "challenge",
            expected=f"a challenge at most {int(CHALLENGE_LIFE.total_seconds())} seconds old",
            found=f"one drawn {int(age.total_seconds())} seconds ago",
        )
    return value


def _check_approvals(said: Evidence, approvals: Collection[bytes], chain: ConventionChain, member: str) -> None:
    convention = chain.current
    approving: dict[str, str] = {}
    for data in approvals:
        try:
            judged = authority.judge(data, chain, kind="approval")
        except (Malformed, Untrusted, Missing, Refused):
            continue  # what is not a valid approval counts for nothing; there may be enough others
        body = judged.body
        if isinstance(body, Approval) and body.measurement == said.measurement and body.member in convention.members:
            approving[body.member] = convention.organisation_of(body.member)
    if member not in approving:
        raise Refused(
            "approval",
            expected="a measurement that this member approved",
            found=f"measurement {said.measurement.hex()}, which it did not",
            hint="after review: vigie approve --measurement …, and put the file into the node's folder approvals",
        )
    organisations, wanted = set(approving.values()), convention.enclave.approvals
    if len(organisations) < wanted:
        raise Refused(
            "approval", expected=f"approvals of at least {wanted} organisations", found=f"{len(organisations)}"
        )


def _check_enclave(said: Evidence, order: JudgedOrder, quote: bytes, now: datetime) -> Proved | None:
    rule = order.convention.enclave
    if said.platform not in rule.platforms:
        raise Refused("enclave", expected=f"a platform out of {', '.join(rule.platforms)}", found=said.platform)
    absent = evidence.missing_layers(said, order.convention)
    if absent:
        raise Refused(
            "enclave",
            expected=f"the layers {', '.join(rule.layers)}",
            found=f"{absent[0]}: {said.layers.get(absent[0], 'not named')}",
        )
    hardware = _check_quote(said, order.convention, quote, now)
    level = evidence.level(said, order.convention, hardware)
    # A share alone opens what was learnt from every dataset of the purpose.
    datasets = {lot.body.dataset for lot in order.lots} or order.convention.purposes[order.body.purpose].datasets
    for dataset in sorted(datasets):
        wanted = max(rule.minimum_level, order.convention.datasets[dataset].minimum_level)
        if level < wanted:
            raise Refused("enclave", expected=f"level {wanted} or better for {dataset}", found=f"level {level}")
    return hardware


def _check_quote(said: Evidence, convention: Convention, quote: bytes, now: datetime) -> Proved | None:
    """What the quote proves; None on software, which has none."""
    if said.platform == SOFTWARE:
        return None
    # The collateral is judged at the evidence's own time, so that time must not be one that the hub chose.
    age = now - parse_time(said.created)
    if abs(age) > CHALLENGE_LIFE + CLOCK_TOLERANCE:
        raise Refused("enclave", expected=f"evidence made within minutes of {stamp(now)}", found=f"made {said.created}")
    try:
        return attestation.verify(said, convention, quote)
    except Refused as error:
        raise Refused(
            "enclave", expected=f"{error.claim}: {error.expected}"[:400], found=error.found[:400], hint=error.hint
        ) from error
    except (Malformed, Untrusted) as error:
        raise Refused("enclave", expected="quote: one that verifies", found=sentence(str(error))) from error
