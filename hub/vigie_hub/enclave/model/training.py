"""Training: one LightGBM setting for all, and an order of rows that does not depend on the companies' keys.

Rows are put in the order of their *content* before training.  A reference keyed by SIREN and the enclave, keyed by
pseudonym, so train on the same bytes, and the same order over the same lots gives the same model bit for bit -- not
because sums of floating-point numbers happen to agree in two orders, but because there is only one order.
"""

import hashlib
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

_PRIMES: Final = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


def train(
    values: Matrix,
    labels: npt.NDArray[np.uint8],
    names: Sequence[str],
    tell: Callable[[int, int], None] | None = None,
) -> lightgbm.Booster:
    """Train on labelled rows, given in any order.

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
    order = content_order(values, labels)
    settings = {**SETTINGS, "bin_construct_sample_cnt": len(labels)}
    data = lightgbm.Dataset(
        values[order], labels[order].astype(np.float64), feature_name=list(names), params=settings, free_raw_data=True
    )

    def after_round(state: Any) -> None:
        if tell is not None and (state.iteration + 1) % TELL_EVERY == 0:
            tell(state.iteration + 1, ROUNDS)

    return lightgbm.train(settings, data, num_boost_round=ROUNDS, callbacks=[after_round])


def content_order(values: Matrix, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """The order of rows by outcome and by 128 bits of hash of their values; equal rows are interchangeable."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    hashes = [np.full(len(values), prime, np.uint64) for prime in _PRIMES]
    for column in range(bits.shape[1]):
        for place, prime in enumerate(_PRIMES):
            mixed = (hashes[place] ^ bits[:, column]) * prime
            hashes[place] = mixed ^ (mixed >> np.uint64(29))
    return np.lexsort((hashes[1], hashes[0], labels))


def digest(booster: lightgbm.Booster) -> bytes:
    """SHA-256 of the model's text, 32 bytes."""
    return hashlib.sha256(booster.model_to_string().encode()).digest()
