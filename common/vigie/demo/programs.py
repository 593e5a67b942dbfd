"""The programs of an exchange as processes: commands that end, and daemons that are started, killed and started again.

Only what a person could type is run here; nothing of the node or the hub is imported.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vigie.errors import Unavailable, VigieError

BINARIES = Path(sys.executable).parent
"""Where the console scripts of this environment are."""


class CommandFailed(VigieError):
    """A command of the demonstration ended with an error; the message carries what it said."""

    def __init__(self, argv: Sequence[str], code: int, said: str) -> None:
        super().__init__(f"`{' '.join(argv)}` ended with code {code}:\n{said.strip()}")
        self.code = code
        self.said = said


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a program: this one's, without what would change a library, and ``extra``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VIGIE_", "PYTHON", "GRPC_"))}
    return {**kept, "OMP_WAIT_POLICY": "passive", "TERM": "dumb", "COLUMNS": "160", **(extra or {})}


def run(
    argv: Sequence[str],
    *,
    extra: Mapping[str, str] | None = None,
    echo: Callable[[str], None] | None = None,
    limit: float = 3600,
) -> str:
    """Run one command to its end and return what it wrote to standard output.

    Raises:
        CommandFailed: it ended with another code than 0; what it wrote to standard error is in the message.
    """
    if echo:
        echo("$ " + " ".join(argv))
    done = subprocess.run(
        [str(BINARIES / argv[0]), *argv[1:]],
        env=environment(extra), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit, check=False,
    )  # fmt: skip
    if done.returncode:
        raise CommandFailed(argv, done.returncode, done.stderr or done.stdout)
    return done.stdout


@dataclass
class Daemon:
    """A long-running program with its log file; ready when a line of its standard output says so.

    Attributes:
        name: for messages.
        argv: command and arguments.
        log: file that standard error is appended to.
        extra: environment added to this one.
    """

    name: str
    argv: Sequence[str]
    log: Path
    extra: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; its earlier output is kept."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        out = self.log.with_suffix(".out")
        out.unlink(missing_ok=True)
        with self.log.open("ab") as errors, out.open("wb") as output:
            self.process = subprocess.Popen(
                [str(BINARIES / self.argv[0]), *self.argv[1:]],
                env=environment(self.extra), stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                start_new_session=True,
            )  # fmt: skip

    def first_line(self, limit: float = 60) -> dict[str, object]:
        """Wait for the first line of standard output, a JSON object, which says that the program is ready.

        Raises:
            Unavailable: it ended, or said nothing in time.
        """
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                line, ended, _ = self.log.with_suffix(".out").read_text().partition("\n")
                if ended:
                    found = json.loads(line)
                    if isinstance(found, dict):
                        return found
            if self.process is None or self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise Unavailable(f"{self.name} did not get ready", hint=f"see {self.log.name}: {self.tail()}")

    def tail(self, lines: int = 5) -> str:
        """Return the last lines of the log."""
        try:
            return " / ".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill the program and its children at once, as a power cut would."""
        self._signal(signal.SIGKILL)

    def stop(self, limit: float = 20) -> None:
        """Ask the program to end, and kill it when it does not."""
        if not self.running or self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            self.process.wait()
