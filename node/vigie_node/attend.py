"""What a node answers while it attends: orders, challenges, releases, witnessing, blind batches, notices of results.

Each method is one question of the hub (see `vigie.attend.Handlers`). The rules are elsewhere – :mod:`vigie_node.release`
decides, :mod:`vigie_node.ledger` remembers, :mod:`vigie.witness_service` witnesses – and this module puts them in order:
judge and make durable in one transaction, then seal, sign and answer.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import structlog

from vigie import bodies, custody, joint, statement
from vigie.attend import Declined, Handlers, Pending, ReleaseQuestion, Willing
from vigie.clock import stamp
from vigie.errors import Malformed, Missing, Refused, StateError, VigieError
from vigie.hardware.model import ends_soon
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.proof import Receipt
from vigie.note import parse as parse_note
from vigie.wiping import wipe
from vigie.witness_service import Witness
from vigie_node import shares
from vigie_node.folder import Node
from vigie_node.known import KnownOrder, Standing
from vigie_node.ledger import COLLATERAL_END
from vigie_node.order_checks import judge_order, reason_of
from vigie_node.release import (
    Known,
    ReleasePlan,
    check_policy,
    decide,
    waits,
)

CHALLENGE_BYTES: Final = 32

_log = structlog.get_logger("vigie.node.attend")


class EvaluatesBatches(Protocol):
    """The custodian's side of blind batches (`vigie_node.pseudonyms.evaluator`)."""

    async def answer(self, statement_raw: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """Return the signed evaluation and the batch output, or the signed refusal and nothing."""


class ReadsJournal(Protocol):
    """Reads the journal up to a tree head that this node witnessed (`vigie_node.reading`)."""

    async def read_to(self, size: int, root: bytes) -> None:
        """Read it; afterwards the ledger knows the runs up to there."""


class Desk:
    """Answers the hub's questions for one node.

    Args:
        node: the opened node.
        evaluations: answers blind batches; None when this member is no custodian.
        witness: cosigns checkpoints; None when this member is no witness.
        reader: reads the journal before a release is judged.
        lots: takes over own lots that the hub holds and this node forgot; asked once before a refusal about lots.
        results: told that a result is waiting.
        witnessed: told that a checkpoint was witnessed.
        failed: told of an error after which nothing may be answered any more: the node must stop.
        clock: gives the time now.
        random: source of challenges.
    """

    def __init__(
        self,
        node: Node,
        *,
        evaluations: EvaluatesBatches | None,
        witness: Witness | None,
        reader: ReadsJournal,
        lots: Callable[[], Awaitable[None]],
        results: Callable[[], None],
        witnessed: Callable[[], None],
        failed: Callable[[BaseException], None],
        clock: Callable[[], datetime],
        random: Callable[[int], bytes],
    ) -> None:
        self._node = node
        self._evaluations = evaluations
        self._witness = witness
        self._reader = reader
        self._lots = lots
        self._results = results
        self._witnessed = witnessed
        self._failed = failed
        self._clock = clock
        self._random = random

    def handlers(self) -> Handlers:
        """What this node answers, by what it is in the convention."""
        partner = bool({"partner", "custodian"} & self._node.convention.member(self._node.member).roles)
        return Handlers(
            evaluate=None if self._evaluations is None else self.evaluate,
            witness=None if self._witness is None else self.witness,
            announce=self.announce if partner else None,
            challenge=self.challenge if partner else None,
            release=self.release if partner else None,
            result=self.result,
        )

    async def evaluate(self, request: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """Evaluate a batch of another member, as its custodian's desk allows."""
        if self._evaluations is None:
            raise Refused("ability", expected="a custodian", found="a member that is none")
        with _Fatal(self._failed):
            return await self._evaluations.answer(request, elements)

    async def witness(self, old_size: int, proof: Sequence[bytes], checkpoint: bytes) -> Sequence[str]:
        """Cosign a checkpoint that extends what this node has seen."""
        if self._witness is None:
            raise Refused("ability", expected="a witness", found="a member that is none")
        with _Fatal(self._failed):
            lines = await self._witness.answer(old_size, proof, checkpoint)
        self._witnessed()
        return lines

    async def result(self, run: bytes) -> None:
        """Take note that a result is waiting; it is fetched beside."""
        _log.info("a result is waiting", run=run.hex())
        self._results()

    async def announce(self, order: bytes) -> Willing | Pending | Declined:
        """Say whether this node would release for an order: checks 1, 2 and 7, as far as they can be made now.

        Raises:
            MalformedStatement: this is not an order at all.
        """
        digest = statement.parse(order, kind="order").digest
        with _Fatal(self._failed):
            try:
                known = await self._judged(order)
            except Refused as error:
                return self._decline(digest, error)
            if known.refusal is not None:
                return Declined(known.refusal)
            standing = self._standing(known)
            try:
                check_policy(self._node.config.policy, standing)
            except Refused as error:
                if waits(self._node.config.policy, standing):
                    _log.info("an order waits for a person", order=digest.hex())
                    return Pending()
                return self._decline(digest, error)
            return Willing()

    async def challenge(self, order: bytes) -> bytes:
        """Draw a challenge for an order that this node would release for; it is durable before it leaves.

        Raises:
            Missing: the order was not announced to this node.
            Refused: this node would not release, or has drawn too many challenges.
        """
        with _Fatal(self._failed):
            known = self._node.ledger.order(order)
            if known is None:
                raise Missing("this order was not announced to this node")
            if known.refusal is not None:
                raise Refused(
                    "policy", expected="an order that this member did not refuse", found="one that it refused"
                )
            check_policy(self._node.config.policy, self._standing(known))
            challenge = self._random(CHALLENGE_BYTES)
            self._node.ledger.keep_challenge(challenge, order, now=self._clock())
            return challenge

    async def release(self, question: ReleaseQuestion) -> tuple[bytes, bytes, bytes]:
        """Judge a release and answer with the signed release, the sealed keys and share, or the signed refusal and nothing.

        Raises:
            MalformedStatement: order or evidence is not a statement of its kind, so that there is nothing to name in
                a refusal.
            Unavailable, BadProof: the hub does not give the journal that this node must read first.
        """
        opened = statement.parse(question.order, kind="order")
        order, order_digest = bodies.read(opened, bodies.Order), opened.digest
        evidence_digest = statement.parse(question.evidence, kind="evidence").digest
        with _Fatal(self._failed):
            await self._read_journal(question.evidence_receipt)
            try:
                plan, keys, words = self._plan(question, order, order_digest)
                target = plan.enclave_key, plan.evidence_digest, plan.order_digest
                try:
                    blob = custody.seal_release(*target, keys) if keys else b""
                    share = b"" if words is None else joint.give_share(*target, question.joint, words)
                finally:
                    wipe(*keys.values())
            except (Refused, Malformed) as error:
                return self._refuse(error, order, order_digest, evidence_digest).raw, b"", b""
            # From here on the challenge is used and the release counted, on disk.
            body = bodies.Release(
                self._node.chain.digest, plan.order_digest, plan.evidence_digest, self._node.member, "released",
                tuple(lot.digest for lot in plan.lots), statement.digest_of(blob) if blob else None, None,
                stamp(self._clock()), statement.digest_of(share) if share else None,
            )  # fmt: skip
            self._note_collateral(plan)
            signed = self._sign(body)
            _log.info(
                "released", order=order_digest.hex(), lots=len(plan.lots), share=bool(share), warrant=plan.warrant
            )
            return signed.raw, blob, share

    # -- steps ----------------------------------------------------------------------------------------------------

    async def _judged(self, order: bytes) -> KnownOrder:
        """Judge an announced order and record it; once, lots that this node forgot are taken over before a refusal."""
        node = self._node
        try:
            self._judge_order(order)
        except Refused as error:
            if error.claim != "lots":
                raise
            # The order is authentic: it is shown to people even though it is refused.
            known = node.ledger.record_order(order, now=self._clock())
            if known.refusal is not None:
                return known
            await self._lots()
            self._judge_order(order)
        return node.ledger.record_order(order, now=self._clock())

    def _judge_order(self, order: bytes) -> None:
        node = self._node
        judge_order(
            order, chain=node.chain, own_lots=node.state.lots(), now=self._clock(), custodian=self._is_custodian()
        )

    def _is_custodian(self) -> bool:
        return "custodian" in self._node.convention.member(self._node.member).roles

    def _plan(
        self, question: ReleaseQuestion, order: bodies.Order, order_digest: bytes
    ) -> tuple[ReleasePlan, dict[bytes, bytes], str | None]:
        """Decide and, in the same transaction, use up the challenge and count the release."""
        node, now = self._node, self._clock()
        with node.state.transaction():
            standing = node.ledger.standing(order_digest, order.purpose, order.period)
            known = Known(
                own_lots=node.state.lots(),
                witnessed_root=lambda size: node.state.witness.root_at(node.convention.origin, size),
                challenge=node.ledger.challenge,
                approvals=node.ledger.approvals(),
                policy=node.config.policy,
                standing=standing,
                trained=node.ledger.model_trained,
                custodian=self._is_custodian(),
            )
            plan = decide(question, chain=node.chain, member=node.member, known=known, now=now)
            keys = self._keys(plan, order.epoch)
            words = shares.for_release(node, order, question.joint)
            if not keys and words is None:
                raise Refused(
                    "share", expected="a share of the models' key", found="none in this node's folder",
                    hint="`vigie-node share list` shows what there is",
                )  # fmt: skip
            node.ledger.count_release(
                challenge=plan.challenge, order=plan.order_digest, evidence=plan.evidence_digest,
                purpose=order.purpose, period=order.period, now=now,
            )  # fmt: skip
        return plan, keys, words

    def _keys(self, plan: ReleasePlan, epoch: int) -> dict[bytes, bytes]:
        """The keys of the lots to release; none for a custodian that owns none of them."""
        if not plan.lots:
            return {}
        try:
            seed = self._node.keyring.epoch_seed(epoch)
        except Missing as error:
            raise Refused(
                "lots",
                expected=f"a seed of epoch {epoch} in this member's keyring",
                found="none: these lots were withdrawn, or this is an old copy of the keyring",
            ) from error
        return {lot.body.lot: custody.lot_key_seed(seed, lot.body.lot) for lot in plan.lots}

    def _note_collateral(self, plan: ReleasePlan) -> None:
        """Remember when the collateral of the hardware ends, and say so when that is soon."""
        end = plan.hardware.verified.renew_before if plan.hardware is not None else None
        if end is None:
            self._node.state.forget(COLLATERAL_END)
            return
        self._node.state.keep(COLLATERAL_END, stamp(end).encode())
        if ends_soon(end, self._clock()):
            _log.warning("the hub must renew the collateral of its hardware", ends=stamp(end))

    async def _read_journal(self, receipt: bytes) -> None:
        """Read the journal up to the checkpoint of a receipt, if this node witnessed it: check 7 asks for its runs."""
        try:
            tree = Checkpoint.parse_text(parse_note(Receipt.parse(receipt).checkpoint).text)
        except Malformed:
            return  # check 3 refuses it with a reason
        root = self._node.state.witness.root_at(self._node.convention.origin, tree.size)
        if root is not None:
            await self._reader.read_to(tree.size, root)

    def _standing(self, known: KnownOrder) -> Standing:
        body = known.body
        return self._node.ledger.standing(known.digest, body.purpose, body.period)

    def _decline(self, digest: bytes, error: Refused) -> Declined:
        order = self._node.ledger.order(digest)
        reason = reason_of(error)
        signed = self._sign(self._refusal(digest, None, reason))
        _log.warning("refused an order", order=digest.hex(), claim=reason.claim, found=reason.found)
        if order is None or error.claim == "order":
            # Not authentic, or not to be judged now: nothing of it is kept, for the true order has the same digest.
            return Declined(signed.raw)
        body = order.body
        self._node.ledger.note_refused(
            reason, order=digest, evidence=None, purpose=body.purpose, period=body.period, now=self._clock()
        )
        # The same answer for every further announcement: the hub journals it once.
        return Declined(self._node.ledger.keep_refusal(digest, signed.raw))

    def _refuse(
        self, error: VigieError, order: bodies.Order, order_digest: bytes, evidence_digest: bytes
    ) -> statement.Statement:
        reason = reason_of(error)
        signed = self._sign(self._refusal(order_digest, evidence_digest, reason))
        self._node.ledger.note_refused(
            reason, order=order_digest, evidence=evidence_digest, purpose=order.purpose, period=order.period,
            now=self._clock(),
        )  # fmt: skip
        _log.warning("refused a release", order=order_digest.hex(), claim=reason.claim, found=reason.found)
        return signed

    def _refusal(self, order: bytes, evidence: bytes | None, reason: bodies.Reason) -> bodies.Release:
        node = self._node
        return bodies.Release(
            node.chain.digest, order, evidence, node.member, "refused", (), None, reason, stamp(self._clock())
        )

    def _sign(self, body: bodies.Release) -> statement.Statement:
        return statement.sign_text(bodies.text_for(body), [self._node.keyring.signer("signing")])


class _Fatal:
    """Reports errors of our own state: after one, what is on disk is unknown and the node must stop."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StateError | sqlite3.Error):
            self._failed(error)
