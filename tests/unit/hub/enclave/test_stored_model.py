"""A model as bytes: the same bytes again, the same scores, and nothing else is read."""

import hashlib
import json
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from support.histories import FEATURES, Town
from vigie.errors import MalformedModel, Refused
from vigie_hub.enclave.model import Model, train_and_score

CATALOGUE: Any = SimpleNamespace(names=FEATURES)


@cache
def town() -> Town:
    return Town.made()


@cache
def trained(months: int = 60) -> bytes:
    return train_and_score((town() if months == 60 else Town.made(300, months)).panel(), CATALOGUE).model_bytes


@pytest.mark.parametrize("months", [60, 24])
def test_bytes_give_the_model_and_the_model_the_bytes(months: int) -> None:
    data = trained(months)
    model = Model.from_bytes(data)
    assert model.recipe == ("split" if months == 60 else "plain")
    assert model.to_bytes() == data
    assert model.digest == hashlib.sha256(data).digest()
    assert Model.from_bytes(model.to_bytes()) == model


def test_a_given_model_scores_as_it_did_when_it_was_trained() -> None:
    panel = town().panel()
    first = train_and_score(panel, CATALOGUE)
    again = train_and_score(panel, CATALOGUE, model=first.model_bytes)
    assert again.score.tobytes() == first.score.tobytes()
    assert again.level.tobytes() == first.level.tobytes()
    assert again.explanation.contributions.tobytes() == first.explanation.contributions.tobytes()
    assert (again.model, again.model_bytes) == (first.model, first.model_bytes)
    assert again.learnt.judged is None


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((*FEATURES, "new"), "5 features, 1 of them others"),
        (FEATURES[1:], "3 features, 0 of them others"),
        (FEATURES[::-1], "the same features in another order"),
    ],
)
def test_other_features_are_refused(names: tuple[str, ...], found: str) -> None:
    catalogue: Any = SimpleNamespace(names=names)
    with pytest.raises(Refused) as refused:
        train_and_score(town().panel(), catalogue, model=trained())
    assert refused.value.claim == "model"
    assert refused.value.expected == "the 4 features that the model learnt, in their order"
    assert refused.value.found == found


def changed(**what: Any) -> bytes:
    """The model with another header; the digest of the trees is kept right."""
    head, _, trees = trained().partition(b"\n")
    said = json.loads(head) | what
    return rfc8785.dumps(said) + b"\n" + trees


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b"[]\ntree",
        b"tree\nversion=v4\n",
        pytest.param(lambda: trained() + b" ", id="longer"),
        pytest.param(lambda: trained()[:-1], id="shorter"),
        pytest.param(lambda: trained().replace(b'{"', b'{ "', 1), id="not canonical"),
        pytest.param(lambda: changed(kind="vigie/model/v2"), id="kind"),
        pytest.param(lambda: changed(more=1), id="unknown key"),
        pytest.param(lambda: changed(recipe="other"), id="recipe"),
        pytest.param(lambda: changed(recipe="plain"), id="plain with thresholds"),
        pytest.param(lambda: changed(rounds=1000000), id="rounds"),
        pytest.param(lambda: changed(rounds="3"), id="rounds as text"),
        pytest.param(lambda: changed(features=["a"]), id="features"),
        pytest.param(lambda: changed(features=[1, 2, 3, 4]), id="features that are numbers"),
        pytest.param(lambda: changed(thresholds={"high": 0.1, "moderate": 0.2}), id="swapped thresholds"),
        pytest.param(lambda: changed(calibration={"score": [0.2, 0.1], "probability": [0, 1]}), id="knots descend"),
        pytest.param(lambda: changed(calibration={"score": [0.1, 0.2], "probability": [1, 0]}), id="values descend"),
        pytest.param(lambda: changed(calibration={"score": [0.1], "probability": [2]}), id="no probability"),
        pytest.param(lambda: changed(windows={"fit": ["2020-13", "2021-01"], "calibration": []}), id="no month"),
    ],
)
def test_anything_else_is_refused(data: Any) -> None:
    with pytest.raises(MalformedModel):
        Model.from_bytes(data() if callable(data) else data)


@given(st.binary(max_size=200), st.integers(0, 5000))
@example(b"\n", 0)
def test_what_is_read_has_exactly_its_bytes(junk: bytes, place: int) -> None:
    whole = trained()
    for data in (junk, whole[:place] + junk + whole[place + len(junk) :]):
        try:
            model = Model.from_bytes(data)
        except MalformedModel:
            continue
        assert model.to_bytes() == data
        assert model.booster.num_trees() == model.rounds
