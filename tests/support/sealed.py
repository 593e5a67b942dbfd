"""Running code of a test inside a sealed enclave: in both modes, in any of its threads, and with a layer taken away.

The process is started from an enclave root, by the launcher's own code and in the launcher's own way; only its program is
another one (``probe_program.py``), which puts on the same layers. What runs inside is text that defines ``probe()``;
``os``, ``sys``, ``ctypes`` and ``libc`` are there, and nothing can be imported any more.

    with sealed_root(folder, enclave) as root:                       # a few hard links; once for each module of tests
        outcome = run(root, "C", "def probe(): return os.open('/etc/passwd', 0)")
        assert outcome.refused == "ENOENT"
        assert run(root, "B", FORK).killed
        assert run(root, "B", FORK, without=["seccomp"]).value is not None        # the positive control
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from vigie_hub.isolation import launch as launches
from vigie_hub.isolation.launch import Launch, Mode
from vigie_hub.isolation.modes import Choice, choose, why_not_c
from vigie_hub.isolation.starting import Started, spawn
from vigie_hub.isolation.uids import UidRange

Thread = Literal["main", "old", "openmp"]
THREADS: Final[tuple[Thread, ...]] = ("main", "old", "openmp")

MODULE: Final = "vigie_probe"
SECONDS: Final = 60.0
UIDS: Final = UidRange(60700, 60705)
"""Other users than those of hubs that tests run at the same time."""

_SHELL_OFFSET: Final = 128


def _why_not_c() -> str:
    if os.geteuid() != 0:
        return "it needs root"
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return "it needs bubblewrap"
    words = [
        "--unshare-net",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup",
        "--ro-bind",
        "/",
        "/",
    ]
    tried = subprocess.run([bwrap, *words, "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


WHY_NOT_C: Final = _why_not_c()
"""Why mode C cannot be tested here; empty where it can."""

MODES: Final[tuple[Mode, ...]] = ("B",) if WHY_NOT_C else ("B", "C")
"""The modes that can be tested here."""


@contextmanager
def shared_sealed_root(enclave: Path, packages: Mapping[str, Path] = MappingProxyType({})) -> Iterator["SealedRoot"]:
    """A test root in a folder that every user may enter, so that mode B gets a user of its own where there is root."""
    folder = Path(tempfile.mkdtemp(prefix="vigie-sealed-"))
    folder.chmod(0o755)
    try:
        with sealed_root(folder / "enclave", enclave, packages) as sealed:
            yield sealed
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class SealedRoot:
    """An enclave root whose program is the probe runner.

    Attributes:
        root: the folder.
        launch: its description.
    """

    root: Path
    launch: Launch

    def why_not(self, mode: Mode) -> str:
        """Why this host does not give a mode; empty when it does."""
        return why_not_c(self.launch, self.root) if mode == "C" else ""

    def without_words(self, *words: str) -> "SealedRoot":
        """The same, started in mode C without some words of bubblewrap's, such as ``--unshare-net``."""
        before, after = self.launch.modes["C"]
        assert set(words) <= set(before)
        modes = {**self.launch.modes, "C": (tuple(word for word in before if word not in words), after)}
        return SealedRoot(self.root, Launch(self.launch.arguments, self.launch.environment, modes))


@dataclass(frozen=True)
class Outcome:
    """How a probe ended.

    Attributes:
        states: what the process said of its layers.
        policy: hex of its policy digest.
        said: the runner's answer; empty when there was none.
        code: exit code, negative for a signal, that of the process inside bubblewrap in mode C.
        witnessed: what ``outside`` gave.
    """

    states: dict[str, str]
    policy: str
    said: dict[str, Any]
    code: int
    witnessed: Any = field(default=None)

    @property
    def killed(self) -> bool:
        """Whether the seal ended the process."""
        return self.code == -signal.SIGSYS and not self.said

    @property
    def refused(self) -> str:
        """Name of the error number that the probe got; empty for another ending."""
        return str(self.said.get("name", ""))

    @property
    def error(self) -> str:
        """Kind of the exception that the probe got, when it was no error number; else empty."""
        return str(self.said.get("error", ""))

    @property
    def value(self) -> Any:
        """What the probe gave back; None when it did not come so far."""
        return self.said.get("value")

    @property
    def succeeded(self) -> bool:
        """Whether the probe came to its end: the attempt worked."""
        return "value" in self.said


@contextmanager
def sealed_root(
    folder: Path, enclave: Path, packages: Mapping[str, Path] = MappingProxyType({})
) -> Iterator[SealedRoot]:
    """A test root beside a built enclave root: the same files by hard links, and the probe runner.

    Args:
        folder: a new one, on the same file system; its parents must let others pass for a user of its own in mode B.
        enclave: holds ``root/`` and ``launch.json`` (:func:`support.exchange.make_enclave`).
        packages: folders of Python code to put beside the runner, by the name to import them by.
    """
    root = folder / "root"
    shutil.copytree(enclave / "root", root, copy_function=_link, symlinks=True)
    library = root / f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
    library.chmod(0o755)
    shutil.copyfile(Path(__file__).with_name("probe_program.py"), library / f"{MODULE}.py")
    (library / f"{MODULE}.py").chmod(0o444)
    for name, package in packages.items():
        shutil.copytree(package, library / name, ignore=shutil.ignore_patterns("__pycache__"))
    library.chmod(0o555)
    launch = launches.read(json.loads((enclave / "launch.json").read_bytes())).with_module(MODULE)
    try:
        yield SealedRoot(root, launch)
    finally:
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(root)


def run(
    sealed: SealedRoot,
    mode: Mode,
    code: str,
    *,
    thread: Thread = "main",
    without: Collection[str] = (),
    extra: Collection[str] = (),
    readable: Sequence[str] | None = None,
    imports: Sequence[str] = (),
    outside: Callable[[Started], Awaitable[Any]] | None = None,
) -> Outcome:
    """Run a probe inside.

    Args:
        sealed: from :func:`sealed_root`.
        mode: B or C.
        code: defines ``probe()``; runs before the seal but for the body of that function.
        thread: where the probe runs: the main thread, a thread older than the seal, a worker of OpenMP.
        without: layers that are not put on, by name (weakened on purpose, for a positive control).
        extra: system calls that the seal lets through (the same); their numbers must be in the table.
        readable: what Landlock lets be read instead.
        imports: modules to import before the seal.
        outside: awaited once the process is sealed and before the probe ends it, to look at it from outside; the
            probe should then wait on the channel: ``os.read(3, 1)``. What it gives is in the outcome.
    """
    request = {
        "code": code, "thread": thread, "without": list(without), "extra": list(extra),
        "readable": None if readable is None else list(readable), "imports": list(imports),
    }  # fmt: skip
    return asyncio.run(_run(sealed, mode, request, outside))


def choice_of(sealed: SealedRoot, mode: Mode) -> Choice:
    """How such a process is started here."""
    return choose(sealed.launch, sealed.root, mode)


async def _run(
    sealed: SealedRoot, mode: Mode, request: dict[str, Any], outside: Callable[[Started], Awaitable[Any]] | None
) -> Outcome:
    started = await spawn(sealed.launch, sealed.root, choice_of(sealed, mode), UIDS)
    witnessed = None
    heard = b""
    try:
        with started.connection as connection:
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(SECONDS):
                await loop.sock_sendall(connection, json.dumps(request).encode() + b"\n")
                while outside is not None and b"\n" not in heard:
                    chunk = await loop.sock_recv(connection, 65536)
                    if not chunk:
                        break
                    heard += chunk
                if outside is not None:
                    witnessed = await outside(started)
                    await loop.sock_sendall(connection, b"\n")
                try:
                    while chunk := await loop.sock_recv(connection, 65536):
                        heard += chunk
                except ConnectionResetError:
                    pass  # it ended with something unread
    finally:
        await started.end(at_once=False)
    lines = [json.loads(line) for line in heard.splitlines()]
    code = started.process.returncode
    assert code is not None
    if started.choice.mode == "C" and code > _SHELL_OFFSET:
        code = _SHELL_OFFSET - code
    first: dict[str, Any] = lines[0] if lines else {"states": {}, "policy": ""}
    return Outcome(first["states"], first["policy"], lines[1] if len(lines) > 1 else {}, code, witnessed)


def _link(source: str, target: str) -> None:
    os.link(source, target)
