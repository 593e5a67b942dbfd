"""Measuring the enclave root and starting an enclave from it.

The measurement is taken again before every start. What was hashed before is remembered by the identity of the file
(size, times, inode, device), so that a start costs a walk over the root and not a second of hashing; the memory is the hub's
own, like the measurement itself at level A1. The rule it keeps: an enclave gets one descriptor (3, its channel), the
environment in ``launch.json`` and nothing else of this process; its output goes nowhere. How far it is kept apart from
its host is the business of :mod:`vigie_hub.isolation`.
"""

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from vigie import bytecode
from vigie.durable import write_file
from vigie.errors import ConfigError, Unavailable
from vigie.evidence import file_digest, measure_tree, measurement
from vigie_hub.frames import Channel
from vigie_hub.isolation import canary, witness
from vigie_hub.isolation import launch as launches
from vigie_hub.isolation.doctor import Inspection
from vigie_hub.isolation.modes import Choice, choose
from vigie_hub.isolation.starting import Started, spawn
from vigie_hub.isolation.uids import DEFAULT, UidRange

_log = structlog.get_logger("vigie.hub.launcher")


@dataclass
class EnclaveProcess:
    """A started enclave and the host's end of its channel."""

    started: Started
    channel: Channel
    root: Path
    launch: launches.Launch

    @property
    def process(self) -> asyncio.subprocess.Process:
        """What was started: the enclave, or bubblewrap around it."""
        return self.started.process

    async def check(self, layers: Mapping[str, str]) -> None:
        """Hold what the enclave claims of its layers against what is seen of it from outside.

        Raises:
            Refused: claim ``isolation``; the two do not agree.
            Unavailable: it has ended.
        """
        seen = await asyncio.to_thread(self.look)
        witness.check(seen, layers, self.started.choice.mode, self.started.uid, self.launch)

    def look(self) -> witness.Seen:
        """What can be read of it from outside, now.

        Raises:
            Unavailable: it has ended.
        """
        pid = self.started.pid()
        if pid is None:
            raise Unavailable("the enclave ended before it could be looked at")
        return witness.look(pid, self.root, self.launch)

    async def end(self, *, at_once: bool) -> None:
        """Close the channel and see the process out: with force when it stays, or ``at_once``."""
        self.channel.close()
        if await self.started.end(at_once=at_once):
            _log.warning("enclave killed", pid=self.process.pid)


class Launcher:
    """Starts enclaves from one folder (see :mod:`vigie_hub.enclave_root`).

    Args:
        folder: holds ``root/`` and ``launch.json``.
        memory: where hashes are remembered; a file that may be lost at any time. Beside it, with ``.canary`` at the end,
            stands for which measurement the canaries were tried.
        isolation: ``auto``, or the one mode that will do.
        uids: users that enclaves may have, where they get one of their own.

    Raises:
        ConfigError: there is no enclave root, its launch file cannot be read, or ``uids`` is no range.
    """

    def __init__(self, folder: Path, memory: Path, *, isolation: str = "auto", uids: str = DEFAULT) -> None:
        self._root = (folder / "root").resolve()
        self._memory = memory
        self._canaries = canary.Memory(memory.with_name(f"{memory.name}.canary"))
        self._isolation = isolation
        self._uids = UidRange.parse(uids)
        self._choice: Choice | None = None
        self._measured: bytes | None = None
        try:
            launch = json.loads((folder / "launch.json").read_bytes())
            self._launch: dict[str, Any] = launch
            self.launch = launches.read(launch)
        except PermissionError as exc:
            raise ConfigError(
                f"the enclave in {folder} cannot be read by this user",
                hint="it is no secret: let every user enter it and the folders above, with chmod a+rx",
            ) from exc
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as exc:
            raise ConfigError(
                f"there is no enclave in {folder}", hint="vigie-hub init builds it, or give --enclave-root"
            ) from exc
        if not self._root.is_dir():
            raise ConfigError(f"there is no enclave root in {folder}", hint="vigie-hub init builds it")

    @property
    def choice(self) -> Choice:
        """How enclaves are started here; tried once.

        Raises:
            ConfigError: this host does not give the mode that is asked for.
        """
        if self._choice is None:
            self._choice = choose(self.launch, self._root, self._isolation)
        return self._choice

    def measure(self) -> bytes:
        """Return the measurement of what would be started now, 32 bytes; blocks."""
        known = self._remembered()
        kept: dict[str, list[Any]] = {}
        start = len(os.fspath(self._root)) + 1

        def digest(path: str) -> bytes:
            name = path[start:]
            status = os.lstat(path)
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
        self._measured = result
        return result

    async def start(self) -> EnclaveProcess:
        """Start an enclave; the first of a measurement after a boot sends canaries ahead.

        Raises:
            StateError: the process cannot be started.
            Refused: claim ``isolation``; a canary lived on.
            ConfigError: this host does not give the mode that is asked for.
            Unavailable: every user that it may have is taken.
        """
        choice = await asyncio.to_thread(lambda: self.choice)
        if self.launch.own_loader:
            if (measured := self._measured) is None:
                measured = await asyncio.to_thread(self.measure)
            if not self._canaries.knows(measured, choice):
                await canary.check(self.launch, self._root, choice, self._uids)
                self._canaries.keep(measured, choice)
        started = await spawn(self.launch, self._root, choice, self._uids)
        _log.info("enclave started", pid=started.process.pid, mode=choice.mode, user=started.uid)
        return EnclaveProcess(started, Channel(started.connection), self._root, self.launch)

    async def inspect(self) -> Inspection:
        """Start a canary that only says what its layers are, and look at it.

        Raises:
            StateError: it cannot be started, or says nothing.
            ConfigError: this host does not give the mode that is asked for, or the root is too old to have canaries.
            Unavailable: every user that it may have is taken.
        """
        choice = await asyncio.to_thread(lambda: self.choice)
        said = await canary.release(self.launch, self._root, choice, self._uids, "")
        return Inspection(choice.mode, choice.reason, dict(said.layers), dict(said.host), said.contradicted)

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
