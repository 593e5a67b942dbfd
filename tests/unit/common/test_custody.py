import hashlib
import hmac
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vectors import FOLDER, blocks
from vigie import custody, rows, sealing
from vigie.errors import BadSeal, Malformed
from vigie.sealing import SealingPrivateKey

SEED = bytes(range(32))
ENCLAVE = SealingPrivateKey.from_seed(bytes(range(96)))
EVIDENCE, ORDER = b"e" * 32, b"o" * 32
LOT: dict[str, Any] = {
    "partner": "acoss",
    "dataset": "debts",
    "schema": 1,
    "period": "2026-02",
    "delivery": "snapshot",
    "base": None,
    "supersedes": b"\x01" * 16,
    "rows_digest": b"\x02" * 32,
}
keys = st.dictionaries(st.binary(min_size=16, max_size=16), st.binary(min_size=96, max_size=96), max_size=5)


def test_ids_and_keys_are_those_of_the_vector() -> None:
    (vector,) = blocks("hpke/lot.txt")
    assert custody.content_key(SEED).hex() == vector["content-key"]
    assert custody.lot_id(SEED, **LOT).hex() == vector["lot"]
    assert custody.lot_key_seed(SEED, bytes.fromhex(vector["lot"])).hex() == vector["lot-key-seed"]
    public = custody.lot_public_key(SEED, bytes.fromhex(vector["lot"]))
    assert hashlib.sha256(public).hexdigest() == vector["lot-key-sha256"]


def test_the_page_shows_the_vector_and_the_version() -> None:
    (vector,) = blocks("hpke/lot.txt")
    page = (FOLDER.parent.parent / "docs/spec/lot.md").read_text(encoding="utf-8")
    assert f"\nVersion {rows.SPEC_VERSION}. " in page
    assert f"\nepoch seed    {SEED.hex()}\n" in page
    assert f"\nlot           {vector['lot']}\n" in page


def test_released_keys_of_version_one_open_for_ever() -> None:
    (vector,) = blocks("hpke/release.txt")
    private = SealingPrivateKey.from_seed(bytes.fromhex(vector["enclave-seed"]))
    lots, seeds = ([bytes.fromhex(one) for one in vector[key].split(",")] for key in ("lots", "keys"))
    evidence, order, blob = (bytes.fromhex(vector[key]) for key in ("evidence", "order", "blob"))
    assert custody.open_release(private, evidence, order, blob) == dict(zip(lots, seeds, strict=True))
    entries = b"".join(sorted(lot + seed for lot, seed in zip(lots, seeds, strict=True)))
    assert vector["plain"] == (b"vigie/keys/v1\n\0\0\0\2" + entries).hex()
    page = (FOLDER.parent.parent / "docs/spec/release.md").read_text(encoding="utf-8")
    assert "\nVersion 1. " in page
    assert all(lot.hex() in page for lot in lots)


def test_a_second_reading_of_the_formulas() -> None:
    def hkdf(info: bytes, length: int) -> bytes:
        """RFC 5869 without salt."""
        prk = hmac.digest(bytes(32), SEED, "sha256")
        made, block = b"", b""
        for number in itertools.count(1):
            if len(made) >= length:
                return made[:length]
            block = hmac.digest(prk, block + info + bytes([number]), "sha256")
            made += block
        raise AssertionError

    body = (
        '{"base":null,"dataset":"debts","delivery":"snapshot","partner":"acoss","period":"2026-02",'
        f'"rows_digest":"{"02" * 32}","schema":1,"supersedes":"{"01" * 16}"}}'
    )
    lot = hmac.digest(hkdf(b"vigie/content/v1", 32), body.encode(), "sha256")[:16]
    assert custody.lot_id(SEED, **LOT) == lot
    assert custody.lot_key_seed(SEED, lot) == hkdf(b"vigie/lot/v1" + lot, 96)


@pytest.mark.parametrize(
    "change",
    [
        {"partner": "travail"}, {"dataset": "headcount"}, {"schema": 2}, {"period": "2026-03"}, {"delivery": "delta"},
        {"base": b"\x01" * 16}, {"supersedes": None}, {"rows_digest": b"\x03" * 32},
    ],
)  # fmt: skip
def test_every_part_of_a_lot_changes_its_id(change: dict[str, Any]) -> None:
    assert custody.lot_id(SEED, **LOT) == custody.lot_id(SEED, **LOT)
    assert custody.lot_id(SEED, **(LOT | change)) != custody.lot_id(SEED, **LOT)
    assert custody.lot_id(bytes(32), **LOT) != custody.lot_id(SEED, **LOT)


@given(keys)
def test_released_keys_open_for_their_evidence_and_order_only(released: dict[bytes, bytes]) -> None:
    blob = custody.seal_release(ENCLAVE.public, EVIDENCE, ORDER, released)
    assert custody.open_release(ENCLAVE, EVIDENCE, ORDER, blob) == released
    other = SealingPrivateKey.from_seed(bytes(96))
    for private, evidence, order in ((ENCLAVE, ORDER, ORDER), (ENCLAVE, EVIDENCE, EVIDENCE), (other, EVIDENCE, ORDER)):
        with pytest.raises(BadSeal):
            custody.open_release(private, evidence, order, blob)


@given(keys, st.data())
def test_another_spelling_of_released_keys_is_malformed(released: dict[bytes, bytes], data: st.DataObject) -> None:
    plain = custody._encode_keys(released)
    assert custody._decode_keys(plain) == released
    for spelling in (plain[:-1], plain + b"\0", data.draw(st.binary(max_size=300))):
        sealed = sealing.seal(ENCLAVE.public, sealing.release_info(EVIDENCE, ORDER), spelling)
        with pytest.raises(Malformed):
            custody.open_release(ENCLAVE, EVIDENCE, ORDER, sealed)


def test_keys_out_of_order_or_twice_are_malformed() -> None:
    head, entries = b"vigie/keys/v1\n\0\0\0\2", [bytes([lot]) * 16 + bytes(96) for lot in (1, 2)]
    assert list(custody._decode_keys(head + b"".join(entries))) == [b"\1" * 16, b"\2" * 16]
    for wrong in (entries[::-1], [entries[0], entries[0]]):
        with pytest.raises(Malformed, match="ascending"):
            custody._decode_keys(head + b"".join(wrong))


def test_the_released_key_is_the_private_half_of_the_lots_key() -> None:
    lot = custody.lot_id(SEED, **LOT)
    released = SealingPrivateKey.from_seed(custody.lot_key_seed(SEED, lot))
    assert released.public == custody.lot_public_key(SEED, lot)
    assert released.public != custody.lot_public_key(bytes(32), lot)


def test_wrong_lengths_are_mistakes_of_the_caller() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        custody.content_key(b"short")
    with pytest.raises(ValueError, match="16 bytes"):
        custody.lot_key_seed(SEED, b"short")
    with pytest.raises(ValueError, match="16 bytes"):
        custody.seal_release(ENCLAVE.public, EVIDENCE, ORDER, {b"short": bytes(96)})
    with pytest.raises(Malformed):
        custody.seal_release(b"not a key", EVIDENCE, ORDER, {})
