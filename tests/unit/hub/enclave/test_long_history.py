"""A history long enough to hold months out, through the real sealed process and to the file that an agent reads.

Scores, levels, model and figures are those of one process in clear, bit for bit, although companies are held out: which ones
depends on what they are, not on their keys.
"""

import csv
from pathlib import Path

import pyarrow as pa
import pytest

from bench.central import panel_of
from support.enclave_story import Journal, Outcome, Story, load, pseudonym_of
from support.world import World
from vigie import segment
from vigie.datasets import PSEUDONYM, SIREN
from vigie.demo.generate import generate
from vigie.result import LEVELS
from vigie_hub.enclave.evaluation import BOTH_LISTS, HIGH_LIST, published
from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.model import Panel, Scores, train_and_score
from vigie_hub.quality import Judged, figures, page
from vigie_node import changes, export
from vigie_node.results import check, open_result
from vigie_node.wire import FetchedResult

PERIOD = "2021-04"
GRANT = "acoss-list"
NONE, MODERATE, HIGH = LEVELS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    generate(folder, companies=1500, months=60, seed=11, last_month=PERIOD)
    return folder


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"), overrides={"pseudonyms.buckets": 4})


@pytest.fixture(scope="module")
def story(world: World, data: Path) -> Story:
    definitions = {name: rule.definition for name, rule in world.convention.datasets.items()}
    return Story(world, load(data, definitions), PERIOD)


@pytest.fixture(scope="module")
def outcome(story: Story) -> Outcome:
    return story.in_process()


@pytest.fixture(scope="module")
def reference(data: Path) -> tuple[Scores, Panel, Catalogue]:
    panel, catalogue = panel_of(data, PERIOD)
    return train_and_score(panel, catalogue), panel, catalogue


@pytest.fixture(scope="module")
def rows(story: Story, outcome: Outcome, world: World) -> pa.Table:
    """The result as the recipient's node opens it: checked, opened, re-identified, compared with no earlier list."""
    sirens = {
        pseudonym_of(siren): siren for siren in story.tables["acoss"]["headcount"].column(SIREN).unique().to_pylist()
    }
    parts = tuple(outcome.parts[GRANT])
    fetched = FetchedResult(
        outcome.run.raw, Journal(world, [*world.raws, outcome.run.raw]).receipt(outcome.run.raw), outcome.evidence.raw,
        story.order().raw, tuple(segment.segment_id(part) for part in parts), (), parts,
    )  # fmt: skip
    checked = check(fetched, GRANT, member="acoss", chain=world.chain)
    opened = open_result(
        checked, world.keyrings["acoss"].sealing(), lambda keys: pa.array([sirens.get(key) for key in keys.to_pylist()])
    )
    return changes.with_changes(opened.table, None)


@pytest.mark.timeout(600)
def test_scores_and_model_are_the_centralised_ones_bit_for_bit(
    outcome: Outcome, reference: tuple[Scores, Panel, Catalogue], world: World
) -> None:
    scores, panel, catalogue = reference
    card = outcome.body.model_card
    assert (card["recipe"], card["calibrated"]) == ("split", True)
    assert outcome.body.model == scores.model
    table = outcome.opened(world, GRANT)[0]
    expected = dict(zip(map(pseudonym_of, scores.keys.to_pylist()), scores.score.tolist(), strict=True))
    assert dict(zip(table.column(PSEUDONYM).to_pylist(), table.column("score").to_pylist(), strict=True)) == expected
    assert outcome.body.metrics == published(scores, panel, catalogue.names, world.convention.disclosure)
    assert outcome.opened(world, GRANT)[1]["notice_fr"].startswith("Score calibré")


def test_in_the_file_that_an_agent_reads_red_is_above_orange_above_the_rest(
    rows: pa.Table, reference: tuple[Scores, Panel, Catalogue], tmp_path: Path
) -> None:
    thresholds = reference[0].learnt.model.thresholds
    assert thresholds is not None
    export.write(rows, {}, tmp_path / "liste.csv", form="csv", language="fr")
    with (tmp_path / "liste.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file, delimiter=";"))
    scores: dict[str, list[float]] = {level: [] for level in ("", *LEVELS)}
    for row in listed:
        scores[row["Niveau d'alerte"]].append(float(row["Score"]))
        assert (row["Évolution"] == "première alerte") == (row["Niveau d'alerte"] in (MODERATE, HIGH))
    assert all(scores.values())
    assert min(scores[HIGH]) >= thresholds.high > max(scores[MODERATE])
    assert min(scores[MODERATE]) >= thresholds.moderate > max(scores[NONE])


def test_the_hub_shows_the_figures_of_the_signed_run(story: Story, outcome: Outcome) -> None:
    judged = Judged.of(story.order(), outcome.run)
    assert judged.measured is not None
    assert set(judged.measured["lists"]) >= {HIGH_LIST, BOTH_LISTS}
    shown = dict(figures(judged, "fr"))
    assert shown["Période"] == PERIOD
    assert "taux de base" in shown["Précision moyenne (AUCPR)"]
    assert "<svg" in page(judged, "fr")
