"""The enclave's only door: typed messages over one inherited socket, every one counted and bounded.

The host is treated as hostile.  A frame that is garbled, out of order, of an unknown kind, too long, too late or not due
ends the run with :class:`~vigie.errors.MalformedFrame`; nothing is skipped.  What leaves in words is from
:mod:`vigie_hub.enclave.words`.  This is the only module of the enclave that sees ``_pb2``.
"""

import socket
import time
from collections.abc import Iterator
from typing import Final

from google.protobuf.message import DecodeError

from vigie.convention import SOFTWARE
from vigie.errors import MalformedFrame
from vigie.v1 import enclave_pb2
from vigie_hub.enclave import bounds, shape
from vigie_hub.enclave.bounds import Ledger, Times
from vigie_hub.enclave.frames import BULK, CONTROL, Wire
from vigie_hub.enclave.messages import (
    Begin,
    Claim,
    Done,
    Failed,
    Fetch,
    FetchModel,
    FromHost,
    GivenJoint,
    GivenLot,
    GivenModelPart,
    GivenQuote,
    Go,
    JointMade,
    ModelPart,
    PartnerRelease,
    Progress,
    ResultPart,
    SealedPart,
    ToHost,
    WantQuote,
)
from vigie_hub.enclave.words import STAGES, Vocabulary

_DIGEST: Final = 32
_MOST_STEPS: Final = 1 << 20
_FROM_HOST: Final = bounds.names_of("host")
_SHAPE: Final = shape.shape_of(enclave_pb2.Control.DESCRIPTOR)


class Channel:
    """The enclave's end of the socket pair.  Blocking; used by one thread; made before the process seals itself.

    Args:
        connection: connected, and its owner's to close.
        times: how long the host is waited for.
    """

    def __init__(self, connection: socket.socket, times: Times | None = None) -> None:
        self._wire = Wire(connection)
        self._times = times or Times()
        self._started = self._asked = time.monotonic()
        self._sent = 0
        self._received = 0
        self._from_host = Ledger("host")
        self._to_host = Ledger("enclave")
        self._words = Vocabulary()

    def receive(self, *due: str) -> FromHost:
        """The next message from the host.

        Args:
            due: names of the messages that may come now, as in ``Control``; all that a host may send when none is given.

        Raises:
            MalformedFrame: whatever is wrong with it.
            OSError: the host is gone.
        """
        expected = due or _FROM_HOST
        until = self._until(expected)
        payload = self._wire.control(bounds.longest(expected), until)
        shape.check(payload, _SHAPE)
        control = enclave_pb2.Control()
        try:
            control.ParseFromString(bytes(payload))
        except DecodeError as error:
            raise MalformedFrame("a control frame does not hold a message") from error
        if control.ByteSize() != len(payload):
            raise MalformedFrame("a control frame is not in its one form")
        if control.sequence != self._received:
            raise MalformedFrame("messages are out of order")
        self._received += 1
        kind = control.WhichOneof("message") or ""
        self._from_host.take(kind, len(payload) + control.segment.size + control.model_given.size)
        if kind not in expected:
            raise MalformedFrame("another message came than the one that was due")
        if kind == "begin":
            return self._begin(control.begin)
        if kind == "release":
            given = control.release
            return PartnerRelease(_name(given.partner), given.statement, given.blob, given.share)
        if kind == "joint":
            return _joint(control.joint)
        if kind == "go":
            return Go(control.go.evidence)
        if kind == "model_given":
            given_part = control.model_given
            return GivenModelPart(given_part.part, bytes(self._wire.bulk(given_part.size, until)))
        if kind == "quote":
            return GivenQuote(control.quote.bundle)
        one = control.segment
        return SealedPart(one.lot, one.bucket, one.part, self._wire.bulk(one.size, until))

    def send(self, message: ToHost) -> None:
        """Send a message, with its bulk bytes if it has any; of ``Failed`` only words that may leave.

        Raises:
            MalformedFrame: it is too long, too much, has a name that the host never gave, or the host does not listen.
            OSError: the host is gone.
        """
        control = enclave_pb2.Control(sequence=self._sent)
        bulk: bytes | None = None
        match message:
            case Claim(statement):
                control.claim.statement = statement
            case WantQuote(binding):
                control.quote_request.binding = binding
            case Fetch(lot, first, last):
                # Set presence even when every field is zero.
                control.fetch.SetInParent()
                control.fetch.lot, control.fetch.first, control.fetch.last = lot, first, last
            case Progress(stage, done, total):
                if stage not in STAGES or not 0 <= done <= total <= _MOST_STEPS:
                    raise MalformedFrame("a result or stage has a name that was never given")
                control.progress.stage, control.progress.done, control.progress.total = stage, done, total
            case ResultPart(grant, part, content):
                if not self._words.knows(grant):
                    raise MalformedFrame("a result or stage has a name that was never given")
                control.part.SetInParent()
                control.part.grant, control.part.part, control.part.size = grant, part, len(content)
                bulk = content
            case FetchModel():
                control.fetch_model.SetInParent()
            case JointMade(statement, shares):
                control.joint_made.statement = statement
                control.joint_made.shares.update(shares)
            case ModelPart(part, content):
                control.model_made.part, control.model_made.size = part, len(content)
                bulk = content
            case Done(run):
                control.done.run = run
            case Failed(claim, expected, found):
                control.failed.claim = self._words.claim(claim)
                control.failed.expected = self._words.sentence(expected)
                control.failed.found = self._words.sentence(found)
        self._put(control, bulk)
        if isinstance(message, Claim):
            self._asked = time.monotonic()

    def fetch(self, lot: int, first: int, last: int, parts_per_bucket: tuple[int, ...]) -> Iterator[SealedPart]:
        """Ask for the parts of some buckets of a lot, and give each as it comes, in (bucket, part) order.

        The content of a part is good until the next is asked for.

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
                answer = self.receive("segment")
                if not isinstance(answer, SealedPart) or (answer.lot, answer.bucket, answer.part) != (
                    lot,
                    bucket,
                    part,
                ):
                    raise MalformedFrame("another part came than the one that was due")
                yield answer

    def fetch_model(self, parts: int) -> list[bytes]:
        """Ask for the sealed parts of the model that the order names, and return them in order.

        Raises:
            MalformedFrame: another part than the one that is due.
        """
        self.send(FetchModel())
        found = []
        for part in range(parts):
            answer = self.receive("model_given")
            if not isinstance(answer, GivenModelPart) or answer.part != part:
                raise MalformedFrame("another part came than the one that was due")
            found.append(answer.content)
        return found

    def _put(self, control: enclave_pb2.Control, bulk: bytes | None) -> None:
        payload = control.SerializeToString()
        kind = control.WhichOneof("message") or ""
        size = 0 if bulk is None else len(bulk)
        if len(payload) > bounds.MESSAGES[kind].control or size > bounds.MAX_BULK:
            raise MalformedFrame("a message is longer than it may be")
        self._to_host.take(kind, len(payload) + size)
        until = time.monotonic() + self._times.send
        self._wire.send(CONTROL, payload, until)
        self._sent += 1
        if bulk is not None:
            self._wire.send(BULK, bulk, until)

    def _until(self, due: tuple[str, ...]) -> float:
        if "begin" in due:
            until = self._started + self._times.begin
        elif "go" in due:
            until = self._asked + self._times.answers
        else:
            until = time.monotonic() + self._times.segment
        return min(until, self._started + self._times.run)

    def _begin(self, begin: enclave_pb2.Begin) -> Begin:
        challenges = {_name(member): _digest(challenge) for member, challenge in begin.challenges.items()}
        self._words.learn(begin.conventions)
        return Begin(
            tuple(begin.conventions),
            begin.order,
            challenges,
            _digest(begin.measurement),
            tuple(_lot(lot) for lot in begin.lots),
            _name(begin.platform or SOFTWARE),
        )


def _joint(given: enclave_pb2.GivenJoint) -> GivenJoint:
    return GivenJoint(
        given.statement,
        given.receipt,
        given.evidence,
        tuple(given.approvals),
        given.run,
        given.run_receipt,
        given.run_evidence,
        given.run_order,
    )


def _lot(lot: enclave_pb2.Lot) -> GivenLot:
    ids = tuple(_digest(one) for one in lot.segment_ids)
    return GivenLot(lot.statement, lot.receipt, ids, tuple(lot.parts_per_bucket))


def _digest(value: bytes) -> bytes:
    if len(value) != _DIGEST:
        raise MalformedFrame("a measurement, challenge or segment id is not 32 bytes")
    return value


def _name(text: str) -> str:
    if not text:
        raise MalformedFrame("the name of a member is empty or too long")
    return text
