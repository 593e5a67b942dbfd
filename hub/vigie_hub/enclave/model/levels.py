"""Alert levels: by the two thresholds of a calibrated model, or by fixed shares where nothing could be held out.

Companies already in proceedings take no place and get no level: a list of early warnings is not about them.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from vigie.result import LEVELS
from vigie_hub.enclave.model.thresholds import Thresholds

NONE: Final = LEVELS.index("Pas d'alerte")
MODERATE: Final = LEVELS.index("Alerte seuil F2")
HIGH: Final = LEVELS.index("Alerte seuil F1")
UNSET: Final = -1
"""No level: a strong signal."""

HIGH_PERCENT: Final = 2
MODERATE_PERCENT: Final = 5

Levels = npt.NDArray[np.int8]


def levels_by_threshold(
    scores: npt.NDArray[np.float64], strong: npt.NDArray[np.bool_], thresholds: Thresholds
) -> Levels:
    """The level of each company: high from the high threshold on, moderate from the moderate one on.

    Args:
        scores: of all companies, in the unit of the thresholds.
        strong: companies already in proceedings.
        thresholds: of the model.

    Returns:
        Indices into :data:`vigie.result.LEVELS`, or ``UNSET``.
    """
    result = np.full(len(scores), NONE, np.int8)
    result[scores >= thresholds.moderate] = MODERATE
    result[scores >= thresholds.high] = HIGH
    result[strong] = UNSET
    return result


def levels(scores: npt.NDArray[np.float64], strong: npt.NDArray[np.bool_]) -> Levels:
    """The level of each company by fixed shares: the highest 2 % of scores, the next 5 %, the rest.

    Equal scores share a level: a tied group is in a level when its first member is, so a list may be longer than its
    share but never leaves out one of two companies that look the same.

    Args:
        scores: of all companies.
        strong: companies already in proceedings.

    Returns:
        Indices into :data:`vigie.result.LEVELS`, or ``UNSET``.
    """
    result = np.full(len(scores), UNSET, np.int8)
    judged = np.flatnonzero(~strong)
    ranked = np.sort(scores[judged])[::-1]
    result[judged] = NONE
    for level, percent in ((MODERATE, HIGH_PERCENT + MODERATE_PERCENT), (HIGH, HIGH_PERCENT)):
        places = -(-len(judged) * percent // 100)
        if places:
            result[judged[scores[judged] >= ranked[places - 1]]] = level
    return result
