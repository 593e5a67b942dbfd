"""What is left in an enclave's memory after each step: read from outside, by a scan of every page that it has.

Each absence has its positive control: the same scan of the same process, a step earlier, finds the same bytes. What is
looked for are keys and one company's rows; docs/threats.md says what such a scan cannot promise.
"""

import os
import random
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from support.enclave_story import EnclaveFailed, Story
from support.watched_enclave import enclave_seed
from support.world import World
from vigie.datasets import BUILT_IN
from vigie.v1 import enclave_pb2 as pb
from vigie_hub.enclave import sandbox

ROOT = Path(__file__).parents[2]
MONTHS = 24
PATIENCE = 300
"""Seconds: an upper bound for a machine that has much else to do."""
COMPANIES = [f"{number:09d}" for number in range(500_000_000, 500_000_040)]


def canary_values() -> list[float]:
    """Numbers that nobody else has: one company's contributions, month by month."""
    drawn = random.Random(20260320)
    return [1_000_000 * drawn.random() for _ in range(MONTHS)]


def pattern(values: Sequence[float]) -> bytes:
    """Three months in a row, as they lie one after the other in a column."""
    return struct.pack("<3d", *values[5:8])


def tables() -> dict[str, dict[str, pa.Table]]:
    """Small clear tables of two partners; the canary is a company of acoss."""
    months = [date(2019 + number // 12, number % 12 + 1, 1) for number in range(MONTHS)]
    canary = canary_values()
    siren = [one for one in COMPANIES for _ in months]
    due = [
        value if one == COMPANIES[7] else float(place + index)
        for index, one in enumerate(COMPANIES)
        for place, value in enumerate(canary)
    ]
    contributions = pa.table(
        {
            "siren": siren,
            "month": pa.array(months * len(COMPANIES), pa.date32()),
            "contribution_due": pa.array(due),
            "contribution_paid": pa.nulls(len(due), pa.float64()),
        }
    )
    return {"acoss": {"contributions": contributions}}


def hours() -> pa.Table:
    """One row for each company."""
    count = len(COMPANIES)
    return pa.table(
        {
            "siren": COMPANIES,
            "month": pa.array([date(2020, 1, 1)] * count, pa.date32()),
            **{name: pa.array([1.0] * count) for name in BUILT_IN["short_time_work"].names if name != "month"},
        }
    )


@dataclass
class Watched:
    """What was found at each place: how often each named secret stood in memory, for each time that it was passed."""

    found: dict[str, list[Counter[str]]] = field(default_factory=dict)
    failure: str = ""


def scan(pid: int, secrets: dict[str, bytes]) -> Counter[str]:
    """Count secrets in every page of a process that can be read."""
    found: Counter[str] = Counter()
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            first, last = (int(one, 16) for one in place.split("-"))
            try:
                memory.seek(first)
                data = memory.read(last - first)
            except (OSError, ValueError, OverflowError):
                continue
            for name, secret in secrets.items():
                found[name] += data.count(secret)
    return found


def watch(story: Story, secrets: Callable[[], dict[str, bytes]]) -> Watched:
    """Play a story against a watched enclave, and scan it wherever it stops."""
    ours, theirs = socket.socketpair()
    told, tell = os.pipe()
    wait, go = os.pipe()
    program = (
        f"import sys; sys.path[:0] = {[str(ROOT / name) for name in ('tests', 'common', 'hub')]!r}; "
        "from support.watched_enclave import serve; serve(*map(int, sys.argv[1:4]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-B", "-c", program, *map(str, (theirs.fileno(), tell, wait))],
        pass_fds=(theirs.fileno(), tell, wait), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        env=dict(sandbox.ENVIRONMENT),
    )  # fmt: skip
    watched = Watched()
    for descriptor in (tell, wait):
        os.close(descriptor)
    theirs.close()
    wanted = secrets()

    def watching() -> None:
        with os.fdopen(told, "rb") as places:
            for line in places:
                watched.found.setdefault(line.decode().strip(), []).append(scan(process.pid, wanted))
                os.write(go, b".")

    thread = threading.Thread(target=watching)
    thread.start()
    ours.settimeout(PATIENCE)
    try:
        with ours:
            story.play(ours)
            process.wait(PATIENCE)
    except EnclaveFailed as failed:
        watched.failure = failed.claim
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait(PATIENCE)
        thread.join(PATIENCE)
        os.close(go)
    return watched


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("outlive"), overrides={"pseudonyms.buckets": 1})


def secrets_of(story: Story) -> dict[str, bytes]:
    found = {"rows": pattern(canary_values())}
    for lot in story.make_lots():
        found |= {f"{lot.body.dataset} key": lot.seed[:64], f"{lot.body.dataset} key, second half": lot.seed[64:]}
    seed = enclave_seed()
    return found | {"enclave key": seed[:64], "enclave key, second half": seed[64:]}


KEYS = ("contributions key", "contributions key, second half")
OWN = "enclave key, second half"
EVERY_KEY = (*KEYS, "enclave key", OWN)


def test_keys_and_rows_are_gone_when_they_are_done_with(world: World) -> None:
    story = Story(world, tables(), period="2020-12")
    watched = watch(story, lambda: secrets_of(story))
    (opened,), (taken,) = watched.found["keys in clear"], watched.found["keys taken"]
    (reading,), (done,) = watched.found["rows in clear"], watched.found["rows done"]
    # Positive controls: what is in use is found. The library holds a key's second half as it is, not its first.
    assert all(opened[name] for name in KEYS) and opened[OWN] and opened["rows"] == 0
    assert taken[KEYS[1]] and reading["rows"] and reading[KEYS[1]]
    # The buffer that the keys came in is overwritten at once; the enclave's own key is dropped with the last release.
    assert taken[KEYS[0]] == 0 and reading[OWN] == 0
    assert {name: done[name] for name in EVERY_KEY} == dict.fromkeys(EVERY_KEY, 0), "before the training"
    # The enclave's own copy is overwritten, and what Arrow frees goes back to the kernel or is overwritten by the C library.
    assert done["rows"] == 0
    # This order has no outcomes to learn from, so that the run ends with an error: nothing comes back by it.
    assert watched.failure == "training"
    (after,) = watched.found["let go"]
    assert {name: after[name] for name in EVERY_KEY} == dict.fromkeys(EVERY_KEY, 0) and after["rows"] == 0


def test_an_error_leaves_nothing_either(world: World) -> None:
    clear = tables()
    clear["travail"] = {"short_time_work": hours()}

    def spoil(head: pb.Segment, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if head.lot == 1 else data

    story = Story(world, clear, period="2020-12", spoil_segment=spoil)
    watched = watch(story, lambda: secrets_of(story))
    assert watched.failure == "segment"
    (reading,) = watched.found["rows in clear"]
    assert reading["rows"] and reading[KEYS[1]], "positive control: the first lot was open when the second one failed"
    for place in ("failed", "let go"):
        (found,) = watched.found[place]
        assert found["rows"] == 0, place
    assert {name: found[name] for name in EVERY_KEY} == dict.fromkeys(EVERY_KEY, 0)
