"""What a layer is, and the words for its state (docs/spec/isolation.md)."""

import errno
import os
from typing import Final, Protocol

ENFORCED: Final = "enforced"
NOT_ENFORCED: Final = "not enforced"
"""This way of starting does not have the layer."""
ABSENT: Final = "absent"
"""The kernel does not know it."""
FAILED: Final = "failed"
"""It was asked for, and did not hold when tried or read back."""


class Layer(Protocol):
    """One layer of isolation."""

    name: str
    """Its name in the evidence and in a convention."""

    policy: str
    """What it does, in words that the policy digest binds."""

    def apply(self) -> None:
        """Put it on; never raises: what failed shows in :meth:`verify`."""

    def verify(self) -> str:
        """Its state, by trying what it forbids or reading it back: ``<state>`` or ``<state>: <detail>``."""


def failed(number: int) -> str:
    """``failed: EPERM`` of an error number, whatever its sign."""
    return f"{FAILED}: {errno.errorcode.get(abs(number), str(abs(number)))}"


def tried(path: str, flags: int) -> int:
    """Error number of opening a path; 0 when it opens, and it is closed again."""
    try:
        os.close(os.open(path, flags | os.O_CLOEXEC, 0o600))
    except OSError as error:
        return error.errno or -1
    return 0
