"""Public hardware evidence (tests/data/attestation), each sample with what its source says of it."""

import base64
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from vigie.hardware import Endorsements, Policy, Verified, azure, certificates, quote, tpm, verify

FOLDER = Path(__file__).parents[1] / "data" / "attestation"
NOTHING, STRICT = Endorsements(), Policy()
FAMILIES = ("SNP", "TDX", "SGX", "Nitro", "Azure vTPM", "TPM")


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        refused: the claim that it fails by, or the name of the error class; empty when it verifies.
        signatures_only: no collateral was published with the quote: its signatures are verified without.
    """

    name: str
    platform: str
    evidence: bytes
    at: datetime
    endorsements: Endorsements = NOTHING
    policy: Policy = STRICT
    refused: str = ""
    signatures_only: bool = False

    @property
    def family(self) -> str:
        if self.platform.startswith("azure"):
            return "Azure vTPM"
        return {"sev-snp": "SNP", "tdx": "TDX", "sgx": "SGX", "nitro": "Nitro", "tpm": "TPM"}[self.platform]

    def check(self, evidence: bytes) -> Verified | quote.Quote | tpm.Attest:
        """Verify evidence as this sample is verified; it may be the sample's own or a mutation of it."""
        if not self.signatures_only:
            return verify(
                self.platform,
                evidence,
                self.endorsements,
                self.at,
                None,
                policy=self.policy,
                accept_unbound_sample=True,
            )
        if self.platform == "azure-tdx":
            report, claims, given = azure.unpack(evidence)
            return azure.open_quote(claims, given, self._signatures(report).report_data)[0]
        return self._signatures(evidence)

    def _signatures(self, evidence: bytes) -> quote.Quote:
        found = quote.parse(evidence)
        lists = tuple(certificates.load_revocation_list(one) for one in self.endorsements.revocation_lists)
        quote.check_signatures(found, self.at, lists)
        return found


def read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _bytes(value: Any) -> bytes:
    """The three ways in which the samples write bytes in JSON."""
    if isinstance(value, list):
        return bytes(value)
    try:
        return bytes.fromhex(value)
    except ValueError:
        return base64.b64decode(value.replace("-", "+").replace("_", "/") + "==")


def _pcrs(message: bytes, values: list[Any]) -> dict[int, bytes]:
    return {index: _bytes(values[index]) for index in tpm.parse(message).selected}


def azure_evidence(name: str) -> tuple[bytes, Endorsements]:
    """A JSON sample of Azure in the form that the verifier takes, and the VCEK in it."""
    found = json.loads(read(f"azure_vtpm/{name}.json"))
    given = found.get("quote") or found["tpm_quote"]
    report, claims = azure.split(_bytes(found.get("report") or found["hcl_report"]))
    if "td_quote" in found:
        report = _bytes(found["td_quote"])
    message, signature = _bytes(given["message"]), _bytes(given["signature"])
    # The samples keep the bare RSA signature: TPMT_SIGNATURE says RSASSA, SHA-256 and its size first.
    signature = b"\x00\x14\x00\x0b" + len(signature).to_bytes(2, "big") + signature
    evidence = azure.pack(report, claims, message, signature, _pcrs(message, given["pcrs"]))
    vcek = found.get("vcek", "")
    if not vcek:
        return evidence, Endorsements()
    return evidence, Endorsements((vcek.encode() if vcek.startswith("-----") else _bytes(vcek),))


def trustee_tpm() -> tuple[bytes, Endorsements]:
    found = json.loads(read("tpm/trustee_tpm_evidence.json"))
    given = found["tpm_quote"]
    message = base64.b64decode(given["message"])
    evidence = tpm.pack(message, base64.b64decode(given["signature"]), _pcrs(message, given["pcrs"]))
    return evidence, Endorsements(keys=(base64.b64decode(found["ak_public"]),))


def swtpm() -> tuple[bytes, Endorsements]:
    """The quote of tpm2-tools: a PEM key, a bare ECDSA signature, and PCRs in fixed rooms of their own layout."""
    key = load_pem_public_key(read("tpm/swtpm/ak.pub")).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    r, s = decode_dss_signature(read("tpm/swtpm/q.sig"))
    signature = b"\x00\x18\x00\x0b" + b"".join(b"\x00\x20" + one.to_bytes(32, "big") for one in (r, s))
    message, stored = read("tpm/swtpm/q.msg"), read("tpm/swtpm/q.pcr")
    rooms, step = 0x8C, 66
    values = {}
    for place, index in enumerate(tpm.parse(message).selected):
        start = rooms + step * place
        values[index] = stored[start + 2 : start + 2 + int.from_bytes(stored[start : start + 2], "little")]
    return tpm.pack(message, signature, values), Endorsements(keys=(key,))


def google_vtpm(name: str) -> tuple[list[bytes], Endorsements]:
    """The quotes of go-tpm-tools' protobuf: field 1 the key (TPMT_PUBLIC), field 2 each quote (message, signature, PCRs)."""
    fields = _fields(read(f"tpm/{name}.pb"))
    modulus = fields[0][1][-256:]
    numbers = RSAPublicNumbers(65537, int.from_bytes(modulus, "big"))
    key = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    quotes = []
    for given in (dict(_fields(value)) for number, value in fields if number == 2):
        pcrs = {}
        for number, entry in _fields(given[3]):
            if number == 2:
                parts = dict(_fields(entry))
                pcrs[int.from_bytes(parts.get(1, b""), "big")] = parts[2]
        quotes.append(tpm.pack(given[1], given[2], pcrs))
    return quotes, Endorsements(keys=(key,))


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """The top level of a protobuf message; numbers below 128 as one byte."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not data[at - 1] & 0x80:
                return value

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            found.append((tag >> 3, bytes([varint()])))
        else:
            size = varint()
            found.append((tag >> 3, data[at : at + size]))
            at += size
    return found


@functools.cache
def samples() -> tuple[Sample, ...]:
    """Every sample with its verdict."""
    return (*_snp(), *_intel(), *_nitro(), *_azure(), *_tpm())


def _snp() -> list[Sample]:
    def vcek(name: str) -> Endorsements:
        return Endorsements((read(f"snp/{name}.der"),))

    chip, cloud = read("snp/trustee_report_vcek.bin"), read("snp/trustee_report_vlek.bin")
    when = _day("2024-01-01")
    lent = Sample(
        "snp-vlek", "sev-snp", cloud, _day("2025-01-01"), vcek("trustee_vlek"), Policy(maximum_vmpl=1, vlek=True)
    )
    return [
        Sample("snp-vcek", "sev-snp", chip, when, vcek("trustee_vcek")),
        Sample("snp-debug", "sev-snp", read("snp/milan_report_v2.bin"), when, vcek("milan_vcek"), refused="debug"),
        Sample("snp-bad-vcek", "sev-snp", chip, when, vcek("trustee_vcek_invalid"), refused="BadSignature"),
        lent,
        replace(lent, name="snp-vlek-strict", policy=Policy(vlek=True), refused="vmpl"),
        replace(lent, name="snp-vlek-lent", policy=Policy(maximum_vmpl=1), refused="signer"),
        replace(lent, name="snp-vlek-expired", at=_day("2026-01-01"), refused="certificate"),
    ]


def _intel() -> list[Sample]:
    def with_collateral(name: str) -> tuple[bytes, Endorsements]:
        return read(f"{name}.bin"), Endorsements(collateral=read(f"{name}_collateral.json"))

    tdx, tdx_collateral = with_collateral("tdx/phala_tdx_quote")
    old, old_collateral = with_collateral("tdx/phala_tdx_quote_outdated")
    sgx, sgx_collateral = with_collateral("sgx/phala_sgx_quote")
    noon, winter = _day("2025-06-19T12:00"), _day("2026-02-19")
    hardening = Policy(tcb_statuses=frozenset({"UpToDate", "ConfigurationAndSWHardeningNeeded"}))
    spr = read("tdx/google_tdx_prod_quote_SPR_E4.dat")
    lists = Endorsements(revocation_lists=(read("tdx/google_pckcrl"), read("tdx/google_rootcrl.der")))
    at = {
        "google_cos-113-tdx-quote": "2024-10-01",
        "trustee_tdx_quote_5": "2024-06-01",
        "trustee_tdx_quote_6": "2025-06-01",
    }
    bare = [
        Sample(f"tdx-{name}", "tdx", read(f"tdx/{name}.dat"), _day(day), signatures_only=True)
        for name, day in at.items()
    ]
    debug_td = read("tdx/trustee_tdx_quote_4.dat")
    return [
        Sample("tdx", "tdx", tdx, noon, tdx_collateral),
        Sample("tdx-later", "tdx", tdx, _day("2026-06-19"), tdx_collateral, refused="collateral"),
        Sample("tdx-earlier", "tdx", tdx, _day("2025-06-01"), tdx_collateral, refused="collateral"),
        Sample("tdx-no-collateral", "tdx", tdx, noon, refused="collateral"),
        Sample("tdx-outdated", "tdx", old, winter, old_collateral, refused="tcb"),
        # Another machine of the same model (FMSPC), with firmware that this collateral does know.
        Sample("tdx-v5", "tdx", read("tdx/google_quote_v5_sample.dat"), winter, old_collateral),
        Sample("tdx-outdated-signatures", "tdx", old, winter, signatures_only=True),
        Sample("tdx-debug", "tdx", debug_td, _day("2023-06-10"), refused="debug"),
        # What go-tdx-guest appends to it, «extra bytes», is refused; the quote before them verifies, with Intel's lists.
        Sample("tdx-extra-bytes", "tdx", spr, _day("2023-06-10"), refused="MalformedEvidence"),
        Sample("tdx-sapphire-rapids", "tdx", spr[:4935], _day("2023-06-10"), lists, signatures_only=True),
        *bare,
        Sample("sgx", "sgx", sgx, noon, sgx_collateral, hardening),
        Sample("sgx-strict", "sgx", sgx, noon, sgx_collateral, refused="tcb"),
        Sample("sgx-debug", "sgx", read("sgx/occlum_quote.dat"), _day("2023-06-10"), refused="debug"),
    ]


def _nitro() -> list[Sample]:
    valid, debug = read("nitro/valid_doc.cose"), read("nitro/debug_mode_doc.cose")
    second = base64.b64decode(read("nitro/valid_doc_2.b64"))
    return [
        Sample("nitro", "nitro", valid, _day("2022-10-13T08:58:02")),
        Sample("nitro-later", "nitro", valid, _day("2026-03-01"), refused="certificate"),
        Sample("nitro-an-hour-later", "nitro", valid, _day("2022-10-13T09:58"), refused="time"),
        Sample("nitro-debug", "nitro", debug, _day("2022-10-12T13:50:06"), refused="debug"),
        Sample("nitro-debug-2", "nitro", second, _day("2023-09-18T15:03:30"), refused="debug"),
    ]


def _azure() -> list[Sample]:
    found = []
    for name in ("snp_evidence-genoa", "snp_evidence-v0", "snp_evidence-v1", "snp_evidence-v2"):
        evidence, endorsements = azure_evidence(name)
        found.append(Sample(f"azure-{name}", "azure-sev-snp", evidence, _day("2025-06-01"), endorsements))
    for name in ("tdx_evidence-v0", "tdx_evidence-v1"):
        evidence, endorsements = azure_evidence(name)
        bare = Sample(f"azure-{name}", "azure-tdx", evidence, _day("2025-06-01"), signatures_only=True)
        found += [
            bare,
            replace(bare, name=f"{bare.name}-no-collateral", signatures_only=False, refused="collateral"),
        ]
    return found


def _tpm() -> list[Sample]:
    when = _day("2024-01-01")
    found = []
    for name in ("gce-cos-85-nonce9009", "gce-cos-85-no-nonce"):
        quotes, endorsements = google_vtpm(name)
        for evidence, bank in zip(quotes, ("sha1", "sha256", "sha384"), strict=True):
            refused = "bank" if bank == "sha1" else ""
            found.append(Sample(f"tpm-{name}-{bank}", "tpm", evidence, when, endorsements, refused=refused))
    makers: list[tuple[str, Callable[[], tuple[bytes, Endorsements]]]] = [("trustee", trustee_tpm), ("swtpm", swtpm)]
    for name, maker in makers:
        evidence, endorsements = maker()
        found.append(Sample(f"tpm-{name}-simulated", "tpm", evidence, when, endorsements, refused="platform"))
    return found
