"""A TCP proxy between nodes and the hub that writes down every byte, and can cut, delay and refuse.

It stands where an eavesdropper or a bad line would: it sees what crosses the wire and takes part in nothing. It runs in
a thread of its own, so that a test speaks to it in plain calls.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")

_CHUNK = 64 * 1024


@dataclass(eq=False)
class _Connection:
    """Both directions of one connection, and the files that they are written to."""

    number: int
    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    bytes_up: int = 0
    bytes_down: int = 0

    def cut(self) -> None:
        """Break both sides at once: a reset, not a polite end."""
        for writer in (self.client, self.server):
            writer.transport.abort()


@dataclass
class Proxy:
    """Forwards ``address`` to ``target``; every connection leaves ``NNN-up.bin`` and ``NNN-down.bin`` in ``folder``.

    Attributes:
        target: ``host:port`` of the hub.
        folder: where recordings go; made if needed.
        delay: seconds that each piece waits before it is passed on.
        refusing: whether new connections are dropped at once.
        cut_after_up: once a connection has sent so many bytes towards the hub, it is cut exactly there; then None again.
        address: ``host:port`` to connect to, once started.
    """

    target: str
    folder: Path
    delay: float = 0.0
    refusing: bool = False
    cut_after_up: int | None = None
    address: str = ""
    cuts: int = 0
    _connections: set[_Connection] = field(default_factory=set)
    _count: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None
    _server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> str:
        """Listen on a free port of the loopback interface and return the address."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.address = self._call(self._listen())
        return self.address

    def stop(self) -> None:
        """Cut what is open and stop listening; the recordings stay."""
        if self._thread is None:
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = None

    def cut(self) -> int:
        """Cut every open connection and return how many there were."""
        return self._call(self._cut())

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def recorded(self) -> int:
        """How many bytes crossed so far, both ways, over all connections."""
        return sum(path.stat().st_size for path in self.folder.glob("*.bin"))

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> str:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def _cut(self) -> int:
        found = list(self._connections)
        for connection in found:
            connection.cut()
        self.cuts += len(found)
        return len(found)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._cut()
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.wait(rest, timeout=5) if rest else None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.target.rsplit(":", 1)
        try:
            if self.refusing:
                raise ConnectionRefusedError
            hub_reader, hub_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        self._count += 1
        connection = _Connection(self._count, writer, hub_writer)
        self._connections.add(connection)
        try:
            await asyncio.gather(
                self._pump(connection, reader, hub_writer, "up"), self._pump(connection, hub_reader, writer, "down")
            )
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        """Pass on one direction until it ends; a break of one side breaks the other."""
        passed = 0
        with (self.folder / f"{connection.number:03d}-{way}.bin").open("wb") as record, contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                limit = self.cut_after_up if way == "up" else None
                if limit is not None and passed + len(data) >= limit:
                    data, self.cut_after_up = data[: limit - passed], None
                    await self._send(writer, data, record.write)
                    self.cuts += 1
                    break
                passed += len(data)
                await self._send(writer, data, record.write)
        connection.cut()

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, data: bytes, record: Callable[[bytes], int]) -> None:
        record(data)
        writer.write(data)
        await writer.drain()
