"""AWS Nitro attestation documents: COSE_Sign1 (RFC 9052) over CBOR, signed up to the pinned AWS root.

Layout: AWS «Verifying the root of trust», aws-nitro-enclaves-nsm-api, docs/attestation_process.md.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from vigie.errors import Refused
from vigie.hardware import canonical, certificates
from vigie.hardware.model import (
    Endorsements,
    Note,
    Policy,
    Verified,
    check_registers,
    malformed,
    refuse_debug,
    refuse_generation,
    renewal_notes,
)
from vigie.hardware.pins import pinned

_NAME: Final = "Nitro document"
_ES384: Final = cbor2.dumps({1: -35})
_PCR_SIZE: Final = 48
_GENERATION: Final = "nitro"
_SKEW: Final = timedelta(minutes=5)
_AWS: Final = Note(
    "AWS makes, owns and operates the machine: it is trusted for all of it.",
    "AWS fabrique, possède et exploite la machine : il est cru pour le tout.",
)


def verify(evidence: bytes, endorsements: Endorsements, at: datetime, policy: Policy) -> Verified:
    """Verify an attestation document (steps: docs/spec/hardware.md).

    Raises:
        MalformedEvidence: not such a document.
        BadSignature: a signature does not hold.
        Refused: claim ``root``, ``certificate``, ``revocation``, ``time``, ``debug`` or a register.
    """
    signed, signature, document = _open(evidence)
    chain = [certificates.load(document["certificate"])[0]]
    chain += [certificates.load(one)[0] for one in reversed(document["cabundle"])]
    (root,) = pinned("aws-nitro-g1.pem")
    lists = [certificates.load_revocation_list(one) for one in endorsements.revocation_lists]
    end = certificates.check_chain(chain, root, at, lists)
    certificates.verify_ecdsa(chain[0], signature, signed, SHA384(), "the Nitro document")
    made = _time(document["timestamp"])
    if abs(made - at) > _SKEW:
        raise Refused("time", expected=f"a document of {at:%Y-%m-%d %H:%M} UTC", found=f"of {made:%Y-%m-%d %H:%M}")
    registers: dict[int, bytes] = document["pcrs"]
    refuse_debug(not any(registers.get(0, b"")), "debug mode, in which PCR 0 is zero,")
    refuse_generation(_GENERATION, policy)
    check_registers(registers, policy)
    return Verified(
        platform="nitro",
        measurement=registers[0],
        report_data=document["user_data"] or b"",
        debug=False,
        tcb="not stated by AWS",
        generation=_GENERATION,
        signer="Nitro",
        registers=registers,
        renew_before=end,
        notes=(_AWS, *renewal_notes(end, at)),
        machine=document["module_id"].partition("-enc")[0],
    )


def _open(evidence: bytes) -> tuple[bytes, bytes, dict[str, Any]]:
    """What was signed, the signature in DER, and the document."""
    parts = canonical.decode(evidence, _NAME)
    if not isinstance(parts, list) or len(parts) != 4:
        malformed(_NAME, "not COSE_Sign1")
    protected, unprotected, payload, signature = parts
    if protected != _ES384 or unprotected != {} or not isinstance(payload, bytes):
        malformed(_NAME, "not signed with ES384 and nothing else")
    if not isinstance(signature, bytes) or len(signature) != 96:
        malformed(_NAME, "its signature has the wrong size")
    document = canonical.load(payload, _NAME)
    if not isinstance(document, dict) or not _is_document(document):
        malformed(_NAME, "a field is missing or of another type")
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    der = encode_dss_signature(int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big"))
    return signed, der, document


def _is_document(found: dict[Any, Any]) -> bool:
    pcrs, bundle = found.get("pcrs"), found.get("cabundle")
    return (
        found.get("digest") == "SHA384"
        and type(found.get("timestamp")) is int
        and isinstance(found.get("module_id"), str)
        and isinstance(found.get("certificate"), bytes)
        and isinstance(bundle, list)
        and 1 <= len(bundle) <= 8
        and all(isinstance(one, bytes) for one in bundle)
        and isinstance(pcrs, dict)
        and all(
            type(index) is int and 0 <= index < 32 and isinstance(value, bytes) and len(value) == _PCR_SIZE
            for index, value in pcrs.items()
        )
        and 0 in pcrs
        and isinstance(found.get("user_data"), bytes | None)
    )


def _time(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        malformed(_NAME, "its time is out of range")
