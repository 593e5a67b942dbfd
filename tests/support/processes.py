"""The programs as real processes: started, watched through their log, and ended by their own number only."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.world import PASSPHRASE

_PROGRAMS: Mapping[str, str] = {"vigie": "vigie.cli", "vigie-node": "vigie_node.cli", "vigie-hub": "vigie_hub.cli"}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


async def command(
    program: str, *arguments: str | Path, passphrase: str | None = PASSPHRASE, seconds: float = 60
) -> Ended:
    """Run a command to its end."""
    process = await _start(program, arguments, passphrase)
    async with asyncio.timeout(seconds):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


@dataclass
class Running:
    """A program that runs; `log` holds the JSON lines of its standard error so far."""

    process: asyncio.subprocess.Process
    log: list[dict[str, Any]]

    def said(self, event: str, **fields: Any) -> bool:
        """Whether the log has such a line."""
        return any(line.get("event") == event and fields.items() <= line.items() for line in self.log)

    async def end(self, number: int = signal.SIGTERM, *, seconds: float = 30) -> int:
        """Send a signal and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await self.ended(seconds=seconds)

    async def ended(self, *, seconds: float = 30) -> int:
        """Wait for the end and return the exit code."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()


@asynccontextmanager
async def running(program: str, *arguments: str | Path, passphrase: str | None = PASSPHRASE) -> AsyncIterator[Running]:
    """A program that runs as long as the block does."""
    process = await _start(program, arguments, passphrase)
    made = Running(process, [])
    reader = asyncio.create_task(_read(process, made.log))
    try:
        yield made
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reader


async def _start(program: str, arguments: Sequence[str | Path], passphrase: str | None) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIGIE")}
    environment["PYTHONPATH"] = os.pathsep.join(place for place in sys.path if place)
    if passphrase is not None:
        environment["VIGIE_PASSPHRASE"] = passphrase
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"from {_PROGRAMS[program]} import main; main()",
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )


async def _read(process: asyncio.subprocess.Process, log: list[dict[str, Any]]) -> None:
    assert process.stderr is not None
    async for line in process.stderr:
        try:
            said = json.loads(line)
        except ValueError:
            said = {"event": "text", "text": line.decode().rstrip()}
        log.append(said)
