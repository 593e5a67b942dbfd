"""Which mode a host gives: C where the launcher is root and has bubblewrap, B otherwise. Mode A is never used.

Mode A would be bubblewrap without root, inside a user namespace: whoever made that namespace may trace and read what
runs in it (docs/spec/isolation.md), so that the user of the hub could read the enclave.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vigie.errors import ConfigError
from vigie_hub.isolation.launch import Launch, Mode

TRIAL_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Choice:
    """How enclaves are started here.

    Attributes:
        mode: B or C.
        bwrap: path of bubblewrap; empty in mode B.
        own_user: whether each enclave gets a user of its own.
        reason: why not mode C, in words; empty in mode C.
    """

    mode: Mode
    bwrap: str
    own_user: bool
    reason: str


def choose(launch: Launch, root: Path, wanted: str = "auto", *, search: str | None = None) -> Choice:
    """Choose the mode; what bubblewrap can do here is tried, not guessed.

    Args:
        launch: what is to be started.
        root: its enclave root.
        wanted: ``auto``, or the one mode that will do.
        search: where to look for programs instead of PATH.

    Raises:
        ConfigError: no such mode, or this host does not give it.
    """
    if wanted not in ("auto", "B", "C"):
        raise ConfigError(f"there is no isolation {wanted!r}", hint='"auto", "B" or "C"')
    reason = "hub.toml asks for mode B" if wanted == "B" else why_not_c(launch, root, search=search)
    if reason:
        if wanted == "C":
            raise ConfigError(
                f"mode C is wanted and not to be had: {reason}", hint="vigie-hub enclave doctor says more"
            )
        return Choice("B", "", os.geteuid() == 0 and others_may_enter(root), reason)
    return Choice("C", _bwrap(search) or "", own_user=True, reason="")


def why_not_c(launch: Launch, root: Path, *, search: str | None = None) -> str:
    """Why this host does not give mode C; empty when it does."""
    if "C" not in launch.modes:
        return "the launch description knows no mode C"
    if os.geteuid() != 0:
        return "the launcher is not root"
    bwrap = _bwrap(search)
    if bwrap is None:
        return "bubblewrap is not installed"
    command = launch.command("C", bwrap=bwrap, root=str(root), uid=0)
    # The same namespaces and mounts around a program that does nothing: the root's own loader, asked for its help.
    place = command.index("--", command.index("--chdir")) + 1
    trial = subprocess.run(
        [*command[:place], launch.arguments[0], "--help"],
        env=dict(launch.environment),
        stdin=subprocess.DEVNULL, capture_output=True, timeout=TRIAL_SECONDS, check=False,
    )  # fmt: skip
    if trial.returncode == 0:
        return ""
    said = trial.stderr.decode(errors="replace").strip().splitlines()[-1:]
    return f"bubblewrap says: {said[0] if said else f'exit code {trial.returncode}'}"


def others_may_enter(root: Path) -> bool:
    """Whether a user who owns nothing reaches the root: every folder above lets it pass."""
    return all(folder.stat().st_mode & 0o001 for folder in (root, *root.parents))


def _bwrap(search: str | None) -> str | None:
    return shutil.which("bwrap", path=search)
