"""Receipts: good ones for every entry of a journal, and one for each way to be bad."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.merkle_tree import MemoryTree
from vectors.journal import make_receipts
from vigie import errors, note
from vigie.errors import BadProof, BadSignature, MalformedNote
from vigie.journal import merkle
from vigie.journal.checkpoint import Checkpoint, witnessed_by
from vigie.journal.proof import MAX_BYTES, MAX_HASHES, Receipt, verify_receipt
from vigie.note import Signer, VerifierKey

ROOT = Path(__file__).parents[4]
VECTORS = json.loads(make_receipts.FILE.read_text(encoding="utf-8"))
LOG = Signer("vigie.example/exchange-log/2026", b"l" * 32)
ENTRIES = [f"entry {number}".encode() for number in range(40)]
TREE = MemoryTree(ENTRIES)


def receipt(index: int, size: int, extra: bytes | None = None) -> Receipt:
    text = Checkpoint(LOG.verifier.name, size, merkle.root(size, TREE.read)).text()
    return Receipt(
        index,
        tuple(merkle.inclusion_proof(index, size, TREE.read)),
        note.assemble(text, [LOG.sign(text)]),
        extra,
    )


GOOD = receipt(10, 13)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_vectors(case: dict[str, str]) -> None:
    key, data, entry = VerifierKey.parse(VECTORS["log"]), case["receipt"].encode(), case["entry"].encode()
    if case["expect"] != "ok":
        with pytest.raises(getattr(errors, case["expect"])):
            verify_receipt(Receipt.parse(data), entry, key)
        return
    parsed = Receipt.parse(data)
    opened = verify_receipt(parsed, entry, key)
    witnesses = [VerifierKey.parse(text) for text in VECTORS["witnesses"]]
    assert witnessed_by(opened.note, witnesses) == {"acoss/witness", "dares/witness"}
    assert parsed.encode() == data


def test_the_vectors_are_what_their_script_makes() -> None:
    assert make_receipts.build() == make_receipts.FILE.read_text(encoding="utf-8")


def test_a_receipt_proves_its_entry_and_no_other() -> None:
    for size in (1, 2, 7, 8, 40):
        for index in range(size):
            made = receipt(index, size)
            for number in range(size):
                if number == index:
                    assert verify_receipt(made, ENTRIES[number], LOG.verifier).checkpoint.size == size
                else:
                    with pytest.raises(BadProof):
                        verify_receipt(made, ENTRIES[number], LOG.verifier)


def test_a_receipt_of_another_log_proves_nothing() -> None:
    with pytest.raises(BadSignature):
        verify_receipt(GOOD, ENTRIES[10], Signer("vigie.example/other", b"l" * 32).verifier)
    with pytest.raises(BadSignature):
        verify_receipt(GOOD, ENTRIES[10], Signer(LOG.verifier.name, b"m" * 32).verifier)


def test_the_hash_of_an_inner_node_is_not_an_entry() -> None:
    """Leaves and nodes are hashed apart (RFC 6962): the two halves of a node do not pass for an entry."""
    shorter = dataclasses.replace(GOOD, index=5, proof=GOOD.proof[1:])
    with pytest.raises(BadProof):
        verify_receipt(shorter, TREE.read(0, 10) + TREE.read(0, 11), LOG.verifier)


def test_extra_bytes_travel_and_prove_nothing() -> None:
    for extra in (b"\x00", b"agreed", bytes(range(256))):
        made = Receipt.parse(receipt(3, 5, extra).encode())
        assert made.extra == extra
        assert verify_receipt(made, ENTRIES[3], LOG.verifier) == verify_receipt(receipt(3, 5), ENTRIES[3], LOG.verifier)


@pytest.mark.parametrize(
    "change",
    [
        {"index": -1},
        {"index": 2**63},
        {"proof": (bytes(31),)},
        {"proof": (bytes(32),) * (MAX_HASHES + 1)},
        {"extra": b""},
        {"extra": bytes(MAX_BYTES)},
        {"checkpoint": b""},
        {"checkpoint": GOOD.checkpoint[:-1]},
        {"checkpoint": note.assemble(b"hello\n", [LOG.sign(b"hello\n")])},
    ],
)
def test_a_receipt_that_could_not_be_written_is_not_made(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedNote):
        dataclasses.replace(GOOD, **change)


def test_a_receipt_is_read_up_to_its_limits() -> None:
    longest = dataclasses.replace(GOOD, proof=(bytes(32),) * MAX_HASHES)
    assert Receipt.parse(longest.encode()) == longest
    line = note.encode64(bytes(32)).encode() + b"\n"
    head, border, tail = longest.encode().partition(b"\n\n")
    with pytest.raises(MalformedNote, match="at most 63"):
        Receipt.parse(head + b"\n" + line[:-1] + border + tail)
    with pytest.raises(MalformedNote, match="longer"):
        Receipt.parse(GOOD.encode() + bytes(MAX_BYTES))


@given(
    index=st.integers(0, 2**63 - 1),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_HASHES).map(tuple),
    extra=st.none() | st.binary(min_size=1, max_size=100),
)
def test_what_is_encoded_is_parsed_back(index: int, proof: tuple[bytes, ...], extra: bytes | None) -> None:
    made = Receipt(index, proof, GOOD.checkpoint, extra)
    assert Receipt.parse(made.encode()) == made


ENCODED = receipt(10, 13, b"extra").encode()


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(ENCODED)), st.integers(0, 3), st.binary(max_size=3)).map(
        lambda change: ENCODED[: change[0]] + change[2] + ENCODED[change[0] + change[1] :]
    )
)
def test_nothing_but_our_errors_escapes_and_no_change_is_believed(data: bytes) -> None:
    try:
        parsed = Receipt.parse(data)
        assert parsed.encode() == data
        verify_receipt(parsed, ENTRIES[10], LOG.verifier)
    except (MalformedNote, BadProof, BadSignature):
        return
    # What still verifies is the same proof: only the unauthenticated extra, or an unknown signer's line, may differ.
    assert (parsed.index, parsed.proof) == (10, GOOD.proof)
    assert note.parse(parsed.checkpoint).text == note.parse(GOOD.checkpoint).text


def test_the_example_of_the_page_verifies() -> None:
    page = (ROOT / "docs" / "spec" / "receipt.md").read_text(encoding="utf-8")
    example = re.search(r"```\n(.*?)```", page, re.DOTALL)
    keys = [VerifierKey.parse(text) for text in re.findall(r"^    (\S+\+[0-9a-f]{8}\+\S+)$", page, re.MULTILINE)]
    assert example is not None
    opened = verify_receipt(Receipt.parse(example[1].encode()), b"entry 10\n", keys[0])
    assert witnessed_by(opened.note, keys) == {"acoss/witness", "dares/witness"}
