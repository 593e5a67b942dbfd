"""The model: what it foresees, its one training, its scores, their levels and their reasons."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.model.explanation import Explanation, explain
from vigie_hub.enclave.model.levels import NONE, Levels, levels
from vigie_hub.enclave.model.panel import Panel, PanelBuilder
from vigie_hub.enclave.model.training import digest, train

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
        model: SHA-256 of the model's text.
    """

    keys: pa.Array
    score: npt.NDArray[np.float64]
    level: Levels
    values: npt.NDArray[np.float64]
    explanation: Explanation
    model: bytes


def train_and_score(panel: Panel, catalogue: Catalogue, tell: Callable[[int, int], None] | None = None) -> Scores:
    """Train on the labelled rows of a panel and score its companies.

    Args:
        panel: from :class:`PanelBuilder`.
        catalogue: the features that its columns are.
        tell: takes the rounds done and their total, from time to time.

    Raises:
        Refused: claim ``training``: the labelled rows have fewer than two outcomes.
    """
    booster = train(panel.values, panel.labels, catalogue.names, tell)
    score = np.zeros(0)
    if len(panel.keys):
        score = np.asarray(booster.predict(panel.scored, num_threads=2), np.float64)
    level = levels(score, panel.strong)
    explanation = explain(booster, panel.scored, np.flatnonzero(level > NONE))
    return Scores(panel.keys, score, level, panel.scored, explanation, digest(booster))
