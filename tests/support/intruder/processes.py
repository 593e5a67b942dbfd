"""Other programs and other processes: starting them, reading them, stopping them."""

import ctypes
import os
import signal
import struct
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .attempt import AT_FDCWD, LIBC, Attempt, Refused, call, probe, simple

EXECUTED: Final = 77
"""Exit code of a program that should never have been started."""

_SHELL: Final = b"/bin/sh"
_SCRIPT: Final = b"exit %d" % EXECUTED


def _words(*words: bytes) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*words, None)


def _execute(number: int, *arguments: object) -> None:
    """Become another program: it tells the test by its exit code that it ran, and there is no coming back."""
    LIBC.syscall(ctypes.c_long(number), *arguments)
    raise Refused(ctypes.get_errno())


@probe("execute_a_shell")
def _execve() -> None:
    _execute(59, _SHELL, _words(b"sh", b"-c", _SCRIPT), _words())


@probe("execute_a_shell_at")
def _execveat() -> None:
    _execute(322, ctypes.c_long(AT_FDCWD), _SHELL, _words(b"sh", b"-c", _SCRIPT), _words(), ctypes.c_long(0))


@probe("execute_from_memory")
def _execute_from_memory() -> None:
    descriptor = call("memfd_create", b"x", 0)
    program = b"#!/bin/sh\n" + _SCRIPT + b"\n"
    LIBC.write(descriptor, program, len(program))
    _execute(322, ctypes.c_long(descriptor), b"", _words(b"x"), _words(), ctypes.c_long(0x1000))


def _reap(child: int) -> None:
    if child == 0:
        LIBC._exit(0)
    LIBC.waitpid(child, None, 0)


def _forks(name: str, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> Attempt:
    return lambda: _reap(call(name, *arguments))


_CLONE3: Final = ctypes.create_string_buffer(struct.pack("8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0), 64)

probe("fork")(_forks("fork"))
probe("clone")(_forks("clone", signal.SIGCHLD, None, None, None, 0))
probe("clone_into_a_user_namespace")(_forks("clone", 0x10000000 | signal.SIGCHLD, None, None, None, 0))
probe("clone3")(_forks("clone3", _CLONE3, 64))


@probe("fork_bomb")
def _fork_bomb() -> None:
    """Sixty-four at once are enough to show that nothing stops the next."""
    children = []
    for _ in range(64):
        child = call("fork")
        if child == 0:
            signal.alarm(10)
            signal.pause()
            LIBC._exit(0)
        children.append(child)
    for child in children:
        LIBC.kill(child, signal.SIGKILL)
        LIBC.waitpid(child, None, 0)


@probe("python_subprocess")
def _subprocess() -> None:
    subprocess.run(["/bin/true"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def _with_a_sibling(name: str, attempt: Callable[[int], object]) -> None:
    """Register an attempt on another process of this user; on this one where no other can be started."""

    def whole() -> None:
        sibling = os.getpid()
        with suppress(Refused):
            sibling = call("fork")
            if sibling == 0:
                signal.alarm(10)
                signal.pause()
                LIBC._exit(0)
        try:
            attempt(sibling)
        finally:
            if sibling != os.getpid():
                LIBC.kill(sibling, signal.SIGKILL)
                LIBC.waitpid(sibling, None, 0)

    probe(name)(whole)


def _vector(address: int, length: int) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("QQ", address, length), 16)


_SECRET: Final = ctypes.create_string_buffer(b"what another process keeps", 32)
_LOOT: Final = ctypes.create_string_buffer(32)
_THERE: Final = _vector(ctypes.addressof(_SECRET), 32)
_HERE: Final = _vector(ctypes.addressof(_LOOT), 32)

_with_a_sibling("trace_a_sibling", lambda other: call("ptrace", 0x4206, other, 0, 0))
_with_a_sibling("read_memory_of_a_sibling", lambda other: call("process_vm_readv", other, _HERE, 1, _THERE, 1, 0))
_with_a_sibling("write_memory_of_a_sibling", lambda other: call("process_vm_writev", other, _HERE, 1, _THERE, 1, 0))
_with_a_sibling("descriptor_of_a_sibling", lambda other: call("pidfd_getfd", call("pidfd_open", other, 0), 2, 0))
_with_a_sibling("stop_a_sibling", lambda other: call("kill", other, signal.SIGTERM))
_with_a_sibling("signal_a_thread_of_a_sibling", lambda other: call("tgkill", other, other, 0))
_with_a_sibling("compare_with_a_sibling", lambda other: call("kcmp", os.getpid(), other, 0, 0, 0))

simple("trace_me", "ptrace", 0, 0, 0, 0)
simple("handle_of_a_process", "pidfd_open", os.getpid(), 0)
simple("signal_the_launcher", "kill", os.getppid(), 0)
simple("queue_a_signal", "rt_tgsigqueueinfo", os.getpid(), os.getpid(), 0, ctypes.create_string_buffer(struct.pack("iii", 0, 0, -1), 128))  # fmt: skip
simple("move_to_another_processor", "sched_setaffinity", 0, 8, ctypes.create_string_buffer(b"\xff" * 8, 8))
simple("other_priority", "setpriority", 0, 0, 19)
simple("other_user", "setresuid", -1, -1, -1)
simple("who_am_i", "getuid")
