"""What people get wrong, each in a running exchange: the exit code, one sentence that says what, and a hint.

The commands are typed in the folder of the exchange. A mistake must cost nothing: at the end, the same exchange still
takes what is right.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from support.exchange import Exchange, make_data, make_enclave
from support.pages import Desk
from vigie.audit.folder import entry_path
from vigie.demo.story import AUDITOR, HUB, PARTNERS, with_overrides
from vigie.durable import write_file

CARDS = " ".join(f"--card members/{name}/card.toml" for name in (*PARTNERS, AUDITOR, HUB))
SEND = "vigie-node send --folder nodes/acoss --delivery snapshot"
CONSOLIDATE = "vigie-hub consolidate --folder hub --purpose early-warning"
EXPORT = "vigie audit export --keyring members/auditeur/keyring.vigie --convention convention.note"
NODE = "vigie-node init --keyring members/acoss/keyring.vigie --convention convention.note"


@dataclass
class Scene:
    """An exchange in which one lot was sent, and a desk for each member, all in the exchange's folder."""

    exchange: Exchange
    desks: Mapping[str, Desk]

    def type(self, member: str, command: str, code: int = 0) -> str:
        """Type a command as a member and return everything that it printed."""
        return self.desks[member].type(command, f"{member}'s mistake", code=code)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The exchange, with the files that mistakes are made of."""
    base = tmp_path_factory.getbasetemp()
    enclave = make_enclave((base.parent if base.name.startswith("popen-") else base) / "enclave")
    place = tmp_path_factory.mktemp("mistakes")
    exchange = Exchange.make(place / "exchange", make_data(place / "data"), enclave)
    try:
        exchange.begin()
        desks = {name: Desk(exchange.folder, exchange.passphrases[name]) for name in (*PARTNERS, AUDITOR, HUB)}
        made = Scene(exchange, desks)
        prepare(made, place / "data")
        yield made
    finally:
        exchange.stop()


def prepare(scene: Scene, data: Path) -> None:
    """Put the right files and the wrong ones into the folder, and send one lot."""
    folder = scene.exchange.folder
    (folder / "extracts").symlink_to(data)
    debts = pq.read_table(data / "acoss" / "debts.parquet")
    for name in ("half", "wrong"):
        (folder / name).mkdir()
    pq.write_table(debts.slice(0, debts.num_rows // 2), folder / "half" / "debts.parquet")
    pq.write_table(debts, folder / "wrong" / "headcount.parquet")
    pq.write_table(debts, folder / "wrong" / "dettes.parquet")
    (folder / "wrong" / "debts.parquet").write_text("not a table")
    scene.type("acoss", f"{SEND} --period 2021-03 extracts/acoss/debts.parquet")
    scene.type("acoss", f"{NODE} --folder lonely --hub 127.0.0.1:9")
    scene.type(AUDITOR, f"{EXPORT} --hub {scene.exchange.address} --output journal")
    scene.type(AUDITOR, "cp -r journal changed")
    entry = folder / "changed" / entry_path(0)
    entry.write_bytes(entry.read_bytes().replace(b"release_quorum = 1", b"release_quorum = 0"))
    text = (folder / "convention.note").read_text(encoding="utf-8")
    (folder / "edited.note").write_text(text.replace("horizon = 18", "horizon = 12"))
    ended = with_overrides((folder / "terms.toml").read_text(), {"from": '"2019-01-01"', "to": '"2020-12-31"'})
    write_file(folder / "ended.toml", ended.encode())
    scene.type("acoss", f"vigie convention draft --terms terms.toml {CARDS} --output unsigned.note")
    scene.type("acoss", f"vigie convention draft --terms ended.toml {CARDS} --output ended.note")
    for name in (*PARTNERS, AUDITOR):
        scene.type(name, f"vigie convention sign ended.note --words-kept --keyring members/{name}/keyring.vigie")


def explained(said: str, words: str) -> None:
    """Hold what was printed against what a person needs: one sentence with these words, a hint, and no trace."""
    lines = said.splitlines()
    (sentence,) = [line for line in lines if line.startswith("error: ")]
    assert words in sentence, said
    assert [line for line in lines if line.startswith("hint: ") and len(line) > 12], said
    assert "Traceback" not in said
    assert "defect" not in said


PARTNER_MISTAKES = {
    "month": (2, "{send} --period 2021-4 extracts/acoss/debts.parquet", "is not a month"),
    "month that is none": (2, "{send} --period 2021-13 extracts/acoss/debts.parquet", "is not a month"),
    "no such file": (2, "{send} --period 2021-04 extracts/acoss/dette.parquet", "there is no such file"),
    "name of a file": (2, "{send} --period 2021-04 wrong/dettes.parquet", "there is no dataset called 'dettes'"),
    "other content": (2, "{send} --period 2021-04 wrong/headcount.parquet", "column 'headcount' not found"),
    "not a table": (2, "{send} --period 2021-04 wrong/debts.parquet", "not a readable Parquet file"),
    "twice the same dataset": (
        2, "{send} --period 2021-04 extracts/acoss/debts.parquet half/debts.parquet", "two files are of the same dataset",
    ),
    "dataset of another": (5, "{send} --period 2021-04 extracts/banque-de-france/ratios.parquet", "a dataset of acoss"),
    "half a file": (5, "{send} --period 2021-04 half/debts.parquet", "at least 80% of the rows"),
    "delta of nothing": (
        5, "{send} --period 2021-04 --delivery delta extracts/acoss/headcount.parquet", "a snapshot of headcount",
    ),
    "hub is down": (
        7, "vigie-node send --folder lonely --delivery snapshot --period 2021-04 extracts/acoss/debts.parquet",
        "the hub cannot be reached at 127.0.0.1:9",
    ),
    "hub is down, results": (7, "vigie-node results fetch --folder lonely", "the hub cannot be reached at 127.0.0.1:9"),
    "no result yet": (6, "vigie-node results export --folder nodes/acoss --output list.csv", "no such result"),
    "kind of file": (2, "vigie-node results export --folder nodes/acoss --format pdf --output l.pdf", "'pdf'"),
    "no such order": (6, "vigie-node approve 0123 --folder nodes/acoss", "no announced order"),
    "two daemons": (2, "vigie-node run --folder nodes/acoss", "a process runs the node"),
    "no node here": (6, "vigie-node status --folder nodes/acos", "there is no node in nodes/acos"),
    "misspelt verb": (2, "vigie-node stauts --folder nodes/acoss", "No such command 'stauts'"),
    "node there already": (2, "{node} --folder lonely --hub 127.0.0.1:9", "there is a node in lonely already"),
    "address": (2, "{node} --folder other --hub hub.example", "--hub must be host:port"),
    "card for convention": (
        3,
        "vigie-node init --folder other --hub a:1 --keyring members/acoss/keyring.vigie --convention members/acoss/card.toml",
        "members/acoss/card.toml is not a signed convention",
    ),
    "convention for keyring": (
        3, "vigie-node init --folder other --keyring convention.note --convention convention.note --hub hub.example:1",
        "not a keyring file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PARTNER_MISTAKES)
def test_a_partner(scene: Scene, mistake: str) -> None:
    code, command, words = PARTNER_MISTAKES[mistake]
    explained(scene.type("acoss", command.format(send=SEND, node=NODE), code), words)


HUB_MISTAKES = {
    "purpose": (2, "vigie-hub consolidate --folder hub --purpose early-warming --period 2021-04", "has no purpose"),
    "month": (2, "{consolidate} --period 2021-4", "is not a month"),
    "deadline": (2, "{consolidate} --period 2021-04 --deadline soon", "is not a duration"),
    "month to come": (5, "{consolidate} --period 2037-01 --deadline 20s", "a month that has begun"),
    "hub there already": (
        2, "vigie-hub init --folder hub --keyring members/hub/keyring.vigie --convention convention.note", "a hub in hub",
    ),
    "served already": (8, "vigie-hub serve --folder hub --listen 127.0.0.1:0", "another process"),
    "address": (2, "vigie-hub serve --folder hub --listen everywhere", "is not host:port"),
    "no hub here": (2, "vigie-hub status --folder nodes", "there is no hub in nodes"),
    "node's keyring as node": (
        5, "vigie-node init --folder other --keyring members/hub/keyring.vigie --convention convention.note --hub a:1",
        "a partner of the convention",
    ),
    "unsigned convention": (
        3, "vigie-hub init --folder other --keyring members/hub/keyring.vigie --convention unsigned.note",
        "unsigned.note is not a signed convention",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", HUB_MISTAKES)
def test_a_hub_operator(scene: Scene, mistake: str) -> None:
    code, command, words = HUB_MISTAKES[mistake]
    explained(scene.type(HUB, command.format(consolidate=CONSOLIDATE), code), words)


SIGNATORY_MISTAKES = {
    "signed before": (
        5, "vigie convention sign convention.note --keyring members/acoss/keyring.vigie", "who has not signed yet",
    ),
    "words to no terminal": (
        2, "vigie member words --keyring members/acoss/keyring.vigie", "the words are shown at a terminal only",
    ),
    "edited after signing": (4, "vigie convention verify edited.note", "does not fit this text"),
    "not signed by all": (4, "vigie convention verify unsigned.note", "lacks the signature of acoss"),
    "has ended": (5, "vigie convention verify ended.note", "expected a day from 2019-01-01 to 2020-12-31"),
    "card for convention": (3, "vigie convention show members/acoss/card.toml", "is not a convention"),
    "convention for card": (
        3, "vigie convention draft --terms terms.toml --card convention.note --output d.note", "is not a member's card",
    ),
    "a card is missing": (
        2, "vigie convention draft --terms terms.toml --card members/acoss/card.toml --output d.note",
        "none of the cards is the hub's",
    ),
    "draft there already": (
        2, "vigie convention draft --terms terms.toml {cards} --output unsigned.note", "unsigned.note exists",
    ),
    "wrong terms": (
        3, "vigie convention draft --terms members/acoss/card.toml {cards} --output d.note", "card.toml is not complete",
    ),
    "misspelt change": (3, "vigie convention amend convention.note --set enclave.aprovals=3 -o d.note", "'aprovals'"),
    "impossible change": (3, "vigie convention amend convention.note --set enclave.approvals=9 -o d.note", "9 approvals"),
    "measurement cut": (
        2, "vigie approve --measurement 00ff --convention convention.note --keyring members/acoss/keyring.vigie -o a.note",
        "not 64 lower-case hexadecimal digits",
    ),
    "approval under an ended convention": (
        5, "vigie approve --measurement {zeros} --convention ended.note --keyring members/acoss/keyring.vigie -o a.note",
        "expected a day from",
    ),
    "keyring there already": (
        2, "vigie member init acoss --organisation A --role partner --convention c --folder members/acoss", "exists",
    ),
    "role": (2, "vigie member init acoss --organisation A --role parner --convention c --folder new", "'parner'"),
    "name": (2, "vigie member init Acoss --organisation A --role partner --convention c --folder new", "'Acoss'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", SIGNATORY_MISTAKES)
def test_a_signatory(scene: Scene, mistake: str) -> None:
    code, command, words = SIGNATORY_MISTAKES[mistake]
    explained(scene.type("acoss", command.format(cards=CARDS, zeros="0" * 64), code), words)


AUDITOR_MISTAKES = {
    "copy there already": (2, "{export} --hub {address} --output journal", "journal is there already"),
    "hub is down": (7, "{export} --hub 127.0.0.1:9 --output new", "the hub cannot be reached at 127.0.0.1:9"),
    "not a copy": (2, "vigie audit verify extracts", "extracts is no copy of a journal"),
    "no such folder": (2, "vigie audit verify jornal", "there is no folder jornal"),
    "card for convention": (
        3, "vigie audit verify journal --convention members/acoss/card.toml", "is not a signed convention",
    ),
    "compared with something else": (3, "vigie audit compare journal convention.note", "convention.note"),
    "measured something else": (2, "vigie evidence measure --root extracts", "launch.json"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", AUDITOR_MISTAKES)
def test_an_auditor(scene: Scene, mistake: str) -> None:
    code, command, words = AUDITOR_MISTAKES[mistake]
    explained(scene.type(AUDITOR, command.format(export=EXPORT, address=scene.exchange.address), code), words)


def test_a_changed_copy_names_the_entry(scene: Scene) -> None:
    said = scene.type(AUDITOR, "vigie audit verify changed --convention convention.note", 4)
    assert "WRONG" in said
    assert "nothing is wrong" in scene.type(AUDITOR, "vigie audit verify journal --convention convention.note")


@pytest.mark.parametrize(
    "command",
    [
        f"{SEND} --period 2021-04 extracts/acoss/debts.parquet",
        "vigie-hub status --folder hub",
        "vigie member card --keyring members/travail/keyring.vigie",
        "vigie audit witness --folder w --hub a:1 --keyring members/auditeur/keyring.vigie --convention convention.note",
    ],
)
def test_a_wrong_passphrase_or_none(scene: Scene, command: str) -> None:
    stranger = Desk(scene.exchange.folder, "what was it again")
    explained(stranger.type(command, "a wrong passphrase", code=2), "does not open with this passphrase")
    explained(stranger.type(f"unset VIGIE_PASSPHRASE; {command}", "no passphrase", code=2), "there is no passphrase")
    explained(stranger.type(f"{command} --passphrase-fd 0", "two passphrases", code=2), "given twice")


def test_an_ended_convention_sends_nothing(scene: Scene) -> None:
    node = "vigie-node init --folder late --keyring members/acoss/keyring.vigie --convention ended.note"
    assert "not today" in scene.type("acoss", f"{node} --hub {scene.exchange.address}")
    send = "vigie-node send --folder late --delivery snapshot --period 2021-04 extracts/acoss/debts.parquet"
    explained(scene.type("acoss", send, 5), "expected a day from 2019-01-01 to 2020-12-31")
    said = scene.type("acoss", "vigie-node doctor --folder late", 1)
    assert "WRONG  version 1 of signaux-faibles-demo ended on 2020-12-31" in said


def test_a_check_says_whose_dataset_it_is(scene: Scene) -> None:
    said = scene.type("acoss", "vigie-node check --folder nodes/acoss extracts/banque-de-france/ratios.parquet")
    assert "the convention lets banque-de-france send ratios, not acoss" in said


def test_nothing_of_it_did_harm(scene: Scene) -> None:
    """The mistakes above made no lot, no run and no result; what is right still works."""
    said = scene.type("acoss", f"{SEND} --period 2021-03 extracts/acoss/debts.parquet")
    assert "the same receipt counts" in said
    found = scene.type(HUB, "vigie-hub lots --folder hub --all")
    assert found.count("2021-") == 1
