"""Why a company is alerted: the contribution of each feature to its score, in log-odds (TreeSHAP).

Contributions add up to the score: base + sum of contributions = log(p / (1 - p)).  They are computed for alerted companies
and for those that somebody asked for (:mod:`vigie_hub.enclave.asked`): for all of them it would take minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """Contributions of some companies.

    Attributes:
        rows: which companies, as ascending indices into those scored; length a.
        contributions: shape (a, features), log-odds.
        base: log-odds of a company of which nothing is known.
    """

    rows: npt.NDArray[np.intp]
    contributions: Matrix
    base: float


def explain(booster: lightgbm.Booster, scored: Matrix, rows: npt.NDArray[np.intp]) -> Explanation:
    """Contributions of the companies ``rows`` of the matrix ``scored``."""
    if not len(rows):
        return Explanation(rows, np.zeros((0, scored.shape[1])), 0.0)
    raw = np.asarray(booster.predict(scored[rows], pred_contrib=True, num_threads=2), np.float64)
    return Explanation(rows, raw[:, :-1], float(raw[0, -1]))


def total(contributions: Matrix, columns: Sequence[int]) -> npt.NDArray[np.float64]:
    """Sum of some columns per row, added in the order given so that its bits are always the same."""
    result = np.zeros(len(contributions), np.float64)
    for column in columns:
        result += contributions[:, column]
    return result


def strongest(contributions: Matrix, allowed: Sequence[int], count: int) -> npt.NDArray[np.intp]:
    """The features that speak most for an alert.

    Args:
        contributions: shape (a, features).
        allowed: the features that may be named.
        count: how many.

    Returns:
        Shape (a, count): feature indices, greatest contribution first, -1 where fewer speak for it.  Equal contributions
        keep the catalogue's order.
    """
    result = np.full((len(contributions), count), -1, np.intp)
    if not len(allowed):
        return result
    places = np.asarray(allowed, np.intp)
    some = contributions[:, places]
    order = np.argsort(-some, axis=1, kind="stable")[:, :count]
    chosen = np.take_along_axis(some, order, axis=1)
    result[:, : order.shape[1]] = np.where(chosen > 0, places[order], -1)
    return result
