"""Starting a process of the enclave root in the mode that this host gives."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vigie.errors import StateError
from vigie_hub.isolation.launch import Launch
from vigie_hub.isolation.modes import Choice
from vigie_hub.isolation.uids import UidRange

# The shell puts the channel, which it has as 0, where the enclave expects it, and becomes the enclave; env takes away
# what the shell has added to the environment.
_TRAMPOLINE: Final = 'exec /usr/bin/env -i "$@" 3<&0 </dev/null'

EXIT_SECONDS: Final = 10.0
"""How long an enclave may take to exit once its channel is closed; then it is killed."""


@dataclass
class Started:
    """A process that was started, and the host's end of its channel.

    Attributes:
        process: what was started: the enclave in mode B, bubblewrap around it in mode C.
        connection: the host's end; whoever takes it closes it.
        choice: how it was started.
        uid: the user that it was told to become; 0 for none.
    """

    process: asyncio.subprocess.Process
    connection: socket.socket
    choice: Choice
    uid: int
    _held: contextlib.ExitStack

    def pid(self) -> int | None:
        """The enclave's own process id on this host; None when it is gone, or not there yet."""
        if self.choice.mode == "B":
            return self.process.pid
        return next(_children(self.process.pid), None)

    async def end(self, *, at_once: bool) -> bool:
        """See the process out: with force when it stays, or ``at_once``; whether force was needed."""
        killed = False
        try:
            async with asyncio.timeout(0 if at_once else EXIT_SECONDS):
                await self.process.wait()
        except TimeoutError:
            killed = True
            await self._kill()
        except asyncio.CancelledError:
            await self._kill()
            raise
        finally:
            self._held.close()
        return killed

    async def _kill(self) -> None:
        # Bubblewrap ends its child with itself, and the kernel whatever is in the child's pid namespace.
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        reaping = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.shield(reaping)
        except asyncio.CancelledError:
            await reaping  # a killed process does not let itself be waited for
            raise


async def spawn(launch: Launch, root: Path, choice: Choice, uids: UidRange) -> Started:
    """Start a process.

    Args:
        launch: its description.
        root: the enclave root.
        choice: the mode.
        uids: where its user comes from, when it gets one of its own.

    Raises:
        StateError: the process cannot be started, or no user can be held for it.
        Unavailable: every user that it may have is taken.
    """
    held = contextlib.ExitStack()
    uid = held.enter_context(uids.taken()) if choice.own_user and choice.mode in launch.modes else 0
    command = launch.command(choice.mode, bwrap=choice.bwrap, root=str(root), uid=uid)
    variables = [f"{name}={value}" for name, value in sorted(launch.environment.items())]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _TRAMPOLINE, "sh", *variables, *command,
            stdin=theirs.fileno(),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            cwd=root,
            env=dict(launch.environment),
            close_fds=True,
            start_new_session=True,
        )  # fmt: skip
    except OSError as exc:
        ours.close()
        held.close()
        raise StateError("the enclave cannot be started", hint="is the enclave root whole?") from exc
    except BaseException:
        ours.close()
        held.close()
        raise
    finally:
        theirs.close()
    return Started(process, ours, choice, uid, held)


def _children(pid: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                # The name of a program may hold anything, a parenthesis too.
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                    yield int(entry.name)
