"""The model: what it foresees, its one training, its scores, their levels and their reasons."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie.errors import Refused
from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.model.explanation import Explanation, explain
from vigie_hub.enclave.model.levels import NONE, Levels, levels
from vigie_hub.enclave.model.panel import Panel, PanelBuilder
from vigie_hub.enclave.model.training import serialised, train

__all__ = ["Panel", "PanelBuilder", "Scores", "train_and_score"]


@dataclass(frozen=True)
class Scores:
    """What the model says about every company of the panel.

    Attributes:
        keys: companies, ascending; length n.
        score: probability of the target within the horizon, not calibrated; length n.
        level: index into :data:`vigie.result.LEVELS`, or -1 for a company already in proceedings; length n.
        values: the features that were scored, shape (n, features).
        explanation: contributions of the alerted companies.
        model: SHA-256 of the serialised model.
        model_bytes: the serialised model, from which `train_and_score` scores again.
    """

    keys: pa.Array
    score: npt.NDArray[np.float64]
    level: Levels
    values: npt.NDArray[np.float64]
    explanation: Explanation
    model: bytes
    model_bytes: bytes = b""


def train_and_score(
    panel: Panel,
    catalogue: Catalogue,
    tell: Callable[[int, int], None] | None = None,
    *,
    model: bytes | None = None,
) -> Scores:
    """Train on the labelled rows of a panel, or take a model that was trained before, and score its companies.

    Args:
        panel: from :class:`PanelBuilder`.
        catalogue: the features that its columns are.
        tell: takes the rounds done and their total, from time to time.
        model: a serialised model, whose digest the caller has checked; None to train.

    Raises:
        Refused: claim ``training``: the labelled rows have fewer than two outcomes; claim ``model``: the model is of
            other features than the catalogue's.
    """
    booster = train(panel.values, panel.labels, catalogue.names, tell) if model is None else load(model, catalogue)
    score = np.zeros(0)
    if len(panel.keys):
        score = np.asarray(booster.predict(panel.scored, num_threads=2), np.float64)
    level = levels(score, panel.strong)
    explanation = explain(booster, panel.scored, np.flatnonzero(level > NONE))
    said = serialised(booster) if model is None else model
    return Scores(panel.keys, score, level, panel.scored, explanation, hashlib.sha256(said).digest(), said)


def load(model: bytes, catalogue: Catalogue) -> lightgbm.Booster:
    """Read a serialised model.

    Raises:
        Refused: claim ``model``: it is none, or of other features than the catalogue's.
    """
    try:
        booster = lightgbm.Booster(model_str=model.decode())
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise Refused("model", expected="a serialised model", found="something else") from error
    if booster.feature_name() != list(catalogue.names):
        raise Refused("model", expected="a model of the catalogue's features", found="one of others")
    return booster
