"""X.509 chains of the makers: signatures up to a pinned root, validity and revocation at the evidence's own time."""

import functools
import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import HashAlgorithm

from vigie.errors import BadSignature, Refused
from vigie.hardware.model import malformed

# AMD gives every chip key's certificate the serial number 0, and the library warns at each. The filter is set once, since
# a filter around each call would not be safe with threads.
warnings.filterwarnings("ignore", message="Parsed a serial number which wasn't positive")
# A name with a part of the wrong length is told on standard error, with the part itself; whether it is signed is what counts.
warnings.filterwarnings("ignore", message="Attribute's length must be")

_PEM: Final = b"-----BEGIN CERTIFICATE-----"
UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises on a certificate or list that is not one; the last four are no ``ValueError``."""


def load(data: bytes) -> tuple[x509.Certificate, ...]:
    """Certificates in PEM, in the order of the file, or the one in DER.

    Raises:
        MalformedEvidence: it is neither.
    """
    try:
        pem = _PEM in data
        found = x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
        for one in found:
            # The library reads these when they are first asked for; what does not hold together is found here, once.
            _ = (one.subject, one.issuer, one.extensions, one.public_key(), one.signature_algorithm_parameters)
        return tuple(found)
    except UNREADABLE:
        malformed("certificate", "neither PEM nor DER")


def load_revocation_list(data: bytes) -> x509.CertificateRevocationList:
    """One certificate revocation list in DER.

    Raises:
        MalformedEvidence: it is none.
    """
    try:
        found = x509.load_der_x509_crl(data)
        _ = (found.issuer, found.extensions, found.last_update_utc, found.next_update_utc)
        return found
    except UNREADABLE:
        malformed("revocation list", "not DER")


def verify_ecdsa(
    certificate: x509.Certificate, signature: bytes, data: bytes, digest: HashAlgorithm, what: str
) -> None:
    """Check an ECDSA signature in DER made with a certificate's key.

    Raises:
        BadSignature: it does not hold, or the key is of another kind.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise BadSignature(f"the key that should have signed {what} is not an elliptic-curve key")
    try:
        key.verify(signature, data, ec.ECDSA(digest))
    except InvalidSignature as error:
        raise BadSignature(f"the signature of {what} does not hold") from error


def check_chain(
    chain: Sequence[x509.Certificate],
    root: x509.Certificate,
    at: datetime,
    revocation_lists: Iterable[x509.CertificateRevocationList] = (),
) -> datetime | None:
    """Check a chain, leaf first, root last, at a time.

    Args:
        chain: every certificate but the leaf must be an authority's.
        root: what the last one must be, byte for byte.
        at: the evidence's own time.
        revocation_lists: those of issuers outside the chain count for nothing.

    Returns:
        the first end of the lists used; none if no list of the chain's issuers was given.

    Raises:
        BadSignature: a signature in the chain or under a list does not hold.
        Refused: claim ``root``, ``authority``, ``certificate``, ``revocation list`` or ``revocation``.
        MalformedEvidence: a certificate cannot be read.
    """
    if not chain or chain[-1] != root:
        found = _name(chain[-1]) if chain else "no certificate"
        raise Refused("root", expected=f"{_name(root)} as pinned", found=found)
    for position, certificate in enumerate(chain):
        # The root's own signature says nothing that its bytes do not say already.
        if position + 1 < len(chain):
            _issued(certificate, chain[position + 1])
        if position:
            _authority(certificate)
        _in_time(certificate, at)
    return check_revocation(chain, at, revocation_lists)


def check_revocation(
    chain: Sequence[x509.Certificate], at: datetime, revocation_lists: Iterable[x509.CertificateRevocationList]
) -> datetime | None:
    """Check that no list of an issuer in a chain, itself checked already, names one of its certificates.

    Returns:
        the first end of the lists used; none if no list of the chain's issuers was given.

    Raises:
        BadSignature: a list is not signed by its issuer.
        Refused: claim ``revocation list`` or ``revocation``.
        MalformedEvidence: a list cannot be read.
    """
    lists = tuple(revocation_lists)
    ends = [
        _not_revoked(certificate, issuer, one, at)
        for certificate, issuer in zip(chain, (*chain[1:], chain[-1]), strict=True)
        for one in lists
        if one.issuer == issuer.subject
    ]
    return min(ends, default=None)


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


@functools.lru_cache(maxsize=256)
def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """That one signed the other is true for ever, so it is worked out once; what does not hold is never remembered."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature as error:
        raise BadSignature(f"the certificate {_name(certificate)} is not signed by {_name(issuer)}") from error
    except UNREADABLE as error:
        raise BadSignature(f"the certificate {_name(certificate)} was not issued by {_name(issuer)}") from error


def _authority(certificate: x509.Certificate) -> None:
    try:
        allowed = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        allowed = False
    if not allowed:
        raise Refused("authority", expected="a certificate that may issue others", found=_name(certificate))


def _in_time(certificate: x509.Certificate, at: datetime) -> None:
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= at <= end:
        raise Refused(
            "certificate",
            expected=f"valid at {at:%Y-%m-%d %H:%M} UTC",
            found=f"{_name(certificate)} is valid from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}",
        )


def _not_revoked(
    certificate: x509.Certificate, issuer: x509.Certificate, revoked: x509.CertificateRevocationList, at: datetime
) -> datetime:
    """The end of a list that holds at the time and does not name the certificate."""
    try:
        signed = revoked.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # other kinds raise TypeError
        start, end = revoked.last_update_utc, revoked.next_update_utc
        named = revoked.get_revoked_certificate_by_serial_number(certificate.serial_number)
    except UNREADABLE:
        malformed("revocation list", "not readable")
    if not signed:
        raise BadSignature(f"the revocation list of {_name(issuer)} is not signed by it")
    if end is None or not start <= at <= end:
        raise Refused(
            "revocation list",
            expected=f"one of {_name(issuer)} that holds at {at:%Y-%m-%d %H:%M} UTC",
            found=f"one from {start:%Y-%m-%d %H:%M} to {'no end' if end is None else f'{end:%Y-%m-%d %H:%M}'}",
        )
    if named is not None:
        raise Refused(
            "revocation",
            expected=f"{_name(certificate)} not revoked",
            found=f"revoked by its issuer on {named.revocation_date_utc:%Y-%m-%d}",
        )
    return end
