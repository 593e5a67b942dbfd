"""Service ``Results`` on the wire."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from vigie import statement as statements
from vigie.bodies import Evidence, Order, read
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.gate import caller
from vigie_hub.journal import Journal
from vigie_hub.outbox import Outbox


class ResultsService(rpc.ResultsServicer):
    """Hands results to their recipients."""

    def __init__(self, outbox: Outbox, journal: Journal) -> None:
        self._outbox = outbox
        self._journal = journal

    async def List(self, request: pb.ListResultsRequest, context: Any) -> pb.ListResultsResponse:
        """Results for the caller."""
        records = []
        for row in self._outbox.results(caller().name):
            order = self._order(row.order)
            records.append(pb.ResultRecord(run=row.run, grant=row.grant, period=order.period, purpose=order.purpose))
        return pb.ListResultsResponse(results=records)

    async def Fetch(self, request: pb.FetchResultRequest, context: Any) -> AsyncIterator[pb.FetchResultResponse]:
        """One result of the caller: what proves it, then its parts."""
        row = self._outbox.find(request.run, request.grant, caller().name)
        parts = self._outbox.parts(row)
        evidence = self._journal.entry(row.evidence)
        yield pb.FetchResultResponse(
            header=pb.FetchResultResponse.Header(
                run=self._journal.entry(row.run),
                run_receipt=self._journal.receipt_at(row.run),
                evidence=evidence,
                quote=self._quote(evidence),
                order=self._journal.entry(row.order),
                part_ids=[id_ for id_, _ in parts],
                lots=[self._journal.entry(lot) for lot in self._order(row.order).lots],
            )
        )
        for _, extent in parts:
            yield pb.FetchResultResponse(part=await asyncio.to_thread(self._outbox.read, row, extent))

    def _quote(self, evidence: bytes) -> bytes:
        named = read(statements.parse(evidence, kind="evidence"), Evidence).quote
        return b"" if named is None else self._journal.quote(named)

    def _order(self, digest: bytes) -> Order:
        return read(statements.parse(self._journal.entry(digest), kind="order"), Order)


def register(server: grpc.aio.Server, service: ResultsService) -> None:
    """Add the service to a server."""
    rpc.add_ResultsServicer_to_server(service, server)
