"""A model kept between runs: sealed at the hub, its key in shares at the custodians, real processes everywhere.

The tests tell one story, in their order: trained, scored with again, a share spoilt and restored from paper, too few shares,
the agreement amended and the key shared anew.
"""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.exchange import PERIOD, Exchange, make_data, make_enclave
from vigie.demo.programs import BINARIES, CommandFailed, environment
from vigie.demo.story import AUDITOR, HUB, PARTNERS

pytestmark = pytest.mark.timeout(900)  # the first test waits for a whole exchange to be set up


class Kept:
    """An exchange in which a model was trained.

    Attributes:
        model: its digest.
        lists: each partner's list of the run that trained it.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.model = str(exchange.consolidate(PERIOD)["model"])
        self.lists = {name: exchange.result(name) for name in PARTNERS}
        self.wait_confirmed()

    def models(self) -> list[dict[str, Any]]:
        said = self.exchange.run(["vigie-hub", "model", "list", "--folder", str(self.exchange.hub), "--json"], HUB)
        return list(json.loads(said))

    def wait_confirmed(self) -> None:
        """Wait until every custodian keeps its share."""
        wait_for(lambda: all(set(one["confirmed"]) == set(PARTNERS) for one in self.models()))

    def shares(self, name: str) -> list[dict[str, Any]]:
        said = self.exchange.run(["vigie-node", "share", "list", "--folder", str(self.exchange.node(name)), "--json"])
        return list(json.loads(said))

    def file(self, name: str) -> Path:
        """The one sealed share that a custodian keeps."""
        (found,) = (self.exchange.member(name) / "shares").iterdir()
        return found

    def paper(self, name: str, place: Path) -> str:
        """A custodian's share as it is printed."""
        folder = ["--folder", str(self.exchange.node(name))]
        self.exchange.run(["vigie-node", "share", "words", *folder, "--output", str(place)], name)
        assert place.stat().st_mode & 0o077 == 0
        return place.read_text()

    def restore(self, name: str, typed: str) -> subprocess.CompletedProcess[str]:
        """Type a share in again."""
        reading, writing = os.pipe()
        os.write(writing, typed.encode())
        os.close(writing)
        try:
            return subprocess.run(
                [BINARIES / "vigie-node", "share", "restore", "--folder", str(self.exchange.node(name)), "--words-fd", str(reading)],
                env=environment(self.exchange.secret(name)), pass_fds=(reading,), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
        finally:
            os.close(reading)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    base = tmp_path_factory.mktemp("joint")
    enclave = make_enclave(tmp_path_factory.getbasetemp() / "enclave")
    made = Exchange.make(base / "story", make_data(base / "data"), enclave)
    try:
        made.begin()
        made.send_all()
        yield Kept(made)
    finally:
        made.stop()


def wait_for(look: Callable[[], Any], limit: float = 60) -> Any:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError("it did not come in time")


def waiting(exchange: Exchange, name: str) -> str | None:
    listed = json.loads(exchange.run(["vigie-node", "orders", "--folder", str(exchange.node(name)), "--json"]))
    return next((one["digest"] for one in listed if one["stage"] == "waiting"), None)


def test_the_whole_disk_of_the_hub_gives_no_model_away(kept: Kept, tmp_path: Path) -> None:
    (model,) = kept.models()
    assert model["model"] == kept.model
    assert (model["threshold"], sorted(model["custodians"])) == (2, sorted(PARTNERS))
    words = [line.split()[1:] for name in PARTNERS for line in kept.paper(name, tmp_path / name).splitlines()[1:]]
    secrets = [b"tree\n", b"feature_names", *(" ".join(row).encode() for row in words if len(row) == 4)]
    assert len(secrets) > 20
    files = [path for path in kept.exchange.hub.rglob("*") if path.is_file() and "enclave" not in path.parts]
    assert any(path.parent.parent.name == "models" for path in files)
    for path in files:
        held = path.read_bytes()
        assert not any(secret in held for secret in secrets), path
    for path in (kept.exchange.folder / "logs").iterdir():
        assert not any(secret in path.read_bytes() for secret in secrets[2:]), path


def test_scoring_with_the_model_gives_the_same_lists_bit_for_bit(kept: Kept) -> None:
    said: dict[str, Any] = {}
    ordered = threading.Thread(target=lambda: said.update(kept.exchange.consolidate(PERIOD, "2m", kept.model[:16])))
    ordered.start()
    # There is a run for this month already, so that every partner is asked.
    for name in PARTNERS:
        order = wait_for(partial(waiting, kept.exchange, name))
        kept.exchange.run(["vigie-node", "approve", order, "--folder", str(kept.exchange.node(name)), "--yes"])
    ordered.join(240)
    assert said["model"] == kept.model
    assert said["shares"] == dict.fromkeys(PARTNERS, "sound")
    for name in PARTNERS:
        assert kept.exchange.result(name).equals(kept.lists[name]), name
    assert "nothing is wrong" in kept.exchange.audit()


def test_a_spoilt_share_is_named_left_out_and_restored_from_paper(kept: Kept, tmp_path: Path) -> None:
    travail = kept.paper("travail", tmp_path / "travail")
    acoss = kept.paper("acoss", tmp_path / "acoss")
    path = kept.file("travail")
    held = bytearray(path.read_bytes())
    held[-1] ^= 1
    path.write_bytes(held)
    said = kept.exchange.consolidate("2021-03", "2m", kept.model)
    assert said["shares"] == {"acoss": "sound", "banque-de-france": "sound", "travail": "none"}
    assert said["model"] == kept.model
    # The wrong envelope, a word mistyped, then the right one.
    other = kept.restore("travail", acoss)
    assert (other.returncode, "that of acoss" in other.stderr) == (5, True)
    lines = travail.splitlines()
    first = lines[1].split()[1]
    mistyped = kept.restore("travail", travail.replace(first, "zzzz", 1))
    assert mistyped.returncode == 3
    assert first not in mistyped.stderr
    assert path.read_bytes() == held
    assert kept.restore("travail", travail).returncode == 0
    assert kept.paper("travail", tmp_path / "again").split("\n", 1)[1] == travail.split("\n", 1)[1]


def test_one_custodian_less_than_the_threshold_opens_nothing(kept: Kept, tmp_path: Path) -> None:
    papers = {}
    for name in ("travail", "banque-de-france"):
        papers[name] = kept.paper(name, tmp_path / name)
        kept.file(name).unlink()
    with pytest.raises(CommandFailed) as failed:
        kept.exchange.consolidate("2021-02", "2m", kept.model)
    assert failed.value.code == 5
    assert "sound shares of 2 organisations" in failed.value.said
    assert "none of: banque-de-france, travail" in failed.value.said
    for name, paper in papers.items():
        assert kept.restore(name, paper).returncode == 0


def test_an_amendment_of_the_threshold_shares_the_key_anew(kept: Kept, tmp_path: Path) -> None:
    exchange = kept.exchange
    before = kept.paper("acoss", tmp_path / "before")
    (old,) = kept.shares("acoss")
    amended = exchange.folder / "convention-2.note"
    exchange.run(
        [
            "vigie",
            "convention",
            "amend",
            str(exchange.convention),
            "--set",
            "custody.threshold=3",
            "--output",
            str(amended),
        ]
    )
    for name in (*PARTNERS, AUDITOR):
        keyring = ["--keyring", str(exchange.member(name) / "keyring.vigie"), "--words-kept"]
        exchange.run(
            ["vigie", "convention", "sign", str(amended), "--amends", str(exchange.convention), *keyring], name
        )
    exchange.daemons[HUB].stop()
    (exchange.hub / "conventions" / "0002.convention").write_bytes(amended.read_bytes())
    exchange.daemons[HUB].start()
    exchange.daemons[HUB].first_line()
    exchange.wait_attending({*PARTNERS, AUDITOR})
    said = exchange.consolidate("2021-01", "3m", kept.model)
    assert said["model"] == kept.model
    kept.wait_confirmed()
    assert {one["threshold"] for one in kept.models()} == {3}
    replaced, counting = wait_for(lambda: (found := kept.shares("acoss")) and not found[0]["kept"] and found)
    assert (replaced["counts"], replaced["kept"], replaced["key"]) == (False, False, old["key"])
    assert (counting["counts"], counting["kept"], counting["key"], counting["threshold"]) == (True, True, old["key"], 3)
    refused = kept.restore("acoss", before)
    assert (refused.returncode, "newer shares have replaced" in refused.stderr) == (5, True)
    shutil.rmtree(exchange.folder / "audit", ignore_errors=True)  # the copy of before, where an earlier test made one
    assert "nothing is wrong" in exchange.audit()
