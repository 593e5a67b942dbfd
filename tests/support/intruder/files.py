"""The file system: reading what is outside, leaving something behind."""

import ctypes
import os
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .attempt import AT_FDCWD, LIBC, Attempt, Refused, call, probe, simple

simple("open_a_host_file", "open", b"/etc/passwd", 0, 0)
simple("openat_a_host_file", "openat", AT_FDCWD, b"/etc/passwd", 0, 0)
simple("openat2_the_folder", "openat2", AT_FDCWD, b".", ctypes.create_string_buffer(24), 24)
simple("open_the_folder", "openat", AT_FDCWD, b".", os.O_DIRECTORY, 0)
simple("open_own_code", "open", os.fsencode(os.__file__), 0, 0)
simple("open_own_memory", "open", b"/proc/self/mem", 0, 0)
simple("open_own_map", "open", b"/proc/self/maps", 0, 0)
simple("open_environment_of_the_launcher", "open", b"/proc/%d/environ" % os.getppid(), 0, 0)
simple("open_the_null_device", "open", b"/dev/null", 1, 0)
simple("stat_a_host_file", "stat", b"/etc/passwd", ctypes.create_string_buffer(256))
simple("statx_a_host_file", "statx", AT_FDCWD, b"/etc/passwd", 0, 0xFFF, ctypes.create_string_buffer(256))
simple("read_a_link", "readlink", b"/proc/self/exe", ctypes.create_string_buffer(256), 255)
simple("handle_of_a_file", "name_to_handle_at", AT_FDCWD, b"/", ctypes.create_string_buffer(struct.pack("I", 128), 136), ctypes.create_string_buffer(8), 0)  # fmt: skip
simple("change_folder", "chdir", b"/")
simple("watch_a_file", "inotify_init1", 0)
simple("watch_all_files", "fanotify_init", 0, 0, privileged=True)
simple("unnamed_file", "open", b"/tmp", os.O_TMPFILE | os.O_RDWR, 0o600)
simple("file_in_memory", "memfd_create", b"x", 0)
simple("secret_file_in_memory", "memfd_secret", 0)

_FOLDERS: Final = {"in_tmp": "/tmp", "in_shared_memory": "/dev/shm", "in_var_tmp": "/var/tmp"}


def _own(folder: str) -> bytes:
    return os.fsencode(f"{folder}/vigie-probe-{os.getpid()}-{threading.get_ident()}")


def _creates(folder: str) -> Attempt:
    def attempt() -> None:
        path = _own(folder)
        LIBC.close(call("open", path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
        LIBC.unlink(path)

    return attempt


for _name, _folder in _FOLDERS.items():
    probe(f"create_a_file_{_name}")(_creates(_folder))


def _changes(name: str, action: Callable[[bytes], object]) -> None:
    """Register an attempt on a file that is there beforehand wherever one can be made."""

    def attempt() -> None:
        path = _own("/tmp")
        # Where none can be made the call is tried all the same, on a name that is not there.
        with suppress(Refused):
            LIBC.close(call("open", path, os.O_CREAT | os.O_RDWR, 0o600))
        try:
            action(path)
        finally:
            for left in (path, path + b".new"):
                with suppress(Refused):
                    call("unlink", left)

    probe(name)(attempt)


_changes("truncate", lambda path: call("truncate", path, 0))
_changes("rename", lambda path: call("rename", path, path + b".new"))
_changes("hard_link", lambda path: call("link", path, path + b".new"))
_changes("symbolic_link", lambda path: call("symlink", path, path + b".new"))
_changes("change_mode", lambda path: call("chmod", path, 0o777))
_changes("unlink", lambda path: call("unlink", path))
_changes("make_a_fifo", lambda path: call("mknod", path + b".new", 0o010600, 0))


@probe("make_a_folder")
def _make_folder() -> None:
    path = _own("/tmp")
    call("mkdir", path, 0o700)
    LIBC.rmdir(path)
