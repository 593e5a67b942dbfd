"""Intel SGX and TDX quotes: their layout, and their signatures up to Intel's pinned root.

Layouts: Intel «SGX ECDSA QuoteLibReferenceDCAP» appendix A.4 (version 3) and «TDX DCAP Quoting Library API» appendix A.3
(versions 4 and 5). The chain of signatures: quote → attestation key → report of the quoting enclave → PCK certificate →
Intel. What the firmware versions are worth is :mod:`vigie.hardware.intel`'s business.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from vigie.errors import BadSignature, Refused
from vigie.hardware import certificates
from vigie.hardware.model import Reader, malformed
from vigie.hardware.pins import pinned

_SGX, _TDX = 0x00, 0x81
_HEADER: Final = 48
_INTEL: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_ECDSA_P256: Final = 2
_PEM_CHAIN, _QUOTING_ENCLAVE = 5, 6
_ENCLAVE_REPORT: Final = 384
# Body types of version 5 (Intel TDX DCAP, table «Quote body descriptor») and their sizes.
_BODIES: Final = {1: (_SGX, 384), 2: (_TDX, 584), 3: (_TDX, 648)}
_NAME: Final = "Intel quote"


@dataclass(frozen=True)
class Quote:
    """A quote taken apart; nothing is verified yet.

    Attributes:
        platform: ``sgx`` or ``tdx``.
        version: 3 (SGX), 4 or 5.
        debug: the debug bit of the enclave or trust domain.
        measurement: MRENCLAVE (32 bytes) or MRTD (48).
        report_data: 64 bytes.
        registers: RTMR 0 to 3; none on SGX.
        signer: MRSIGNER of an enclave; empty on TDX.
        length: where the quote ends; what follows is padding.
    """

    platform: str
    version: int
    debug: bool
    measurement: bytes
    report_data: bytes
    registers: dict[int, bytes]
    signer: bytes
    length: int
    signed: bytes
    signature: bytes
    key: bytes
    enclave: bytes
    enclave_signature: bytes
    authentication: bytes
    chain: bytes


def parse(data: bytes) -> Quote:
    """Take a quote apart.

    Raises:
        MalformedEvidence: not one of version 3, 4 or 5 with an ECDSA P-256 key and its PCK chain inside.
    """
    reader = Reader(data, _NAME)
    version, key_type, tee = reader.little(2), reader.little(2), reader.little(4)
    reader.take(4)
    if key_type != _ECDSA_P256:
        malformed(_NAME, "its key is not ECDSA P-256")
    if reader.take(16) != _INTEL:
        malformed(_NAME, "its quoting enclave is not Intel's")
    reader.take(20)
    if version == 5:
        kind, size = reader.little(2), reader.little(4)
        if _BODIES.get(kind) != (tee, size):
            malformed(_NAME, f"body type {kind}")
        start = _HEADER + 6
    else:
        size = {(3, _SGX): 384, (4, _SGX): 384, (4, _TDX): 584}.get((version, tee), 0)
        start = _HEADER
        if not size:
            malformed(_NAME, f"version {version} for TEE type {tee:#x}")
    body = reader.take(size)
    signatures = Reader(reader.take(reader.little(4)), _NAME)
    reader.end()
    signature, key = signatures.take(64), signatures.take(64)
    if version > 3:
        if signatures.little(2) != _QUOTING_ENCLAVE:
            malformed(_NAME, "it does not carry the report of its quoting enclave")
        inner = Reader(signatures.take(signatures.little(4)), _NAME)
        signatures.end()
        signatures = inner
    enclave, enclave_signature = signatures.take(_ENCLAVE_REPORT), signatures.take(64)
    authentication = signatures.take(signatures.little(2))
    if signatures.little(2) != _PEM_CHAIN:
        malformed(_NAME, "it does not carry its certificates")
    chain = signatures.take(signatures.little(4))
    signatures.end()
    length = start + size + 4 + int.from_bytes(data[start + size : start + size + 4], "little")
    is_sgx = tee == _SGX
    attributes = body[48] if is_sgx else body[120]
    return Quote(
        platform="sgx" if is_sgx else "tdx",
        version=version,
        debug=bool(attributes & (2 if is_sgx else 1)),
        measurement=body[64:96] if is_sgx else body[136:184],
        report_data=body[320:384] if is_sgx else body[520:584],
        registers={} if is_sgx else {index: body[328 + 48 * index : 376 + 48 * index] for index in range(4)},
        signer=body[128:160] if is_sgx else b"",
        length=length,
        signed=data[: start + size],
        signature=signature,
        key=key,
        enclave=enclave,
        enclave_signature=enclave_signature,
        authentication=authentication,
        chain=chain,
    )


def check_signatures(
    quote: Quote,
    at: datetime,
    revocation_lists: tuple[x509.CertificateRevocationList, ...] = (),
    chain: tuple[x509.Certificate, ...] = (),
) -> datetime | None:
    """Check every signature of a quote up to Intel's root, and the certificates at the quote's own time.

    Args:
        quote: as :func:`parse` gives it.
        at: the quote's own time.
        revocation_lists: of issuers in its chain.
        chain: what :func:`read_chain` gave for it, when it was read already.

    Returns:
        the first end of the revocation lists used.

    Raises:
        MalformedEvidence: certificates or key cannot be read.
        BadSignature: a signature or the hash that ties the attestation key to its enclave does not hold.
        Refused: claim ``root``, ``authority``, ``certificate``, ``revocation list``, ``revocation`` or ``debug``.
    """
    chain = chain or read_chain(quote)
    (root,) = pinned("intel-sgx-root.der")
    end = certificates.check_chain(chain, root, at, revocation_lists)
    certificates.verify_ecdsa(
        chain[0], _der(quote.enclave_signature), quote.enclave, SHA256(), "the report of the quoting enclave"
    )
    if quote.enclave[48] & 2:
        raise Refused("debug", expected="a quoting enclave without debug mode", found="one in debug mode")
    bound = hashlib.sha256(quote.key + quote.authentication).digest() + bytes(32)
    if quote.enclave[320:384] != bound:
        raise BadSignature("the quoting enclave does not answer for the attestation key of this quote")
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + quote.key)
    except ValueError:
        malformed(_NAME, "its attestation key is not a point of P-256")
    try:
        key.verify(_der(quote.signature), quote.signed, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise BadSignature("the signature of the quote does not hold") from error
    return end


def read_chain(quote: Quote) -> tuple[x509.Certificate, ...]:
    """The certificates of a quote, leaf first, written in the one way of PEM, so that nothing in it is left unsigned.

    Raises:
        MalformedEvidence: they are not.
    """
    found = certificates.load(quote.chain)
    written = b"".join(one.public_bytes(Encoding.PEM) for one in found)
    if quote.chain not in {written, written + b"\0"}:
        malformed(_NAME, "its certificates are not written as PEM writes them")
    return found


def _der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
