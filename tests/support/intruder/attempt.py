"""The register of attempts, and the raw system calls that they are made of.

A probe returns when what it tried has *succeeded*; any refusal raises, and a refusal by the filter ends the process.
The same code runs with every layer, with one taken away, and with none: only that difference proves anything.
System call numbers are those of x86-64.
"""

import ctypes
import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)

CALLS: Final = {
    "accept4": 288, "add_key": 248, "bpf": 321, "chdir": 80, "chmod": 90, "chroot": 161, "clone": 56, "clone3": 435,
    "connect": 42, "dup": 32, "eventfd2": 290, "execve": 59, "execveat": 322, "fanotify_init": 300, "fcntl": 72, "fork": 57,
    "getdents64": 217, "getuid": 102, "inotify_init1": 294, "io_setup": 206, "io_uring_setup": 425, "ioctl": 16, "kcmp": 312,
    "keyctl": 250, "kill": 62, "landlock_create_ruleset": 444, "link": 86, "memfd_create": 319, "memfd_secret": 447, "mkdir": 83,
    "mknod": 133, "mlock": 149, "mmap": 9, "modify_ldt": 154, "mount": 165, "mprotect": 10, "msgget": 68,
    "name_to_handle_at": 303, "open": 2, "openat": 257, "openat2": 437, "open_tree": 428, "perf_event_open": 298,
    "personality": 135, "pidfd_getfd": 438, "pidfd_open": 434, "pipe2": 293, "pkey_mprotect": 329, "prctl": 157,
    "prlimit64": 302, "process_vm_readv": 310, "process_vm_writev": 311, "ptrace": 101, "readlink": 89, "rename": 82,
    "rt_tgsigqueueinfo": 297, "seccomp": 317, "sched_setaffinity": 203, "semget": 64, "sendmsg": 46, "sendto": 44, "setns": 308,
    "setpriority": 141, "setresuid": 117, "setrlimit": 160, "shmget": 29, "shutdown": 48, "signalfd4": 289, "socket": 41,
    "socketpair": 53, "splice": 275, "stat": 4, "statx": 332, "symlink": 88, "syslog": 103, "tgkill": 234,
    "timerfd_create": 283, "truncate": 76, "uname": 63, "unlink": 87, "unshare": 272, "userfaultfd": 323, "vfork": 58,
    "wait4": 61,
}  # fmt: skip

AT_FDCWD: Final = -100
CHANNEL: Final = 3
"""The one descriptor that an enclave has."""

Attempt = Callable[[], object]
Argument = int | bytes | ctypes.Array[ctypes.c_char] | None


class Refused(Exception):
    """The kernel said no."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode.get(number, str(number)))
        self.errno = number


class Unavailable(Exception):
    """A library said no, in its own way."""


@dataclass(frozen=True)
class Probe:
    """One attempt.

    Attributes:
        name: unique; what the report calls it.
        attempt: returns when it succeeded.
        privileged: whether it takes root to succeed where no layer is, here or on a host with stricter settings.
    """

    name: str
    attempt: Attempt
    privileged: bool


PROBES: Final[dict[str, Probe]] = {}
"""Every attempt, by name, in order."""


def probe(name: str, *, privileged: bool = False) -> Callable[[Attempt], Attempt]:
    """Register an attempt."""

    def take(attempt: Attempt) -> Attempt:
        if name in PROBES:
            raise ValueError(f"two probes are called {name}")
        PROBES[name] = Probe(name, attempt, privileged)
        return attempt

    return take


def simple(name: str, number: str, *arguments: Argument, privileged: bool = False) -> None:
    """Register one system call as an attempt."""
    probe(name, privileged=privileged)(lambda: call(number, *arguments))


def call(name: str, *arguments: Argument) -> int:
    """One system call, raw, so that no wrapper of a library softens it.

    Raises:
        Refused: it returned an error.
    """
    words = [argument if not isinstance(argument, int) else ctypes.c_long(argument) for argument in arguments]
    result: int = LIBC.syscall(ctypes.c_long(CALLS[name]), *words)
    if result == -1:
        raise Refused(ctypes.get_errno())
    return result


def tell(name: str) -> str:
    """Try; ``done``, or how it was refused."""
    try:
        PROBES[name].attempt()
    except (Refused, Unavailable) as refusal:
        return f"refused {refusal}"
    except (OSError, RuntimeError, MemoryError) as error:
        return f"refused {type(error).__name__}"
    return "done"
