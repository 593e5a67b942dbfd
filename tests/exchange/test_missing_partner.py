"""A partner that refuses or is away is a missing partner, shown as such; one that is required ends the order."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.exchange import PERIOD, Exchange, make_data, make_enclave
from vigie.demo.programs import CommandFailed
from vigie.demo.story import PARTNERS, PURPOSE
from vigie_node import export

EARLIER = "2021-03"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Three partners that have sent their extracts; every one of them decides by hand."""
    base = tmp_path_factory.mktemp("missing")
    enclave = make_enclave(tmp_path_factory.getbasetemp() / "enclave")
    made = Exchange.make(base / "story", make_data(base / "data"), enclave)
    try:
        made.members()
        made.agree(800)
        measurement = made.set_up()
        made.start()
        made.nodes()
        for name in PARTNERS:
            config = made.node(name) / "node.toml"
            config.write_text(config.read_text().replace('policy = "auto"', 'policy = "manual"'))
        made.approve(measurement)
        made.attend()
        made.send_all()
        yield made
    finally:
        made.stop()


class Ordered(threading.Thread):
    """A consolidation that an operator ordered and waits for."""

    def __init__(self, exchange: Exchange, period: str, deadline: str) -> None:
        super().__init__(daemon=True)
        self._exchange, self._period, self._deadline = exchange, period, deadline
        self.run_said: dict[str, Any] | None = None
        self.failure: CommandFailed | None = None

    def run(self) -> None:
        try:
            self.run_said = self._exchange.consolidate(self._period, self._deadline)
        except CommandFailed as error:
            self.failure = error


def wait_for(look: Callable[[], Any], limit: float = 60) -> Any:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not come in time")


def order_at(exchange: Exchange, name: str, period: str) -> str | None:
    listed = json.loads(exchange.run(["vigie-node", "orders", "--folder", str(exchange.node(name)), "--json"]))
    return next((one["digest"] for one in listed if one["period"] == period), None)


def decide(exchange: Exchange, name: str, verb: str, period: str) -> None:
    order = wait_for(lambda: order_at(exchange, name, period))
    exchange.run(["vigie-node", verb, order, "--folder", str(exchange.node(name)), "--yes"])


def test_the_run_goes_on_without_one_that_refuses_and_one_that_is_away(exchange: Exchange) -> None:
    exchange.daemons["travail"].stop()
    ordered = Ordered(exchange, PERIOD, "40s")
    ordered.start()
    decide(exchange, "banque-de-france", "refuse", PERIOD)
    decide(exchange, "acoss", "approve", PERIOD)
    ordered.join(180)
    said = ordered.run_said
    assert said is not None, ordered.failure
    assert said["releases"]["travail"] == "none"
    assert len(said["releases"]["acoss"]) == len(said["releases"]["banque-de-france"]) == 64
    assert said["metrics"] is not None

    exchange.results("acoss", "parquet")  # kept with what it says about itself
    exported = pq.read_table(exchange.folder / "results" / "acoss.parquet")
    about = export.about(exported)
    assert sorted(about["missing_partners"]) == ["banque-de-france", "travail"]
    assert {source["partner"] for source in about["freshness"].values()} == {"acoss"}
    assert exported.num_rows > 0
    assert exported.column("score").null_count == 0 or "score" in about["withheld"]

    # Whose lots stayed shut is told nothing: the enclave cannot know which companies that partner declared.
    assert exchange.result("banque-de-france").num_rows == 0
    assert "nothing is wrong" in exchange.audit()


def test_a_required_partner_that_refuses_ends_the_order_and_says_so(exchange: Exchange) -> None:
    ordered = Ordered(exchange, EARLIER, "40s")
    ordered.start()
    decide(exchange, "acoss", "refuse", EARLIER)
    decide(exchange, "banque-de-france", "approve", EARLIER)
    ordered.join(180)
    assert ordered.failure is not None
    assert ordered.failure.code == 5
    assert "acoss" in ordered.failure.said
    runs = json.loads(exchange.run(["vigie-hub", "runs", "--folder", str(exchange.hub), "--json"], "hub"))
    assert sum(bool(one["run"]) for one in runs) == 1, "only the first order has a run"


def test_what_a_person_decides_on_is_shown_in_words(exchange: Exchange, tmp_path: Path) -> None:
    listed = exchange.run(["vigie-node", "orders", "--folder", str(exchange.node("acoss"))])
    assert PURPOSE in listed
    assert PERIOD in listed
