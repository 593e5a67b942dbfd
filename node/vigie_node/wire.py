"""The node's calls to the hub: thin codecs over the generated stubs, with bytes and our own errors on this side."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import grpc.aio

from vigie.client import our_errors
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc

DEADLINE = 60.0
"""Seconds that a single call may take; a stream of segments or a blind batch has its own."""

EVALUATE_DEADLINE = 120.0
STREAM_DEADLINE = 3600.0


@dataclass(frozen=True)
class Begun:
    """Answer to Begin: what is missing, or the first receipt with the statement that it is for."""

    missing: tuple[bytes, ...]
    receipt: bytes
    statement: bytes


@dataclass(frozen=True)
class DepositedLot:
    """A committed lot of this member as the hub keeps it."""

    statement: bytes
    receipt: bytes
    current: bool


@dataclass(frozen=True)
class ResultRecord:
    """A result that waits for this member."""

    run: bytes
    grant: str
    period: str
    purpose: str


@dataclass(frozen=True)
class FetchedResult:
    """A result as it came: everything that proves it, and its sealed parts in order. Nothing is checked yet."""

    run: bytes
    run_receipt: bytes
    evidence: bytes
    order: bytes
    part_ids: tuple[bytes, ...]
    lots: tuple[bytes, ...]
    parts: tuple[bytes, ...]
    quote: bytes = b""


class Hub:
    """The hub's services over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._deposit = rpc.DepositStub(channel)
        self._relay = rpc.RelayStub(channel)
        self._journal = rpc.JournalStub(channel)
        self._results = rpc.ResultsStub(channel)

    async def begin(self, statement: bytes, ids: Sequence[bytes], parts_per_bucket: Sequence[int]) -> Begun:
        """Open a deposit, or learn that the lot is already committed."""
        request = pb.BeginRequest(statement=statement, segment_ids=ids, parts_per_bucket=parts_per_bucket)
        with our_errors():
            answer = await self._deposit.Begin(request, timeout=DEADLINE)
        return Begun(tuple(answer.missing), answer.receipt, answer.committed_statement)

    async def put(self, lot: bytes, segments: Iterable[bytes]) -> AsyncIterator[bytes]:
        """Stream segments and yield the ids that are durable at the hub."""

        async def requests() -> AsyncIterator[pb.PutRequest]:
            for sealed in segments:
                yield pb.PutRequest(lot=lot, segment=sealed)

        with our_errors():
            async for answer in self._deposit.Put(requests(), timeout=STREAM_DEADLINE):
                yield answer.accepted

    async def commit(self, lot: bytes) -> bytes:
        """Commit a lot and return its receipt."""
        with our_errors():
            return (await self._deposit.Commit(pb.CommitRequest(lot=lot), timeout=DEADLINE)).receipt

    async def lots(self) -> list[DepositedLot]:
        """Return this member's committed lots, oldest first."""
        with our_errors():
            answer = await self._deposit.Lots(pb.LotsRequest(), timeout=DEADLINE)
        return [DepositedLot(one.statement, one.receipt, one.current) for one in answer.lots]

    async def erasures(self) -> list[bytes]:
        """Return this member's signed erasures that are in the journal, oldest first; unverified."""
        with our_errors():
            answer = await self._deposit.Lots(pb.LotsRequest(), timeout=DEADLINE)
        return list(answer.erasures)

    async def evaluate(self, statement: bytes, elements: bytes) -> tuple[bytes, bytes]:
        """Ask a custodian, through the relay, for a blind evaluation; return its statement and the batch output."""
        request = pb.EvaluateRequest(statement=statement, elements=elements)
        with our_errors():
            answer = await self._relay.Evaluate(request, timeout=EVALUATE_DEADLINE)
        return answer.statement, answer.output

    async def submit(self, statement: bytes) -> bytes:
        """Put a statement of this member into the journal and return its receipt."""
        with our_errors():
            return (await self._journal.Submit(pb.SubmitRequest(statement=statement), timeout=DEADLINE)).receipt

    async def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return the journal's proof that its tree of one size extends that of another; unverified."""
        request = pb.ConsistencyRequest(old_size=old_size, new_size=new_size)
        with our_errors():
            return tuple((await self._journal.Consistency(request, timeout=DEADLINE)).proof)

    async def results(self) -> list[ResultRecord]:
        """Return the results addressed to this member, oldest first."""
        with our_errors():
            answer = await self._results.List(pb.ListResultsRequest(), timeout=DEADLINE)
        return [ResultRecord(one.run, one.grant, one.period, one.purpose) for one in answer.results]

    async def fetch(self, run: bytes, grant: str) -> FetchedResult:
        """Fetch one result; only its size is bounded here, everything else is checked by the caller."""
        header: pb.FetchResultResponse.Header | None = None
        parts: list[bytes] = []
        with our_errors():
            call = self._results.Fetch(pb.FetchResultRequest(run=run, grant=grant), timeout=STREAM_DEADLINE)
            async for answer in call:
                if answer.HasField("header"):
                    header = answer.header
                else:
                    parts.append(answer.part)
        if header is None:
            header = pb.FetchResultResponse.Header()
        return FetchedResult(
            header.run,
            header.run_receipt,
            header.evidence,
            header.order,
            tuple(header.part_ids),
            tuple(header.lots),
            tuple(parts),
            header.quote,
        )
