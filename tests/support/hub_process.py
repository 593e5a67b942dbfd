"""``vigie-hub`` as a process in tests: started, waited for by its own line, stopped or killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from support.world import World

READY_SECONDS = 60


@dataclass
class HubProcess:
    """A ``vigie-hub serve`` that said that it listens."""

    process: "subprocess.Popen[str]"
    address: str

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(30)
        self._close()

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self._close()
        return code

    def _close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()


def command(*arguments: object) -> list[str]:
    """The command line of ``vigie-hub`` with this interpreter."""
    return [sys.executable, "-c", "from vigie_hub.cli import main; main()", *map(str, arguments)]


def environment(world: World) -> dict[str, str]:
    """Our environment with the world's passphrase."""
    return {**os.environ, "VIGIE_PASSPHRASE": world.passphrase}


def run_hub(world: World, *arguments: object, expect: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run a verb to its end."""
    done = subprocess.run(
        command(*arguments), env=environment(world), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == expect, (done.returncode, done.stdout, done.stderr)
    return done


def serve(world: World, folder: Path, *options: str, log: Path | None = None) -> HubProcess:
    """Start ``vigie-hub serve`` and wait until it listens."""
    with (log or folder / "hub.log").open("a") as errors:
        process = subprocess.Popen(
            command("serve", "--folder", folder, *options),
            env=environment(world), stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"the hub did not start: exit code {process.wait(READY_SECONDS)}"
    return HubProcess(process, json.loads(line)["listening"])


def folder_of(world: World, folder: Path, enclave: Path, *options: Sequence[str]) -> Path:
    """A hub's folder made by ``vigie-hub init``."""
    run_hub(
        world, "init", "--folder", folder, "--keyring", world.keyring_path("hub"), "--convention",
        world.convention_path, "--enclave-root", enclave, "--listen", "127.0.0.1:0", *options,
    )  # fmt: skip
    return folder
