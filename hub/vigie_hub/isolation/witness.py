"""The outside witness: what the kernel tells the launcher about a sealed enclave, held against what the enclave claims.

The enclave tries its layers from inside; this reads them from outside. Two readings of one fact catch a layer that was
skipped without a word. They do not bind a host whose administrator lies: that is level A1.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from vigie.errors import Refused, Unavailable
from vigie.evidence import is_enforced
from vigie_hub.isolation.launch import Launch, Mode

CHANNEL: Final = 3
_CAP_IPC_LOCK: Final = 1 << 14
_NAMESPACES: Final = {"network": "net", "pids": "pid", "ipc": "ipc", "uts": "uts", "cgroups": "cgroup", "mounts": "mnt"}


@dataclass(frozen=True)
class Seen:
    """What can be read of a process from outside. What this reader may not see is None.

    Attributes:
        uids: real, effective, saved and file-system user.
        gids: the same for the group.
        groups: supplementary groups.
        capabilities: permitted, effective, inheritable and ambient together.
        no_new_privileges: of every thread.
        seccomp: the modes of all threads; 2 is a filter.
        threads: how many there are.
        locked: kilobytes that are locked in memory.
        limits: soft and hard limits on core files and on files, as /proc writes them.
        shut: whether /proc shows it as owned by root: its memory, descriptors and environment are shut for its user.
        descriptors: open ones, by number.
        environment: what it was started with.
        own_namespaces: by kind, whether it is another one than this reader's.
        in_root: whether its root is the enclave root itself.
        foreign: executable mappings of files that are not in the enclave root.
    """

    uids: tuple[int, ...]
    gids: tuple[int, ...]
    groups: tuple[int, ...]
    capabilities: int
    no_new_privileges: bool
    seccomp: tuple[int, ...]
    threads: int
    locked: int
    limits: Mapping[str, tuple[str, str]]
    shut: bool
    descriptors: tuple[int, ...] | None = None
    environment: tuple[str, ...] | None = None
    own_namespaces: Mapping[str, bool] | None = None
    in_root: bool | None = None
    foreign: tuple[str, ...] | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """As JSON values, to be told to the hub by a launcher that is another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_json`.

        Raises:
            TypeError: it is not that.
        """
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in said.items()
        }
        return cls(**values)


def look(pid: int, root: Path, launch: Launch) -> Seen:
    """Read what /proc says of a process.

    Args:
        pid: the enclave.
        root: its enclave root.
        launch: how it was started.

    Raises:
        Unavailable: there is no such process.
    """
    place = Path(f"/proc/{pid}")
    try:
        seen = _read(place, root, launch)
        # What ends gives up its memory first, then its descriptors: where the memory still stands, nothing was missing.
        # One that closed its channel is on its way out, too.
        whole = "VmLck" in _status(place / "status") and seen.descriptors != ()
    except (OSError, LookupError, ValueError, StopIteration) as error:
        raise Unavailable("the enclave ended before it could be looked at") from error
    if not whole:
        raise Unavailable("the enclave ended while it was looked at")
    return seen


def disagreements(seen: Seen, layers: Mapping[str, str], mode: Mode, uid: int, launch: Launch) -> list[str]:
    """Where the two witnesses say different things, as ``<layer>: <what was seen>``; empty when they agree.

    Args:
        seen: from :func:`look`.
        layers: what the enclave claims.
        mode: how it was started.
        uid: the user that it was told to become; 0 for none.
        launch: its description.
    """
    found: list[str] = []

    def claims(layer: str) -> bool:
        return is_enforced(layers.get(layer, ""))

    def say(layer: str, what: str) -> None:
        found.append(f"{layer}: {what}")

    if claims("user") and (set(seen.uids) != {uid} or set(seen.gids) != {uid} or seen.groups):
        say("user", f"users {sorted(set(seen.uids))}, groups {sorted({*seen.gids, *seen.groups})}")
    if (claims("user") or uid) and seen.capabilities & ~_CAP_IPC_LOCK:
        say("user", f"capabilities {seen.capabilities:x}")
    if claims("new_privileges") and not seen.no_new_privileges:
        say("new_privileges", "a thread without the flag")
    if claims("seccomp") and set(seen.seccomp) != {2}:
        say("seccomp", f"a thread in mode {min(seen.seccomp)}")
    if claims("memory_lock") and seen.locked == 0:
        say("memory_lock", "nothing is locked")
    if claims("dumpable") and seen.uids[1] != 0 and not seen.shut:
        say("dumpable", "its /proc entries belong to its own user")
    if claims("core_dump") and tuple(seen.limits["core"]) != ("0", "0"):
        say("core_dump", "a limit above 0")
    if claims("limits") and tuple(seen.limits["fsize"]) != ("0", "0"):
        say("limits", "files may grow")
    if claims("descriptors") and seen.descriptors not in (None, (CHANNEL,)):
        say("descriptors", f"open: {', '.join(map(str, seen.descriptors or ()))}")
    if claims("environment") and seen.environment is not None:
        wanted = {f"{name}={value}" for name, value in launch.environment.items()}
        if set(seen.environment) - {"PWD=/"} != wanted:
            say("environment", "other variables than the measured ones")
    spaces = seen.own_namespaces
    for layer in _NAMESPACES:
        if claims(layer) and (mode != "C" or (spaces is not None and not spaces[layer])):
            say(layer, "the namespace of its launcher")
    if spaces is not None and spaces["user"]:
        say("user", "a user namespace, whose maker may read its memory")
    if claims("mounts") and seen.in_root is False:
        say("mounts", "another root than the enclave root")
    if seen.foreign:
        say("files", f"it maps {len(seen.foreign)} that are not in the enclave root, {seen.foreign[0]} among them")
    return found


def check(seen: Seen, layers: Mapping[str, str], mode: Mode, uid: int, launch: Launch) -> None:
    """Hold the two witnesses against each other.

    Raises:
        Refused: claim ``isolation``.
    """
    if found := disagreements(seen, layers, mode, uid, launch):
        raise Refused(
            "isolation", expected="what the enclave claims of its layers", found=f"from outside {'; '.join(found)}"
        )


_LIMITS: Final = {"core": "Max core file size", "fsize": "Max file size"}
_ALL_NAMESPACES: Final = {**_NAMESPACES, "user": "user"}


def _read(place: Path, root: Path, launch: Launch) -> Seen:
    status = _status(place / "status")
    threads = [_status(task / "status") for task in sorted((place / "task").iterdir())]
    return Seen(
        uids=_numbers(status["Uid"]),
        gids=_numbers(status["Gid"]),
        groups=_numbers(status["Groups"]),
        capabilities=int(status["CapPrm"], 16) | int(status["CapEff"], 16) | int(status["CapInh"], 16)
        | int(status["CapAmb"], 16),
        no_new_privileges=all(thread["NoNewPrivs"] == "1" for thread in threads),
        seccomp=tuple(int(thread["Seccomp"]) for thread in threads),
        threads=len(threads),
        locked=int(status["VmLck"].split()[0]),
        limits=_limits((place / "limits").read_text(encoding="ascii")),
        # The folder itself stays its user's; what is in it becomes root's.
        shut=(place / "status").stat().st_uid == 0,
        descriptors=_or_none(lambda: tuple(sorted(int(entry.name) for entry in (place / "fd").iterdir()))),
        environment=_or_none(lambda: tuple(sorted(filter(None, (place / "environ").read_bytes().decode().split("\0"))))),
        own_namespaces=_or_none(lambda: {name: _apart(place, kind) for name, kind in _ALL_NAMESPACES.items()}),
        in_root=_or_none(lambda: os.path.samestat((place / "root").stat(), root.stat())),
        foreign=_or_none(lambda: _foreign(place, root)) if launch.own_loader else (),
    )  # fmt: skip


def _status(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _limits(text: str) -> dict[str, tuple[str, str]]:
    """Soft and hard limits, as words: a number or ``unlimited``."""
    found = {}
    for name, title in _LIMITS.items():
        line = next(line for line in text.splitlines() if line.startswith(title))
        soft, hard, *_ = line.removeprefix(title).split()
        found[name] = (soft, hard)
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


def _apart(place: Path, kind: str) -> bool:
    return (place / "ns" / kind).readlink() != Path(f"/proc/self/ns/{kind}").readlink()


def _or_none(read: Any) -> Any:
    with contextlib.suppress(OSError):
        return read()
    return None


def _foreign(place: Path, root: Path) -> tuple[str, ...]:
    """Files that are mapped executable and are not files of the root, by what they are and not by what they are called."""
    inside = set()
    for folder, _, names in os.walk(root):
        for name in names:
            status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 -- thousands of files
            inside.add((status.st_dev, status.st_ino))
    found: dict[str, None] = {}
    for line in (place / "maps").read_text(errors="replace").splitlines():
        words = line.split(maxsplit=5)
        if len(words) == 6 and "x" in words[1] and words[5].startswith("/"):
            status = (place / "map_files" / words[0]).stat()
            if (status.st_dev, status.st_ino) not in inside:
                found[Path(words[5]).name] = None
    return tuple(sorted(found))
