"""Real panels, cut among three partners: every fold through a whole exchange, beside one process in the same minute.

In the case ``whole`` every partner knows every company; in ``withheld`` each does not know a fifth of them. In both, the rows of each
file are shuffled, and one partner's columns too. Equal means equal in every bit; figures are means over the folds (AUC,
AUCPR) or of all rows (Brier), beside what is published of a centralised fit (tests/support/panels.py).
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from support.exchange import make_enclave
from support.panel_exchange import PanelExchange, compared
from support.panels import LABELS, Panel, auc, aucpr, brier

CASES: Final = ("whole", "withheld")
WITHHELD: Final = 0.2


def main(sets: Sequence[str], cases: Sequence[str], folds: int | None, target: Path | None) -> int:
    """Tell an exchange for each set and case and compare; 1 when a bit differs."""
    console, found = Console(), []
    with tempfile.TemporaryDirectory() as scratch:
        enclave = make_enclave(Path(scratch) / "enclave")
        for name in sets:
            for case in cases:
                panel = Panel.read(name)
                if case == "withheld":
                    panel = panel.withheld(WITHHELD, seed=5)
                found.append(figures(panel, case, folds, Path(scratch) / f"{name}-{case}", enclave))
                console.print(json.dumps(found[-1]))
                if target:
                    target.write_text(json.dumps(found, indent=1) + "\n")
    console.print(shown(found))
    return 0 if all(one["equal"] == one["scored"] for one in found) else 1


def figures(panel: Panel, case: str, folds: int | None, folder: Path, enclave: Path) -> dict[str, Any]:
    """What one exchange about a panel gave, fold by fold."""
    chosen = list(range(folds or panel.folds))
    exchange = PanelExchange.of(panel, chosen, folder, enclave)
    partners = list(LABELS)
    began = time.perf_counter()
    try:
        exchange.begin()
        exchange.deliver()
        for fold in chosen:
            exchange.score(fold)
        exchange.fetch(partners)
    finally:
        exchange.stop()
    seconds = time.perf_counter() - began
    scored = equal = unknown = 0
    whole = np.full(len(panel.sirens), np.nan)
    for fold in chosen:
        found, reference, known = compared(exchange, fold, partners)
        unknown += int((~known).sum())
        scored += int(known.sum())
        equal += int((found[known].view(np.uint64) == reference[known].view(np.uint64)).sum())
        # Who nobody knows has no list to be in; figures are of all rows all the same, as a table has them.
        whole[panel.fold == fold] = np.where(known, found, reference)
    rows = [panel.fold == fold for fold in chosen]
    tested = np.logical_or.reduce(rows)
    return {
        "set": panel.name, "case": case, "folds": len(chosen), "scored": scored, "equal": equal, "nobody_knows": unknown,
        "auc": float(np.mean([auc(panel.outcome[one], whole[one]) for one in rows])),
        "aucpr": float(np.mean([aucpr(panel.outcome[one], whole[one]) for one in rows])),
        "brier": brier(panel.outcome[tested], whole[tested]), "published": vars(panel.published),
        "seconds": round(seconds, 1), "convention_bytes": exchange.convention.stat().st_size,
    }  # fmt: skip


def shown(found: Sequence[dict[str, Any]]) -> Table:
    """The comparison for a person."""
    table = Table(title="exchange beside one process, and beside what is published of whole tables")
    for column in ("set", "case", "folds", "scores equal in every bit", "AUC", "AUCPR", "Brier", "s"):
        table.add_column(column)
    for one in found:
        told = one["published"]
        table.add_row(
            one["set"], one["case"], str(one["folds"]), f"{one['equal']} of {one['scored']}",
            f"{one['auc']:.4f} ({told['auc']:.4f})", f"{one['aucpr']:.4f} ({told['aucpr']:.4f})",
            f"{one['brier']:.4f} ({told['brier']:.4f})", f"{one['seconds']:.0f}",
        )  # fmt: skip
    return table
