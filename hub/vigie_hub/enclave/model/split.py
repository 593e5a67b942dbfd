"""Which rows are learnt from, which the score is tuned on, and which it is judged by: by month and by company at once.

::

    evaluation   fit ─────────── calibration ──   gap (the horizon)   ── test        test companies are in neither of the others
    the model    fit ──────────────────────────────────────── calibration            fit companies are not in calibration

The evaluation stands where a run would have stood at the first test month: what it learns from ends one horizon before,
so that every outcome it used was known then.  The model that scores is then made in the same way, later.

The part of a company follows from the rank of its own content (:mod:`~vigie_hub.enclave.model.identity`), never from its
key: keys differ between exchanges, and scores must not (docs/adr/0017).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

FIT: Final = 0
HELD: Final = 1
TEST: Final = 2
_PARTS: Final = np.array([FIT, HELD, TEST, FIT, FIT, TEST, FIT, HELD, FIT, TEST], np.int8)
"""Part of the company of each rank, over and over: half to fit, a fifth to calibrate, three tenths to judge by."""

_LEAST_SHARE: Final = 3
_MOST_SHARE: Final = 12
_LEAST_FIT: Final = 6
"""Months."""

LEAST_FAILING: Final = 10
"""Failing companies that each part needs: with fewer, a threshold or a figure would be chance."""


@dataclass(frozen=True)
class Windows:
    """First and last month of each use.

    Attributes:
        fit: the trees grow on these.
        calibration: the number of trees, the calibration and the thresholds come from these.
        test: the figures come from these; None for the model that scores.
    """

    fit: tuple[int, int]
    calibration: tuple[int, int]
    test: tuple[int, int] | None = None


def model_windows(first: int, last: int) -> Windows | None:
    """Windows of the model that scores, from the first and last labelled month; None when they are too few."""
    share = _share(first, last)
    windows = Windows((first, last - share), (last - share + 1, last))
    return windows if windows.fit[1] - first + 1 >= _LEAST_FIT else None


def evaluation_windows(first: int, last: int, horizon: int) -> Windows | None:
    """Windows of the evaluation; None when the history is too short for a gap of ``horizon`` months."""
    share = _share(first, last)
    test = (last - share + 1, last)
    learnt = test[0] - horizon
    windows = Windows((first, learnt - share), (learnt - share + 1, learnt), test)
    return windows if windows.fit[1] - first + 1 >= _LEAST_FIT else None


def _share(first: int, last: int) -> int:
    return max(_LEAST_SHARE, min(_MOST_SHARE, (last - first + 1) // 7))


def parts(same: npt.NDArray[np.int32], failing: Mask) -> npt.NDArray[np.int8]:
    """The part of each company: ``FIT``, ``HELD`` or ``TEST``.

    Args:
        same: rank of each company's content, equal for equal content, ascending; length k.
        failing: whether each has a bad outcome among its rows.  Failing companies are dealt out apart from the others, so
            that each part has its share of them; equal content fails alike.
    """
    result = np.zeros(len(same), np.int8)
    for kind in (failing, ~failing):
        _, rank = np.unique(same[kind], return_inverse=True)
        result[kind] = _PARTS[rank % len(_PARTS)]
    return result


def rows_in(month: Integers, window: tuple[int, int], company: Integers, chosen: Mask) -> npt.NDArray[np.int32]:
    """Ascending indices of the rows in ``window`` of the companies ``chosen``."""
    return np.flatnonzero((month >= window[0]) & (month <= window[1]) & chosen[company]).astype(np.int32)


def enough(labels: npt.NDArray[np.uint8], company: Integers, rows: npt.NDArray[np.int32]) -> bool:
    """Whether some rows hold enough failing companies, and as many others."""
    bad = labels[rows] == 1
    least = min(len(np.unique(company[rows[bad]])), len(np.unique(company[rows[~bad]])))
    return least >= LEAST_FAILING
