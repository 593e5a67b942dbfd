"""A model as bytes: what leaves the enclave sealed, and what a later order scores with (docs/spec/model.md).

One line of canonical JSON, then LightGBM's own text.  The digest of a model is SHA-256 of these bytes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import lightgbm
import numpy as np
import numpy.typing as npt
import rfc8785

from vigie.errors import InputError, MalformedModel, Refused
from vigie_hub.enclave.model.calibration import Calibration
from vigie_hub.enclave.model.split import Windows
from vigie_hub.enclave.model.thresholds import Thresholds
from vigie_hub.enclave.months import month_text, parse_month

Floats = npt.NDArray[np.float64]

KIND: Final = "vigie/model/v1"
MOST_BYTES: Final = 64 * 1024 * 1024
_KEYS: Final = frozenset(
    {"kind", "recipe", "reason", "features", "rounds", "settings", "windows", "calibration", "thresholds", "trees"}
)
_RECIPES: Final = ("plain", "split")
_TEXT: Final = re.compile(r"tree\nversion=v4\n")


@dataclass(frozen=True)
class Model:
    """Trees with what is needed to score with them.

    Attributes:
        recipe: ``plain`` (all labelled rows, nothing held out) or ``split``.
        reason: why nothing was held out, or None.
        features: names in canonical order.
        rounds: number of trees.
        settings: of LightGBM.
        windows: months that were learnt from, or None for ``plain``.
        calibration: None for ``plain``.
        thresholds: None for ``plain``, whose levels are shares of the companies.
        text: of LightGBM.
    """

    recipe: str
    reason: str | None
    features: tuple[str, ...]
    rounds: int
    settings: Mapping[str, Any]
    windows: Windows | None
    calibration: Calibration | None
    thresholds: Thresholds | None
    text: str

    @cached_property
    def booster(self) -> lightgbm.Booster:
        """The trees, read from the text: what scores is what was stored."""
        return lightgbm.Booster(model_str=self.text)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the model's bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    def raw(self, values: Floats) -> Floats:
        """The trees' own score of rows, 0 to 1."""
        if not len(values):
            return np.zeros(0)
        return np.asarray(self.booster.predict(values, num_threads=2), np.float64)

    def score(self, values: Floats) -> Floats:
        """The score of rows: a probability when the model is calibrated."""
        raw = self.raw(values)
        return raw if self.calibration is None else self.calibration.apply(raw)

    def check_features(self, names: tuple[str, ...]) -> None:
        """Refuse features that are not those that the model learnt, in their order.

        Raises:
            Refused: claim ``model``.
        """
        if names == self.features:
            return
        others = len(set(names) - set(self.features))
        raise Refused(
            "model",
            expected=f"the {len(self.features)} features that the model learnt, in their order",
            found=(
                "the same features in another order"
                if set(names) == set(self.features)
                else f"{len(names)} features, {others} of them others"
            ),
        )

    def to_bytes(self) -> bytes:
        """The one form of the model."""
        trees = self.text.encode()
        windows, calibration, thresholds = self.windows, self.calibration, self.thresholds
        header: dict[str, Any] = {
            "kind": KIND,
            "recipe": self.recipe,
            "reason": self.reason,
            "features": list(self.features),
            "rounds": self.rounds,
            "settings": dict(self.settings),
            "windows": windows
            and {name: [*map(month_text, getattr(windows, name))] for name in ("fit", "calibration")},
            "calibration": calibration
            and {"score": list(calibration.scores), "probability": list(calibration.probabilities)},
            "thresholds": thresholds and {"high": thresholds.high, "moderate": thresholds.moderate},
            "trees": hashlib.sha256(trees).hexdigest(),
        }
        return rfc8785.dumps(header) + b"\n" + trees

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a model strictly: what comes back has exactly these bytes.

        Raises:
            MalformedModel: anything else.
        """
        head, newline, trees = data.partition(b"\n")
        if len(data) > MOST_BYTES or not newline:
            raise MalformedModel("a model is one line of JSON and the text of its trees")
        try:
            said = json.loads(head)
            if not isinstance(said, dict) or said.keys() != _KEYS or said["kind"] != KIND:
                raise MalformedModel("the first line of a model has not the keys of one")
            if hashlib.sha256(trees).hexdigest() != said["trees"]:
                raise MalformedModel("the trees of a model are not those that its first line names")
            model = cls._of(said, trees.decode())
            same = model.to_bytes() == data
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError, InputError) as error:
            raise MalformedModel("the first line of a model does not say what a model says") from error
        if not same:
            raise MalformedModel("the first line of a model is not in its one form")
        _check_trees(model)
        return model

    @classmethod
    def _of(cls, said: Mapping[str, Any], text: str) -> Self:
        windows, calibration, thresholds = said["windows"], said["calibration"], said["thresholds"]
        split = said["recipe"] == "split"
        known = said["recipe"] in _RECIPES and isinstance(said["settings"], dict) and type(said["rounds"]) is int
        if not known or any((part is not None) is not split for part in (windows, calibration, thresholds)):
            raise MalformedModel("a model is plain, or has windows, a calibration and thresholds")
        if not all(isinstance(name, str) for name in (*said["features"], said["reason"] or "")):
            raise MalformedModel("the features of a model have names")
        return cls(
            recipe=said["recipe"],
            reason=said["reason"],
            features=tuple(said["features"]),
            rounds=said["rounds"],
            settings=said["settings"],
            windows=Windows(_months(windows["fit"]), _months(windows["calibration"])) if split else None,
            calibration=Calibration(tuple(calibration["score"]), tuple(calibration["probability"])) if split else None,
            thresholds=Thresholds(thresholds["high"], thresholds["moderate"]) if split else None,
            text=text,
        )


def _check_trees(model: Model) -> None:
    if _TEXT.match(model.text) is None:
        raise MalformedModel("the trees of a model are no text of LightGBM")
    try:
        found = (tuple(model.booster.feature_name()), model.booster.num_trees())
    except lightgbm.basic.LightGBMError as error:
        raise MalformedModel("LightGBM does not read the trees of a model") from error
    if found != (model.features, model.rounds):
        raise MalformedModel("the trees of a model have other features, or are more or fewer")


def _months(pair: Any) -> tuple[int, int]:
    first, last = pair
    return parse_month(first), parse_month(last)
