"""How an enclave is started in each mode: the part of ``launch.json`` that this package owns, and filling it in.

Both modes are in the one launch description, and so in the one measurement: a hub without root and one with it run the
same measured enclave, and which of the two it was shows in the layers of the evidence.

::

    mode B    ARGUMENTS 3 B UID                      in the enclave root
    mode C    bwrap BEFORE ARGUMENTS 3 C UID         the enclave root is /
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from vigie.errors import ConfigError

Mode = Literal["B", "C"]

ROOT: Final = "{root}"
"""Stands for the folder of the enclave root in a launch description."""

UID: Final = "{uid}"
"""Stands for the user that the enclave becomes; 0 for none."""

BUBBLEWRAP: Final = (
    "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup",
    "--hostname", "enclave", "--as-pid-1", "--die-with-parent", "--new-session",
    "--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP",
    "--cap-add", "CAP_IPC_LOCK", "--ro-bind", ROOT, "/", "--chdir", "/", "--",
)  # fmt: skip
"""No user namespace: whoever made one could read the enclave's memory. No /proc and no /dev: nothing inside needs them."""

MODES: Final[Mapping[str, Any]] = {
    "modes": {
        "B": {"before": [], "after": ["B", UID]},
        "C": {"before": list(BUBBLEWRAP), "after": ["C", UID]},
    }
}
"""What this package adds to ``launch.json``."""


@dataclass(frozen=True)
class Launch:
    """A launch description, read.

    Attributes:
        arguments: the program below the root, and what it is given first.
        environment: all its variables.
        modes: for each mode that it can be started in, what comes before the arguments and after them.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    modes: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]

    @property
    def own_loader(self) -> bool:
        """Whether it starts from the root's own loader, so that it may map nothing of the host."""
        return not self.arguments[0].startswith("/")

    def command(self, mode: Mode, *, bwrap: str, root: str, uid: int) -> list[str]:
        """The whole command of a start.

        Raises:
            ConfigError: the description knows no such mode.
        """
        if mode not in self.modes:
            raise ConfigError(
                f"this enclave cannot be started in mode {mode}", hint="build the enclave root anew with vigie-hub init"
            )
        before, after = self.modes[mode]
        command = [*before, *self.arguments, *after]
        filled = [{ROOT: root, UID: str(uid)}.get(word, word) for word in command]
        return [bwrap, *filled] if before else filled

    def with_module(self, module: str) -> "Launch":
        """The same, with another module of the root as its program: a canary.

        Raises:
            ConfigError: it does not start a module.
        """
        words = list(self.arguments)
        if "-m" not in words[:-1]:
            raise ConfigError("the launch description starts no module")
        words[words.index("-m") + 1] = module
        return Launch(tuple(words), self.environment, self.modes)


def read(launch: Mapping[str, Any]) -> Launch:
    """Read a launch description; one that names no modes is started as it stands, in mode B.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: it is not one.
    """
    arguments = tuple(str(argument) for argument in launch["arguments"])
    if not arguments:
        raise ValueError("no arguments")
    environment = {str(key): str(value) for key, value in launch["environment"].items()}
    given: Mapping[str, Any] = launch.get("modes", {"B": {"before": [], "after": []}})
    modes = {str(mode): (_words(said["before"]), _words(said["after"])) for mode, said in given.items()}
    return Launch(arguments, environment, modes)


def _words(value: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(word) for word in value)
