"""Layers that are a property of the process itself: what it was started with, what it may become, what it may use."""

import os
import resource
import signal
from collections.abc import Mapping
from typing import Final

from vigie_hub.enclave.sandbox import kernel
from vigie_hub.enclave.sandbox.layer import ABSENT, ENFORCED, FAILED, failed

ENVIRONMENT: Final[Mapping[str, str]] = {
    # Arrow's own allocator keeps freed rows in its caches. The C library's gives large ones back, which empties them, and
    # with this byte to write overwrites the small ones.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=165",
    # Without it an import asks the host's directory of users, through libraries of the host.
    "HOME": "/",
    # No locale but the built-in one: any other would be read from a file of the host.
    "LC_ALL": "C",
    # Spinning OpenMP threads cost up to ten times the work on shared cores.
    "OMP_NUM_THREADS": "2",
    "OMP_WAIT_POLICY": "passive",
    # Nothing here uses NumPy's linear algebra, whose threads spin from its import on.
    "OPENBLAS_NUM_THREADS": "1",
    "TZ": "UTC",
}
"""The whole environment of the enclave; the launcher gives exactly this and measures it."""

_BUBBLEWRAP_ADDS: Final = ("PWD", "/")
_MAX_DESCRIPTORS: Final = 256
_MCL_CURRENT_FUTURE_ONFAULT: Final = 7
_EINVAL: Final = 22


class Environment:
    """The process was started with exactly the fixed variables."""

    name = "environment"
    policy = "environment: " + " ".join(f"{name}={value}" for name, value in sorted(ENVIRONMENT.items()))

    def __init__(self) -> None:
        started_with = dict(os.environ)
        name, value = _BUBBLEWRAP_ADDS
        if started_with.get(name) == value:
            del started_with[name]
        self._started_with = started_with

    def apply(self) -> None:
        """Take away whatever is too much, so that nothing later can read it."""
        for name in os.environ.keys() - ENVIRONMENT.keys():
            os.environ.pop(name, None)

    def verify(self) -> str:
        """Enforced only if the process was *started* that way: taking away later does not unread it."""
        return ENFORCED if self._started_with == ENVIRONMENT == dict(os.environ) else FAILED


class Descriptors:
    """The channel is the only open descriptor: no file, no terminal, no output that a traceback could leave by."""

    name = "descriptors"
    policy = "descriptors: the channel alone, after the warm-up"

    def __init__(self, channel: int) -> None:
        self._channel = channel

    def apply(self) -> None:
        """Close all others."""
        os.closerange(0, self._channel)
        os.closerange(self._channel + 1, 2**31 - 1)

    def verify(self) -> str:
        """Ask for each number that the limit of descriptors allows."""
        for number in range(_MAX_DESCRIPTORS):
            try:
                os.fstat(number)
            except OSError:
                continue
            if number != self._channel:
                return f"{FAILED}: {number} is open"
        return ENFORCED


class NewPrivileges:
    """No set-uid program can give this process or a child more rights."""

    name = "new_privileges"
    policy = "new_privileges: PR_SET_NO_NEW_PRIVS 1"

    def apply(self) -> None:
        """Set the flag, which cannot be cleared."""
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)

    def verify(self) -> str:
        """Read the flag back."""
        return ENFORCED if kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS) == 1 else FAILED


class Dumpable:
    """No core dump, no debugger of the same user, ``/proc/PID/mem`` shut (void inside a user namespace of that user)."""

    name = "dumpable"
    policy = "dumpable: PR_SET_DUMPABLE 0"

    def apply(self) -> None:
        """Clear the flag; an exec or a change of user would set it again, so this is done inside and after them."""
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)

    def verify(self) -> str:
        """Read the flag back."""
        return ENFORCED if kernel.prctl(kernel.PR_GET_DUMPABLE) == 0 else FAILED


class CoreDump:
    """No core file: the limit is 0, and dumpable too, without which a core pipe ignores the limit."""

    name = "core_dump"
    policy = "core_dump: RLIMIT_CORE 0 0, PR_SET_DUMPABLE 0"

    def apply(self) -> None:
        """Set both to 0."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)

    def verify(self) -> str:
        """Read both back."""
        sure = resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and kernel.prctl(kernel.PR_GET_DUMPABLE) == 0
        return ENFORCED if sure else FAILED


class DiesWithHost:
    """The kernel kills the enclave when whoever started it ends, even by SIGKILL: no orphan holds keys."""

    name = "dies_with_host"
    policy = "dies_with_host: PR_SET_PDEATHSIG SIGKILL"

    def apply(self) -> None:
        """Ask for it; a change of user takes it away, so this comes after it."""
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)

    def verify(self) -> str:
        """Read it back."""
        word = (0).to_bytes(8, "little")  # the kernel writes an int where this points to
        return ENFORCED if _parent_death_signal(word) == signal.SIGKILL else FAILED


class MemoryLock:
    """No page is written to swap: the system call needs a capability, or a limit that unprivileged users rarely have."""

    name = "memory_lock"
    policy = "memory_lock: MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT"

    def __init__(self) -> None:
        self._result = -1

    def apply(self) -> None:
        """Lock what is there and whatever comes."""
        self._result = kernel.mlockall(_MCL_CURRENT_FUTURE_ONFAULT)

    def verify(self) -> str:
        """What the kernel answered: a locked address space cannot be read back without /proc."""
        return ENFORCED if self._result == 0 else failed(self._result)


class NoExecutableMemory:
    """Memory that was writable never becomes executable (MDWE), which libraries need while they load, and never after."""

    name = "mdwe"
    policy = "mdwe: PR_MDWE_REFUSE_EXEC_GAIN, after the warm-up"

    def __init__(self) -> None:
        self._result = -1

    def apply(self) -> None:
        """Set the flag, which cannot be cleared; Linux 6.3 and later."""
        self._result = kernel.prctl(kernel.PR_SET_MDWE, 1)

    def verify(self) -> str:
        """Read the flag back."""
        if self._result == -_EINVAL:
            return f"{ABSENT}: it needs Linux 6.3"
        return ENFORCED if kernel.prctl(kernel.PR_GET_MDWE) == 1 else failed(self._result)


class Limits:
    """No file can grow, descriptors and threads are bounded, memory is at most what the host has, and time a day."""

    name = "limits"
    policy = (
        f"limits: FSIZE 0, NOFILE {_MAX_DESCRIPTORS}, NPROC 4096, AS the memory of the host and 16 GiB, "
        "DATA the memory of the host, CPU 86400"
    )

    def __init__(self) -> None:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._wanted = {
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NOFILE: _MAX_DESCRIPTORS,
            resource.RLIMIT_NPROC: 4096,
            # Threads reserve stacks and heaps that they never touch; those count here and not in DATA.
            resource.RLIMIT_AS: memory + 16 * 1024**3,
            resource.RLIMIT_DATA: memory,
            resource.RLIMIT_CPU: 86_400,
        }

    def apply(self) -> None:
        """Set each, or keep what is lower already."""
        for which, wanted in self._wanted.items():
            _, hard = resource.getrlimit(which)
            value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(which, (value, value))

    def verify(self) -> str:
        """Read each back."""
        found = {which: resource.getrlimit(which) for which in self._wanted}
        sure = all(0 <= hard <= self._wanted[which] for which, (_, hard) in found.items())
        return ENFORCED if sure else FAILED


class ExitAfterRun:
    """One order for each process: :mod:`vigie_hub.enclave.main` has no way back to its start."""

    name = "exit_after_run"
    policy = "exit_after_run: one order, then exit"

    def apply(self) -> None:
        """Nothing to do: the program is written that way, and its code is measured."""

    def verify(self) -> str:
        """Holds by the measured code."""
        return ENFORCED


def _parent_death_signal(word: bytes) -> int:
    import ctypes

    buffer = ctypes.create_string_buffer(word, len(word))
    if kernel.prctl(kernel.PR_GET_PDEATHSIG, ctypes.addressof(buffer)) < 0:
        return 0
    return int.from_bytes(buffer.raw[:4], "little")
