"""From the trees' score to a probability: isotonic regression by pool-adjacent-violators.

Trees that learn with weighted classes rank well and announce far too much.  Isotonic regression replaces their score by
the share of failures observed at about that score, without changing an order.  It gives one value to whole ranges of
scores; :meth:`Calibration.apply` mixes in a millionth of the score itself, so that equal announcements keep their order.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

KEPT_OF_THE_SCORE: Final = 1e-6


@dataclass(frozen=True)
class Calibration:
    """A non-decreasing, piecewise linear map.

    Attributes:
        scores: knots, strictly ascending.
        probabilities: the value at each knot, not descending, 0 to 1.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __post_init__(self) -> None:
        x, y = np.array(self.scores, np.float64), np.array(self.probabilities, np.float64)
        inside = len(x) == len(y) > 0 and bool(np.isfinite(x).all()) and bool(((y >= 0) & (y <= 1)).all())
        if not inside or not (np.diff(x) > 0).all() or not (np.diff(y) >= 0).all():
            raise ValueError("the knots of a calibration ascend, and its values are probabilities")

    def apply(self, scores: Floats) -> Floats:
        """Probabilities for scores, in their order, strictly ascending where the scores are."""
        found = np.interp(scores, self.scores, self.probabilities)
        return np.asarray(found + KEPT_OF_THE_SCORE * (scores - found), np.float64)


def isotonic(scores: Floats, labels: npt.NDArray[np.uint8]) -> Calibration:
    """Fit by pool-adjacent-violators; least squares among all non-decreasing maps, linear between blocks.

    Only whole numbers are added up, so the order of the rows cannot matter.

    Args:
        scores: at least one.
        labels: outcomes, 0 or 1.
    """
    x, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    bad = np.bincount(place, weights=labels, minlength=len(x)).astype(np.int64)
    # Blocks as stacks: rows, failures among them, index of the last score in them.
    rows: list[int] = []
    failures: list[int] = []
    last: list[int] = []
    for at, (count, failed) in enumerate(zip(counts.tolist(), bad.tolist(), strict=True)):
        # failed / count < failures[-1] / rows[-1], without a division
        while rows and failed * rows[-1] <= failures[-1] * count:
            count += rows.pop()
            failed += failures.pop()
            last.pop()
        rows.append(count)
        failures.append(failed)
        last.append(at)
    knots: list[float] = []
    values: list[float] = []
    start = 0
    for count, failed, end in zip(rows, failures, last, strict=True):
        for edge in sorted({start, end}):
            knots.append(float(x[edge]))
            values.append(failed / count)
        start = end + 1
    return Calibration(tuple(knots), tuple(values))
