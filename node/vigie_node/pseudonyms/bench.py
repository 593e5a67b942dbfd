"""The worker process: ``python -m vigie_node.pseudonyms.bench FD`` answers what ``workers`` asks over that socket.

It holds the key of one member and the batches that were blinded and wait for their answers, nothing durable; it ends
when the other end of the socket is closed, however its parent died. It imports as little as it can: several run.

The library reports a proof that does not verify by a panic that writes a stack trace to descriptor 2. That is turned
off here while a proof is verified: a peer must not be able to write into the node's log.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Final

from vigie.errors import Missing, VigieError
from vigie.pseudonym import Blinder, Custodian

_MAX_WAITING: Final = 4
"""Blinded batches that are kept; the oldest is forgotten when a caller abandoned it."""


class Bench:
    """The questions that a worker answers, by the names of its methods.

    Args:
        seed: the member's oprf seed, 32 bytes, or None when it does not evaluate.
        convention_id: id of the convention, part of the key's derivation.
    """

    def __init__(self, seed: bytes | None, convention_id: str) -> None:
        self._seed = seed
        self._convention_id = convention_id
        self._custodians: dict[int, Custodian] = {}
        self._waiting: dict[int, Blinder] = {}
        # A handle given by a worker that died must not name a batch of its successor.
        self._next = int.from_bytes(os.urandom(4), "big") << 32

    def blind(self, sirens: list[str]) -> tuple[int, bytes]:
        """Blind a batch and keep it; returns its handle and its elements."""
        batch = Blinder.blind(sirens)
        self._next += 1
        self._waiting[self._next] = batch
        while len(self._waiting) > _MAX_WAITING:
            del self._waiting[min(self._waiting)]
        return self._next, batch.elements

    def finalize(self, handle: int, output: bytes, public: bytes) -> list[bytes]:
        """Verify and unblind the answer to a kept batch, and forget the batch."""
        batch = self._waiting.pop(handle, None)
        if batch is None:
            raise Missing("the worker no longer has this batch")
        with _silent():
            return batch.finalize(output, public)

    def evaluate(self, epoch: int, sirens: list[str]) -> list[bytes]:
        """This member's own outputs."""
        return self._custodian(epoch).evaluate(sirens)

    def public_key(self, epoch: int) -> bytes:
        """This member's public key of an epoch."""
        return self._custodian(epoch).public

    def blind_evaluate(self, epoch: int, elements: bytes) -> bytes:
        """Evaluate another member's elements."""
        return self._custodian(epoch).blind_evaluate(elements)

    def _custodian(self, epoch: int) -> Custodian:
        if self._seed is None:
            raise Missing("this member is not a custodian")
        if epoch not in self._custodians:
            self._custodians[epoch] = Custodian.from_seed(self._seed, self._convention_id, epoch)
        return self._custodians[epoch]


def serve(pipe: Connection) -> None:
    """Answer until the other end is closed: a question is a name and its arguments, an answer (failed, value)."""
    try:
        seed, convention_id = pipe.recv()
        bench = Bench(seed, convention_id)
        while True:
            name, arguments = pipe.recv()
            try:
                answer = (False, getattr(bench, name)(*arguments))
            except (VigieError, ValueError) as error:
                answer = (True, error.with_traceback(None))
            pipe.send(answer)
    except (EOFError, OSError):
        return


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Nothing reaches descriptor 2 meanwhile; the worker has one thread, so nobody else writes there."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    # The node decides when to end; an interrupt at the terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
