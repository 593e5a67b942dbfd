"""Who holds which key: every lot has its own, made from the partner's epoch seed, released lot by lot.

The rule it keeps: the epoch seed never leaves the partner's keyring. A lot's id and key pair follow from it, so the
node stores no keys; deleting the seed withdraws all lots of the epoch, wherever copies are (crypto-erasure). Formats:
docs/spec/lot.md (ids and keys) and docs/spec/release.md (released keys).
"""

import hashlib
import hmac
import itertools
from collections.abc import Mapping

import rfc8785
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vigie import sealing
from vigie.errors import Malformed
from vigie.sealing import SealingPrivateKey
from vigie.wiping import wipe

LOT_BYTES = 16
"""Length of a lot id."""
EPOCH_SEED_BYTES = 32
"""Length of an epoch seed."""
MAX_RELEASED = 16_384
"""The most lot keys in one release."""

_RELEASE_HEAD = b"vigie/keys/v1\n"
_ENTRY = LOT_BYTES + sealing.SEED_BYTES


def content_key(epoch_seed: bytes) -> bytes:
    """The 32-byte key under which this partner names its content: HKDF-SHA256(epoch seed, "vigie/content/v1")."""
    return _hkdf(epoch_seed, b"vigie/content/v1", 32)


def lot_id(
    epoch_seed: bytes,
    *,
    partner: str,
    dataset: str,
    schema: int,
    period: str,
    delivery: str,
    base: bytes | None,
    supersedes: bytes | None,
    rows_digest: bytes,
) -> bytes:
    """The id of a lot, 16 bytes: the same content has the same id for its partner, and tells others nothing.

    Args:
        epoch_seed: 32 bytes from the partner's keyring.
        partner: member name.
        dataset: name of the dataset.
        schema: its schema number.
        period: ``YYYY-MM``.
        delivery: ``snapshot`` or ``delta``.
        base: id of the snapshot that a delta builds on.
        supersedes: id of the lot that this one replaces.
        rows_digest: 32 bytes of :class:`vigie.rows.RowsDigest`.
    """
    described: Mapping[str, str | int | None] = {
        "partner": partner,
        "dataset": dataset,
        "schema": schema,
        "period": period,
        "delivery": delivery,
        "base": _hex(base),
        "supersedes": _hex(supersedes),
        "rows_digest": rows_digest.hex(),
    }
    return hmac.digest(content_key(epoch_seed), rfc8785.dumps(dict(described)), hashlib.sha256)[:LOT_BYTES]


def lot_key_seed(epoch_seed: bytes, lot: bytes) -> bytes:
    """The 96-byte private key of a lot: HKDF-SHA256(epoch seed, "vigie/lot/v1" ‖ lot)."""
    if len(lot) != LOT_BYTES:
        raise ValueError("a lot id is 16 bytes")
    return _hkdf(epoch_seed, b"vigie/lot/v1" + lot, sealing.SEED_BYTES)


def lot_public_key(epoch_seed: bytes, lot: bytes) -> bytes:
    """The 1216-byte public key to which a lot's segments are sealed: ``lot_key`` of its statement."""
    return SealingPrivateKey.from_seed(lot_key_seed(epoch_seed, lot)).public


def seal_release(enclave_key: bytes, evidence_digest: bytes, order_digest: bytes, keys: Mapping[bytes, bytes]) -> bytes:
    """Seal the private keys of lots to an enclave, for one evidence and one order (docs/spec/release.md).

    Args:
        enclave_key: the public sealing key in the evidence.
        evidence_digest: digest of the evidence statement.
        order_digest: digest of the order statement.
        keys: lot id → 96-byte private key.

    Raises:
        Malformed: the enclave's key is not a sealing key.
        ValueError: ids or keys of a wrong length, or too many (a mistake of the caller).
    """
    info = sealing.release_info(evidence_digest, order_digest)
    plain = _encode_keys(keys)
    try:
        return sealing.seal(enclave_key, info, plain)
    finally:
        wipe(plain)


def open_release(
    private: SealingPrivateKey, evidence_digest: bytes, order_digest: bytes, blob: bytes
) -> dict[bytes, bytes]:
    """Open released keys inside the enclave: lot id → 96-byte private key.

    Whether each key is that of the lot's ``lot_key`` is checked by the caller, which knows the lots. The caller holds the
    keys alone, and wipes them once they are used.

    Raises:
        BadSeal: sealed to another enclave, or for another evidence or order.
        Malformed: what was sealed is not a list of keys in its one form.
    """
    plain = private.open(sealing.release_info(evidence_digest, order_digest), blob)
    try:
        return _decode_keys(plain)
    finally:
        wipe(plain)


def _encode_keys(keys: Mapping[bytes, bytes]) -> bytearray:
    if len(keys) > MAX_RELEASED:
        raise ValueError(f"at most {MAX_RELEASED} keys in one release")
    if any(len(lot) != LOT_BYTES or len(seed) != sealing.SEED_BYTES for lot, seed in keys.items()):
        raise ValueError("a lot id is 16 bytes and a lot's private key 96")
    plain = bytearray(_RELEASE_HEAD + len(keys).to_bytes(4, "big"))
    # In its whole length at once: a buffer that grows leaves its shorter self behind.
    at = len(plain)
    plain.extend(bytes(len(keys) * _ENTRY))
    view = memoryview(plain)
    for lot in sorted(keys):
        view[at : at + LOT_BYTES] = lot
        view[at + LOT_BYTES : at + _ENTRY] = keys[lot]
        at += _ENTRY
    view.release()
    return plain


def _decode_keys(plain: bytes | bytearray) -> dict[bytes, bytes]:
    head = len(_RELEASE_HEAD) + 4
    count = int.from_bytes(plain[len(_RELEASE_HEAD) : head], "big")
    if not plain.startswith(_RELEASE_HEAD) or count > MAX_RELEASED or len(plain) != head + count * _ENTRY:
        raise Malformed("the released keys are not in the form of docs/spec/release.md")
    places = range(head, len(plain), _ENTRY)
    lots = [bytes(plain[at : at + LOT_BYTES]) for at in places]
    if any(earlier >= later for earlier, later in itertools.pairwise(lots)):
        raise Malformed("the released keys are not in ascending order of their lots, each once")
    return {lot: bytes(plain[at + LOT_BYTES : at + _ENTRY]) for lot, at in zip(lots, places, strict=True)}


def _hkdf(epoch_seed: bytes, info: bytes, length: int) -> bytes:
    if len(epoch_seed) != EPOCH_SEED_BYTES:
        raise ValueError("an epoch seed is 32 bytes")
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(epoch_seed)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
