"""How sure a figure is: 95 % intervals by resampling companies.

Rows of one company are not independent, so whole companies are drawn, with replacement, as many as there are.  The draw
is fixed: the same rows give the same intervals.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RESAMPLES: Final = 200
_SEED: Final = 20190403
_CELLS_AT_ONCE: Final = 4_000_000


def intervals(
    company: npt.NDArray[np.int32], measures: Callable[[Floats], Mapping[str, Floats]], resamples: int = RESAMPLES
) -> dict[str, tuple[float, float, float]]:
    """Each figure with the bounds of its 95 % interval; NaN where it means nothing.

    Args:
        company: of each row, any numbers, ascending.
        measures: from weights, shape (sets, rows), to figures, each of shape (sets,).
        resamples: how many.
    """
    _, place = np.unique(company, return_inverse=True)
    count = int(place[-1]) + 1
    point = measures(np.ones((1, len(company))))
    random = np.random.Generator(np.random.PCG64(_SEED))
    drawn: dict[str, list[Floats]] = {name: [] for name in point}
    step = max(1, _CELLS_AT_ONCE // len(company))
    for start in range(0, resamples, step):
        sets = min(step, resamples - start)
        weights = np.stack([np.bincount(random.integers(0, count, count), minlength=count) for _ in range(sets)])
        for name, values in measures(weights[:, place].astype(np.float64)).items():
            drawn[name].append(values)
    return {
        name: (float(value[0]), *_bounds(np.concatenate(drawn[name]))) for name, value in point.items()
    }  # fmt: skip


def _bounds(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)
