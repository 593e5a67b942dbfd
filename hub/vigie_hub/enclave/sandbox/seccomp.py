"""The final seal: a seccomp filter over every thread, which ends the process at any call that is not in the table.

The filter is classic BPF, assembled here and handed over with one raw system call.  It is put on after everything is
imported and warmed up, by one thread for all (TSYNC), and holds the process id: its bytes differ at each start, so that
the policy's text is what the evidence binds.
"""

import ctypes
import errno
import mmap
import os
import resource
import signal
import struct
from collections.abc import Collection
from typing import Final

from vigie_hub.enclave.sandbox import calls, kernel
from vigie_hub.enclave.sandbox.layer import ABSENT, ENFORCED, FAILED, failed

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERROR: Final = 0x00050000
_SET_MODE_FILTER: Final = 1
_TSYNC: Final = 1
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}

_NUMBER: Final = 0
_PROCESSOR: Final = 4
_SECOND_ABI: Final = 0x40000000
_CLONE_THREAD: Final = 0x10000
_CLONE_NEW: Final = 0x7E020080
_PROT_EXEC: Final = 4
_PR_SET_NAME: Final = 15
_PR_SET_VMA: Final = 0x53564D41

Instruction = tuple[int, int, int, int]


def _argument(place: int) -> int:
    """Where the low half of an argument is in what a filter sees; both processors are little-endian."""
    return 16 + 8 * place


def _load(offset: int) -> Instruction:
    return (0x20, 0, 0, offset)


def _if_equal(value: int, yes: int, no: int) -> Instruction:
    return (0x15, yes, no, value)


def _if_any_bit(value: int, yes: int, no: int) -> Instruction:
    return (0x45, yes, no, value)


def _end(verdict: int) -> Instruction:
    return (0x06, 0, 0, verdict)


def program(processor: calls.Processor, pid: int, extra: Collection[str] = ()) -> bytes:
    """Assemble the filter.

    Args:
        processor: whose numbers.
        pid: the process that may signal itself.
        extra: calls to let through as well; production never gives any.
    """
    refused = _ERROR | errno.EPERM
    text = [_load(_PROCESSOR), _if_equal(processor.audit, 1, 0), _end(_KILL), _load(_NUMBER)]
    if processor.second_abi:
        text += [(0x35, 0, 1, _SECOND_ABI), _end(_KILL)]

    def answer(names: Collection[str], verdict: int) -> None:
        for name in names:
            if (number := processor.number(name)) is not None:
                text.extend([_if_equal(number, 0, 1), _end(verdict)])

    def judge(name: str, *rule: Instruction) -> None:
        number = processor.number(name)
        assert number is not None  # noqa: S101 -- a table without it is a defect of this program
        text.extend([_if_equal(number, 0, len(rule)), *rule])

    answer((*calls.FREE, *extra), _ALLOW)
    answer(calls.NOT_KNOWN, _ERROR | errno.ENOSYS)
    judge(
        "clone", _load(_argument(0)), _if_any_bit(_CLONE_NEW, 2, 0), _if_any_bit(_CLONE_THREAD, 0, 1), _end(_ALLOW),
        _end(_KILL),
    )  # fmt: skip
    for name in ("mmap", "mprotect"):
        judge(name, _load(_argument(2)), _if_any_bit(_PROT_EXEC, 0, 1), _end(refused), _end(_ALLOW))
    # Reading is when the new limits are no address, in either half of it; of which process does not matter to reading.
    new_limits = _argument(2)
    judge(
        "prlimit64", _load(new_limits), _if_equal(0, 0, 3), _load(new_limits + 4), _if_equal(0, 0, 1), _end(_ALLOW),
        _end(refused),
    )  # fmt: skip
    judge("tgkill", _load(_argument(0)), _if_equal(pid, 0, 1), _end(_ALLOW), _end(_KILL))
    judge(
        "prctl", _load(_argument(0)), _if_equal(_PR_SET_NAME, 1, 0), _if_equal(_PR_SET_VMA, 0, 1), _end(_ALLOW),
        _end(refused),
    )  # fmt: skip
    answer(calls.NO_ENTRY, _ERROR | errno.ENOENT)
    answer(calls.NOT_PERMITTED, refused)
    text.append(_end(_KILL))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in text)


class Seccomp:
    """The filter; the last layer, as it refuses what the others are put on with.

    Args:
        extra: calls to let through as well, for a test that shows what happens without the layer.
    """

    name = "seccomp"
    policy = f"seccomp: {calls.policy()}"

    def __init__(self, extra: Collection[str] = ()) -> None:
        self._extra = extra
        self._result = -1
        self._known = True

    def apply(self) -> None:
        """Put the filter on every thread."""
        processor = calls.this_processor()
        if processor is None:
            self._known = False
            return
        text = program(processor, os.getpid(), self._extra)
        buffer = ctypes.create_string_buffer(text, len(text))
        program_head = struct.pack("HxxxxxxQ", len(text) // 8, ctypes.addressof(buffer))
        # When a thread cannot follow, the answer is its positive id: only 0 is success.
        self._result = kernel.system_call(_SECCOMP[processor.name], _SET_MODE_FILTER, _TSYNC, program_head)

    def verify(self) -> str:
        """Try what is answered with an error, one of each kind; what kills is for a sibling to try (the canary)."""
        if not self._known:
            return f"{ABSENT}: no table of system calls for {os.uname().machine}"
        if self._result > 0:
            return f"{FAILED}: a thread did not follow"
        if self._result:
            return failed(self._result)
        attempts = (_opens, _maps_executable, _sets_a_limit, _clones)
        return FAILED if any(attempt() for attempt in attempts) else ENFORCED


def _opens() -> bool:
    try:
        os.close(os.open("bin", os.O_RDONLY))
    except OSError as error:
        return error.errno != errno.ENOENT
    return True


def _maps_executable() -> bool:
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError as error:
        return error.errno != errno.EPERM
    return True


def _sets_a_limit() -> bool:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError):
        return False
    return True


def _clones() -> bool:
    return kernel.system_call(kernel.CLONE3, None, 0) != -errno.ENOSYS


EXIT_BY_SEAL: Final = -signal.SIGSYS
"""How a process ends that makes a call outside the table, as :mod:`subprocess` says it."""
