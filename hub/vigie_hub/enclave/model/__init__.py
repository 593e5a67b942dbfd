"""The model: what it foresees, its training, its scores, their levels and their reasons."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.model.explanation import Explanation, explain
from vigie_hub.enclave.model.learning import Learnt, learn
from vigie_hub.enclave.model.levels import NONE, Levels, levels, levels_by_threshold
from vigie_hub.enclave.model.panel import Panel, PanelBuilder
from vigie_hub.enclave.model.stored import Model

__all__ = ["Model", "Panel", "PanelBuilder", "Scores", "train_and_score"]


@dataclass(frozen=True)
class Scores:
    """What the model says about every company of the panel.

    Attributes:
        keys: companies, ascending; length n.
        score: probability of the target within the horizon; calibrated where the model is; length n.
        level: index into :data:`vigie.result.LEVELS`, or -1 for a company already in proceedings; length n.
        values: the features that were scored, shape (n, features).
        explanation: contributions of the alerted companies, and of those asked for.
        model: SHA-256 of ``model_bytes``.
        model_bytes: the model in its one form.
        learnt: the model, and what it was judged by: nothing, for a model that was given.
    """

    keys: pa.Array
    score: npt.NDArray[np.float64]
    level: Levels
    values: npt.NDArray[np.float64]
    explanation: Explanation
    model: bytes
    model_bytes: bytes
    learnt: Learnt


def train_and_score(
    panel: Panel,
    catalogue: Catalogue,
    tell: Callable[[int, int], None] | None = None,
    *,
    model: bytes | None = None,
    asked: npt.NDArray[np.bool_] | None = None,
) -> Scores:
    """Train on the labelled rows of a panel and score its companies, or score them with a model that was trained before.

    Args:
        panel: from :class:`PanelBuilder`.
        catalogue: the features that its columns are.
        tell: takes the rounds done and their total, from time to time.
        model: the bytes of a model; nothing is trained then.
        asked: companies to explain beside the alerted ones; length n.

    Raises:
        Refused: claim ``training``: the labelled rows have fewer than two outcomes; claim ``model``: the model given learnt
            other features.
        MalformedModel: the bytes given are not a model.
    """
    if model is None:
        learnt = learn(panel, catalogue.names, tell)
        data = learnt.model.to_bytes()
    else:
        learnt = Learnt(Model.from_bytes(model), None, "the model was trained in an earlier run")
        learnt.model.check_features(catalogue.names)
        data = model
    chosen = learnt.model
    score = chosen.score(panel.scored)
    if chosen.thresholds is None:
        level = levels(score, panel.strong)
    else:
        level = levels_by_threshold(score, panel.strong, chosen.thresholds)
    wanted = level > NONE if asked is None else (level > NONE) | asked
    explanation = explain(chosen.booster, panel.scored, np.flatnonzero(wanted))
    return Scores(
        panel.keys, score, level, panel.scored, explanation, hashlib.sha256(data).digest(), data, learnt
    )  # fmt: skip
