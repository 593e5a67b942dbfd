"""The witness's memory: consistent growth is cosigned after it is durable; anything else is refused and kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vigie import note
from vigie.durable import open_database
from vigie.errors import BadProof, BadSignature, MalformedNote, StateError, WitnessConflict
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import EMPTY_ROOT, Frontier, consistency_proof, leaf_hash
from vigie.note import NoteSignature
from vigie.witness_service import WITNESS_SCHEMA, Witness, WitnessStore

ORIGIN = "vigie.test/log"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Log:
    """A log that signs whatever it holds, so that it can also be made to lie."""

    def __init__(self, entries: list[bytes], seed: bytes = b"l" * 32) -> None:
        self.signer = note.Signer(ORIGIN, seed)
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.frontier = Frontier()
        self.roots = [EMPTY_ROOT]
        for entry in entries:
            for level, index, value in self.frontier.append(leaf_hash(entry)):
                self.nodes[level, index] = value
            self.roots.append(self.frontier.root())

    def checkpoint(self, size: int) -> bytes:
        text = Checkpoint(ORIGIN, size, self.roots[size]).text()
        return note.assemble(text, [self.signer.sign(text)])

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, lambda level, index: self.nodes[level, index])


def entries(count: int, mark: str = "") -> list[bytes]:
    return [f"entry {number}{mark}".encode() for number in range(count)]


class Bench:
    """A witness on a file, its log, and a clock that moves by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = Log(entries(12))
        self.now = NOW
        self.cosigner = note.Cosigner("auditeur/witness", b"w" * 32)
        self.open()

    def open(self) -> None:
        self.database = open_database(self.path, (WITNESS_SCHEMA,))
        self.store = WitnessStore(self.database)
        self.witness = Witness(self.log.signer.verifier, self.cosigner, self.store, lambda: self.now)

    def answer(self, old: int, new: int, *, log: Log | None = None, proof: list[bytes] | None = None) -> list[str]:
        by = log or self.log
        given = by.proof(old, new) if proof is None else proof
        return list(asyncio.run(self.witness.answer(old, given, by.checkpoint(new))))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "witness.sqlite")


def test_growth_is_cosigned_and_remembered(bench: Bench) -> None:
    for old, new in ((0, 3), (3, 7), (7, 7), (7, 12)):
        bench.now += timedelta(seconds=1)
        (line,) = bench.answer(old, new)
        signature = NoteSignature.parse(line)
        text = note.parse(bench.log.checkpoint(new)).text
        assert note.verify(note.Note(text, (signature,), b""), [bench.cosigner.verifier]) == {bench.cosigner.verifier}
        assert note.cosignature_time(signature) == int(bench.now.timestamp())
    assert bench.store.state(ORIGIN).size == 12
    assert bench.store.root_at(ORIGIN, 7) == bench.log.roots[7]
    assert bench.store.checkpoint_at(ORIGIN, 7) == bench.log.checkpoint(7)
    assert bench.store.root_at(ORIGIN, 5) is None, "a size between two that were cosigned was never seen"


def test_memory_outlives_the_process(bench: Bench) -> None:
    bench.answer(0, 5)
    bench.database.close()
    bench.open()
    with pytest.raises(WitnessConflict) as caught:
        bench.answer(0, 8)
    assert caught.value.size == 5
    assert bench.answer(5, 8)


def test_state_is_durable_before_the_signature(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at the moment of signing, the witness remembers; it can only have signed less than it remembers."""
    seen: list[int] = []

    def killed(text: bytes, time: int) -> NoteSignature:
        other = open_database(bench.path, (WITNESS_SCHEMA,))
        seen.append(WitnessStore(other).state(ORIGIN).size)
        other.close()
        raise KeyboardInterrupt

    class Killed:
        cosign = staticmethod(killed)
        verifier = bench.cosigner.verifier

    dying = Witness(bench.log.signer.verifier, Killed(), bench.store, lambda: NOW)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(dying.answer(0, [], bench.log.checkpoint(4)))
    assert seen == [4]


def test_a_second_history_is_refused_and_kept(bench: Bench) -> None:
    bench.answer(0, 6)
    forked = Log([*entries(5), b"another sixth", b"seventh"])
    with pytest.raises(BadProof):
        bench.answer(6, 7, log=forked)
    with pytest.raises(BadProof):
        bench.answer(6, 6, log=forked, proof=[])
    assert [kept.size for kept in bench.store.contradictions()] == [7, 6]
    assert bench.store.contradictions()[0].note == forked.checkpoint(7)
    assert bench.store.state(ORIGIN).size == 6, "what was refused moved nothing"
    assert bench.answer(6, 8), "the true history is still cosigned"


def test_rewinding_is_refused(bench: Bench) -> None:
    bench.answer(0, 6)
    with pytest.raises(BadProof):
        bench.answer(6, 4, proof=[])
    assert bench.store.contradictions() == (), "a smaller tree that was once true is not a contradiction by itself"
    with pytest.raises(WitnessConflict):
        bench.answer(4, 6)


@pytest.mark.parametrize("proof", [[b"\0" * 32], [b"short"], [b"\0" * 32] * 64], ids=["wrong", "short", "long"])
def test_a_wrong_proof_is_refused(bench: Bench, proof: list[bytes]) -> None:
    bench.answer(0, 3)
    with pytest.raises(BadProof):
        bench.answer(3, 9, proof=proof)
    assert bench.store.state(ORIGIN).size == 3
    assert [kept.size for kept in bench.store.contradictions()] == [9]
    assert bench.answer(3, 9)
    assert bench.store.contradictions() == (), "proved after all: it was a blunder, not a second history"


def test_another_log_is_refused(bench: Bench) -> None:
    with pytest.raises(BadSignature):
        bench.answer(0, 3, log=Log(entries(3), seed=b"x" * 32))
    with pytest.raises(MalformedNote):
        asyncio.run(bench.witness.answer(0, [], b"not a note"))
    assert bench.store.contradictions() == (), "nobody but the log can fill this table"


def test_a_damaged_memory_stops(bench: Bench) -> None:
    bench.answer(0, 3)
    bench.database.execute("UPDATE checkpoints SET root = x'00'")
    with pytest.raises(StateError):
        bench.answer(3, 4)
