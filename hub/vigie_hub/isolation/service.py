"""A launcher as a service of its own, so that the hub need not be root: it starts enclaves, and takes nothing but "start one".

::

    hub                                     launcher (root)
    connect ──────────────────────────────▶ is it the hub's user? (SO_PEERCRED)
    "measure" ────────────────────────────▶
          ◀──────────────────────────────── {"measurement": hex}
    "start" ──────────────────────────────▶
          ◀──────────────────────────────── {"pid", "mode", "uid"} and the host's end of the channel (SCM_RIGHTS)
    "look" ───────────────────────────────▶
          ◀──────────────────────────────── what is seen of the enclave from outside
    "inspect" ────────────────────────────▶
          ◀──────────────────────────────── which layers this host gives, for the doctor
    close ────────────────────────────────▶ the enclave ends

One connection, one enclave. Which program, which arguments, which user and which folders is the launcher's own
configuration: nothing of it can be asked for. Messages are packets of one JSON object.
"""

import asyncio
import contextlib
import json
import os
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from vigie.errors import ConfigError, Refused, StateError, Unavailable, VigieError
from vigie_hub.config import HubConfig
from vigie_hub.frames import Channel
from vigie_hub.isolation import launch as launches
from vigie_hub.isolation import witness
from vigie_hub.isolation.doctor import Inspection
from vigie_hub.isolation.launch import Mode
from vigie_hub.launcher import EnclaveProcess, Launcher

PACKET: Final = 256 * 1024
START_SECONDS: Final = 300.0
_log = structlog.get_logger("vigie.hub.launcher")


class Enclave(Protocol):
    """A started enclave, whoever started it."""

    channel: Channel

    async def check(self, layers: Mapping[str, str]) -> None:
        """Hold what the enclave claims of its layers against what is seen of it from outside."""

    async def end(self, *, at_once: bool) -> None:
        """Close the channel and see the process out."""


class Starter(Protocol):
    """What starts enclaves: a launcher in this process, or the service."""

    def measure(self) -> bytes:
        """Return the measurement of what would be started now, 32 bytes; blocks."""

    async def start(self) -> Enclave:
        """Start an enclave."""

    async def inspect(self) -> Inspection:
        """Say which layers this host gives."""


def launcher_of(config: HubConfig) -> Starter:
    """The launcher that a hub's configuration names.

    Raises:
        ConfigError: there is no enclave root, or the range of users is none.
    """
    local = Launcher(
        config.enclave, config.folder / "measured.json", isolation=config.isolation, uids=config.enclave_uids
    )
    return RemoteLauncher(Path(config.enclave_launcher), local.launch) if config.enclave_launcher else local


class RemoteLauncher:
    """Asks the service for enclaves.

    Args:
        path: its socket.
        launch: the launch description, to know what the enclave's environment must be.
    """

    def __init__(self, path: Path, launch: launches.Launch) -> None:
        self._path = path
        self._launch = launch

    def measure(self) -> bytes:
        """Return the measurement of what the service would start now; blocks.

        Raises:
            Unavailable: the service is not there.
            StateError: it says something else.
        """
        with self._connect() as connection:
            connection.settimeout(START_SECONDS)
            with _told():
                connection.send(b"measure")
                said = _answer(connection.recv(PACKET))
        return _bytes_of(said, "measurement")

    async def start(self) -> "RemoteEnclave":
        """Have the service start an enclave.

        Raises:
            Unavailable: the service is not there, or has no user left.
            Refused: a canary lived on.
            StateError: it says something else, or the process cannot be started.
        """
        connection = await asyncio.to_thread(self._connect)
        try:
            said, descriptors = await asyncio.to_thread(_ask_for_start, connection)
            mode, uid = said.get("mode"), said.get("uid")
            if len(descriptors) != 1 or mode not in ("B", "C") or not isinstance(uid, int):
                for descriptor in descriptors:
                    os.close(descriptor)
                raise StateError("the enclave launcher gave no enclave", hint="are hub and launcher of one release?")
        except BaseException:
            connection.close()
            raise
        channel = Channel(socket.socket(fileno=descriptors[0]))
        return RemoteEnclave(channel, connection, self._launch, "C" if mode == "C" else "B", uid)

    async def inspect(self) -> Inspection:
        """Have the service say which layers it gives.

        Raises:
            Unavailable: the service is not there.
            StateError: it says something else.
        """

        def ask() -> Inspection:
            with self._connect() as connection:
                connection.settimeout(START_SECONDS)
                with _told():
                    connection.send(b"inspect")
                    return Inspection.from_json(_answer(connection.recv(PACKET)))

        return await asyncio.to_thread(ask)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            connection.connect(str(self._path))
        except OSError as error:
            connection.close()
            raise Unavailable(
                f"the enclave launcher does not answer at {self._path}", hint="start vigie-hub enclave launcher"
            ) from error
        return connection


@dataclass
class RemoteEnclave:
    """An enclave that the service started."""

    channel: Channel
    connection: socket.socket
    launch: launches.Launch
    mode: Mode
    uid: int

    async def check(self, layers: Mapping[str, str]) -> None:
        """Hold what the enclave claims of its layers against what the service sees of it.

        Raises:
            Refused: claim ``isolation``; the two do not agree.
            Unavailable: it has ended, or the service has.
        """
        said = await asyncio.to_thread(self._look)
        try:
            seen = witness.Seen.from_json(said)
        except TypeError as error:
            raise StateError("the enclave launcher says what cannot be read") from error
        witness.check(seen, layers, self.mode, self.uid, self.launch)

    async def end(self, *, at_once: bool) -> None:
        """Close the channel; the service sees the process out, at once when the connection closes before it has ended."""
        self.channel.close()
        if not at_once:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._wait)
        self.connection.close()

    def _look(self) -> Mapping[str, Any]:
        self.connection.settimeout(START_SECONDS)
        with _told():
            self.connection.send(b"look")
            return _answer(self.connection.recv(PACKET))

    def _wait(self) -> None:
        self.connection.settimeout(START_SECONDS)
        self.connection.send(b"wait")
        self.connection.recv(PACKET)


class LauncherService:
    """The service: one enclave for each connection of the hub's user.

    Args:
        launcher: what it starts them with.
        uid: the hub's user; nobody else is answered.
    """

    def __init__(self, launcher: Launcher, uid: int) -> None:
        self._launcher = launcher
        self._uid = uid

    async def serve(self, listening: socket.socket) -> None:
        """Answer connections until cancelled; whatever was started ends with it."""
        listening.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                connection, _ = await loop.sock_accept(listening)
                tasks.create_task(self._guarded(connection))

    async def _guarded(self, connection: socket.socket) -> None:
        with connection:
            _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            if uid != self._uid:
                _log.warning("refused", user=uid)
                return
            try:
                await self._answer(connection)
            except (OSError, VigieError) as error:
                _log.warning("ended", error=str(error))

    async def _answer(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        enclave: EnclaveProcess | None = None
        try:
            while word := await loop.sock_recv(connection, 64):
                try:
                    if word == b"measure":
                        measured = await asyncio.to_thread(self._launcher.measure)
                        await _say(connection, {"measurement": measured.hex()})
                    elif word == b"inspect":
                        await _say(connection, (await self._launcher.inspect()).to_json())
                    elif word == b"start" and enclave is None:
                        enclave = await self._launcher.start()
                        _hand_over(connection, enclave)
                    elif word == b"look" and enclave is not None:
                        await _say(connection, (await asyncio.to_thread(enclave.look)).to_json())
                    elif word == b"wait" and enclave is not None:
                        await enclave.end(at_once=False)
                        await _say(connection, {"ended": True})
                    else:
                        return
                except VigieError as error:
                    await _say(
                        connection, {"error": type(error).__name__, "message": error.message, "hint": error.hint}
                    )
        finally:
            if enclave is not None:
                await enclave.end(at_once=True)


def listen(path: Path, uid: int) -> socket.socket:
    """Make the socket of the service, which the hub's user alone may connect to.

    Raises:
        ConfigError: it cannot be made there.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listening.bind(str(path))
        path.chmod(0o600)
        os.chown(path, uid, -1)
        listening.listen(8)
    except OSError as error:
        listening.close()
        raise ConfigError(f"the enclave launcher cannot listen at {path}: {error.strerror}") from error
    return listening


def check_root_owned(folder: Path) -> None:
    """See that nobody but root can change what the service starts.

    Raises:
        ConfigError: a folder or file of it, or a folder above, is another user's, or others may write to it.
    """
    for path in (*folder.resolve().parents, folder, folder / "launch.json", *(folder / "root").rglob("*")):
        status = path.stat()
        sticky = status.st_mode & 0o1000 and path in folder.resolve().parents
        if status.st_uid != 0 or (status.st_mode & 0o022 and not sticky):
            raise ConfigError(
                f"{path} could be changed by others than root",
                hint="build the enclave root as root, in a folder of root",
            )


def _hand_over(connection: socket.socket, enclave: EnclaveProcess) -> None:
    said = {"pid": enclave.process.pid, "mode": enclave.started.choice.mode, "uid": enclave.started.uid}
    socket.send_fds(connection, [json.dumps(said).encode()], [enclave.started.connection.fileno()])
    enclave.channel.close()


async def _say(connection: socket.socket, what: Mapping[str, Any]) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, json.dumps(what).encode())


def _ask_for_start(connection: socket.socket) -> tuple[Mapping[str, Any], list[int]]:
    connection.settimeout(START_SECONDS)
    with _told():
        connection.send(b"start")
        packet, descriptors, _, _ = socket.recv_fds(connection, PACKET, 1)
    try:
        return _answer(packet), descriptors
    except VigieError:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


@contextlib.contextmanager
def _told() -> Any:
    try:
        yield
    except OSError as error:
        raise Unavailable("the enclave launcher went away", hint="look at its log") from error


_ERRORS: Final = {"Unavailable": Unavailable, "ConfigError": ConfigError}


def _answer(packet: bytes) -> Mapping[str, Any]:
    if not packet:
        raise Unavailable("the enclave launcher refuses this user, or went away", hint="look at its log")
    try:
        said = json.loads(packet)
    except ValueError as error:
        raise StateError("the enclave launcher says what cannot be read") from error
    if not isinstance(said, dict):
        raise StateError("the enclave launcher says what cannot be read")
    if "error" in said:
        message, hint = str(said.get("message")), str(said.get("hint", ""))
        if said["error"] == "Refused":
            raise Refused("isolation", expected="an enclave behind its seal", found=message, hint=hint)
        raise _ERRORS.get(str(said["error"]), StateError)(message, hint=hint)
    return said


def _bytes_of(said: Mapping[str, Any], key: str) -> bytes:
    try:
        return bytes.fromhex(said[key])
    except (LookupError, TypeError, ValueError) as error:
        raise StateError("the enclave launcher says what cannot be read") from error
