"""One whole exchange with every kind of process killed once ends like one that was left in peace."""

from pathlib import Path

import pytest

from support.chaos import ENCLAVE, Outcome, disturbed, in_peace
from support.exchange import make_data, make_enclave
from vigie.demo.story import HUB

SEED = 4


@pytest.mark.timeout(1200)
def test_kills_lose_nothing_and_double_nothing(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    enclave = make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")
    data = make_data(tmp_path / "data")
    peace = in_peace(tmp_path / "peace", data, enclave)
    assert all(table.num_rows for table in peace.results.values())
    outcome = disturbed(tmp_path / "disturbed", data, enclave, SEED, peace)
    assert outcome.good, outcome
    assert outcome.kills[HUB] == outcome.kills["node"] == outcome.kills[ENCLAVE] == 1, outcome


def test_a_difference_is_seen() -> None:
    """The judgement of a story can fail."""
    outcome = Outcome(0)
    assert outcome.good
    outcome.lost.append("a lot")
    assert not outcome.good
