"""The system calls that the enclave can reach while it holds plaintext: one table, for each processor.

``docs/spec/system-calls.md`` is made from it, and a test pins the list: a call added here is a decision, not an accident.
Whatever is not named ends the process.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

LIMIT: Final = 34
"""How many system calls may be reachable."""

FREE: Final = (
    "read", "write", "close", "fstat", "lseek", "munmap", "brk", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "sched_yield", "mremap", "madvise", "getpid", "exit", "getcwd", "sysinfo", "sigaltstack", "gettid", "futex",
    "sched_getaffinity", "clock_gettime", "clock_nanosleep", "exit_group", "epoll_wait", "set_robust_list", "getrandom",
    "rseq",
)  # fmt: skip
"""Allowed with any arguments."""

FILTERED: Final = {
    "clone": "a thread of this process, and no new namespace; else the process ends",
    "mmap": "not executable; else EPERM",
    "mprotect": "not executable; else EPERM",
    "prlimit64": "reading this process's own limits; else EPERM",
    "tgkill": "to this process; else the process ends",
    "prctl": "PR_SET_NAME and PR_SET_VMA, which name things; else EPERM",
}
"""Allowed with some arguments."""

NO_ENTRY: Final = (
    "open", "stat", "lstat", "access", "readlink", "openat", "newfstatat", "readlinkat", "faccessat", "statx", "openat2",
    "faccessat2",
)  # fmt: skip
"""Answered ENOENT without being run: libraries ask for files, and take no for an answer."""

NOT_PERMITTED: Final = ("ioctl", "dup", "dup2", "fcntl", "getdents64", "memfd_create")
"""Answered EPERM without being run."""

NOT_KNOWN: Final = ("clone3",)
"""Answered ENOSYS without being run, so that the C library falls back to ``clone``, whose flags can be judged."""


@dataclass(frozen=True)
class Processor:
    """What differs between processors.

    Attributes:
        name: as ``uname -m`` says it.
        audit: its number in the kernel's audit interface.
        numbers: system call numbers.
        other_names: what stands here for a call that this processor does not have.
        second_abi: whether numbers with bit 30 are another way in, which is shut.
    """

    name: str
    audit: int
    numbers: dict[str, int]
    other_names: dict[str, str]
    second_abi: bool

    def number(self, call: str) -> int | None:
        """The number of a call, or of what stands for it; None when the processor has neither."""
        return self.numbers.get(self.other_names.get(call, call))

    def name_of(self, call: str) -> str:
        """The name under which this processor has it."""
        return self.other_names.get(call, call)


X86_64: Final = Processor(
    "x86_64",
    0xC000003E,
    {
        "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "lseek": 8, "mmap": 9,
        "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
        "ioctl": 16, "access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28, "dup": 32, "dup2": 33, "getpid": 39,
        "clone": 56, "exit": 60, "fcntl": 72, "getcwd": 79, "readlink": 89, "sysinfo": 99, "sigaltstack": 131,
        "prctl": 157, "gettid": 186, "futex": 202, "sched_getaffinity": 204, "getdents64": 217, "clock_gettime": 228,
        "clock_nanosleep": 230, "exit_group": 231, "epoll_wait": 232, "tgkill": 234, "openat": 257, "newfstatat": 262,
        "readlinkat": 267, "faccessat": 269, "set_robust_list": 273, "prlimit64": 302, "getrandom": 318,
        "memfd_create": 319, "statx": 332, "rseq": 334, "clone3": 435, "openat2": 437, "faccessat2": 439,
    },
    {},
    second_abi=True,
)  # fmt: skip

AARCH64: Final = Processor(
    "aarch64",
    0xC00000B7,
    {
        "getcwd": 17, "epoll_pwait": 22, "dup": 23, "dup3": 24, "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56,
        "close": 57, "getdents64": 61, "lseek": 62, "read": 63, "write": 64, "readlinkat": 78, "newfstatat": 79,
        "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "set_robust_list": 99, "clock_gettime": 113,
        "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124, "tgkill": 131, "sigaltstack": 132,
        "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "prctl": 167, "getpid": 172, "gettid": 178,
        "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216, "clone": 220, "mmap": 222, "mprotect": 226,
        "madvise": 233, "prlimit64": 261, "getrandom": 278, "memfd_create": 279, "statx": 291, "rseq": 293, "clone3": 435,
        "openat2": 437, "faccessat2": 439,
    },
    {"epoll_wait": "epoll_pwait", "dup2": "dup3"},
    second_abi=False,
)  # fmt: skip

PROCESSORS: Final = {one.name: one for one in (X86_64, AARCH64)}


def this_processor() -> Processor | None:
    """The table of the processor that this runs on; None when there is none, and then no enclave may start."""
    return PROCESSORS.get(os.uname().machine)


def reachable() -> tuple[str, ...]:
    """Every call that is run with at least some arguments, sorted."""
    return tuple(sorted((*FREE, *FILTERED)))


def policy() -> str:
    """The policy as canonical text: the same on every processor, whatever bytes the filter has."""
    filtered = "; ".join(f"{name}: {rule}" for name, rule in sorted(FILTERED.items()))
    return (
        f"allowed {' '.join(sorted(FREE))}; {filtered}; ENOENT {' '.join(sorted(NO_ENTRY))}; "
        f"EPERM {' '.join(sorted(NOT_PERMITTED))}; ENOSYS {' '.join(NOT_KNOWN)}; any other call ends the process"
    )


def document() -> str:
    """The page ``docs/spec/system-calls.md``."""
    processors = tuple(PROCESSORS.values())

    def rows(names: Iterable[str], words: Callable[[str], str]) -> list[str]:
        return [
            f"| `{name}` | {words(name)} | " + " | ".join(_numbered(processor, name) for processor in processors) + " |"
            for name in sorted(names)
        ]

    head = "| call | with | " + " | ".join(processor.name for processor in processors) + " |"
    line = "|---|---|" + "---|" * len(processors)
    return "\n".join(
        [
            "# System calls of the sealed enclave",
            "",
            "Made from `vigie_hub.enclave.sandbox.calls`; a test holds the two together. While the enclave has a key or a row, these are the",
            f"calls that its kernel still runs for it: {len(reachable())}, of at most {LIMIT}. Any call that is not on this page ends the process (SIGSYS).",
            "",
            head,
            line,
            *rows(FREE, lambda _: "any arguments"),
            *rows(FILTERED, lambda name: FILTERED[name]),
            "",
            "These are answered without being run, because libraries ask and take no for an answer:",
            "",
            head.replace("| with |", "| answer |"),
            line,
            *rows(NO_ENTRY, lambda _: "ENOENT"),
            *rows(NOT_PERMITTED, lambda _: "EPERM"),
            *rows(NOT_KNOWN, lambda _: "ENOSYS"),
            "",
            "The numbers of aarch64 are those of the kernel's headers; the filter has been run on x86_64 alone. On another processor the enclave",
            "does not start. On x86_64 the second set of numbers (x32) and calls through the 32-bit gate end the process.",
            "",
        ]
    )


def _numbered(processor: Processor, call: str) -> str:
    number = processor.number(call)
    if number is None:
        return "–"
    name = processor.name_of(call)
    return f"{number}" if name == call else f"{number} (`{name}`)"
