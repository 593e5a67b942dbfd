"""Processes that do the curve arithmetic (``bench``), so that the node stays awake while they work.

The library holds the interpreter's lock, and a blinded batch cannot leave the process that made it: one long-lived
process per custodian blinds a batch, keeps it under a handle while the caller asks the custodian, and finalises it.
Others evaluate the batches of other members. The rule kept here: a worker knows nothing durable, so that it may die at
any time; what was in it is blinded again.
"""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from vigie.errors import Unavailable


@dataclass(frozen=True)
class BlindedBatch:
    """A batch that waits in its worker: what names it there, and the elements to send."""

    handle: int
    elements: bytes


class Worker:
    """One process that answers one question at a time; started by the first, and again if it died.

    Args:
        seed: this member's oprf seed, when the worker evaluates.
        convention_id: id of the convention, part of the key's derivation.
    """

    def __init__(self, *, seed: bytes | None = None, convention_id: str = "") -> None:
        self._seed = seed
        self._convention_id = convention_id
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    async def blind(self, sirens: Sequence[str]) -> BlindedBatch:
        """Blind a batch and keep it."""
        return BlindedBatch(*await asyncio.to_thread(self._ask, "blind", list(sirens)))

    async def finalize(self, batch: BlindedBatch, output: bytes, public: bytes) -> list[bytes]:
        """Verify a custodian's answer to a kept batch, unblind it and forget it.

        Raises:
            BadProof: the answer does not verify against ``public``.
            Missing: the worker died since; blind again.
        """
        outputs: list[bytes] = await asyncio.to_thread(self._ask, "finalize", batch.handle, output, public)
        return outputs

    async def evaluate(self, epoch: int, sirens: Sequence[str]) -> list[bytes]:
        """This member's own outputs."""
        outputs: list[bytes] = await asyncio.to_thread(self._ask, "evaluate", epoch, list(sirens))
        return outputs

    async def public_key(self, epoch: int) -> bytes:
        """This member's public key of an epoch, 32 bytes."""
        public: bytes = await asyncio.to_thread(self._ask, "public_key", epoch)
        return public

    async def blind_evaluate(self, epoch: int, elements: bytes) -> bytes:
        """Evaluate another member's blinded elements.

        Raises:
            Malformed: not 1 to 4096 canonical elements.
        """
        output: bytes = await asyncio.to_thread(self._ask, "blind_evaluate", epoch, elements)
        return output

    def close(self) -> None:
        """End the process; a question that it is answering is finished first."""
        with self._lock:
            self._stop()

    def _ask(self, name: str, *arguments: object) -> Any:
        with self._lock:
            try:
                pipe = self._pipe or self._start()
                pipe.send((name, arguments))
                failed, answer = pipe.recv()
            except (EOFError, OSError) as error:
                self._stop()
                raise Unavailable("a worker process ended unexpectedly", hint="it is started again") from error
        if failed:
            raise answer
        return answer

    def _start(self) -> Connection:
        # A fresh interpreter, never a fork: that would copy the locks of this node's threads and its open database. Not
        # multiprocessing's spawn either: it would run the node's own main module again in every worker.
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "vigie_node.pseudonyms.bench", str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),))
        self._pipe = Connection(ours.detach())
        self._pipe.send((self._seed, self._convention_id))  # over the socket: a command line can be read by anybody
        return self._pipe

    def _stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()  # the worker reads the end of it and returns
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._pipe = self._process = None


class Workers:
    """All workers of a node.

    Args:
        seed: this member's oprf seed; None for a member that is not a custodian.
        convention_id: id of the convention.
        evaluators: processes that evaluate other members' batches.
    """

    def __init__(self, *, seed: bytes | None, convention_id: str, evaluators: int = 1) -> None:
        self._seed = seed
        self._convention_id = convention_id
        self._asking: dict[str, Worker] = {}
        self._own = Worker(seed=seed, convention_id=convention_id)
        self._evaluators = [Worker(seed=seed, convention_id=convention_id) for _ in range(evaluators)]
        self._idle: asyncio.Queue[Worker] = asyncio.Queue()
        for worker in self._evaluators:
            self._idle.put_nowait(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def asking(self, custodian: str) -> Worker:
        """The worker that blinds and finalises what is asked of one custodian."""
        return self._asking.setdefault(custodian, Worker())

    async def evaluate_own(self, epoch: int, sirens: Sequence[str]) -> list[bytes]:
        """This member's own outputs, 64 bytes each."""
        return await self._own.evaluate(epoch, sirens)

    async def public_key(self, epoch: int) -> bytes:
        """This member's public key of an epoch, 32 bytes.

        Raises:
            Missing: this member is not a custodian.
        """
        return await self._own.public_key(epoch)

    async def blind_evaluate(self, epoch: int, elements: bytes) -> bytes:
        """Evaluate another member's batch in the next worker that is idle.

        Raises:
            Malformed: not 1 to 4096 canonical elements.
            Unavailable: the worker died; the same batch may be asked again.
        """
        worker = await self._idle.get()
        try:
            return await worker.blind_evaluate(epoch, elements)
        finally:
            self._idle.put_nowait(worker)

    def close(self) -> None:
        """End all processes."""
        for worker in (*self._asking.values(), self._own, *self._evaluators):
            worker.close()
