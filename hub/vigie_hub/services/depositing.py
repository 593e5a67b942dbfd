"""Service ``Deposit`` on the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio
import structlog

from vigie.errors import Malformed, Unavailable, VigieError
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.deposit import DepositDesk
from vigie_hub.gate import about, bounded, caller
from vigie_hub.journal import Journal
from vigie_hub.taking import DRAIN_SECONDS
from vigie_hub.withdrawing import WithdrawalDesk

GROUP: Final = 16
"""Segments that are made durable together at most; they wait in memory meanwhile."""

_log = structlog.get_logger("vigie.hub.deposit")


class DepositService(rpc.DepositServicer):
    """Answers partners that deposit lots."""

    def __init__(
        self, desk: DepositDesk, journal: Journal, withdrawals: WithdrawalDesk, *, idle_seconds: float
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._withdrawals = withdrawals
        self._idle_seconds = idle_seconds

    async def Begin(self, request: pb.BeginRequest, context: Any) -> pb.BeginResponse:
        """Open a deposit."""
        ids = bounded(request.segment_ids, 1 << 20, "segment ids")
        begun = await self._desk.begin(caller().name, about(request.statement), ids, list(request.parts_per_bucket))
        return pb.BeginResponse(
            missing=begun.missing, receipt=begun.receipt, committed_statement=begun.committed_statement
        )

    async def Put(self, request_iterator: AsyncIterator[pb.PutRequest], context: Any) -> AsyncIterator[pb.PutResponse]:
        """Take segments in groups: whatever has arrived while the last group was being synced is the next one."""
        waiting: asyncio.Queue[pb.PutRequest | None] = asyncio.Queue(GROUP)

        async def receive() -> None:
            try:
                async for request in request_iterator:
                    await waiting.put(request)
            except Exception as exc:  # noqa: BLE001 - a stream that broke is a stream that ended; Begin tells what is missing
                _log.info("a stream of segments broke", error=type(exc).__name__)
            await waiting.put(None)

        receiving = asyncio.create_task(receive())
        lot: bytes | None = None
        try:
            while group := await self._next_group(waiting):
                lot = group[0].lot if lot is None else lot
                if any(request.lot != lot for request in group):
                    raise Malformed("one stream sends the segments of one lot")
                for accepted in await self._desk.put(caller().name, lot, [request.segment for request in group]):
                    yield pb.PutResponse(accepted=accepted)
        except VigieError:
            await _drain(waiting)
            raise
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)

    async def Commit(self, request: pb.CommitRequest, context: Any) -> pb.CommitResponse:
        """Commit a lot."""
        return pb.CommitResponse(receipt=await self._desk.commit(caller().name, request.lot))

    async def Lots(self, request: pb.LotsRequest, context: Any) -> pb.LotsResponse:
        """The caller's own committed lots, and what it withdrew."""
        name = caller().name
        return pb.LotsResponse(
            lots=lot_records(self._desk, self._journal, partner=name), erasures=self._withdrawals.of(name)
        )

    async def _next_group(self, waiting: "asyncio.Queue[pb.PutRequest | None]") -> list[pb.PutRequest]:
        try:
            async with asyncio.timeout(self._idle_seconds):
                first = await waiting.get()
        except TimeoutError as exc:
            raise Unavailable("the stream of segments was silent for too long") from exc
        group: list[pb.PutRequest] = []
        item = first
        while item is not None:
            group.append(item)
            if len(group) == GROUP or waiting.empty():
                return group
            item = waiting.get_nowait()
        if group:
            waiting.put_nowait(None)  # the end was taken out with the group: the next call must see it
        return group


async def _drain(waiting: "asyncio.Queue[pb.PutRequest | None]") -> None:
    """Let a refused caller finish what it is sending: a write that fails would hide from it why it was refused."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await waiting.get() is not None:
                pass


def lot_records(
    desk: DepositDesk, journal: Journal, *, partner: str | None = None, current_only: bool = False
) -> list[pb.LotRecord]:
    """Committed lots as messages."""
    return [
        pb.LotRecord(statement=row.statement, receipt=journal.receipt(row.digest), current=row.current)
        for row in desk.lots(partner=partner, current_only=current_only)
    ]


def register(server: grpc.aio.Server, service: DepositService) -> None:
    """Add the service to a server."""
    rpc.add_DepositServicer_to_server(service, server)
