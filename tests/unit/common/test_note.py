"""Signed notes against notes that others made, and against everything that is almost a note."""

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie import note
from vigie.errors import BadSignature, MalformedNote
from vigie.note import Cosigner, Note, NoteSignature, Signer, VerifierKey

VECTORS = Path(__file__).parents[2] / "vectors" / "note"
UPSTREAM = ["c2sp-signed-note", "go-sumdb-note", "sum.golang.org"]
TEXT = "Une première ligne.\n\nUne autre.\n".encode()
SIGNER = Signer("acoss/signing", b"s" * 32)
OTHER = Signer("dares/signing", b"o" * 32)
COSIGNER = Cosigner("acoss/witness", b"c" * 32)
NAMES = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters="+"),
    min_size=1,
    max_size=20,
).filter(lambda name: not any(c.isspace() for c in name))
TEXTS = st.text(st.characters(exclude_categories=["C"]) | st.just("\n")).map(lambda text: f"{text}\n".encode())


def upstream(name: str) -> tuple[bytes, VerifierKey]:
    key = VerifierKey.parse((VECTORS / f"{name}.vkey").read_text().strip())
    return (VECTORS / f"{name}.note").read_bytes(), key


def signed(*signatures: NoteSignature, text: bytes = TEXT) -> Note:
    return note.parse(note.assemble(text, signatures))


# ------------------------------------------------------------------------------------------------- notes by others


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_note_made_by_others_verifies(name: str) -> None:
    data, key = upstream(name)
    parsed = note.parse(data)
    assert note.verify(parsed, [key, SIGNER.verifier]) == {key}
    assert parsed.raw == data == note.assemble(parsed.text, parsed.signatures)


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_note_made_by_others_and_changed_does_not(name: str) -> None:
    data, key = upstream(name)
    parsed = note.parse(data)
    for position in range(len(parsed.text) - 1):
        changed = bytearray(parsed.text)
        changed[position] ^= 1
        with pytest.raises(BadSignature):
            note.verify(dataclasses.replace(parsed, text=bytes(changed)), [key])


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_verifier_key_made_by_others_is_written_as_it_was(name: str) -> None:
    text = (VECTORS / f"{name}.vkey").read_text().strip()
    assert VerifierKey.parse(text).vkey() == text


# ------------------------------------------------------------------------------------------------------ verifying


def test_both_types_of_signature_verify_side_by_side() -> None:
    parsed = signed(SIGNER.sign(TEXT), COSIGNER.cosign(TEXT, 1_700_000_000))
    assert note.verify(parsed, [SIGNER.verifier, COSIGNER.verifier]) == {SIGNER.verifier, COSIGNER.verifier}
    assert note.cosignature_time(parsed.signatures[1]) == 1_700_000_000


def test_unknown_keys_are_ignored_and_satisfy_nobody() -> None:
    parsed = signed(OTHER.sign(TEXT), SIGNER.sign(TEXT))
    assert note.verify(parsed, [SIGNER.verifier]) == {SIGNER.verifier}
    assert note.verify(parsed, [COSIGNER.verifier]) == frozenset()
    assert note.verify(parsed, []) == frozenset()


def test_a_line_of_a_known_name_with_another_id_is_of_an_unknown_key() -> None:
    namesake = Signer("acoss/signing", b"x" * 32)
    assert note.verify(signed(namesake.sign(TEXT)), [SIGNER.verifier]) == frozenset()


def test_a_known_key_that_fails_refuses_the_whole_note() -> None:
    good, bad = SIGNER.sign(TEXT), dataclasses.replace(OTHER.sign(TEXT), value=bytes(64))
    parsed = signed(good, bad)
    assert note.verify(parsed, [SIGNER.verifier]) == {SIGNER.verifier}
    with pytest.raises(BadSignature, match="dares/signing"):
        note.verify(parsed, [SIGNER.verifier, OTHER.verifier])


def test_a_second_line_of_a_key_that_fails_refuses_the_note_too() -> None:
    good = SIGNER.sign(TEXT)
    with pytest.raises(BadSignature):
        note.verify(signed(good, dataclasses.replace(good, value=bytes(64))), [SIGNER.verifier])


@pytest.mark.parametrize("length", [1, 8, 63, 65, 72])
def test_a_signature_of_another_length_fails(length: int) -> None:
    value = (SIGNER.sign(TEXT).value + bytes(80))[:length]
    with pytest.raises(BadSignature):
        note.verify(signed(dataclasses.replace(SIGNER.sign(TEXT), value=value)), [SIGNER.verifier])


@pytest.mark.parametrize("length", [1, 8, 64, 71, 73])
def test_a_cosignature_of_another_length_fails(length: int) -> None:
    line = COSIGNER.cosign(TEXT, 5)
    line = dataclasses.replace(line, value=(line.value + bytes(80))[:length])
    with pytest.raises(MalformedNote):
        note.cosignature_time(line)
    with pytest.raises(BadSignature):
        note.verify(signed(line), [COSIGNER.verifier])


def test_the_time_of_a_cosignature_is_signed() -> None:
    line = COSIGNER.cosign(TEXT, 5)
    later = dataclasses.replace(line, value=(6).to_bytes(8, "big") + line.value[8:])
    assert note.verify(signed(line), [COSIGNER.verifier]) == {COSIGNER.verifier}
    with pytest.raises(BadSignature):
        note.verify(signed(later), [COSIGNER.verifier])


def test_a_time_beyond_the_format_is_refused() -> None:
    line = COSIGNER.cosign(TEXT, note.MAX_TIME)
    assert note.cosignature_time(line) == note.MAX_TIME
    with pytest.raises(MalformedNote, match="impossible time"):
        note.cosignature_time(dataclasses.replace(line, value=b"\xff" * 8 + line.value[8:]))
    for time in (-1, note.MAX_TIME + 1):
        with pytest.raises(ValueError, match="out of range"):
            COSIGNER.cosign(TEXT, time)


def test_a_signature_does_not_pass_for_a_cosignature_of_the_same_key() -> None:
    seed = b"k" * 32
    signer, cosigner = Signer("acoss", seed), Cosigner("acoss", seed)
    assert signer.verifier.key_id != cosigner.verifier.key_id
    moved = NoteSignature("acoss", cosigner.verifier.key_id, bytes(8) + signer.sign(TEXT).value)
    with pytest.raises(BadSignature):
        note.verify(signed(moved), [cosigner.verifier])


def test_two_known_keys_with_one_name_and_id_are_not_guessed_between() -> None:
    twins = [
        VerifierKey("a/signing", note.ED25519, hashlib.sha256(b"collision %d" % number).digest())
        for number in (36488, 60176)  # found by search: their key ids collide
    ]
    assert twins[0].key_id == twins[1].key_id
    with pytest.raises(BadSignature, match="Two different known keys"):
        note.verify(signed(SIGNER.sign(TEXT)), twins)
    assert note.verify(signed(SIGNER.sign(TEXT)), [SIGNER.verifier, SIGNER.verifier]) == {SIGNER.verifier}


# -------------------------------------------------------------------------------------------------------- parsing


def test_the_last_empty_line_is_the_border() -> None:
    for text in (b"a\n\nb\n", b"a\n\n", b"\n", b"a\n\n\xe2\x80\x94 x AAAAAAA=\n"):
        assert signed(SIGNER.sign(text), text=text).text == text


LINE = SIGNER.sign(TEXT).line()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        f"text\n{LINE}\n".encode(),
        f"text\n\n{LINE}".encode(),
        f"text\n\n{LINE}\nmore\n".encode(),
        f"text\n\n{LINE}\n\n".encode(),
        f"\n{LINE}\n".encode(),
        f"text\r\n\r\n{LINE}\r\n".encode(),
        f"a\tb\n\n{LINE}\n".encode(),
        f"a\x00b\n\n{LINE}\n".encode(),
        f"a\x7fb\n\n{LINE}\n".encode(),
        f"a\x85b\n\n{LINE}\n".encode(),
        b"a\xff\n\n" + f"{LINE}\n".encode(),
        b"a\xed\xa0\x80\n\n" + f"{LINE}\n".encode(),  # an encoded surrogate
        f"text\n\n{LINE.replace('—', '-')}\n".encode(),
        f"text\n\n{LINE.replace('— ', '—  ')}\n".encode(),
        f"text\n\n{LINE} \n".encode(),
        f"text\n\n{LINE.replace('acoss', 'ac+oss')}\n".encode(),
        b"text\n\n" + LINE.replace("acoss", "ac\u00a0oss").encode() + b"\n",
        b"text\n\n" + LINE.replace("acoss", "ac\u2028oss").encode() + b"\n",
        f"text\n\n{LINE.rstrip('=')}\n".encode(),
        f"text\n\n{LINE[:-2]}*=\n".encode(),
        f"text\n\n{LINE[:30]}\u00e9{LINE[30:]}\n".encode(),
        "text\n\n— acoss/signing \n".encode(),
        "text\n\n— acoss/signing AAAA\n".encode(),  # three bytes: no key id
        "text\n\n— acoss/signing AAAAAA==\n".encode(),  # a key id and nothing else
        "text\n\n— acoss/signing AAAAAAB=\n".encode(),  # stray bits after the last byte
    ],
)
def test_what_is_almost_a_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedNote):
        note.parse(data)


def test_sixteen_signatures_are_read_and_sixty_four_but_no_more() -> None:
    lines = [NoteSignature(f"n{number}", b"abcd", b"value") for number in range(65)]
    for count in (1, 16, 64):
        assert len(signed(*lines[:count]).signatures) == count
    for count in (0, 65):
        with pytest.raises(MalformedNote):
            note.assemble(TEXT, lines[:count])
    too_many = TEXT + b"\n" + b"".join(f"{line.line()}\n".encode() for line in lines)
    with pytest.raises(MalformedNote, match="65 signatures"):
        note.parse(too_many)


def test_a_note_is_read_up_to_its_limit() -> None:
    overhead = len(note.assemble(b"\n", [SIGNER.sign(b"\n")]))
    text = b"x" * (note.MAX_BYTES - overhead) + b"\n"
    data = note.assemble(text, [SIGNER.sign(text)])
    assert len(data) == note.MAX_BYTES
    assert note.parse(data).text == text
    with pytest.raises(MalformedNote, match="longer"):
        note.parse(data, limit=note.MAX_BYTES - 1)
    with pytest.raises(MalformedNote, match="longer"):
        note.parse(b"x" + data)
    with pytest.raises(MalformedNote, match="longer"):
        note.assemble(b"x" + text, [SIGNER.sign(text)])


@pytest.mark.parametrize("text", [b"", b"no newline", b"a\tb\n", b"\xff\n"])
def test_what_cannot_stand_in_a_note_is_never_signed(text: bytes) -> None:
    with pytest.raises(MalformedNote):
        SIGNER.sign(text)
    with pytest.raises(MalformedNote):
        COSIGNER.cosign(text, 1)
    with pytest.raises(MalformedNote):
        note.assemble(text, [SIGNER.sign(TEXT)])


# ----------------------------------------------------------------------------------------------------------- keys


@pytest.mark.parametrize(
    "text",
    [
        "",
        "acoss",
        "acoss+00000000",
        "+d2ed31f8+AAAA",
        SIGNER.verifier.vkey().replace("acoss", "dares"),
        SIGNER.verifier.vkey().replace("acoss", "ac oss"),
        SIGNER.verifier.vkey() + "\n",
        SIGNER.verifier.vkey() + "+x",
        SIGNER.verifier.vkey().replace(SIGNER.verifier.key_id.hex(), "00000000"),
        SIGNER.verifier.vkey().replace(SIGNER.verifier.key_id.hex(), SIGNER.verifier.key_id.hex().upper()),
        "acoss+00000000+",
        "acoss+00000000+" + note.encode64(b"\x01" + bytes(31)),
        "acoss+00000000+" + note.encode64(b"\x02" + SIGNER.verifier.public),
        "\ud800+00000000+AAAA",
    ],
)
def test_a_verifier_key_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        VerifierKey.parse(text)


def cctv_keys() -> list[tuple[str, bool]]:
    cases = json.loads((VECTORS / "cctv-ed25519-keys.json").read_text())["cases"]
    return [(case["key"], "low_order_A" in case["flags"] or "non_canonical_A" in case["flags"]) for case in cases]


def test_keys_whose_owner_could_deny_a_signature_are_refused() -> None:
    verdicts = cctv_keys()
    assert sum(weak for _, weak in verdicts) == 14
    for key, weak in verdicts:
        if weak:
            with pytest.raises(MalformedNote, match="deny"):
                VerifierKey("acoss", note.ED25519, bytes.fromhex(key))
        else:
            assert VerifierKey("acoss", note.ED25519, bytes.fromhex(key)).public.hex() == key


def test_a_key_off_the_curve_verifies_nothing() -> None:
    key = VerifierKey("acoss", note.ED25519, (2).to_bytes(32, "little"))
    with pytest.raises(BadSignature):
        note.verify(signed(NoteSignature("acoss", key.key_id, bytes(64))), [key])


@pytest.mark.parametrize("seed", [b"", b"x" * 31, b"x" * 33])
def test_a_seed_of_another_length_is_a_mistake_of_the_caller(seed: bytes) -> None:
    for make in (Signer, Cosigner):
        with pytest.raises(ValueError, match="32"):
            make("acoss", seed)


def test_a_signer_does_not_show_its_key() -> None:
    assert "s" * 32 not in repr(SIGNER)
    assert not hasattr(SIGNER, "seed")


# ------------------------------------------------------------------------------------------------------ properties


@given(
    text=TEXTS,
    lines=st.lists(st.tuples(NAMES, st.binary(min_size=4, max_size=4), st.binary(min_size=1)), min_size=1, max_size=5),
)
def test_what_is_assembled_is_parsed_back(text: bytes, lines: list[tuple[str, bytes, bytes]]) -> None:
    signatures = tuple(NoteSignature(*line) for line in lines)
    data = note.assemble(text, signatures)
    parsed = note.parse(data)
    assert (parsed.text, parsed.signatures, parsed.raw) == (text, signatures, data)


@given(text=TEXTS, name=NAMES, seed=st.binary(min_size=32, max_size=32), time=st.integers(0, note.MAX_TIME))
def test_what_is_signed_verifies_for_any_name_and_text(text: bytes, name: str, seed: bytes, time: int) -> None:
    signer, cosigner = Signer(name, seed), Cosigner(name, seed)
    parsed = signed(signer.sign(text), cosigner.cosign(text, time), text=text)
    assert note.verify(parsed, [signer.verifier, cosigner.verifier]) == {signer.verifier, cosigner.verifier}
    assert note.cosignature_time(parsed.signatures[1]) == time
    for key in (signer.verifier, cosigner.verifier):
        assert VerifierKey.parse(key.vkey()) == key


GOOD = note.assemble(TEXT, [SIGNER.sign(TEXT), COSIGNER.cosign(TEXT, 7)])


@given(position=st.integers(0, len(GOOD) - 1), byte=st.integers(0, 255))
def test_a_note_with_one_byte_changed_is_never_taken_for_the_good_one(position: int, byte: int) -> None:
    changed = GOOD[:position] + bytes([byte]) + GOOD[position + 1 :]
    if changed == GOOD:
        return
    keys = [SIGNER.verifier, COSIGNER.verifier]
    try:
        verified = note.verify(note.parse(changed), keys)
    except (MalformedNote, BadSignature):
        return
    assert verified < set(keys)  # a line turned into an unknown key's, and its signer is missed


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_nothing_but_our_error_escapes_the_parser(data: bytes) -> None:
    try:
        parsed = note.parse(data)
    except MalformedNote:
        return
    assert note.assemble(parsed.text, parsed.signatures) == data


@given(st.text(max_size=120) | st.from_regex(r"\A— [a-z]{1,9} [A-Za-z0-9+/]{0,20}={0,2}\Z"))
def test_nothing_but_our_error_escapes_the_line_parsers(text: str) -> None:
    for parse in (VerifierKey.parse, NoteSignature.parse):
        try:
            parsed = parse(text)
        except MalformedNote:
            continue
        assert text == (parsed.vkey() if isinstance(parsed, VerifierKey) else parsed.line())
