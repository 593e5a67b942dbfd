"""``scripts/bench enclave``: what the enclave's walls cost, each figure beside the same work in a plain process.

Three things are measured: (a) from the order to start until the claim is there, imports, warm-up, seal and keys included;
(b) sealed parts from the host through the channel to plain text, for each stage alone and all of them; (c) a whole
consolidation. Which layers were on is read from the evidence that the enclave gave, not assumed.

The plain process of (b) and (c) is this file, started with ``--child``: the enclave's own functions without its layers. It
exists for the comparison alone. Nothing in the product starts an enclave without its layers, and what such a process
claims counts as level A0.
"""

import argparse
import asyncio
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from vigie import sealing, segment
from vigie.clock import utc_now
from vigie.sealing import SealingPrivateKey, segment_info
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames, sandbox
from vigie_hub.enclave.channel import Channel

HERE: Final = Path(__file__).resolve()
SEED: Final = bytes(range(96))
LOT: Final = b"bench-bench-lot!"
IMPORTS: Final = "import vigie_hub.enclave.main as main; main.warm_up()"


@dataclass
class Figures:
    """What was measured, and the layers of the enclave that it was measured on."""

    layers: dict[str, str] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, name: str, shown: str, beside: str, **values: float) -> None:
        """Keep a row of the table and its numbers."""
        self.rows.append((name, shown, beside))
        self.values |= values


def middle(samples: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    ordered = sorted(samples)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


# -- the plain process --------------------------------------------------------------------------------------------


def child(what: str, descriptor: int, sealed: bool) -> None:
    """Be the plain process: ``serve`` one order, or open ``bulk`` parts; with the enclave's layers if ``sealed``."""
    if sealed:
        sandbox.apply(sandbox.EARLY)
    from vigie_hub.enclave.main import run
    from vigie_hub.enclave.warmup import warm_up

    warm_up()
    if sealed:
        sandbox.apply(sandbox.SEALED)
    with socket.socket(fileno=descriptor) as connection:
        connection.sendall(b"!")
        channel = Channel(connection)
        if what == "serve":
            run(channel, clock=utc_now)
        else:
            _open_parts(channel, connection, int.from_bytes(connection.recv(4), "big"))
    os._exit(0)


def _open_parts(channel: Channel, connection: socket.socket, count: int) -> None:
    key = SealingPrivateKey.from_seed(SEED)
    began, cpu = time.perf_counter(), time.thread_time()
    opened = 0
    for part in channel.fetch(0, 0, 0, (count,)):
        segment.segment_id(part.content)
        opened += len(key.open(segment_info("bench", LOT, part.bucket, 0), part.content))
    said = json.dumps([opened, time.perf_counter() - began, time.thread_time() - cpu]).encode()
    connection.sendall(len(said).to_bytes(4, "big") + said)


@contextmanager
def plain(what: str, *, sealed: bool = False) -> Iterator[socket.socket]:
    """That process, warmed up, and a socket to it."""
    ours, theirs = socket.socketpair()
    ours.settimeout(600)
    command = [sys.executable, str(HERE), "--child", what, "--descriptor", str(theirs.fileno())]
    process = subprocess.Popen(
        command + ["--sealed"] * sealed, pass_fds=(theirs.fileno(),), env=dict(sandbox.ENVIRONMENT),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with ours:
        theirs.close()
        try:
            if ours.recv(1) != b"!":
                raise RuntimeError("the plain process did not start")
            yield ours
        finally:
            ours.close()
            process.wait(60)


# -- (a) and (c): whole stories -----------------------------------------------------------------------------------


class Host:
    """Makes the statements of an order once, and plays the host of one enclave after another."""

    def __init__(self, folder: Path, enclave: Path) -> None:
        from support.enclave_story import DEMO, Story, load
        from support.world import World
        from vigie_hub.launcher import Launcher

        world = World.create(folder / "world", overrides={"pseudonyms.buckets": 8})
        definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
        self.story = Story(world, load(DEMO, definitions))
        self.story.make_lots()
        self.launcher = Launcher(enclave, folder / "memory")
        self.measuring = [self._measured(), self._measured()]

    def _measured(self) -> float:
        began = time.perf_counter()
        self.launcher.measure()
        return time.perf_counter() - began

    def attested(self) -> tuple[float, dict[str, str]]:
        """Seconds from the start of an enclave to its claim, the root's measurement included; and its layers."""
        took, layers = asyncio.run(self._with_enclave(self._claim))
        return float(took), dict(layers)

    def consolidated(self) -> float:
        """Seconds from the first message to the signed run, in a sealed enclave that is warm."""
        return float(asyncio.run(self._with_enclave(lambda connection, _: self._played(connection))))

    def consolidated_plainly(self) -> float:
        """The same in the plain process."""
        with plain("serve") as connection:
            return self._played(connection)

    async def _with_enclave(self, then: Callable[[socket.socket, float], Any]) -> Any:
        began = time.perf_counter()
        self.launcher.measure()
        process = await self.launcher.start()
        try:
            connection = process.channel._connection
            connection.setblocking(True)
            connection.settimeout(600)
            return await asyncio.to_thread(then, connection, began)
        finally:
            await process.end(at_once=True)

    def _claim(self, connection: socket.socket, began: float) -> tuple[float, dict[str, str]]:
        from vigie import bodies, statement

        begin = pb.Control(sequence=0, begin=self.story.begin(self.story.order()))
        frames.send(connection, frames.CONTROL, begin.SerializeToString())
        control = pb.Control.FromString(frames.receive(connection, frames.CONTROL))
        took = time.perf_counter() - began
        claim = bodies.read(statement.parse(control.claim.statement, kind="evidence"), bodies.Evidence)
        return took, dict(claim.layers)

    def _played(self, connection: socket.socket) -> float:
        # The claim comes once the process is warm, so that start-up is in neither figure.
        marks: list[float] = []

        def mark(_release: pb.Release) -> None:
            marks.append(time.perf_counter())

        self.story.spoil_release = mark
        self.story.play(connection)
        return time.perf_counter() - marks[0]


def imports() -> float:
    """Seconds that a plain interpreter takes for the same imports and warm-up."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], env=dict(sandbox.ENVIRONMENT), check=True)
    return time.perf_counter() - began


def starts(figures: Figures, host: Host, rounds: int) -> None:
    """(a) Start to attested."""
    sealed, bare = [], []
    for _ in range(rounds):
        took, figures.layers = host.attested()
        sealed.append(took)
        bare.append(imports())
    (usual, late), (plainly, _) = middle(sealed), middle(bare)
    first, again = host.measuring
    figures.add("measure the root: first, and again", f"{first:.2f} s, {again * 1e3:.0f} ms", "", measure_again=again)
    figures.add(
        "start → attested, median and p95", f"{usual:.2f} s, {late:.2f} s",
        f"{usual / plainly:.2f} × a plain process with the same imports ({plainly:.2f} s)",
        start_median=usual, start_p95=late, start_ratio=usual / plainly,
    )  # fmt: skip


def consolidations(figures: Figures, host: Host, rounds: int) -> None:
    """(c) Consolidate sealed and unsealed, by turns."""
    sealed, bare = [], []
    for _ in range(rounds):
        sealed.append(host.consolidated())
        bare.append(host.consolidated_plainly())
    usual, plainly = middle(sealed)[0], middle(bare)[0]
    figures.add(
        "consolidate 400 companies, median", f"{usual:.2f} s", f"{usual / plainly:.3f} × unsealed ({plainly:.2f} s)",
        consolidate=usual, consolidate_ratio=usual / plainly,
    )  # fmt: skip


# -- (b): bulk ----------------------------------------------------------------------------------------------------


def rate(work: Callable[[], object], size: int, rounds: int) -> float:
    """GB/s of one processor."""
    best = min(_cpu(work) for _ in range(rounds))
    return size / best / 1e9


def _each(parts: Sequence[bytes], work: Callable[[bytes], object]) -> None:
    for part in parts:
        work(part)


def _cpu(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def through_channel(sealed: Sequence[bytes], *, layers: bool) -> tuple[float, float]:
    """GB/s from the host's memory to plain text in another process: by the wall clock, and by its processor time."""
    with plain("bulk", sealed=layers) as connection:
        connection.sendall(len(sealed).to_bytes(4, "big"))
        frames.receive(connection, frames.CONTROL)  # Fetch
        for number, part in enumerate(sealed):
            head = pb.Segment(lot=0, bucket=0, part=number, size=len(part))
            frames.send(connection, frames.CONTROL, pb.Control(sequence=number, segment=head).SerializeToString())
            connection.sendall(len(part).to_bytes(4, "big") + b"\x01")
            connection.sendall(part)
        size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
        opened, wall, cpu = json.loads(connection.recv(size, socket.MSG_WAITALL))
    return opened / wall / 1e9, opened / cpu / 1e9


def bulk(figures: Figures, megabytes: int, rounds: int) -> None:
    """(b) Host to plain text, and where its time goes."""
    public = SealingPrivateKey.from_seed(SEED).public
    info = segment_info("bench", LOT, 0, 0)
    pool = [sealing.seal(public, info, secrets.token_bytes(segment.CAP)) for _ in range(16)]
    parts = [pool[number % len(pool)] for number in range(megabytes)]
    key, size = SealingPrivateKey.from_seed(SEED), len(pool) * segment.CAP
    # Each part's plain text is dropped before the next, as in a run: kept, every one would be memory never touched before.
    opening = rate(lambda: _each(pool, lambda part: key.open(info, part)), size, rounds)
    hashing = rate(lambda: _each(pool, segment.segment_id), size, rounds)
    both = rate(lambda: _each(pool, lambda part: (segment.segment_id(part), key.open(info, part))), size, rounds)
    wall, cpu = max(through_channel(parts, layers=False) for _ in range(rounds))
    sealed_wall, sealed_cpu = max(through_channel(parts, layers=True) for _ in range(rounds))
    figures.add("open 1 MiB parts (HPKE), no channel", f"{opening:.2f} GB/s", "", open=opening)
    figures.add("hash 1 MiB parts (their ids), no channel", f"{hashing:.2f} GB/s", "", hash=hashing)
    figures.add("hash and open, no channel", f"{both:.2f} GB/s", "", hash_and_open=both)
    figures.add(
        "host → plain text, no layers", f"{wall:.2f} GB/s, {cpu:.2f} per processor", f"{cpu / both:.2f} × no channel",
        bulk_plain=cpu,
    )  # fmt: skip
    figures.add(
        "host → plain text, the layers on", f"{sealed_wall:.2f} GB/s, {sealed_cpu:.2f} per processor",
        f"{sealed_cpu / cpu:.2f} × no layers, {sealed_cpu / both:.2f} × no channel",
        bulk=sealed_cpu, bulk_ratio=sealed_cpu / both,
    )  # fmt: skip


# -- all of it ----------------------------------------------------------------------------------------------------


def report(figures: Figures) -> None:
    """Print the figures and what they were measured on."""
    table = Table(title=f"enclave, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    for column in ("what", "figure", "beside"):
        table.add_column(column)
    for row in figures.rows:
        table.add_row(*row)
    Console(width=150).print(table)
    enforced = sorted(name for name, state in figures.layers.items() if state.startswith("enforced"))
    missing = sorted(figures.layers.keys() - set(enforced))
    print(f"layers, as the enclave said: {', '.join(enforced) or 'none'}; not: {', '.join(missing) or 'none'}")


def measure(options: argparse.Namespace) -> Figures:
    """Build a root if none is given, and measure."""
    from vigie_hub import enclave_root

    figures = Figures()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        enclave = options.enclave_root or folder / "enclave"
        try:
            if options.enclave_root is None:
                Console(stderr=True).print("building an enclave root")
                enclave_root.build(enclave)
            host = Host(folder, enclave)
            if options.only in (None, "start"):
                starts(figures, host, options.rounds)
            if options.only in (None, "bulk"):
                bulk(figures, options.megabytes, 3)
            if options.only in (None, "consolidate"):
                consolidations(figures, host, max(3, options.rounds // 4))
        finally:
            if options.enclave_root is None:
                enclave_root.remove(enclave / "root")
    return figures


def main() -> None:
    """Run the bench from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench enclave", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="starts; a quarter as many consolidations")
    parser.add_argument("--megabytes", type=int, default=512, help="MiB to send through the channel")
    parser.add_argument("--only", choices=("start", "bulk", "consolidate"))
    parser.add_argument("--enclave-root", type=Path, help="an enclave root that is there already, and not built")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--descriptor", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--sealed", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.descriptor, options.sealed)
        return
    figures = measure(options)
    report(figures)
    if options.json:
        said: Mapping[str, Any] = {"layers": figures.layers, **figures.values}
        options.json.write_text(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
