"""Measuring the enclave root and starting an enclave from it.

The measurement is taken again before every start. What was hashed before is remembered by the identity of the file
(size, times, inode, device), so that a start costs a walk over the root and not a second of hashing; the memory is the hub's
own, like the measurement itself at level A1. The rule it keeps: an enclave gets one descriptor (3, its channel), the
environment in ``launch.json`` and nothing else of this process; its output goes nowhere.
"""

import asyncio
import contextlib
import json
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from vigie import bytecode
from vigie.durable import write_file
from vigie.errors import ConfigError, StateError
from vigie.evidence import file_digest, measure_tree, measurement
from vigie_hub.frames import Channel

EXIT_SECONDS: Final = 10.0
"""How long an enclave may take to exit once its channel is closed; then it is killed."""

# The shell puts the channel, which it has as 0, where the enclave expects it, and becomes the enclave; env takes away
# what the shell has added to the environment.
_TRAMPOLINE: Final = 'exec /usr/bin/env -i "$@" 3<&0 </dev/null'

_log = structlog.get_logger("vigie.hub.launcher")


@dataclass
class EnclaveProcess:
    """A started enclave and the host's end of its channel."""

    process: asyncio.subprocess.Process
    channel: Channel

    async def end(self, *, at_once: bool) -> None:
        """Close the channel and see the process out: with force when it stays, or ``at_once``."""
        self.channel.close()
        try:
            async with asyncio.timeout(0 if at_once else EXIT_SECONDS):
                await self.process.wait()
        except TimeoutError:
            _log.warning("enclave killed", pid=self.process.pid)
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            raise


class Launcher:
    """Starts enclaves from one folder (see :mod:`vigie_hub.enclave_root`).

    Args:
        folder: holds ``root/`` and ``launch.json``.
        memory: where hashes are remembered; a file that may be lost at any time.

    Raises:
        ConfigError: there is no enclave root, or its launch file cannot be read.
    """

    def __init__(self, folder: Path, memory: Path) -> None:
        self._root = (folder / "root").resolve()
        self._memory = memory
        try:
            launch = json.loads((folder / "launch.json").read_bytes())
            self._launch: dict[str, Any] = launch
            self._arguments = [str(argument) for argument in launch["arguments"]]
            self._environment = {str(key): str(value) for key, value in launch["environment"].items()}
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as exc:
            raise ConfigError(
                f"there is no enclave in {folder}", hint="vigie-hub init builds it, or give --enclave-root"
            ) from exc
        if not self._root.is_dir():
            raise ConfigError(f"there is no enclave root in {folder}", hint="vigie-hub init builds it")

    def measure(self) -> bytes:
        """Return the measurement of what would be started now, 32 bytes; blocks."""
        known = self._remembered()
        kept: dict[str, list[Any]] = {}
        start = len(os.fspath(self._root)) + 1

        def digest(path: Path) -> bytes:
            name = os.fspath(path)[start:]
            status = path.stat(follow_symlinks=False)
            identity = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
            remembered = known.get(name)
            if remembered is not None and remembered[:-1] == identity:
                kept[name] = remembered
                return bytes.fromhex(remembered[-1])
            found = file_digest(path)
            kept[name] = [*identity, found.hex()]
            return found

        result = measurement(measure_tree(self._root, digest, byte_code=bytecode.paired), self._launch)
        if kept != known:
            write_file(self._memory, json.dumps({"root": str(self._root), "files": kept}).encode())
        return result

    async def start(self) -> EnclaveProcess:
        """Start an enclave.

        Raises:
            StateError: the process cannot be started.
        """
        variables = [f"{name}={value}" for name, value in sorted(self._environment.items())]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh", "-c", _TRAMPOLINE, "sh", *variables, *self._arguments,
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._root,
                env=self._environment,
                close_fds=True,
                start_new_session=True,
            )  # fmt: skip
        except OSError as exc:
            ours.close()
            raise StateError("the enclave cannot be started", hint="is the enclave root whole?") from exc
        finally:
            theirs.close()
        _log.info("enclave started", pid=process.pid)
        return EnclaveProcess(process, Channel(ours))

    def _remembered(self) -> dict[str, list[Any]]:
        try:
            memory = json.loads(self._memory.read_bytes())
            if memory["root"] != str(self._root):
                return {}
            files: dict[str, list[Any]] = memory["files"]
            return {name: entry for name, entry in files.items() if _sound(entry)}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return {}


def _sound(entry: object) -> bool:
    """Whether something remembered has the form of an identity and a hash; only the hub's own user can have forged it."""
    return (
        isinstance(entry, list)
        and len(entry) == 6
        and all(type(number) is int for number in entry[:-1])
        and isinstance(entry[-1], str)
        and re.fullmatch(r"[0-9a-f]{64}", entry[-1]) is not None
    )
