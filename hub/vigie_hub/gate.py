"""The gate that every call passes: who calls, may they, for how long, and how do errors leave.

1. The caller is the member whose certificate was presented, by its SHA-256 in the current convention; never by a name.
2. The method is in :data:`vigie_hub.table.RULES`, and the caller has one of its roles.
3. The call ends in time.
4. An error leaves as the frozen table of :mod:`vigie.wire` says; a refusal to a member enters the journal.

The rule it keeps: a servicer runs only after 1 and 2, and finds its caller with :func:`caller`.
"""

import asyncio
import hashlib
import inspect
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from prometheus_client import Counter

from vigie import statement, wire
from vigie.convention import Member
from vigie.errors import Malformed, Refused, Unavailable, VigieError
from vigie_hub.config import Limits
from vigie_hub.table import RULES, Rule, Time

Identify = Callable[[bytes], Member | None]
"""SHA-256 of a certificate → the member that has it."""
OnRefusal = Callable[[str, Refused, bytes | None], Awaitable[None]]
"""Told that the member of that name was refused, and the digest of the statement that it was about, if any."""

CALLS: Final = Counter("vigie_hub_calls_total", "Calls by method and outcome", ["method", "outcome"])

_log = structlog.get_logger("vigie.hub.gate")
_caller: ContextVar[Member] = ContextVar("vigie_hub_caller")
_subject: ContextVar[bytes | None] = ContextVar("vigie_hub_subject", default=None)


def caller() -> Member:
    """The member that makes the call under way."""
    return _caller.get()


def about(raw: bytes) -> bytes:
    """Note that the call under way is about this statement, for the entry if it is refused; returns ``raw``."""
    try:
        _subject.set(statement.parse(raw).digest)
    except Malformed:
        _subject.set(None)
    return raw


class Gate(grpc.aio.ServerInterceptor):
    """Wraps every method of the server.

    Args:
        identify: finds members by certificate.
        on_refusal: journals refusals.
        limits: for the deadlines.
    """

    def __init__(self, identify: Identify, on_refusal: OnRefusal, limits: Limits) -> None:
        self._identify = identify
        self._on_refusal = on_refusal
        self._seconds = {Time.UNARY: limits.unary_seconds, Time.EVALUATE: limits.evaluate_seconds, Time.STREAM: None}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Return the handler with the gate around it; a method that nobody serves is refused like one not in the table."""
        method = handler_call_details.method
        name = method.decode(errors="replace") if isinstance(method, bytes) else str(method)
        handler = await continuation(handler_call_details)
        if handler is None or name not in RULES:
            return grpc.unary_unary_rpc_method_handler(self._refuse_unknown)
        guarded = _Guarded(self, name, RULES[name])
        coders = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(guarded.stream(handler.stream_stream), **coders)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(guarded.stream(handler.unary_stream), **coders)
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(guarded.unary(handler.stream_unary), **coders)
        return grpc.unary_unary_rpc_method_handler(guarded.unary(handler.unary_unary), **coders)

    def identify(self, context: Any) -> Member:
        """Step 1.

        Raises:
            Refused: not a member of the current convention.
        """
        presented = (context.auth_context() or {}).get("x509_pem_cert") or [b""]
        member = self._identify(certificate_digest(bytes(presented[0]))) if presented[0] else None
        if member is None:
            raise Refused("member", expected="the certificate of a member of the current convention", found="another")
        return member

    def permit(self, member: Member, method: str, rule: Rule) -> None:
        """Step 2.

        Raises:
            Refused: not of a role that may call this.
        """
        if not rule.roles & member.roles:
            raise Refused(
                "role",
                expected=f"a caller with the role {' or '.join(sorted(rule.roles))} for {method.rpartition('/')[2]}",
                found=", ".join(sorted(member.roles)) or "no role",
            )

    async def leave(self, context: Any, method: str, member: Member | None, error: BaseException) -> None:
        """Step 4: end the call with ``error``."""
        if isinstance(error, NotImplementedError):  # a method of a foreign service that its library left out
            error = Refused("method", expected="a method that the hub serves", found="one that it does not")
        CALLS.labels(method, type(error).__name__ if isinstance(error, VigieError) else "internal").inc()
        name = member.name if member else None
        if isinstance(error, Refused):
            _log.warning("refused", method=method, member=name, claim=error.claim)
            if member is not None:
                try:
                    await self._on_refusal(member.name, error, _subject.get())
                except VigieError as exc:  # the caller is told of its refusal whatever becomes of the entry
                    _log.error("refusal not journaled", error=exc.message)
        elif isinstance(error, VigieError):
            _log.warning("failed", method=method, member=name, error=type(error).__name__, message=error.message)
        else:
            _log.error("internal error", method=method, member=name, exc_info=error)
        await wire.abort(context, error)

    def seconds(self, rule: Rule) -> int | None:
        """Step 3: the bound of a call."""
        return self._seconds[rule.time]

    async def _refuse_unknown(self, request: Any, context: Any) -> None:
        await wire.abort(context, Refused("method", expected="a method of the table", found="another"))


class _Guarded:
    def __init__(self, gate: Gate, method: str, rule: Rule) -> None:
        self._gate = gate
        self._method = method
        self._rule = rule

    def unary(self, behaviour: Any) -> Any:
        async def guarded(request: Any, context: Any) -> Any:
            member: Member | None = None
            try:
                member = self._gate.identify(context)
                self._gate.permit(member, self._method, self._rule)
                _caller.set(member)
                async with asyncio.timeout(self._gate.seconds(self._rule)):
                    answer = await behaviour(request, context)
            except TimeoutError:
                await self._gate.leave(context, self._method, member, Unavailable("the call took too long"))
            except Exception as error:  # noqa: BLE001 - the one place where errors leave; none may leave raw
                await self._gate.leave(context, self._method, member, error)
            else:
                CALLS.labels(self._method, "ok").inc()
                return answer

        return guarded

    def stream(self, behaviour: Any) -> Any:
        if not inspect.isasyncgenfunction(behaviour):
            return self.writing(behaviour)

        async def guarded(request: Any, context: Any) -> AsyncIterator[Any]:
            member: Member | None = None
            try:
                member = self._gate.identify(context)
                self._gate.permit(member, self._method, self._rule)
                _caller.set(member)
                async for item in behaviour(request, context):
                    yield item
            except Exception as error:  # noqa: BLE001 - as above
                await self._gate.leave(context, self._method, member, error)
            else:
                CALLS.labels(self._method, "ok").inc()

        return guarded

    def writing(self, behaviour: Any) -> Any:
        """Guard a stream that its servicer writes to, instead of yielding (the health service does)."""

        async def guarded(request: Any, context: Any) -> None:
            member: Member | None = None
            try:
                member = self._gate.identify(context)
                self._gate.permit(member, self._method, self._rule)
                _caller.set(member)
                await behaviour(request, context)
            except Exception as error:  # noqa: BLE001 - as above
                await self._gate.leave(context, self._method, member, error)
            else:
                CALLS.labels(self._method, "ok").inc()

        return guarded


@lru_cache(maxsize=256)
def certificate_digest(pem: bytes) -> bytes:
    """SHA-256 of the DER of a PEM certificate; of nothing, when it is none."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode("ascii").strip() + "\n")).digest()
    except (ValueError, UnicodeDecodeError):
        return b""


def bounded(values: Any, most: int, what: str) -> list[Any]:
    """The repeated field ``values`` as a list of at most ``most`` items.

    Raises:
        Malformed: there are more.
    """
    if len(values) > most:
        raise Malformed(f"a message has at most {most} {what}")
    return list(values)
