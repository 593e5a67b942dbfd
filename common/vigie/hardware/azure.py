"""Azure confidential machines: an SNP report or TD quote that endorses the key of the machine's own vTPM, and its quote.

The report is made once, at boot, by the paravisor, and binds the *run-time claims* that name the vTPM's attestation key; what
is fresh is the TPM quote. Layout of the blob that the guest reads from NV index 0x01400001: Microsoft Learn, «Guest
attestation for confidential VMs», and OpenHCL's ``IgvmAttestRequest``.

The evidence is deterministic CBOR ``{"report": …, "claims": …, "quote": {message, signature, pcrs}}``; see :func:`pack`.
"""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import rsa

from vigie.errors import Refused
from vigie.hardware import canonical, intel, snp, tpm
from vigie.hardware.model import Endorsements, Note, Policy, Reader, Verified, check_registers, malformed

_NAME: Final = "Azure evidence"
_SNP_REPORT, _SHA256 = 2, 1
_HARDWARE: Final = 1184
_KEY_NAME: Final = "HCLAkPub"
_PARAVISOR: Final = Note(
    "Microsoft makes the paravisor that holds the vTPM: it is trusted too.",
    "Microsoft fabrique le paraviseur qui contient le vTPM : il est cru aussi.",
)
_CONSOLE: Final = Note(
    "The machine's console is enabled: whoever controls the Azure account may type on it.",
    "La console de la machine est ouverte : qui tient le compte Azure peut y écrire.",
)


def split(blob: bytes) -> tuple[bytes, bytes]:
    """Take the blob of the vTPM apart: the hardware report (1184 bytes; a TDREPORT is padded) and the run-time claims.

    Raises:
        MalformedEvidence: it is no such blob.
    """
    reader = Reader(blob, "HCL report")
    if reader.take(4) != b"HCLA" or reader.little(4) not in {1, 2}:
        malformed("HCL report", "its magic or version is another")
    reader.take(4)
    if reader.little(4) != _SNP_REPORT:
        malformed("HCL report", "it is not an attestation")
    reader.take(16)
    report = reader.take(_HARDWARE)
    reader.take(12)
    if reader.little(4) != _SHA256:
        malformed("HCL report", "its claims are not bound by SHA-256")
    claims = reader.take(reader.little(4))
    reader.end()
    return report, claims


def pack(report: bytes, claims: bytes, message: bytes, signature: bytes, pcrs: Mapping[int, bytes]) -> bytes:
    """Make evidence of an SNP report or TD quote, the run-time claims that it binds and a quote of the vTPM."""
    quote = {"message": message, "signature": signature, "pcrs": dict(pcrs)}
    return cbor2.dumps({"report": report, "claims": claims, "quote": quote}, canonical=True)


def unpack(evidence: bytes) -> tuple[bytes, bytes, Any]:
    """The parts of evidence: report, claims, and the quote as :func:`tpm.check` takes it.

    Raises:
        MalformedEvidence: it has others.
    """
    parts = canonical.decode(evidence, _NAME)
    if not isinstance(parts, dict) or set(parts) != {"report", "claims", "quote"}:
        malformed(_NAME, "not report, claims and quote")
    report, claims = parts["report"], parts["claims"]
    if not isinstance(report, bytes) or not isinstance(claims, bytes):
        malformed(_NAME, "a field is of another type")
    return report, claims, parts["quote"]


def verify(platform: str, evidence: bytes, endorsements: Endorsements, at: datetime, policy: Policy) -> Verified:
    """Verify the hardware report, that it binds the claims, and the quote by the key in them.

    Args:
        platform: ``azure-sev-snp`` or ``azure-tdx``.
        evidence: as :func:`pack` makes it.
        endorsements: those of the hardware report.
        at: the evidence's own time.
        policy: its ``registers`` are PCRs of the vTPM.

    Raises:
        MalformedEvidence: not such evidence.
        BadSignature: a signature does not hold.
        Refused: whatever the hardware's own verifier refuses; claim ``claims``: the report does not bind them.
    """
    report, claims, quote = unpack(evidence)
    inner = dataclasses.replace(policy, registers={})
    if platform == "azure-tdx":
        hardware = intel.verify("tdx", report, endorsements, at, inner)
    else:
        hardware = snp.verify(report, endorsements, at, inner)
    attest, registers = open_quote(claims, quote, hardware.report_data)
    check_registers(registers, policy)
    return dataclasses.replace(
        hardware,
        platform=platform,
        report_data=attest.nonce,
        registers=registers,
        notes=(
            *hardware.notes,
            *_notes(claims),
            _PARAVISOR,
        ),
    )


def open_quote(claims: bytes, quote: Any, report_data: bytes) -> tuple[tpm.Attest, dict[int, bytes]]:
    """Check that report data binds the claims, and a TPM quote by the key that they name.

    Raises:
        MalformedEvidence: the claims or the quote cannot be read.
        BadSignature: the key did not sign the quote, or the PCRs are others.
        Refused: claim ``claims``.
    """
    bound = hashlib.sha256(claims).digest().ljust(64, b"\0")
    if report_data != bound:
        raise Refused("claims", expected=bound.hex()[:64], found=f"{report_data.hex()[:64]} in the hardware report")
    return tpm.check(quote, [_key(claims)])


def _key(claims: bytes) -> rsa.RSAPublicKey:
    try:
        (stated,) = (one for one in json.loads(claims)["keys"] if one["kid"] == _KEY_NAME)
        if stated["kty"] != "RSA":
            malformed(_NAME, "its attestation key is not RSA")
        e, n = (int.from_bytes(base64.urlsafe_b64decode(stated[name] + "=="), "big") for name in ("e", "n"))
        if n.bit_length() < 2048:
            malformed(_NAME, "its attestation key is too short")
        return rsa.RSAPublicNumbers(e, n).public_key()
    except (ValueError, KeyError, TypeError, RecursionError):
        malformed(_NAME, "its claims name no attestation key")


def _notes(claims: bytes) -> tuple[Note, ...]:
    stated = json.loads(claims).get("vm-configuration")
    if isinstance(stated, dict) and stated.get("console-enabled") is False:
        return ()
    return (_CONSOLE,)
