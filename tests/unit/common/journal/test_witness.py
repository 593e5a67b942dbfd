"""A witness follows a log as long as it only grows, and stops at the first sign of a second history."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.merkle_tree import MemoryTree
from vigie import note
from vigie.errors import BadProof, BadSignature, MalformedNote, StateError, VigieError, WitnessConflict
from vigie.journal import merkle
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import EMPTY_ROOT
from vigie.journal.witness import MAX_PROOF, WitnessState, advance
from vigie.note import Cosigner, Signer

ORIGIN = "vigie.example/exchange-log/2026"
LOG = Signer(ORIGIN, b"l" * 32)
TREE = MemoryTree(f"entry {number}".encode() for number in range(60))
FORK = MemoryTree(f"entry {number if number != 4 else 'rewritten'}".encode() for number in range(60))
START = WitnessState.start(ORIGIN)


def checkpoint(size: int, tree: MemoryTree = TREE, signer: Signer = LOG) -> bytes:
    text = Checkpoint(signer.verifier.name, size, merkle.root(size, tree.read)).text()
    return note.assemble(text, [signer.sign(text)])


def state(size: int, tree: MemoryTree = TREE) -> WitnessState:
    return WitnessState(ORIGIN, size, merkle.root(size, tree.read))


def offer(before: WitnessState, new: int, tree: MemoryTree = TREE) -> WitnessState:
    """What an honest log sends to a witness in the state `before`."""
    proof = merkle.consistency_proof(before.size, new, tree.read)
    return advance(before, before.size, proof, checkpoint(new, tree), LOG.verifier)


@given(st.lists(st.integers(0, 12), max_size=8))
def test_a_witness_follows_a_log_that_grows(steps: list[int]) -> None:
    current, size = START, 0
    for step in steps:
        size = min(size + step, 60)
        current = offer(current, size)
        assert current == state(size)


def test_the_state_before_is_left_as_it_was() -> None:
    before = state(5)
    assert offer(before, 9) == state(9)
    assert before == state(5)


def test_the_same_checkpoint_may_be_cosigned_again() -> None:
    for size in (0, 1, 8, 13):
        assert offer(state(size), size) == state(size)


@given(st.integers(5, 59), st.integers(0, 30))
def test_a_rewritten_history_is_never_cosigned(old: int, step: int) -> None:
    new = min(old + step, 60)
    for tree in (TREE, FORK):
        proof = merkle.consistency_proof(old, new, tree.read)
        with pytest.raises(BadProof):
            advance(state(old), old, proof, checkpoint(new, FORK), LOG.verifier)
    # The twin: before the rewritten entry, the two histories are one.
    assert offer(state(4), new, FORK) == state(new, FORK)


def test_the_same_size_with_another_root_is_two_histories() -> None:
    with pytest.raises(BadProof, match="two histories"):
        advance(state(10), 10, [], checkpoint(10, FORK), LOG.verifier)


def test_a_proof_from_another_size_is_told_the_right_one() -> None:
    for claimed in (0, 5, 11):
        with pytest.raises(WitnessConflict) as caught:
            advance(state(10), claimed, merkle.consistency_proof(claimed, 20, TREE.read), checkpoint(20), LOG.verifier)
        assert caught.value.size == 10
        assert caught.value.hint
    assert offer(state(10), 20) == state(20)


def test_a_log_that_shrinks_is_refused() -> None:
    with pytest.raises(BadProof, match="smaller"):
        advance(state(10), 10, [], checkpoint(7), LOG.verifier)
    with pytest.raises(WitnessConflict):
        advance(state(10), 7, [], checkpoint(7), LOG.verifier)


@pytest.mark.parametrize(
    "proof", [[], [bytes(32)], [bytes(31)], [bytes(32)] * MAX_PROOF, [bytes(32)] * (MAX_PROOF + 1)]
)
def test_a_proof_that_proves_nothing_is_refused(proof: Sequence[bytes]) -> None:
    with pytest.raises(BadProof):
        advance(state(10), 10, proof, checkpoint(20), LOG.verifier)


def test_a_proof_longer_than_any_can_be_is_not_even_tried() -> None:
    with pytest.raises(BadProof, match="at most 63"):
        advance(state(10), 10, [bytes(32)] * (MAX_PROOF + 1), checkpoint(20), LOG.verifier)
    with pytest.raises(BadProof, match="more hashes than the tree"):
        advance(state(10), 10, [bytes(32)] * MAX_PROOF, checkpoint(20), LOG.verifier)


def test_the_first_checkpoint_needs_an_empty_proof() -> None:
    assert advance(START, 0, [], checkpoint(20), LOG.verifier) == state(20)
    with pytest.raises(BadProof, match="must be empty"):
        advance(START, 0, [bytes(32)], checkpoint(20), LOG.verifier)


def test_a_checkpoint_that_the_log_did_not_sign_is_refused_before_anything_else() -> None:
    stranger = Signer(ORIGIN, b"x" * 32)
    for claimed in (0, 10, 11):
        with pytest.raises(BadSignature):
            advance(state(10), claimed, [], checkpoint(20, signer=stranger), LOG.verifier)
    cosigned_only = note.assemble(note.parse(checkpoint(20)).text, [Cosigner(ORIGIN, b"l" * 32).cosign(b"x\n", 1)])
    with pytest.raises(BadSignature):
        advance(START, 0, [], cosigned_only, LOG.verifier)


def test_the_state_of_one_log_does_not_judge_another() -> None:
    other = Signer("vigie.example/exchange-log/2027", b"l" * 32)
    with pytest.raises(BadSignature, match="says nothing about"):
        advance(START, 0, [], checkpoint(20, signer=other), other.verifier)
    with pytest.raises(BadSignature, match="another log"):
        advance(START, 0, [], checkpoint(20, signer=other), LOG.verifier)


def test_what_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(MalformedNote):
        advance(START, 0, [], b"hello", LOG.verifier)


@pytest.mark.parametrize("size,root", [(-1, bytes(32)), (0, bytes(32)), (1, bytes(31)), (1, b"")])
def test_a_damaged_record_stops_the_witness(size: int, root: bytes) -> None:
    with pytest.raises(StateError) as caught:
        WitnessState(ORIGIN, size, root)
    assert "Do not start afresh" in caught.value.hint
    assert WitnessState(ORIGIN, 0, EMPTY_ROOT) == START


@given(
    st.integers(-2, 70),
    st.lists(st.binary(max_size=33) | st.just(bytes(32)), max_size=8),
    st.binary(max_size=100) | st.integers(0, 60).map(checkpoint),
)
def test_a_witness_never_moves_but_on_a_proof(claimed: int, proof: list[bytes], data: bytes) -> None:
    try:
        after = advance(state(10), claimed, proof, data, LOG.verifier)
    except VigieError:
        return
    assert after == state(10)  # a made-up proof leads nowhere; only the same checkpoint again passes
    assert data == checkpoint(10)
