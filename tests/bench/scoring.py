"""``scripts/bench scoring --quality``: the ranking on generated files beside a logistic regression and the debt-ratio rule.

``scripts/bench scoring --sizes``: features, training and scoring by number of companies (:mod:`bench.scoring_sizes`).

``scripts/bench scoring --panels``: real panels through whole exchanges beside one process (:mod:`bench.panels`).
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import panels, scoring_sizes
from bench.scoring_quality import FIGURES, Compared, compare, of_files
from support.panels import KINDS
from vigie.demo.generate import generate

PERIOD = "2021-04"


def main() -> int:
    """Generate, compare, print; 1 when the trees are not above both beyond what chance would do."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--quality", action="store_true", help="compare the ranking")
    what.add_argument("--sizes", action="store_true", help="measure time and memory by number of companies")
    what.add_argument("--panels", action="store_true", help="compare whole exchanges with one process on real panels")
    parser.add_argument("--set", action="append", choices=list(KINDS), help="with --panels: only this one")
    parser.add_argument("--case", action="append", choices=panels.CASES, help="with --panels: only this one")
    parser.add_argument("--folds", type=int, help="with --panels: only the first so many")
    parser.add_argument("--size", action="append", type=int, help="with --sizes: only so many companies")
    parser.add_argument("--companies", type=int, default=50_000)
    parser.add_argument("--months", type=int, default=60)
    parser.add_argument(
        "--seed", action="append", type=int, help="with --quality: a world, may be given again (default: 1)"
    )
    parser.add_argument("--target", default="failure")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    if asked.sizes:
        return scoring_sizes.main(asked.size or scoring_sizes.SIZES, asked.json)
    if asked.panels:
        return panels.main(asked.set or list(KINDS), asked.case or list(panels.CASES), asked.folds, asked.json)
    said, seconds = [], []
    seeds = asked.seed or [1]
    for seed in seeds:
        with tempfile.TemporaryDirectory() as scratch:
            generate(Path(scratch), companies=asked.companies, months=asked.months, seed=seed, last_month=PERIOD)
            began = time.perf_counter()
            said.append(of_files(Path(scratch), PERIOD, asked.target))
            seconds.append(time.perf_counter() - began)
        if len(seeds) > 1:
            Console().print(table(compare(said[-1:]), f"seed {seed}: "))
    found = compare(said)
    Console().print(table(found))
    if asked.json:
        asked.json.write_text(json.dumps({"seconds": seconds, **vars(found)}, indent=1) + "\n")
    return 0 if found.better else 1


def table(found: Compared, of: str = "") -> Table:
    """The comparison for a person."""
    shown = Table(title=f"{of}{found.rows} rows, {found.failing} failing companies, base rate {found.base_rate:.2%}")
    for column in ("", "AUCPR [95 %]", "precision in the top 1 % [95 %]"):
        shown.add_column(column)
    told = {**found.figures, **{f"trees above {name}": figures for name, figures in found.lead.items()}}
    for name, figures in told.items():
        shown.add_row(name, *("{:.4f} [{:.4f}, {:.4f}]".format(*figures[one]) for one in FIGURES))
    return shown


if __name__ == "__main__":
    sys.exit(main())
