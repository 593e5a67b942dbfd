"""Speaking to the kernel without a library in between: raw system calls and ``prctl``, through ctypes.

Nothing here starts a thread or imports anything that does.
"""

import ctypes
import os
from typing import Final

_C: Final = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG: Final = 1
PR_GET_PDEATHSIG: Final = 2
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_SET_KEEPCAPS: Final = 8
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
PR_SET_MDWE: Final = 65
PR_GET_MDWE: Final = 66

# The same number on every architecture, being younger than the common table.
LANDLOCK_CREATE_RULESET: Final = 444
LANDLOCK_ADD_RULE: Final = 445
LANDLOCK_RESTRICT_SELF: Final = 446
CLONE3: Final = 435


def prctl(*arguments: int) -> int:
    """Call ``prctl``; what it returns, or minus the error number."""
    words = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:5]]
    result: int = _C.prctl(*words)
    return result if result >= 0 else -ctypes.get_errno()


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call; what it returns, or minus the error number.  Bytes are passed by address."""
    passed = [
        ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_char_p(argument) for argument in arguments
    ]
    result: int = _C.syscall(ctypes.c_long(number), *passed)
    return result if result >= 0 else -ctypes.get_errno()


def mlockall(flags: int) -> int:
    """Call ``mlockall``; 0, or minus the error number."""
    return -ctypes.get_errno() if _C.mlockall(ctypes.c_int(flags)) else 0


def capset(permitted: int) -> int:
    """Set permitted and effective capabilities to these (bits), inheritable to none; 0, or minus the error number."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low, high = permitted & 0xFFFFFFFF, permitted >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    return -ctypes.get_errno() if _C.capset(header, data) else 0


def capabilities() -> int:
    """Permitted and effective capabilities of this thread together, as bits; -1 when they cannot be read."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    if _C.capget(header, data):
        return -1
    return int(data[0] | data[1]) | int(data[3] | data[4]) << 32


def clear_groups_and_become(uid: int) -> int:
    """Take a user and the group of the same number, and no other group; 0, or minus the error number.

    Through the C library, which changes every thread; there is but one yet.
    """
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        return -(error.errno or 1)
    return 0
