"""Checkpoints: those of two other implementations, ours, and the many that are not quite one."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie import note
from vigie.errors import BadSignature, MalformedNote
from vigie.journal import merkle
from vigie.journal.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    merge_cosignatures,
    open_checkpoint,
    parse_size,
    witnessed_by,
)
from vigie.note import Cosigner, NoteSignature, Signer, VerifierKey

ROOT = Path(__file__).parents[4]
VECTORS = ROOT / "tests" / "vectors"
ORIGIN = "vigie.example/exchange-log/2026"
LOG = Signer(ORIGIN, b"l" * 32)
ACOSS, DARES = Cosigner("acoss/witness", b"a" * 32), Cosigner("dares/witness", b"d" * 32)
TEXT = Checkpoint(ORIGIN, 7, bytes(range(32))).text()
DATA = note.assemble(TEXT, [LOG.sign(TEXT)])


def load(name: str) -> Any:
    return json.loads((VECTORS / "journal" / name).read_text(encoding="utf-8"))


# --------------------------------------------------------------------------------------------- checkpoints by others


def test_a_whole_log_by_another_implementation() -> None:
    log = load("tessera-log.json")
    key = VerifierKey.parse(log["vkey"])
    leaves = [merkle.leaf_hash(entry.encode()) for entry in log["entries"]]
    assert [note.encode64(leaf) for leaf in leaves] == log["leaf_hashes"]
    assert len(log["cases"]) == 16
    for size, data in enumerate(log["cases"]):
        opened = open_checkpoint(data.encode(), key)
        assert (opened.checkpoint.size, opened.checkpoint.root) == (size, merkle.root_of_leaves(leaves[:size]))
        assert opened.checkpoint.text() == opened.note.text
        with pytest.raises(BadSignature):
            open_checkpoint(data.replace(f"\n{size}\n", f"\n{size + 16}\n").encode(), key)


@pytest.mark.parametrize("case", load("sunlight-cosigned.json")["cases"], ids=["witness", "witness2", "mirror"])
def test_cosignatures_by_another_implementation(case: dict[str, Any]) -> None:
    keys = [VerifierKey.parse(text) for text in case["vkeys"]]
    parsed = note.parse(case["checkpoint"].encode())
    assert Checkpoint.parse_text(parsed.text).size == 300
    assert witnessed_by(parsed, keys) == {keys[0].name}
    cosignature = next(line for line in parsed.signatures if line.name == keys[0].name)
    assert note.cosignature_time(cosignature) == 1767139200
    for changed in (
        parsed.text.replace(b"300", b"301"),
        parsed.text.replace(b"2026h1", b"2026h2"),
        parsed.text + b"x\n",
    ):
        with pytest.raises(BadSignature):
            witnessed_by(dataclasses.replace(parsed, text=changed), keys)


def test_a_key_that_is_not_called_like_the_origin_is_not_the_logs() -> None:
    key = VerifierKey.parse((VECTORS / "note" / "sum.golang.org.vkey").read_text().strip())
    data = (VECTORS / "note" / "sum.golang.org.note").read_bytes()
    assert Checkpoint.parse_text(note.parse(data).text).size == 35_225_469
    assert note.verify(note.parse(data), [key]) == {key}
    with pytest.raises(BadSignature, match="another log"):
        open_checkpoint(data, key)


# ----------------------------------------------------------------------------------------------------------- opening


def test_the_log_must_have_signed() -> None:
    assert open_checkpoint(DATA, LOG.verifier).checkpoint == Checkpoint(ORIGIN, 7, bytes(range(32)))
    namesake = Signer(ORIGIN, b"x" * 32)
    for data in (note.assemble(TEXT, [namesake.sign(TEXT)]), note.assemble(TEXT, [ACOSS.cosign(TEXT, 1)])):
        with pytest.raises(BadSignature, match="has not signed"):
            open_checkpoint(data, LOG.verifier)
    other = Checkpoint(ORIGIN, 8, bytes(32)).text()
    with pytest.raises(BadSignature, match="does not fit"):
        open_checkpoint(note.assemble(other, [LOG.sign(TEXT)]), LOG.verifier)


def test_a_signed_note_that_is_no_checkpoint_is_not_opened() -> None:
    text = f"{ORIGIN}\nhello\n".encode()
    with pytest.raises(MalformedNote):
        open_checkpoint(note.assemble(text, [LOG.sign(text)]), LOG.verifier)


HASH = note.encode64(bytes(range(32)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n7\n",
        f"\n7\n{HASH}\n",
        f"{ORIGIN}\n\n{HASH}\n",
        f"{ORIGIN}\n7\n{HASH}",
        f"{ORIGIN}\n7\n{HASH}\n\n",
        f"{ORIGIN}\n7\n{HASH}\n\nmore\n",
        f"{ORIGIN}\n07\n{HASH}\n",
        f"{ORIGIN}\n+7\n{HASH}\n",
        f"{ORIGIN}\n-7\n{HASH}\n",
        f"{ORIGIN}\n 7\n{HASH}\n",
        f"{ORIGIN}\n7_0\n{HASH}\n",
        f"{ORIGIN}\n\u0667\n{HASH}\n",  # a digit, but not an ASCII one
        f"{ORIGIN}\n{2**63}\n{HASH}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{HASH}\n",
        f"{ORIGIN}\n0\n{HASH}\n",  # the empty tree has another root
        f"{ORIGIN}\n7\n{HASH.rstrip('=')}\n",
        f"{ORIGIN}\n7\n{HASH[:-2]}9=\n",  # stray bits
        f"{ORIGIN}\n7\nAAAA\n",
        f"{ORIGIN}\r\n7\r\n{HASH}\r\n",
        f"{ORIGIN}\t\n7\n{HASH}\n",
    ],
)
def test_what_is_almost_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        Checkpoint.parse_text(text.encode())


@pytest.mark.parametrize(
    "fields",
    [
        ("", 1, bytes(32)),
        ("a\nb", 1, bytes(32)),
        ("a\tb", 1, bytes(32)),
        ("\ud800", 1, bytes(32)),
        (ORIGIN, -1, bytes(32)),
        (ORIGIN, MAX_SIZE + 1, bytes(32)),
        (ORIGIN, 1, bytes(31)),
        (ORIGIN, 0, bytes(32)),
        (ORIGIN, 1, bytes(32), ("",)),
        (ORIGIN, 1, bytes(32), ("a\nb",)),
    ],
)
def test_a_checkpoint_that_could_not_be_written_is_not_made(fields: tuple[Any, ...]) -> None:
    with pytest.raises(MalformedNote):
        Checkpoint(*fields)


def test_extension_lines_are_kept_because_they_are_signed() -> None:
    text = TEXT + "première extension\nsecond one\n".encode()
    checkpoint = open_checkpoint(note.assemble(text, [LOG.sign(text)]), LOG.verifier).checkpoint
    assert checkpoint.extensions == ("première extension", "second one")
    assert checkpoint.text() == text


def test_the_largest_size_is_read() -> None:
    assert parse_size(str(MAX_SIZE)) == MAX_SIZE
    assert Checkpoint.parse_text(f"{ORIGIN}\n{MAX_SIZE}\n{HASH}\n".encode()).size == MAX_SIZE


# ------------------------------------------------------------------------------------------------------ cosignatures


def test_cosignatures_are_added_and_counted() -> None:
    keys = [LOG.verifier, ACOSS.verifier, DARES.verifier]
    assert witnessed_by(note.parse(DATA), keys) == frozenset()
    merged = merge_cosignatures(DATA, [ACOSS.cosign(TEXT, 10)])
    merged = merge_cosignatures(merged, [DARES.cosign(TEXT, 11)])
    opened = open_checkpoint(merged, LOG.verifier)
    assert merged.startswith(DATA)
    assert witnessed_by(opened.note, keys) == {"acoss/witness", "dares/witness"}
    assert witnessed_by(opened.note, [LOG.verifier, DARES.verifier]) == {"dares/witness"}
    assert witnessed_by(opened.note, [LOG.verifier]) == frozenset()


def test_of_one_witness_the_newest_cosignature_stays() -> None:
    early, late = ACOSS.cosign(TEXT, 10), ACOSS.cosign(TEXT, 20)
    expected = merge_cosignatures(DATA, [late])
    for order in ([early, late], [late, early], [late, late, early]):
        assert merge_cosignatures(DATA, order) == expected
    assert merge_cosignatures(merge_cosignatures(DATA, [early]), [late]) == expected
    assert merge_cosignatures(expected, [early]) == expected
    assert merge_cosignatures(expected, []) == expected


def test_the_logs_own_line_is_never_replaced() -> None:
    impostor = NoteSignature(ORIGIN, LOG.verifier.key_id, ACOSS.cosign(TEXT, note.MAX_TIME).value)
    assert merge_cosignatures(DATA, [impostor]) == DATA


def test_only_cosignatures_are_merged_and_only_into_checkpoints() -> None:
    with pytest.raises(MalformedNote, match="not a timestamped cosignature"):
        merge_cosignatures(DATA, [Signer("acoss/signing", b"s" * 32).sign(TEXT)])
    with pytest.raises(MalformedNote, match="three lines"):
        merge_cosignatures(note.assemble(b"hello\n", [LOG.sign(b"hello\n")]), [ACOSS.cosign(TEXT, 1)])
    many = [Cosigner(f"w{number}", b"w" * 32).cosign(TEXT, 1) for number in range(64)]
    assert len(note.parse(merge_cosignatures(DATA, many[:63])).signatures) == 64
    with pytest.raises(MalformedNote, match="64 signatures"):
        merge_cosignatures(DATA, many)


def test_a_cosignature_of_another_checkpoint_refuses_the_note() -> None:
    other = Checkpoint(ORIGIN, 8, bytes(range(32))).text()
    merged = note.parse(merge_cosignatures(DATA, [ACOSS.cosign(other, 10), DARES.cosign(TEXT, 10)]))
    assert witnessed_by(merged, [DARES.verifier]) == {"dares/witness"}
    with pytest.raises(BadSignature):
        witnessed_by(merged, [ACOSS.verifier, DARES.verifier])


def test_a_plain_signature_by_a_witness_is_no_cosignature() -> None:
    """A witness's member may sign texts with its other key: that must never count as having witnessed."""
    plain = Signer("acoss/witness", b"a" * 32)
    data = note.parse(note.assemble(TEXT, [LOG.sign(TEXT), plain.sign(TEXT)]))
    assert witnessed_by(data, [ACOSS.verifier, plain.verifier]) == frozenset()


# -------------------------------------------------------------------------------------------------------- properties

LINES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30)


@given(LINES, st.integers(1, MAX_SIZE), st.binary(min_size=32, max_size=32), st.lists(LINES, max_size=3))
def test_what_is_written_is_read_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse_text(checkpoint.text()) == checkpoint


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(TEXT) - 1), st.binary(max_size=2)).map(
        lambda m: TEXT[: m[0]] + m[1] + TEXT[m[0] + 1 :]
    )
)
def test_nothing_but_our_error_escapes_the_parser(text: bytes) -> None:
    try:
        checkpoint = Checkpoint.parse_text(text)
    except MalformedNote:
        return
    assert checkpoint.text() == text


@given(st.text(max_size=25))
def test_a_size_has_one_spelling(text: str) -> None:
    try:
        assert str(parse_size(text)) == text
    except MalformedNote:
        assert not re.fullmatch("0|[1-9][0-9]{0,17}", text)


# ---------------------------------------------------------------------------------------------------------- the page


def test_the_example_of_the_page_verifies() -> None:
    page = (ROOT / "docs" / "spec" / "checkpoint.md").read_text(encoding="utf-8")
    example = re.search(r"```\n(.*?)```", page, re.DOTALL)
    assert example is not None
    keys = [VerifierKey.parse(text) for text in re.findall(r"^    (\S+\+[0-9a-f]{8}\+\S+)$", page, re.MULTILINE)]
    assert [key.type for key in keys] == [note.ED25519, note.COSIGNATURE_V1, note.COSIGNATURE_V1]
    opened = open_checkpoint(example[1].encode(), keys[0])
    assert opened.note.raw == example[1].encode()
    assert witnessed_by(opened.note, keys) == {"acoss/witness", "dares/witness"}
