"""Landlock: three layers, so that what a kernel lacks is named and costs no other.

Each is a ruleset of its own; the kernel stacks them.  It binds the thread that asks and those that it starts: therefore
it comes before any thread, and before the first import that starts one.
"""

import errno
import os
import stat
import struct
from typing import Final

from vigie_hub.enclave.sandbox import kernel
from vigie_hub.enclave.sandbox.layer import ABSENT, ENFORCED, FAILED, failed, tried

READABLE: Final = ("bin", "lib")
"""What may be read and mapped, below the enclave root, which is the working folder."""

READABLE_WITHOUT_NAMESPACES: Final = (*READABLE, "/proc/self/cgroup", "/sys/fs/cgroup")
"""In mode B these two exist, and DuckDB ends the process when it can see them and not open them."""

_EXECUTE_READ_FILE: Final = 1 | 4
_READ_DIR: Final = 8
_VERSION_FLAG: Final = 1
_RULE_PATH_BENEATH: Final = 1
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
_LATER_FILE_RIGHTS: Final = 16
_TCP_BIND_CONNECT: Final = 3
_SCOPE_ABSTRACT_SOCKET_SIGNAL: Final = 3


def abi() -> int:
    """The version of Landlock that this kernel speaks; 0 or less for none."""
    return kernel.system_call(kernel.LANDLOCK_CREATE_RULESET, None, 0, _VERSION_FLAG)


class LandlockFiles:
    """Reading below the enclave root's ``bin`` and ``lib``, and no other use of any file.

    Args:
        readable: folders and files that may be read, mapped and executed.
    """

    name = "landlock"
    policy = (
        "landlock: read, list and execute below bin and lib (mode B: /proc/self/cgroup and /sys/fs/cgroup too); "
        "no other right that the kernel knows"
    )

    def __init__(self, readable: tuple[str, ...]) -> None:
        self._readable = readable
        self._abi = 0
        self._result = -1

    def apply(self) -> None:
        """Restrict this thread."""
        self._abi = abi()
        if self._abi < 1:
            return
        rights = (1 << _FILE_RIGHTS.get(self._abi, _LATER_FILE_RIGHTS)) - 1
        ruleset = _ruleset(files=rights, abi=self._abi)
        if ruleset < 0:
            self._result = ruleset
            return
        for path in self._readable:
            self._allow(ruleset, path)
        self._result = kernel.system_call(kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)

    def verify(self) -> str:
        """Try to list the root itself, which is not among what may be read."""
        if self._abi < 1:
            return _absent(self._abi)
        if self._result:
            return failed(self._result)
        return f"{ENFORCED}: abi {self._abi}" if tried("/", os.O_RDONLY | os.O_DIRECTORY) == errno.EACCES else FAILED

    @staticmethod
    def _allow(ruleset: int, path: str) -> None:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return  # what is not there need not be allowed
        folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        rights = _EXECUTE_READ_FILE | (_READ_DIR if folder else 0)
        kernel.system_call(kernel.LANDLOCK_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", rights, opened), 0)
        os.close(opened)


class LandlockTcp:
    """No TCP port is bound or connected to."""

    name = "landlock_tcp"
    policy = "landlock_tcp: no bind, no connect"

    def __init__(self) -> None:
        self._abi = 0
        self._result = -1

    def apply(self) -> None:
        """Restrict this thread."""
        self._abi = abi()
        if self._abi >= 4:
            self._result = _restrict(_ruleset(tcp=_TCP_BIND_CONNECT, abi=self._abi))

    def verify(self) -> str:
        """Try to bind a port."""
        if self._abi < 4:
            return _absent(self._abi)
        if self._result:
            return failed(self._result)
        import socket

        with socket.socket() as trying:
            try:
                trying.bind(("127.0.0.1", 0))
            except OSError as error:
                return ENFORCED if error.errno == errno.EACCES else failed(error.errno or 0)
        return FAILED


class LandlockScopes:
    """No abstract socket of others, and no signal to others."""

    name = "landlock_scopes"
    policy = "landlock_scopes: abstract unix sockets, signals"

    def __init__(self) -> None:
        self._abi = 0
        self._result = -1

    def apply(self) -> None:
        """Restrict this thread."""
        self._abi = abi()
        if self._abi >= 6:
            self._result = _restrict(_ruleset(scopes=_SCOPE_ABSTRACT_SOCKET_SIGNAL, abi=self._abi))

    def verify(self) -> str:
        """Try to send the null signal to its parent; the first process of a namespace has none to try it on."""
        if self._abi < 6:
            return _absent(self._abi)
        if self._result:
            return failed(self._result)
        parent = os.getppid()
        if parent == 0:
            return ENFORCED
        try:
            os.kill(parent, 0)
        except PermissionError:
            return ENFORCED
        return FAILED


def _ruleset(*, files: int = 0, tcp: int = 0, scopes: int = 0, abi: int) -> int:
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    packed = struct.pack("QQQ", files, tcp, scopes)[:size]
    return kernel.system_call(kernel.LANDLOCK_CREATE_RULESET, packed, size, 0)


def _restrict(ruleset: int) -> int:
    if ruleset < 0:
        return ruleset
    result = kernel.system_call(kernel.LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return result


def _absent(found: int) -> str:
    if found > 0:
        return f"{ABSENT}: the kernel's Landlock is version {found}"
    return f"{ABSENT}: {errno.errorcode.get(-found, 'no Landlock')}"
