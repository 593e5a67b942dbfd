"""``scripts/bench exchange``: what each step of an exchange costs, with real processes on this machine.

The partners' steps run in this process with the node's own code; hub, custodians, witness and enclave are processes of
their own. The consolidation is compared with the same computation on clear files, run in the same minute.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
from rich.console import Console
from rich.table import Table

from vigie.clock import utc_now
from vigie.demo.generate import generate
from vigie.demo.story import AUDITOR, HUB, PARTNERS, Story
from vigie_node.extracts.canonical import Checked, check, dataset_name
from vigie_node.fetching import identify_in
from vigie_node.folder import Node
from vigie_node.outbox import Spool
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.pseudonyms.pseudonymise import pseudonymise
from vigie_node.pseudonyms.workers import Workers
from vigie_node.results import check as check_result
from vigie_node.results import open_result
from vigie_node.sending import Sender, Terms
from vigie_node.wire import Hub

PERIOD = "2021-04"
NEW_SHARE = 0.01
MIB = 2**20


@dataclass
class Bench:
    """Rows of the report, and what processes took at the most."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, what: str, seconds: float, rate: str = "") -> None:
        """Add a row."""
        self.rows.append((what, f"{seconds:.2f} s", rate))
        self.figures[what] = seconds


@contextmanager
def timed() -> Iterator[list[float]]:
    """Give a list that holds the seconds once the block is done."""
    took: list[float] = []
    began = time.perf_counter()
    yield took
    took.append(time.perf_counter() - began)


class Steps:
    """Seconds of each step of a sending, from the progress that it tells."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def __call__(self, name: str, _done: int, _total: int) -> None:
        """Count the time since the last call to this step."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
        self._last = now


class EnclaveWatch(threading.Thread):
    """Looks for the enclave among the hub's children and remembers the most memory that it took."""

    def __init__(self, hub_pid: int) -> None:
        super().__init__(daemon=True)
        self._hub = hub_pid
        self._ended = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        """Look ten times a second."""
        while not self._ended.wait(0.1):
            for child in children(self._hub):
                self.peak = max(self.peak, peak_mib(child))

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that still run."""
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def peak_mib(pid: int) -> float:
    """Return the most resident memory that a process had so far, in MiB; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def rate(size: int, seconds: float) -> str:
    """Return MB/s in words."""
    return f"{size / MIB / max(seconds, 1e-9):.1f} MiB/s"


async def pseudonymised(node: Node, hub: Hub, sirens: pa.Array) -> float:
    """Pseudonymise and return the seconds that it took."""
    epoch = node.convention.epoch_at(utc_now().date()).number
    with (
        PseudonymCache(node.folder.pseudonyms) as cache,
        Workers(seed=node.keyring.oprf_seed(), convention_id=node.convention.id) as workers,
    ):
        await workers.public_key(epoch)  # the processes are there before the clock runs
        with timed() as took:
            await pseudonymise(
                sirens, epoch=epoch, convention=node.convention, member=node.member, cache=cache, workers=workers,
                ask=lambda _custodian, statement, elements: hub.evaluate(statement, elements),
                signer=node.keyring.signer("signing"), now=utc_now, batch=node.config.limits.batch,
            )  # fmt: skip
    return took[0]


async def partner_steps(bench: Bench, story: Story, name: str, later: Path) -> None:
    """Run and time a partner's side: check, pseudonymise cold and warm, seal, send."""
    node = Node.open(story.node(name), story.passphrases[name])
    channel = node.channel()
    hub = Hub(channel)
    try:
        files = [Path(file) for file in story.files(name, PERIOD)]
        with timed() as took:
            checked = [check(path, node.convention.datasets[dataset_name(path)].definition) for path in files]
        size = sum(path.stat().st_size for path in files)
        rows = sum(one.report.valid for one in checked)
        bench.add(f"{name}: check", took[0], f"{rate(size, took[0])} of Parquet, {rows / took[0]:,.0f} rows/s")
        sirens = pa.concat_arrays([one.sirens() for one in checked])
        known = len(set(sirens.to_pylist()))
        seconds = await pseudonymised(node, hub, sirens)
        bench.add(f"{name}: pseudonymise, cold", seconds, f"{known / seconds:,.0f} new companies/s of {known:,}")
        more = later_sirens(later, name)
        new = len(set(more.to_pylist()) - set(sirens.to_pylist()))
        seconds = await pseudonymised(node, hub, more)
        bench.add(f"{name}: pseudonymise, next month", seconds, f"{new:,} new companies")
        await sealed_and_sent(bench, node, hub, checked)
    finally:
        await channel.close()
        node.close()


async def sealed_and_sent(bench: Bench, node: Node, hub: Hub, checked: list[Checked]) -> None:
    """Seal and deposit, and time both."""
    steps = Steps()
    sender = Sender(node.chain, node.keyring, node.state, Spool(node.folder.spool), hub, utc_now, steps)
    with PseudonymCache(node.folder.pseudonyms) as cache:
        table = cache.table(node.convention.epoch_at(utc_now().date()).number)
    sent = [await sender.send(one, Terms(PERIOD, date(2021, 4, 30)), table) for one in checked]
    size = sum(one.lot.body.bytes for one in sent)
    sealing = steps.seconds["digest"] + steps.seconds["seal"]
    bench.add(f"{node.member}: order, digest and seal", sealing, f"{rate(size, sealing)} sealed")
    bench.add(
        f"{node.member}: send", steps.seconds["send"], f"{rate(size, steps.seconds['send'])} of {size / MIB:.0f} MiB"
    )


def later_sirens(later: Path, name: str) -> pa.Array:
    """Return the SIREN of a partner's files of the next month."""
    import duckdb

    found = duckdb.connect().sql(
        f"SELECT DISTINCT siren FROM read_parquet('{later / name}/*.parquet', union_by_name = true)"
    )
    return found.to_arrow_table().column(0).combine_chunks()


async def opened(bench: Bench, story: Story, name: str) -> None:
    """Fetch, check, open and re-identify a partner's result, and time it."""
    node = Node.open(story.node(name), story.passphrases[name])
    channel = node.channel()
    hub = Hub(channel)
    try:
        with timed() as took:
            (record,) = await hub.results()
            fetched = await hub.fetch(record.run, record.grant)
            checked = check_result(fetched, record.grant, member=name, chain=node.chain)
            with PseudonymCache(node.folder.pseudonyms) as cache:
                numbers = [epoch.number for epoch in node.convention.epochs]
                result = open_result(checked, node.keyring.sealing(), lambda keys: identify_in(cache, numbers, keys))
        bench.add(f"{name}: fetch and open the result", took[0], f"{result.table.num_rows:,} companies")
    finally:
        await channel.close()
        node.close()


def centralised(bench: Bench, data: Path) -> float:
    """Run the same computation on clear files in a process of its own."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2"}
    script = Path(__file__).with_name("central.py")
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), str(data), PERIOD], env=environment, capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - began
    said = json.loads(done.stdout)
    rows, columns = said["matrix"]
    bench.add("the same on clear files, whole process", wall, f"training matrix {rows:,} × {columns}")
    bench.figures["clear_seconds_without_start"] = said["seconds"]
    bench.peaks["plain process"] = said["peak_mib"]
    return wall


def exchange(companies: int, months: int, folder: Path, *, enclave_root: Path | None) -> Bench:
    """Run a whole exchange once and return its figures."""
    bench = Bench()
    say = Console(stderr=True).print
    data, later = folder / "extracts", folder / "later"
    say(f"making {companies} companies × {months} months")
    generate(data, companies=companies, months=months, seed=1, last_month=PERIOD)
    generate(later, companies=round(companies * (1 + NEW_SHARE)), months=months, seed=1, last_month=PERIOD)
    story = Story(folder, data, lambda _: None, lambda _: None, enclave_root)
    say("setting up members, convention, hub and nodes")
    story.members()
    story.agree(companies)
    measurement = story.set_up()
    story.start()
    try:
        story.nodes()
        story.approve(measurement)
        story.attend()
        for name in PARTNERS:
            say(f"{name}: check, pseudonymise, seal, send")
            asyncio.run(partner_steps(bench, story, name, later))
        say("consolidating")
        hub_process = story.daemons[HUB].process
        assert hub_process is not None
        watch = EnclaveWatch(hub_process.pid)
        watch.start()
        with timed() as took:
            story.consolidate(PERIOD)
        watch.end()
        bench.peaks["enclave"] = watch.peak
        bench.add("consolidate, order to signed run", took[0])
        say("the same on clear files")
        central = centralised(bench, data)
        bench.figures["ratio"] = took[0] / central
        for name in PARTNERS:
            asyncio.run(opened(bench, story, name))
        for name in (HUB, *PARTNERS, AUDITOR):
            process = story.daemons[name].process
            bench.peaks[f"{name} daemon"] = peak_mib(process.pid) if process else 0.0
        bench.peaks["partner's sending process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        bench.figures["stored_mib"] = folder_bytes(folder / "hub" / "lots") / MIB
    finally:
        story.stop()
    return bench


def report(bench: Bench, companies: int, months: int) -> None:
    """Print the figures."""
    console = Console()
    table = Table(title=f"exchange, {companies:,} companies × {months} months, {os.cpu_count()} processors")
    for column in ("step", "time", "rate"):
        table.add_column(column)
    for row in bench.rows:
        table.add_row(*row)
    console.print(table)
    console.print("peak memory: " + ", ".join(f"{name} {peak:.0f} MiB" for name, peak in bench.peaks.items()))
    console.print(f"stored at the hub: {bench.figures['stored_mib']:.0f} MiB")
    console.print(f"consolidate ÷ the same on clear files: {bench.figures['ratio']:.2f}")


def main() -> None:
    """Run the bench from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=20_000)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--enclave-root", type=Path)
    parser.add_argument("--keep", type=Path, help="leave the folder here")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="vigie-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        bench = exchange(options.companies, options.months, folder.resolve(), enclave_root=options.enclave_root)
        report(bench, options.companies, options.months)
        if options.json:
            options.json.write_text(
                json.dumps({"rows": bench.rows, "peaks": bench.peaks, "figures": bench.figures}, indent=2)
            )
    finally:
        if options.keep is None:
            subprocess.run(["chmod", "-R", "u+w", str(folder)], check=False)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
