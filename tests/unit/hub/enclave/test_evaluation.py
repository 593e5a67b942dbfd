"""What a run publishes: its schema, its order, and that no cell says what became of one company."""

import json
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from support.histories import FEATURES, Town
from vigie.convention import Disclosure
from vigie_hub.enclave import evaluation
from vigie_hub.enclave.disclosure import complementary, may_tell
from vigie_hub.enclave.evaluation import BOTH_LISTS, HIGH_LIST, NOT_MEASURED, published
from vigie_hub.enclave.model import Panel, Scores, train_and_score
from vigie_hub.enclave.model.measures import Ranked

RULE = Disclosure(3, 0.85, 5)
CATALOGUE: Any = SimpleNamespace(names=FEATURES)


@cache
def run() -> tuple[Scores, Panel]:
    panel = Town.made().panel()
    return train_and_score(panel, CATALOGUE), panel


@cache
def told() -> dict[str, Any]:
    return published(*run(), FEATURES, RULE)


def test_what_is_measured_out_of_sample_in_the_order_that_users_read() -> None:
    found = told()["out_of_sample"]
    assert list(found) == [
        "protocol", "lists", "aucpr", "base_rate", "lead_time", "brier", "ece", "calibration", "stability", "roc_auc",
        "curve", "sectors", "departements",
    ]  # fmt: skip
    assert set(found["lists"]) == {HIGH_LIST, BOTH_LISTS, "top_1", "top_2", "top_5"}
    assert found["protocol"]["strong_signals"] == "left out"
    for name in ("aucpr", "roc_auc", "brier", "ece", "base_rate"):
        value, low, high = found[name]
        assert low <= value <= high
    assert found["aucpr"][0] > 2 * found["base_rate"][0]
    assert found["roc_auc"][0] > 0.6
    assert told()["reason"] is None
    assert told()["left_out"] == []


def test_counts_are_rounded() -> None:
    counts = told()["out_of_sample"]["protocol"]["companies"]
    assert all(count % 5 == 0 for count in counts.values())
    assert told()["out_of_sample"]["lead_time"]["failing_companies"] % 5 == 0
    assert told()["strong_signals"]["companies"] % 5 == 0


def test_it_is_json_that_a_statement_can_hold() -> None:
    assert json.loads(rfc8785.dumps(told())) == json.loads(json.dumps(told()))
    assert len(rfc8785.dumps(told())) < evaluation.MOST_BYTES


def test_places_are_told_one_by_one() -> None:
    sectors, departements = (told()["out_of_sample"][name] for name in ("sectors", "departements"))
    assert set(sectors) == {"00", "01", "02", "03"}
    assert set(departements) == {"01", "02", "03"}  # -1 is nowhere
    some = [cell for cell in sectors.values() if cell is not None]
    assert some
    for cell in some:
        assert set(cell) == {"companies", "base_rate", "share", "precision", "recall"}


def test_a_short_history_is_said_and_not_measured() -> None:
    panel = Town.made(300, 24).panel()
    found = published(train_and_score(panel, CATALOGUE), panel, FEATURES, RULE)
    assert found["out_of_sample"] == NOT_MEASURED
    assert found["reason"] == "too few months"
    assert set(found["drift"]) == set(FEATURES)


def test_too_much_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_BYTES", len(rfc8785.dumps(told())) - 60)
    found = published(*run(), FEATURES, RULE)
    assert found["left_out"] == ["departements"]
    assert "departements" not in found["out_of_sample"]
    assert "sectors" in found["out_of_sample"]
    assert len(rfc8785.dumps(found)) <= evaluation.MOST_BYTES + 40


@pytest.mark.parametrize(
    ("companies", "told_of"),
    [
        ([], True),
        ([1], False),
        ([1, 2], False),
        ([1, 2, 3], True),
        ([1] * 12 + [2, 3], False),
        ([1] * 11 + [2, 3], True),
    ],
)
def test_a_cell_holds_three_companies_and_none_is_most_of_it(companies: list[int], told_of: bool) -> None:
    assert may_tell(np.array(companies, np.int32), RULE) is told_of


def test_one_withheld_cell_takes_the_smallest_other_with_it() -> None:
    sizes = {"a": 5, "b": 9, "c": 7}
    assert complementary({"a": None, "b": 1, "c": 2}, sizes) == {"a": None, "b": 1, "c": None}
    assert complementary({"a": None, "b": None, "c": 2}, sizes) == {"a": None, "b": None, "c": 2}
    assert complementary({"a": 1, "b": 2, "c": 3}, sizes) == {"a": 1, "b": 2, "c": 3}
    assert complementary({"a": None}, sizes) == {"a": None}


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 8)), min_size=5, max_size=80))
def test_no_two_lists_told_differ_by_less_than_a_cell(rows: list[tuple[int, bool, int]]) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    company = np.array([row[0] for row in rows], np.int32)
    label = np.array([row[1] for row in rows], np.uint8)
    assume(label.any())
    ranked = Ranked.of(np.array([row[2] / 8 for row in rows]), label)
    lines = evaluation._Lines(ranked, company, RULE)
    lines.curve()
    named = company[ranked.order]
    for first, last in zip(lines._told[1:-1], lines._told[2:], strict=True):
        for bad in (0, 1):
            assert may_tell(named[first:last][ranked.label[first:last] == bad], RULE)
    cells = evaluation._calibration(ranked, company, RULE)
    assert not cells or sum(cell[0] or 0 for cell in cells) == pytest.approx(1, abs=1e-3)


def test_a_list_of_next_to_nobody_is_not_told() -> None:
    scores, panel = run()
    judged = scores.learnt.judged
    assert judged is not None
    alone = replace(judged, score=np.where(np.arange(len(judged.rows)) == 0, 0.99, judged.score * 1e-3))
    found = published(replace(scores, learnt=replace(scores.learnt, judged=alone)), panel, FEATURES, RULE)
    assert found["out_of_sample"]["lists"][HIGH_LIST] is None
