"""An enclave without its layers that stops at named places, so that its memory can be read from outside meanwhile.

``python -m support.watched_enclave SOCKET TELL WAIT``: serves one order over SOCKET; at each place it writes the place's
name to TELL and waits for a byte on WAIT. It is given ciphertext only, like the real one: what is found in its memory,
it opened itself. Nothing of the enclave's code is replaced but by wrappers that stop before or after it.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any


def enclave_seed() -> bytes:
    """The seed of this enclave's sealing key, made anew at each call: known to who watches, nowhere written down."""
    return hashlib.shake_256(b"seed of the watched enclave").digest(96)


def serve(file_descriptor: int, tell: int, wait: int) -> None:
    """Serve one order, stopping on the way."""
    from vigie import sealing
    from vigie_hub.enclave import consolidate, intake, main, sandbox

    def stop(name: str) -> None:
        os.write(tell, name.encode() + b"\n")
        os.read(wait, 1)

    def after(owner: Any, function: str, place: str) -> None:
        real: Callable[..., Any] = getattr(owner, function)

        def stopping(*given: Any, **more: Any) -> Any:
            result = real(*given, **more)
            stop(place)
            return result

        setattr(owner, function, stopping)

    def before(owner: Any, function: str, place: str) -> None:
        real: Callable[..., Any] = getattr(owner, function)

        def stopping(*given: Any, **more: Any) -> Any:
            stop(place)
            return real(*given, **more)

        setattr(owner, function, stopping)

    class Unsealed(sandbox.Sandbox):
        """No layer at all, so that the test may read this process's memory."""

        def seal(self) -> Mapping[str, str]:
            return {}

    for owner, name, value in (
        (main, "warm_up", lambda: None),
        (sealing, "generate", enclave_seed),
    ):
        setattr(owner, name, value)
    after(intake, "open_release", "keys in clear")
    after(main, "open_releases", "keys taken")
    after(consolidate, "read_lot", "rows in clear")
    before(consolidate, "train_and_score", "rows done")
    before(main, "let_go", "failed")
    after(main, "let_go", "let go")
    os._exit(main.serve(Unsealed("B", sandbox.KEEP, channel=file_descriptor)))


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:4]))
