import hashlib

import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from hypothesis import given
from hypothesis import strategies as st

from support.vectors import blocks
from vigie import sealing
from vigie.errors import BadSeal, Malformed
from vigie.sealing import OVERHEAD, SealingPrivateKey, check_public, seal

KEY = SealingPrivateKey.from_seed(bytes(range(96)))
OTHER = SealingPrivateKey.from_seed(bytes(range(1, 97)))


def test_the_published_vector_of_the_kem_and_key_schedule() -> None:
    # The published private key is a 32-byte seed; ours is what draft-irtf-cfrg-concrete-hybrid-kems expands it to.
    (vector,) = (
        {key: bytes.fromhex(text) for key, text in one.items()} for one in blocks("hpke/draft-ietf-hpke-pq.txt")
    )
    key = SealingPrivateKey.from_seed(hashlib.shake_256(vector["seed"]).digest(96))
    assert key.public == vector["public"]
    # The row uses ChaCha20-Poly1305 and associated data, which our suite has not: the rest of it is the same code.
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    sealed = vector["enc"] + vector["ciphertext"]
    opened = openssl.hpke._decrypt_with_aad(suite, sealed, key._private, vector["info"], vector["aad"])
    assert opened == vector["plain"]


def independently_open(seed: bytes, info: bytes, sealed: bytes) -> bytes:
    """RFC 9180 section 5.1 base mode over the hybrid KEM, from its parts."""
    mlkem, x25519 = MLKEM768PrivateKey.from_seed_bytes(seed[:64]), X25519PrivateKey.from_private_bytes(seed[64:])
    ephemeral = sealed[1088:1120]
    secret = hashlib.sha3_256(
        mlkem.decapsulate(sealed[:1088])
        + x25519.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        + ephemeral
        + x25519.public_key().public_bytes_raw()
        + rb"\.//^\ "[:6]
    ).digest()
    suite = b"HPKE\x64\x7a\x00\x01\x00\x02"

    def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return HKDF.extract(SHA256(), salt or bytes(32), b"HPKE-v1" + suite + label + ikm)

    def expand(prk: bytes, label: bytes, content: bytes, length: int) -> bytes:
        labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + content
        return HKDFExpand(SHA256(), length, labeled).derive(prk)

    context = b"\x00" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", info)
    prk = extract(secret, b"secret", b"")
    key, nonce = expand(prk, b"key", context, 32), expand(prk, b"base_nonce", context, 12)
    return AESGCM(key).decrypt(nonce, sealed[1120:], b"")


def test_a_second_reading_of_the_standards_opens_what_we_seal() -> None:
    assert independently_open(bytes(range(96)), b"place", seal(KEY.public, b"place", b"rows")) == b"rows"


def test_a_sealed_segment_of_version_one_opens_for_ever() -> None:
    (vector,) = blocks("hpke/segment.txt")
    info = sealing.segment_info(
        vector["convention"], bytes.fromhex(vector["lot"]), int(vector["bucket"]), int(vector["part"])
    )
    assert info.hex() == vector["info"]
    key = SealingPrivateKey.from_seed(bytes.fromhex(vector["seed"]))
    assert hashlib.sha256(key.public).hexdigest() == vector["public-sha256"]
    assert key.open(info, bytes.fromhex(vector["sealed"])).hex() == vector["plain"]


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_what_is_sealed_opens_at_its_place_only(plain: bytes, info: bytes) -> None:
    sealed = seal(KEY.public, info, plain)
    assert len(sealed) == len(plain) + OVERHEAD
    assert KEY.open(info, sealed) == plain
    with pytest.raises(BadSeal):
        KEY.open(info + b"x", sealed)
    with pytest.raises(BadSeal):
        OTHER.open(info, sealed)


@given(st.data())
def test_anything_altered_or_made_up_does_not_open(data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY.public, b"", b"some rows"))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    # The top bit of an X25519 share is ignored by the function but not by the key schedule: that fails as well.
    for altered in (bytes(sealed), bytes(sealed[:at]), data.draw(st.binary(max_size=2000))):
        with pytest.raises(BadSeal):
            KEY.open(b"", altered)


def test_the_public_form_is_the_two_public_keys_of_the_seed() -> None:
    seed = sealing.generate()
    mlkem, x25519 = MLKEM768PrivateKey.from_seed_bytes(seed[:64]), X25519PrivateKey.from_private_bytes(seed[64:])
    expected = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    assert SealingPrivateKey.from_seed(seed).public == expected
    assert len(expected) == sealing.PUBLIC_BYTES


@pytest.mark.parametrize(
    "bad", [b"", KEY.public[:-1], KEY.public + b"x", b"\xff" * 1216, KEY.public[:1184] + bytes(32)]
)
def test_what_is_no_public_key_is_refused(bad: bytes) -> None:
    with pytest.raises(Malformed):
        seal(bad, b"", b"")


def test_a_public_key_can_be_checked_before_anything_is_sealed() -> None:
    check_public(KEY.public)
    with pytest.raises(Malformed):
        check_public(b"\xff" * 1216)


def test_places_differ_and_have_their_form() -> None:
    lot = b"l" * 16
    digest, other = b"o" * 32, b"e" * 32
    places = {
        sealing.segment_info("demo", lot, 1, 2),
        sealing.segment_info("demo", lot, 2, 1),
        sealing.segment_info("other", lot, 1, 2),
        sealing.release_info(digest, other),
        sealing.release_info(other, digest),
        sealing.result_info(digest, other, "acoss-list", 0),
        sealing.result_info(digest, other, "acoss-list", 1),
        sealing.result_info(digest, other, "bdf-list", 0),
    }
    assert len(places) == 8
    expected = b"vigie/segment/v1" + hashlib.sha256(b"demo").digest() + lot + b"\0\0\0\1\0\0\0\2"
    assert sealing.segment_info("demo", lot, 1, 2) == expected
    with pytest.raises(ValueError, match="expected 16"):
        sealing.segment_info("demo", b"short", 0, 0)


def test_a_key_never_shows_itself() -> None:
    seed = bytes(range(96))
    assert seed.hex() not in repr(KEY) + str(KEY)
    assert str(seed[:8]) not in repr(KEY)
    with pytest.raises(ValueError, match="96 bytes"):
        SealingPrivateKey.from_seed(b"short")
