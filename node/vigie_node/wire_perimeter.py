"""The node's calls to the hub about perimeters: thin codecs over the generated stub."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import grpc.aio

from vigie.client import our_errors
from vigie.errors import Refused
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_node.wire import DEADLINE, STREAM_DEADLINE, Begun


class PerimeterHub:
    """The hub's service ``Perimeter`` over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._perimeter = rpc.PerimeterStub(channel)

    async def begin(self, statement: bytes, shares: Mapping[str, Sequence[bytes]]) -> Begun:
        """Open a perimeter (recipient → ids of its parts), or learn that it is already committed."""
        request = pb.BeginPerimeterRequest(
            statement=statement,
            shares=[
                pb.BeginPerimeterRequest.Share(recipient=recipient, part_ids=ids) for recipient, ids in shares.items()
            ],
        )
        with our_errors():
            answer = await self._perimeter.Begin(request, timeout=DEADLINE)
        return Begun(tuple(answer.missing), answer.receipt, answer.committed_statement)

    async def put(self, perimeter: bytes, parts: Iterable[bytes]) -> AsyncIterator[bytes]:
        """Stream sealed parts and yield the ids that are durable at the hub."""

        async def requests() -> AsyncIterator[pb.PutPerimeterRequest]:
            for sealed in parts:
                yield pb.PutPerimeterRequest(perimeter=perimeter, part=sealed)

        with our_errors():
            async for answer in self._perimeter.Put(requests(), timeout=STREAM_DEADLINE):
                yield answer.accepted

    async def commit(self, perimeter: bytes) -> bytes:
        """Commit a perimeter and return its receipt."""
        request = pb.CommitPerimeterRequest(perimeter=perimeter)
        with our_errors():
            return (await self._perimeter.Commit(request, timeout=DEADLINE)).receipt

    async def current(self, epoch: int) -> tuple[bytes, bytes]:
        """Return (statement, receipt) of the current perimeter of an epoch, unverified; both empty when there is none."""
        with our_errors():
            answer = await self._perimeter.Current(pb.CurrentPerimeterRequest(epoch=epoch), timeout=DEADLINE)
        return answer.statement, answer.receipt

    async def fetch(self, digest: bytes, *, most: int) -> tuple[bytes, ...]:
        """Fetch this member's sealed parts of a perimeter; only their number is bounded here.

        Raises:
            Refused: claim ``parts``: the hub sends more than ``most``.
        """
        parts: list[bytes] = []
        with our_errors():
            call = self._perimeter.Fetch(pb.FetchPerimeterRequest(statement=digest), timeout=STREAM_DEADLINE)
            async for answer in call:
                if len(parts) == most:
                    call.cancel()
                    raise Refused("parts", expected=f"{most} parts, as the perimeter's statement says", found="more")
                parts.append(answer.part)
        return tuple(parts)
