"""The node's calls to the hub about shares of the joint key: thin codecs over the generated stub."""

import grpc.aio

from vigie.client import our_errors
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_node.wire import DEADLINE


class CustodyHub:
    """The hub's service ``Custody`` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._custody = rpc.CustodyStub(channel)

    async def share(self, joint: bytes) -> tuple[bytes, bytes]:
        """Return (evidence, this member's sealed share) of a ``joint`` statement, unverified."""
        with our_errors():
            answer = await self._custody.Share(pb.ShareRequest(joint=joint), timeout=DEADLINE)
        return answer.evidence, answer.blob

    async def confirm(self, joint: bytes) -> None:
        """Tell the hub that the share is kept."""
        with our_errors():
            await self._custody.Confirm(pb.ConfirmShareRequest(joint=joint), timeout=DEADLINE)
