"""Sharing a perimeter: the owner's side, from a list of companies to a receipt, resumable at every step.

As with lots (:mod:`vigie_node.sending`), the same companies for the same period are the same perimeter by whatever path
they come again, also on a node that lost its state: what is current is asked of the hub first. The order of durable steps
is: sealed parts and signed statement in the spool, commit at the hub, receipt in the store, spool forgotten.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import grpc.aio
import pyarrow as pa
import pyarrow.compute as pc

from vigie import authority, perimeter, sealing, sizes
from vigie import statement as statements
from vigie.bodies import Perimeter, PerimeterShare, read, text_for
from vigie.chain import ConventionChain
from vigie.clock import stamp, utc_now
from vigie.convention import Convention, PerimeterRule
from vigie.datasets import PSEUDONYM, SIREN
from vigie.errors import ExtractError, Refused, StateError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.keyring import Keyring
from vigie.perimeter import Place
from vigie.segment import segment_id, segment_root
from vigie_node.folder import Node
from vigie_node.lot import SealedSegment
from vigie_node.outbox import Sealed, Spool, SpooledLot, hand_over
from vigie_node.perimeter.rule import month
from vigie_node.perimeter.store import KeptPerimeter, PerimeterStore
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.pseudonyms.opened import pseudonyms_for
from vigie_node.wire import Hub
from vigie_node.wire_perimeter import PerimeterHub

SHRINK: Final = 0.8
"""A perimeter whose size class is below this share of the one that it replaces must be confirmed."""

Progress = Callable[[str, int, int], None]
"""Called with (step, done, total); steps are ``pseudonymise``, ``seal``, ``send``."""


@dataclass(frozen=True)
class Shared:
    """What became of a perimeter: what is kept of it, whether it had been shared before, parts sent now."""

    kept: KeptPerimeter
    again: bool
    parts_sent: int


@dataclass
class Sharer:
    """The owner's side of sharing.

    Attributes:
        chain: the accepted conventions.
        keyring: this member's opened keyring.
        store: where the perimeter is kept, for this node's own filtering.
        spool: where sealed perimeters wait; a folder of their own.
        hub: the hub's service.
        clock: gives the current time, UTC.
        progress: told how far each step is.
    """

    chain: ConventionChain
    keyring: Keyring
    store: PerimeterStore
    spool: Spool
    hub: PerimeterHub
    clock: Callable[[], datetime]
    progress: Progress = lambda _step, _done, _total: None

    def rule(self) -> PerimeterRule:
        """Return the convention's rule, which this member must be the owner of.

        Raises:
            Refused: claim ``owner``.
        """
        rule, member = self.chain.current.perimeter, self.keyring.member
        if rule is None or rule.owner != member:
            raise Refused(
                "owner",
                expected=f"{rule.owner}, who works the perimeter out" if rule else "a convention with a perimeter",
                found=member if rule else "one without",
                hint="only the owner that the convention names shares a perimeter",
            )
        return rule

    async def share(self, pseudonyms: Sequence[bytes], period: str, *, shrink_confirmed: bool = False) -> Shared:
        """Share the companies of a period with the recipients that the convention names.

        Args:
            pseudonyms: of the companies, of the current epoch, each once.
            period: ``YYYY-MM``.
            shrink_confirmed: a much smaller perimeter is meant.

        Raises:
            ConfigError: ``period`` is not a month.
            ExtractError: there is no company.
            Refused: this member is not the owner, or the perimeter does not fit what is current.
            Unavailable: the hub cannot be reached; the same call later goes on where this one stopped.
        """
        rule = self.rule()
        month(period)
        if not pseudonyms:
            raise ExtractError("a perimeter without any company is not shared", hint="is the list of companies whole?")
        self.chain.check_in_force(self.clock())
        epoch = self.chain.current.epoch_at(self.clock().date()).number
        ordered = sorted(pseudonyms)
        current = await self._current(epoch)
        if current is not None and self._is_same(current, epoch, period, ordered):
            kept = self._keep(current.statement, current.receipt, ordered)
            return Shared(kept, True, 0)
        self._check_fits(current, period, len(ordered), shrink_confirmed)
        supersedes = None if current is None else current.body.perimeter
        id_ = self._id(epoch, period, ordered, supersedes)
        spooled = self._spooled(id_) or self._seal(rule, id_, epoch, period, ordered, supersedes)
        return await self._deposit(spooled, ordered)

    # -- what is there already

    async def _current(self, epoch: int) -> KeptPerimeter | None:
        statement, receipt = await self.hub.current(epoch)
        if not statement:
            return None
        judged = authority.judge(statement, self.chain, kind="perimeter")
        verify_receipt(Receipt.parse(receipt), judged.statement.raw, judged.convention.log_key())
        return KeptPerimeter(self.chain.current.id, self.keyring.member, statement, receipt, b"")

    def _is_same(self, current: KeptPerimeter, epoch: int, period: str, pseudonyms: Sequence[bytes]) -> bool:
        """Whether the current perimeter holds these companies, for today's recipients and their keys of today."""
        body, named = current.body, self.chain.by_digest(current.body.convention)
        return (
            (body.owner, body.epoch, body.period) == (self.keyring.member, epoch, period)
            and body.perimeter == self._id(epoch, period, pseudonyms, body.supersedes)
            and named is not None
            and _keys(named) == _keys(self.chain.current)
        )

    def _check_fits(self, current: KeptPerimeter | None, period: str, companies: int, shrink_confirmed: bool) -> None:
        if current is None:
            return
        last = current.body
        if period < last.period:
            raise Refused(
                "period",
                expected=f"{last.period} or later, as the perimeter that it would replace",
                found=period,
                hint="an older perimeter never takes the place of a newer one; is --period right?",
            )
        if not shrink_confirmed and sizes.count_class(companies) < SHRINK * last.companies_class:
            raise Refused(
                "shrink",
                expected=f"at least {SHRINK:.0%} of the companies of the perimeter that it replaces",
                found="a much smaller perimeter",
                hint="was the list cut off? if the loss is meant, add --confirm-shrink",
            )

    def _id(self, epoch: int, period: str, pseudonyms: Sequence[bytes], supersedes: bytes | None) -> bytes:
        return perimeter.perimeter_id(
            self.keyring.epoch_seed(epoch), owner=self.keyring.member, convention_id=self.chain.current.id, epoch=epoch,
            period=period, supersedes=supersedes, pseudonyms=pseudonyms,
        )  # fmt: skip

    # -- sealing and sending

    def _spooled(self, id_: bytes) -> SpooledLot | None:
        """The sealed perimeter in the spool, unless it was sealed under a convention that was amended since."""
        found = self.spool.find(id_)
        if found is None or read(statements.parse(found.statement), Perimeter).convention == self.chain.digest:
            return found
        self.spool.forget(id_)
        return None

    def _seal(
        self, rule: PerimeterRule, id_: bytes, epoch: int, period: str, pseudonyms: Sequence[bytes],
        supersedes: bytes | None,
    ) -> SpooledLot:  # fmt: skip
        convention = self.chain.current
        recipients = sorted(rule.shared_with)
        sealed = self.spool.seal(id_, len(recipients), self._parts(recipients, id_, epoch, period, pseudonyms))
        shares = dict(zip(recipients, _shares(sealed), strict=True))
        body = Perimeter(
            convention=convention.digest, epoch=epoch, perimeter=id_, period=period, owner=self.keyring.member,
            recipients={
                name: PerimeterShare(segment_root(ids), size, len(ids)) for name, (ids, size) in shares.items()
            },
            companies_class=sizes.count_class(len(pseudonyms)), supersedes=supersedes, created=stamp(self.clock()),
        )  # fmt: skip
        statement = statements.sign_text(text_for(body), [self.keyring.signer("signing")])
        return self.spool.complete(id_, statement.raw, sealed)

    def _parts(
        self, recipients: Sequence[str], id_: bytes, epoch: int, period: str, pseudonyms: Sequence[bytes]
    ) -> Iterator[SealedSegment]:
        convention, seed = self.chain.current, self.keyring.epoch_seed(epoch)
        for number, name in enumerate(recipients):
            place = Place(convention.id, id_, epoch, period, name)
            key = convention.member(name).sealing
            if key is None:  # excluded by the reader of conventions: a partner has one
                raise StateError(f"the convention names no sealing key of {name}")
            for part, plain in enumerate(perimeter.cut(perimeter.filled(seed, place, pseudonyms))):
                ciphertext = sealing.seal(key, place.info(part), plain)
                yield SealedSegment(number, part, segment_id(ciphertext), ciphertext)
            self.progress("seal", number + 1, len(recipients))

    async def _deposit(self, spooled: SpooledLot, pseudonyms: Sequence[bytes]) -> Shared:
        body = read(statements.parse(spooled.statement, kind="perimeter"), Perimeter)
        shares = {name: ids for name, (ids, _) in zip(sorted(body.recipients), _shares(spooled.sealed), strict=True)}
        begun = await self.hub.begin(spooled.statement, shares)
        given = await hand_over(
            spooled, begun, self.hub, lambda done, total: self.progress("send", done, total), part="part"
        )
        judged = authority.judge(given.statement, self.chain, kind="perimeter")
        if judged.body.perimeter != spooled.lot or judged.body.owner != self.keyring.member:
            raise StateError("the hub's receipt is for another perimeter", hint="keep the spool and tell the auditor")
        verify_receipt(Receipt.parse(given.receipt), judged.statement.raw, judged.convention.log_key())
        return Shared(self._keep(given.statement, given.receipt, pseudonyms), False, given.sent)

    def _keep(self, statement: bytes, receipt: bytes, pseudonyms: Sequence[bytes]) -> KeptPerimeter:
        """Keep the owner's own marks, without decoys: it filters by them like everybody else."""
        body, member = read(statements.parse(statement), Perimeter), self.keyring.member
        place = Place(self.chain.current.id, body.perimeter, body.epoch, body.period, member)
        marks = b"".join(sorted(place.marks(pseudonyms)))
        kept = KeptPerimeter(self.chain.current.id, member, statement, receipt, marks)
        self.store.keep(kept)
        self.spool.forget(body.perimeter)
        return kept


async def share(
    node: Node,
    channel: grpc.aio.Channel,
    sirens: pa.Array,
    period: str,
    *,
    shrink_confirmed: bool = False,
    progress: Progress = lambda _step, _done, _total: None,
) -> Shared:
    """Share a set of companies from an opened node: pseudonyms first, which cost only the companies that are new.

    Args:
        node: the owner's node.
        channel: to its hub.
        sirens: nine-digit texts, each once.
        period: ``YYYY-MM``.
        shrink_confirmed: a much smaller perimeter is meant.
        progress: told how far each step is.

    Raises:
        As :meth:`Sharer.share` and :func:`vigie_node.pseudonyms.pseudonymise.pseudonymise`.
    """
    with PerimeterStore(node.folder.perimeter, utc_now) as store, PseudonymCache(node.folder.pseudonyms) as cache:
        sharer = Sharer(
            node.chain, node.keyring, store, Spool(node.folder.perimeters), PerimeterHub(channel), utc_now, progress
        )
        sharer.rule()
        month(period)
        node.chain.check_in_force(utc_now())
        table = await pseudonyms_for(node, Hub(channel), cache, sirens, progress)
        places = pc.index_in(sirens, value_set=table[SIREN].combine_chunks())
        pseudonyms = table[PSEUDONYM].combine_chunks().take(places)
        return await sharer.share(pseudonyms.to_pylist(), period, shrink_confirmed=shrink_confirmed)


def _shares(sealed: Sealed) -> Iterator[tuple[tuple[bytes, ...], int]]:
    """Ids and bytes of each recipient's parts, in the order in which they were sealed."""
    start = 0
    for parts in sealed.parts_per_bucket:
        yield sealed.ids[start : start + parts], sum(sealed.sizes[start : start + parts])
        start += parts


def _keys(convention: Convention) -> dict[str, bytes | None]:
    """The recipients of a convention's perimeter and the keys that it is sealed to."""
    rule = convention.perimeter
    return {} if rule is None else {name: convention.member(name).sealing for name in rule.shared_with}
