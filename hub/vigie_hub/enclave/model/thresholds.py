"""The two alert thresholds, chosen the programme's way and never swapped.

The names mislead: ``Alerte seuil F1`` (high) is the threshold of the best F0.5, which cares for precision, ``Alerte seuil
F2`` (moderate) that of the best F2, which cares for recall.  The programme's own screens showed them swapped for a year.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

HIGH_BETA: Final = 0.5
MODERATE_BETA: Final = 2.0


@dataclass(frozen=True)
class Thresholds:
    """Scores from which on a company is alerted; ``high`` is never below ``moderate``."""

    high: float
    moderate: float

    def __post_init__(self) -> None:
        if not 0 <= self.moderate <= self.high <= 1:
            raise ValueError("the high threshold is not below the moderate one, and both are probabilities")


def choose(scores: Floats, labels: npt.NDArray[np.uint8]) -> Thresholds:
    """The thresholds of the best F0.5 and the best F2 over all scores; of equals the higher threshold.

    Args:
        scores: at least one.
        labels: outcomes, with at least one 1.
    """
    high, moderate = best(scores, labels, HIGH_BETA), best(scores, labels, MODERATE_BETA)
    return Thresholds(max(high, moderate), moderate)


def best(scores: Floats, labels: npt.NDArray[np.uint8], beta: float) -> float:
    """The score at which alerting everybody from it on gives the best F measure."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    found = np.cumsum(labels[order], dtype=np.int64)
    # A threshold can only lie between two different scores.
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    measure = (1 + beta**2) * found[ends] / (beta**2 * found[-1] + ends + 1)
    return float(ranked[ends[int(np.argmax(measure))]])
