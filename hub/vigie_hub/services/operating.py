"""Service ``Operator`` on the wire."""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from vigie import statement as statements
from vigie.bodies import Run, read
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.agreement import Agreement
from vigie_hub.attendance import Attendance
from vigie_hub.conductor import Conductor
from vigie_hub.deposit import DepositDesk
from vigie_hub.gate import about
from vigie_hub.journal import Journal
from vigie_hub.services.depositing import lot_records
from vigie_hub.vault import Vault


class OperatorService(rpc.OperatorServicer):
    """Answers the hub's operators."""

    def __init__(
        self,
        conductor: Conductor,
        desk: DepositDesk,
        journal: Journal,
        vault: Vault,
        attendance: Attendance,
        agreement: Agreement,
        measurement: str,
    ) -> None:
        self._conductor = conductor
        self._desk = desk
        self._journal = journal
        self._vault = vault
        self._attendance = attendance
        self._agreement = agreement
        self._measurement = measurement

    async def SubmitOrder(self, request: pb.SubmitOrderRequest, context: Any) -> pb.SubmitOrderResponse:
        """Take an order and start it."""
        return pb.SubmitOrderResponse(receipt=await self._conductor.submit(about(request.order)))

    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.WatchResponse]:
        """Follow an order."""
        async for step in self._conductor.watch(request.order):
            yield pb.WatchResponse(
                stage=step.stage, message=step.message, done=step.done, total=step.total, run=step.run, last=step.last
            )

    async def Status(self, request: pb.StatusRequest, context: Any) -> pb.StatusResponse:
        """How the hub stands."""
        committed, opened, held = self._desk.counts()
        return pb.StatusResponse(
            attending=self._attendance.names(),
            journal_size=self._journal.size,
            checkpoint=self._journal.checkpoint(),
            lots=committed,
            open_lots=opened,
            segment_bytes=held,
            convention=self._agreement.current.digest,
            enclave_measurement=self._measurement,
        )

    async def AllLots(self, request: pb.AllLotsRequest, context: Any) -> pb.AllLotsResponse:
        """All committed lots."""
        return pb.AllLotsResponse(lots=lot_records(self._desk, self._journal, current_only=request.current_only))

    async def Runs(self, request: pb.RunsRequest, context: Any) -> pb.RunsResponse:
        """Orders and their runs."""
        return pb.RunsResponse(
            runs=[pb.RunRecord(order=row.order, run=row.run, stage=row.stage) for row in self._conductor.orders()]
        )

    async def Models(self, request: pb.ModelsRequest, context: Any) -> pb.ModelsResponse:
        """Models that are held here, sealed."""
        models = []
        for row in self._vault.models():
            run = read(statements.parse(self._journal.entry(row.run), kind="run"), Run)
            joint = self._journal.find("joint", row.key)[-1]
            confirmed = self._vault.confirmed(statements.parse(joint).digest)
            models.append(
                pb.ModelRecord(
                    run=self._journal.entry(row.run), order=self._journal.entry(run.order), joint=joint,
                    confirmed=confirmed,
                )
            )  # fmt: skip
        return pb.ModelsResponse(models=models)


def register(server: grpc.aio.Server, service: OperatorService) -> None:
    """Add the service to a server."""
    rpc.add_OperatorServicer_to_server(service, server)
