"""The pages of docs/roles, played: every command that a page shows is typed, in a real exchange, in the page's order.

Each member sits at a desk of its own and has nothing but what the pages tell it to have. Files that people send one
another (cards, the convention, the enclave root) are the only things that the test carries from desk to desk. What the
names in the pages stand for is in docs/README.md; `NAMES` says the same to the test.
"""

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest

from support.exchange import COMPANIES, MONTHS, PERIOD, make_enclave
from support.pages import Desk, read_page
from vigie.clock import utc_now
from vigie.demo.story import AUDITOR, CONVENTION, PARTNERS, with_overrides
from vigie.synth.extracts import write_extracts

PAGES = ("signatory", "hub-operator", "partner")
"""Pages that are played here; tests/exchange/test_auditor.py plays the auditor's."""

SIGNATORIES = (*PARTNERS, AUDITOR)
PARTNER_ROLES = "--role partner --role custodian --role witness"
ORDER = "0123abcd"
HUB_ADDRESS = "hub.example:7443"
NAMES = {
    "0.0.0.0:7443": "127.0.0.1:0",
    f"--convention {CONVENTION} --folder": f"--convention {CONVENTION} --cost interactive --folder",
}
"""What is typed instead of a name of the pages at every desk."""


@pytest.fixture(scope="session")
def enclave(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An enclave root, which takes a while to copy: tests of one run share it."""
    base = tmp_path_factory.getbasetemp()
    return make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")


@pytest.fixture
def desks(tmp_path: Path, enclave: Path) -> Iterator[dict[str, Desk]]:
    """A desk for each signatory and for the hub, with what people have before they begin."""
    data = tmp_path / "data"
    write_extracts(data, companies=COMPANIES, months=MONTHS, seed=7, last_month=PERIOD)
    made: dict[str, Desk] = {}
    for name in (*PARTNERS, AUDITOR, "hub"):
        place = tmp_path / name
        place.mkdir()
        made[name] = Desk(place, f"passphrase of {name}", dict(NAMES))
    for name, organisation in PARTNERS.items():
        made[name].names |= {"--organisation ACOSS": f"--organisation '{organisation}'", "acoss": name}
        (made[name].place / "extracts").symlink_to(data / name)
        (made[name].place / "enclave").symlink_to(enclave)
    made[AUDITOR].names |= {"--organisation ACOSS": "--organisation IGF", "acoss": AUDITOR}
    made[AUDITOR].names |= {PARTNER_ROLES: "--role auditor --role witness"}
    (made["hub"].place / "hub").mkdir()
    (made["hub"].place / "hub" / "enclave").symlink_to(enclave)
    yield made
    for desk in (*(made[name] for name in PARTNERS), made["hub"]):
        desk.stop()


@pytest.mark.timeout(900)
def test_the_pages_from_their_first_command_to_their_last(desks: dict[str, Desk]) -> None:
    agree(desks)
    set_up(desks)
    desks["acoss"].play("partner", "4.")
    desks["acoss"].play("partner", "5.")
    for name in list(PARTNERS)[1:]:
        desks[name].play("partner", "5.", 0)
    desks["hub"].play("hub-operator", "4.")
    consolidate(desks)
    desks["acoss"].play("partner", "7.")
    desks["acoss"].play("partner", "10.", 0)
    assert "Niveau de garantie : A1" in (desks["acoss"].place / "results" / "list.txt").read_text(encoding="utf-8")
    amend(desks)
    played = {block for desk in desks.values() for block in desk.played}
    assert played == {block for page in PAGES for block in read_page(page)}


def agree(desks: dict[str, Desk]) -> None:
    """Everybody draws keys, one drafts, each signs in turn, and all hold the same convention."""
    for name in SIGNATORIES:
        desks[name].play("signatory", "1.")
    desks["hub"].play("hub-operator", "1.")
    cards = desks["acoss"].place / "cards"
    cards.mkdir()
    for name, desk in desks.items():
        shutil.copy(desk.place / ("keys" if name == "hub" else name) / "card.toml", cards / f"{name}.toml")
    terms = resources.files("vigie.demo").joinpath("terms.toml").read_text()
    year = utc_now().year
    changes = {"from": f'"{year}-01-01"', "to": f'"{year + 1}-12-31"', "population": "400", "buckets": "8"}
    (desks["acoss"].place / "terms.toml").write_text(with_overrides(terms, changes))
    desks["acoss"].play("signatory", "2.")
    desks["acoss"].play("signatory", "3.")
    sign_in_turn(desks, "convention.note", "4.", place=0)
    desks["acoss"].play("signatory", "4.", 1)


def amend(desks: dict[str, Desk]) -> None:
    """One drafts an amendment, each signs it in turn."""
    desks["acoss"].play("signatory", "5.", 0)
    sign_in_turn(desks, "convention-2.note", "5.", place=1)
    desks["acoss"].play("signatory", "5.", 2)


def sign_in_turn(desks: dict[str, Desk], file: str, section: str, *, place: int) -> None:
    """Hand a file from signatory to signatory; the last one's is then everybody's."""
    before = desks["acoss"]
    for name in SIGNATORIES:
        if desks[name] is not before:
            shutil.copy(before.place / file, desks[name].place / file)
        desks[name].play("signatory", section, place)
        before = desks[name]
    for desk in desks.values():
        if desk is not before:
            shutil.copy(before.place / file, desk.place / file)


def set_up(desks: dict[str, Desk]) -> None:
    """The hub serves, and the partners attend."""
    hub = desks["hub"]
    hub.play("hub-operator", "2.")
    (ready,) = [line for line in hub.play("hub-operator", "3.").splitlines() if line.startswith('{"listening"')]
    for name in PARTNERS:
        desks[name].names[HUB_ADDRESS] = str(json.loads(ready)["listening"])
        for section in ("1.", "2."):
            desks[name].play("partner", section)
        desks[name].play("partner", "3.", 0)
    desks["acoss"].play("partner", "3.", 1)


def consolidate(desks: dict[str, Desk]) -> None:
    """The operator orders, and waits; meanwhile a person at each partner approves."""
    with ThreadPoolExecutor(1) as pool:
        ordered = pool.submit(desks["hub"].play, "hub-operator", "5.")
        for name in PARTNERS:
            desks[name].names[ORDER] = announced(desks[name], ordered)
            desks[name].play("partner", "6.")
        ordered.result()


def announced(desk: Desk, ordered: "Future[str]", limit: float = 60) -> str:
    """Wait until a node was told of an order; return the first digits of its digest."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and not ordered.done():
        found = json.loads(desk.type("vigie-node orders --folder node --json", "the test itself"))
        if found:
            return str(found[0]["digest"])[: len(ORDER)]
        time.sleep(0.2)
    raise AssertionError(f"no order came: {ordered.result() if ordered.done() else 'the operator still waits'}")
