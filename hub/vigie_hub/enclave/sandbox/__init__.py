"""The layers between the enclave and its host: each is put on, tried or read back, and named in the evidence.

There are two stages, and their order is the protection (docs/spec/isolation.md)::

    begin()     before any thread exists, and before anything that could start one is imported
    …           imports and warm-up: every code path that will run
    seal()      the channel alone stays open; then no executable memory, then the system calls
    …           only now are keys drawn

A layer that this host or this way of starting does not have is named with its state, never left out: what the evidence
does not name cannot be asked for.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Final

from vigie_hub.enclave.sandbox import calls, landlock, namespaces
from vigie_hub.enclave.sandbox.layer import ABSENT, ENFORCED, FAILED, NOT_ENFORCED, Layer
from vigie_hub.enclave.sandbox.process import (
    ENVIRONMENT,
    CoreDump,
    Descriptors,
    DiesWithHost,
    Dumpable,
    Environment,
    ExitAfterRun,
    Limits,
    MemoryLock,
    NewPrivileges,
    NoExecutableMemory,
)
from vigie_hub.enclave.sandbox.seccomp import Seccomp
from vigie_hub.enclave.sandbox.user import KEEP, User

__all__ = [
    "ABSENT", "CHANNEL", "ENFORCED", "ENVIRONMENT", "FAILED", "KEEP", "NAMES", "NAMESPACES", "NOT_ENFORCED", "NO_NAMESPACES",
    "Layer", "Sandbox", "policy_digest", "policy_text", "started",
]  # fmt: skip

NAMESPACES: Final = "C"
"""Started by root in namespaces of its own, with the enclave root as all that there is, under a user of its own."""

NO_NAMESPACES: Final = "B"
"""Started without: Landlock and the seal take the place of the namespaces."""

CHANNEL: Final = 3
"""The descriptor that the enclave is started with."""


class Sandbox:
    """The layers of one process, in the order in which they are put on.

    Args:
        mode: :data:`NAMESPACES` or :data:`NO_NAMESPACES`.
        uid: the user to become, or :data:`KEEP`.
        channel: the descriptor that stays open.
        readable: what Landlock lets be read; by default what an enclave root holds.
    """

    def __init__(self, mode: str, uid: int, *, channel: int = CHANNEL, readable: tuple[str, ...] | None = None) -> None:
        inside = mode == NAMESPACES
        if readable is None:
            readable = landlock.READABLE if inside else landlock.READABLE_WITHOUT_NAMESPACES
        self.mode = mode
        self.channel = channel
        self.early: tuple[Layer, ...] = (
            Environment(),
            Descriptors(channel),
            *namespaces.layers(made=inside),
            NewPrivileges(),
            User(uid),
            Dumpable(),
            CoreDump(),
            DiesWithHost(),
            Limits(),
            MemoryLock(),
            landlock.LandlockFiles(readable),
            landlock.LandlockTcp(),
            landlock.LandlockScopes(),
            namespaces.NoWritablePath(),
        )
        self.sealed: tuple[Layer, ...] = (Descriptors(channel), NoExecutableMemory(), ExitAfterRun(), Seccomp())
        self._states: dict[str, str] = {}

    def begin(self) -> None:
        """Put on the early layers and try them.  No thread may exist yet."""
        for layer in self.early:
            layer.apply()
        # Tried once all are on: a layer that takes away what another was tried with would make it look better.
        self._states |= {layer.name: layer.verify() for layer in self.early if layer.name != Descriptors.name}

    def seal(self) -> Mapping[str, str]:
        """Put on the rest, try it, and return the state of every layer; nothing can be taken off again."""
        *others, last = self.sealed
        for layer in others:
            layer.apply()
        again = (*(layer for layer in self.early if isinstance(layer, _MAY_CHANGE)), *others)
        self._states |= {layer.name: layer.verify() for layer in again}
        last.apply()
        self._states[last.name] = last.verify()
        return self.states

    def host_facts(self) -> dict[str, str]:
        """What the enclave can say of its host before it seals itself; self-reported, like everything about a host."""
        uname = os.uname()
        return {
            "kernel": uname.release,
            "machine": uname.machine,
            "mode": self.mode,
            "landlock_abi": str(max(landlock.abi(), 0)),
        }

    @property
    def states(self) -> dict[str, str]:
        """Every layer's state: what the evidence says under ``layers``."""
        return {name: self._states.get(name, FAILED) for name in NAMES}


_MAY_CHANGE: Final = (Environment, NewPrivileges, Dumpable, CoreDump, DiesWithHost, Limits)
"""Read back again before the seal: a library could have changed them while it loaded."""


def _all() -> tuple[Layer, ...]:
    one = Sandbox(NO_NAMESPACES, KEEP)
    return tuple({layer.name: layer for layer in (*one.early, *one.sealed)}.values())


NAMES: Final = tuple(layer.name for layer in _all())
"""Names of all layers, in the order in which they are put on."""


def policy_text() -> str:
    """The policy of this version, one layer per line, in the order in which they are put on."""
    return "".join(f"{layer.policy}\n" for layer in _all())


def policy_digest() -> bytes:
    """SHA-256 of :func:`policy_text`: ``policy`` of the evidence."""
    return hashlib.sha256(policy_text().encode()).digest()


def started(arguments: Sequence[str]) -> Sandbox | None:
    """The layers that the arguments of a program of the enclave ask for: ``FD MODE UID``.

    None when they are not that, or when the processor is one whose system calls are in no table: then nothing runs.
    """
    if len(arguments) != 3 or calls.this_processor() is None:
        return None
    descriptor, mode, uid = arguments
    if mode not in (NAMESPACES, NO_NAMESPACES) or not (descriptor.isdecimal() and uid.isdecimal()):
        return None
    return Sandbox(mode, int(uid), channel=int(descriptor))
