"""Namespaces and the read-only root, which the launcher makes (mode C) and the enclave tries.

Inside there is no ``/proc`` to read inode numbers from: the enclave tries what the namespace forbids, and the launcher,
who can read them, must find the same (:mod:`vigie_hub.isolation.witness`).
"""

import ctypes
import errno
import os
import socket
from abc import ABC, abstractmethod
from typing import Final

from vigie_hub.enclave.sandbox.layer import ENFORCED, FAILED, NOT_ENFORCED, Layer, tried

HOST_NAME: Final = "enclave"

_SHM_INFO: Final = 14
_EMPTY_PLACES: Final = ("/proc", "/sys", "/dev", "/etc", "/usr", "/home", "/root", "/tmp", "/var", "/run")  # noqa: S108
_WRITABLE_PLACES: Final = (".", "lib", "bin", "/", "/tmp", "/var/tmp", "/dev/shm", "/run", "/dev/mqueue")  # noqa: S108
_REFUSALS: Final = (errno.EACCES, errno.EROFS, errno.ENOENT, errno.EPERM)


class _Namespace(ABC):
    """A namespace that the launcher makes in mode C."""

    name = ""
    policy = ""

    def __init__(self, *, made: bool) -> None:
        self._made = made

    def apply(self) -> None:  # noqa: B027 – the launcher made it; every namespace takes this as it is
        """Nothing to do from inside."""

    def verify(self) -> str:
        """What is found when it is tried."""
        if not self._made:
            return f"{NOT_ENFORCED}: mode B has no namespaces"
        return ENFORCED if self._holds() else FAILED

    @abstractmethod
    def _holds(self) -> bool:
        """Whether what it forbids is impossible."""


class Network(_Namespace):
    """No network but a loopback of its own."""

    name = "network"
    policy = "network: an empty network namespace (mode C)"

    def _holds(self) -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trying:
            try:
                trying.connect(("192.0.2.1", 9))
            except OSError as error:
                return error.errno == errno.ENETUNREACH and {name for _, name in socket.if_nameindex()} <= {"lo"}
        return False


class Pids(_Namespace):
    """No other process can be named: this one is the first of its namespace."""

    name = "pids"
    policy = "pids: first process of a pid namespace (mode C)"

    def _holds(self) -> bool:
        return os.getpid() == 1 and os.getppid() == 0


class Ipc(_Namespace):
    """No shared memory, queue or semaphore of others."""

    name = "ipc"
    policy = "ipc: an empty ipc namespace (mode C)"

    def _holds(self) -> bool:
        counts = (ctypes.c_long * 16)()
        return ctypes.CDLL(None).shmctl(0, _SHM_INFO, counts) >= 0 and counts[0] & 0xFFFFFFFF == 0


class Uts(_Namespace):
    """A host name of its own, which tells nothing."""

    name = "uts"
    policy = f"uts: host name {HOST_NAME} (mode C)"

    def _holds(self) -> bool:
        return socket.gethostname() == HOST_NAME


class Cgroups(_Namespace):
    """The host's tree of control groups is out of sight."""

    name = "cgroups"
    policy = "cgroups: a cgroup namespace, no /sys (mode C)"

    def _holds(self) -> bool:
        return tried("/sys/fs/cgroup", os.O_RDONLY) == errno.ENOENT


class Mounts(_Namespace):
    """The enclave root is all that there is, read-only."""

    name = "mounts"
    policy = "mounts: the enclave root as /, read-only, nothing beside it (mode C)"

    def _holds(self) -> bool:
        read_only = os.statvfs("/").f_flag & os.ST_RDONLY
        return bool(read_only) and not any(os.path.lexists(place) for place in _EMPTY_PLACES)


class NoWritablePath:
    """There is no place where a file can be created or changed."""

    name = "no_writable_path"
    policy = "no_writable_path: by Landlock, and by the read-only root in mode C"

    def apply(self) -> None:
        """Nothing of its own: what follows from Landlock and the mounts is tried."""

    def verify(self) -> str:
        """Try to create a file, in the root and wherever hosts let anybody."""
        for place in _WRITABLE_PLACES:
            path = os.path.join(place, "vigie-tries-to-write")  # noqa: PTH118 -- pathlib is not imported this early
            if (found := tried(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)) not in _REFUSALS:
                if found == 0:
                    os.unlink(path)  # noqa: PTH108
                return f"{FAILED}: {place}"
        return ENFORCED


def layers(*, made: bool) -> tuple[Layer, ...]:
    """The six of them.

    Args:
        made: whether the launcher has made them (mode C).
    """
    return (Network(made=made), Pids(made=made), Ipc(made=made), Uts(made=made), Cgroups(made=made), Mounts(made=made))
