"""The layer ``user``: one user of its own for each enclave, no groups, no capabilities.

The enclave drops the user itself, in its first lines, instead of a helper program that would be one more thing to measure
(docs/adr/0016).  Until then it has run nothing but its own measured code and has read nothing.
"""

import os
from typing import Final

from vigie_hub.enclave.sandbox import kernel
from vigie_hub.enclave.sandbox.layer import ENFORCED, FAILED, NOT_ENFORCED, failed

KEEP: Final = 0
"""In place of a user id: stay who you are, as the launcher may not choose."""

CAP_IPC_LOCK: Final = 14
_HIGHEST_CAPABILITY: Final = 63


class User:
    """A user of its own, who owns nothing and is nobody else.

    Args:
        uid: the user to become, or :data:`KEEP`.
    """

    name = "user"
    policy = "user: a reserved user and group for each enclave, no other group, no capability but CAP_IPC_LOCK"

    def __init__(self, uid: int) -> None:
        self._uid = uid
        self._result = 0

    def apply(self) -> None:
        """Give up every capability but that of locking memory, then the user."""
        if self._uid == KEEP:
            kernel.capset(0)
            return
        keep = 1 << CAP_IPC_LOCK & kernel.capabilities()
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
        for capability in range(_HIGHEST_CAPABILITY + 1):
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
        self._result = kernel.clear_groups_and_become(self._uid)
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 0)
        self._result = self._result or kernel.capset(keep)

    def verify(self) -> str:
        """Read back who this is; then try to become root again."""
        if self._uid == KEEP:
            return f"{NOT_ENFORCED}: the user of its launcher"
        if self._result:
            return failed(self._result)
        mine = {*os.getresuid(), *os.getresgid()} == {self._uid} and not os.getgroups()
        if not mine or kernel.capabilities() & ~(1 << CAP_IPC_LOCK):
            return FAILED
        try:
            os.setresuid(0, 0, 0)
        except OSError:
            return ENFORCED
        return f"{FAILED}: it can become root again"
