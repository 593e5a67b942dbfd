"""Canaries: siblings of the enclave that try what the seal answers by ending the process.

The enclave cannot try those calls itself, and nobody sees from outside *which* calls a filter refuses. So before the
first enclave of a measurement is started after a boot, one sibling for each probe is started in the same way, from the
same root, under the same policy. Each must end by SIGSYS.
"""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vigie.durable import write_file
from vigie.errors import Refused, Unavailable
from vigie_hub.isolation import witness
from vigie_hub.isolation.launch import Launch
from vigie_hub.isolation.modes import Choice
from vigie_hub.isolation.starting import spawn
from vigie_hub.isolation.uids import UidRange

MODULE: Final = "vigie_hub.enclave.canary"
PROBES: Final = ("socket", "execve", "fork")
"""What is tried before a start; tests try every probe that the canary has."""

SECONDS: Final = 60.0
_AT_ONCE: Final = 3
_SHELL_OFFSET: Final = 128  # bubblewrap exits with this and the number of the signal that ended its child


@dataclass(frozen=True)
class Said:
    """What a canary said, and how it ended.

    Attributes:
        layers: state of each layer; empty when it said nothing.
        policy: hex of its policy digest.
        host: what it could see of the host.
        contradicted: where what was seen of it from outside is not what it says.
        ended_by_seal: whether SIGSYS ended it.
        survived: whether it lived on after its probe.
    """

    layers: Mapping[str, str]
    policy: str
    host: Mapping[str, str]
    contradicted: tuple[str, ...]
    ended_by_seal: bool
    survived: bool


async def release(launch: Launch, root: Path, choice: Choice, uids: UidRange, probe: str) -> Said:
    """Start one canary, look at it from outside, and let it try one probe.

    Args:
        launch: that of the enclave.
        root: the enclave root.
        choice: the mode.
        uids: where its user comes from.
        probe: what it tries; empty to let it only say its layers.

    Raises:
        StateError: it cannot be started.
        Unavailable: every user that it may have is taken; or it said nothing that can be understood, or somebody killed it:
            that is no proof of anything, and it is tried again.
    """
    sibling = launch.with_module(MODULE)
    started = await spawn(sibling, root, choice, uids)
    try:
        with started.connection as connection:
            connection.setblocking(False)
            async with asyncio.timeout(SECONDS):
                first, _, rest = (await _hear(connection, b"\n")).partition(b"\n")
                layers, policy, host = _understood(first)
                pid = started.pid()
                if pid is None:
                    raise Unavailable("a canary of the enclave ended too early")
                try:
                    seen = await asyncio.to_thread(witness.look, pid, root, sibling)
                except Unavailable as error:
                    raise Unavailable("a canary of the enclave could not be looked at") from error
                await asyncio.get_running_loop().sock_sendall(connection, f"{probe}\n".encode())
                rest += await _hear(connection, None)
    except (OSError, TimeoutError) as error:
        raise Unavailable("a canary of the enclave did not end", hint="vigie-hub enclave doctor") from error
    finally:
        await started.end(at_once=False)
    code = started.process.returncode
    if code in (-signal.SIGKILL, _SHELL_OFFSET + signal.SIGKILL):
        raise Unavailable("a canary of the enclave was killed", hint="by whom, the hub cannot see; it tries again")
    by_seal = code in (-signal.SIGSYS, _SHELL_OFFSET + signal.SIGSYS)
    contradicted = tuple(witness.disagreements(seen, layers, choice.mode, started.uid, sibling))
    return Said(layers, policy, host, contradicted, by_seal, rest.startswith(b"survived"))


async def _hear(connection: socket.socket, until: bytes | None) -> bytes:
    """Receive up to a byte or to the end; a canary that ends with something unread ends too."""
    heard = b""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionResetError):
        while until is None or until not in heard:
            chunk = await loop.sock_recv(connection, 65536)
            if not chunk:
                break
            heard += chunk
    return heard


def _understood(line: bytes) -> tuple[dict[str, str], str, dict[str, str]]:
    try:
        said: Mapping[str, Any] = json.loads(line)
        layers = {str(name): str(state) for name, state in said["layers"].items()}
        host = {str(name): str(fact) for name, fact in said["host"].items()}
        return layers, str(said["policy"]), host
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unavailable(
            "a canary of the enclave ended without a word", hint="vigie-hub enclave doctor says what this host lacks"
        ) from error


async def check(launch: Launch, root: Path, choice: Choice, uids: UidRange, probes: Sequence[str] = PROBES) -> None:
    """Try every probe, a few at a time.

    Raises:
        Refused: claim ``isolation``; a canary lived on, or ended otherwise than by the seal.
        StateError: one cannot be started.
        Unavailable: one ended before it was tried.
    """
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(probe: str) -> Said:
        async with few:
            return await release(launch, root, choice, uids, probe)

    for probe, said in zip(probes, await asyncio.gather(*map(one, probes)), strict=True):
        if said.contradicted:
            raise Refused(
                "isolation",
                expected="what a canary claims of its layers",
                found=f"from outside {'; '.join(said.contradicted)}",
            )
        if not said.ended_by_seal or said.survived:
            raise Refused(
                "isolation",
                expected=f"the seal ends a process at {probe}",
                found="a canary lived on" if said.survived else "a canary ended in another way",
                hint="the enclave would run without its seal: vigie-hub enclave doctor",
            )


class Memory:
    """Remembers for which measurement and mode the canaries of this boot have died as they must.

    Args:
        path: a file that may be lost at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def knows(self, measurement: bytes, choice: Choice) -> bool:
        """Whether the canaries of this measurement and mode have been tried since the machine started."""
        try:
            return bool(json.loads(self._path.read_bytes()) == self._entry(measurement, choice))
        except (OSError, ValueError):
            return False

    def keep(self, measurement: bytes, choice: Choice) -> None:
        """Remember that they were."""
        write_file(self._path, json.dumps(self._entry(measurement, choice)).encode())

    @staticmethod
    def _entry(measurement: bytes, choice: Choice) -> dict[str, str]:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return {"boot": boot, "measurement": measurement.hex(), "mode": choice.mode, "own_user": str(choice.own_user)}
