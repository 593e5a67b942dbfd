"""The joint key inside the enclave: what is believed of it, opening a model with shares, sealing one (docs/spec/joint.md).

Everything comes through the host, which is treated as hostile.  The order of checks:

1. The ``joint`` statement is signed by the enclave of its evidence, allowed by its convention, and in the journal; enough
   organisations approved that enclave's measurement.
2. Where the order names a model: a run of an enclave that was approved like that trained it, for the same purpose; the
   run is in the journal.
3. Each custodian's share is the one that the ``joint`` statement names for it, by its salted digest.  A wrong one names
   its custodian and is left out.
4. Shares of as many organisations as the threshold restore the key of the statement.
5. The sealed parts are those that the run named, and open to a model with the digest that the order names.

The seed lives in this process from the combination to the end of the run, and nowhere else.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from vigie import bodies, sealing, statement
from vigie import joint as joints
from vigie.authority import judge
from vigie.bodies import Approval, Evidence, Joint, Order, Release, Run, SealedModel
from vigie.convention import Convention
from vigie.errors import Refused, VigieError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.note import Signer
from vigie.sealing import SealingPrivateKey
from vigie.segment import segment_id, segment_root
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.intake import Opened, Task
from vigie_hub.enclave.messages import GivenJoint, JointMade, PartnerRelease
from vigie_hub.enclave.stopping import rule

TRAIN: Final = "train"
"""What an order says instead of the digest of a model."""

Said = Literal["sound", "wrong", "none"]


@dataclass(frozen=True)
class KnownJoint:
    """A joint key that passed every check; ``run`` is that of the model which the order names.

    Attributes:
        digest: of the ``joint`` statement.
        body: what it says.
        convention: that it was made under.
        run: the run that trained the model; None where the order wants training.
        run_digest: digest of that run.
    """

    digest: bytes
    body: Joint
    convention: Convention
    run: Run | None
    run_digest: bytes | None


@dataclass(frozen=True)
class Vault:
    """The joint key as far as this run has it.

    Attributes:
        known: the key that there is; None before the first model of an epoch.
        shares: what each custodian's share was worth.
        seed: of the key, where shares were combined.
    """

    known: KnownJoint | None
    shares: Mapping[str, Said] = field(default_factory=dict)
    seed: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Kept:
    """What leaves the enclave about the joint key and the model.

    Attributes:
        joint: digest of the newest ``joint`` statement.
        made: that statement with its sealed shares, when this run made it.
        parts: the sealed model, when this run trained it.
        sealed: what the run says of them.
    """

    joint: bytes
    made: JointMade | None
    parts: tuple[bytes, ...]
    sealed: SealedModel | None


def read_joint(task: Task, given: GivenJoint | None) -> KnownJoint | None:
    """Judge what the host says of the joint key: steps 1 and 2.

    Raises:
        Refused: claim ``joint``, ``model`` or ``approvals``, or one of :mod:`vigie.authority`.
    """
    if given is None:
        if task.order.model != TRAIN:
            raise Refused("joint", expected="the joint key that the model is sealed to", found="none")
        return None
    convention = task.convention
    with rule("joint", "a joint key that the enclave of its evidence drew, in the journal"):
        evidence = statement.parse(given.evidence, kind="evidence")
        judged = judge(given.statement, task.chain, kind="joint", evidence=evidence)
        verify_receipt(Receipt.parse(given.receipt), judged.statement.raw, convention.log_key())
        body: Joint = judged.body
        _check_approved(task, bodies.read(evidence, Evidence), given.approvals)
    if task.order.model == TRAIN:
        if body.epoch != task.order.epoch:
            raise Refused("joint", expected=f"the joint key of epoch {task.order.epoch}", found=f"of {body.epoch}")
        return KnownJoint(judged.statement.digest, body, judged.convention, None, None)
    run, digest = _read_run(task, given)
    return KnownJoint(judged.statement.digest, body, judged.convention, run, digest)


def givers(task: Task, known: KnownJoint | None) -> tuple[str, ...]:
    """Custodians that may give a share to this run: named by the statement, and still able to sign a release, sorted."""
    if known is None or task.order.model == TRAIN:
        return ()
    members = task.convention.members
    named = {share.custodian for share in known.body.shares if share.custodian in members}
    return tuple(sorted(name for name in named if members[name].roles & {"partner", "custodian"}))


def unlock(
    task: Task,
    known: KnownJoint | None,
    answers: Sequence[PartnerRelease],
    opened: Opened,
    evidence: bytes,
    private: SealingPrivateKey,
) -> Vault:
    """Take the custodians' shares and combine them, where the order names a model: steps 3 and 4.

    Args:
        task: what the enclave was started for.
        known: the joint key.
        answers: of the members.
        opened: which of them were sound.
        evidence: digest of this enclave's evidence.
        private: this enclave's sealing key.

    Raises:
        Refused: claim ``shares``: too few sound ones; ``found`` names the custodians whose share was wrong.
    """
    if known is None or task.order.model == TRAIN:
        return Vault(known)
    said: dict[str, Said] = dict.fromkeys(givers(task, known), "none")
    sound: set[str] = set()
    for answer in answers:
        if answer.partner in said:
            share = _share(task, known, answer, opened, evidence, private)
            if share is not None:
                said[answer.partner] = "sound" if share else "wrong"
                sound |= {share} if share else set()
    if len(sound) < known.body.threshold:
        wrong, none = (", ".join(name for name in said if said[name] == word) for word in ("wrong", "none"))
        raise Refused(
            "shares",
            expected=f"sound shares of {known.body.threshold} organisations",
            found=f"{len(sound)}" + (f"; wrong: {wrong}" if wrong else "") + (f"; none of: {none}" if none else ""),
        )
    with rule("joint", "shares that restore the joint key"):
        seed = joints.combine(known.body, task.convention.id, sound)
    return Vault(known, said, seed)


def fetch_model(channel: Channel, task: Task, vault: Vault) -> bytes | None:
    """The model that the order names, in clear; None where it wants training: step 5.

    Raises:
        Refused: claim ``model``: the host gave other parts, or they open to another model.
        MalformedFrame: the host breaks the protocol.
    """
    known = vault.known
    if task.order.model == TRAIN or known is None or known.run is None or known.run.sealed is None or not vault.seed:
        return None
    sealed = known.run.sealed
    if sealed.parts > joints.MOST_PARTS:
        raise Refused("model", expected=f"at most {joints.MOST_PARTS} parts", found=str(sealed.parts))
    parts = channel.fetch_model(sealed.parts)
    if segment_root([segment_id(part) for part in parts]) != sealed.digest:
        raise Refused("model", expected="the sealed parts that the run named", found="others")
    private = joints.key_of(vault.seed, task.convention.id, known.body.epoch)
    with rule("model", "a model that opens with the joint key, with the digest that the order names"):
        return joints.open_model(private, bytes.fromhex(task.order.model), parts)


def keep(task: Task, vault: Vault, model: bytes, evidence: bytes, signer: Signer, created: str) -> Kept:
    """Seal a model that was trained; draw the joint key when there is none, share it anew when its custodians changed.

    Args:
        task: what the enclave was started for.
        vault: from `unlock`.
        model: the serialised model.
        evidence: digest of this enclave's evidence.
        signer: this enclave's signing key.
        created: time for the statement.

    Raises:
        Malformed: the model is too large.
    """
    known, made = vault.known, None
    if known is None:
        made, public = _make(task, secrets.token_bytes(joints.SEED_BYTES), None, evidence, signer, created)
    else:
        public = known.body.public
        if vault.seed is not None and not joints.same_layout(known.convention, task.convention):
            made, _ = _make(task, vault.seed, known, evidence, signer, created)
    digest = statement.parse(made.statement).digest if made else known.digest if known else b""
    if task.order.model != TRAIN:
        return Kept(digest, made, (), None)
    parts = tuple(joints.seal_model(public, model))
    root = segment_root([segment_id(part) for part in parts])
    size = sum(len(part) - sealing.OVERHEAD for part in parts)
    return Kept(digest, made, parts, SealedModel(root, len(parts), size))


def _make(
    task: Task, seed: bytes, known: KnownJoint | None, evidence: bytes, signer: Signer, created: str
) -> tuple[JointMade, bytes]:
    epoch = known.body.epoch if known else task.order.epoch
    public = joints.key_of(seed, task.convention.id, epoch).public
    shares, blobs = joints.make_shares(seed, task.convention, public)
    body = Joint(
        convention=task.chain.digest,
        epoch=epoch,
        key=joints.key_id(public),
        public=public,
        threshold=task.convention.custody.threshold,
        evidence=evidence,
        order=task.order_digest,
        previous=known.digest if known else None,
        shares=shares,
        created=created,
    )
    return JointMade(statement.sign_text(bodies.text_for(body), [signer]).raw, blobs), public


def _read_run(task: Task, given: GivenJoint) -> tuple[Run, bytes]:
    """(2)"""
    with rule("model", "a model that a run of this purpose trained, in the journal"):
        evidence = statement.parse(given.run_evidence, kind="evidence")
        judged = judge(given.run, task.chain, kind="run", evidence=evidence)
        verify_receipt(Receipt.parse(given.run_receipt), judged.statement.raw, task.convention.log_key())
        _check_approved(task, bodies.read(evidence, Evidence), given.approvals)
        run: Run = judged.body
        ordered = judge(given.run_order, task.chain, kind="order")
        order: Order = ordered.body
    if run.order != ordered.statement.digest or order.purpose != task.purpose.name:
        raise Refused("model", expected=f"a model for {task.purpose.name}", found="one for another purpose or order")
    if run.sealed is None or run.model.hex() != task.order.model:
        raise Refused("model", expected="the run that trained the model that the order names", found="another run")
    return run, judged.statement.digest


def _check_approved(task: Task, claim: Evidence, approvals: Sequence[bytes]) -> None:
    """An enclave that nobody approved could have drawn a key that it tells the hub."""
    convention = task.convention
    organisations = set()
    for raw in approvals:
        try:
            said: Approval = judge(raw, task.chain, kind="approval").body
        except VigieError:
            continue
        if said.measurement == claim.measurement and said.member in convention.members:
            organisations.add(convention.organisation_of(said.member))
    if len(organisations) < convention.enclave.approvals:
        raise Refused(
            "approvals",
            expected=f"a measurement that {convention.enclave.approvals} organisations approved",
            found=f"{len(organisations)}",
        )


def _share(
    task: Task,
    known: KnownJoint,
    answer: PartnerRelease,
    opened: Opened,
    evidence: bytes,
    private: SealingPrivateKey,
) -> str | None:
    """A custodian's share; empty when it is wrong, None when it gave none."""
    released = statement.parse(answer.statement, kind="release") if opened.sound(answer) else None
    body = bodies.read(released, Release) if released else None
    if body is None or body.share is None or hashlib.sha256(answer.share).digest() != body.share:
        return None  # what the custodian did not sign is not held against it
    said = joints.share_of(known.body, answer.partner)
    try:
        share = joints.take_share(private, evidence, task.order_digest, known.digest, answer.share)
        if said is None:
            return None
        joints.check_share(said, share)
    except VigieError:
        return ""
    return share
