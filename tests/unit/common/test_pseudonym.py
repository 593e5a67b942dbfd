import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voprf.ristretto import BlindedInput, Evaluator

from support.vectors import FOLDER, blocks
from vigie import pseudonym
from vigie.errors import BadProof, Malformed
from vigie.pseudonym import Blinder, Custodian

SEED = bytes(range(32))
CUSTODIAN = Custodian.from_seed(SEED, "signaux-faibles-demo", 1)
sirens = st.from_regex(r"[0-9]{9}", fullmatch=True)


def unhex(text: str) -> list[bytes]:
    return [bytes.fromhex(one) for one in text.split(",")]


def test_the_library_gives_the_vectors_of_rfc_9497() -> None:
    # The library draws its own blinds and proof nonces, so that a blinded element and a proof cannot be made again:
    # what does not depend on them is compared here, and test_voprf_reference.py verifies the published proofs.
    head, *vectors = blocks("voprf/rfc9497-a12.txt")
    evaluator = Evaluator.from_seed(bytes.fromhex(head["seed"]), bytes.fromhex(head["key-info"]))
    assert evaluator.public_key.serialize().hex() == head["public-key"]
    assert len(vectors) == 3
    for vector in vectors:
        blinded = [BlindedInput.deserialize(one) for one in unhex(vector["blinded"])]
        answer = bytes(evaluator.evaluate_batch(blinded).serialize())
        assert answer[64:] == b"".join(unhex(vector["evaluated"]))
        assert [bytes(evaluator.evaluate_known_input(one)) for one in unhex(vector["input"])] == unhex(vector["output"])


def test_a_custodians_key_and_a_pseudonym_are_those_of_the_vector() -> None:
    (vector,) = blocks("voprf/pseudonym.txt")
    custodians = [Custodian.from_seed(seed, vector["convention"], 1) for seed in unhex(vector["seeds"])]
    assert [one.public for one in custodians] == unhex(vector["public-keys"])
    outputs = [one.evaluate([vector["siren"]])[0] for one in custodians]
    assert outputs == unhex(vector["outputs"])
    made = pseudonym.combine(1, outputs)
    assert made.hex() == vector["pseudonym"]
    assert pseudonym.bucket_of(made, 64) == int(vector["bucket-of-64"])
    assert made == hashlib.sha256(b"vigie/pseudonym/v1\0\0\0\1" + b"".join(outputs)).digest()[:16]


@given(st.lists(sirens, min_size=1, max_size=6))
@settings(max_examples=30)
def test_the_blind_way_gives_what_the_custodian_computes_itself(asked: list[str]) -> None:
    batch = Blinder.blind(asked)
    assert len(batch.elements) == 32 * len(asked)
    assert Blinder.blind(asked).elements != batch.elements
    assert batch.finalize(CUSTODIAN.blind_evaluate(batch.elements), CUSTODIAN.public) == CUSTODIAN.evaluate(asked)


def test_the_page_shows_the_vector_and_the_version() -> None:
    (vector,) = blocks("voprf/pseudonym.txt")
    page = (FOLDER.parent.parent / "docs/spec/pseudonym.md").read_text(encoding="utf-8")
    assert f"\nVersion {pseudonym.SPEC_VERSION}. " in page
    assert f"\npseudonym    {vector['pseudonym']}\nbucket       {vector['bucket-of-64']} of 64\n" in page


def test_keys_differ_by_convention_and_epoch() -> None:
    keys = {
        Custodian.from_seed(seed, name, epoch).public
        for seed in (SEED, bytes(32))
        for name in ("demo", "demo/epoch/1")
        for epoch in (1, 2, 11)
    }
    assert len(keys) == 12


def test_an_answer_that_is_not_the_custodians_is_a_bad_proof(capfd: pytest.CaptureFixture[str]) -> None:
    batch = Blinder.blind(["123456789", "000000000", "999999999"])
    good = CUSTODIAN.blind_evaluate(batch.elements)
    other = Custodian.from_seed(bytes(32), "signaux-faibles-demo", 1)
    stale = Custodian.from_seed(SEED, "signaux-faibles-demo", 2)
    swapped = good[:64] + good[96:128] + good[64:96] + good[128:]
    elsewhere = CUSTODIAN.blind_evaluate(Blinder.blind(["123456789", "000000000", "999999999"]).elements)
    answers = [
        (good, other.public), (good, stale.public), (other.blind_evaluate(batch.elements), CUSTODIAN.public),
        (swapped, CUSTODIAN.public), (elsewhere, CUSTODIAN.public), (bytes(64) + good[64:], CUSTODIAN.public),
        (b"\xff" * len(good), CUSTODIAN.public), (good[:-32], CUSTODIAN.public), (b"", CUSTODIAN.public),
        (good + bytes(32), CUSTODIAN.public), (good, b""), (good, bytes(32)), (good, b"\xff" * 32),
    ]  # fmt: skip
    for answer, public in answers:
        with pytest.raises(BadProof):
            batch.finalize(answer, public)
    assert batch.finalize(good, CUSTODIAN.public) == CUSTODIAN.evaluate(["123456789", "000000000", "999999999"])
    capfd.readouterr()  # the library writes its panics to descriptor 2; the worker process keeps them out of the log


@given(st.binary(max_size=100))
def test_what_is_no_batch_is_malformed(elements: bytes) -> None:
    with pytest.raises(Malformed):
        CUSTODIAN.blind_evaluate(elements)


def test_a_batch_is_bounded_and_the_identity_is_no_element() -> None:
    element = Blinder.blind(["123456789"]).elements
    assert len(pseudonym.split_elements(element * 4096)) == 4096
    for wrong in (b"", element[:-1], element * 4097, element + bytes(32), b"\x01" + bytes(31), b"\xed" + b"\xff" * 31):
        with pytest.raises(Malformed):
            pseudonym.split_elements(wrong)
    with pytest.raises(ValueError, match="1 to 4096"):
        Blinder.blind([])
    with pytest.raises(ValueError, match="1 to 4096"):
        Blinder.blind(["123456789"] * 4097)


@pytest.mark.parametrize("wrong", ["", "12345678", "1234567890", "12345678a", "123 45678", "123456789\n", "١٢٣٤٥٦٧٨٩"])
def test_what_is_no_siren_is_never_blinded_nor_named(wrong: str) -> None:
    for act in (lambda: Blinder.blind([wrong]), lambda: CUSTODIAN.evaluate([wrong])):
        with pytest.raises(ValueError, match="nine digits") as caught:
            act()
        assert not wrong or wrong not in str(caught.value)


@given(st.binary(min_size=16, max_size=16), st.integers(0, 16))
def test_a_bucket_is_the_leading_bits(name: bytes, bits: int) -> None:
    assert pseudonym.bucket_of(name, 2**bits) == int.from_bytes(name, "big") >> (128 - bits)


def test_mistakes_of_the_caller() -> None:
    for buckets in (0, 3, 2**17):
        with pytest.raises(ValueError, match="power of two"):
            pseudonym.bucket_of(bytes(16), buckets)
    for outputs in ([], [bytes(63)]):
        with pytest.raises(ValueError, match="64 bytes"):
            pseudonym.combine(1, outputs)
    with pytest.raises(ValueError, match="32 bytes"):
        Custodian.from_seed(b"short", "demo", 1)
    assert pseudonym.combine(1, [bytes(64), b"\1" * 64]) != pseudonym.combine(1, [b"\1" * 64, bytes(64)])
    assert pseudonym.combine(1, [bytes(64)]) != pseudonym.combine(2, [bytes(64)])
