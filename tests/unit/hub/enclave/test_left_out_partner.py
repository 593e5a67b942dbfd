"""What each partner is worth: the ranking with all of them, and with the features of one left empty.

Generated data: no quality on real companies may be claimed from these figures, only that the loss is measured, that scoring
goes on, and that a partner's features stay in their place, empty.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.central import panel_of
from bench.scoring import table
from bench.scoring_quality import G2_VARIABLES, TREES, Said, compare, say
from vigie.demo.generate import PARTNERS, generate
from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.model import Panel, train_and_score
from vigie_hub.enclave.model.learning import learn

PERIOD = "2021-04"
LEAST_LOSS = {"acoss": 0.1, "banque-de-france": -0.05, "travail": -0.05}
"""Average precision lost at the least; below 0 where the partner's traces are faint and chance is greater than they."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate(folder, companies=1500, months=60, seed=11, last_month=PERIOD)
    return folder


@pytest.fixture(scope="module")
def whole(data: Path) -> tuple[Panel, Catalogue]:
    return panel_of(data, PERIOD)


def columns_of(partner: str, catalogue: Catalogue) -> list[int]:
    """Features that need a dataset of the partner."""
    return [place for place, one in enumerate(catalogue.features) if one.datasets & set(PARTNERS[partner])]


def without(panel: Panel, columns: list[int]) -> Panel:
    """The same companies in the same parts, some features empty."""
    values, scored = panel.values.copy(), panel.scored.copy()
    values[:, columns] = scored[:, columns] = np.nan
    return replace(panel, values=values, scored=scored)


def aucpr(panel: Panel, catalogue: Catalogue) -> float:
    judged = learn(panel, catalogue.names).judged
    assert judged is not None
    said = Said({TREES: judged.score}, panel.labels[judged.rows], panel.company[judged.rows])
    return compare([said]).figures[TREES]["aucpr"][0]


@pytest.mark.timeout(600)
def test_the_loss_of_each_partner_in_numbers(
    whole: tuple[Panel, Catalogue], record_property: Callable[[str, object], None]
) -> None:
    panel, catalogue = whole
    together = aucpr(panel, catalogue)
    lost = {name: together - aucpr(without(panel, columns_of(name, catalogue)), catalogue) for name in PARTNERS}
    record_property("aucpr", round(together, 4))
    for name, loss in lost.items():
        record_property(f"aucpr_lost_without_{name}", round(loss, 4))
        print(f"AUCPR {together:.4f}, without {name} {together - loss:.4f}: {loss:+.4f} lost")
        assert loss > LEAST_LOSS[name], lost
    assert together > 3 * panel.labels.mean()


def test_files_that_are_away_leave_their_features_empty_and_scoring_goes_on(
    data: Path, whole: tuple[Panel, Catalogue]
) -> None:
    panel, catalogue = whole
    away, same = panel_of(data, PERIOD, without=["banque-de-france"])
    assert same.names == catalogue.names
    columns = columns_of("banque-de-france", catalogue)
    assert columns
    assert np.isnan(away.values[:, columns]).all()
    assert not np.isnan(panel.values[:, columns]).all()
    others = [place for place in range(len(same.names)) if place not in columns]
    assert np.nansum(away.scored[:, others]) == np.nansum(panel.scored[:, others])
    scores = train_and_score(away, same)
    assert scores.learnt.model.calibration is not None
    assert len(scores.score) == len(panel.scored)


def test_the_bench_compares_the_three_on_the_same_rows(whole: tuple[Panel, Catalogue]) -> None:
    said = say(*whole)
    found = compare([said])
    assert set(found.figures) == {"trees", "logistic", "rule"}
    assert set(found.lead) == {"logistic", "rule"}
    assert set(G2_VARIABLES) <= set(whole[1].names)
    for name, one in found.figures.items():
        for value, low, high in one.values():
            assert 0 <= low <= value <= high <= 1, name
    # Each knows something: all are above the base rate.
    assert all(one["aucpr"][0] > found.base_rate for one in found.figures.values())
    assert "failing companies" in str(table(found).title)


def test_the_bench_tells_a_lead_from_chance(whole: tuple[Panel, Catalogue]) -> None:
    said = say(*whole)
    truth = said.labels.astype(np.float64)
    assert compare([replace(said, scores={TREES: truth, "logistic": 1 - truth, "rule": 1 - truth})]).better
    alike = replace(said, scores=dict.fromkeys(said.scores, said.scores[TREES]))
    assert compare([alike]).lead["rule"] == {"aucpr": (0.0, 0.0, 0.0), "top_1": (0.0, 0.0, 0.0)}
    assert not compare([alike]).better


def test_two_worlds_are_judged_by_their_mean(whole: tuple[Panel, Catalogue]) -> None:
    said = say(*whole)
    truth = said.labels.astype(np.float64)
    one, other = replace(said, scores={TREES: truth}), replace(said, scores={TREES: 1 - truth})
    both, each = compare([one, other]), [compare([world]) for world in (one, other)]
    assert both.rows == 2 * each[0].rows
    assert both.failing == 2 * each[0].failing
    for figure, (value, _, _) in both.figures[TREES].items():
        assert value == pytest.approx(np.mean([world.figures[TREES][figure][0] for world in each]))
