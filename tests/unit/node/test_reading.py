"""Reading the journal: what is read counts only when it has the root that this node witnessed."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.release_case import NOW, Case, Journal, chain, digest, sign
from vigie import bodies
from vigie.clock import stamp
from vigie.errors import BadProof, Unavailable
from vigie_node.ledger import NEWEST_MEASUREMENT, ReleaseLedger
from vigie_node.reading import JournalReader
from vigie_node.state import NodeState


class Bench:
    """A journal, a hub that gives its entries in small pages, and a node's ledger."""

    def __init__(self, tmp_path: Path, page: int = 2) -> None:
        self.state = NodeState.open(tmp_path / "state.sqlite")
        self.ledger = ReleaseLedger(self.state.connection)
        self.journal = Journal()
        self.given = self.journal.entries
        self.page = page
        self.asked: list[int] = []
        self.told: list[tuple[str, bytes]] = []
        self.reader = JournalReader(
            self.ledger, self.fetch, tell=lambda kind, entry: self.told.append((kind, entry)), clock=lambda: NOW
        )

    async def fetch(self, start: int, limit: int) -> Sequence[bytes]:
        self.asked.append(start)
        return self.given[start : start + min(limit, self.page)]

    def read(self, size: int | None = None, root: bytes | None = None) -> None:
        size = len(self.journal.entries) if size is None else size
        asyncio.run(self.reader.read_to(size, self.journal.roots[size] if root is None else root))


def entries() -> tuple[list[bytes], bytes, bytes]:
    """A whole order in the journal: (entries, order digest, run digest)."""
    case = Case()
    order, evidence = case.order(), case.evidence()
    run = sign(
        bodies.Run(
            chain().digest,
            digest(evidence),
            digest(order),
            {"acoss": "none"},
            b"m" * 32,
            {},
            {},
            (),
            "A1",
            stamp(NOW),
            b"j" * 32,
            bodies.SealedModel(b"s" * 32, 1, 4096),
        ),
        case.enclave,
    )
    approval = case.own_approvals[0]
    return [chain().raws[0], b"of a later version", approval, order, evidence, run], digest(order), digest(run)


def test_learns_runs_measurements_conventions_and_approvals(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    written, order, _ = entries()
    for entry in written:
        bench.journal.append(entry)
    bench.read(3)
    assert not bench.ledger.run_seen("early-warning", "2026-01")
    bench.read()
    assert bench.ledger.run_seen("early-warning", "2026-01")
    assert bench.ledger.run_of(order)
    assert bench.state.value(NEWEST_MEASUREMENT) == b"m" * 32
    assert [kind for kind, _ in bench.told] == ["convention", "approval", "evidence"]
    assert bench.ledger.model_trained(b"m" * 32, "early-warning")
    assert not bench.ledger.model_trained(b"m" * 32, "another")
    assert not bench.ledger.model_trained(b"?" * 32, "early-warning")
    assert bench.asked == [0, 2, 3, 5], "every entry was asked for once"
    bench.read(4)
    assert bench.asked == [0, 2, 3, 5], "what was read is not read again"


def test_an_entry_that_is_hidden_changed_or_put_in_is_seen(tmp_path: Path) -> None:
    written, order, _ = entries()
    for number, lie in enumerate(
        (
            [*written[:5], b"no run here"],
            [*written[:4], b"changed", written[5]],
            [*written[:2], b"put in", *written[2:5]],
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        bench = Bench(folder)
        for entry in written:
            bench.journal.append(entry)
        bench.given = lie
        with pytest.raises(BadProof):
            bench.read()
        assert bench.ledger.frontier().size == 0, "nothing of a lie is remembered"
        assert bench.told == []
        assert not bench.ledger.run_of(order)
        bench.given = bench.journal.entries
        bench.read()
        assert bench.ledger.run_of(order)


@pytest.mark.parametrize("given", [0, 3], ids=["nothing", "too few"])
def test_a_hub_that_does_not_give_entries(tmp_path: Path, given: int) -> None:
    bench = Bench(tmp_path)
    for entry in entries()[0]:
        bench.journal.append(entry)
    bench.given = bench.journal.entries[:given]
    with pytest.raises(Unavailable):
        bench.read()
    assert bench.ledger.frontier().size == 0


def test_two_readers_at_once_read_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for entry in entries()[0]:
        bench.journal.append(entry)

    async def both() -> None:
        await asyncio.gather(*(bench.reader.read_to(6, bench.journal.roots[6]) for _ in range(2)))

    asyncio.run(both())
    assert bench.asked == [0, 2, 4]


def test_told_again_after_a_crash_before_it_was_remembered(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for entry in entries()[0]:
        bench.journal.append(entry)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    reader = JournalReader(bench.ledger, bench.fetch, tell=crash, clock=lambda: NOW)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(reader.read_to(6, bench.journal.roots[6]))
    bench.read()
    assert [kind for kind, _ in bench.told] == ["convention", "approval", "evidence"], "a convention is never skipped"
