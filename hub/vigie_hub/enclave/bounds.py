"""How much either side of the channel may say: one row for each message and each field (docs/spec/enclave-channel.md).

Both ends hold the other to this table.  A message or field without a row does not exist for the channel: adding one to
proto/vigie/v1/enclave.proto means adding its row here, and a test says which is missing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from vigie.errors import MalformedFrame
from vigie.sealing import OVERHEAD
from vigie.segment import CAP

Side = Literal["host", "enclave"]

MAX_BULK: Final = CAP + OVERHEAD
"""The longest bulk frame: one sealed part."""

MOST_LOTS: Final = 4096
"""Lots of one order."""

_KIB: Final = 1024
_MIB: Final = 1024 * _KIB
_GIB: Final = 1024 * _MIB
_STATEMENT: Final = 65_535
_ONE_STATEMENT: Final = 65 * _KIB
_BLOB: Final = 16_384 * 112 + 64 + OVERHEAD


@dataclass(frozen=True)
class Message:
    """What is allowed of one kind of message.

    Attributes:
        sender: who may say it.
        control: the longest control frame that may hold it, in bytes.
        frames: how often it may be said in one run.
        total: bytes of all of them in one run, control and bulk together.
        bulk: whether each announces a bulk frame.
    """

    sender: Side
    control: int
    frames: int
    total: int
    bulk: bool = False


MESSAGES: Final[Mapping[str, Message]] = {
    "begin": Message("host", 8 * _MIB, 1, 8 * _MIB),
    "release": Message("host", 2 * _MIB, 256, 64 * _MIB),
    "go": Message("host", _ONE_STATEMENT, 1, _ONE_STATEMENT),
    "quote": Message("host", 2 * _MIB, 1, 2 * _MIB),
    "joint": Message("host", _MIB, 1, _MIB),
    "model_given": Message("host", 64, 1 << 12, 4 * _GIB, bulk=True),
    "segment": Message("host", 64, 1 << 24, 4096 * _GIB, bulk=True),
    "claim": Message("enclave", _ONE_STATEMENT, 1, _ONE_STATEMENT),
    "fetch": Message("enclave", 64, 1 << 20, 64 * _MIB),
    "progress": Message("enclave", 128, 1 << 20, 128 * _MIB),
    "part": Message("enclave", 128, 1 << 16, 16 * _GIB, bulk=True),
    "quote_request": Message("enclave", 128, 1, 128),
    "fetch_model": Message("enclave", 64, 1, 64),
    "joint_made": Message("enclave", 512 * _KIB, 1, 512 * _KIB),
    "model_made": Message("enclave", 64, 1 << 12, 4 * _GIB, bulk=True),
    "done": Message("enclave", _ONE_STATEMENT, 1, _ONE_STATEMENT),
    "failed": Message("enclave", 2 * _KIB, 1, 2 * _KIB),
}
"""By the name of the message in ``Control``."""


@dataclass(frozen=True)
class Field:
    """What is allowed of one field.

    Attributes:
        longest: bytes of one value, for text, bytes, messages and packed numbers.
        most: how often it may stand in its message.
    """

    longest: int
    most: int = 1


_NUMBER: Final = Field(10)

FIELDS: Final[Mapping[str, Field]] = {
    "Control.sequence": _NUMBER,
    **{f"Control.{name}": Field(message.control) for name, message in MESSAGES.items()},
    "Begin.conventions": Field(_STATEMENT, 64),
    "Begin.order": Field(_STATEMENT),
    "Begin.challenges": Field(128, 256),
    "ChallengesEntry.key": Field(63),
    "ChallengesEntry.value": Field(32),
    "Begin.measurement": Field(32),
    "Begin.platform": Field(63),
    "QuoteRequest.binding": Field(64),
    "QuoteBundle.bundle": Field(2 * _MIB),
    "Begin.lots": Field(8 * _MIB, MOST_LOTS),
    "Lot.statement": Field(_STATEMENT),
    "Lot.receipt": Field(_STATEMENT),
    "Lot.segment_ids": Field(32, 1 << 18),
    "Lot.parts_per_bucket": Field(1 << 18),
    "Claim.statement": Field(_STATEMENT),
    "Release.partner": Field(63),
    "Release.statement": Field(_STATEMENT),
    "Release.blob": Field(_BLOB),
    "Release.share": Field(4 * _KIB),
    "GivenJoint.statement": Field(_STATEMENT),
    "GivenJoint.receipt": Field(_STATEMENT),
    "GivenJoint.evidence": Field(_STATEMENT),
    "GivenJoint.approvals": Field(_STATEMENT, 256),
    "GivenJoint.run": Field(_STATEMENT),
    "GivenJoint.run_receipt": Field(_STATEMENT),
    "GivenJoint.run_evidence": Field(_STATEMENT),
    "GivenJoint.run_order": Field(_STATEMENT),
    "Go.evidence": Field(_STATEMENT),
    "Fetch.lot": _NUMBER,
    "Fetch.first": _NUMBER,
    "Fetch.last": _NUMBER,
    "Segment.lot": _NUMBER,
    "Segment.bucket": _NUMBER,
    "Segment.part": _NUMBER,
    "Segment.size": _NUMBER,
    "Progress.stage": Field(32),
    "Progress.done": _NUMBER,
    "Progress.total": _NUMBER,
    "Part.grant": Field(63),
    "Part.part": _NUMBER,
    "Part.size": _NUMBER,
    "ModelPart.part": _NUMBER,
    "ModelPart.size": _NUMBER,
    "JointMade.statement": Field(_STATEMENT),
    "JointMade.shares": Field(5 * _KIB, 64),
    "SharesEntry.key": Field(63),
    "SharesEntry.value": Field(4 * _KIB),
    "Done.run": Field(_STATEMENT),
    "Failed.claim": Field(32),
    "Failed.expected": Field(600),
    "Failed.found": Field(600),
}
"""By message and name of the field."""


@dataclass(frozen=True)
class Times:
    """How long the enclave waits for its host, in seconds of the monotonic clock.

    Attributes:
        begin: from the start until the whole of Begin is there.
        answers: from the claim until Go is there.
        segment: from the moment when a segment is due until all its bytes are there.
        send: until the host has taken a whole frame.
        run: from the start to the end.
    """

    begin: float = 180
    answers: float = 900
    segment: float = 300
    send: float = 300
    run: float = 24 * 3600


class Ledger:
    """What one side has said so far in one run, held against the table."""

    def __init__(self, sender: Side) -> None:
        self._sender = sender
        self._said: dict[str, tuple[int, int]] = {}

    def take(self, name: str, size: int) -> None:
        """Count a message of ``size`` bytes, its bulk bytes included.

        Raises:
            MalformedFrame: that side may not say it, or not so often or so much.
        """
        rule = MESSAGES.get(name)
        if rule is None or rule.sender != self._sender:
            raise MalformedFrame("a control frame holds no message that its sender may send")
        frames, total = self._said.get(name, (0, 0))
        frames, total = frames + 1, total + size
        if frames > rule.frames or total > rule.total:
            raise MalformedFrame("there are more messages of one kind than a run may have")
        self._said[name] = (frames, total)


def longest(names: Collection[str]) -> int:
    """The longest control frame when one of these messages is due."""
    return max(MESSAGES[name].control for name in names)


def names_of(sender: Side) -> tuple[str, ...]:
    """The messages that one side may send."""
    return tuple(name for name, rule in MESSAGES.items() if rule.sender == sender)
