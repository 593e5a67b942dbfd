"""The bodies of statements as frozen dataclasses: one for each kind (docs/spec/statement.md).

Times are RFC 3339 UTC with seconds. :mod:`vigie.body_codec` reads and writes them as JSON, strictly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, TypeVar

from vigie.body_codec import FreeJson, Pattern, Size, decode, encode
from vigie.errors import MalformedStatement
from vigie.statement import Statement, text_of

Digest = Annotated[bytes, Size(32)]
LotId = Annotated[bytes, Size(16)]
SealingKey = Annotated[bytes, Size(1216)]
Time = Annotated[str, Pattern(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ")]
Date = Annotated[str, Pattern(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")]
Period = Annotated[str, Pattern(r"\d{4}-(0[1-9]|1[0-2])")]
Name = Annotated[str, Pattern(r"[a-z][a-z0-9_-]{0,62}")]
Word = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9 ._:,/+()=%<>-]{0,199}")]
Sentence = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]{1,500}")]
Object = Annotated[dict[str, Any], FreeJson()]


@dataclass(frozen=True)
class Approval:
    """A member accepts an enclave measurement; signed by that member."""

    convention: Digest
    measurement: Digest
    member: Name
    created: Time


@dataclass(frozen=True)
class Quality:
    """Counts of the node's validation: parsed = valid + rejected + skipped."""

    parsed: int
    valid: int
    rejected: int
    skipped: int
    warnings: int


@dataclass(frozen=True)
class Lot:
    """One delivery of one dataset by one partner for one period (protocol section 5); signed by the partner."""

    convention: Digest
    epoch: int
    lot: LotId
    lot_key: SealingKey
    partner: Name
    dataset: Name
    schema: int
    period: Period
    as_of: Date
    delivery: Literal["snapshot", "delta"]
    base: LotId | None
    supersedes: LotId | None
    shrink_confirmed: bool
    rows_class: int
    companies_class: int
    bytes: int
    segments: int
    segment_root: Digest
    quality: Quality
    created: Time


@dataclass(frozen=True)
class Evaluation:
    """A blind batch (protocol section 4): stage ``requested`` by the requester, ``evaluated`` by the evaluator.

    ``elements`` is SHA-256 of the concatenated blinded elements. ``request`` (digest of the requested statement) and
    ``total`` (elements charged to this requester and epoch so far) are set by the evaluator only.
    """

    convention: Digest
    epoch: int
    requester: Name
    evaluator: Name
    sequence: int
    elements: Digest
    count: int
    stage: Literal["requested", "evaluated"]
    request: Digest | None
    total: int | None
    created: Time


@dataclass(frozen=True)
class Order:
    """A consolidation is wanted (protocol section 8); signed with a hub operator key. ``lots``: statement digests.

    ``model``: ``train``, or the hexadecimal digest of a model that a run of the same purpose trained.
    """

    convention: Digest
    epoch: int
    period: Period
    purpose: Name
    lots: tuple[Digest, ...]
    states: tuple[Digest, ...]
    model: Annotated[str, Pattern(r"train|[0-9a-f]{64}")]
    deadline: Time
    created: Time


ORDER_GRACE: Final = timedelta(minutes=15)
"""How long after its deadline an order may still be carried out.

Members answer until the deadline; challenges, evidence and releases come after it when somebody did not answer.
"""


@dataclass(frozen=True)
class Evidence:
    """What the enclave is (protocol section 7); signed by the hub's host key and the enclave's own key named in it.

    ``quote`` is the digest of the quote bundle that travels beside, null exactly on the platform ``software``.
    """

    convention: Digest
    order: Digest
    enclave_key: SealingKey
    enclave_signing_key: Digest
    challenges: dict[Name, Digest]
    measurement: Digest
    policy: Digest
    platform: Literal["software", "tpm", "sev-snp", "tdx", "sgx", "nitro", "azure-sev-snp", "azure-tdx"]
    layers: dict[Name, Word]
    host: dict[Name, Word]
    quote: Digest | None
    created: Time


@dataclass(frozen=True)
class Reason:
    """Why something was refused: the rule, what it wants, what there was."""

    claim: Word
    expected: Sentence
    found: Sentence


@dataclass(frozen=True)
class Release:
    """A partner opens named lots to that evidence and order, or refuses with a reason; signed by the partner.

    ``evidence`` is null only for a refusal made before any enclave was started; ``blob`` is SHA-256 of the sealed keys.
    ``share`` is SHA-256 of the sealed share of the joint key, when one is given; a custodian without lots of the order
    gives a share alone.
    """

    convention: Digest
    order: Digest
    evidence: Digest | None
    partner: Name
    decision: Literal["released", "refused"]
    lots: tuple[Digest, ...]
    blob: Digest | None
    reason: Reason | None
    created: Time
    share: Digest | None = None


@dataclass(frozen=True)
class RunResult:
    """One sealed result: RFC 6962 root of its part ids, number of parts, sum of the parts' size classes in bytes."""

    grant: Name
    recipient: Name
    digest: Digest
    parts: int
    size_class: int


@dataclass(frozen=True)
class SealedModel:
    """A model as it left the enclave (docs/spec/joint.md): root of its part ids, their number, sum of their plain bytes."""

    digest: Digest
    parts: int
    size_class: int


@dataclass(frozen=True)
class Run:
    """What went in and came out (protocol section 8); signed by the enclave's key of the evidence that it names.

    ``releases``: for each partner whose lots the order names, the hexadecimal digest of its release or refusal, or
    ``none``; with a model in the order, for its custodians too. ``joint`` is the newest statement about the key that the
    model is sealed to; ``sealed`` is set where the run trained it; ``shares`` says what each custodian's share was worth.
    """

    convention: Digest
    evidence: Digest
    order: Digest
    releases: dict[Name, Annotated[str, Pattern(r"none|[0-9a-f]{64}")]]
    model: Digest
    model_card: Object
    metrics: Object
    results: tuple[RunResult, ...]
    level: Literal["A0", "A1", "A2", "A3", "A4"]
    created: Time
    joint: Digest | None = None
    sealed: SealedModel | None = None
    shares: dict[Name, Literal["sound", "wrong", "none"]] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivery:
    """A result was fetched, checked and opened by its recipient; signed by the recipient."""

    convention: Digest
    run: Digest
    grant: Name
    recipient: Name
    result: Digest
    level: Literal["A0", "A1", "A2", "A3", "A4"]
    created: Time


@dataclass(frozen=True)
class Refusal:
    """A refusal, as a journal entry; signed by the member that refused (the hub with its ``host`` key).

    ``subject`` is the digest of the statement refused, when there was one; ``count`` is above 1 in an hourly summary.
    """

    convention: Digest
    by: Name
    about: Name | None
    subject: Digest | None
    reason: Reason
    count: int
    created: Time


@dataclass(frozen=True)
class PerimeterShare:
    """What one recipient gets: RFC 6962 root of the ids of its sealed parts, their bytes in all, their number."""

    digest: Digest
    bytes: int
    parts: int


@dataclass(frozen=True)
class Perimeter:
    """The companies looked at, shared as sealed marks (docs/spec/perimeter.md); signed by the convention's owner.

    ``perimeter`` is the id of this content for its owner, ``companies_class`` the size class of the number of companies,
    ``supersedes`` the perimeter of the epoch that this one replaces.
    """

    convention: Digest
    epoch: int
    perimeter: LotId
    period: Period
    owner: Name
    recipients: dict[Name, PerimeterShare]
    companies_class: int
    supersedes: LotId | None
    created: Time


@dataclass(frozen=True)
class JointShare:
    """One custodian's share: its number, and how it is recognised (docs/spec/joint.md).

    ``index`` is that of its organisation, from 1; ``digest`` is SHA-256 of the salted words, ``blob`` of the sealed share.
    """

    custodian: Name
    index: int
    salt: Digest
    digest: Digest
    blob: Digest


@dataclass(frozen=True)
class Joint:
    """The joint key was drawn, or shared anew (docs/spec/joint.md); signed by the enclave's key of the evidence named.

    ``epoch`` is that in which it was drawn, ``key`` its id, ``public`` its public half; any ``threshold`` organisations
    open it; ``previous`` is the digest of the statement whose shares these replace, null when the key was drawn.
    """

    convention: Digest
    epoch: int
    key: LotId
    public: SealingKey
    threshold: int
    evidence: Digest
    order: Digest
    previous: Digest | None
    shares: tuple[JointShare, ...]
    created: Time


@dataclass(frozen=True)
class Erasure:
    """A member has destroyed the seed of an epoch (docs/spec/erasure.md); signed by that member.

    ``lots`` are the statement digests of the lots that the member knows to be lost by it. Every lot of that member and
    epoch is withdrawn, named or not: none of them can be opened any more.
    """

    convention: Digest
    member: Name
    epoch: int
    lots: tuple[Digest, ...]
    reason: Sentence | None
    created: Time


Body = Approval | Lot | Evaluation | Order | Evidence | Release | Run | Delivery | Refusal | Perimeter | Joint | Erasure

BODIES: Final[Mapping[str, type[Body]]] = {
    "approval": Approval,
    "lot": Lot,
    "evaluation": Evaluation,
    "order": Order,
    "evidence": Evidence,
    "release": Release,
    "run": Run,
    "delivery": Delivery,
    "refusal": Refusal,
    "perimeter": Perimeter,
    "joint": Joint,
    "erasure": Erasure,
}
"""The body class of each JSON kind."""

B = TypeVar("B")


def kind_of(body: Body) -> str:
    """Return the kind of statement that ``body`` belongs to."""
    return type(body).__name__.lower()


def text_for(body: Body) -> bytes:
    """Return the statement text to sign for ``body``."""
    return text_of(kind_of(body), encode(body))


def read(statement: Statement, cls: type[B]) -> B:
    """Return the typed body of ``statement``, which must be of the kind of ``cls``.

    Raises:
        MalformedStatement: another kind, or a body that is not of that form.
    """
    if BODIES.get(statement.kind) is not cls:
        raise MalformedStatement(f"this is a statement of kind {statement.kind}, not {cls.__name__.lower()}")
    return decode(cls, statement.body)
