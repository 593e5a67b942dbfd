"""The product's promise about scores: what comes out of the exchange is what one table in clear would have given.

A real hub, real nodes and the real enclave work over the demonstration data; the reference computes features and model over
the same files in one process, in clear, sorted by SIREN. Every score must agree in every bit. So must the lists of two
exchanges over the same files whose keys, and with them the pseudonyms, buckets and order of rows, are others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from support.enclave_story import DEMO, load
from support.exchange import Exchange, make_data, make_enclave
from support.panel import DEMO_CATALOGUE, group
from vigie.datasets import BUILT_IN, SIREN
from vigie.demo.story import HUB, PARTNERS
from vigie.result import LEVELS
from vigie_hub.enclave.model import PanelBuilder, Scores, train_and_score
from vigie_hub.enclave.months import parse_month

PERIOD = "2021-04"


@dataclass(frozen=True)
class Told:
    """A whole exchange that was told, and what one process makes of the same files."""

    data: Path
    reference: Scores
    lists: Mapping[str, pa.Table]
    folder: Path


def centralised(data: Path) -> Scores:
    """All extracts in one place, in clear, sorted by SIREN, in one group."""
    clear = {name: table for tables in load(data, BUILT_IN).values() for name, table in tables.items()}
    builder = PanelBuilder(target="failure-or-default", horizon=18, period=parse_month(PERIOD))
    builder.add(group(clear, PERIOD, catalogue=DEMO_CATALOGUE))
    return train_and_score(builder.build(), DEMO_CATALOGUE)


def exchanged(data: Path, folder: Path, enclave: Path) -> dict[str, pa.Table]:
    """The list of each partner, as its node exported it after a whole exchange with keys of its own."""
    exchange = Exchange.make(folder, data, enclave)
    try:
        exchange.begin()
        exchange.send_all()
        exchange.consolidate(PERIOD)
        exchange.run(
            [
                "vigie-hub", "model", "evaluate", "--folder", str(exchange.hub), "--language", "en",
                "--report", str(folder / "report.html"),
            ],
            HUB,
        )  # fmt: skip
        return {name: exchange.result(name) for name in PARTNERS}
    finally:
        exchange.stop()


@pytest.fixture(scope="module")
def enclave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")


@pytest.fixture(scope="module", params=["demo", "generated"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, enclave: Path) -> Told:
    base = tmp_path_factory.mktemp(request.param)
    data = DEMO if request.param == "demo" else make_data(base / "data")
    lists = exchanged(data, base / "exchange", enclave)
    return Told(data, centralised(data), lists, base / "exchange")


@pytest.mark.timeout(900)
def test_every_score_and_level_is_the_centralised_one_bit_for_bit(told: Told) -> None:
    lists, reference = told.lists, told.reference
    sirens = reference.keys.to_pylist()
    scores = dict(zip(sirens, reference.score.tolist(), strict=True))
    levels = dict(
        zip(sirens, [LEVELS[level] if level >= 0 else None for level in reference.level.tolist()], strict=True)
    )
    assert set(lists["acoss"].column(SIREN).to_pylist()) == set(sirens)
    for table in lists.values():
        found = table.column(SIREN).to_pylist()
        assert table.column("score").to_pylist() == [scores[siren] for siren in found]
        assert table.column("level").to_pylist() == [levels[siren] for siren in found]


@pytest.mark.timeout(900)
def test_every_reason_is_the_centralised_one_too(told: Told) -> None:
    lists, reference = told.lists, told.reference
    sirens = reference.keys.to_pylist()
    alerted = [sirens[row] for row in reference.explanation.rows.tolist()]
    contributions = dict(zip(alerted, reference.explanation.contributions.tolist(), strict=True))
    for partner, table in lists.items():
        named = 0
        for row in table.to_pylist():
            by_name = dict(zip(DEMO_CATALOGUE.names, contributions.get(row[SIREN], []), strict=False))
            for number in (1, 2, 3):
                if (reason := row[f"reason_{number}"]) is not None:
                    assert row[f"reason_{number}_contribution"] == by_name[reason]
                    named += 1
        assert named, partner


@pytest.mark.timeout(900)
def test_each_partner_is_told_of_the_companies_that_it_sent(told: Told) -> None:
    for partner, tables in load(told.data, BUILT_IN).items():
        sent = {siren for table in tables.values() for siren in table.column(SIREN).to_pylist()}
        assert set(told.lists[partner].column(SIREN).to_pylist()) == sent


@pytest.mark.timeout(900)
def test_the_hub_shows_what_the_run_says_of_its_model(told: Told) -> None:
    """So few companies are not measured, and that is said."""
    printed = (told.folder / "said" / "vigie-hub-model.txt").read_text()
    assert told.reference.model.hex()[:16] in printed
    assert "not measured in this run" in printed
    assert (told.folder / "report.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("told", ["generated"], indirect=True)
def test_other_keys_give_the_same_lists(told: Told, tmp_path: Path, enclave: Path) -> None:
    again = exchanged(told.data, tmp_path / "exchange", enclave)
    for partner in PARTNERS:
        assert again[partner].equals(told.lists[partner])
