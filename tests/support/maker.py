"""A maker of processors that exists in tests only: a root, an authority, chip keys, and reports signed by them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding

AT = datetime(2025, 6, 1, tzinfo=UTC)
START, END = AT - timedelta(days=365), AT + timedelta(days=365)
AMD = "1.3.6.1.4.1.3704.1."


@dataclass(frozen=True)
class Holder:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def certify(
    common: str,
    issuer: Holder | None = None,
    *,
    authority: bool = False,
    start: datetime = START,
    end: datetime = END,
    extensions: Mapping[str, bytes] | None = None,
    serial: int = 7,
) -> Holder:
    """A new key and its certificate, by an issuer or by itself."""
    key = ec.generate_private_key(ec.SECP384R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(issuer.certificate.subject if issuer else name(common))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    for oid, value in (extensions or {}).items():
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=False)
    return Holder(key, builder.sign(issuer.key if issuer else key, SHA384()))


def revocation_list(
    issuer: Holder,
    revoked: tuple[int, ...] = (),
    *,
    start: datetime = START,
    end: datetime = END,
    signer: Holder | None = None,
) -> bytes:
    """An issuer's list of revoked serial numbers, in DER; signed by another if one is named."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(start).next_update(end)
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(start).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign((signer or issuer).key, SHA384()).public_bytes(Encoding.DER)


def tcb_extensions(parts: Mapping[str, int]) -> dict[str, bytes]:
    """AMD's extensions for firmware versions, by the number of each (``3.1`` …), as DER INTEGER."""
    return {AMD + number: _integer(value) for number, value in parts.items()}


def product(label: str) -> dict[str, bytes]:
    return {AMD + "2": b"\x16" + bytes([len(label)]) + label.encode()}


def report(signer: Holder, **fields: bytes) -> bytes:
    """An SEV-SNP report of version 2, signed; fields are ``at_<offset in hex>``."""
    body = bytearray(0x2A0)
    body[0x00], body[0x34] = 2, 1
    body[0x08:0x10] = (0x30000).to_bytes(8, "little")
    body[0x50:0x90], body[0x90:0xC0] = b"\x5a" * 64, b"\x3c" * 48
    for field, value in fields.items():
        start = int(field.removeprefix("at_"), 16)
        body[start : start + len(value)] = value
    r, s = decode_dss_signature(signer.key.sign(bytes(body), ec.ECDSA(SHA384())))
    return bytes(body) + r.to_bytes(72, "little") + s.to_bytes(72, "little") + bytes(368)


def _integer(value: int) -> bytes:
    body = value.to_bytes(1, "big") if value < 0x80 else b"\0" + value.to_bytes(1, "big")
    return b"\x02" + bytes([len(body)]) + body
