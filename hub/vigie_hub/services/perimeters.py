"""Service ``Perimeter`` on the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio

from vigie.errors import Malformed, Unavailable, VigieError
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.gate import about, bounded, caller
from vigie_hub.perimeters import PerimeterDesk
from vigie_hub.taking import DRAIN_SECONDS

MOST_RECIPIENTS: Final = 256
MOST_PARTS: Final = 1 << 16


class PerimeterService(rpc.PerimeterServicer):
    """Answers the partner that works the perimeter out, and those that filter by it."""

    def __init__(self, desk: PerimeterDesk, *, idle_seconds: float) -> None:
        self._desk = desk
        self._idle_seconds = idle_seconds

    async def Begin(self, request: pb.BeginPerimeterRequest, context: Any) -> pb.BeginPerimeterResponse:
        """Open a perimeter."""
        raw = about(request.statement)
        shares: dict[str, list[bytes]] = {}
        for share in bounded(request.shares, MOST_RECIPIENTS, "recipients"):
            if share.recipient in shares:
                raise Malformed("a recipient stands twice")
            shares[share.recipient] = bounded(share.part_ids, MOST_PARTS, "parts for one recipient")
        begun = await self._desk.begin(caller().name, raw, shares)
        return pb.BeginPerimeterResponse(
            missing=begun.missing, receipt=begun.receipt, committed_statement=begun.committed_statement
        )

    async def Put(
        self, request_iterator: AsyncIterator[pb.PutPerimeterRequest], context: Any
    ) -> AsyncIterator[pb.PutPerimeterResponse]:
        """Take parts one by one."""
        perimeter: bytes | None = None
        try:
            while (request := await self._next(request_iterator)) is not None:
                perimeter = request.perimeter if perimeter is None else perimeter
                if request.perimeter != perimeter:
                    raise Malformed("one stream sends the parts of one perimeter")
                yield pb.PutPerimeterResponse(accepted=await self._desk.put(caller().name, perimeter, request.part))
        except VigieError:
            await _drain(request_iterator)
            raise

    async def Commit(self, request: pb.CommitPerimeterRequest, context: Any) -> pb.CommitPerimeterResponse:
        """Commit a perimeter."""
        return pb.CommitPerimeterResponse(receipt=await self._desk.commit(caller().name, request.perimeter))

    async def Current(self, request: pb.CurrentPerimeterRequest, context: Any) -> pb.CurrentPerimeterResponse:
        """The current perimeter of an epoch."""
        statement, receipt = self._desk.current(caller().name, request.epoch)
        return pb.CurrentPerimeterResponse(statement=statement, receipt=receipt)

    async def Fetch(self, request: pb.FetchPerimeterRequest, context: Any) -> AsyncIterator[pb.FetchPerimeterResponse]:
        """The caller's own parts."""
        pack, extents = self._desk.parts(caller().name, request.statement)
        for extent in extents:
            yield pb.FetchPerimeterResponse(part=await self._desk.read(pack, extent))

    async def _next(self, requests: AsyncIterator[pb.PutPerimeterRequest]) -> pb.PutPerimeterRequest | None:
        try:
            async with asyncio.timeout(self._idle_seconds):
                return await anext(requests, None)
        except TimeoutError as exc:
            raise Unavailable("the stream of parts was silent for too long") from exc


async def _drain(requests: AsyncIterator[pb.PutPerimeterRequest]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in requests:
                pass


def register(server: grpc.aio.Server, service: PerimeterService) -> None:
    """Add the service to a server."""
    rpc.add_PerimeterServicer_to_server(service, server)
