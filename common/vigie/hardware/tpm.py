"""TPM 2.0 quotes (TCG TPM 2.0 Library, part 2, sections 10.12 and 11.2), signed by an endorsed attestation key.

The evidence is deterministic CBOR ``{"message": TPMS_ATTEST, "signature": TPMT_SIGNATURE, "pcrs": {index: digest}}``; see
:func:`pack`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cbor2
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from vigie.errors import BadSignature, Refused
from vigie.hardware import canonical
from vigie.hardware.model import (
    Endorsements,
    Note,
    Policy,
    Reader,
    Verified,
    check_registers,
    malformed,
    refuse_generation,
)

_NAME: Final = "TPM quote"
_MAGIC, _QUOTE = 0xFF544347, 0x8018
_SHA1: Final = 0x0004
_HASHES: Final[Mapping[int, tuple[str, HashAlgorithm]]] = {
    0x000B: ("sha256", SHA256()),
    0x000C: ("sha384", SHA384()),
    0x000D: ("sha512", SHA512()),
}
_RSASSA, _RSAPSS, _ECDSA = 0x0014, 0x0016, 0x0018
_MOST_KEYS: Final = 16
_NOT_MEMORY: Final = Note(
    "A TPM says what was started; it does not keep the host's administrator from memory.",
    "Un TPM dit ce qui a démarré ; il n'écarte pas l'administrateur de la machine de la mémoire.",
)
# libtpms, the engine of swtpm: whoever runs the host also holds the keys of such a TPM.
_SIMULATORS: Final = (0x2019102300163636,)

Key: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True)
class Attest:
    """What a quote says. ``selected`` are the indices that it covers, ``bank`` the TCG number of their hash."""

    nonce: bytes
    firmware: int
    bank: int
    selected: tuple[int, ...]
    digest: bytes


def pack(message: bytes, signature: bytes, pcrs: Mapping[int, bytes]) -> bytes:
    """Make evidence of what a TPM returned and the values of the PCRs that it covers."""
    return cbor2.dumps({"message": message, "signature": signature, "pcrs": dict(pcrs)}, canonical=True)


def verify(evidence: bytes, endorsements: Endorsements, policy: Policy) -> Verified:
    """Verify a quote by one of the endorsed attestation keys (steps: docs/spec/hardware.md).

    Nothing in it depends on the calendar: a quote carries no date, and the keys are the verifier's own choice.

    Raises:
        MalformedEvidence: not such a quote.
        BadSignature: no endorsed key signed it, or the PCRs are not those that it covers.
        Refused: claim ``attestation key``, ``platform``, ``bank``, ``generation`` or a register.
    """
    keys = [load_key(one) for one in endorsements.keys[:_MOST_KEYS]]
    if not keys:
        raise Refused("attestation key", expected="one that this organisation endorsed", found="none given")
    attest, registers = check(canonical.decode(evidence, _NAME), keys)
    if attest.firmware in _SIMULATORS:
        raise Refused(
            "platform", expected="a TPM of its own", found="a software TPM (libtpms), whose host has its keys"
        )
    generation = f"firmware {attest.firmware:016x}"
    refuse_generation(generation, policy)
    check_registers(registers, policy)
    return Verified(
        platform="tpm",
        measurement=attest.digest,
        report_data=attest.nonce,
        debug=False,
        tcb=generation,
        generation=generation,
        signer="AK",
        registers=registers,
        notes=(_NOT_MEMORY,),
    )


def check(parts: Any, keys: list[Key]) -> tuple[Attest, dict[int, bytes]]:
    """Check the signature of a quote and its PCRs.

    Args:
        parts: the decoded evidence.
        keys: one of them must have signed.

    Raises:
        MalformedEvidence: not such a quote.
        BadSignature: none of them did, or the PCRs are not those that the quote covers.
        Refused: claim ``bank``: the PCRs are of SHA-1.
    """
    if not isinstance(parts, dict) or set(parts) != {"message", "signature", "pcrs"}:
        malformed(_NAME, "not message, signature and pcrs")
    message, signature, registers = parts["message"], parts["signature"], parts["pcrs"]
    if not (isinstance(message, bytes) and isinstance(signature, bytes) and isinstance(registers, dict)):
        malformed(_NAME, "a field is of another type")
    hashed = _check_signature(message, signature, keys)
    attest = parse(message)
    if attest.bank == _SHA1:
        raise Refused("bank", expected="PCRs of SHA-256 or better", found="PCRs of SHA-1")
    if attest.bank not in _HASHES:
        malformed(_NAME, f"PCR bank {attest.bank:#06x}")
    size = hashlib.new(_HASHES[attest.bank][0]).digest_size
    if tuple(sorted(map(repr, registers))) != tuple(sorted(map(repr, attest.selected))):
        malformed(_NAME, "its PCRs are not those that it covers")
    if not all(isinstance(value, bytes) and len(value) == size for value in registers.values()):
        malformed(_NAME, "a PCR has the wrong size")
    if hashlib.new(hashed, b"".join(registers[index] for index in attest.selected)).digest() != attest.digest:
        raise BadSignature("the PCRs are not those that the TPM signed")
    return attest, dict(registers)


def parse(message: bytes) -> Attest:
    """Read TPMS_ATTEST of a quote over one bank of PCRs.

    Raises:
        MalformedEvidence: it is something else.
    """
    reader = Reader(message, _NAME)
    if reader.big(4) != _MAGIC or reader.big(2) != _QUOTE:
        malformed(_NAME, "not made by a TPM as a quote")
    reader.take(reader.big(2))
    nonce = reader.take(reader.big(2))
    reader.take(17)
    firmware = reader.big(8)
    if reader.big(4) != 1:
        malformed(_NAME, "it covers more than one bank of PCRs")
    bank, mask = reader.big(2), reader.take(reader.big(1))
    selected = tuple(index for index in range(8 * len(mask)) if mask[index // 8] >> index % 8 & 1)
    if not selected:
        malformed(_NAME, "it covers no PCR")
    digest = reader.take(reader.big(2))
    if reader.rest():
        malformed(_NAME, "there is something after its end")
    return Attest(nonce=nonce, firmware=firmware, bank=bank, selected=selected, digest=digest)


def load_key(der: bytes) -> Key:
    """An attestation key from SubjectPublicKeyInfo in DER.

    Raises:
        MalformedEvidence: not an RSA key of 2048 bits or more, nor one of an elliptic curve.
    """
    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        malformed("attestation key", "not readable")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < 2048:
        malformed("attestation key", "shorter than 2048 bits")
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        malformed("attestation key", "neither RSA nor of an elliptic curve")
    return key


def _check_signature(message: bytes, signature: bytes, keys: list[Key]) -> str:
    """The name of the hash that the signature is over."""
    reader = Reader(signature, _NAME)
    scheme, number = reader.big(2), reader.big(2)
    if number not in _HASHES:
        malformed(_NAME, f"its signature is over hash {number:#06x}")
    name, algorithm = _HASHES[number]
    if scheme == _ECDSA:
        r, s = (int.from_bytes(reader.take(reader.big(2)), "big") for _ in range(2))
        raw = encode_dss_signature(r, s)
    elif scheme in {_RSASSA, _RSAPSS}:
        raw = reader.take(reader.big(2))
    else:
        malformed(_NAME, f"signature scheme {scheme:#06x}")
    if reader.rest():
        malformed(_NAME, "there is something after its signature")
    if not any(_holds(key, scheme, raw, message, algorithm) for key in keys):
        raise BadSignature("no endorsed attestation key signed this TPM quote")
    return name


def _holds(key: Key, scheme: int, raw: bytes, message: bytes, algorithm: HashAlgorithm) -> bool:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if scheme != _ECDSA:
                return False
            key.verify(raw, message, ec.ECDSA(algorithm))
        elif scheme == _RSASSA:
            key.verify(raw, message, padding.PKCS1v15(), algorithm)
        elif scheme == _RSAPSS:
            key.verify(raw, message, padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO), algorithm)
        else:
            return False
    except InvalidSignature:
        return False
    return True
