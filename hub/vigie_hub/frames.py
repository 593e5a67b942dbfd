"""The host's side of the enclave's channel (proto/vigie/v1/enclave.proto).

A frame is a 4-byte big-endian length of the payload, one byte of type (0 control, 1 bulk) and the payload. This module
is the codec: the rest of the host sees the values below. It takes the enclave for hostile, as the enclave takes it: each
holds the other to one table of bounds (docs/spec/enclave-channel.md). Frames are numbered; bulk comes only where it was
announced; how often and how much of each message may come is counted; no bucket is fetched twice.
"""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import DecodeError

from vigie.errors import MalformedFrame, Unavailable
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import bounds, shape
from vigie_hub.enclave.bounds import Ledger
from vigie_hub.enclave.messages import (
    Claim,
    Done,
    Failed,
    Fetch,
    FetchModel,
    JointMade,
    ModelPart,
    Progress,
    ResultPart,
    ToHost,
    WantQuote,
)

CONTROL: Final = 0
BULK: Final = 1
CONTROL_CAP: Final = bounds.longest(bounds.names_of("enclave"))
"""The longest control frame that an enclave may send."""
BULK_CAP: Final = bounds.MAX_BULK
_HEAD: Final = 5
_SHAPE: Final = shape.shape_of(pb.Control.DESCRIPTOR)
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True)
class LotInput:
    """A lot of the order, as the enclave is told of it."""

    statement: bytes
    receipt: bytes
    segment_ids: Sequence[bytes]
    parts_per_bucket: Sequence[int]


@dataclass(frozen=True)
class JointInput:
    """The newest statement about the joint key with what it rests on, and the run of the model that the order names."""

    statement: bytes
    receipt: bytes
    evidence: bytes
    approvals: Sequence[bytes]
    run: bytes = b""
    run_receipt: bytes = b""
    run_evidence: bytes = b""
    run_order: bytes = b""


class Channel:
    """Speaks with one enclave over a connected socket, which becomes this object's.

    The socket is used directly and not as an asyncio stream: when a write fails, what the enclave had sent before it
    ended can still be read.
    """

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._buffer = bytearray()
        self._sent = 0
        self._received = 0
        self._to_enclave = Ledger("host")
        self._from_enclave = Ledger("enclave")
        self._fetched: dict[int, int] = {}

    async def begin(
        self,
        *,
        conventions: Sequence[bytes],
        order: bytes,
        challenges: Mapping[str, bytes],
        measurement: bytes,
        lots: Sequence[LotInput],
        platform: str = "",
    ) -> None:
        """Tell the enclave what it is for; ``platform``: of which a quote can be given, empty for software."""
        begin = pb.Begin(
            conventions=conventions,
            order=order,
            challenges=challenges,
            measurement=measurement,
            lots=[
                pb.Lot(
                    statement=lot.statement,
                    receipt=lot.receipt,
                    segment_ids=lot.segment_ids,
                    parts_per_bucket=lot.parts_per_bucket,
                )
                for lot in lots
            ],
            platform=platform,
        )
        await self._send(pb.Control(begin=begin))

    async def release(self, partner: str, statement: bytes, blob: bytes, share: bytes = b"") -> None:
        """Hand over a member's answer."""
        given = pb.Release(partner=partner, statement=statement, blob=blob, share=share)
        await self._send(pb.Control(release=given))

    async def joint(self, given: JointInput) -> None:
        """Hand over what is known of the joint key."""
        await self._send(
            pb.Control(
                joint=pb.GivenJoint(
                    statement=given.statement,
                    receipt=given.receipt,
                    evidence=given.evidence,
                    approvals=given.approvals,
                    run=given.run,
                    run_receipt=given.run_receipt,
                    run_evidence=given.run_evidence,
                    run_order=given.run_order,
                )
            )
        )

    async def model_part(self, part: int, data: bytes) -> None:
        """Hand over one sealed part of the model that the order names."""
        if len(data) > BULK_CAP:
            raise MalformedFrame("a part of the model is larger than a bulk frame")
        await self._send(pb.Control(model_given=pb.ModelPart(part=part, size=len(data))), data)

    async def quote(self, bundle: bytes) -> None:
        """Hand over the quote bundle that was asked for."""
        await self._send(pb.Control(quote=pb.QuoteBundle(bundle=bundle)))

    async def go(self, evidence: bytes) -> None:
        """No more releases will come."""
        await self._send(pb.Control(go=pb.Go(evidence=evidence)))

    async def segment(self, lot: int, bucket: int, part: int, data: bytes) -> None:
        """Hand over one sealed segment."""
        if len(data) > BULK_CAP:
            raise MalformedFrame("a segment is larger than a bulk frame")
        await self._send(pb.Control(segment=pb.Segment(lot=lot, bucket=bucket, part=part, size=len(data))), data)

    async def receive(self) -> ToHost:
        """Return what the enclave says next.

        Raises:
            MalformedFrame: it does not keep the protocol.
            Unavailable: the channel ended.
        """
        kind, payload = await self._read()
        if kind != CONTROL:
            raise MalformedFrame("the enclave sent bulk bytes that it had not announced")
        shape.check(payload, _SHAPE)
        try:
            control = pb.Control.FromString(payload)
        except DecodeError as exc:
            raise MalformedFrame("the enclave sent a control frame that cannot be read") from exc
        if control.ByteSize() != len(payload):
            raise MalformedFrame("the enclave sent a control frame that is not in its one form")
        if control.sequence != self._received:
            raise MalformedFrame("the enclave's control frames are out of order")
        self._received += 1
        name = control.WhichOneof("message") or ""
        self._from_enclave.take(name, len(payload) + control.part.size + control.model_made.size)
        match name:
            case "claim":
                return Claim(control.claim.statement)
            case "quote_request":
                return WantQuote(control.quote_request.binding)
            case "fetch":
                return self._fetch(control.fetch)
            case "progress":
                return Progress(_word(control.progress.stage), control.progress.done, control.progress.total)
            case "part":
                return ResultPart(control.part.grant, control.part.part, await self._bulk(control.part.size))
            case "fetch_model":
                return FetchModel()
            case "joint_made":
                return JointMade(control.joint_made.statement, dict(control.joint_made.shares))
            case "model_made":
                return ModelPart(control.model_made.part, await self._bulk(control.model_made.size))
            case "done":
                return Done(control.done.run)
            case "failed":
                failed = control.failed
                return Failed(_line(failed.claim), _line(failed.expected), _line(failed.found))
            case _:
                raise MalformedFrame("the enclave sent a message that only the host sends")

    def close(self) -> None:
        """Close the channel; the enclave exits when it sees that."""
        self._connection.close()

    def _fetch(self, fetch: pb.Fetch) -> Fetch:
        due = self._fetched.get(fetch.lot, 0)
        if not due <= fetch.first <= fetch.last or fetch.lot >= bounds.MOST_LOTS:
            raise MalformedFrame("the enclave asks for buckets out of order or a second time")
        self._fetched[fetch.lot] = fetch.last + 1
        return Fetch(fetch.lot, fetch.first, fetch.last)

    async def _bulk(self, size: int) -> bytes:
        kind, payload = await self._read()
        if kind != BULK or len(payload) != size:
            raise MalformedFrame("the enclave did not send the bulk bytes that it had announced")
        return payload

    async def _read(self) -> tuple[int, bytes]:
        head = await self._exactly(_HEAD)
        length, kind = int.from_bytes(head[:4], "big"), head[4]
        if kind not in (CONTROL, BULK) or length > (CONTROL_CAP if kind == CONTROL else BULK_CAP):
            raise MalformedFrame("the enclave sent a frame of an unknown type or too large")
        return kind, await self._exactly(length)

    async def _exactly(self, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._buffer) < length:
            try:
                received = await loop.sock_recv(self._connection, _CHUNK)
            except OSError as exc:
                raise Unavailable("the enclave ended before its run was done") from exc
            if not received:
                raise Unavailable("the enclave ended before its run was done")
            self._buffer += received
        found = bytes(self._buffer[:length])
        del self._buffer[:length]
        return found

    async def _send(self, control: pb.Control, bulk: bytes | None = None) -> None:
        control.sequence = self._sent
        self._sent += 1
        payload = control.SerializeToString()
        name = control.WhichOneof("message") or ""
        if len(payload) > bounds.MESSAGES[name].control:
            raise MalformedFrame("what the enclave would have to be told is larger than a control frame")
        self._to_enclave.take(name, len(payload) + (0 if bulk is None else len(bulk)))
        loop = asyncio.get_running_loop()
        try:
            if bulk is None:
                await loop.sock_sendall(self._connection, _head(CONTROL, payload) + payload)
            else:
                await loop.sock_sendall(self._connection, _head(CONTROL, payload) + payload + _head(BULK, bulk))
                await loop.sock_sendall(self._connection, bulk)
        except OSError as exc:
            raise Unavailable("the enclave ended before its run was done") from exc


def _head(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + bytes([kind])


def _word(text: str) -> str:
    return "".join(c for c in text if c.isascii() and (c.isalnum() or c in "-_"))[:32]


def _line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:500]
