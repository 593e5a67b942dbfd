"""In words: which layers a host gives, what is missing, and the one command or setting that adds it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from vigie.errors import StateError
from vigie.evidence import is_enforced


@dataclass(frozen=True)
class Inspection:
    """What a canary found on this host.

    Attributes:
        mode: how it was started.
        reason: why not in mode C; empty in mode C.
        layers: state of each layer.
        host: what it could see of the host.
        contradicted: where what was seen from outside is not what it says.
    """

    mode: str
    reason: str
    layers: Mapping[str, str]
    host: Mapping[str, str]
    contradicted: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`.

        Raises:
            StateError: it is not that.
        """
        try:
            return cls(
                str(said["mode"]), str(said["reason"]), dict(said["layers"]), dict(said["host"]),
                tuple(map(str, said["contradicted"])),
            )  # fmt: skip
        except (LookupError, TypeError, ValueError) as error:
            raise StateError("the enclave launcher says what cannot be read") from error


@dataclass(frozen=True)
class Finding:
    """One layer on this host.

    Attributes:
        layer: its name.
        state: as the evidence would say it.
        enforced: whether it counts.
        demanded: whether the convention wants it.
        remedy: what adds it; empty when it is there.
    """

    layer: str
    state: str
    enforced: bool
    demanded: bool
    remedy: str


_WITH_ROOT: Final = ("network", "pids", "ipc", "uts", "cgroups", "mounts", "user")
_REMEDIES: Final = {
    "memory_lock": "LimitMEMLOCK=infinity in the unit, or a launcher that is root: vigie-hub enclave units",
    "mdwe": "a kernel of 6.3 or later",
    "landlock": "a kernel of 5.13 or later, started with landlock in its list lsm=",
    "landlock_tcp": "a kernel of 6.7 or later",
    "landlock_scopes": "a kernel of 6.12 or later",
    "seccomp": "a kernel with seccomp filters, on x86_64 or aarch64, and a container runtime that lets them be set",
    "environment": "a launcher of the same release as the enclave root: vigie-hub init in a new folder",
}
_DEFECT: Final = "nothing: this should hold on every host; report it"


def findings(inspection: Inspection, demanded: Iterable[str] = ()) -> list[Finding]:
    """Judge every layer.

    Args:
        inspection: what a canary found.
        demanded: layers that the convention wants; one that no canary names is judged too.
    """
    wanted = tuple(demanded)
    names = dict.fromkeys([*inspection.layers, *wanted])
    found = []
    for name in names:
        state = inspection.layers.get(name, "not named")
        enforced = is_enforced(state)
        found.append(Finding(name, state, enforced, name in wanted, "" if enforced else _remedy(name, inspection)))
    return found


def _remedy(layer: str, inspection: Inspection) -> str:
    if layer not in inspection.layers:
        return "an enclave root of a release that has this layer"
    if layer in _WITH_ROOT and inspection.mode == "B":
        if "not installed" in inspection.reason:
            return "apt-get install bubblewrap, or dnf install bubblewrap"
        if "not root" in inspection.reason:
            return "a launcher that is root: vigie-hub enclave units, then enclave_launcher in hub.toml"
        if "asks for mode B" in inspection.reason:
            return 'isolation = "auto" in hub.toml'
        return f"mode C, which fails here: {inspection.reason}"
    return _REMEDIES.get(layer, _DEFECT)


def remarks(inspection: Inspection, read: Callable[[Path], str | None]) -> list[str]:
    """What the administrator of this host should know beside the layers.

    Args:
        inspection: what a canary found.
        read: gives the text of a file of the kernel; None when it is not there.
    """
    said = [f"mode {inspection.mode}" + (f": {inspection.reason}" if inspection.reason else "")]
    swaps = read(Path("/proc/swaps"))
    if swaps is not None and len(swaps.splitlines()) > 1:
        locked = is_enforced(inspection.layers.get("memory_lock", ""))
        said.append(
            "this host has swap" + ("; locked pages do not go there" if locked else ": swapoff -a, or lock memory")
        )
    pattern = read(Path("/proc/sys/kernel/core_pattern"))
    if pattern is not None and pattern.startswith("|"):
        said.append("core dumps go to a program: the limit of 0 does not stop that, the layer dumpable does")
    yama = read(Path("/proc/sys/kernel/yama/ptrace_scope"))
    said.append("Yama is not there; the layer dumpable does not need it" if yama is None else f"Yama is {yama.strip()}")
    said.append("root on this host can read an enclave while it runs; only hardware attestation would change that")
    said += [f"seen from outside, {what}" for what in inspection.contradicted]
    return said
