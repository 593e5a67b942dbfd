"""Held-out months and companies: what is apart stays apart, and no bit depends on the companies' keys."""

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.histories import FEATURES, HORIZON, PERIOD, Town
from vigie.convention import Disclosure
from vigie_hub.enclave.evaluation import published
from vigie_hub.enclave.model import Scores, split, train_and_score
from vigie_hub.enclave.model.learning import ASKED, FEW, SHORT, learn
from vigie_hub.enclave.model.levels import HIGH, MODERATE, NONE, UNSET
from vigie_hub.enclave.model.split import FIT, HELD, TEST, evaluation_windows, model_windows, parts
from vigie_hub.enclave.model.training import ROUNDS, weight

RULE = Disclosure(3, 0.85, 5)
CATALOGUE: Any = SimpleNamespace(names=FEATURES)


@cache
def town() -> Town:
    return Town.made()


@cache
def scored(key_seed: int = 0, groups: int = 3) -> Scores:
    return train_and_score(town().panel(key_seed, groups), CATALOGUE)


def test_other_keys_and_groups_give_the_same_bits() -> None:
    one, two = scored(), scored(9, 5)
    assert one.model_bytes == two.model_bytes
    assert one.model == two.model
    # The companies stand in another order: the number of each leads back to it.
    back = [np.random.default_rng(seed).permutation(len(town().values)) for seed in (0, 9)]
    for left, right in ((one.score, two.score), (one.level, two.level)):
        assert left[back[0]].tobytes() == right[back[1]].tobytes()
    panels = town().panel(0, 3), town().panel(9, 5)
    assert panels[0].values.tobytes() == panels[1].values.tobytes()
    assert published(one, panels[0], FEATURES, RULE) == published(two, panels[1], FEATURES, RULE)


def test_nothing_is_on_both_sides_and_the_gap_is_as_long_as_the_horizon() -> None:
    panel, learnt = town().panel(), scored().learnt
    judged = learnt.judged
    assert judged is not None
    windows = judged.windows
    assert windows.test is not None
    assert windows.fit[1] < windows.calibration[0]
    # What was learnt at the first test month was known then: the outcome of its last row ends there.
    assert windows.calibration[1] + HORIZON == windows.test[0]
    assert windows.test[1] == panel.months[1] == PERIOD - HORIZON  # type: ignore[index]
    failing = np.zeros(panel.companies, np.bool_)
    failing[panel.company[panel.labels == 1]] = True
    part = parts(panel.same, failing)
    assert set(part[panel.company[judged.rows]].tolist()) == {TEST}
    assert {panel.month[judged.rows].min(), panel.month[judged.rows].max()} == set(windows.test)
    # The model that scores keeps companies out of its trees as well, and ends with the last labelled month.
    kept = learnt.model.windows
    assert kept is not None
    assert kept.calibration[1] == panel.months[1]  # type: ignore[index]
    assert kept.fit[1] + 1 == kept.calibration[0]


def test_the_test_rows_play_no_part_in_what_is_judged() -> None:
    panel = town().panel()
    judged = scored().learnt.judged
    assert judged is not None
    panel.values[judged.rows] = 1e9
    panel.labels[judged.rows] ^= 1
    part_of = split.parts
    failing = np.zeros(panel.companies, np.bool_)
    clean = town().panel()
    failing[clean.company[clean.labels == 1]] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "parts", lambda same, _: part_of(same, failing))
        again = learn(panel, FEATURES).judged
    assert again is not None
    assert again.model == judged.model


def test_equal_companies_are_in_one_part_and_each_part_has_its_share_of_failures() -> None:
    same = np.repeat(np.arange(1000, dtype=np.int32), 2)
    failing = same % 10 == 0
    part = parts(same, failing)
    assert (part[::2] == part[1::2]).all()
    assert [int((part[failing] == one).sum()) for one in (FIT, HELD, TEST)] == [100, 40, 60]
    assert [int((part == one).sum()) for one in (FIT, HELD, TEST)] == [1000, 400, 600]


@given(st.integers(0, 3000), st.integers(0, 200), st.integers(1, 36))
def test_windows_never_overlap(first: int, length: int, horizon: int) -> None:
    last = first + length
    model, past = model_windows(first, last), evaluation_windows(first, last, horizon)
    if model is not None:
        assert first == model.fit[0] <= model.fit[1] < model.calibration[0] <= model.calibration[1] == last
    if past is not None:
        assert past.test is not None
        assert past.fit[0] <= past.fit[1] < past.calibration[0] <= past.calibration[1] == past.test[0] - horizon
        assert past.test[1] == last
    assert (length >= 8) == (model is not None)


def test_levels_come_from_the_two_thresholds() -> None:
    scores, thresholds = scored(), scored().learnt.model.thresholds
    assert thresholds is not None
    assert thresholds.high >= thresholds.moderate
    strong = town().panel().strong
    assert set(scores.level.tolist()) == {UNSET, NONE, MODERATE, HIGH}
    assert (scores.level == UNSET).tolist() == strong.tolist()
    high, moderate, none = (scores.score[scores.level == level] for level in (HIGH, MODERATE, NONE))
    assert high.min() >= thresholds.high > moderate.max() >= moderate.min() >= thresholds.moderate > none.max()


def test_the_calibrated_score_announces_what_is_observed() -> None:
    judged, panel = scored().learnt.judged, town().panel()
    assert judged is not None
    label = panel.labels[judged.rows]
    raw = judged.model.raw(panel.values[judged.rows])
    # Weighted trees announce too much; the base rate itself moves between the months in this town.
    assert abs(judged.score.mean() - label.mean()) < 0.08
    assert raw.mean() > label.mean()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(judged.score[order]) >= 0).all()
    assert len(np.unique(judged.score)) == len(np.unique(raw))


@pytest.mark.parametrize(
    ("made", "target", "reason"),
    [
        (Town.made(400, 24), "failure", SHORT),
        (Town.made(60, 60), "failure", FEW),
        (Town.made(400, 60), "panel.failed", ASKED),
    ],
)
def test_too_little_is_said_and_trained_plainly(
    made: Town, target: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "." in target:
        real = __import__("vigie_hub.enclave.model.target", fromlist=["outcomes"]).outcomes
        monkeypatch.setattr(
            "vigie_hub.enclave.model.panel.outcomes", lambda group, _, horizon: real(group, "failure", horizon)
        )
    scores = train_and_score(made.panel(target=target), CATALOGUE)
    model = scores.learnt.model
    assert (model.recipe, model.reason, model.rounds) == ("plain", reason, ROUNDS)
    assert (model.calibration, model.thresholds, model.windows, scores.learnt.judged) == (None, None, None, None)
    assert scores.learnt.unjudged == reason


def test_a_history_long_enough_to_calibrate_and_too_short_to_judge() -> None:
    learnt = learn(Town.made(800, 40).panel(), FEATURES)
    assert learnt.model.recipe == "split"
    assert learnt.judged is None
    assert learnt.unjudged == SHORT


def test_the_rare_outcome_weighs_the_root_of_its_rarity() -> None:
    assert weight(np.array([1] + [0] * 100, np.uint8)) == 10.0
    assert weight(np.zeros(5, np.uint8)) == 1.0


def test_without_any_column_of_a_place_the_panel_knows_none() -> None:
    panel = town().panel(placed=False)
    assert set(panel.sector.tolist()) == set(panel.departement.tolist()) == {-1}


@pytest.mark.parametrize(("months", "recipe"), [(60, "split"), (24, "plain")])
def test_contributions_and_base_add_up_to_the_log_odds_of_the_raw_score(months: int, recipe: str) -> None:
    """Exact SHAP values explain what the trees say, before calibration."""
    panel = town().panel() if months == 60 else Town.made(400, months).panel()
    scores = scored() if months == 60 else train_and_score(panel, CATALOGUE)
    model, explanation = scores.learnt.model, scores.explanation
    assert (model.recipe, model.calibration is not None) == (recipe, recipe == "split")
    assert explanation.contributions.shape == (len(explanation.rows), len(FEATURES))
    assert len(explanation.rows) > 5
    raw = model.raw(panel.scored[explanation.rows])
    summed = explanation.contributions.sum(axis=1) + explanation.base
    assert summed == pytest.approx(np.log(raw / (1 - raw)), abs=1e-9)
    if recipe == "split":
        assert not np.allclose(raw, scores.score[explanation.rows]), "the calibrated score is another number"
