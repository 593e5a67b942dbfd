"""Runs inside an enclave root, in place of the enclave: puts on the same layers, then runs probes that a test sends.

``support.sealed`` copies this file into a test root and starts it there; it imports nothing of the tests. Once sealed it
answers on the channel, one JSON line each::

    host    {"code": …, "thread": "main|old|openmp", "without": [layer…], "extra": [call…], "readable": [path…],
             "imports": [module…]} LF
    inside  {"states": {…}, "policy": hex} LF
    inside  {"value": …} or {"errno": n, "name": "EPERM"} or {"error": "ModuleNotFoundError", "text": …} LF

A process that the kernel ends says nothing more.
"""

import ctypes
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Collection
from typing import Any

from vigie_hub.enclave import sandbox
from vigie_hub.enclave.sandbox.landlock import LandlockFiles
from vigie_hub.enclave.sandbox.seccomp import Seccomp


def main(arguments: list[str]) -> None:
    """Serve one request."""
    box = sandbox.started(arguments)
    assert box is not None
    request = json.loads(_line(box.channel))
    weaken(box, request["without"], request["extra"], request["readable"])
    box.begin()
    for module in request["imports"]:
        importlib.import_module(module)
    probe = _compiled(request["code"])
    kinds: dict[str, type[_Here | _OldThread | _OpenMp]]
    kinds = {"main": _Here, "old": _OldThread, "openmp": _OpenMp}
    runner = kinds[request["thread"]](probe)
    states = box.seal()
    _say(box.channel, {"states": dict(states), "policy": sandbox.policy_digest().hex()})
    _say(box.channel, runner.run())


def weaken(
    box: sandbox.Sandbox, without: Collection[str], extra: Collection[str], readable: tuple[str, ...] | None
) -> None:
    """Take layers away by name, let some system calls through, or let Landlock read something else."""
    early = [layer for layer in box.early if layer.name not in without]
    if readable is not None:
        early = [LandlockFiles(tuple(readable)) if layer.name == LandlockFiles.name else layer for layer in early]
    box.early = tuple(early)
    sealed = [layer for layer in box.sealed if layer.name not in without]
    box.sealed = tuple(Seccomp(extra) if layer.name == "seccomp" and extra else layer for layer in sealed)


def _compiled(code: str) -> Callable[[], Any]:
    scope: dict[str, Any] = {"ctypes": ctypes, "os": os, "sys": sys, "libc": ctypes.CDLL(None, use_errno=True)}
    exec(compile(code, "<probe>", "exec"), scope)  # noqa: S102 -- the code of a test, inside the enclave
    probe: Callable[[], Any] = scope["probe"]
    return probe


def _outcome(probe: Callable[[], Any]) -> dict[str, Any]:
    try:
        value = probe()
    except OSError as error:
        number = error.errno or 0
        return {"errno": number, "name": _NAMES.get(number, str(number))}
    except BaseException as error:  # noqa: BLE001 -- whatever it is, the test wants to know
        return {"error": type(error).__name__, "text": str(error)[:500]}
    return {"value": value if isinstance(value, int | str | float | bool | None) else repr(value)}


class _Here:
    """In the main thread."""

    def __init__(self, probe: Callable[[], Any]) -> None:
        self._probe = probe

    def run(self) -> dict[str, Any]:
        return _outcome(self._probe)


class _OldThread:
    """In a thread that was started before the seal."""

    def __init__(self, probe: Callable[[], Any]) -> None:
        self._go = threading.Event()
        self._found: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._wait, args=(probe,))
        self._thread.start()

    def _wait(self, probe: Callable[[], Any]) -> None:
        self._go.wait()
        self._found = _outcome(probe)

    def run(self) -> dict[str, Any]:
        self._go.set()
        self._thread.join()
        return self._found


class _OpenMp:
    """In a worker of an OpenMP team that had its first work before the seal."""

    _THREADS = 2

    def __init__(self, probe: Callable[[], Any]) -> None:
        self._library = ctypes.CDLL("libgomp.so.1")
        self._armed = False
        self._probe = probe
        self._found: dict[str, Any] = {"error": "NoWorker", "text": "no worker of the team ran the probe"}
        # The callback's closure is executable memory: made now, as none can be made later.
        self._callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._work)
        self._team()
        self._armed = True

    def _work(self, _: object) -> None:
        if self._armed and self._library.omp_get_thread_num() == 1:
            self._found = _outcome(self._probe)

    def _team(self) -> None:
        self._library.GOMP_parallel(self._callback, None, self._THREADS, 0)

    def run(self) -> dict[str, Any]:
        self._team()
        return self._found


def _line(descriptor: int) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        chunk = os.read(descriptor, 65536)
        if not chunk:
            os._exit(3)
        found += chunk
    return found


def _say(descriptor: int, what: dict[str, Any]) -> None:
    os.write(descriptor, json.dumps(what).encode() + b"\n")


def _names() -> dict[int, str]:
    import errno

    return dict(errno.errorcode)


_NAMES = _names()

if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
