"""An exchange whose processes are killed at random moments, compared with the same exchange left in peace.

Once each during a story, ``kill -9`` hits the hub (with an enclave, when one runs), one partner's node, a partner's
`send` command, and the enclave. What was killed is started again, commands are typed again, and then:

* every recipient has the same list, row by row and bit by bit;
* every dataset has exactly one lot, whose receipt is in the journal and is the same bytes when it is sent again;
* the order has exactly one run, and no enclave outlives the story;
* the journal verifies offline.

Scores do not depend on keys, so the undisturbed story may be another one, with its own keys, over the same extracts.
"""

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

import pyarrow as pa

from support.exchange import PERIOD, Exchange, command_line, enclaves_in, parent, persist
from vigie import statement
from vigie.audit import folder as exports
from vigie.demo.story import HUB, PARTNERS

ENCLAVE = "enclave"
SEND = "vigie-node send"

_POLL = 0.02
_PAUSE = 1.0  # the most that a killed program stays away


@dataclass(frozen=True)
class Peace:
    """An undisturbed story: its lists, and how long its parts took.

    Attributes:
        results: each recipient's list.
        steps: seconds that each step took: a deposit of each partner, the consolidation, a list for each partner.
        enclave: seconds that the enclave lived.
    """

    results: Mapping[str, pa.Table]
    steps: tuple[float, ...]
    enclave: float


@dataclass
class Outcome:
    """What a disturbed story came to.

    Attributes:
        seed: of its moments.
        kills: how often each victim was hit.
        retries: commands that were typed again.
        attempts: enclaves that presented evidence.
        lost: lots, runs or lists that should be there and are not, or are not the same.
        duplicated: lots, runs or receipts that are there twice.
    """

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost and nothing is there twice."""
        return not self.lost and not self.duplicated


def in_peace(folder: Path, data: Path, enclave: Path) -> Peace:
    """Tell a story without any disturbance."""
    exchange = Exchange.make(folder, data, enclave)
    try:
        exchange.begin()
        times = [time.monotonic()]
        with _Life(exchange) as life:
            results = _tell(exchange, lambda: times.append(time.monotonic()), lambda: None)
        exchange.audit()
    finally:
        exchange.stop()
    assert life.seconds, "no enclave was seen"
    return Peace(results, tuple(after - before for before, after in itertools.pairwise(times)), life.seconds)


def disturbed(folder: Path, data: Path, enclave: Path, seed: int, peace: Peace) -> Outcome:
    """Tell the story with one kill of each kind, and compare."""
    outcome = Outcome(seed)
    exchange = Exchange.make(folder, data, enclave)

    def again() -> None:
        outcome.retries += 1

    try:
        exchange.begin()
        with _Reaper(exchange, random.Random(seed), peace, outcome.kills) as reaper:
            results = _tell(exchange, reaper.next_step, again)
        reaper.raise_if_broken()
        outcome.duplicated += [f"an enclave is still there: {pid}" for pid in _orphans(exchange)]
        _compare_results(results, peace, outcome)
        _send_again(exchange, outcome)
        _read_journal(exchange, outcome)
    finally:
        exchange.stop()
    return outcome


def _tell(exchange: Exchange, step_done: Callable[[], None], again: Callable[[], None]) -> dict[str, pa.Table]:
    """Deposits, the consolidation, the lists: each typed again while the other side is away."""
    results: dict[str, pa.Table] = {}
    for name in PARTNERS:
        persist(partial(exchange.send, name, PERIOD), again=again)
        step_done()
    persist(partial(exchange.consolidate, PERIOD), again=again)
    step_done()
    for name in PARTNERS:
        results[name] = persist(partial(exchange.result, name), again=again)
        step_done()
    return results


def _compare_results(results: Mapping[str, pa.Table], peace: Peace, outcome: Outcome) -> None:
    for name, table in results.items():
        if not table.equals(peace.results[name]):
            outcome.lost.append(f"the list of {name} is another one")


def _send_again(exchange: Exchange, outcome: Outcome) -> None:
    """The same extracts again make no lot, and their receipts are the first ones, byte for byte."""
    before = {name: exchange.receipts(name) for name in PARTNERS}
    exchange.send_all()
    for name in PARTNERS:
        if exchange.receipts(name) != before[name]:
            outcome.duplicated.append(f"{name} got other receipts for the same extracts")
        missing = {Path(path).stem for path in exchange.files(name, PERIOD)} - set(before[name])
        outcome.lost += [f"{name} has no receipt for {dataset}" for dataset in sorted(missing)]


def _read_journal(exchange: Exchange, outcome: Outcome) -> None:
    """Count what the journal holds; `vigie audit verify` has verified it, or raised."""
    exchange.audit()
    entries = [statement.parse(raw) for raw in exports.read(exchange.folder / "audit").entries]
    lots = Counter((entry.body["partner"], entry.body["dataset"]) for entry in entries if entry.kind == "lot")
    runs = Counter(entry.body["order"] for entry in entries if entry.kind == "run")
    orders = [entry.digest.hex() for entry in entries if entry.kind == "order"]
    deliveries = Counter((entry.body["run"], entry.body["grant"]) for entry in entries if entry.kind == "delivery")
    outcome.attempts = sum(entry.kind == "evidence" for entry in entries)
    for counted, what in ((lots, "lot"), (runs, "run"), (deliveries, "delivery"), (Counter(orders), "order")):
        outcome.duplicated += [f"{count} × {what} {name}" for name, count in counted.items() if count > 1]
    for name in PARTNERS:
        for path in exchange.files(name, PERIOD):
            if not lots[name, Path(path).stem]:
                outcome.lost.append(f"the lot {Path(path).stem} of {name} is not in the journal")
    outcome.lost += [f"the order {order[:16]} has no run" for order in orders if not runs[order]]
    if len(orders) > 1:
        outcome.duplicated.append(f"{len(orders)} orders")
    if len(deliveries) != len(PARTNERS):
        outcome.lost.append(f"{len(deliveries)} deliveries are in the journal")


def _orphans(exchange: Exchange, limit: float = 20) -> list[int]:
    """Enclaves whose hub is gone, after they had time to notice; those of other stories have theirs."""
    deadline = time.monotonic() + limit
    while found := [
        pid for pid in enclaves_in(exchange.enclave_root) if "vigie-hub serve" not in command_line(parent(pid))
    ]:
        if time.monotonic() > deadline:
            return found
        time.sleep(_POLL)
    return []


class _Life:
    """Measures how long the first enclave lives, from another thread."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_POLL):
            if self._exchange.enclaves():
                began = time.monotonic()
                while self._exchange.enclaves() and not self._done.wait(_POLL):
                    pass
                self.seconds = time.monotonic() - began
                return


@dataclass(frozen=True)
class _Moment:
    """A time after a step of the story has begun; the step's end at the latest, so that it always comes."""

    step: int
    after: float

    @classmethod
    def draw(cls, chance: random.Random, steps: Sequence[float]) -> "_Moment":
        """Any moment of these steps, as long as each took in peace."""
        at = chance.uniform(0, sum(steps))
        for step, seconds in enumerate(steps):
            if at <= seconds:
                return cls(step, at)
            at -= seconds
        return cls(len(steps) - 1, steps[-1])


class _Reaper:
    """Kills each victim once at its moment, and starts what must run again; one thread for each victim."""

    def __init__(self, exchange: Exchange, chance: random.Random, peace: Peace, kills: Counter[str]) -> None:
        self._exchange = exchange
        self._kills = kills
        self._done = threading.Event()
        self._steps = 0
        self._turn = threading.Condition()  # guards and announces the number of steps that are done
        self._broken: list[Exception] = []
        self._pauses = {victim: chance.uniform(0, _PAUSE) for victim in (HUB, "node")}
        node = chance.choice(list(PARTNERS))
        # A `send` is hit in one of the first deposits, so that one that runs comes after the moment. An enclave's age is
        # within what it reaches on a machine that is quieter than it was in peace.
        age = chance.uniform(0, peace.enclave * 0.4)
        work: list[Callable[[], None]] = [
            partial(self._kill_hub, _Moment.draw(chance, peace.steps)),
            partial(self._kill_node, node, _Moment.draw(chance, peace.steps)),
            partial(self._kill_send, _Moment.draw(chance, peace.steps[: len(PARTNERS) - 1])),
            partial(self._kill_enclave, age),
        ]
        self._threads = [threading.Thread(target=self._guarded, args=(one,), daemon=True) for one in work]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with self._turn:
            self._turn.notify_all()
        for thread in self._threads:
            thread.join()

    def next_step(self) -> None:
        """Take note that a step of the story is done."""
        with self._turn:
            self._steps += 1
            self._turn.notify_all()

    def raise_if_broken(self) -> None:
        """Raise what went wrong in a thread: a program that does not start again is a finding."""
        if self._broken:
            raise self._broken[0]

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - carried over to the thread that waits
            self._broken.append(error)

    def _reached(self, moment: _Moment) -> bool:
        """Wait for a moment of the story; false when the story broke off before."""
        with self._turn:
            self._turn.wait_for(lambda: self._steps >= moment.step or self._done.is_set())
            self._turn.wait_for(lambda: self._steps > moment.step or self._done.is_set(), moment.after)
            return self._steps >= moment.step

    def _kill_hub(self, moment: _Moment) -> None:
        if self._reached(moment):
            daemon = self._exchange.daemons[HUB]
            daemon.kill()
            self._kills[HUB] += 1
            time.sleep(self._pauses[HUB])
            daemon.start()
            daemon.first_line()

    def _kill_node(self, name: str, moment: _Moment) -> None:
        if self._reached(moment):
            self._exchange.daemons[name].kill()
            self._kills["node"] += 1
            time.sleep(self._pauses["node"])
            self._exchange.daemons[name].start()

    def _kill_send(self, moment: _Moment) -> None:
        """Kill the first `send` that runs at the moment or later."""
        if not self._reached(moment):
            return
        while not self._done.wait(_POLL):
            process = self._exchange.running.get(SEND)
            if process is not None:
                _kill_all(process.pid)
                self._kills["send"] += 1
                return

    def _kill_enclave(self, age: float) -> None:
        """Kill an enclave that has reached an age, even when it is not the first."""
        born: dict[int, float] = {}
        while not self._done.wait(_POLL):
            for pid in self._exchange.enclaves():
                if time.monotonic() - born.setdefault(pid, time.monotonic()) >= age:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        self._kills[ENCLAVE] += 1
                        return


def _kill_all(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
