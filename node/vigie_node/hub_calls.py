"""The daemon's own calls to the hub, beside the stream on which it answers: entries, approvals, forgotten lots, results.

One channel for all of them; gRPC reconnects it by itself. The rule: what the hub answers is claimed data, and each
caller verifies it against what this node knows.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import grpc.aio
import structlog

from vigie.client import our_errors
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_node.folder import Node

_log = structlog.get_logger("vigie.node")


class HubCalls:
    """Calls over one channel.

    Args:
        node: the opened node.
        channel: to its hub.
        clock: gives the time now.
    """

    def __init__(self, node: Node, channel: grpc.aio.Channel, clock: Callable[[], datetime]) -> None:
        self._node = node
        self._channel = channel
        self._clock = clock
        self._journal = rpc.JournalStub(channel)

    @classmethod
    @asynccontextmanager
    async def connected(cls, node: Node, *, clock: Callable[[], datetime]) -> AsyncIterator["HubCalls"]:
        """Open the channel for as long as the block lasts."""
        channel = node.channel()
        try:
            yield cls(node, channel, clock)
        finally:
            await channel.close()

    async def entries(self, start: int, limit: int) -> Sequence[bytes]:
        """Return entries of the journal from ``start`` on, at most ``limit``.

        Raises:
            VigieError: the hub cannot be reached or refuses.
        """
        with our_errors():
            answer = await self._journal.Entries(
                pb.EntriesRequest(start=start, limit=limit), timeout=self._node.config.limits.call_seconds
            )
        return tuple(answer.entries)

    async def submit(self, statement: bytes) -> bytes:
        """Put a statement of this member into the journal and return its receipt.

        Raises:
            VigieError: the hub cannot be reached or refuses it.
        """
        with our_errors():
            answer = await self._journal.Submit(
                pb.SubmitRequest(statement=statement), timeout=self._node.config.limits.call_seconds
            )
        return answer.receipt

    async def recover_lots(self) -> None:
        """Take over own committed lots that this node does not remember, each verified (`vigie_node.sending`).

        Raises:
            VigieError: the hub cannot be reached, or offers what does not verify.
        """
        if "partner" not in self._node.convention.member(self._node.member).roles:
            return
        from vigie_node.outbox import Spool
        from vigie_node.sending import Sender
        from vigie_node.wire import Hub

        node = self._node
        sender = Sender(node.chain, node.keyring, node.state, Spool(node.folder.spool), Hub(self._channel), self._clock)
        found = await sender.recover()
        if found:
            _log.info("took over lots that this node had forgotten", lots=found)

    async def fetch_results(self) -> None:
        """Fetch, check and open every result that waits for this member (`vigie_node.fetching`).

        Raises:
            VigieError: the hub cannot be reached, or a result does not verify.
        """
        from vigie_node.fetching import fetch_all

        opened = await fetch_all(self._node, self._channel)
        if opened:
            _log.info("opened results", results=opened)
