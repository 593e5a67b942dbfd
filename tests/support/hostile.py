"""A hub that is not honest: it holds the hub's own keys, stands where the hub should, and changes what it passes on.

Members connect to it and trust it, as its certificate is the hub's. What it does not spoil it takes from an honest hub
behind it, speaking there with the keys of the member in front. That it has those too is a convenience of the test: all
that a member sees is what a dishonest operator of the hub could send.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vigie.client import channel_under
from vigie.convention import Convention
from vigie.keyring import Keyring
from vigie.v1 import exchange_pb2 as pb

T = TypeVar("T")

Spoil = Callable[[str, str, bool, bytes], bytes | None]
"""(member, method, towards the hub?, message) → what is passed on instead; nothing drops it."""

ATTEND = "/vigie.v1.Relay/Attend"
EVALUATE = "/vigie.v1.Relay/Evaluate"
FETCH = "/vigie.v1.Results/Fetch"
LIST = "/vigie.v1.Results/List"
_OURS = 1 << 40  # ids of questions that the honest hub knows nothing about
_CAP = [("grpc.max_receive_message_length", 4 << 20), ("grpc.max_send_message_length", 4 << 20)]


def honest(_member: str, _method: str, _up: bool, message: bytes) -> bytes:
    """Change nothing."""
    return message


@dataclass
class HostileHub:
    """A dishonest hub before an honest one.

    Attributes:
        target: ``host:port`` of the honest hub.
        convention: that of all.
        keyrings: of the hub and of every member that may connect, by name.
        spoil: changes what passes; may be replaced at any time.
    """

    target: str
    convention: Convention
    keyrings: Mapping[str, Keyring]
    spoil: Spoil = honest
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _server: grpc.aio.Server | None = None
    _channels: dict[str, grpc.aio.Channel] = field(default_factory=dict)
    _attending: dict[str, asyncio.Queue[bytes]] = field(default_factory=dict)
    _asked: dict[int, Future[pb.AttendAnswer]] = field(default_factory=dict)

    def start(self) -> str:
        """Listen on a free port and return ``host:port``."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="hostile hub", daemon=True)
        self._thread.start()
        return self._call(self._listen())

    def stop(self) -> None:
        """Stop."""
        if self._thread is not None:
            self._call(self._close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None

    def ask(self, member: str, question: pb.AttendRequest, seconds: float = 60) -> pb.AttendAnswer:
        """Ask an attending member something of our own over its open stream; the honest hub learns nothing of it."""

        async def put() -> Future[pb.AttendAnswer]:
            number = _OURS + len(self._asked)
            question.id = number
            self._asked[number] = Future()
            await self._attending[member].put(question.SerializeToString())
            return self._asked[number]

        return self._call(put()).result(seconds)

    def fetch(self, member: str, run: bytes, grant: str) -> list[bytes]:
        """What the honest hub answers that member to Fetch, message by message."""

        async def work() -> list[bytes]:
            ask: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self._channels[member].unary_stream(FETCH)
            call = ask(pb.FetchResultRequest(run=run, grant=grant).SerializeToString(), timeout=60)
            return [message async for message in call]

        return self._call(work())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)

    async def _listen(self) -> str:
        for name, keyring in self.keyrings.items():
            key, certificate = keyring.tls()
            self._channels[name] = channel_under(self.convention, self.target, key_pem=key, cert_pem=certificate)
        roots = b"".join(member.certificate_pem for member in self.convention.members.values())
        own = self.keyrings[self.convention.hub].tls()
        self._server = grpc.aio.server(options=_CAP)
        self._server.add_generic_rpc_handlers((_Everything(self._pass),))
        port = self._server.add_secure_port(
            "127.0.0.1:0", grpc.ssl_server_credentials([own], roots, require_client_auth=True)
        )
        await self._server.start()
        return f"127.0.0.1:{port}"

    async def _close(self) -> None:
        if self._server is not None:
            await self._server.stop(1)
        for channel in self._channels.values():
            await channel.close()

    async def _pass(
        self, method: str, incoming: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]"
    ) -> AsyncIterator[bytes]:
        """One call of a member, message by message, each way through `spoil`."""
        member = self._member(context)
        there: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channels[member].stream_stream(method)
        call = there()
        outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()
        if method == ATTEND:
            self._attending[member] = outgoing  # type: ignore[assignment]

        async def up() -> None:
            async for message in incoming:
                if method == ATTEND and self._is_ours(message):
                    continue
                changed = self.spoil(member, method, True, message)
                if changed is not None:
                    await call.write(changed)
            await call.done_writing()

        async def down() -> None:
            try:
                async for message in call:
                    changed = self.spoil(member, method, False, message)
                    if changed is not None:
                        await outgoing.put(changed)
            finally:
                await outgoing.put(None)

        tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(down())]
        try:
            while (message := await outgoing.get()) is not None:
                yield message
            await tasks[1]
        except grpc.aio.AioRpcError as error:
            trailing = tuple((key, value) for key, value in error.trailing_metadata() or ())
            await context.abort(error.code(), error.details() or "", trailing)
        finally:
            call.cancel()
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    def _is_ours(self, message: bytes) -> bool:
        answer = pb.AttendAnswer.FromString(message)
        if answer.id < _OURS:
            return False
        self._asked[answer.id].set_result(answer)
        return True

    def _member(self, context: "grpc.aio.ServicerContext[bytes, bytes]") -> str:
        (presented,) = context.auth_context()["x509_pem_cert"]
        certificate = x509.load_pem_x509_certificate(presented)
        return next(
            member.name
            for member in self.convention.members.values()
            if x509.load_pem_x509_certificate(member.certificate_pem).public_bytes(Encoding.DER)
            == certificate.public_bytes(Encoding.DER)
        )


class _Everything(grpc.GenericRpcHandler):
    """Serves every method there is as a stream of bytes each way: on the wire they all are."""

    def __init__(self, serve: Callable[..., AsyncIterator[bytes]]) -> None:
        self._serve = serve

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        method = handler_call_details.method

        async def handle(
            incoming: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]"
        ) -> AsyncIterator[bytes]:
            async for message in self._serve(method, incoming, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(handle)
