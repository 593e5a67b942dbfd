"""Training: two settings, whose results do not depend on the order of the rows.

``PLAIN`` is the setting of an equality check: all labelled rows, nothing weighted, nothing held out, a fixed number of
trees.  ``SPLIT`` weighs the rare outcome and stops early on rows of held-out companies.  Both see every row when bins are
made (``bin_construct_sample_cnt``), sample nothing, and run the library deterministically (docs/adr/0004, 0014).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt

from vigie.errors import Refused

Matrix = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int32]
Tell = Callable[[int, int], None]

ROUNDS: Final = 300
"""Trees of ``PLAIN``, and the most that ``SPLIT`` grows."""
PATIENCE: Final = 50
"""Trees without a better score on the held-out rows after which ``SPLIT`` stops."""
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
SPLIT_SETTINGS: Final[dict[str, Any]] = {
    **SETTINGS,
    "learning_rate": 0.03,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
    "metric": "binary_logloss",
}
"""Settings of ``SPLIT``; what a failing row weighs follows from the outcomes: see :func:`weight`."""


def weight(labels: Labels) -> float:
    """Weight of a failing row where another weighs 1: the root of how many others there are for each.

    Full balance (the ratio itself) makes trees care for the whole ranking; the programme's lists are its first percents.
    """
    bad = int(labels.sum())
    return round(float(np.sqrt((len(labels) - bad) / bad)), 6) if bad else 1.0


def train(values: Matrix, labels: Labels, names: Sequence[str], tell: Tell | None = None) -> lightgbm.Booster:
    """Train by ``PLAIN`` on labelled rows; their order does not matter.

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
    return lightgbm.train(settings, data, num_boost_round=ROUNDS, callbacks=[_telling(tell)])


def train_held(
    values: Matrix, labels: Labels, names: Sequence[str], fit: Rows, held: Rows, tell: Tell | None = None
) -> tuple[str, int, dict[str, Any]]:
    """Train by ``SPLIT`` on some rows and stop early on others.

    All rows are binned once, an eighth of the matrix, and the parts are cut from the bins: the matrix is never copied.

    Args:
        values: shape (rows, features), float64, unknown as NaN.
        labels: outcomes, 0 or 1.
        names: of the features, in canonical order.
        fit: ascending indices of the rows that trees grow on.
        held: ascending indices of the rows whose weighted loss says when to stop.
        tell: takes the rounds done and the most there can be, every :data:`TELL_EVERY` rounds.

    Returns:
        The model's text, its number of trees, and the settings used.
    """
    settings = {**SPLIT_SETTINGS, "bin_construct_sample_cnt": len(labels)}
    failing = weight(labels[fit])
    whole = lightgbm.Dataset(
        values,
        labels.astype(np.float64),
        weight=np.where(labels == 1, failing, 1.0),
        feature_name=list(names),
        params=settings,
        free_raw_data=True,
    ).construct()
    booster = lightgbm.train(
        settings,
        _cut(whole, fit, settings),
        num_boost_round=ROUNDS,
        valid_sets=[_cut(whole, held, settings)],
        valid_names=["held"],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False), _telling(tell)],
    )
    # Where nothing can be told apart LightGBM stops at one tree, whatever was asked for.
    rounds = min(booster.best_iteration or booster.num_trees(), booster.num_trees())
    return booster.model_to_string(num_iteration=rounds), rounds, {**settings, "weight_of_failing": failing}


def _cut(whole: lightgbm.Dataset, rows: Rows, settings: dict[str, Any]) -> lightgbm.Dataset:
    return whole.subset(rows, params=settings)  # type: ignore[arg-type]  # an array of indices does as well


def _telling(tell: Tell | None) -> Callable[[Any], None]:
    def after_round(state: Any) -> None:
        if tell is not None and (state.iteration + 1) % TELL_EVERY == 0:
            tell(state.iteration + 1, ROUNDS)

    return after_round
