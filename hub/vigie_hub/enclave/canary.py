"""``python … -m vigie_hub.enclave.canary FD MODE UID``: a sibling of the enclave that tries what ends a process.

It is started like the enclave, puts on the same layers with the same code, says which state each has, and then makes one
call that the seal answers with SIGSYS.  The enclave itself cannot try that.  It never gets a key or a row.

::

    canary   {"layers": {…}, "policy": "…", "host": {…}} LF
    host     <name of a probe> LF
    canary   "survived" LF                                     only if it does
"""

import ctypes
import json
import os
import sys
from collections.abc import Callable
from typing import Final

from vigie_hub.enclave import sandbox

_C: Final = ctypes.CDLL(None)
_IO_URING_SETUP: Final = 425
_PIDFD_GETFD: Final = 438
_CLONE_NEWUSER: Final = 0x10000000


def _exec() -> object:
    return _C.execve(b"bin/python3", (ctypes.c_char_p * 1)(), (ctypes.c_char_p * 1)())


PROBES: Final[dict[str, Callable[[], object]]] = {
    "socket": lambda: _C.socket(1, 1, 0),
    "fork": _C.fork,
    "execve": _exec,
    "ptrace": lambda: _C.ptrace(0, 0, 0, 0),
    "unshare": lambda: _C.unshare(_CLONE_NEWUSER),
    "kill": lambda: _C.kill(os.getppid() or 1, 0),
    "process_vm_readv": lambda: _C.process_vm_readv(os.getppid() or 1, None, 0, None, 0, 0),
    "io_uring_setup": lambda: _C.syscall(_IO_URING_SETUP, 1, None),
    "pidfd_getfd": lambda: _C.syscall(_PIDFD_GETFD, -1, 0, 0),
    "mount": lambda: _C.mount(None, b"/", None, 0, None),
}
"""What is tried, one process for each: every one must end it."""


def main(arguments: list[str]) -> int:
    """Put on the layers, say so, try one probe."""
    box = sandbox.started(arguments)
    if box is None:
        return 2
    box.begin()
    host = box.host_facts()
    said = {"layers": box.seal(), "policy": sandbox.policy_digest().hex(), "host": host}
    os.write(box.channel, json.dumps(said).encode() + b"\n")
    name = os.read(box.channel, 64).decode("ascii", "replace").strip()
    if (probe := PROBES.get(name)) is None:
        return 0
    probe()
    os.write(box.channel, b"survived\n")
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
