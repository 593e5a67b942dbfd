"""``scripts/bench enclave``: what the enclave's walls cost, each figure beside the same work in a plain process.

Three things are measured: (a) from the order to start until the claim is there, the root's measurement, imports, warm-up,
seal and keys included, in modes C and B by turns; the canaries, which the first start of a measurement after a boot sends
ahead, stand apart; (b) sealed parts from the host through the channel to plain text, for each stage alone and all of them, and
back to the host sealed anew; (c) a whole consolidation. Which layers were on is read from the evidence that the enclave gave, not assumed.

The plain process of (a) is the root's own interpreter with the same imports and warm-up. That of (b) and (c) is
:mod:`support.plain_enclave`: the enclave's own functions without its layers.
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
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.plain_enclave import LOT, SEED, Took, children, open_part, plain, seal_again, used
from vigie import sealing, segment
from vigie.sealing import SealingPrivateKey, segment_info
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import frames, sandbox

MODES: Final = (sandbox.NAMESPACES, sandbox.NO_NAMESPACES)

IMPORTS: Final = (
    "import gc, os; gc.disable(); from vigie_hub.enclave.rehearsal import Rehearsal; rehearsal = Rehearsal(); "
    "import vigie_hub.enclave.main as main; gc.freeze(); gc.enable(); main.warm_up(rehearsal); os._exit(0)"
)
"""What the enclave does before it seals itself, without its layers."""


@dataclass
class Figures:
    """What was measured, and the layers of the enclave that it was measured on."""

    layers: dict[str, dict[str, str]] = field(default_factory=dict)
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
        self.launchers = {mode: Launcher(enclave, folder / f"memory-{mode}", isolation=mode) for mode in MODES}
        self.root = enclave / "root"
        self.measuring = [self._measured(), self._measured()]

    def _measured(self) -> float:
        began = time.perf_counter()
        self.launchers[MODES[0]].measure()
        return time.perf_counter() - began

    def attested(self, mode: str) -> tuple[Took, dict[str, str]]:
        """From the start of an enclave to its claim, the root's measurement included; and its layers."""

        def claim(connection: socket.socket, pid: int) -> tuple[float, float, dict[str, str]]:
            layers = self._claim(connection)
            return time.perf_counter(), used(pid), layers

        began = time.perf_counter()
        ended, cpu, layers = asyncio.run(self._with_enclave(mode, claim, at_once=True))
        return Took(ended - began, cpu), layers

    def consolidated(self, mode: str) -> Took:
        """From the first release to the signed run, in a sealed enclave that is warm."""
        before = children()
        wall, warm = asyncio.run(self._with_enclave(mode, self._played, at_once=False))
        return Took(wall, children() - before - warm)

    def consolidated_plainly(self) -> Took:
        """The same in the plain process."""
        before = children()
        with plain("serve") as (connection, pid):
            wall, warm = self._played(connection, pid)
        return Took(wall, children() - before - warm)

    def imports(self) -> Took:
        """What the root's interpreter takes for the same imports and warm-up, without any layer."""
        launch = self.launchers[MODES[0]].launch
        command = [*launch.arguments[: launch.arguments.index("-m")], "-c", IMPORTS]
        began, before = time.perf_counter(), children()
        subprocess.run(command, cwd=self.root, env=dict(launch.environment), stdin=subprocess.DEVNULL, check=True)
        return Took(time.perf_counter() - began, children() - before)

    async def _with_enclave(self, mode: str, then: Callable[[socket.socket, int], Any], *, at_once: bool) -> Any:
        launcher = self.launchers[mode]
        launcher.measure()
        process = await launcher.start()
        try:
            connection = process.started.connection
            connection.setblocking(True)
            connection.settimeout(600)

            def talk() -> Any:
                # In mode C the enclave is a child of what was started, and there a moment later.
                while (pid := process.started.pid()) is None:
                    time.sleep(0.001)
                return then(connection, pid)

            return await asyncio.to_thread(talk)
        finally:
            await process.end(at_once=at_once)

    def _claim(self, connection: socket.socket) -> dict[str, str]:
        from support.enclave_story import Host as Talking
        from vigie import bodies, statement

        host = Talking(connection)
        host.send(begin=self.story.begin(self.story.order()))
        claimed = host.receive("claim").claim.statement
        return dict(bodies.read(statement.parse(claimed, kind="evidence"), bodies.Evidence).layers)

    def _played(self, connection: socket.socket, pid: int) -> tuple[float, float]:
        """Seconds from the first release to the run, and processor seconds that were spent before."""
        # The claim comes once the process is warm, so that start-up is in neither figure.
        marks: list[tuple[float, float]] = []

        def mark(_release: pb.Release) -> None:
            marks.append((time.perf_counter(), used(pid)))

        self.story.spoil_release = mark
        self.story.play(connection)
        began, warm = marks[0]
        return time.perf_counter() - began, warm


def starts(figures: Figures, host: Host, rounds: int) -> None:
    """(a) Start to attested, modes and the plain process by turns."""
    first, again = host.measuring
    figures.add("measure the root: first, and again", f"{first:.2f} s, {again * 1e3:.0f} ms", "", measure_again=again)
    with_canaries = {mode: host.attested(mode)[0].wall for mode in MODES}
    took: dict[str, list[Took]] = {mode: [] for mode in MODES}
    bare = []
    for _ in range(rounds):
        for mode in MODES:
            one, figures.layers[mode] = host.attested(mode)
            took[mode].append(one)
        bare.append(host.imports())
    plainly, _ = middle([one.wall for one in bare])
    plainly_cpu, _ = middle([one.cpu for one in bare])
    for mode in MODES:
        usual, late = middle([one.wall for one in took[mode]])
        cpu, _ = middle([one.cpu for one in took[mode]])
        figures.add(
            f"start → sealed and attested, mode {mode}: median, p95", f"{usual:.2f} s, {late:.2f} s",
            f"{usual / plainly:.2f} × a plain process with the same imports ({plainly:.2f} s)",
            **{f"start_{mode}": usual, f"start_{mode}_p95": late, f"start_{mode}_ratio": usual / plainly},
        )  # fmt: skip
        figures.add(
            "its processor time", f"{cpu:.2f} s", f"{cpu / plainly_cpu:.2f} × the plain process ({plainly_cpu:.2f} s)",
            **{f"start_{mode}_cpu": cpu, f"start_{mode}_cpu_ratio": cpu / plainly_cpu},
        )  # fmt: skip
        more = with_canaries[mode] - usual
        figures.add(
            f"canaries and choice of mode {mode}, once a boot", f"{more:.2f} s more", "", **{f"canaries_{mode}": more}
        )


def consolidations(figures: Figures, host: Host, rounds: int) -> None:
    """(c) Consolidate sealed and unsealed, by turns; a ratio is the median of the turns' own."""
    mode = MODES[0]
    host.attested(mode)  # canaries and the choice of mode are behind
    turns = [(host.consolidated(mode), host.consolidated_plainly()) for _ in range(rounds)]
    for what, pairs in (
        ("time", [(sealed.wall, bare.wall) for sealed, bare in turns]),
        ("processor time", [(sealed.cpu, bare.cpu) for sealed, bare in turns]),
    ):
        usual, plainly = (middle(side)[0] for side in zip(*pairs, strict=True))
        ratio = statistics.median(sealed / bare for sealed, bare in pairs)
        figures.add(
            f"consolidate 400 companies, mode {mode}: {what}", f"{usual:.2f} s",
            f"{ratio:.3f} × unsealed ({plainly:.2f} s), median of the turns",
            **{f"consolidate {what}": usual, f"consolidate {what} ratio": ratio},
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


def through_channel(sealed: Sequence[bytes], *, layers: bool, back: bool = False) -> tuple[float, float]:
    """GB/s from the host's memory to plain text in another process, and back: by the wall clock, and by its processor time."""
    from support.enclave_story import Host as Talking
    from support.enclave_story import exactly

    def take() -> None:
        for _ in sealed:
            host.bulk(host.receive("model_made").model_made.size)

    with plain("through" if back else "bulk", parts=len(sealed), sealed=layers) as (connection, _):
        host = Talking(connection)
        host.receive("fetch")
        taking = threading.Thread(target=take if back else lambda: None)
        taking.start()
        for number, part in enumerate(sealed):
            host.send(segment=pb.Segment(lot=0, bucket=0, part=number, size=len(part)))
            connection.sendall(frames.head(frames.BULK, len(part)))
            connection.sendall(part)  # without the copy of a frame in one piece
        taking.join()
        size = int.from_bytes(exactly(connection, 4), "big")
        opened, wall, cpu = json.loads(exactly(connection, size))
    return opened / wall / 1e9, opened / cpu / 1e9


def bulk(figures: Figures, megabytes: int, rounds: int) -> None:
    """(b) Host to plain text, and back to the host, and where the time goes."""
    public = SealingPrivateKey.from_seed(SEED).public
    info = segment_info("bench", LOT, 0, 0)
    pool = [sealing.seal(public, info, secrets.token_bytes(segment.CAP)) for _ in range(16)]
    parts = [pool[number % len(pool)] for number in range(megabytes)]
    key, size = SealingPrivateKey.from_seed(SEED), len(pool) * segment.CAP
    # Each part's plain text is dropped before the next, as in a run: kept, every one would be memory never touched before.
    opening = rate(lambda: _each(pool, lambda part: key.open(info, part)), size, rounds)
    hashing = rate(lambda: _each(pool, segment.segment_id), size, rounds)
    figures.add("open 1 MiB parts (HPKE), no channel", f"{opening:.2f} GB/s", "", open=opening)
    figures.add("hash 1 MiB parts (their ids), no channel", f"{hashing:.2f} GB/s", "", hash=hashing)
    ways: tuple[tuple[str, str, str, Callable[[bytes], object], bool], ...] = (
        ("bulk", "host → plain text", "hash, open and wipe", lambda part: open_part(key, info, part), False),
        (
            "back",
            "host → enclave → host",
            "hash, open, seal again and wipe",
            lambda part: seal_again(key, info, part),
            True,
        ),
    )
    for name, what, steps, work, back in ways:
        alone = rate(partial(_each, pool, work), size, rounds)
        figures.add(f"{steps}, no channel", f"{alone:.2f} GB/s", "", **{f"{name}_alone": alone})
        turns = [
            (through_channel(parts, layers=False, back=back), through_channel(parts, layers=True, back=back))
            for _ in range(rounds)
        ]
        wall, cpu = max(bare for bare, _ in turns)
        sealed_wall, sealed_cpu = max(layered for _, layered in turns)
        figures.add(
            f"{what}, no layers", f"{wall:.2f} GB/s, {cpu:.2f} per processor", f"{cpu / alone:.2f} × no channel",
            **{f"{name}_plain": cpu},
        )  # fmt: skip
        figures.add(
            f"{what}, the layers on", f"{sealed_wall:.2f} GB/s, {sealed_cpu:.2f} per processor",
            f"{sealed_cpu / cpu:.2f} × no layers, {sealed_cpu / alone:.2f} × no channel",
            **{name: sealed_cpu, f"{name}_ratio": sealed_cpu / alone},
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
    for mode, layers in sorted(figures.layers.items()):
        enforced = sorted(name for name, state in layers.items() if state.startswith(sandbox.ENFORCED))
        missing = sorted(layers.keys() - set(enforced))
        print(f"layers of mode {mode}, as the enclave said: {', '.join(enforced)}; not: {', '.join(missing) or 'none'}")


def measure(options: argparse.Namespace) -> Figures:
    """Build a root if none is given, and measure."""
    from vigie_hub import enclave_root

    figures = Figures()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        enclave = options.enclave_root or folder / "enclave"
        folder.chmod(0o711)  # an enclave of mode B gets a user of its own, who has to reach the root
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
    options = parser.parse_args()
    figures = measure(options)
    report(figures)
    if options.json:
        said: Mapping[str, Any] = {"layers": figures.layers, **figures.values}
        options.json.write_text(json.dumps(said, indent=2))


if __name__ == "__main__":
    main()
