"""The layers between the enclave and its host: each is put on, read back, and named in the evidence.

A layer is a small object; a deeper one is added to a stage's tuple and nothing else changes.  There are two stages:
:data:`EARLY` before anything that starts a thread is imported, :data:`SEALED` after everything is imported and warmed up
and before any key is drawn.  A layer that this version does not have is named ``absent``, never left out: what the
evidence does not name cannot be asked for.
"""

import ctypes
import hashlib
import os
import resource
from collections.abc import Mapping
from typing import Final, Protocol

ENFORCED: Final = "enforced"
ABSENT: Final = "absent"
FAILED: Final = "failed"

ENVIRONMENT: Final[Mapping[str, str]] = {
    # Without it an import asks the host's directory of users, through libraries of the host.
    "HOME": "/",
    # No locale but the built-in one: any other would be read from a file of the host.
    "LC_ALL": "C",
    # Spinning OpenMP threads cost up to ten times the work on shared cores.
    "OMP_NUM_THREADS": "2",
    "OMP_WAIT_POLICY": "passive",
    "TZ": "UTC",
}
"""The whole environment of the enclave; the launcher gives exactly this and measures it."""

_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_GET_NO_NEW_PRIVS: Final = 39


class Layer(Protocol):
    """One layer of isolation."""

    name: str
    """Its name in the evidence and in a convention."""

    policy: str
    """What it does, in words that the policy digest binds."""

    def apply(self) -> None:
        """Put it on; never raises: what failed shows in :meth:`verify`."""

    def verify(self) -> str:
        """Its state as read back from the kernel: ``enforced`` or ``failed``."""


class Environment:
    """The process was started with exactly the fixed variables."""

    name = "environment"
    policy = "environment: " + " ".join(f"{name}={value}" for name, value in sorted(ENVIRONMENT.items()))

    def __init__(self) -> None:
        self._started_with = dict(os.environ)

    def apply(self) -> None:
        """Take away whatever is too much, so that nothing later can read it."""
        for name in self._started_with.keys() - ENVIRONMENT.keys():
            os.environ.pop(name, None)

    def verify(self) -> str:
        """Enforced only if the process was *started* that way: taking away later does not unread it."""
        return ENFORCED if self._started_with == ENVIRONMENT == dict(os.environ) else FAILED


class Dumpable:
    """No core dump, and no debugger of the same user (void inside a user namespace of that user)."""

    name = "dumpable"
    policy = "dumpable: PR_SET_DUMPABLE 0"

    def apply(self) -> None:
        """Clear the flag; an exec would set it again, so this is done inside."""
        _prctl(_PR_SET_DUMPABLE, 0)

    def verify(self) -> str:
        """Read the flag back."""
        return ENFORCED if _prctl(_PR_GET_DUMPABLE) == 0 else FAILED


class CoreDump:
    """No core file: the limit is 0, and dumpable too, without which a core pipe ignores the limit."""

    name = "core_dump"
    policy = "core_dump: RLIMIT_CORE 0 0, PR_SET_DUMPABLE 0"

    def apply(self) -> None:
        """Set both limits to 0."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _prctl(_PR_SET_DUMPABLE, 0)

    def verify(self) -> str:
        """Read both back."""
        sure = resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and _prctl(_PR_GET_DUMPABLE) == 0
        return ENFORCED if sure else FAILED


class NewPrivileges:
    """No set-uid program can give this process or a child more rights."""

    name = "new_privileges"
    policy = "new_privileges: PR_SET_NO_NEW_PRIVS 1"

    def apply(self) -> None:
        """Set the flag, which cannot be cleared."""
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)

    def verify(self) -> str:
        """Read the flag back."""
        return ENFORCED if _prctl(_PR_GET_NO_NEW_PRIVS) == 1 else FAILED


class ExitAfterRun:
    """One order for each process: :mod:`vigie_hub.enclave.main` has no way back to its start."""

    name = "exit_after_run"
    policy = "exit_after_run: one order, then exit"

    def apply(self) -> None:
        """Nothing to do: the program is written that way, and its code is measured."""

    def verify(self) -> str:
        """Holds by the measured code."""
        return ENFORCED


EARLY: Final[tuple[Layer, ...]] = (Environment(), Dumpable(), CoreDump(), NewPrivileges())
SEALED: Final[tuple[Layer, ...]] = (ExitAfterRun(),)
NOT_YET: Final = ("network", "mounts", "landlock", "seccomp", "memory_lock", "pids")
"""Layers that other versions have and this one lacks."""


def apply(stage: tuple[Layer, ...]) -> None:
    """Put on every layer of a stage, in order."""
    for layer in stage:
        layer.apply()


def states() -> dict[str, str]:
    """Every layer's state, read back now: what the evidence says under ``layers``."""
    return {layer.name: layer.verify() for layer in (*EARLY, *SEALED)} | dict.fromkeys(NOT_YET, ABSENT)


def policy_text() -> str:
    """The policy of this version, one layer per line."""
    return "".join(f"{layer.policy}\n" for layer in (*EARLY, *SEALED)) + "".join(
        f"{name}: absent\n" for name in NOT_YET
    )


def policy_digest() -> bytes:
    """SHA-256 of :func:`policy_text`: ``policy`` of the evidence."""
    return hashlib.sha256(policy_text().encode()).digest()


def _prctl(*arguments: int) -> int:
    words = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:5]]
    result: int = ctypes.CDLL(None, use_errno=True).prctl(*words)
    return result
