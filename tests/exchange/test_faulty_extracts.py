"""Faulty extracts in a running exchange: whatever is wrong with one file, nothing of the delivery is sent.

A partner's folder holds four sound extracts. A fault is planted into one of them, the whole folder is given to
``vigie-node send``, and the command says which file, why, and what to do. At the end the same folder, mended, is sent.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from support.exchange import PERIOD, Exchange, make_data, make_enclave
from support.faulty import Partner, secrets
from support.pages import Desk
from vigie.audit import folder as exports
from vigie.demo.story import AUDITOR, HUB
from vigie.statement import parse
from vigie.synth.faults import catalogue

KINDS: Final = ("cotisation", "debit", "effectif_ent", "procol")
SEND: Final = f"vigie-node send --folder nodes/acoss --delivery snapshot --period {PERIOD} extracts"
EXPORT: Final = "vigie audit export --keyring members/auditeur/keyring.vigie --convention convention.note"

REFUSED: Final = {
    "debit-missing-column-mt-po": "column Mt_PO not found",
    "cotisation-twice-column-siret": "the column 'Siret' stands twice",
    "effectif_ent-fifth-quarter-eff": "column eff202051 is no month",
    "procol-utf-16": "a NUL byte",
    "debit-header-only": "a header and no rows",
    "cotisation-gzip-cut": "damaged or cut off",
    "effectif_ent-latin-1": "not UTF-8",
}
"""Fault → words of the sentence; one for each way in which a file is refused."""
REJECTED: Final = (
    "debit-empty-mt-po", "cotisation-truncated-last-line", "effectif_ent-decimal-eff", "debit-open-quote",
    "procol-other-type",
)  # fmt: skip
"""Faults of one row of few: more than the hundredth that the convention allows. The last is a file of another type than
its name says, which that type alone would not keep from being sent."""


@dataclass
class Scene:
    """An exchange in which nothing was sent yet, and what a partner delivers."""

    exchange: Exchange
    partner: Partner
    acoss: Desk
    hub: Desk
    auditor: Desk

    def deliver(self, fault: str = "") -> tuple[str, set[str]]:
        """Fill the folder of extracts, with one faulty file; return its name, and what must not be said of it."""
        folder = self.exchange.folder / "extracts"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for kind in KINDS:
            (folder / self.partner.names[kind]).write_bytes(self.partner.samples[kind])
        if not fault:
            return "", set()
        one = next(one for one in catalogue() if one.name == fault)
        planted = self.partner.planted(one)
        (folder / self.partner.names[one.kind]).unlink()
        name = f"{self.partner.names[one.kind]}{one.suffix}"
        (folder / name).write_bytes(planted.data)
        return name, secrets(planted.data, one.layout)

    def lots(self) -> list[str]:
        """Datasets of the lots that the hub holds, replaced ones among them."""
        said = self.hub.type("vigie-hub lots --folder hub --all --json", "the hub's list")
        return [lot["dataset"] for lot in json.loads(said[said.index("[") :])]

    def journal(self, name: str) -> list[str]:
        """Kinds of the statements in the journal, as an auditor exports it."""
        self.auditor.type(f"{EXPORT} --hub {self.exchange.address} --output {name}", "the auditor's export")
        return [parse(raw).kind for raw in exports.read(self.exchange.folder / name).entries]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    base = tmp_path_factory.getbasetemp()
    enclave = make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")
    place = tmp_path_factory.mktemp("faulty")
    exchange = Exchange.make(place / "exchange", make_data(place / "data"), enclave)
    try:
        exchange.begin()
        desks = {name: Desk(exchange.folder, exchange.passphrases[name]) for name in ("acoss", HUB, AUDITOR)}
        (place / "partner").mkdir()
        yield Scene(exchange, Partner(place / "partner"), desks["acoss"], desks[HUB], desks[AUDITOR])
    finally:
        exchange.stop()


def refused(scene: Scene, fault: str) -> str:
    """Send a delivery with a fault; return the sentence, which comes with a hint and without any cell."""
    _, hidden = scene.deliver(fault)
    said = scene.acoss.type(SEND, fault, code=2)
    lines = said.splitlines()
    (sentence,) = [line for line in lines if line.startswith("error: ")]
    assert [line for line in lines if line.startswith("hint: ") and len(line) > 12], said
    assert "Traceback" not in said
    assert "deposited" not in said
    assert not {cell for cell in hidden if cell in said}
    return sentence


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_file_keeps_the_whole_delivery_here(scene: Scene, fault: str) -> None:
    name, _ = scene.deliver(fault)
    sentence = refused(scene, fault)
    assert name in sentence
    assert REFUSED[fault] in sentence


@pytest.mark.parametrize("fault", REJECTED)
def test_too_many_rejected_rows_keep_the_whole_delivery_here(scene: Scene, fault: str) -> None:
    name, _ = scene.deliver(fault)
    sentence = refused(scene, fault)
    assert name in sentence
    assert "too many rejected rows" in sentence and "1.0% are allowed" in sentence and "nothing was sent" in sentence


def test_nothing_was_sent_until_the_folder_is_sound(scene: Scene) -> None:
    assert scene.lots() == []
    assert "lot" not in scene.journal("before")
    scene.deliver()
    said = scene.acoss.type(SEND, "the sound folder")
    sent = ["contributions", "debts", "headcount", "proceedings"]
    assert all(f"{name}: deposited as lot" in said for name in sent)
    assert sorted(scene.lots()) == sent
    assert scene.journal("after").count("lot") == len(sent)
