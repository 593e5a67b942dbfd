"""The story of an exchange as tests and chaos runs tell it: small data, a recording proxy, commands that may be killed.

Everything is a process that an operator could have started. What every command printed is kept beside the logs, so that
it can be searched for what must not be there.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from support.proxy import Proxy
from vigie.demo.generate import generate
from vigie.demo.programs import BINARIES, CommandFailed, environment
from vigie.demo.story import HUB, PARTNERS, PURPOSE, Story
from vigie.errors import Unavailable
from vigie.keyring import Keyring
from vigie_hub import enclave_root
from vigie_node.state import NodeState

T = TypeVar("T")

PERIOD = "2021-04"
COMPANIES = 80
MONTHS = 60

UNAVAILABLE = 7
"""Exit code of a command whose other side was not there: type it again."""


def make_data(folder: Path, *, companies: int = COMPANIES, months: int = MONTHS, seed: int = 7) -> Path:
    """Write small extracts of the three partners and return their folder."""
    generate(folder, companies=companies, months=months, seed=seed, last_month=PERIOD)
    return folder


def make_enclave(folder: Path) -> Path:
    """Build an enclave root that stories share; several test processes may ask for the same."""
    lock = folder.with_suffix(".lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (folder / "launch.json").exists():
            enclave_root.remove(folder / "root")
            enclave_root.build(folder)
    return folder


@dataclass
class Exchange(Story):
    """A story whose nodes may speak through a proxy, and whose commands can be found and killed.

    Attributes:
        proxied: whether a recording proxy stands between the members and the hub.
        proxy: it, once the hub has started.
        running: commands that run now, by their first two words.
        mode: how its hub starts enclaves, for a story that chose it.
        population: of companies, as the convention's terms say of each partner.
    """

    proxied: bool = False
    proxy: Proxy | None = None
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    mode: str = "auto"
    population: int = COMPANIES * 10

    @classmethod
    def make(cls, folder: Path, data: Path, enclave: Path, *, proxied: bool = False) -> Self:
        """An exchange in a new folder: eight buckets, an enclave root that is there."""
        folder.mkdir(parents=True)
        made = cls(folder, data, _silent, _silent, enclave, {"buckets": "8"}, proxied=proxied)
        (folder / "temporary").mkdir()
        return made

    @property
    def said(self) -> Path:
        """Folder with everything that commands printed."""
        return self.folder / "said"

    def begin(self) -> str:
        """Tell the story up to the moment when everybody attends; return the enclave's measurement."""
        self.members()
        self.agree(self.population)
        measurement = self.set_up()
        self.start()
        self.nodes()
        self.approve(measurement)
        self.attend()
        return measurement

    def secret(self, name: str) -> dict[str, str]:
        """Environment that opens a member's keyring; temporary files stay in the story's folder."""
        return {**super().secret(name), "TMPDIR": str(self.folder / "temporary")}

    def start(self) -> None:
        """Start the hub, and the proxy that stands before it for everybody else."""
        super().start()
        if self.proxied:
            self.proxy = Proxy(self.address, self.folder / "wire")
            self.address = self.proxy.start()

    def stop(self) -> None:
        """Stop everything."""
        super().stop()
        if self.proxy is not None:
            self.proxy.stop()

    def run(self, argv: Sequence[str], member: str | None = None) -> str:
        """Run a command as a member; what it prints is returned and kept.

        Raises:
            CommandFailed: it ended with another code than 0; a killed command has a negative one.
        """
        name = " ".join(argv[:2])
        extra = self.secret(member) if member else {"TMPDIR": str(self.folder / "temporary")}
        process = subprocess.Popen(
            [str(BINARIES / argv[0]), *argv[1:]],
            env=environment(extra), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.running[name] = process
        try:
            printed, errors = process.communicate(timeout=600)
        finally:
            self.running.pop(name, None)
            _kill_group(process)
        self.said.mkdir(exist_ok=True)
        with (self.said / f"{name.replace(' ', '-')}.txt").open("a", encoding="utf-8") as file:
            file.write(f"$ {' '.join(argv)}\n{printed}{errors}")
        if process.returncode:
            raise CommandFailed(argv, process.returncode, errors or printed)
        return printed

    def consolidate(self, period: str, deadline: str = "15m", model: str = "train") -> dict[str, Any]:
        """Order a consolidation, or follow the one that was ordered before, and wait for its run."""
        order = self.folder / f"order-{period}{'' if model == 'train' else f'-{model[:8]}'}.note"
        found = self.run(
            [
                "vigie-hub", "consolidate", "--folder", str(self.hub), "--purpose", PURPOSE, "--period", period,
                "--deadline", deadline, "--model", model, "--order", str(order), "--json",
            ],
            HUB,
        )  # fmt: skip
        return dict(json.loads(found))

    def result(self, name: str) -> pa.Table:
        """A partner's newest list as a table; what it says about itself is left out."""
        target = self.folder / "results" / f"{name}.parquet"
        target.unlink(missing_ok=True)
        self.results(name, "parquet")
        return pq.read_table(target).replace_schema_metadata(None)

    def receipts(self, name: str) -> Mapping[str, bytes]:
        """A node's receipts by dataset, one lot each.

        Raises:
            AssertionError: there are two lots of one dataset.
        """
        state = NodeState.open(self.node(name) / "state.sqlite")
        try:
            lots = state.lots()
        finally:
            state.close()
        found = {lot.body.dataset: lot.receipt for lot in lots}
        assert len(found) == len(lots), f"{name} has two lots of one dataset"
        return found

    def keyring(self, name: str) -> Keyring:
        """A member's opened keyring."""
        return Keyring.load(self.member(name) / "keyring.vigie", self.passphrases[name])

    def send_all(self) -> None:
        """Have every partner send its extracts."""
        for name in PARTNERS:
            self.send(name, PERIOD)

    def enclaves(self) -> list[int]:
        """Process ids of the enclaves that the hub has running."""
        hub = self.daemons[HUB].process
        return [] if hub is None else [pid for pid in children(hub.pid) if "vigie_hub.enclave" in command_line(pid)]


def persist(action: Callable[[], T], *, limit: float = 180, again: Callable[[], None] = lambda: None) -> T:
    """Do what an operator does whose other side is away: type the same command again until it works.

    Args:
        action: a command; the same content each time.
        limit: seconds after which it is given up.
        again: told of each further try.

    Raises:
        CommandFailed: with another code than "unavailable" or killed, or too late.
    """
    deadline = time.monotonic() + limit
    while True:
        try:
            return action()
        except (CommandFailed, Unavailable) as error:
            code = error.code if isinstance(error, CommandFailed) else UNAVAILABLE
            if code not in (UNAVAILABLE, -signal.SIGKILL) or time.monotonic() > deadline:
                raise
            again()
            time.sleep(0.5)  # an operator's pause, not a wait for something


def children(pid: int) -> Iterator[int]:
    """Yield the processes below one, nearest first."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError, ValueError):
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from children(child)


def command_line(pid: int) -> str:
    """What a process was started with; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def parent(pid: int) -> int:
    """The process that started one; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def enclaves_in(folder: Path | None) -> list[int]:
    """Every process on this machine that runs inside an enclave root, whoever started it."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            # In a namespace of its own its folder has another name: what it is tells.
            if folder and entry.name.isdigit() and os.path.samestat((entry / "cwd").stat(), (folder / "root").stat()):
                found.append(int(entry.name))
    return found


def _kill_group(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _silent(_: str) -> None:
    return
