"""What host and enclave say to each other, as values; :mod:`vigie_hub.enclave.channel` puts them on the wire."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class GivenLot:
    """A lot that the order names, as the host gives it; nothing about it is believed yet."""

    statement: bytes
    receipt: bytes
    segment_ids: tuple[bytes, ...]
    parts_per_bucket: tuple[int, ...]


@dataclass(frozen=True)
class Begin:
    """First message to the enclave: what it needs to say what it is. ``platform``: of which the host can give a quote."""

    conventions: tuple[bytes, ...]
    order: bytes
    challenges: Mapping[str, bytes]
    measurement: bytes
    lots: tuple[GivenLot, ...]
    platform: str = "software"


@dataclass(frozen=True)
class PartnerRelease:
    """One member's answer: its signed release, the sealed keys when it released, the sealed share when it gave one."""

    partner: str
    statement: bytes
    blob: bytes
    share: bytes = b""


@dataclass(frozen=True)
class GivenJoint:
    """The newest statement about the joint key, and what it rests on; nothing about it is believed yet.

    The ``run…`` fields are those of the run that trained the model which the order names; empty when it names none.
    """

    statement: bytes
    receipt: bytes
    evidence: bytes
    approvals: tuple[bytes, ...]
    run: bytes
    run_receipt: bytes
    run_evidence: bytes
    run_order: bytes


@dataclass(frozen=True)
class Go:
    """No more releases will come; ``evidence`` is the statement with both signatures, as journaled."""

    evidence: bytes


@dataclass(frozen=True)
class GivenQuote:
    """The quote bundle that was asked for."""

    bundle: bytes


@dataclass(frozen=True)
class SealedPart:
    """One sealed segment of a lot, in answer to a fetch; a view of its content is good until the next part comes."""

    lot: int
    bucket: int
    part: int
    content: bytes | memoryview


@dataclass(frozen=True)
class GivenModelPart:
    """One sealed part of the model that the order names, in answer to a fetch."""

    part: int
    content: bytes


FromHost = Begin | PartnerRelease | GivenJoint | Go | GivenQuote | SealedPart | GivenModelPart


@dataclass(frozen=True)
class Claim:
    """The evidence statement with the enclave's own signature."""

    statement: bytes


@dataclass(frozen=True)
class WantQuote:
    """Ask for a quote that binds these bytes."""

    binding: bytes


@dataclass(frozen=True)
class Fetch:
    """Ask for all parts of the buckets first..last of the lot at that place in ``Begin.lots``."""

    lot: int
    first: int
    last: int


@dataclass(frozen=True)
class Progress:
    """How far the run is: a stable word and two numbers."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class ResultPart:
    """One sealed part of a result."""

    grant: str
    part: int
    content: bytes


@dataclass(frozen=True)
class FetchModel:
    """Ask for all sealed parts of the model that the order names."""


@dataclass(frozen=True)
class JointMade:
    """The joint key was drawn or shared anew: the signed statement, and each custodian's sealed share."""

    statement: bytes
    shares: Mapping[str, bytes]


@dataclass(frozen=True)
class ModelPart:
    """One sealed part of the model that was trained."""

    part: int
    content: bytes


@dataclass(frozen=True)
class Done:
    """The signed run; the enclave exits after it."""

    run: bytes


@dataclass(frozen=True)
class Failed:
    """Why the enclave stopped: a stable word of the rule, what it wanted, what it found; no partner data."""

    claim: str
    expected: str
    found: str


ToHost = Claim | WantQuote | Fetch | FetchModel | Progress | ResultPart | JointMade | ModelPart | Done | Failed
