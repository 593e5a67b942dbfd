"""Service ``Journal`` on the wire."""

from typing import Any

import grpc.aio

from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.gate import about, caller
from vigie_hub.journal import Journal
from vigie_hub.submitting import Submissions


class JournalService(rpc.JournalServicer):
    """Lets every member read the journal and enter its own statements."""

    def __init__(self, journal: Journal, submissions: Submissions) -> None:
        self._journal = journal
        self._submissions = submissions

    async def Submit(self, request: pb.SubmitRequest, context: Any) -> pb.SubmitResponse:
        """Enter a statement of the caller."""
        return pb.SubmitResponse(receipt=await self._submissions.take(caller().name, about(request.statement)))

    async def Checkpoint(self, request: pb.CheckpointRequest, context: Any) -> pb.CheckpointResponse:
        """The latest checkpoint."""
        return pb.CheckpointResponse(checkpoint=self._journal.checkpoint())

    async def Entries(self, request: pb.EntriesRequest, context: Any) -> pb.EntriesResponse:
        """A page of entries."""
        return pb.EntriesResponse(entries=self._journal.entries(request.start, request.limit))

    async def Receipt(self, request: pb.ReceiptRequest, context: Any) -> pb.ReceiptResponse:
        """The receipt of an entry in the latest checkpoint."""
        return pb.ReceiptResponse(receipt=self._journal.receipt_at(request.digest))

    async def Consistency(self, request: pb.ConsistencyRequest, context: Any) -> pb.ConsistencyResponse:
        """A consistency proof."""
        return pb.ConsistencyResponse(proof=self._journal.consistency(request.old_size, request.new_size))

    async def Quote(self, request: pb.QuoteRequest, context: Any) -> pb.QuoteResponse:
        """A quote bundle that evidence names."""
        return pb.QuoteResponse(bundle=self._journal.quote(request.digest))


def register(server: grpc.aio.Server, service: JournalService) -> None:
    """Add the service to a server."""
    rpc.add_JournalServicer_to_server(service, server)
