"""Statements: one canonical form, bytes kept as received, and everything else refused."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from vigie import note, statement
from vigie.errors import BadSignature, MalformedStatement, VigieError
from vigie.note import Signer
from vigie.statement import Statement

ACOSS, HUB = Signer("acoss/signing", b"\x01" * 32), Signer("hub/host", b"\x02" * 32)
BODY: dict[str, Any] = {"b": [1, True, None], "a": {"é": "ü", "z": "1"}}


def note_of(text: bytes, *signers: Signer) -> bytes:
    """A signed note of any text at all, past our own writer."""
    return note.assemble(text, [signer.sign(text) for signer in signers or (ACOSS,)])


def lot(line: bytes) -> bytes:
    return note_of(b"vigie/lot/v1\n" + line + b"\n")


def test_made_and_read_back() -> None:
    made = statement.make("lot", BODY, [ACOSS, HUB])
    read = statement.parse(made.raw, kind="lot")
    assert read == made
    assert read.body == BODY
    assert read.text == b'vigie/lot/v1\n{"a":{"z":"1","\xc3\xa9":"\xc3\xbc"},"b":[1,true,null]}\n'
    assert note.verify(read.note, [ACOSS.verifier, HUB.verifier]) == {ACOSS.verifier, HUB.verifier}


def test_the_bytes_received_are_kept_and_the_digest_is_of_the_text() -> None:
    import hashlib

    raw = lot(b'{"a":1}')
    read = statement.parse(raw)
    assert read.raw == raw
    assert read.digest == hashlib.sha256(b'vigie/lot/v1\n{"a":1}\n').digest() == statement.digest_of(read.text)


def test_a_signature_more_does_not_change_the_digest() -> None:
    once = statement.make("lot", BODY, [ACOSS])
    twice = statement.countersign(once, [HUB])
    assert twice.digest == once.digest and len(twice.note.signatures) == 2


def test_countersigning_again_replaces_the_line() -> None:
    once = statement.make("lot", BODY, [ACOSS, HUB])
    again = statement.countersign(once, [ACOSS])
    assert [line.name for line in again.note.signatures] == ["hub/host", "acoss/signing"]


def test_another_kind_than_wanted_is_refused() -> None:
    made = statement.make("order", BODY, [ACOSS])
    assert statement.parse(made.raw, kind="order") == made
    with pytest.raises(MalformedStatement, match="kind order, not lot"):
        statement.parse(made.raw, kind="lot")


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b'{"a":{"x":1,"x":2}}', b'{"a":1.0}', b'{"a":1e2}',
        b'{"a":-0}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":9007199254740993}', b'{"a":"\\u00e9"}', b'{"a":"\\/"}',
        b"[1]", b"1", b'"a"', b"null", b"", b"{", b'{"a":1} ', b' {"a":1}', b'{"a":1}\n', b'{"a":1}\n{"a":1}',
        b'{"a":"\\ud800"}', b'{"a":' + b"9" * 5000 + b"}", b"[" * 20_000, b'{"a":' * 9_000,
    ],
)  # fmt: skip
def test_a_body_that_is_not_its_own_canonical_form_is_refused(line: bytes) -> None:
    with pytest.raises(MalformedStatement):
        statement.parse(lot(line))


@pytest.mark.parametrize(
    "first",
    [
        b"vigie/lot/v2", b"vigie/lots/v1", b"vigie/LOT/v1", b"vigie/lot/v1 ", b" vigie/lot/v1", b"vigie/lot", b"", b"lot",
        b"vigie/receipt/v1", "vigie/lot/v１".encode(),
    ],
)  # fmt: skip
def test_another_first_line_is_refused(first: bytes) -> None:
    with pytest.raises(MalformedStatement):
        statement.parse(note_of(first + b'\n{"a":1}\n'))


@pytest.mark.parametrize("text", [b"vigie/lot/v1\n", b"vigie/lot/v1\n\n", b'vigie/lot/v1\n{"a":1}\n\n'])
def test_anything_but_exactly_one_line_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedStatement):
        statement.parse(note_of(text))


@pytest.mark.parametrize("data", [b"", b"\n\n", b"vigie/lot/v1\n{}\n", b"\xff\xfe", b'{"a":1}'])
def test_what_is_not_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedStatement, match="not a signed statement"):
        statement.parse(data)


def test_the_limit_counts_signatures_and_holds_to_the_byte() -> None:
    def of_size(fill: int) -> bytes:
        return lot(rfc8785.dumps({"a": "x" * fill}))

    spare = statement.LIMIT - len(of_size(0))
    assert len(statement.parse(of_size(spare)).raw) == statement.LIMIT
    # One more cannot be assembled by our own writer, so the byte is put in by hand.
    longer = of_size(spare).replace(b'{"a":"x', b'{"a":"xx', 1)
    with pytest.raises(MalformedStatement):
        statement.parse(longer)
    with pytest.raises(VigieError):
        statement.make("lot", {"a": "x" * (spare + 1)}, [ACOSS])


@pytest.mark.parametrize("kind", ["convention", "receipt", "", "LOT"])
def test_only_json_kinds_are_made_of_a_body(kind: str) -> None:
    with pytest.raises(MalformedStatement):
        statement.text_of(kind, {"a": 1})


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), b"bytes", "\ud800", {1: 2}])
def test_a_body_without_a_canonical_form_is_not_made(value: Any) -> None:
    with pytest.raises(MalformedStatement):
        statement.text_of("lot", {"a": value})


def test_a_convention_is_text() -> None:
    toml = b'[convention]\nid = "demo"\n'
    signed = statement.sign_text(statement.convention_text(toml), [ACOSS])
    read = statement.parse(signed.raw, kind="convention")
    assert read.payload == toml and read.body == {}


@pytest.mark.parametrize("toml", [b"a = 1", b"a = 1\r\n", b"a\t= 1\n", b"\xff\n", b""])
def test_a_convention_that_is_not_plain_text_is_refused(toml: bytes) -> None:
    with pytest.raises(MalformedStatement):
        statement.convention_text(toml)


@pytest.mark.parametrize("toml", [b"a\t= 1\n", b"a = 1\r\n"])
def test_a_signed_convention_that_is_not_plain_text_is_refused(toml: bytes) -> None:
    text = b"vigie/convention/v1\n" + toml
    line = note.NoteSignature(ACOSS.verifier.name, ACOSS.verifier.key_id, b"\0" * 64).line()
    with pytest.raises(MalformedStatement):
        statement.parse(text + b"\n" + line.encode() + b"\n")


Values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdé", max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcdé", max_size=4), Values, max_size=5))
def test_any_body_comes_back_as_it_was(body: dict[str, Any]) -> None:
    read = statement.parse(statement.make("run", body, [ACOSS]).raw)
    assert read.body == body
    assert json.loads(read.payload) == body


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_by_our_own_error(data: bytes) -> None:
    outcome: Statement | None = None
    try:
        outcome = statement.parse(data)
    except MalformedStatement:
        return
    assert outcome.raw == data


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_never_passes_for_the_same_statement(place: int, value: int) -> None:
    raw = bytearray(statement.make("lot", BODY, [ACOSS]).raw)
    before = bytes(raw)
    raw[place % len(raw)] = value
    if bytes(raw) == before:
        return
    try:
        read = statement.parse(bytes(raw))
        signers = note.verify(read.note, [ACOSS.verifier])
    except (MalformedStatement, BadSignature):
        return
    assert not signers  # the line was made to belong to somebody else
