"""The Merkle tree against other people's trees, and every proof of it against every small lie."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.merkle_tree import MemoryTree
from vigie.errors import BadProof, Missing, StateError
from vigie.journal import merkle
from vigie.journal.merkle import EMPTY_ROOT, Frontier, verify_consistency, verify_inclusion

VECTORS = Path(__file__).parents[3] / "vectors" / "journal"
BIG = MemoryTree(f"leaf {number}".encode() for number in range(300))
ROOTS = [merkle.root(size, BIG.read) for size in range(301)]
SHORT_ROOTS = "consistency/additional/sizes-are-equal-one-and-proof-is-empty"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def decode(text: str) -> bytes:
    return base64.b64decode(text)


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


# ------------------------------------------------------------------------------------------------- trees by others


@pytest.mark.parametrize("case", load("merkle-inclusion.json")["cases"], ids=lambda case: case["file"])
def test_inclusion_vectors(case: dict[str, Any]) -> None:
    arguments = (
        decode(case["leafHash"]),
        case["leafIdx"],
        case["treeSize"],
        [decode(item) for item in case["proof"]],
        decode(case["root"]),
    )
    if case["wantErr"]:
        with pytest.raises(BadProof):
            verify_inclusion(*arguments)
    else:
        verify_inclusion(*arguments)


@pytest.mark.parametrize("case", load("merkle-consistency.json")["cases"], ids=lambda case: case["file"])
def test_consistency_vectors(case: dict[str, Any]) -> None:
    arguments = (
        case["size1"],
        case["size2"],
        decode(case["root1"]),
        decode(case["root2"]),
        [decode(item) for item in case["proof"]],
    )
    # One vector wants equal roots of 12 bytes to pass; a hash that is not 32 bytes is refused here.
    if case["wantErr"] or case["file"] == SHORT_ROOTS:
        with pytest.raises(BadProof):
            verify_consistency(*arguments)
    else:
        verify_consistency(*arguments)


def test_the_vectors_are_all_there() -> None:
    for name in ("merkle-inclusion.json", "merkle-consistency.json"):
        cases = load(name)["cases"]
        assert (len(cases), sum(not case["wantErr"] for case in cases)) == (98, 6)


def test_the_reference_tree() -> None:
    reference = load("reference-tree.json")
    entries = [bytes.fromhex(item) for item in reference["leaf_inputs_hex"]]
    assert [merkle.leaf_hash(entry).hex() for entry in entries] == reference["leaf_hashes_hex"]
    for size, root in enumerate(reference["root_hashes_hex_by_size"]):
        assert MemoryTree(entries[:size]).frontier.root().hex() == root
    for case in reference["hash_leaf"]:
        assert merkle.leaf_hash(case["input_ascii"].encode()).hex() == case["hex"]
    for case in reference["hash_children"]:
        assert merkle.node_hash(case["left_ascii"].encode(), case["right_ascii"].encode()).hex() == case["hex"]


def test_a_production_log_of_a_thousand_million_leaves() -> None:
    log = load("ct-argon2020.json")
    root, inclusion = decode(log["root"]), [decode(item) for item in log["inclusion"]]
    consistency = [decode(item) for item in log["consistency"]]
    leaf, index, size = decode(log["leaf_hash"]), log["leaf_index"], log["size"]
    verify_inclusion(leaf, index, size, inclusion, root)
    verify_consistency(log["old_size"], size, decode(log["old_root"]), root, consistency)
    for wrong in (index - 1, index + 1, index ^ (1 << 20)):
        with pytest.raises(BadProof):
            verify_inclusion(leaf, wrong, size, inclusion, root)
    for wrong in (log["old_size"] - 1, log["old_size"] + 1):
        with pytest.raises(BadProof):
            verify_consistency(wrong, size, decode(log["old_root"]), root, consistency)


def test_a_mirrored_tree_of_300_leaves() -> None:
    mirror = load("sunlight-cosigned.json")
    hashes = decode(mirror["mirror_leaf_hashes"])
    leaves = [hashes[start : start + 32] for start in range(0, len(hashes), 32)]
    frontier = Frontier()
    nodes: dict[tuple[int, int], bytes] = {}
    for leaf in leaves:
        nodes |= {(level, index): value for level, index, value in frontier.append(leaf)}
    assert nodes[8, 0] == decode(mirror["mirror_level_8"])
    root = decode(mirror["cases"][2]["checkpoint"].split("\n")[2])
    assert frontier.root() == root == merkle.root_of_leaves(leaves) == naive_root(leaves)
    assert root != merkle.root_of_leaves(leaves[:-1])


# -------------------------------------------------------------------------------------------------------- growing


def test_every_size_has_the_root_of_the_definition() -> None:
    leaves = [BIG.nodes[0, index] for index in range(300)]
    for size in (*range(40), 63, 64, 65, 127, 128, 129, 255, 256, 257, 299, 300):
        assert ROOTS[size] == naive_root(leaves[:size]) == merkle.root_of_leaves(leaves[:size])
    assert ROOTS[0] == EMPTY_ROOT


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 255, 256, 257, 299])
def test_a_frontier_taken_up_again_goes_on_as_if_it_had_never_stopped(size: int) -> None:
    read = Frontier.read(size, BIG.read)
    for resumed in (read, Frontier.from_hashes(size, read.hashes)):
        assert resumed.root() == ROOTS[size]
        completed = resumed.append(BIG.nodes[0, size])
        assert all(BIG.nodes[level, index] == value for level, index, value in completed)
        assert (resumed.size, resumed.root()) == (size + 1, ROOTS[size + 1])


def test_an_append_names_each_completed_subtree_once() -> None:
    expected = {(level, index) for level in range(9) for index in range(300 >> level)}
    assert set(BIG.nodes) == expected  # MemoryTree refuses a second write


@pytest.mark.parametrize("size,hashes", [(1, []), (0, [bytes(32)]), (3, [bytes(32)]), (1, [bytes(31)]), (-1, [])])
def test_a_frontier_that_cannot_be_is_a_damaged_state(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(StateError):
        Frontier.from_hashes(size, hashes)


def test_an_entry_is_not_taken_for_its_hash() -> None:
    with pytest.raises(ValueError, match="hash of a leaf"):
        Frontier().append(b"entry")


@pytest.mark.parametrize("index,size", [(0, 0), (5, 5), (6, 5), (-1, 5)])
def test_there_is_no_proof_for_an_entry_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(Missing):
        merkle.inclusion_proof(index, size, BIG.read)


@pytest.mark.parametrize("old,new", [(6, 5), (-1, 5), (1, 0)])
def test_there_is_no_proof_from_a_future_size(old: int, new: int) -> None:
    with pytest.raises(Missing):
        merkle.consistency_proof(old, new, BIG.read)


def test_every_tree_extends_the_empty_one_and_only_the_true_empty_one() -> None:
    assert merkle.consistency_proof(0, 5, BIG.read) == []
    verify_consistency(0, 5, EMPTY_ROOT, ROOTS[5], [])
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    for old_root, new_size, new_root, proof in (
        (ROOTS[1], 5, ROOTS[5], []),
        (EMPTY_ROOT, 5, ROOTS[5], [ROOTS[5]]),
        (EMPTY_ROOT, 0, ROOTS[1], []),
        (ROOTS[1], 0, ROOTS[1], []),
    ):
        with pytest.raises(BadProof):
            verify_consistency(0, new_size, old_root, new_root, proof)


# --------------------------------------------------------------------------------------------------------- proofs


def test_every_proof_of_a_small_tree_verifies_and_fits_no_other_place() -> None:
    for size in range(1, 20):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, BIG.read)
            for place in range(size):
                if place == index:
                    verify_inclusion(BIG.nodes[0, index], place, size, proof, ROOTS[size])
                else:
                    with pytest.raises(BadProof):
                        verify_inclusion(BIG.nodes[0, index], place, size, proof, ROOTS[size])
        for old in range(size + 1):
            proof = merkle.consistency_proof(old, size, BIG.read)
            verify_consistency(old, size, ROOTS[old], ROOTS[size], proof)
            for claimed in set(range(1, size + 1)) - {old}:
                with pytest.raises(BadProof):
                    verify_consistency(claimed, size, ROOTS[old], ROOTS[size], proof)


def test_a_proof_has_exactly_the_hashes_that_the_sizes_call_for() -> None:
    inclusion = merkle.inclusion_proof(10, 13, BIG.read)
    consistency = merkle.consistency_proof(10, 13, BIG.read)
    for change, message in ((lambda proof: [*proof, bytes(32)], "more hashes"), (lambda proof: proof[:-1], "fewer")):
        with pytest.raises(BadProof, match=message):
            verify_inclusion(BIG.nodes[0, 10], 10, 13, change(inclusion), ROOTS[13])
        with pytest.raises(BadProof, match=message):
            verify_consistency(10, 13, ROOTS[10], ROOTS[13], change(consistency))


SIZES = st.integers(1, 300)


@st.composite
def inclusions(draw: st.DrawFn) -> tuple[int, int, list[bytes]]:
    size = draw(SIZES)
    index = draw(st.integers(0, size - 1))
    return index, size, merkle.inclusion_proof(index, size, BIG.read)


@st.composite
def consistencies(draw: st.DrawFn) -> tuple[int, int, list[bytes]]:
    new = draw(SIZES)
    old = draw(st.integers(1, new))
    return old, new, merkle.consistency_proof(old, new, BIG.read)


@st.composite
def mutations(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """The proof with a bit turned, a hash added, or (where there is one) left out or moved."""
    kinds = ["add"] + ["flip", "drop"] * bool(proof) + ["swap"] * (len(proof) > 1)
    kind, changed = draw(st.sampled_from(kinds)), list(proof)
    place = draw(st.integers(0, max(len(proof) - 1, 0)))
    if kind == "add":
        changed.insert(place, draw(st.sampled_from([bytes(32), *proof])))
    elif kind == "drop":
        del changed[place]
    elif kind == "flip":
        bit = draw(st.integers(0, 255))
        changed[place] = (int.from_bytes(changed[place], "big") ^ (1 << bit)).to_bytes(32, "big")
    else:
        other = (place + 1) % len(proof)
        changed[place], changed[other] = changed[other], changed[place]
    return changed


@given(data=st.data(), case=inclusions())
def test_an_inclusion_proof_verifies_and_no_change_of_it_does(
    data: st.DataObject, case: tuple[int, int, list[bytes]]
) -> None:
    index, size, proof = case
    leaf = BIG.nodes[0, index]
    verify_inclusion(leaf, index, size, proof, ROOTS[size])
    for arguments in (
        (leaf, index, size, data.draw(mutations(proof)), ROOTS[size]),
        (merkle.leaf_hash(b"another"), index, size, proof, ROOTS[size]),
        (leaf, data.draw(st.integers(-3, 303).filter(lambda place: place != index)), size, proof, ROOTS[size]),
        (leaf, index, size, proof, ROOTS[size - 1]),
        (leaf[:31], index, size, proof, ROOTS[size]),
        (leaf, index, size, proof, ROOTS[size] + b"\x00"),
        (leaf, index, size, [item[:31] for item in proof] or [b""], ROOTS[size]),
    ):
        with pytest.raises(BadProof):
            verify_inclusion(*arguments)


@given(data=st.data(), case=consistencies())
def test_a_consistency_proof_verifies_and_no_change_of_it_does(
    data: st.DataObject, case: tuple[int, int, list[bytes]]
) -> None:
    old, new, proof = case
    verify_consistency(old, new, ROOTS[old], ROOTS[new], proof)
    for arguments in (
        (old, new, ROOTS[old], ROOTS[new], data.draw(mutations(proof))),
        (old, new, ROOTS[old - 1], ROOTS[new], proof),
        (old, new, ROOTS[old], ROOTS[new - 1], proof),
        (data.draw(st.integers(-3, 303).filter(lambda size: size != old)), new, ROOTS[old], ROOTS[new], proof),
        (old, new, ROOTS[old][:31], ROOTS[new], proof),
        (old, new, ROOTS[old], ROOTS[new], [item + b"\x00" for item in proof] or [b""]),
    ):
        with pytest.raises(BadProof):
            verify_consistency(*arguments)


@given(case=inclusions(), size=SIZES)
def test_a_proof_for_one_size_never_fits_the_root_of_another(case: tuple[int, int, list[bytes]], size: int) -> None:
    index, proved_size, proof = case
    if size == proved_size:
        return
    with pytest.raises(BadProof):
        verify_inclusion(BIG.nodes[0, index], index, size, proof, ROOTS[size])


@given(st.integers(), st.integers(), st.lists(st.binary(max_size=40) | st.just(bytes(32)), max_size=70))
def test_nothing_but_our_error_escapes_the_verifiers(first: int, second: int, proof: list[bytes]) -> None:
    with pytest.raises(BadProof):
        verify_inclusion(bytes(32), first, second, proof, bytes(32))
    try:
        verify_consistency(first, second, bytes(32), bytes(32), proof)
    except BadProof:
        return
    assert first == second
