"""The node's durable state: written once, read back after a crash, and never two answers for one question."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vigie import bodies, note, statement
from vigie.clock import stamp
from vigie.errors import MalformedStatement, Missing, Refused, StateError
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import Frontier, leaf_hash
from vigie.journal.proof import Receipt
from vigie_node.known import SeenOrder, SeenRun
from vigie_node.ledger import CHALLENGE_LIFE, MAX_OPEN_CHALLENGES, ReleaseLedger
from vigie_node.state import NodeState, StoredResult

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNER = note.Signer("acoss/signing", b"s" * 32)


def lot(name: int, **changed: Any) -> bytes:
    body = bodies.Lot(
        convention=b"c" * 32, epoch=1, lot=bytes([name]) * 16, lot_key=b"k" * 1216, partner="acoss", dataset="debts",
        schema=1, period="2026-01", as_of="2026-02-01", delivery="snapshot", base=None, supersedes=None,
        shrink_confirmed=False, rows_class=4, companies_class=4, bytes=1, segments=1, segment_root=b"r" * 32,
        quality=bodies.Quality(1, 1, 0, 0, 0), created=stamp(NOW),
    )  # fmt: skip
    return statement.sign_text(bodies.text_for(replace(body, **changed)), [SIGNER]).raw


def receipt(index: int) -> bytes:
    text = Checkpoint("log", index + 1, b"\1" * 32).text()
    return Receipt(index, (), note.assemble(text, [note.Signer("log", b"l" * 32).sign(text)])).encode()


def order(**changed: Any) -> bytes:
    body = bodies.Order(
        b"c" * 32, 1, "2026-01", "early-warning", (b"d" * 32,), (), "train", stamp(NOW + timedelta(hours=1)), stamp(NOW)
    )
    return statement.sign_text(bodies.text_for(replace(body, **changed)), [SIGNER]).raw


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def state(path: Path) -> NodeState:
    return NodeState.open(path)


@pytest.fixture
def ledger(state: NodeState) -> ReleaseLedger:
    return ReleaseLedger(state.connection)


def ids(state: NodeState, dataset: str | None = None) -> list[int]:
    return [own.body.lot[0] for own in state.current_lots(dataset)]


# -- lots ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_replaces_all_and_deltas_add(state: NodeState) -> None:
    state.record_lot(lot(1), receipt(1), now=NOW)
    state.record_lot(lot(2, delivery="delta", base=b"\1" * 16), receipt(2), now=NOW)
    assert ids(state) == [1, 2]
    state.record_lot(lot(3, delivery="delta", base=b"\1" * 16, supersedes=b"\2" * 16), receipt(3), now=NOW)
    assert ids(state) == [1, 3]
    state.record_lot(lot(4, dataset="headcount"), receipt(4), now=NOW)
    state.record_lot(lot(5, supersedes=b"\1" * 16), receipt(5), now=NOW)
    assert ids(state, "debts") == [5]
    assert sorted(ids(state)) == [4, 5]
    state.record_lot(lot(6, delivery="delta", base=b"\1" * 16), receipt(6), now=NOW)
    assert ids(state, "debts") == [5], "a delta on what is no longer current does not count"


def test_the_journal_decides_the_order(state: NodeState) -> None:
    """A node that learns of its lots again, the newest first, counts the same ones as current."""
    state.record_lot(lot(9), receipt(9), now=NOW)
    state.record_lot(lot(1), receipt(1), now=NOW)
    assert [own.body.lot[0] for own in state.lots()] == [1, 9]
    assert ids(state) == [9]


def test_the_first_receipt_stays(state: NodeState) -> None:
    first = state.record_lot(lot(1), receipt(1), now=NOW)
    again = state.record_lot(lot(1), receipt(1), now=NOW + timedelta(days=1))
    assert again == first
    assert len(state.lots()) == 1
    assert state.lot_by_id(b"\1" * 16) == first == state.lot_by_digest(first.digest)
    assert state.lot_by_id(b"\7" * 16) is None


def test_what_is_not_a_lot_is_refused(state: NodeState) -> None:
    with pytest.raises(MalformedStatement):
        state.record_lot(order(), receipt(1), now=NOW)
    assert state.lots() == ()


def test_everything_is_there_after_reopening(state: NodeState, path: Path) -> None:
    state.record_lot(lot(1), receipt(1), now=NOW)
    state.keep("name", b"value")
    state.record_result(RESULT)
    # Not closed: a killed process closes nothing.
    again = NodeState.open(path)
    assert (ids(again), again.value("name"), again.results()) == ([1], b"value", (RESULT,))
    again.forget("name")
    assert state.value("name") is None


def test_a_step_that_fails_leaves_nothing(state: NodeState, path: Path) -> None:
    with pytest.raises(RuntimeError), state.transaction() as connection:
        connection.execute("INSERT INTO named (name, value) VALUES ('half', x'00')")
        raise RuntimeError
    assert NodeState.open(path).value("half") is None


def test_a_damaged_or_newer_file_keeps_the_node_shut(path: Path) -> None:
    path.write_bytes(b"this is not a database, and long enough to be looked at" * 100)
    with pytest.raises(StateError):
        NodeState.open(path)
    path.unlink()
    NodeState.open(path).connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="newer version"):
        NodeState.open(path)


# -- results ------------------------------------------------------------------------------------------------------

RESULT = StoredResult(b"r" * 32, "acoss-list", "early-warning", "2026-01", "A1", "folder", None, stamp(NOW))


def test_a_delivery_is_added_and_not_taken_away(state: NodeState) -> None:
    state.record_result(RESULT)
    state.record_result(replace(RESULT, delivery=b"signed"))
    state.record_result(RESULT)
    assert state.result(b"r" * 32, "acoss-list") == replace(RESULT, delivery=b"signed")
    assert state.result(b"r" * 32, "other") is None


# -- orders and decisions -----------------------------------------------------------------------------------------


def test_an_order_is_found_by_its_first_digits(ledger: ReleaseLedger) -> None:
    one = ledger.record_order(order(), now=NOW)
    other = ledger.record_order(order(period="2026-02"), now=NOW)
    assert ledger.record_order(one.statement, now=NOW + timedelta(days=1)) == one
    assert ledger.find_order(one.digest.hex()[:10].upper()) == one
    for prefix in ("", "zz", one.digest.hex() + "0"):
        with pytest.raises(Missing):
            ledger.find_order(prefix)
    common = next(
        (one.digest.hex()[:size] for size in range(1, 64) if one.digest.hex()[:size] == other.digest.hex()[:size]), None
    )
    if common is not None:
        with pytest.raises(Missing, match="2 announced orders"):
            ledger.find_order(common)


def test_a_later_decision_replaces_the_earlier(ledger: ReleaseLedger) -> None:
    known = ledger.record_order(order(), now=NOW)
    ledger.decide(known.digest, "refuse", reason="not this month", now=NOW)
    ledger.decide(known.digest, "approve", reason=None, now=NOW + timedelta(minutes=1))
    decided = ledger.find_order(known.digest.hex())
    assert (decided.decision, decided.reason) == ("approve", None)
    with pytest.raises(Missing):
        ledger.decide(b"?" * 32, "approve", reason=None, now=NOW)


def test_the_first_refusal_stays(ledger: ReleaseLedger) -> None:
    known = ledger.record_order(order(), now=NOW)
    assert ledger.keep_refusal(known.digest, b"first") == b"first"
    assert ledger.keep_refusal(known.digest, b"second") == b"first"


# -- challenges and releases --------------------------------------------------------------------------------------


def count(ledger: ReleaseLedger, state: NodeState, challenge: bytes, order_digest: bytes) -> None:
    with state.transaction():
        ledger.count_release(
            challenge=challenge,
            order=order_digest,
            evidence=b"e" * 32,
            purpose="early-warning",
            period="2026-01",
            now=NOW,
        )


def test_a_challenge_is_used_once(ledger: ReleaseLedger, state: NodeState, path: Path) -> None:
    known = ledger.record_order(order(), now=NOW)
    ledger.keep_challenge(b"a" * 32, known.digest, now=NOW)
    count(ledger, state, b"a" * 32, known.digest)
    again = ReleaseLedger(NodeState.open(path).connection)
    kept = again.challenge(b"a" * 32)
    assert kept is not None
    assert kept.used
    assert (again.released("early-warning", "2026-01"), again.released_under(known.digest)) == (1, 1)
    with pytest.raises(StateError):
        count(ledger, state, b"a" * 32, known.digest)
    with pytest.raises(StateError):
        count(ledger, state, b"b" * 32, known.digest)
    assert ledger.released("early-warning", "2026-01") == 1
    with pytest.raises(sqlite3.IntegrityError):
        ledger.keep_challenge(b"a" * 32, known.digest, now=NOW)


def test_open_challenges_are_bounded(ledger: ReleaseLedger) -> None:
    for number in range(MAX_OPEN_CHALLENGES):
        ledger.keep_challenge(bytes([number]) * 32, b"o" * 32, now=NOW)
    with pytest.raises(Refused):
        ledger.keep_challenge(b"x" * 32, b"o" * 32, now=NOW)
    ledger.keep_challenge(b"y" * 32, b"p" * 32, now=NOW)
    ledger.keep_challenge(b"x" * 32, b"o" * 32, now=NOW + CHALLENGE_LIFE + timedelta(seconds=1))
    ledger.keep_challenge(b"z" * 32, b"o" * 32, now=NOW + timedelta(days=2))
    assert ledger.challenge(b"\0" * 32) is None, "those that ran out long ago are forgotten"


def test_a_decision_counts_releases_from_then_on(ledger: ReleaseLedger, state: NodeState) -> None:
    known = ledger.record_order(order(), now=NOW)
    ledger.keep_challenge(b"a" * 32, known.digest, now=NOW)
    count(ledger, state, b"a" * 32, known.digest)
    ledger.decide(known.digest, "approve", reason=None, now=NOW)
    standing = ledger.standing(known.digest, "early-warning", "2026-01")
    assert (standing.since_decision, standing.released_under, standing.released) == (0, 1, 1)


def test_a_reason_is_kept_once(ledger: ReleaseLedger) -> None:
    reason = bodies.Reason("lots", "all", "none")
    for _ in range(3):
        ledger.note_refused(reason, order=b"o" * 32, evidence=None, purpose="early-warning", period="2026-01", now=NOW)
    (answer,) = ledger.answers()
    assert (answer.decision, answer.reason) == ("refused", reason)
    assert ledger.released("early-warning", "2026-01") == 0


# -- the journal --------------------------------------------------------------------------------------------------


def test_runs_count_by_the_order_that_stands_before_them(ledger: ReleaseLedger, path: Path) -> None:
    frontier = Frontier()
    frontier.append(leaf_hash(b"one"))
    seen = SeenOrder(b"o" * 32, "early-warning", "2026-01")
    ledger.keep_read(frontier, [seen], [], None, now=NOW)
    frontier.append(leaf_hash(b"two"))
    ledger.keep_read(frontier, [], [SeenRun(b"r" * 32, b"o" * 32), SeenRun(b"q" * 32, b"?" * 32)], b"m" * 32, now=NOW)
    again = ReleaseLedger(NodeState.open(path).connection)
    assert (again.frontier().size, again.frontier().root()) == (2, frontier.root())
    assert again.run_seen("early-warning", "2026-01")
    assert again.run_of(b"o" * 32)
    assert not again.run_seen("early-warning", "2026-02")
    assert not again.run_of(b"?" * 32)
