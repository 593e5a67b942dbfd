"""A quote bundle: hardware evidence with its endorsements, as one byte string that evidence names by its digest.

It travels beside the evidence, is archived with it, and verifies offline years later (docs/spec/hardware.md, section 9). The
keys of a TPM are not in it: what endorses an attestation key is the convention, never the host that sends the bundle.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import cbor2

from vigie.errors import MalformedEvidence
from vigie.hardware import canonical
from vigie.hardware.model import LIMIT, Endorsements, malformed

MAGIC: Final = b"vigie/quote/v1\n"
"""What a bundle begins with; deterministic CBOR follows."""
MOST_BYTES: Final = 262_144
"""No bundle is longer: one fits a file of a journal export. The longest real ones have 30 000."""
MOST_ITEMS: Final = 16
"""Certificates, and revocation lists, in a bundle at most."""

_NAME: Final = "quote bundle"
_KEYS: Final = {"platform", "evidence", "certificates", "revocation_lists", "collateral"}
_LONGEST_NAME: Final = 32


@dataclass(frozen=True)
class QuoteBundle:
    """What a bundle holds.

    Attributes:
        platform: the name that the evidence claims too.
        evidence: the quote in the platform's own form, as `vigie.hardware.verify` takes it.
        endorsements: certificates, revocation lists and collateral; never keys.
    """

    platform: str
    evidence: bytes
    endorsements: Endorsements

    def encode(self) -> bytes:
        """The bytes of the bundle.

        Raises:
            MalformedEvidence: it holds more than a bundle may.
        """
        given = self.endorsements
        if given.keys:
            malformed(_NAME, "it holds keys, which only a convention endorses")
        data = MAGIC + cbor2.dumps(
            {
                "platform": self.platform,
                "evidence": self.evidence,
                "certificates": list(given.certificates),
                "revocation_lists": list(given.revocation_lists),
                "collateral": given.collateral,
            },
            canonical=True,
        )
        decode(data)
        return data


def digest_of(data: bytes) -> bytes:
    """The digest by which evidence names a bundle: SHA-256 of its bytes."""
    return hashlib.sha256(data).digest()


def decode(data: bytes) -> QuoteBundle:
    """Read a bundle.

    Raises:
        MalformedEvidence: it is too long, of another version, not in its one form, or a part is missing or of another type.
    """
    if len(data) > MOST_BYTES:
        malformed(_NAME, f"longer than {MOST_BYTES} bytes")
    if not data.startswith(MAGIC):
        raise MalformedEvidence(
            "this is no quote bundle: it does not begin with vigie/quote/v1", hint="give the file that the hub archived"
        )
    found = canonical.decode(data[len(MAGIC) :], _NAME)
    if not isinstance(found, dict) or set(found) != _KEYS:
        malformed(_NAME, "it has other parts")
    platform, evidence, collateral = found["platform"], found["evidence"], found["collateral"]
    certificates, lists = found["certificates"], found["revocation_lists"]
    if not isinstance(platform, str) or not 0 < len(platform) <= _LONGEST_NAME:
        malformed(_NAME, "it names no platform")
    if not isinstance(evidence, bytes) or not 0 < len(evidence) <= LIMIT or not isinstance(collateral, bytes):
        malformed(_NAME, "its evidence or collateral is of another type or too long")
    for items in (certificates, lists):
        if not isinstance(items, list) or len(items) > MOST_ITEMS or not all(isinstance(one, bytes) for one in items):
            malformed(_NAME, "its certificates or revocation lists are of another type or too many")
    return QuoteBundle(platform, evidence, Endorsements(tuple(certificates), tuple(lists), collateral))
