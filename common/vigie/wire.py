"""Errors on the wire: one frozen table from error class to gRPC status and a public sentence.

A server aborts with the status and the public sentence, and puts what the caller needs in order to act into the
trailing metadata ``vigie-error``: one line of ASCII JSON ``{class, message, hint}`` and, where the class has them,
``claim``, ``expected``, ``found`` or ``size``. A client turns that back into the same class. Between members that speak
over the ``Attend`` stream the same two functions work on a code and a message.

The rule it keeps: what the table does not name is an internal error, and the text of an internal error never leaves
the process that it happened in. What the other side sent is checked like any input: an unreadable or unknown
``vigie-error`` falls back to what the gRPC status alone says.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NoReturn, Protocol

import grpc

from vigie import errors
from vigie.errors import Refused, Unavailable, VigieError, WitnessConflict

METADATA_KEY: Final = "vigie-error"
"""Trailing metadata that carries the error."""
MAX_TEXT: Final = 600
"""Characters of one text in the metadata; longer is cut."""

MESSAGE_CAP: Final = 4 * 1024 * 1024
"""The largest gRPC message, in bytes, that either side accepts (protocol section 10)."""


@dataclass(frozen=True)
class Row:
    """How one error class travels.

    Attributes:
        status: the gRPC status.
        sentence: what anyone may read.
        private: the error's own message stays on the server; the caller gets the sentence only.
    """

    status: grpc.StatusCode
    sentence: str
    private: bool = False


_S = grpc.StatusCode
TABLE: Final[Mapping[type[VigieError], Row]] = MappingProxyType(
    {
        errors.InputError: Row(_S.INVALID_ARGUMENT, "The input must be mended by who gave it."),
        errors.ExtractError: Row(_S.INVALID_ARGUMENT, "The extract cannot be used."),
        errors.ConfigError: Row(_S.INTERNAL, "The other side is not configured as it must be.", private=True),
        errors.WrongPassphrase: Row(_S.INTERNAL, "The other side cannot open its keys.", private=True),
        errors.Malformed: Row(_S.INVALID_ARGUMENT, "The bytes received are not what they claim to be."),
        errors.MalformedNote: Row(_S.INVALID_ARGUMENT, "The bytes received are not a signed note."),
        errors.MalformedStatement: Row(_S.INVALID_ARGUMENT, "The bytes received are not a statement."),
        errors.MalformedConvention: Row(_S.INVALID_ARGUMENT, "The bytes received are not a convention."),
        errors.MalformedSegment: Row(_S.INVALID_ARGUMENT, "The bytes received are not a segment of this lot."),
        errors.MalformedEvidence: Row(_S.INVALID_ARGUMENT, "The bytes received are not hardware evidence."),
        errors.MalformedModel: Row(_S.INTERNAL, "The model is not what a model must be.", private=True),
        errors.MalformedFrame: Row(_S.INTERNAL, "The enclave does not speak as it must.", private=True),
        errors.Untrusted: Row(_S.UNAUTHENTICATED, "What was received proves nothing."),
        errors.BadSignature: Row(_S.UNAUTHENTICATED, "A signature that is needed is missing or wrong."),
        errors.BadProof: Row(_S.UNAUTHENTICATED, "A proof or digest does not verify."),
        errors.BadSeal: Row(_S.UNAUTHENTICATED, "A sealed message does not open here."),
        errors.WitnessConflict: Row(_S.ABORTED, "The witness last signed another size."),
        errors.Refused: Row(_S.PERMISSION_DENIED, "Refused."),
        errors.Missing: Row(_S.NOT_FOUND, "What was asked for is not there."),
        errors.Unavailable: Row(_S.UNAVAILABLE, "The other side is busy or not there: try again later."),
        errors.StateError: Row(_S.INTERNAL, "The other side has stopped on an error of its own.", private=True),
    }
)
"""Every class of :mod:`vigie.errors` but its root; a test holds that."""

INTERNAL: Final = Row(_S.INTERNAL, "An internal error happened on the other side.", private=True)
"""What an error outside the table becomes."""

_BY_NAME: Final[Mapping[str, type[VigieError]]] = MappingProxyType({cls.__name__: cls for cls in TABLE})

_BY_STATUS: Final[Mapping[grpc.StatusCode, type[VigieError]]] = MappingProxyType(
    {
        _S.INVALID_ARGUMENT: errors.Malformed,
        _S.UNAUTHENTICATED: errors.Untrusted,
        _S.NOT_FOUND: errors.Missing,
    }
)


class AbortsRpc(Protocol):
    """The part of a gRPC servicer context that ends a call."""

    async def abort(self, code: grpc.StatusCode, details: str = ..., trailing_metadata: Any = ...) -> NoReturn:
        """End the call with a status."""


class RpcFailure(Protocol):
    """The part of ``grpc.aio.AioRpcError`` that is read here."""

    def code(self) -> grpc.StatusCode:
        """The status."""

    def details(self) -> str | None:
        """The status message."""

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """What the server sent at the end."""


def row_for(error: BaseException) -> Row:
    """Return how ``error`` travels: the row of its class or of the nearest base in the table."""
    for cls in type(error).__mro__:
        row = TABLE.get(cls)
        if row is not None:
            return row
    return INTERNAL


def status_for(error: BaseException) -> grpc.StatusCode:
    """Return the gRPC status that ``error`` travels as."""
    return row_for(error).status


def describe(error: BaseException) -> tuple[str, str]:
    """Return the (class name, public message) of ``error``, as the ``Attend`` stream carries them."""
    fields = _fields(error)
    return fields["class"], fields["message"]


def to_json(error: BaseException) -> str:
    """Return the ASCII JSON of ``error`` for the trailing metadata."""
    return json.dumps(_fields(error), ensure_ascii=True, separators=(",", ":"))


async def abort(context: AbortsRpc, error: BaseException) -> NoReturn:
    """End an RPC with ``error``; an error that the table does not name ends as a bare internal error."""
    row = row_for(error)
    await context.abort(row.status, row.sentence, trailing_metadata=((METADATA_KEY, to_json(error)),))
    raise AssertionError("abort returned")  # grpc.aio's abort always raises; this is for readers and for mypy


def revive(code: str, message: str, *, fields: Mapping[str, Any] | None = None) -> VigieError:
    """Return the error that a peer named by its class and message; an unknown class becomes :class:`Unavailable`.

    The peer's failures of its own state or configuration are not ours: they too come back as :class:`Unavailable`.
    """
    fields = fields or {}
    cls = _BY_NAME.get(code)
    hint = _text(fields.get("hint"))
    if cls is None or TABLE[cls].private:
        return Unavailable(_text(message) or INTERNAL.sentence, hint=hint or "its log says why")
    if issubclass(cls, Refused):
        claim, expected, found = (_text(fields.get(key)) for key in ("claim", "expected", "found"))
        if not claim:
            return Refused("refused", expected="what the other side allows", found=_text(message) or "another thing")
        return Refused(claim, expected=expected, found=found, hint=hint)
    if issubclass(cls, WitnessConflict):
        size = fields.get("size")
        return WitnessConflict(_text(message), size=size if type(size) is int and size >= 0 else 0, hint=hint)
    return cls(_text(message) or TABLE[cls].sentence, hint=hint)


def from_rpc(error: RpcFailure) -> VigieError:
    """Return the :class:`VigieError` that a failed RPC stands for; never raises on what the peer sent."""
    for key, value in error.trailing_metadata() or ():
        if key == METADATA_KEY:
            fields = _read(value)
            if fields is not None:
                return revive(_text(fields.get("class")), _text(fields.get("message")), fields=fields)
    status, details = error.code(), _text(error.details())
    if status is grpc.StatusCode.PERMISSION_DENIED:
        return Refused("permission", expected="a caller with that right", found=details or "another caller")
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return Refused("size", expected=f"a message of at most {MESSAGE_CAP} bytes", found="a larger one or no room")
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return Refused("method", expected="a method that the other side has", found="one that it does not")
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unavailable("the other side did not answer in time")
    cls = _BY_STATUS.get(status)
    if cls is not None:
        return cls(details or TABLE[cls].sentence)
    return Unavailable(f"the other side cannot be reached ({status.name.lower().replace('_', ' ')})", hint=details)


def _fields(error: BaseException) -> dict[str, Any]:
    row = row_for(error)
    if row.private or not isinstance(error, VigieError):
        name = "Unavailable" if not isinstance(error, VigieError) else type(error).__name__
        return {"class": name, "message": row.sentence}
    name = next((cls.__name__ for cls in type(error).__mro__ if cls in TABLE), "Unavailable")
    fields: dict[str, Any] = {"class": name, "message": _text(error.message), "hint": _text(error.hint)}
    if isinstance(error, Refused):
        fields |= {"claim": _text(error.claim), "expected": _text(error.expected), "found": _text(error.found)}
    if isinstance(error, WitnessConflict):
        fields["size"] = error.size
    return fields


def _read(value: str | bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(value)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    return fields if isinstance(fields, dict) else None


def _text(value: object) -> str:
    """Bounded, printable text out of whatever the peer sent."""
    if not isinstance(value, str):
        return ""
    cut = value[:MAX_TEXT]
    return "".join(character if character.isprintable() else " " for character in cut).strip()
