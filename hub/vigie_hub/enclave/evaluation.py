"""What a run publishes about the quality of its model: figures on rows that it had not seen, under the disclosure rule.

The schema is that of docs/spec/run.md section 5.  A list (or a point of a curve) is told only when the companies between
it and the next shorter and longer list told are a cell that may be told: two lists that differ by one company would say
what became of it.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import rfc8785

from vigie.convention import Disclosure
from vigie.datasets.departments import DEPARTMENTS
from vigie_hub.enclave.disclosure import complementary, disclosed, may_tell
from vigie_hub.enclave.model import Panel, Scores
from vigie_hub.enclave.model.learning import Judged
from vigie_hub.enclave.model.levels import NONE
from vigie_hub.enclave.model.measures import TOP_PERCENT, Ranked, lead_time, measure, psi, stability, top
from vigie_hub.enclave.model.resampling import RESAMPLES, intervals
from vigie_hub.enclave.months import month_text

HIGH_LIST: Final = "Alerte seuil F1"
BOTH_LISTS: Final = "Alerte seuil F1 + F2"
NOT_MEASURED: Final = "not measured in this run"
MOST_BYTES: Final = 36_000
"""Of the metrics, as canonical JSON: a run statement holds 65 535 bytes, and the model card needs its part."""

_SHARES: Final = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75)
"""Percent of the rows at which the curve of precision and recall is told."""
_DRIFT_MONTHS: Final = 12
_GIVE_WAY: Final = ("departements", "sectors", "curve")
"""What is left out, in this order, when the metrics are too long."""
_LEAST_IMPORTANT: Final = 40

Integers = npt.NDArray[np.int32]


def published(scores: Scores, panel: Panel, names: Sequence[str], rule: Disclosure) -> dict[str, Any]:
    """The metrics of a run.

    Args:
        scores: of the run.
        panel: that it was made from.
        names: of the features.
        rule: the disclosure rule of the convention.
    """
    failing, others = disclosed(panel.failing, rule), disclosed(panel.companies - panel.failing, rule)
    companies = disclosed(panel.companies, rule)
    known = failing is not None and others is not None and companies
    learnt = scores.learnt
    metrics: dict[str, Any] = {
        "base_rate_companies": round(failing / companies, 4) if known and failing is not None and companies else None,
        "out_of_sample": NOT_MEASURED,
        "reason": learnt.unjudged,
        "strong_signals": _strong(scores, panel, rule),
        "list": _listed(scores, rule),
        "importance": _importance(scores, names, rule),
        "drift": _drift(panel, names, rule),
    }
    if learnt.judged is not None:
        metrics["out_of_sample"] = _out_of_sample(panel, learnt.judged, rule)
    return _shortened(metrics)


def _out_of_sample(panel: Panel, judged: Judged, rule: Disclosure) -> dict[str, Any]:
    rows, score, thresholds = judged.rows, judged.score, judged.model.thresholds
    assert thresholds is not None  # noqa: S101 - a model that is judged was calibrated
    label, company, month = panel.labels[rows], panel.company[rows], panel.month[rows]
    ranked = Ranked.of(score, label)
    lists = {HIGH_LIST: thresholds.high, BOTH_LISTS: thresholds.moderate}
    found = intervals(company, lambda weights: measure(ranked, weights, lists))
    lines = _Lines(ranked, company, rule)
    told_lists = {name: lines.take(ranked.cut(threshold)) for name, threshold in lists.items()}
    told_lists |= {f"top_{percent}": lines.take(top(ranked, percent)) for percent in TOP_PERCENT}
    listed = score >= thresholds.moderate
    assert judged.windows.test is not None  # noqa: S101 - as above
    fitted, held, tested = (disclosed(count, rule) for count in judged.companies)
    windows = {
        "fit": judged.windows.fit, "calibration": judged.windows.calibration, "test": judged.windows.test,
    }  # fmt: skip
    return {
        "protocol": {
            **{name: [month_text(month) for month in window] for name, window in windows.items()},
            "gap_months": panel.horizon,
            "companies": {"fit": fitted, "calibration": held, "test": tested},
            "in_two_parts": "no company",
            "strong_signals": "left out",
            "resamples": RESAMPLES,
            "rounds": judged.model.rounds,
            "thresholds": {"high": _number(thresholds.high), "moderate": _number(thresholds.moderate)},
        },
        "lists": {
            name: {part: _figure(found[f"{name}.{part}"]) for part in ("share", "precision", "recall")}
            if told
            else None
            for name, told in told_lists.items()
        },
        "aucpr": _figure(found["aucpr"]),
        "base_rate": _figure(found["base_rate"]),
        "lead_time": _lead(panel, company, month, listed, rule),
        "brier": _figure(found["brier"]),
        "ece": _figure(found["ece"]),
        "calibration": _calibration(ranked, company, rule),
        "stability": _number(stability(company, month, listed)) if may_tell(company[listed], rule) else None,
        "roc_auc": _figure(found["roc_auc"]),
        "curve": lines.curve(),
        "sectors": _by_area(panel.sector, "{:02d}".format, company, label, listed, rule),
        "departements": _by_area(panel.departement, DEPARTMENTS.__getitem__, company, label, listed, rule),
    }


class _Lines:
    """Nested lists, each told only if it differs enough from those that were told before."""

    def __init__(self, ranked: Ranked, company: Integers, rule: Disclosure) -> None:
        self._ranked = ranked
        self._company = company[ranked.order]
        self._rule = rule
        self._told = [0, len(ranked.order)]

    def take(self, rows: int) -> bool:
        """Whether the list of the first ``rows`` may be told; it counts as told then."""
        if rows in self._told:
            return True
        place = bisect_left(self._told, rows)
        around = ((self._told[place - 1], rows), (rows, self._told[place]))
        if not all(self._cell(first, last) for first, last in around):
            return False
        self._told.insert(place, rows)
        return True

    def _cell(self, first: int, last: int) -> bool:
        company, bad = self._company[first:last], self._ranked.label[first:last] == 1
        return may_tell(company[bad], self._rule) and may_tell(company[~bad], self._rule)

    def curve(self) -> list[list[float | None]]:
        """Share of the rows, precision and recall of each list told."""
        hit = np.cumsum(self._ranked.label)
        for share in _SHARES:
            self.take(top(self._ranked, share))
        size = len(hit)
        return [
            [_number(rows / size), _number(hit[rows - 1] / rows), _number(hit[rows - 1] / hit[-1])]
            for rows in self._told[1:]
        ]


def _calibration(ranked: Ranked, company: Integers, rule: Disclosure) -> list[list[float | None]]:
    """Announced against observed, by tenths of the rows from the highest score down; tenths that may not be told are one
    with the next.
    """
    bad = ranked.label == 1
    named = company[ranked.order]
    edges = [*ranked.bins.tolist(), len(named)]
    cells: list[tuple[int, int]] = []
    start = 0
    for end in edges[1:]:
        part = slice(start, end)
        if may_tell(named[part][bad[part]], rule) and may_tell(named[part][~bad[part]], rule):
            cells.append((start, end))
            start = end
    if start < len(named) and cells:
        cells[-1] = (cells[-1][0], len(named))
    return [
        [
            _number((end - first) / len(named)),
            _number(ranked.score[first:end].mean()),
            _number(ranked.label[first:end].mean()),
        ]
        for first, end in cells
    ]


def _lead(
    panel: Panel, company: Integers, month: Integers, listed: npt.NDArray[np.bool_], rule: Disclosure
) -> dict[str, Any] | None:
    lead = lead_time(company, month, listed, panel.proceeding, panel.horizon)
    flagged, missed = len(lead.flagged), len(lead.failing) - len(lead.flagged)
    if not _both(flagged, missed, rule):
        return None
    at = {
        str(months): _number(seen / looked) if looked and _both(seen, looked - seen, rule) else None
        for months, (looked, seen) in lead.at.items()
    }
    return {
        "failing_companies": disclosed(len(lead.failing), rule),
        "flagged": _number(flagged / max(1, flagged + missed)),
        "median_months": _number(float(np.median(lead.months))) if flagged else None,
        "quarters_months": [_number(value) for value in np.quantile(lead.months, (0.25, 0.75))] if flagged else None,
        "flagged_months_ahead": at,
    }


def _both(one: int, other: int, rule: Disclosure) -> bool:
    return disclosed(one, rule) is not None and disclosed(other, rule) is not None


def _by_area(
    area: Integers,
    name_of: Callable[[int], str],
    company: Integers,
    label: npt.NDArray[np.uint8],
    listed: npt.NDArray[np.bool_],
    rule: Disclosure,
) -> dict[str, dict[str, float | None] | None]:
    """Base rate, list and its precision and recall, for each sector or département that is known."""
    if not len(area):
        return {}
    of_row = area[company]
    told: dict[str, dict[str, float | None] | None] = {}
    size: dict[str, int] = {}
    for code in np.unique(of_row[of_row >= 0]).tolist():
        mine = of_row == code
        bad, on = mine & (label == 1), mine & listed
        cells = (bad & on, bad & ~on, mine & (label == 0) & listed, mine & (label == 0) & ~listed)
        name = name_of(code)
        size[name] = len(np.unique(company[mine]))
        told[name] = (
            {
                "companies": disclosed(size[name], rule),
                "base_rate": _number(bad.sum() / mine.sum()),
                "share": _number(on.sum() / mine.sum()),
                "precision": _number((bad & on).sum() / on.sum()) if on.any() else None,
                "recall": _number((bad & on).sum() / bad.sum()) if bad.any() else None,
            }
            if all(may_tell(company[cell], rule) for cell in cells)
            else None
        )
    return complementary(told, size)


def _strong(scores: Scores, panel: Panel, rule: Disclosure) -> dict[str, Any]:
    """Companies in proceedings at the period: how many, and what share the thresholds would have put on a list."""
    count = int(panel.strong.sum())
    thresholds = scores.learnt.model.thresholds
    told = disclosed(count, rule) if disclosed(len(panel.strong) - count, rule) is not None else None
    share = None
    if thresholds is not None and count and told is not None:
        on = int((scores.score[panel.strong] >= thresholds.moderate).sum())
        share = _number(on / count) if _both(on, count - on, rule) else None
    return {"companies": told, "would_be_listed": share}


def _listed(scores: Scores, rule: Disclosure) -> dict[str, float | None]:
    """Share of the companies without a proceeding at each level or above, at the period."""
    judged = scores.level[scores.level >= NONE]
    counts = {name: int((judged >= level).sum()) for name, level in ((HIGH_LIST, NONE + 2), (BOTH_LISTS, NONE + 1))}
    steps = [counts[HIGH_LIST], counts[BOTH_LISTS] - counts[HIGH_LIST], len(judged) - counts[BOTH_LISTS]]
    if not len(judged) or any(disclosed(step, rule) is None for step in steps):
        return dict.fromkeys(counts)
    return {name: _number(count / len(judged)) for name, count in counts.items()}


def _importance(scores: Scores, names: Sequence[str], rule: Disclosure) -> dict[str, list[float | None]]:
    """Share of each feature in the trees' gain, and in the contributions of the listed companies; greatest gain first."""
    if not names:
        return {}
    gain = np.asarray(scores.learnt.model.booster.feature_importance("gain"), np.float64)
    gain = gain / gain.sum() if gain.sum() else gain
    # What partners ask is their own: the figure is of the lists alone.
    listed = scores.level[scores.explanation.rows] > NONE
    shap = _contributions(scores.explanation.contributions[listed])
    tell = disclosed(int(listed.sum()), rule) is not None
    order = np.argsort(-gain, kind="stable")[:_LEAST_IMPORTANT]
    return {names[place]: [_number(gain[place]), _number(shap[place]) if tell else None] for place in order.tolist()}


def _contributions(contributions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = np.abs(contributions).sum(axis=0)
    return np.asarray(total / total.sum() if total.sum() else total, np.float64)


def _drift(panel: Panel, names: Sequence[str], rule: Disclosure) -> dict[str, float | None]:
    """PSI of each feature between the last labelled year and the companies scored."""
    current = np.flatnonzero(~panel.strong)
    if panel.months is None or not len(panel.month) or len(current) < rule.minimum_cell:
        return {}
    recent = np.flatnonzero(panel.month > panel.months[1] - _DRIFT_MONTHS)
    if not may_tell(panel.company[recent], rule):
        return {}
    return {
        name: _number(psi(panel.values[recent, place], panel.scored[current, place]))
        for place, name in enumerate(names)
    }


def _figure(found: tuple[float, float, float]) -> list[float | None]:
    return [_number(value) for value in found]


def _number(value: float) -> float | None:
    """Four decimals; None for what means nothing."""
    return round(float(value), 4) + 0.0 if np.isfinite(value) else None


def _shortened(metrics: dict[str, Any]) -> dict[str, Any]:
    """Leave parts out until the metrics fit into a run statement, and name them."""
    left_out: list[str] = []
    inner = metrics["out_of_sample"]
    steps: list[tuple[str, Callable[[], Any]]] = []
    if isinstance(inner, dict):
        steps += [(name, lambda name=name: inner.pop(name)) for name in _GIVE_WAY]  # type: ignore[misc]
    steps.append(("drift", lambda: metrics.update(drift=_greatest(metrics["drift"]))))
    for name, leave_out in steps:
        if len(rfc8785.dumps(metrics)) <= MOST_BYTES:
            break
        leave_out()
        left_out.append(name)
    return {**metrics, "left_out": left_out}


def _greatest(drift: Mapping[str, float | None]) -> dict[str, float | None]:
    """The features that moved most."""
    ordered = sorted(drift.items(), key=lambda item: (-(item[1] or 0.0), item[0]))
    return dict(ordered[:100])
