"""``python -m support.intruder.outside PID ADDRESS``: what another process on the host tries against an enclave.

Prints one JSON object: for each attempt, ``done`` or how it was refused.  Nothing here is harmful where it succeeds: the
process goes on, but for the last attempt of ``--dump``, which sends the signals that make a core file.
"""

import ctypes
import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from .attempt import LIBC, Refused, call

LENGTH = 64
"""Bytes read from the address."""

_SEIZE = 0x4206
_INTERRUPT = 0x4207
_ATTACH = 16
_DETACH = 17
_PEEK = 2
_ALL = 0x40000000


def attempts(pid: int, address: int) -> dict[str, Callable[[], object]]:
    """Each attempt by name; it returns what it got, or raises."""
    folder = Path(f"/proc/{pid}")
    loot = ctypes.create_string_buffer(LENGTH)
    here = ctypes.create_string_buffer(struct.pack("QQ", ctypes.addressof(loot), LENGTH), 16)
    there = ctypes.create_string_buffer(struct.pack("QQ", address, LENGTH), 16)

    def seize() -> None:
        call("ptrace", _SEIZE, pid, 0, 0)
        call("ptrace", _INTERRUPT, pid, 0, 0)
        LIBC.waitpid(pid, None, _ALL)
        call("ptrace", _DETACH, pid, 0, 0)

    def attach() -> None:
        call("ptrace", _ATTACH, pid, 0, 0)
        LIBC.waitpid(pid, None, _ALL)
        call("ptrace", _PEEK, pid, address, ctypes.create_string_buffer(8))
        call("ptrace", _DETACH, pid, 0, 0)

    def read_memory() -> bytes:
        call("process_vm_readv", pid, here, 1, there, 1, 0)
        return loot.raw

    def write_memory() -> None:
        # What is there is written back, so that where it succeeds nothing changes.
        call("process_vm_readv", pid, here, 1, there, 1, 0)
        call("process_vm_writev", pid, here, 1, there, 1, 0)

    def memory_file() -> None:
        with (folder / "mem").open("rb", buffering=0) as file:
            file.seek(address)
            file.read(LENGTH)

    def descriptor() -> None:
        call("pidfd_getfd", call("pidfd_open", pid, 0), 3, 0)

    def read(name: str) -> Callable[[], object]:
        def some() -> None:
            with (folder / name).open("rb", buffering=0) as file:
                file.read(8)

        return some

    def listed(name: str) -> Callable[[], object]:
        return lambda: os.listdir(folder / name)  # noqa: PTH208 -- the system call itself, and nothing around it

    return {
        "seize": seize,
        "attach": attach,
        "read_memory": read_memory,
        "write_memory": write_memory,
        "memory_file": memory_file,
        "take_a_descriptor": descriptor,
        "read_environment": read("environ"),
        "read_map": read("maps"),
        "read_map_of_pages": read("pagemap"),
        "read_auxiliary_vector": read("auxv"),
        "read_where_it_waits": read("syscall"),
        "read_stack": read("stack"),
        "list_descriptors": listed("fd"),
        "list_mapped_files": listed("map_files"),
        "enter_its_root": listed("root"),
        "enter_its_folder": listed("cwd"),
        "open_its_program": lambda: (folder / "exe").open("rb").close(),
        "open_its_channel": lambda: (folder / "fd/3").open("rb").close(),
        "open_its_network": lambda: call("open", os.fsencode(folder / "ns/net"), 0, 0),
        "end_its_protection_from_dumps": lambda: (folder / "coredump_filter").write_text("0x7f"),
        "send_quit": lambda: call("kill", pid, signal.SIGQUIT),
        "send_abort": lambda: call("kill", pid, signal.SIGABRT),
        "send_segmentation_fault": lambda: call("kill", pid, signal.SIGSEGV),
    }


def tell(attempt: Callable[[], object]) -> str:
    """Try; ``done``, or how it was refused."""
    try:
        attempt()
    except (Refused, OSError) as refusal:
        number = refusal.errno or 0
        return f"refused {os.strerror(number)}"
    return "done"


DEADLY = ("send_quit", "send_abort", "send_segmentation_fault")
"""Attempts that end the process where they succeed."""


if __name__ == "__main__":
    found = attempts(int(sys.argv[1]), int(sys.argv[2]))
    wanted = sys.argv[3:] or [name for name in found if name not in DEADLY]
    print(json.dumps({name: tell(found[name]) for name in wanted}))
