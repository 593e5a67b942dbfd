"""A whole exchange between processes, then every byte outside the partners is searched for what must not be there.

The extracts carry canaries: all SIRENs of the data, amounts that nothing else has, a company's name where a name might
slip in. Nodes speak to the hub through a recording proxy. The same scanner must find the canaries where they may be, in
an opened segment and in a partner's own list, so that finding nothing elsewhere means something.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.canary import Canary
from support.exchange import PERIOD, Exchange, make_data
from support.scanner import Hit, Scanner
from vigie import custody, segment
from vigie.datasets import BUILT_IN
from vigie.demo.programs import CommandFailed
from vigie.demo.story import HUB, PARTNERS
from vigie.evidence import measure_tree
from vigie.sealing import SealingPrivateKey, segment_info

NAME = "Filature Hélène Quimbert"
AMOUNTS = tuple(round(7_340_117.37 + 61_803.41 * step, 2) for step in range(24))
"""Debts that nobody has."""

PLANTED = 12
"""Companies with such a debt, twice each."""


def sirens(data: Path) -> list[str]:
    found = set[str]()
    for path in data.rglob("*.parquet"):
        found.update(pq.read_table(path, columns=["siren"]).column(0).to_pylist())
    return sorted(found)


def plant(path: Path) -> None:
    """Put the amounts into debts of twelve companies."""
    table = pq.read_table(path)
    names = table.column("siren").to_pylist()
    chosen = dict.fromkeys(sorted(set(names))[::5][:PLANTED])
    employer = table.column("employer_share").to_pylist()
    left = list(AMOUNTS)
    for siren in chosen:
        rows = [row for row, name in enumerate(names) if name == siren][-2:]
        for row in rows:
            employer[row] = left.pop()
    assert not left
    place = table.schema.get_field_index("employer_share")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(employer, pa.float64())), path)


class Told:
    """The exchange after it was told, its scanner and what was measured on the way."""

    def __init__(self, exchange: Exchange, scanner: Scanner) -> None:
        self.exchange = exchange
        self.scanner = scanner
        self.memory: list[Hit] = []
        self.refusals: list[list[str]] = []
        self.journal = ""


def writable_memory(pid: int) -> Iterator[bytes]:
    """What a process has in memory that is its own."""
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, permissions, *_ = line.split()
            if not permissions.startswith("rw"):
                continue
            first, last = (int(end, 16) for end in span.split("-"))
            try:
                memory.seek(first)
                yield memory.read(last - first)
            except (OSError, ValueError, OverflowError):
                continue  # a guard page or a device


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, enclave: Path) -> Told:
    """Tell the story once; all tests below only read what it left."""
    base = tmp_path_factory.mktemp("canaries")
    data = make_data(base / "data")
    plant(data / "acoss" / "debts.parquet")
    canaries = [Canary(siren=siren) for siren in sirens(data)]
    scanner = Scanner([*canaries, *(Canary(amount=amount) for amount in AMOUNTS), Canary(name=NAME)])
    exchange = Exchange.make(base / "story", data, enclave, proxied=True)
    told = Told(exchange, scanner)
    before = measure_tree(enclave / "root")
    try:
        exchange.begin()
        told.refusals = [refused(exchange, base, cell, column) for cell, column in ((NAME, "name"), (NAME, ""))]
        exchange.send_all()
        exchange.consolidate(PERIOD)
        for name in PARTNERS:
            for form in ("csv", "xlsx", "parquet"):
                exchange.results(name, form)
        told.journal = exchange.audit()
        hub = exchange.daemons[HUB].process
        assert hub is not None
        for number, piece in enumerate(writable_memory(hub.pid)):
            told.memory += scanner.scan(piece, f"memory of the hub, part {number}")
    finally:
        exchange.stop()
    assert measure_tree(enclave / "root") == before, "the enclave root was written to"
    return told


def refused(exchange: Exchange, base: Path, cell: str, column: str) -> list[str]:
    """Send debts as CSV with a name in a column of its own, or where an amount belongs; return the refusal."""
    rows = [f"{siren},2021-03-01,1,{cell if not column else 2}{f',{cell}' if column else ''}" for siren in SAMPLE]
    path = base / "debts.csv"
    path.write_text("\n".join([f"siren,month,employee_share,employer_share{f',{column}' if column else ''}", *rows]))
    node = ["--folder", str(exchange.node("acoss"))]
    said = []
    for command in (["check", *node], ["send", *node, "--period", PERIOD, "--delivery", "snapshot"]):
        try:
            said.append(exchange.run(["vigie-node", *command, str(path)], "acoss"))
        except CommandFailed as failed:
            said.append(failed.said)
        else:
            pytest.fail(f"a name was taken: {said}")
    return said


SAMPLE = ("005520135", "005520143")


def found(hits: Sequence[Hit]) -> str:
    """What to show of hits when there should be none."""
    return "\n".join(map(str, hits[:10]))


def test_a_name_is_refused_wherever_it_is_put_and_not_repeated(told: Told) -> None:
    extra_column, in_an_amount = told.refusals
    assert all("outside the schema" in text for text in extra_column), extra_column
    assert all("employer_share" in text or "rejected" in text for text in in_an_amount), in_an_amount
    for text in (*extra_column, *in_an_amount):
        assert not told.scanner.scan(text.encode(), "refusal"), text


def test_nothing_is_in_what_the_hub_keeps(told: Told) -> None:
    kept = [path for path in told.exchange.hub.rglob("*") if path.is_file()]
    assert {"hub.sqlite", "hub.toml"} <= {path.name for path in kept}
    assert sum(path.stat().st_size for path in kept if "lots" in path.parts) > 100_000
    assert sum(path.stat().st_size for path in kept if "results" in path.parts) > 10_000
    hits = told.scanner.scan_files(kept)
    assert not hits, found(hits)


def test_nothing_is_in_the_memory_of_the_hub(told: Told) -> None:
    assert not told.memory, found(told.memory)


def test_nothing_is_in_any_log_or_on_any_screen(told: Told) -> None:
    logs = told.exchange.folder / "logs"
    assert all((logs / f"{name}.log").stat().st_size > 100 for name in (*PARTNERS, HUB))
    for folder in (logs, told.exchange.said, told.exchange.folder / "temporary"):
        hits = told.scanner.scan_tree(folder)
        assert not hits, found(hits)


def test_nothing_crosses_the_wire_in_clear(told: Told) -> None:
    assert told.exchange.proxy is not None
    segments = sum(path.stat().st_size for path in (told.exchange.hub / "lots").rglob("*") if path.is_file())
    assert told.exchange.proxy.recorded() > segments, "the proxy stood beside the exchange, not in it"
    hits = told.scanner.scan_tree(told.exchange.folder / "wire")
    assert not hits, found(hits)


def test_nothing_is_in_the_journal_that_an_auditor_takes_away(told: Told) -> None:
    assert len(list((told.exchange.folder / "audit" / "entries").rglob("*.note"))) > 20
    hits = told.scanner.scan_tree(told.exchange.folder / "audit")
    assert not hits, found(hits)
    assert not told.scanner.scan(told.journal.encode(), "what the audit prints")


def test_nothing_is_in_what_a_node_keeps_about_others_and_about_its_checks(told: Told) -> None:
    for name in PARTNERS:
        node = told.exchange.node(name)
        for place in ("reports", "spool", "conventions", "approvals"):
            hits = told.scanner.scan_tree(node / place)
            assert not hits, found(hits)


def test_the_scanner_finds_the_amounts_in_an_opened_segment(told: Told) -> None:
    """The same bytes in which nothing was found, opened with the partner's keys, show every amount."""
    plain, sealed = opened_segments(told.exchange, "debts")
    assert not told.scanner.scan(sealed, "sealed")
    assert {hit.canary for hit in told.scanner.scan(plain, "opened")} == {str(amount) for amount in AMOUNTS}


def opened_segments(exchange: Exchange, dataset: str) -> tuple[bytes, bytes]:
    """All segments of ACOSS's lot of a dataset, opened and as the hub holds them."""
    keyring = exchange.keyring("acoss")
    database = sqlite3.connect(f"file:{exchange.hub / 'hub.sqlite'}?mode=ro", uri=True)
    try:
        lot, pack, parts, deposit = database.execute(
            "SELECT lot, pack, parts, id FROM deposit WHERE partner = 'acoss' AND dataset = ?", (dataset,)
        ).fetchone()
        extents = database.execute(
            "SELECT start, size FROM segment WHERE deposit = ? ORDER BY place", (deposit,)
        ).fetchall()
    finally:
        database.close()
    data = (exchange.hub / "lots" / pack).read_bytes()
    key = SealingPrivateKey.from_seed(custody.lot_key_seed(keyring.epoch_seed(1), lot))
    places = [(bucket, part) for bucket, count in enumerate(json.loads(parts)) for part in range(count)]
    assert len(places) == len(extents) == 8
    plain = b""
    for (bucket, part), (start, size) in zip(places, extents, strict=True):
        opened = key.open(segment_info(keyring.convention_id, lot, bucket, part), data[start : start + size])
        assert segment.read(opened, BUILT_IN[dataset].wire_schema()).num_rows
        plain += opened
    return plain, data


def test_the_scanner_finds_companies_in_a_partners_own_lists(told: Told) -> None:
    results = told.exchange.folder / "results"
    for name in PARTNERS:
        known = set(sirens(told.exchange.data / name))
        # A debt may be a reason on the list of who sent it, and on no other.
        own = {str(amount) for amount in AMOUNTS} if name == "acoss" else set()
        for form in ("csv", "xlsx"):
            seen = {hit.canary for hit in told.scanner.scan_files([results / f"{name}.{form}"])}
            assert seen - own == known, f"{name}'s {form} shows other companies than its own"


def test_the_scanner_finds_companies_in_a_nodes_own_folder(told: Told) -> None:
    for name in PARTNERS:
        hits = told.scanner.scan_files([told.exchange.node(name) / "pseudonyms.sqlite"])
        known = set(sirens(told.exchange.data / name))
        # As numbers of four bytes they are found by most, not each: see the scanner.
        assert len(known & {hit.canary for hit in hits}) > 0.9 * len(known)
