"""The kernel's other surfaces: namespaces, mounts, programs, counters, keys, limits."""

import ctypes
import struct
from typing import Final

from .attempt import AT_FDCWD, LIBC, call, probe, simple

_NEW_USER: Final = 0x10000000
_NEW_MOUNTS: Final = 0x00020000
_NO_CORE: Final = 4  # RLIMIT_CORE

simple("unshare_namespaces", "unshare", _NEW_USER)
simple("change_root", "chroot", b"/", privileged=True)
simple("open_tree", "open_tree", AT_FDCWD, b"/", 0)
simple("bpf_map", "bpf", 0, ctypes.create_string_buffer(struct.pack("5I", 2, 4, 4, 1, 0), 72), 72, privileged=True)
simple("performance_counter", "perf_event_open", ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 2), 128), 0, -1, -1, 0, privileged=True)  # fmt: skip
simple("page_faults_by_user", "userfaultfd", 1)
simple("keyring_of_the_kernel", "keyctl", 0, -2, 1)
simple("add_a_key", "add_key", b"user", b"vigie", b"x", 1, -2)
simple("dumpable_again", "prctl", 4, 1, 0, 0, 0)
simple("parent_death_signal", "prctl", 1, 0, 0, 0, 0)
simple("change_a_limit", "prlimit64", 0, _NO_CORE, ctypes.create_string_buffer(struct.pack("QQ", 0, 0), 16), None)
simple("set_a_limit", "setrlimit", _NO_CORE, ctypes.create_string_buffer(struct.pack("QQ", 0, 0), 16))
simple("other_personality", "personality", 0xFFFFFFFF)
simple("segment_table", "modify_ldt", 0, ctypes.create_string_buffer(64), 64)
simple("kernel_log", "syslog", 10, None, 0, privileged=True)
simple("host_name", "uname", ctypes.create_string_buffer(400))
simple("descriptor_of_signals", "signalfd4", -1, ctypes.create_string_buffer(8), 8, 0)
simple("descriptor_of_a_timer", "timerfd_create", 1, 0)
simple("descriptor_of_events", "eventfd2", 0, 0)
simple("a_ruleset_of_its_own", "landlock_create_ruleset", ctypes.create_string_buffer(struct.pack("Q", 1), 8), 8, 0)


@probe("mount", privileged=True)
def _mount() -> None:
    """In mounts of its own, so that where it succeeds nobody else sees it."""
    call("unshare", _NEW_MOUNTS)
    call("mount", b"none", b"/", None, 0x44000, None)  # private from here down
    call("mount", b"none", b"/tmp", b"tmpfs", 0, None)


@probe("enter_a_namespace", privileged=True)
def _enter() -> None:
    call("setns", call("open", b"/proc/self/ns/net", 0, 0), 0)


@probe("another_filter")
def _another_filter() -> None:
    """A filter that allows everything: it could not open anything, but nothing of ours may be put on top of the seal."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000), 8)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(program)), 16)
    call("prctl", 38, 1, 0, 0, 0)
    call("seccomp", 1, 0, head)


@probe("shared_memory_of_system_v")
def _shared() -> None:
    LIBC.shmctl(call("shmget", 0, 4096, 0o1600), 0, None)


@probe("message_queue_of_system_v")
def _queue() -> None:
    LIBC.msgctl(call("msgget", 0, 0o1600), 0, None)


@probe("semaphore_of_system_v")
def _semaphore() -> None:
    LIBC.semctl(call("semget", 0, 1, 0o1600), 0, 0)
