"""``scripts/bench scoring --sizes``: features, training and scoring for more and more companies, and for more buckets.

Beside each stands what somebody would write without an enclave: the features of all companies in one statement of a
DuckDB of its own, one LightGBM with the same settings, no evaluation, no intervals, no reasons.  Every measurement is a
process of its own, so that its peak of memory is its own; both sides read the same clear files.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
from rich.console import Console
from rich.table import Table

from bench import central
from vigie.demo.generate import generate
from vigie_hub.enclave.consolidate import groups
from vigie_hub.enclave.model import split, train_and_score, training

PERIOD: Final = "2021-04"
MONTHS: Final = 36
SIZES: Final = (20_000, 50_000, 100_000)
BUCKETS: Final = (16, 64, 256)
"""The first size is measured with each, the others with the middle one."""

Figures = dict[str, Any]


def main(sizes: Sequence[int], target: Path | None) -> int:
    """Make the files of each size, measure, print."""
    found: list[Figures] = []
    with tempfile.TemporaryDirectory() as scratch:
        for companies in sizes:
            folder = Path(scratch) / str(companies)
            generate(folder, companies=companies, months=MONTHS, seed=1, last_month=PERIOD)
            for buckets in BUCKETS if companies == sizes[0] else BUCKETS[1:2]:
                found.append({"companies": companies, "buckets": buckets, **_apart(folder, companies, buckets)})
                if target:
                    target.write_text(json.dumps(found, indent=1) + "\n")
            plain = _apart(folder, companies, 0)
            for one in found:
                if one["companies"] == companies:
                    one["plain"] = plain
    if target:
        target.write_text(json.dumps(found, indent=1) + "\n")
    Console().print(table(found))
    return 0


def table(found: Sequence[Figures]) -> Table:
    """The figures for a person; ratios are to the plain process of the same size."""
    shown = Table(title=f"{MONTHS} months")
    for column in (
        "companies", "buckets", "matrix", "features", "training, judging and scoring", "whole ÷ plain", "peak memory",
        "plain process's peak",
    ):  # fmt: skip
        shown.add_column(column, justify="right")
    for one in found:
        plain = one["plain"]
        whole, simple = (each["features"] + each["model"] for each in (one, plain))
        shown.add_row(
            f"{one['companies']:,}", str(one["buckets"]), f"{one['rows']:,} × {one['columns']}",
            f"{one['features']:.1f} s ({one['features'] / plain['features']:.2f} ×)",
            f"{one['model']:.1f} s ({one['model'] / plain['model']:.2f} ×)", f"{whole / simple:.2f}",
            f"{one['peak_mib']:,.0f} MiB", f"{plain['peak_mib']:,.0f} MiB",
        )  # fmt: skip
    return shown


def _apart(folder: Path, companies: int, buckets: int) -> Figures:
    """Measure in a process of its own; 0 buckets is the plain one."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "2"}
    arguments = [str(Path(__file__)), str(folder), str(companies), str(buckets)]
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _measured(folder: Path, companies: int, buckets: int) -> Figures:
    # Evenly filled buckets: so many companies are computed together by the enclave.
    first, last = next(groups((companies,), buckets)) if buckets else (0, 0)
    at_once = companies * (last - first + 1) // buckets if buckets else companies
    began = time.perf_counter()
    panel, catalogue = central.panel_of(folder, PERIOD, target="failure", at_once=at_once)
    middle = time.perf_counter()
    rows, columns = panel.values.shape
    if buckets:
        train_and_score(panel, catalogue)
    else:
        failing = np.zeros(panel.companies, np.bool_)
        failing[panel.company[panel.labels == 1]] = True
        held = (split.parts(panel.same, failing) == split.HELD)[panel.company]
        text, *_ = training.train_held(
            panel.values, panel.labels, catalogue.names, np.flatnonzero(~held).astype(np.int32),
            np.flatnonzero(held).astype(np.int32),
        )  # fmt: skip
        lightgbm.Booster(model_str=text).predict(panel.scored, num_threads=2)
    return {
        "features": middle - began,
        "model": time.perf_counter() - middle,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rows": rows,
        "columns": columns,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("companies", type=int)
    parser.add_argument("buckets", type=int)
    asked = parser.parse_args()
    sys.stdout.write(json.dumps(_measured(asked.folder, asked.companies, asked.buckets)))
