"""Memory: new machine code, and more of it than a run may have."""

import ctypes
import mmap
import threading
from typing import Final

from .attempt import call, probe

_PRIVATE: Final = 0x22
_WITHOUT_RESERVE: Final = 0x4022
_ALL: Final = 7
_EXECUTE: Final = 5
_TOO_MUCH: Final = 1 << 44
_MANY: Final = 5000


@probe("executable_memory")
def _executable() -> None:
    call("mmap", None, 4096, _ALL, _PRIVATE, -1, 0)


def _page() -> int:
    area = mmap.mmap(-1, 4096)
    _KEPT.append(area)
    return ctypes.addressof(ctypes.c_char.from_buffer(area))


_KEPT: Final[list[mmap.mmap]] = []


@probe("memory_made_executable")
def _made_executable() -> None:
    call("mprotect", _page(), 4096, _EXECUTE)


@probe("memory_made_executable_by_key")
def _by_key() -> None:
    call("pkey_mprotect", _page(), 4096, _EXECUTE, -1)


@probe("exhaust_memory")
def _exhaust() -> None:
    """Reserve what no run needs: with a limit the kernel says no at once, without one it says yes."""
    call("mmap", None, _TOO_MUCH, 3, _WITHOUT_RESERVE, -1, 0)


@probe("many_threads")
def _threads() -> None:
    """More threads than any run needs."""
    held = threading.Event()
    try:
        for _ in range(_MANY):
            threading.Thread(target=held.wait, daemon=True).start()
    finally:
        held.set()
