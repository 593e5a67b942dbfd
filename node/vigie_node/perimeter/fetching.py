"""Fetching the perimeter: a recipient's side. Everything that proves it is checked before a byte of it is opened.

What comes out are marks, not companies: this node learns which of the companies that it holds are inside, and of the others
only how many there are, up to a size class (docs/adr/0012).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import grpc.aio

from vigie import authority, perimeter
from vigie.bodies import Perimeter
from vigie.chain import ConventionChain
from vigie.clock import utc_now
from vigie.errors import BadProof, Missing, Refused
from vigie.journal.proof import Receipt, verify_receipt
from vigie.keyring import Keyring
from vigie.perimeter import Place
from vigie.segment import segment_id, segment_root
from vigie_node.folder import Node
from vigie_node.history import Consistency, same_history
from vigie_node.perimeter.seen import is_outdated
from vigie_node.perimeter.store import KeptPerimeter, PerimeterStore
from vigie_node.state import NodeState
from vigie_node.wire import Hub
from vigie_node.wire_perimeter import PerimeterHub

MOST_PARTS: Final = 4096
"""The most parts that this node takes in; each holds 65 534 companies."""


@dataclass
class PerimeterFetcher:
    """A recipient's side of the perimeter.

    Attributes:
        chain: the accepted conventions.
        keyring: this member's opened keyring.
        state: the node's durable state, for what it witnessed.
        store: where the perimeter is kept.
        hub: the hub's service.
        consistency: asks the hub for proofs between two trees of its journal.
        clock: gives the current time, UTC.
    """

    chain: ConventionChain
    keyring: Keyring
    state: NodeState
    store: PerimeterStore
    hub: PerimeterHub
    consistency: Consistency
    clock: Callable[[], datetime]

    async def fetch(self) -> tuple[KeptPerimeter, bool]:
        """Fetch the current perimeter of the current epoch; return it, and whether it is new here.

        1. The convention shares a perimeter with this member.
        2. The statement is signed by the owner that the current convention names, is for this epoch, and names this member.
        3. It is in the journal, in the history that this node witnessed.
        4. It does not come before the perimeter that is kept already, nor before one that this node read of.
        5. The sealed parts are those that it names for this member, all of them, in their order.
        6. They open at their place, and hold as many marks as the statement says.

        Raises:
            Refused: steps 1, 2 and 4.
            Missing: the owner has shared none for this epoch.
            Malformed, Untrusted: steps 2, 3, 5 and 6; nothing of it is kept.
            Unavailable: the hub cannot be reached.
        """
        # (1)
        convention, member = self.chain.current, self.keyring.member
        rule = convention.perimeter
        if rule is None or member not in rule.shared_with:
            raise Refused(
                "perimeter",
                expected="a convention that shares a perimeter with this member",
                found="none" if rule is None else f"one that shares it with {', '.join(rule.shared_with)}",
                hint="the owner keeps its own: `vigie-node perimeter share`" if rule and rule.owner == member else "",
            )
        epoch = convention.epoch_at(self.clock().date()).number
        statement, receipt = await self.hub.current(epoch)
        if not statement:
            raise Missing(
                f"{rule.owner} has shared no perimeter for epoch {epoch} yet", hint="ask them, then fetch again"
            )
        # (2)
        judged = authority.judge(statement, self.chain, kind="perimeter")
        body: Perimeter = judged.body
        _check_for(body, rule.owner, epoch, member)
        # (3)
        opened = verify_receipt(Receipt.parse(receipt), judged.statement.raw, judged.convention.log_key())
        await same_history(self.state, convention.origin, opened.checkpoint, self.consistency, "this perimeter")
        # (4)
        kept, fresh = self.store.find(epoch), KeptPerimeter(convention.id, member, statement, receipt, b"")
        if kept is not None and kept.member == member:
            if kept.digest == fresh.digest and not is_outdated(self.state, kept):
                return kept, False
            if fresh.journal_place < kept.journal_place or body.period < kept.body.period:
                raise Refused(
                    "replay",
                    expected=f"a perimeter shared after the one of {kept.body.period} that is here",
                    found=f"an earlier one, of {body.period}",
                    hint="the hub shows an old perimeter: keep the folder and tell the auditor",
                )
        if is_outdated(self.state, fresh):
            raise Refused(
                "replay",
                expected="the newest perimeter that this node read of in the journal",
                found=f"an earlier one, for {body.period}",
                hint="the hub withholds the newest perimeter: keep the folder and tell the auditor",
            )
        # (5)
        marks = await self._marks(body, judged.statement.digest)
        fresh = KeptPerimeter(convention.id, member, statement, receipt, marks)
        self.store.keep(fresh)
        return fresh, True

    async def _marks(self, body: Perimeter, digest: bytes) -> bytes:
        member = self.keyring.member
        named = body.recipients[member]
        if named.parts > MOST_PARTS:
            raise Refused("parts", expected=f"at most {MOST_PARTS} parts", found=str(named.parts))
        parts = await self.hub.fetch(digest, most=named.parts)
        ids = [segment_id(part) for part in parts]
        if len(ids) != named.parts or sum(map(len, parts)) != named.bytes or segment_root(ids) != named.digest:
            raise BadProof(
                "the sealed parts are not those that the perimeter's statement names for this member",
                hint="the hub altered, dropped or mixed parts: tell the auditor",
            )
        # (6)
        place = Place(self.chain.current.id, body.perimeter, body.epoch, body.period, member)
        key = self.keyring.sealing()
        return perimeter.join(
            (key.open(place.info(number), part) for number, part in enumerate(parts)), body.companies_class
        )


def _check_for(body: Perimeter, owner: str, epoch: int, member: str) -> None:
    if body.owner != owner:
        raise Refused("owner", expected=f"a perimeter of {owner}, as the convention says now", found=body.owner)
    if body.epoch != epoch:
        raise Refused("epoch", expected=f"a perimeter of epoch {epoch}", found=f"one of epoch {body.epoch}")
    if member not in body.recipients:
        raise Refused(
            "recipient", expected=f"a perimeter that is shared with {member}", found="one made before it was",
            hint=f"{owner} must share it again under the amended convention",
        )  # fmt: skip


async def fetch(node: Node, channel: grpc.aio.Channel) -> tuple[KeptPerimeter, bool]:
    """Fetch the perimeter for an opened node; return it, and whether it is new here.

    Raises:
        As :meth:`PerimeterFetcher.fetch`.
    """
    with PerimeterStore(node.folder.perimeter, utc_now) as store:
        fetcher = PerimeterFetcher(
            node.chain, node.keyring, node.state, store, PerimeterHub(channel), Hub(channel).consistency, utc_now
        )
        return await fetcher.fetch()
