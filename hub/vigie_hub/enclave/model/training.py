"""Training: one LightGBM setting for all, whose result does not depend on the order of the rows.

Rows come by company and month, companies in the order of their keys.  A reference keyed by SIREN has them in another
order, and must get the same model bit for bit: bins see every row (``bin_construct_sample_cnt``), nothing is sampled, and
the library runs deterministic.  See docs/adr/0004 for what was measured.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

from vigie.errors import Refused

Matrix = npt.NDArray[np.float64]

ROUNDS: Final = 300
TELL_EVERY: Final = 20
SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "max_bin": 255,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "num_threads": 2,
    "verbose": -1,
}
"""Constant: nothing about a model is tuned in a run.  ``bin_construct_sample_cnt`` is the number of rows."""


def train(
    values: Matrix,
    labels: npt.NDArray[np.uint8],
    names: Sequence[str],
    tell: Callable[[int, int], None] | None = None,
) -> lightgbm.Booster:
    """Train on labelled rows; their order does not matter.

    Args:
        values: shape (rows, features), float64, unknown as NaN.
        labels: outcomes, 0 or 1.
        names: of the features, in canonical order.
        tell: takes the rounds done and their total, every :data:`TELL_EVERY` rounds.

    Raises:
        Refused: claim ``training``: there is only one outcome, so there is nothing to tell apart.
    """
    if len(np.unique(labels)) < 2:
        raise Refused("training", expected="both outcomes among the labelled rows", found="fewer")
    settings = {**SETTINGS, "bin_construct_sample_cnt": len(labels)}
    data = lightgbm.Dataset(values, labels.astype(np.float64), feature_name=list(names), params=settings)

    def after_round(state: Any) -> None:
        if tell is not None and (state.iteration + 1) % TELL_EVERY == 0:
            tell(state.iteration + 1, ROUNDS)

    return lightgbm.train(settings, data, num_boost_round=ROUNDS, callbacks=[after_round])


def serialised(booster: lightgbm.Booster) -> bytes:
    """The model's text, from which it scores again bit for bit."""
    text: str = booster.model_to_string()
    return text.encode()
