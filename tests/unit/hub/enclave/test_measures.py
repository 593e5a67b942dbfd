"""Figures against closed forms and against slow definitions written out here."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vigie_hub.enclave.model.calibration import Calibration, isotonic
from vigie_hub.enclave.model.measures import Ranked, lead_time, measure, psi, stability, top
from vigie_hub.enclave.model.resampling import intervals
from vigie_hub.enclave.model.thresholds import Thresholds, best, choose

SCORES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 1.0])
ROWS = st.lists(st.tuples(SCORES, st.integers(0, 1), st.integers(0, 3)), min_size=2, max_size=40)


def slow_aucpr(score: Sequence[float], label: Sequence[int]) -> float:
    """Sum over the distinct scores, high to low, of the gain in recall times the precision there."""
    total, before, found = sum(label), 0.0, 0.0
    for threshold in sorted(set(score), reverse=True):
        chosen = [y for s, y in zip(score, label, strict=True) if s >= threshold]
        recall = sum(chosen) / total
        found += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return found


def slow_auc(score: Sequence[float], label: Sequence[int]) -> float:
    """Share of pairs of a failing and another row that are in the right order, a tie being half."""
    pairs = [
        (a > b) + (a == b) / 2
        for a, bad in zip(score, label, strict=True)
        for b, other in zip(score, label, strict=True)
        if bad and not other
    ]
    return sum(pairs) / len(pairs)


@given(ROWS)
def test_figures_are_their_definitions_and_weights_are_repeated_rows(rows: list[tuple[float, int, int]]) -> None:
    score = np.array([row[0] for row in rows])
    label = np.array([row[1] for row in rows], np.uint8)
    weight = np.array([row[2] for row in rows], np.float64)
    lists = {"half": 0.5, "nobody": 2.0}
    found = measure(Ranked.of(score, label), np.stack([np.ones(len(rows)), weight]), lists)
    repeated = np.repeat(np.arange(len(rows)), weight.astype(int))
    for place, chosen in enumerate((np.arange(len(rows)), repeated)):
        s, y = score[chosen].tolist(), label[chosen].tolist()
        if 0 < sum(y) < len(y):
            assert found["aucpr"][place] == pytest.approx(slow_aucpr(s, y))
            assert found["roc_auc"][place] == pytest.approx(slow_auc(s, y))
            listed = [one for value, one in zip(s, y, strict=True) if value >= 0.5]
            assert found["half.recall"][place] == pytest.approx(sum(listed) / sum(y))
            assert found["half.share"][place] == pytest.approx(len(listed) / len(y))
            assert found["nobody.share"][place] == found["nobody.recall"][place] == 0
        if y:
            assert found["base_rate"][place] == pytest.approx(sum(y) / len(y))
            assert found["brier"][place] == pytest.approx(np.mean((np.array(s) - y) ** 2))
    assert np.isnan(found["nobody.precision"]).all()


def test_known_figures() -> None:
    score, label = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([1, 0, 1, 0, 0, 0], np.uint8)
    found = measure(Ranked.of(score, label), np.ones((1, 6)), {"list": 0.7})
    assert found["aucpr"][0] == pytest.approx((1 + 2 / 3) / 2)
    assert found["roc_auc"][0] == pytest.approx(7 / 8)
    assert (found["list.precision"][0], found["list.recall"][0]) == (pytest.approx(2 / 3), 1)


def test_the_top_percent_takes_equals_of_its_last_row() -> None:
    score, label = np.array([1.0] + [0.5] * 3 + [0.1] * 96), np.array([1, 1, 0, 0] + [0] * 96, np.uint8)
    ranked = Ranked.of(score, label)
    assert [top(ranked, percent) for percent in (1, 2, 5)] == [1, 4, 100]
    found = measure(ranked, np.ones((1, 100)), {})
    assert [found[f"top_{percent}.precision"][0] for percent in (1, 2)] == [1, 0.5]


def slow_isotonic(score: Sequence[float], label: Sequence[int]) -> dict[float, float]:
    """The least squares fit as max over lower bounds of min over upper bounds of means (Barlow et al. 1972)."""
    xs = sorted(set(score))
    by = {x: [y for s, y in zip(score, label, strict=True) if s == x] for x in xs}

    def mean(first: int, last: int) -> float:
        cells = [y for x in xs[first : last + 1] for y in by[x]]
        return sum(cells) / len(cells)

    return {
        x: max(min(mean(low, high) for high in range(place, len(xs))) for low in range(place + 1))
        for place, x in enumerate(xs)
    }


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=60))
def test_isotonic_is_the_least_squares_fit(rows: list[tuple[int, int]]) -> None:
    score, label = [row[0] / 12 for row in rows], [row[1] for row in rows]
    found = isotonic(np.array(score), np.array(label, np.uint8))
    expected = slow_isotonic(score, label)
    assert np.interp(sorted(expected), found.scores, found.probabilities) == pytest.approx(
        [expected[x] for x in sorted(expected)]
    )


def test_isotonic_on_known_vectors_and_between_and_beyond_the_knots() -> None:
    # Values worked out by hand.
    found = isotonic(np.array([0.1, 0.2, 0.3, 0.4, 0.6]), np.array([0, 1, 0, 1, 1], np.uint8))
    assert found == Calibration((0.1, 0.2, 0.3, 0.4, 0.6), (0.0, 0.5, 0.5, 1.0, 1.0))
    assert found.apply(np.array([0.0, 0.15, 0.25, 0.9])) == pytest.approx([0, 0.25, 0.5, 1], abs=1e-6)


@given(st.permutations(list(range(30))))
def test_isotonic_does_not_see_the_order_of_rows(order: list[int]) -> None:
    random = np.random.default_rng(3)
    score, label = random.integers(0, 9, 30) / 9, random.integers(0, 2, 30).astype(np.uint8)
    assert isotonic(score[order], label[order]) == isotonic(score, label)


@given(arrays.arrays(np.float64, 20, elements=st.floats(0, 1, width=16), unique=True))
def test_a_calibrated_score_keeps_every_order(score: np.ndarray) -> None:
    found = Calibration((0.2, 0.8), (0.1, 0.1)).apply(np.sort(score))
    assert (np.diff(found) > 0).all()
    assert ((found >= 0) & (found <= 1)).all()


@given(ROWS)
def test_thresholds_are_the_best_and_never_swapped(rows: list[tuple[float, int, int]]) -> None:
    score, label = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], np.uint8)
    if not label.any():
        return

    def slow(threshold: float, beta: float) -> float:
        on = score >= threshold
        return float((1 + beta**2) * label[on].sum() / (beta**2 * label.sum() + on.sum()))

    for beta in (0.5, 2.0):
        assert slow(best(score, label, beta), beta) == pytest.approx(max(slow(one, beta) for one in score.tolist()))
    found = choose(score, label)
    assert found.high >= found.moderate == best(score, label, 2.0)


def test_swapped_thresholds_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="not below"):
        Thresholds(high=0.1, moderate=0.2)


def test_psi_of_the_same_of_a_shift_and_of_what_went_missing() -> None:
    values = np.arange(1000.0)
    assert psi(values, values) == pytest.approx(0, abs=1e-3)
    # Nine tenths move out of their deciles into the last one: a closed form.
    assert psi(values, values + 900) == pytest.approx(0.9 * np.log(1 / 0.1) + 9 * (1e-4 - 0.1) * np.log(1e-3), rel=1e-3)
    half = np.where(np.arange(1000) % 2 == 0, np.nan, values)
    assert psi(values, half) > 0.25
    assert psi(np.full(5, np.nan), np.full(5, np.nan)) == psi(np.zeros(0), values) == 0


def test_stability_is_the_share_that_stays() -> None:
    company = np.array([0, 0, 0, 1, 1, 2, 2], np.int32)
    month = np.array([5, 6, 7, 5, 6, 5, 7], np.int32)
    listed = np.array([1, 1, 0, 1, 1, 1, 1], np.bool_)
    # 0: 5→6 stays, 6→7 leaves; 1: 5→6 stays, then is not looked at; 2 has no month after another.
    assert stability(company, month, listed) == pytest.approx(2 / 3)
    assert np.isnan(stability(company[:1], month[:1], listed[:1]))


def test_lead_time_counts_from_the_first_alert() -> None:
    never = 2**31 - 1
    company = np.repeat(np.arange(4, dtype=np.int32), 4)
    month = np.tile(np.array([0, 6, 12, 18], np.int32), 4)
    proceeding = np.array([18, 18, never, 40], np.int32)
    listed = np.array([[0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1], [1, 1, 1, 0]], np.bool_).ravel()
    lead = lead_time(company, month, listed, proceeding, 18)
    # 0 is seen 12 months ahead; 1 only in the month of its proceeding; 2 never fails; 3 is too far from its own.
    assert lead.failing.tolist() == [0, 1]
    assert (lead.flagged.tolist(), lead.months.tolist()) == ([0], [12])
    assert lead.at == {6: (2, 1), 12: (2, 1), 18: (2, 0)}


def test_intervals_hold_the_truth_and_are_the_same_again() -> None:
    random = np.random.default_rng(0)
    company = np.repeat(np.arange(400, dtype=np.int32), 5)
    value = np.repeat(random.normal(1, 2, 400), 5)

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": weights @ value / weights.sum(axis=1), "never": np.full(len(weights), np.nan)}

    found = intervals(company, mean)
    point, low, high = found["mean"]
    assert low < point < high
    # Five rows of a company are one observation: the width is that of 400, not of 2 000.
    assert high - low == pytest.approx(2 * 1.96 * 2 / np.sqrt(400), rel=0.2)
    assert np.isnan(found["never"]).all()
    assert intervals(company, mean)["mean"] == found["mean"]
