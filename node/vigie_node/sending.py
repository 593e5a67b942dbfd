"""Sending an extract: from a checked dataset to a receipt, resumable at every step, and never twice.

The same content has the same lot id by whatever path it comes again (protocol section 5), also on a node that lost its
state: what was committed is asked of the hub first. The order of durable steps is: segments in the spool, signed
statement, manifest, commit at the hub, receipt in the state, spool forgotten. A cut anywhere resumes at that step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa

from vigie import authority, custody, sizes
from vigie.bodies import Lot, Quality, text_for
from vigie.chain import ConventionChain
from vigie.clock import stamp
from vigie.convention import DatasetRule
from vigie.errors import ExtractError, Refused, StateError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.keyring import Keyring
from vigie.segment import segment_root
from vigie.statement import sign_text
from vigie_node.extracts.canonical import Checked
from vigie_node.lot import PseudonymisedRows
from vigie_node.outbox import Spool, SpooledLot, hand_over
from vigie_node.perimeter.seen import is_outdated
from vigie_node.perimeter.store import KeptPerimeter, PerimeterStore, binding, drop_outside
from vigie_node.state import NodeState, OwnLot, current
from vigie_node.wire import Hub
from vigie_node.withdrawals import take as take_erasure

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total); steps are ``digest``, ``seal``, ``send``."""

SHRINK = 0.8
"""A snapshot with fewer rows than this share of the one that it supersedes must be confirmed."""


@dataclass(frozen=True)
class Terms:
    """What the operator says about a delivery; nothing of it is ever guessed.

    Attributes:
        period: the month that the extract is for, ``YYYY-MM``.
        as_of: the day on which the data was true.
        delivery: ``snapshot`` (the whole history) or ``delta`` (what changed since the snapshot it is based on).
        shrink_confirmed: a smaller snapshot is meant.
    """

    period: str
    as_of: date
    delivery: str = "snapshot"
    shrink_confirmed: bool = False


@dataclass(frozen=True)
class Sent:
    """What became of a delivery: the committed lot, whether it had been committed before, segments sent now."""

    lot: OwnLot
    again: bool
    segments_sent: int


@dataclass
class Sender:
    """A partner's side of depositing.

    Attributes:
        chain: the accepted conventions.
        keyring: this member's opened keyring.
        state: the node's durable state.
        spool: where sealed lots wait.
        hub: the hub's services.
        clock: gives the current time, UTC.
        progress: told how far each step is.
        perimeters: the perimeter that this node filters by, where the convention asks for one.
    """

    chain: ConventionChain
    keyring: Keyring
    state: NodeState
    spool: Spool
    hub: Hub
    clock: Callable[[], datetime]
    progress: Progress = field(default=lambda _step, _done, _total: None)
    perimeters: PerimeterStore | None = None

    async def recover(self) -> int:
        """Take over from the hub the lots that this node no longer remembers; return how many.

        Raises:
            BadSignature: the hub offers a lot that this member did not sign.
            BadProof: a lot is not in the journal.
        """
        found = 0
        for raw in await self.hub.erasures():
            take_erasure(raw, self.chain, self.keyring, self.state.withdrawals)
        for one in await self.hub.lots():
            judged = authority.judge(one.statement, self.chain, kind="lot")
            body = judged.body
            if not isinstance(body, Lot) or body.partner != self.keyring.member:
                raise Refused("partner", expected="lots of this member", found="a lot of another member")
            verify_receipt(Receipt.parse(one.receipt), judged.statement.raw, judged.convention.log_key())
            if self.state.lot_by_id(body.lot) is None:
                self.state.record_lot(one.statement, one.receipt, now=self.clock())
                found += 1
        return found

    def rule(self, dataset: str) -> DatasetRule:
        """Return the convention's rule for a dataset that this member may deposit.

        Raises:
            Refused: the convention does not let this member deposit it.
        """
        convention = self.chain.current
        rule = convention.datasets.get(dataset)
        if rule is None or not convention.may_deposit(self.keyring.member, dataset):
            mine = [name for name in convention.datasets if convention.may_deposit(self.keyring.member, name)]
            raise Refused(
                "dataset",
                expected=f"a dataset of {self.keyring.member}: {', '.join(mine) or 'none'}",
                found=dataset,
                hint="is the file named after its dataset?",
            )
        return rule

    async def send(self, checked: Checked, terms: Terms, pseudonyms: pa.Table) -> Sent:
        """Deposit one checked dataset and return its receipt.

        Args:
            checked: the dataset, already checked.
            terms: what the operator says of it.
            pseudonyms: ``siren`` and ``pseudonym`` of every company in it.

        Raises:
            ExtractError: too many rows were rejected, or nothing is left to send.
            Refused: the convention or the hub does not take the lot, or there is no perimeter to filter by.
            Unavailable: the hub cannot be reached; the same command later goes on where this one stopped.
        """
        self.admit(checked)
        self._filter(checked, pseudonyms)
        await self.recover()
        convention = self.chain.current
        epoch = convention.epoch_at(self.clock().date()).number
        if epoch in self.state.withdrawals.epochs():
            raise Refused(
                "epoch",
                expected="an epoch that this member has not withdrawn",
                found=f"epoch {epoch}, which it has",
                hint="the convention must be amended with a new epoch",
            )
        seed = self.keyring.epoch_seed(epoch)
        keyed = PseudonymisedRows(checked, pseudonyms, convention.buckets)
        digest = keyed.digest(lambda done, total: self.progress("digest", done, total))
        before = self._committed_before(checked.dataset.name, epoch, seed, terms, digest)
        if before is not None:
            self.spool.forget(before.body.lot)
            return Sent(before, True, 0)
        base, supersedes = self._place(checked.dataset.name, epoch, terms, keyed.rows)
        lot = custody.lot_id(
            seed, partner=self.keyring.member, dataset=checked.dataset.name, schema=checked.dataset.schema,
            period=terms.period, delivery=terms.delivery, base=base, supersedes=supersedes, rows_digest=digest,
        )  # fmt: skip
        spooled = self.spool.find(lot) or self._seal(lot, seed, epoch, checked, terms, keyed, base, supersedes)
        return await self._deposit(spooled)

    def admit(self, checked: Checked) -> None:
        """Refuse a dataset that may not be sent, before anything is asked of anybody.

        Raises:
            Refused: the convention does not let this member deposit it, or asks for a perimeter that is not here.
            ExtractError: too many rows were rejected, or nothing is left to send.
        """
        rule = self.rule(checked.dataset.name)
        report = checked.report
        if report.rejected_share > rule.maximum_rejected:
            raise ExtractError(
                f"{', '.join(report.files)}: {report.rejected} of {report.parsed} rows rejected, more than the "
                f"{rule.maximum_rejected:.1%} that the convention allows; nothing was sent",
                hint="run `vigie-node check` on the file: it lists every rejected row with its place",
            )
        if not report.rows:
            raise ExtractError(f"{', '.join(report.files)}: no row is left to send", hint="run `vigie-node check`")
        self._perimeter()

    def _perimeter(self) -> KeptPerimeter | None:
        kept = binding(self.chain.current, self.keyring.member, self.clock().date(), self.perimeters)
        if kept is not None and is_outdated(self.state, kept):
            raise Refused(
                "perimeter",
                expected="the newest perimeter that this node read of in the journal",
                found=f"an earlier one, for {kept.body.period}",
                hint="run `vigie-node perimeter fetch`, then send again",
            )
        return kept

    def _filter(self, checked: Checked, pseudonyms: pa.Table) -> None:
        """Drop the rows about companies outside the perimeter, where the convention asks for that."""
        kept = self._perimeter()
        if kept is None:
            return
        drop_outside(checked, kept, pseudonyms)
        if not checked.report.rows:
            raise ExtractError(
                f"{', '.join(checked.report.files)}: no row is left to send, every company is outside the perimeter",
                hint="`vigie-node perimeter show` tells which perimeter counts here",
            )

    def _committed_before(self, dataset: str, epoch: int, seed: bytes, terms: Terms, digest: bytes) -> OwnLot | None:
        """Return the committed lot that holds exactly this content for this period, if there is one."""
        for lot in self.state.lots(dataset):
            body = lot.body
            if (body.period, body.delivery, body.epoch) != (terms.period, terms.delivery, epoch):
                continue
            same = custody.lot_id(
                seed, partner=body.partner, dataset=body.dataset, schema=body.schema, period=body.period,
                delivery=body.delivery, base=body.base, supersedes=body.supersedes, rows_digest=digest,
            )  # fmt: skip
            if same == body.lot:
                return lot
        return None

    def _place(self, dataset: str, epoch: int, terms: Terms, rows: int) -> tuple[bytes | None, bytes | None]:
        """Return (base, supersedes) of a new lot, from the lots that are current now."""
        # Of whatever epoch: the snapshot of a new one takes the place of the old one's.
        snapshots = [lot for lot in current(self.state.lots(dataset)) if lot.body.delivery == "snapshot"]
        if terms.delivery == "delta":
            if not snapshots or snapshots[-1].body.epoch != epoch:
                raise Refused(
                    "base",
                    expected=f"a snapshot of {dataset} of epoch {epoch} to base a delta on",
                    found=f"one of epoch {snapshots[-1].body.epoch}" if snapshots else "none",
                    hint="send a snapshot first",
                )
            return snapshots[-1].body.lot, None
        if not snapshots:
            return None, None
        last = snapshots[-1].body
        if terms.period < last.period:
            raise Refused(
                "period",
                expected=f"{last.period} or later, as the snapshot that it would supersede",
                found=terms.period,
                hint="older data would take the place of newer; is --period right?",
            )
        if not terms.shrink_confirmed and sizes.count_class(rows) < SHRINK * last.rows_class:
            raise Refused(
                "shrink",
                expected=f"at least {SHRINK:.0%} of the rows of the snapshot that it supersedes",
                found="a much smaller snapshot",
                hint="was the export cut off? if the loss is meant, add --confirm-shrink",
            )
        return None, last.lot

    def _seal(
        self, lot: bytes, seed: bytes, epoch: int, checked: Checked, terms: Terms, keyed: PseudonymisedRows,
        base: bytes | None, supersedes: bytes | None,
    ) -> SpooledLot:  # fmt: skip
        convention = self.chain.current
        key = custody.lot_public_key(seed, lot)
        segments = keyed.sealed(
            convention_id=convention.id, lot=lot, lot_key=key,
            progress=lambda done, total: self.progress("seal", done, total),
        )  # fmt: skip
        sealed = self.spool.seal(lot, convention.buckets, segments)
        report = checked.report
        body = Lot(
            convention=self.chain.digest, epoch=epoch, lot=lot, lot_key=key, partner=self.keyring.member,
            dataset=checked.dataset.name, schema=checked.dataset.schema, period=terms.period,
            as_of=terms.as_of.isoformat(), delivery="delta" if terms.delivery == "delta" else "snapshot",
            base=base, supersedes=supersedes, shrink_confirmed=terms.shrink_confirmed,
            rows_class=sizes.count_class(keyed.rows), companies_class=sizes.count_class(keyed.companies),
            bytes=sealed.bytes, segments=len(sealed.ids), segment_root=segment_root(sealed.ids),
            quality=Quality(report.parsed, report.valid, report.rejected, report.skipped, sum(report.warnings.values())),
            created=stamp(self.clock()),
        )  # fmt: skip
        statement = sign_text(text_for(body), [self.keyring.signer("signing")])
        return self.spool.complete(lot, statement.raw, sealed)

    async def _deposit(self, spooled: SpooledLot) -> Sent:
        sealed = spooled.sealed
        begun = await self.hub.begin(spooled.statement, sealed.ids, sealed.parts_per_bucket)
        given = await hand_over(spooled, begun, self.hub, lambda done, total: self.progress("send", done, total))
        return Sent(self._receive(spooled.lot, given.statement, given.receipt), False, given.sent)

    def _receive(self, lot: bytes, statement: bytes, receipt: bytes) -> OwnLot:
        judged = authority.judge(statement, self.chain, kind="lot")
        if not isinstance(judged.body, Lot) or judged.body.lot != lot:
            raise StateError("the hub's receipt is for another lot", hint="keep the spool and tell the auditor")
        verify_receipt(Receipt.parse(receipt), judged.statement.raw, judged.convention.log_key())
        recorded = self.state.record_lot(statement, receipt, now=self.clock())
        self.spool.forget(lot)
        return recorded
