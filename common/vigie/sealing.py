"""Sealing bytes to one reader and one place: HPKE, RFC 9180, base mode (docs/spec/segment.md section 4).

Suite: KEM MLKEM768-X25519 (so that what is recorded today stays sealed against a later quantum computer), HKDF-SHA256,
AES-256-GCM. The rule it keeps: every sealed message is bound by ``info`` to the one place where it may stand, so that
none can be moved to another. A sealed message is ``enc`` (1120 bytes) ‖ ciphertext ‖ tag (16 bytes).

A private key is 96 bytes: ML-KEM-768 seed (d ‖ z, 64 bytes, FIPS 203) ‖ X25519 private key (32 bytes). A public key is
1216 bytes: ML-KEM-768 encapsulation key (1184) ‖ X25519 public key (32). Base mode does not say who sealed: what comes
out is authenticated by the statement that names its digest.
"""

import hashlib
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from vigie.errors import BadSeal, Malformed

SEED_BYTES = 96
"""Length of a private key."""
PUBLIC_BYTES = 1216
"""Length of a public key."""
OVERHEAD = 1120 + 16
"""How much longer a sealed message is than what is in it."""

_MLKEM_SEED = 64
_MLKEM_PUBLIC = 1184
_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def generate() -> bytes:
    """A fresh private key, 96 bytes."""
    return secrets.token_bytes(SEED_BYTES)


class SealingPrivateKey:
    """A private key that opens what was sealed to it. Its text form never shows the key."""

    __slots__ = ("_private", "public")

    public: bytes
    """The public half, 1216 bytes."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError("a sealing key is 96 bytes")
        view = memoryview(seed)  # a slice of bytes would be a copy that nobody wipes
        mlkem = MLKEM768PrivateKey.from_seed_bytes(view[:_MLKEM_SEED])
        x25519 = X25519PrivateKey.from_private_bytes(view[_MLKEM_SEED:])
        self._private = MLKEM768X25519PrivateKey(mlkem, x25519)
        self.public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> "SealingPrivateKey":
        """The key pair of a 96-byte private key.

        Raises:
            ValueError: not 96 bytes (a mistake of the caller).
        """
        return cls(seed)

    def open(self, info: bytes, sealed: bytes | memoryview) -> bytes:
        """Return what was sealed to this key for the place ``info``. The caller holds it alone, and may wipe it.

        Raises:
            BadSeal: sealed to another key, for another place, cut short or altered; which of them cannot be told.
        """
        try:
            return _SUITE.decrypt(sealed, self._private, info)
        except (InvalidTag, ValueError) as error:
            raise BadSeal("a sealed message does not open with this key at this place") from error


def seal(public: bytes, info: bytes, plain: bytes | bytearray) -> bytes:
    """Seal ``plain`` to the key ``public`` for the place ``info``; the result is :data:`OVERHEAD` bytes longer.

    Raises:
        Malformed: ``public`` is not a sealing key.
    """
    try:
        key = _public_key(public)
        return _SUITE.encrypt(plain, key, info)
    except ValueError as error:
        raise Malformed("this is not a public sealing key") from error


def check_public(public: bytes) -> None:
    """Refuse bytes that are not a public sealing key: wrong length, or not encodings of field elements (FIPS 203 7.2).

    Raises:
        Malformed: not a public sealing key.
    """
    try:
        _public_key(public)
    except ValueError as error:
        raise Malformed("this is not a public sealing key") from error


def segment_info(convention_id: str, lot: bytes, bucket: int, part: int) -> bytes:
    """Place of one segment: its convention, lot (16 bytes), bucket and part."""
    _check(lot, 16)
    return b"vigie/segment/v1" + _sha256(convention_id) + lot + _u32(bucket) + _u32(part)


def release_info(evidence_digest: bytes, order_digest: bytes) -> bytes:
    """Place of released keys: the evidence and the order that they answer."""
    _check(evidence_digest, 32)
    _check(order_digest, 32)
    return b"vigie/release/v1" + evidence_digest + order_digest


def result_info(order_digest: bytes, evidence_digest: bytes, grant_name: str, part: int) -> bytes:
    """Place of one part of a result: its order, evidence, grant and number."""
    _check(order_digest, 32)
    _check(evidence_digest, 32)
    return b"vigie/result/v1" + order_digest + evidence_digest + _sha256(grant_name) + _u32(part)


def _public_key(public: bytes) -> MLKEM768X25519PublicKey:
    if len(public) != PUBLIC_BYTES:
        raise ValueError("wrong length")
    return MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
        X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
    )


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _check(value: bytes, size: int) -> None:
    if len(value) != size:
        raise ValueError(f"expected {size} bytes")
