"""Repeat the disturbed exchange of ``tests/support/chaos.py`` over many seeds and count what was lost or doubled."""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from support.chaos import Outcome, disturbed, in_peace
from support.exchange import make_data, make_enclave


def main() -> int:
    """Run; the exit code is 1 when anything was lost or doubled."""
    arguments = _arguments()
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="vigie-chaos-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        print(f"{folder} is not empty", file=sys.stderr)
        return 2
    print(f"in {folder}; {arguments.companies} companies", flush=True)
    enclave = make_enclave(folder / "enclave")
    data = make_data(folder / "data", companies=arguments.companies)
    began = time.monotonic()
    peace = in_peace(folder / "peace", data, enclave)
    print(f"in peace: {sum(peace.steps):.1f} s, of which the enclave {peace.enclave:.1f} s", flush=True)
    outcomes = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        place = folder / f"seed-{seed}"
        outcome = disturbed(place, data, enclave, seed, peace)
        outcomes.append(outcome)
        print(_line(outcome), flush=True)
        if outcome.good and not arguments.keep:
            shutil.rmtree(place)
    return _close(outcomes, time.monotonic() - began)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many stories (default 5)")
    parser.add_argument("--first", type=int, default=1, help="first seed (default 1)")
    parser.add_argument("--companies", type=int, default=80, help="companies in the extracts (default 80)")
    parser.add_argument("--folder", help="empty folder to work in; a temporary one otherwise")
    parser.add_argument("--keep", action="store_true", help="keep the folders of good stories too")
    return parser.parse_args()


def _line(outcome: Outcome) -> str:
    kills = ", ".join(f"{victim} {count}" for victim, count in sorted(outcome.kills.items()))
    said = "good" if outcome.good else f"lost {outcome.lost}, duplicated {outcome.duplicated}"
    return f"seed {outcome.seed}: killed {kills}; {outcome.retries} typed again; {outcome.attempts} enclaves; {said}"


def _close(outcomes: list[Outcome], seconds: float) -> int:
    kills: Counter[str] = sum((outcome.kills for outcome in outcomes), Counter())
    lost = sum(len(outcome.lost) for outcome in outcomes)
    duplicated = sum(len(outcome.duplicated) for outcome in outcomes)
    print(
        f"{len(outcomes)} runs in {seconds:.0f} s, {sum(kills.values())} kills "
        f"({', '.join(f'{victim} {count}' for victim, count in sorted(kills.items()))}); "
        f"lost = {lost}, duplicated = {duplicated}"
    )
    return 1 if lost or duplicated else 0


if __name__ == "__main__":
    sys.exit(main())
