"""Reading the journal over an open channel: the thin codec between the hub's Journal service and plain bytes.

The rule kept: nothing is believed here. What comes back is handed on as bytes for others to verify, bounded in number
and in size by what was asked for.
"""

from typing import Final

import grpc.aio

from vigie.client import our_errors
from vigie.errors import Malformed
from vigie.v1 import exchange_pb2 as messages
from vigie.v1.exchange_pb2_grpc import JournalStub

DEADLINE_SECONDS: Final = 30.0
"""How long one call may take."""
PAGE: Final = 1024
"""Entries asked for at a time; the hub answers what fits a message."""


class JournalClient:
    """The journal of the hub at the other end of a channel.

    Every method raises what the hub refused with, as :mod:`vigie.wire` says, and `Unavailable` when it cannot be reached.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = JournalStub(channel)

    async def checkpoint(self) -> bytes:
        """Return the latest checkpoint with the cosignatures gathered so far."""
        with our_errors():
            answer = await self._stub.Checkpoint(messages.CheckpointRequest(), timeout=DEADLINE_SECONDS)
        return answer.checkpoint

    async def entries(self, start: int, limit: int) -> list[bytes]:
        """Return at most ``limit`` entries from ``start`` on, at least one when there is any.

        Raises:
            Malformed: more entries than asked for.
        """
        asked = min(limit, PAGE)
        with our_errors():
            answer = await self._stub.Entries(
                messages.EntriesRequest(start=start, limit=asked), timeout=DEADLINE_SECONDS
            )
        if len(answer.entries) > asked:
            raise Malformed("the hub answered with more entries than it was asked for")
        return list(answer.entries)

    async def quote(self, digest: bytes) -> bytes:
        """Return the quote bundle that evidence names by that digest; it is for the caller to compare."""
        with our_errors():
            answer = await self._stub.Quote(messages.QuoteRequest(digest=digest), timeout=DEADLINE_SECONDS)
        return answer.bundle

    async def receipt(self, digest: bytes) -> bytes:
        """Return the receipt (tlog-proof) of the statement with that digest."""
        with our_errors():
            answer = await self._stub.Receipt(messages.ReceiptRequest(digest=digest), timeout=DEADLINE_SECONDS)
        return answer.receipt
