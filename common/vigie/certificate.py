"""The TLS certificate of a member: a leaf that nobody but its peer's own configuration vouches for.

There is no certificate authority. A node trusts exactly the hub's certificate and the hub knows each member by the
SHA-256 of the certificate that it presents (protocol section 2), so a certificate here signs nothing but itself.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME: Final = timedelta(days=800)
"""How long a certificate is valid."""

_CLOCK_SKEW: Final = timedelta(hours=1)


def issue_certificate(member: str, now: datetime) -> tuple[bytes, bytes]:
    """Make a key (ECDSA P-256) and a self-signed leaf for ``<member>.vigie``, for both ends of a connection.

    Args:
        member: member name.
        now: aware UTC time; valid from an hour before, for clocks that are late.

    Returns:
        Private key (PKCS #8) and certificate, both PEM.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{member}.vigie")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{member}.vigie")]), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, certificate.public_bytes(serialization.Encoding.PEM)
