"""``scripts/bench hardware``: what verifying each public sample costs, beside the signatures in it checked alone.

Time is that of the processor, so that waiting for neighbours does not count; the aim is held by the best round, since
neighbours still slow a shared core down. Before each counted round everything that was remembered of certificates is
forgotten; the last column is the same verification once more in the process. The yardstick is the work that no verifier can leave out: one ECDSA P-384 and one RSA-4096 verification, in the same minute.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.attestation import Sample, samples
from vigie.errors import VigieError
from vigie.hardware import certificates, intel

AIM = 5.0
"""Milliseconds that a verification may take."""


def forget() -> None:
    """Drop what verifications remember, the pinned files excepted."""
    certificates._issued.cache_clear()
    intel._collateral.cache_clear()


def timed(work: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Best and median time in milliseconds, and best time again with all remembered; the first call is not counted."""
    work()
    found: list[float] = []
    again: list[float] = []
    for _ in range(rounds):
        forget()
        for times in (found, again):
            began = time.thread_time()
            work()
            times.append((time.thread_time() - began) * 1e3)
    return min(found), statistics.median(found), min(again)


def judged(sample: Sample) -> None:
    """Verify a sample, or refuse it, as its source says."""
    try:
        sample.check(sample.evidence)
    except VigieError:
        if not sample.refused:
            raise


def yardstick(rounds: int) -> dict[str, tuple[float, float, float]]:
    """The two costly signatures of these chains, alone."""
    curve, modulus = ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 4096)
    one, two = curve.sign(b"x", ec.ECDSA(SHA384())), modulus.sign(b"x", padding.PKCS1v15(), SHA384())
    keys = curve.public_key(), modulus.public_key()
    return {
        "ECDSA P-384 alone": timed(lambda: keys[0].verify(one, b"x", ec.ECDSA(SHA384())), rounds),
        "RSA-4096 alone": timed(lambda: keys[1].verify(two, b"x", padding.PKCS1v15(), SHA384()), rounds),
    }


def main() -> int:
    """Print the table; 1 if a sample takes longer than the aim."""
    parser = argparse.ArgumentParser(prog="scripts/bench hardware", description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = Table("sample", "best ms", "median ms", "again ms")
    figures = yardstick(options.rounds)
    figures |= {one.name: timed(lambda one=one: judged(one), options.rounds) for one in samples()}  # type: ignore[misc]
    for name, times in figures.items():
        table.add_row(name, *(f"{one:.2f}" for one in times))
    Console().print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return int(max(best for best, _, _ in figures.values()) > AIM)


if __name__ == "__main__":
    sys.exit(main())
