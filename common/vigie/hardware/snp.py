"""AMD SEV-SNP attestation reports (AMD 56860, SEV-SNP ABI, table 23), signed by a VCEK or a VLEK.

A VCEK is a key of one chip at one firmware level, certified by AMD; a VLEK is one that AMD gives to a cloud provider, who
then is trusted beside AMD.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from vigie.errors import Refused
from vigie.hardware import certificates
from vigie.hardware.model import (
    Endorsements,
    Note,
    Policy,
    Verified,
    malformed,
    refuse_debug,
    refuse_generation,
    renewal_notes,
)
from vigie.hardware.pins import pinned

SIZE: Final = 1184
_SIGNED: Final = 0x2A0
_VERSIONS: Final = (2, 3, 4, 5)
_DEBUG_BIT, _MIGRATION_BIT = 19, 18
_ECDSA_P384_SHA384: Final = 1
_SIGNERS: Final = {0: "VCEK", 1: "VLEK"}
_LINE: Final = "1.3.6.1.4.1.3704.1."

# Where each part stands in the eight bytes of a TCB version, and the extension of the certificate that repeats it
# (AMD 57230, VCEK certificate specification).
_CLASSIC: Final = {"boot loader": (0, "3.1"), "tee": (1, "3.2"), "snp": (6, "3.3"), "microcode": (7, "3.8")}
_TURIN: Final = {
    "fmc": (0, "3.9"),
    "boot loader": (1, "3.1"),
    "tee": (2, "3.2"),
    "snp": (3, "3.3"),
    "microcode": (7, "3.8"),
}
_FILES: Final = {
    "Milan": ("amd-milan.pem", "amd-milan-vlek.pem"),
    "Genoa": ("amd-genoa.pem",),
    "Turin": ("amd-turin.pem",),
}

_MIGRATION: Final = Note(
    "The guest policy allows a migration agent to move this machine.",
    "La règle de la machine permet à un agent de la déplacer.",
)
_LENT: Final = Note(
    "Signed by a VLEK: the cloud provider holds the key, and is trusted beside AMD.",
    "Signé d'une VLEK : le fournisseur d'informatique en nuage tient la clef, et est cru avec AMD.",
)
_HIDDEN: Final = Note(
    "The machine hides the identity of its chip; only its key names it.",
    "La machine cache l'identité de sa puce ; seule sa clef la nomme.",
)


@dataclass(frozen=True)
class Report:
    """The fields of a report that are judged here; nothing is verified yet."""

    version: int
    policy: int
    vmpl: int
    signer: str
    report_data: bytes
    measurement: bytes
    reported_tcb: bytes
    family: int
    model: int
    chip: bytes
    signed: bytes
    signature: bytes


def parse(data: bytes) -> Report:
    """Read a report of 1184 bytes.

    Raises:
        MalformedEvidence: wrong size, version, algorithm or signer, or something in the room behind the signature.
    """
    if len(data) != SIZE:
        malformed("SEV-SNP report", f"it has {len(data)} bytes, not {SIZE}")
    at = functools.partial(_number, data)
    if (version := at(0, 4)) not in _VERSIONS:
        malformed("SEV-SNP report", f"version {version}")
    if at(0x34, 4) != _ECDSA_P384_SHA384:
        malformed("SEV-SNP report", "its signature is not ECDSA P-384 with SHA-384")
    if (signer := _SIGNERS.get(at(0x48, 4) >> 2 & 7)) is None:
        malformed("SEV-SNP report", "it is not signed by a VCEK or a VLEK")
    if any(data[_SIGNED + 144 :]):
        malformed("SEV-SNP report", "there is something behind its signature")
    return Report(
        version=version,
        policy=at(0x08, 8),
        vmpl=at(0x30, 4),
        signer=signer,
        report_data=data[0x50:0x90],
        measurement=data[0x90:0xC0],
        reported_tcb=data[0x180:0x188],
        family=data[0x188],
        model=data[0x189],
        chip=data[0x1A0:0x1E0],
        signed=data[:_SIGNED],
        signature=encode_dss_signature(at(_SIGNED, 72), at(_SIGNED + 72, 72)),
    )


def verify(evidence: bytes, endorsements: Endorsements, at: datetime, policy: Policy) -> Verified:
    """Verify a report with the VCEK or VLEK certificate among the endorsements (steps: docs/spec/hardware.md).

    Raises:
        MalformedEvidence: report or certificate cannot be read.
        BadSignature: report, certificate or revocation list is not signed as it says.
        Refused: claim ``endorsement``, ``root``, ``certificate``, ``revocation``, ``chip``, ``tcb``, ``debug``, ``vmpl``,
            ``generation``.
    """
    report = parse(evidence)
    leaf, generation, chain, end = _endorsed(report, endorsements, at)
    certificates.verify_ecdsa(leaf, report.signature, report.signed, SHA384(), "the SEV-SNP report")
    notes = _check_chip(report, leaf, generation)
    tcb = _check_tcb(report, leaf, generation)
    refuse_debug(bool(report.policy >> _DEBUG_BIT & 1), "bit 19 of the guest policy")
    refuse_generation(generation, policy)
    if report.signer == "VLEK" and not policy.vlek:
        raise Refused("signer", expected="a VCEK, the chip's own key", found="a VLEK, lent to a cloud provider")
    if policy.minimum_tcb and generation not in policy.minimum_tcb:
        raise Refused("tcb", expected=f"a generation with a floor: {', '.join(policy.minimum_tcb)}", found=generation)
    for part, wanted in policy.minimum_tcb.get(generation, {}).items():
        if tcb.get(part, -1) < wanted:
            raise Refused("tcb", expected=f"{part} {wanted} or newer", found=str(tcb.get(part, "no such part")))
    if report.vmpl > policy.maximum_vmpl:
        raise Refused("vmpl", expected=f"at most {policy.maximum_vmpl}", found=str(report.vmpl))
    if report.policy >> _MIGRATION_BIT & 1:
        notes += (_MIGRATION,)
    if report.signer == "VLEK":
        notes += (_LENT,)
    if end is None:
        issuer = chain[-1].subject.rfc4514_string()
        notes += (
            Note(
                f"No revocation list of {issuer} was given.", f"Aucune liste de révocation de {issuer} n'était jointe."
            ),
        )
    return Verified(
        platform="sev-snp",
        measurement=report.measurement,
        report_data=report.report_data,
        debug=False,
        tcb=", ".join(f"{part} {value}" for part, value in tcb.items()),
        generation=generation,
        signer=report.signer,
        renew_before=end,
        notes=notes + renewal_notes(end, at),
        machine=report.chip.hex() if report.signer == "VCEK" and any(report.chip) else "",
    )


def check_certificate(
    leaf: x509.Certificate, endorsements: Endorsements, at: datetime
) -> tuple[str, tuple[x509.Certificate, ...], datetime | None]:
    """Check a VCEK or VLEK certificate up to AMD's pinned root.

    Returns:
        its generation, its chain without itself, and the end of the revocation lists used.

    Raises:
        BadSignature: a signature in the chain does not hold.
        Refused: claim ``endorsement``, ``root``, ``authority``, ``certificate`` or ``revocation``.
    """
    generation = _generation(leaf)
    given = [one for data in endorsements.certificates for one in certificates.load(data)]
    for file in _FILES[generation]:
        authority, root = pinned(file)
        issuer = next((one for one in (authority, *given) if one.subject == leaf.issuer), None)
        if issuer is not None:
            lists = [certificates.load_revocation_list(data) for data in endorsements.revocation_lists]
            end = certificates.check_chain((leaf, issuer, root), root, at, lists)
            return generation, (issuer, root), end
    raise Refused(
        "endorsement",
        expected=f"a chip certificate issued by an authority for {generation}",
        found=leaf.issuer.rfc4514_string(),
        hint="give the intermediate certificate with the endorsements",
    )


def _endorsed(
    report: Report, endorsements: Endorsements, at: datetime
) -> tuple[x509.Certificate, str, tuple[x509.Certificate, ...], datetime | None]:
    wanted = f"SEV-{report.signer}"
    for data in endorsements.certificates:
        for leaf in certificates.load(data):
            if _common_name(leaf) == wanted:
                return leaf, *check_certificate(leaf, endorsements, at)
    raise Refused("endorsement", expected=f"a {report.signer} certificate", found="none among the endorsements")


def _check_chip(report: Report, leaf: x509.Certificate, generation: str) -> tuple[Note, ...]:
    if report.version >= 3 and (found := _of_processor(report.family, report.model)) != generation:
        raise Refused("generation", expected=generation, found=found or f"family {report.family:#x}")
    if report.signer == "VLEK":
        return ()
    if not any(report.chip):
        return (_HIDDEN,)
    chip = _extension(leaf, "4")
    # Turin's identity is shorter than the field that it stands in.
    if not chip or chip.ljust(64, b"\0") != report.chip:
        raise Refused("chip", expected="the chip that the certificate names", found="another one")
    return ()


def _check_tcb(report: Report, leaf: x509.Certificate, generation: str) -> Mapping[str, int]:
    parts = _TURIN if generation == "Turin" else _CLASSIC
    found = {part: report.reported_tcb[place] for part, (place, _) in parts.items()}
    certified = {part: _integer(_extension(leaf, oid)) for part, (_, oid) in parts.items()}
    if found != certified:
        raise Refused("tcb", expected=f"what the certificate is for, {certified}", found=str(found))
    return found


def _generation(leaf: x509.Certificate) -> str:
    raw = _extension(leaf, "2")
    name = raw[2:].decode("ascii", "replace").split("-")[0] if raw[:1] == b"\x16" else ""
    if name not in _FILES:
        raise Refused("generation", expected=f"one of {', '.join(_FILES)}", found=repr(name))
    return name


def _of_processor(family: int, model: int) -> str:
    if family == 0x1A and model < 0x20:
        return "Turin"
    if family == 0x19:
        return "Milan" if model < 0x10 else "Genoa" if model < 0x20 or 0xA0 <= model < 0xB0 else ""
    return ""


def _common_name(certificate: x509.Certificate) -> str:
    try:
        return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)
    except (ValueError, IndexError):
        return ""


def _extension(certificate: x509.Certificate, number: str) -> bytes:
    """The raw value of one of AMD's extensions, empty when it is not there."""
    try:
        found = certificate.extensions.get_extension_for_oid(x509.ObjectIdentifier(_LINE + number)).value
    except x509.ExtensionNotFound:
        return b""
    return found.value if isinstance(found, x509.UnrecognizedExtension) else b""


def _integer(der: bytes) -> int:
    """A small DER INTEGER, −1 when it is none."""
    small = len(der) in {3, 4} and der[0] == 2 and der[1] == len(der) - 2 and der[2] < 0x80
    return int.from_bytes(der[2:], "big") if small else -1


def _number(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")
