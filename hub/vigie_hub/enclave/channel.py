"""The enclave's only door: typed messages over one inherited socket, every one counted and bounded.

The host is treated as hostile.  A frame that is garbled, out of order, of an unknown kind or too long ends the run with
:class:`~vigie.errors.MalformedFrame`; nothing is skipped.  This is the only module of the enclave that sees ``_pb2``.
"""

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import DecodeError

from vigie.errors import MalformedFrame
from vigie.v1 import enclave_pb2
from vigie_hub.enclave import frames
from vigie_hub.enclave.door import Stream
from vigie_hub.enclave.messages import (
    Begin,
    Claim,
    Done,
    Failed,
    Fetch,
    FromHost,
    GivenLot,
    Go,
    PartnerRelease,
    Progress,
    ResultPart,
    SealedPart,
    ToHost,
)

_MAX_NAME: Final = 63
_MAX_LOTS: Final = 4096
_MAX_MEMBERS: Final = 256
_DIGEST: Final = 32


class Channel:
    """The enclave's end of the socket pair.  Blocking; used by one thread."""

    def __init__(self, connection: Stream) -> None:
        self._connection = connection
        self._sent = 0
        self._received = 0

    def receive(self) -> FromHost:
        """The next message from the host.

        Raises:
            MalformedFrame: whatever is wrong with it.
            OSError: the host is gone.
        """
        payload = frames.receive(self._connection, frames.CONTROL)
        control = enclave_pb2.Control()
        try:
            control.ParseFromString(payload)
        except DecodeError as error:
            raise MalformedFrame("a control frame does not hold a message") from error
        if control.sequence != self._received:
            raise MalformedFrame(f"message {self._received} was due and {control.sequence} came")
        self._received += 1
        kind = control.WhichOneof("message")
        if kind == "begin":
            return _begin(control.begin)
        if kind == "release":
            return PartnerRelease(_name(control.release.partner), control.release.statement, control.release.blob)
        if kind == "go":
            return Go(control.go.evidence)
        if kind == "segment":
            return self._segment(control.segment)
        raise MalformedFrame("a control frame holds no message that the host may send")

    def send(self, message: ToHost) -> None:
        """Send a message, with its bulk bytes if it has any.

        Raises:
            MalformedFrame: it is too long for a frame.
            OSError: the host is gone.
        """
        control = enclave_pb2.Control(sequence=self._sent)
        bulk = None
        match message:
            case Claim(statement):
                control.claim.statement = statement
            case Fetch(lot, first, last):
                control.fetch.lot, control.fetch.first, control.fetch.last = lot, first, last
            case Progress(stage, done, total):
                control.progress.stage, control.progress.done, control.progress.total = stage, done, total
            case ResultPart(grant, part, content):
                control.part.grant, control.part.part, control.part.size = grant, part, len(content)
                # Set presence even when every field is zero.
                control.part.SetInParent()
                bulk = content
            case Done(run):
                control.done.run = run
            case Failed(claim, expected, found):
                control.failed.claim, control.failed.expected, control.failed.found = claim, expected, found
        if isinstance(message, Fetch):
            control.fetch.SetInParent()
        frames.send(self._connection, frames.CONTROL, control.SerializeToString())
        self._sent += 1
        if bulk is not None:
            frames.send(self._connection, frames.BULK, bulk)

    def fetch(self, lot: int, first: int, last: int, parts_per_bucket: tuple[int, ...]) -> Iterator[SealedPart]:
        """Ask for the parts of some buckets of a lot, and give each as it comes, in (bucket, part) order.

        Args:
            lot: place of the lot in ``Begin.lots``.
            first: first bucket.
            last: last bucket, inclusive.
            parts_per_bucket: how many parts each bucket of the lot has.

        Raises:
            MalformedFrame: another part than the one that is due.
        """
        self.send(Fetch(lot, first, last))
        for bucket in range(first, last + 1):
            for part in range(parts_per_bucket[bucket]):
                answer = self.receive()
                if not isinstance(answer, SealedPart) or (answer.lot, answer.bucket, answer.part) != (
                    lot,
                    bucket,
                    part,
                ):
                    raise MalformedFrame("another part came than the one that was due")
                yield answer

    def _segment(self, segment: enclave_pb2.Segment) -> SealedPart:
        content = frames.receive(self._connection, frames.BULK)
        if len(content) != segment.size:
            raise MalformedFrame("a part is not as long as announced")
        return SealedPart(segment.lot, segment.bucket, segment.part, content)


def _begin(begin: enclave_pb2.Begin) -> Begin:
    if len(begin.lots) > _MAX_LOTS or len(begin.challenges) > _MAX_MEMBERS:
        raise MalformedFrame("there are more lots or challenges than a run may have")
    for value in (begin.measurement, *begin.challenges.values()):
        if len(value) != _DIGEST:
            raise MalformedFrame("a measurement or challenge is not 32 bytes")
    return Begin(
        tuple(begin.conventions),
        begin.order,
        {_name(member): challenge for member, challenge in begin.challenges.items()},
        begin.measurement,
        tuple(_lot(lot) for lot in begin.lots),
    )


def _lot(lot: enclave_pb2.Lot) -> GivenLot:
    if any(len(one) != _DIGEST for one in lot.segment_ids):
        raise MalformedFrame("a segment id is not 32 bytes")
    return GivenLot(lot.statement, lot.receipt, tuple(lot.segment_ids), tuple(lot.parts_per_bucket))


def _name(text: str) -> str:
    if not 0 < len(text) <= _MAX_NAME:
        raise MalformedFrame("the name of a member is empty or too long")
    return text
