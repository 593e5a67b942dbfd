"""What the users of a list care for, as numbers: pure functions of scores, outcomes and weights.

Everything is computed for many sets of weights at once, on rows that were ranked a single time: a resample of companies is
a weight for each row (:mod:`.resampling`).  Equal scores are one step: no figure depends on the order of equals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]

TOP_PERCENT: Final = (1, 2, 5)
BINS: Final = 10
"""Of the calibration: equal counts of rows by score."""


@dataclass(frozen=True)
class Ranked:
    """Rows by descending score.

    Attributes:
        order: from rank to row; equals stand in the order of the rows.
        score, label: in that order.
        ends: rank of the last row of each distinct score.
        bins: first rank of each calibration bin.
    """

    order: npt.NDArray[np.intp]
    score: Floats
    label: Floats
    ends: npt.NDArray[np.intp]
    bins: npt.NDArray[np.intp]

    @classmethod
    def of(cls, score: Floats, label: Labels) -> "Ranked":
        """Rank rows; there is at least one."""
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        bins = np.unique(np.arange(BINS) * len(order) // BINS)
        return cls(order, ranked, label[order].astype(np.float64), ends, bins)

    def cut(self, threshold: float) -> int:
        """How many rows score at least ``threshold``."""
        return int(np.searchsorted(-self.score, -threshold, side="right"))


def measure(ranked: Ranked, weights: Floats, thresholds: Mapping[str, float]) -> dict[str, Floats]:
    """Every figure for every set of weights; NaN where it means nothing (no failing row, an empty list).

    Args:
        ranked: the rows.
        weights: shape (sets, rows), in the order of the rows as they came.
        thresholds: name of a list to the score from which on a row is on it.

    Returns:
        ``base_rate``, ``aucpr``, ``roc_auc``, ``brier``, ``ece``, and for each list, those of :data:`TOP_PERCENT` (``top_1``)
        included, ``<list>.share``, ``<list>.precision``, ``<list>.recall``; each of shape (sets,).
    """
    w = weights[:, ranked.order]
    hit = np.cumsum(w * ranked.label, axis=1)
    seen = np.cumsum(w, axis=1)
    bad, total = hit[:, -1], seen[:, -1]
    tp, n = hit[:, ranked.ends], seen[:, ranked.ends]
    before = np.concatenate([np.zeros((len(w), 1)), tp[:, :-1]], axis=1)
    fp = n - tp
    fp_before = np.concatenate([np.zeros((len(w), 1)), fp[:, :-1]], axis=1)
    error = ranked.score - ranked.label
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "base_rate": bad / total,
            "aucpr": np.sum((tp - before) * np.where(n > 0, tp / n, 0.0), axis=1) / bad,
            "roc_auc": np.sum((fp - fp_before) * (tp + before) / 2, axis=1) / (bad * (total - bad)),
            "brier": np.sum(w * error**2, axis=1) / total,
            "ece": np.abs(np.add.reduceat(w * error, ranked.bins, axis=1)).sum(axis=1) / total,
        }
        for name, threshold in thresholds.items():
            at = ranked.cut(threshold) - 1
            nothing = np.zeros(len(w))
            found |= _list(name, hit[:, at] if at >= 0 else nothing, seen[:, at] if at >= 0 else nothing, bad, total)
        for percent in TOP_PERCENT:
            place = np.argmax(n >= (total * percent / 100)[:, None], axis=1)[:, None]
            here, there = np.take_along_axis(tp, place, 1)[:, 0], np.take_along_axis(n, place, 1)[:, 0]
            found |= _list(f"top_{percent}", here, there, bad, total)
    return found


def _list(name: str, hit: Floats, seen: Floats, bad: Floats, total: Floats) -> dict[str, Floats]:
    return {f"{name}.share": seen / total, f"{name}.precision": hit / seen, f"{name}.recall": hit / bad}


def top(ranked: Ranked, percent: float) -> int:
    """How many rows are in the top ``percent`` of the scores, equals of the last one included."""
    wanted = len(ranked.order) * percent / 100
    return int(ranked.ends[int(np.argmax(ranked.ends + 1 >= wanted))]) + 1


def psi(reference: Floats, current: Floats, bins: int = BINS) -> float:
    """Population stability index of one feature: how far its values moved; missing is a bin of its own.

    0.1 is commonly read as a change, 0.25 as a great one.  Bins are the deciles of ``reference``; a share below 0.0001
    counts as that.

    Args:
        reference: values when the model learnt.
        current: values that are scored.
        bins: of the values that are there.
    """
    if not len(reference) or not len(current):
        return 0.0
    known = reference[~np.isnan(reference)]
    places = np.unique(np.arange(1, bins) * len(known) // bins)
    edges = np.unique(np.partition(known, places)[places]) if len(known) else np.zeros(0)
    shares = []
    for values in (reference, current):
        missing = np.isnan(values)
        place = np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right"))
        shares.append(np.maximum(np.bincount(place, minlength=len(edges) + 2) / len(values), 1e-4))
    then, now = shares
    return float(np.sum((now - then) * np.log(now / then)))


def stability(company: npt.NDArray[np.int32], month: npt.NDArray[np.int32], listed: npt.NDArray[np.bool_]) -> float:
    """Share of the companies on a list that are on the next month's too, among those that are looked at then.

    Args:
        company, month: of each row; rows are unique by both.
        listed: whether the row is on the list.

    Returns:
        Over all pairs of months one apart; NaN without any.
    """
    if not len(month):
        return float("nan")
    first = int(month.min())
    # Every company and month has a number; a row's next month is the number after it.
    number = company.astype(np.int64) * (int(month.max()) - first + 2) + (month - first)
    order = np.argsort(number, kind="stable")
    number, on = number[order], listed[order]
    follows = number[1:] == number[:-1] + 1
    pairs = on[:-1] & follows
    return float(np.mean(on[1:][pairs])) if pairs.any() else float("nan")


@dataclass(frozen=True)
class Lead:
    """How early failures were seen.

    Attributes:
        failing: companies with a proceeding that were looked at before it.
        flagged: how many of them were on the list in some month before it.
        months: of those, months from the first time to the proceeding, ascending.
        at: months ahead → (companies looked at exactly then, how many of them were on the list).
    """

    failing: npt.NDArray[np.int32]
    flagged: npt.NDArray[np.int32]
    months: npt.NDArray[np.int64]
    at: Mapping[int, tuple[int, int]]


def lead_time(
    company: npt.NDArray[np.int32],
    month: npt.NDArray[np.int32],
    listed: npt.NDArray[np.bool_],
    proceeding: npt.NDArray[np.int32],
    horizon: int,
    ahead: Sequence[int] = (6, 12, 18),
) -> Lead:
    """Months between the first alert and the proceeding, and the share flagged so many months ahead.

    Args:
        company, month: of each row.
        listed: whether the row is on the list.
        proceeding: month of each company's first one.
        horizon: rows further ahead of the proceeding are not counted.
        ahead: months ahead to look at.
    """
    left = proceeding[company].astype(np.int64) - month
    counted = (left > 0) & (left <= horizon)
    failing = np.unique(company[counted])
    seen = counted & listed
    flagged = np.unique(company[seen])
    first = np.full(int(company.max()) + 1 if len(company) else 0, -1, np.int64)
    np.maximum.at(first, company[seen], left[seen])
    at = {}
    for months in ahead:
        here = left == months
        at[months] = (int(np.count_nonzero(here)), int(np.count_nonzero(here & listed)))
    return Lead(failing, flagged, np.sort(first[flagged]), at)
