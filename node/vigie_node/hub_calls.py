"""The daemon's own calls to the hub, beside the stream on which it answers: entries, approvals, forgotten lots, results.

They share one channel, which gRPC reconnects by itself. The rule: what the hub answers is claimed data, and each
caller verifies it against what this node knows.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import grpc.aio
import structlog

from vigie.client_journal import JournalClient
from vigie_node.folder import Node
from vigie_node.wire import Hub

_log = structlog.get_logger("vigie.node")


class HubCalls:
    """Calls to a node's hub.

    Args:
        node: the opened node.
        clock: gives the time now.
    """

    def __init__(self, node: Node, clock: Callable[[], datetime]) -> None:
        self._node = node
        self._clock = clock
        self._channels: dict[bytes, grpc.aio.Channel] = {}

    @classmethod
    @asynccontextmanager
    async def connected(cls, node: Node, *, clock: Callable[[], datetime]) -> AsyncIterator["HubCalls"]:
        """Calls for as long as the block lasts."""
        calls = cls(node, clock)
        try:
            yield calls
        finally:
            for channel in calls._channels.values():
                await channel.close()

    def _channel(self) -> grpc.aio.Channel:
        """The channel under the newest convention, which may name another certificate of the hub than the one before.

        An older channel stays open until the end: closing it would cut the calls that are on it.
        """
        digest = self._node.chain.digest
        if digest not in self._channels:
            self._channels[digest] = self._node.channel()
        return self._channels[digest]

    async def entries(self, start: int, limit: int) -> Sequence[bytes]:
        """Return entries of the journal from ``start`` on, at most ``limit``.

        Raises:
            VigieError: the hub cannot be reached or refuses.
        """
        return await JournalClient(self._channel()).entries(start, limit)

    async def submit(self, statement: bytes) -> bytes:
        """Put a statement of this member into the journal; return its receipt, unverified.

        Raises:
            VigieError: the hub cannot be reached or refuses it.
        """
        return await Hub(self._channel()).submit(statement)

    async def recover_lots(self) -> None:
        """Take over own committed lots that this node does not remember, each verified (`vigie_node.sending`).

        Raises:
            VigieError: the hub cannot be reached, or offers what does not verify.
        """
        if "partner" not in self._node.convention.member(self._node.member).roles:
            return
        from vigie_node.outbox import Spool
        from vigie_node.sending import Sender

        node = self._node
        sender = Sender(
            node.chain, node.keyring, node.state, Spool(node.folder.spool), Hub(self._channel()), self._clock
        )
        found = await sender.recover()
        if found:
            _log.info("took over lots that this node had forgotten", lots=found)

    async def fetch_shares(self) -> None:
        """Fetch, check and keep this custodian's shares of the joint keys (`vigie_node.shares`).

        Raises:
            VigieError: the hub cannot be reached, or a share does not verify.
        """
        from vigie_node.shares import fetch
        from vigie_node.wire_custody import CustodyHub

        await fetch(self._node, CustodyHub(self._channel()))

    async def fetch_results(self) -> None:
        """Fetch, check and open every result that waits for this member (`vigie_node.fetching`).

        Raises:
            VigieError: the hub cannot be reached, or a result does not verify.
        """
        if "partner" not in self._node.convention.member(self._node.member).roles:
            return
        from vigie_node.fetching import fetch_all

        opened = await fetch_all(self._node, self._channel())
        if opened:
            _log.info("opened results", results=opened)
