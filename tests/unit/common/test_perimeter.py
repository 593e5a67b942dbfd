"""Marks, decoys and parts of a perimeter: the page's formulas written again, its vectors, and what is not a list refused."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie import sealing, segment
from vigie.errors import BadProof, BadSeal, Malformed, MalformedSegment, VigieError
from vigie.perimeter import HEAD, MARKS_IN_PART, Place, cut, filled, join, perimeter_id
from vigie.sealing import SealingPrivateKey
from vigie.sizes import count_class

VECTORS = Path(__file__).parents[2] / "vectors" / "perimeter" / "marks.json"
SEED = bytes(range(32))
PLACE = Place("demo", b"p" * 16, 1, "2026-03", "travail")


def pseudonyms(count: int) -> list[bytes]:
    return [hashlib.sha256(b"company %d" % number).digest()[:16] for number in range(count)]


def pieces(marks: bytes) -> list[bytes]:
    return [marks[at : at + 16] for at in range(0, len(marks), 16)]


# -- the page and its vectors -------------------------------------------------------------------------------------


def hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869 with SHA-256, no salt, one block."""
    return hmac.digest(hmac.digest(bytes(32), key, hashlib.sha256), info + b"\1", hashlib.sha256)


def by_the_page(case: dict[str, Any]) -> dict[str, Any]:
    """Everything of section 2 of docs/spec/perimeter.md, without a line of the code under test."""
    sha = hashlib.sha256
    seed, known = bytes.fromhex(case["epoch_seed"]), [bytes.fromhex(one) for one in case["pseudonyms"]]
    described = (
        f'{{"companies":"{sha(b"".join(sorted(known))).hexdigest()}","convention":"{case["convention"]}",'
        f'"epoch":{case["epoch"]},"kind":"perimeter","owner":"{case["owner"]}","period":"{case["period"]}",'
        f'"supersedes":{json.dumps(case["supersedes"])}}}'
    )
    identity = hmac.digest(hkdf(seed, b"vigie/content/v1"), described.encode(), sha)[:16]
    bound = (
        sha(case["convention"].encode()).digest()
        + identity
        + case["epoch"].to_bytes(4, "big")
        + case["period"].encode()
        + sha(case["recipient"].encode()).digest()
    )
    marks = {sha(b"vigie/mark/v1" + bound + one).digest()[:16] for one in known}
    key, number, whole = hkdf(seed, b"vigie/decoys/v1"), 0, set(marks)
    while len(whole) < case["companies_class"]:
        whole.add(hmac.digest(key, bound + number.to_bytes(4, "big"), sha)[:16])
        number += 1
    content = b"vigie/marks/v1\n" + b"".join(sorted(whole))
    return {
        "perimeter": identity.hex(),
        "marks": sorted(mark.hex() for mark in marks),
        "content": content.hex(),
        "info_of_part_0": (b"vigie/perimeter/v1" + bound + bytes(4)).hex(),
    }


def by_the_code(case: dict[str, Any]) -> dict[str, Any]:
    seed, known = bytes.fromhex(case["epoch_seed"]), [bytes.fromhex(one) for one in case["pseudonyms"]]
    identity = perimeter_id(
        seed, owner=case["owner"], convention_id=case["convention"], epoch=case["epoch"], period=case["period"],
        supersedes=bytes.fromhex(case["supersedes"]) if case["supersedes"] else None, pseudonyms=known,
    )  # fmt: skip
    place = Place(case["convention"], identity, case["epoch"], case["period"], case["recipient"])
    (part,) = cut(filled(seed, place, known))
    return {
        "perimeter": identity.hex(),
        "marks": sorted(mark.hex() for mark in place.marks(known)),
        "content": segment.unpad(part).hex(),
        "info_of_part_0": place.info(0).hex(),
    }


@pytest.mark.parametrize("number", range(3))
def test_the_vectors_are_what_the_page_says_and_what_the_code_does(number: int) -> None:
    case = json.loads(VECTORS.read_text())[number]
    assert by_the_page(case["given"]) == case["made"] == by_the_code(case["given"])
    assert count_class(len(case["given"]["pseudonyms"])) == case["given"]["companies_class"]


# -- what a list says and does not say ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 4, 5, 24, 25, 100])
def test_a_list_holds_every_mark_and_is_as_long_as_its_size_class(count: int) -> None:
    known = pseudonyms(count)
    found = pieces(filled(SEED, PLACE, known))
    assert set(PLACE.marks(known)) <= set(found)
    assert found == sorted(set(found)) and len(found) == count_class(count)


def test_the_number_of_companies_does_not_show() -> None:
    assert len({len(filled(SEED, PLACE, pseudonyms(count))) for count in range(49, 65)}) == 1


@pytest.mark.parametrize(
    "other",
    [
        Place("other", b"p" * 16, 1, "2026-03", "travail"),
        Place("demo", b"q" * 16, 1, "2026-03", "travail"),
        Place("demo", b"p" * 16, 2, "2026-03", "travail"),
        Place("demo", b"p" * 16, 1, "2026-04", "travail"),
        Place("demo", b"p" * 16, 1, "2026-03", "acoss"),
    ],
)
def test_lists_of_two_places_have_nothing_in_common(other: Place) -> None:
    known = pseudonyms(50)
    assert not set(pieces(filled(SEED, PLACE, known))) & set(pieces(filled(SEED, other, known)))
    assert not set(known) & set(pieces(filled(SEED, PLACE, known)))
    key = SealingPrivateKey.from_seed(bytes(96))
    sealed = sealing.seal(key.public, PLACE.info(0), b"list")
    assert key.open(PLACE.info(0), sealed) == b"list"
    for info in (other.info(0), PLACE.info(1)):
        with pytest.raises(BadSeal):
            key.open(info, sealed)


def test_the_same_companies_have_the_same_id_in_any_order_and_others_another() -> None:
    given: dict[str, Any] = {
        "owner": "acoss", "convention_id": "demo", "epoch": 1, "period": "2026-03", "supersedes": None,
        "pseudonyms": pseudonyms(9),
    }  # fmt: skip
    found = perimeter_id(SEED, **given)
    assert perimeter_id(SEED, **{**given, "pseudonyms": reversed(pseudonyms(9))}) == found
    changes = (
        ("owner", "travail"), ("convention_id", "x"), ("epoch", 2), ("period", "2026-04"), ("supersedes", b"s" * 16),
        ("pseudonyms", pseudonyms(8)),
    )  # fmt: skip
    others = [perimeter_id(SEED, **{**given, key: value}) for key, value in changes]
    assert len({found, *others, perimeter_id(bytes(32), **given)}) == 8


# -- parts --------------------------------------------------------------------------------------------------------


@given(st.integers(1, 3000))
def test_a_list_comes_back_from_its_parts(count: int) -> None:
    marks = filled(SEED, PLACE, pseudonyms(count))
    assert join(cut(marks), count_class(count)) == marks


def test_a_large_list_is_cut_into_full_parts_of_one_mebibyte() -> None:
    marks = b"".join(number.to_bytes(16, "big") for number in range(2 * MARKS_IN_PART + 1))
    parts = cut(marks)
    assert [len(part) for part in parts] == [segment.CAP, segment.CAP, 4096]
    assert join(parts, 2 * MARKS_IN_PART + 1) == marks
    for wrong in (parts[:2], parts[::-1], [parts[0], parts[0], parts[2]], [parts[0], parts[2], parts[1]]):
        with pytest.raises(VigieError):
            join(wrong, 2 * MARKS_IN_PART + 1)


FOUR = [bytes([number]) * 16 for number in range(4)]


@pytest.mark.parametrize(
    ("plain", "error"),
    [
        (segment.pad(HEAD + b"".join(FOUR[:3])), BadProof),
        (segment.pad(HEAD + b"".join([*FOUR, b"\4" * 16])), BadProof),
        (segment.pad(HEAD + b"".join(FOUR)[:-1]), MalformedSegment),
        (segment.pad(HEAD + b"".join(FOUR[::-1])), MalformedSegment),
        (segment.pad(HEAD + b"".join([*FOUR[:3], FOUR[2]])), MalformedSegment),
        (segment.pad(b"vigie/marks/v2\n" + b"".join(FOUR)), MalformedSegment),
        (segment.pad(b""), MalformedSegment),
        (segment.pad(HEAD + b"".join(FOUR))[:-1], MalformedSegment),
        (b"", MalformedSegment),
    ],
)
def test_what_is_not_the_list_of_the_statement_is_refused(plain: bytes, error: type[Exception]) -> None:
    assert join([segment.pad(HEAD + b"".join(FOUR))], 4) == b"".join(FOUR)
    with pytest.raises(error):
        join([plain], 4)


@given(st.lists(st.binary(max_size=200) | st.binary(max_size=200).map(segment.pad), max_size=4), st.integers(0, 20))
def test_any_bytes_are_a_list_or_refused_by_our_own_error(parts: list[bytes], count: int) -> None:
    try:
        assert len(join(parts, count)) == 16 * count
    except (Malformed, BadProof):
        return


def test_mistakes_of_the_caller_are_told() -> None:
    for wrong in ([], pseudonyms(2) * 2):
        with pytest.raises(ValueError, match="each once"):
            filled(SEED, PLACE, wrong)
    with pytest.raises(ValueError, match="16 bytes"):
        PLACE.marks([b"short"])
    for id_, period in ((b"short", "2026-03"), (b"p" * 16, "2026-3")):
        with pytest.raises(ValueError, match="YYYY-MM"):
            Place("demo", id_, 1, period, "travail")
