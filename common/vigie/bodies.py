"""The bodies of statements as frozen dataclasses, and the strict codec between them and canonical JSON.

One dataclass for each kind (docs/spec/statement.md). Bytes are lower-case hexadecimal, times are RFC 3339 UTC with
seconds. A missing or unknown key, a wrong type, a wrong length or a wrong pattern is refused by :func:`decode`.
"""

import dataclasses
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from vigie.errors import MalformedStatement
from vigie.statement import Statement, text_of


@dataclass(frozen=True)
class Size:
    """Exact number of bytes of a bytes field."""

    size: int


@dataclass(frozen=True)
class Pattern:
    """Regular expression that a whole text field matches; digits are ASCII digits."""

    pattern: str


@dataclass(frozen=True)
class FreeJson:
    """Marks a field that holds any JSON object (a model card, metrics)."""


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
    """A consolidation is wanted (protocol section 8); signed with a hub operator key. ``lots``: statement digests."""

    convention: Digest
    epoch: int
    period: Period
    purpose: Name
    lots: tuple[Digest, ...]
    states: tuple[Digest, ...]
    model: Literal["train"]
    deadline: Time
    created: Time


ORDER_GRACE: Final = timedelta(minutes=15)
"""How long after its deadline an order may still be carried out.

Members answer until the deadline; challenges, evidence and releases come after it when somebody did not answer.
"""


@dataclass(frozen=True)
class Evidence:
    """What the enclave is (protocol section 7); signed by the hub's host key and the enclave's own key named in it."""

    convention: Digest
    order: Digest
    enclave_key: SealingKey
    enclave_signing_key: Digest
    challenges: dict[Name, Digest]
    measurement: Digest
    policy: Digest
    platform: Literal["software", "tpm", "sev-snp", "tdx", "sgx", "nitro"]
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


@dataclass(frozen=True)
class RunResult:
    """One sealed result: RFC 6962 root of its part ids, number of parts, sum of the parts' size classes in bytes."""

    grant: Name
    recipient: Name
    digest: Digest
    parts: int
    size_class: int


@dataclass(frozen=True)
class Run:
    """What went in and came out (protocol section 8); signed by the enclave's key of the evidence that it names.

    ``releases``: for each partner whose lots the order names, the hexadecimal digest of its release or refusal, or
    ``none``.
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


Body = Approval | Lot | Evaluation | Order | Evidence | Release | Run | Delivery | Refusal | Perimeter

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
}
"""The body class of each JSON kind."""

B = TypeVar("B")


def kind_of(body: Body) -> str:
    """Return the kind of statement that ``body`` belongs to."""
    return type(body).__name__.lower()


def text_for(body: Body) -> bytes:
    """Return the statement text to sign for ``body``."""
    return text_of(kind_of(body), encode(body))


def encode(body: object) -> dict[str, Any]:
    """Return the JSON object of a body."""
    if not dataclasses.is_dataclass(body):
        raise TypeError("only a body can be encoded")
    return {field.name: _to_json(getattr(body, field.name)) for field in dataclasses.fields(body)}


def read(statement: Statement, cls: type[B]) -> B:
    """Return the typed body of ``statement``, which must be of the kind of ``cls``.

    Raises:
        MalformedStatement: another kind, or a body that is not of that form.
    """
    if BODIES.get(statement.kind) is not cls:
        raise MalformedStatement(f"this is a statement of kind {statement.kind}, not {cls.__name__.lower()}")
    return decode(cls, statement.body)


def decode(cls: type[B], value: Any, *, where: str = "") -> B:
    """Read a JSON object strictly into the dataclass ``cls``.

    Raises:
        MalformedStatement: the message names the key, never its value.
    """
    hints = _hints(cls)  # type: ignore[arg-type]
    what = where.removesuffix(".") or cls.__name__.lower()
    if not isinstance(value, Mapping):
        raise MalformedStatement(f"{what} is not an object")
    unknown, missing = sorted(set(value) - set(hints)), sorted(set(hints) - set(value))
    if unknown or missing:
        raise MalformedStatement(
            f"{what} has the unknown key {unknown[0][:64]!r}" if unknown else f"{what} lacks the key {missing[0]!r}"
        )
    return cls(**{name: _from_json(hint, value[name], f"{where}{name}") for name, hint in hints.items()})


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return encode(value)
    return value


def _from_json(hint: Any, value: Any, where: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _constrained(args[0], args[1], value, where)
    if origin in (Union, types.UnionType):
        return None if value is None else _from_json(args[0], value, where)
    if origin is Literal:
        if value not in args or isinstance(value, bool):
            raise MalformedStatement(f"{where} is not one of {', '.join(args)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise MalformedStatement(f"{where} is not a list")
        return tuple(_from_json(args[0], item, f"{where}[{place}]") for place, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise MalformedStatement(f"{where} is not an object")
        return {
            _from_json(args[0], key, f"a key of {where}"): _from_json(args[1], item, f"{where}.{key[:64]}")
            for key, item in value.items()
        }
    if dataclasses.is_dataclass(hint):
        return decode(hint, value, where=f"{where}.")  # type: ignore[arg-type]
    return _plain(hint, value, where)


def _plain(hint: Any, value: Any, where: str) -> Any:
    if hint is int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
            return value
        raise MalformedStatement(f"{where} is not a whole number from 0 to 2^53 - 1")
    if type(value) is not hint:
        raise MalformedStatement(f"{where} is not of type {hint.__name__}")
    return value


def _constrained(base: Any, rule: object, value: Any, where: str) -> Any:
    if isinstance(rule, FreeJson):
        if not isinstance(value, dict):
            raise MalformedStatement(f"{where} is not an object")
        return value
    if not isinstance(value, str):
        raise MalformedStatement(f"{where} is not text")
    if isinstance(rule, Size):
        if re.fullmatch(r"[0-9a-f]*", value) is None or len(value) != 2 * rule.size:
            raise MalformedStatement(f"{where} is not {rule.size} bytes in lower-case hexadecimal")
        return bytes.fromhex(value)
    if isinstance(rule, Pattern) and re.fullmatch(rule.pattern, value, re.ASCII) is None:
        raise MalformedStatement(f"{where} does not have the form that is asked for")
    return base(value)
