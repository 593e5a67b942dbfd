"""The enclave's own functions in a plain process, with its layers or without: what they cost is measured against this.

Run as a program by :func:`plain`.  Nothing in the product starts an enclave without its layers, and what such a process
claims counts as level A0.
"""

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vigie import sealing, segment
from vigie.clock import utc_now
from vigie.sealing import SealingPrivateKey, segment_info
from vigie.wiping import wipe
from vigie_hub.enclave import sandbox
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.messages import ModelPart

HERE: Final = Path(__file__).resolve()
SEED: Final = bytes(range(96))
LOT: Final = b"bench-bench-lot!"


@dataclass(frozen=True)
class Took:
    """Seconds by the clock, and processor seconds, which do not count waiting for others on a busy machine."""

    wall: float
    cpu: float


def used(pid: int | None) -> float:
    """Processor seconds of a living process; its clock ticks a hundred times a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children() -> float:
    """Processor seconds of all processes below this one that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def child(what: str, descriptor: int, parts: int, sealed: bool) -> None:
    """Be the plain process, with the enclave's layers if ``sealed``.

    It serves one order (``serve``), opens parts (``bulk``), or sends each back sealed anew (``through``).
    """
    # From the source tree, which Landlock therefore lets be read; what an enclave root would hold is less.
    everything = tuple(map(str, Path("/").iterdir()))
    box = sandbox.Sandbox(sandbox.NO_NAMESPACES, sandbox.KEEP, channel=descriptor, readable=everything)
    if sealed:
        box.begin()
    from vigie_hub.enclave.main import Standing, run
    from vigie_hub.enclave.warmup import warm_up

    with socket.socket(fileno=descriptor) as connection:
        channel = Channel(connection)
        warm_up()
        if sealed:
            box.seal()
        # With the calls that the seal leaves: those that only sockets have end the process.
        os.write(descriptor, b"!")
        if what == "serve":
            run(channel, clock=utc_now, standing=Standing({}, {}))
        else:
            said = json.dumps(_open_parts(channel, parts, back=what == "through")).encode()
            os.write(descriptor, len(said).to_bytes(4, "big") + said)
    os._exit(0)


def open_part(key: SealingPrivateKey, info: bytes, sealed: bytes | memoryview) -> int:
    """What :func:`vigie_hub.enclave.reading.read_lot` does with a part, without reading its rows."""
    segment.segment_id(sealed)
    plain = key.open(info, sealed)
    wipe(plain)
    return len(plain)


def seal_again(key: SealingPrivateKey, info: bytes, sealed: bytes | memoryview) -> bytes:
    """What becomes of a part that is opened and goes back as part of a result."""
    segment.segment_id(sealed)
    plain = key.open(info, sealed)
    try:
        return sealing.seal(key.public, info, plain)
    finally:
        wipe(plain)


def _open_parts(channel: Channel, count: int, *, back: bool) -> list[float]:
    """Bytes of plain text, seconds, processor seconds."""
    key = SealingPrivateKey.from_seed(SEED)
    began, cpu = time.perf_counter(), time.thread_time()
    opened = 0
    for part in channel.fetch(0, 0, 0, (count,)):
        info = segment_info("bench", LOT, part.bucket, 0)
        if back:
            again = seal_again(key, info, part.content)
            channel.send(ModelPart(part.part, again))
            opened += len(again) - sealing.OVERHEAD
        else:
            opened += open_part(key, info, part.content)
    return [opened, time.perf_counter() - began, time.thread_time() - cpu]


@contextmanager
def plain(what: str, *, parts: int = 0, sealed: bool = False) -> Iterator[tuple[socket.socket, int]]:
    """That process, warmed up: a socket to it, and its id."""
    ours, theirs = socket.socketpair()
    ours.settimeout(600)
    command = [sys.executable, str(HERE), what, str(theirs.fileno()), str(parts)]
    process = subprocess.Popen(
        command + ["--sealed"] * sealed, pass_fds=(theirs.fileno(),), env=dict(sandbox.ENVIRONMENT),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with ours:
        theirs.close()
        try:
            if ours.recv(1) != b"!":
                raise RuntimeError("the plain process did not start")
            yield ours, process.pid
        finally:
            ours.close()
            process.wait(60)


def main() -> None:
    """Be that process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("serve", "bulk", "through"))
    parser.add_argument("descriptor", type=int)
    parser.add_argument("parts", type=int)
    parser.add_argument("--sealed", action="store_true")
    options = parser.parse_args()
    child(options.what, options.descriptor, options.parts, options.sealed)


if __name__ == "__main__":
    main()
