"""Service ``Custody`` on the wire: custodians fetch their sealed shares."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc.aio

from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.gate import caller
from vigie_hub.vault import Vault


class CustodyService(rpc.CustodyServicer):
    """Hands sealed shares to their custodians, and takes note that they keep them."""

    def __init__(self, vault: Vault, clock: Callable[[], datetime]) -> None:
        self._vault = vault
        self._clock = clock

    async def Share(self, request: pb.ShareRequest, context: Any) -> pb.ShareResponse:
        """The caller's sealed share of one statement."""
        evidence, blob = self._vault.share(caller().name, request.joint)
        return pb.ShareResponse(evidence=evidence, blob=blob)

    async def Confirm(self, request: pb.ConfirmShareRequest, context: Any) -> pb.ConfirmShareResponse:
        """The caller keeps its share."""
        await self._vault.confirm(caller().name, request.joint, now=self._clock())
        return pb.ConfirmShareResponse()


def register(server: grpc.aio.Server, service: CustodyService) -> None:
    """Add the service to a server."""
    rpc.add_CustodyServicer_to_server(service, server)
