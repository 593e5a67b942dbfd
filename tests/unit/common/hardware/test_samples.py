"""Every public sample verifies or fails as its source says, and what verifies says what it should."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from support.attestation import FAMILIES, FOLDER, Sample, read, samples
from vigie.errors import InputError, MalformedEvidence, Refused, VigieError
from vigie.hardware import PLATFORMS, Endorsements, Policy, azure, pins, verify

BY_NAME = {sample.name: sample for sample in samples()}
VERIFYING = [one for one in samples() if not one.refused and not one.signatures_only]


def full(name: str, **changes: object) -> Sample:
    return replace(BY_NAME[name], **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("sample", samples(), ids=lambda one: one.name)
def test_a_sample_has_the_verdict_of_its_source(sample: Sample) -> None:
    if not sample.refused:
        sample.check(sample.evidence)
        return
    with pytest.raises(VigieError) as caught:
        sample.check(sample.evidence)
    found = caught.value
    assert (found.claim if isinstance(found, Refused) else type(found).__name__) == sample.refused


def test_there_are_enough_samples_of_every_family() -> None:
    evidence = {sample.evidence for sample in samples()}
    families = Counter(sample.family for sample in samples() if not sample.refused)
    assert len(evidence) >= 20 and set(families) == set(FAMILIES)
    assert sum(sample.refused == "debug" for sample in samples()) >= 5


def test_every_file_is_listed_with_its_source() -> None:
    listed = (FOLDER / "SOURCE.md").read_text(encoding="utf-8")
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert {name for name in files if f"| {name} |" not in listed and f"({name})" not in listed} == {"SOURCE.md"}


@pytest.mark.parametrize("sample", VERIFYING, ids=lambda one: one.name)
def test_evidence_must_bind_what_is_expected(sample: Sample) -> None:
    def bound(to: bytes | None) -> bytes:
        return verify(
            sample.platform, sample.evidence, sample.endorsements, sample.at, to, policy=sample.policy
        ).report_data

    found = sample.check(sample.evidence)
    data = getattr(found, "report_data", b"")
    if len(data) in {32, 64}:
        assert bound(data) == data
    for wrong in (b"\1" * 32, b"\1" * 64, data[:31] + bytes([data[31] ^ 1]) if len(data) > 31 else bytes(32)):
        with pytest.raises(Refused, match="report data"):
            bound(wrong)
    with pytest.raises(Refused, match="report data"):
        bound(None)
    with pytest.raises(InputError, match="32 or 64"):
        bound(b"short")


def test_a_short_binding_is_followed_by_zeros() -> None:
    """Azure's reports bind a SHA-256 in the room of 64 bytes, as ours would."""
    report, _, _ = azure.unpack(BY_NAME["azure-snp_evidence-v1"].evidence)
    sample = BY_NAME["azure-snp_evidence-v1"]
    bare = verify("sev-snp", report, sample.endorsements, sample.at, None, accept_unbound_sample=True)
    assert bare.report_data[32:] == bytes(32)
    assert verify("sev-snp", report, sample.endorsements, sample.at, bare.report_data[:32]) == bare
    assert verify("sev-snp", report, sample.endorsements, sample.at, bare.report_data) == bare


@pytest.mark.parametrize("platform", ["software", "simulator", "SEV-SNP", "", "cca"])
def test_no_other_platform_is_verified(platform: str) -> None:
    sample = BY_NAME["snp-vcek"]
    with pytest.raises(Refused) as caught:
        verify(platform, sample.evidence, sample.endorsements, sample.at, bytes(64))
    assert caught.value.claim == "platform" and "sev-snp" in caught.value.expected


@pytest.mark.parametrize("sample", VERIFYING, ids=lambda one: one.name)
def test_evidence_of_one_platform_is_none_of_another(sample: Sample) -> None:
    for platform in set(PLATFORMS) - {sample.platform}:
        with pytest.raises((Refused, MalformedEvidence)):
            verify(platform, sample.evidence, sample.endorsements, sample.at, None, accept_unbound_sample=True)


def test_the_claims_of_a_chip_are_those_of_its_source() -> None:
    sample = BY_NAME["snp-vcek"]
    found = verify("sev-snp", sample.evidence, sample.endorsements, sample.at, None, accept_unbound_sample=True)
    assert (found.generation, found.signer, found.debug) == ("Milan", "VCEK", False)
    assert found.tcb == "boot loader 3, tee 0, snp 8, microcode 115"
    assert len(found.measurement) == 48 and any(found.measurement)
    genoa = BY_NAME["azure-snp_evidence-genoa"].check(BY_NAME["azure-snp_evidence-genoa"].evidence)
    assert getattr(genoa, "generation", "") == "Genoa"
    cloud = BY_NAME["snp-vlek"].check(BY_NAME["snp-vlek"].evidence)
    assert any("VLEK" in note.en and "VLEK" in note.fr for note in getattr(cloud, "notes", ()))


@pytest.mark.parametrize(
    ("name", "policy", "claim"),
    [
        ("snp-vcek", Policy(refused_generations=frozenset({"Milan"})), "generation"),
        ("snp-vcek", Policy(minimum_tcb={"Milan": {"microcode": 116}}), "tcb"),
        ("snp-vcek", Policy(minimum_tcb={"Milan": {"fmc": 1}}), "tcb"),
        ("snp-vcek", Policy(minimum_tcb={"Genoa": {"snp": 1}}), "tcb"),
        ("snp-vcek", Policy(measurements=frozenset()), "launch measurement"),
        ("snp-vcek", Policy(measurements=frozenset({bytes(48)})), "launch measurement"),
        ("tdx", Policy(measurements=frozenset({bytes(48)})), "launch measurement"),
        ("nitro", Policy(measurements=frozenset({bytes(48)})), "launch measurement"),
        ("azure-snp_evidence-v1", Policy(measurements=frozenset({bytes(48)})), "launch measurement"),
        ("tdx", Policy(refused_generations=frozenset({"b0c06f000000"})), "generation"),
        ("tdx", Policy(registers={3: bytes([1] * 48)}), "register 3"),
        ("nitro", Policy(registers={1: bytes(48)}), "register 1"),
        ("nitro", Policy(refused_generations=frozenset({"nitro"})), "generation"),
        ("azure-snp_evidence-v1", Policy(registers={7: bytes(32)}), "register 7"),
        ("tpm-gce-cos-85-nonce9009-sha256", Policy(registers={0: bytes(32)}), "register 0"),
        (
            "tpm-gce-cos-85-nonce9009-sha256",
            Policy(refused_generations=frozenset({"firmware 2016051100162800"})),
            "generation",
        ),
    ],
)
def test_a_policy_refuses_what_the_signatures_allow(name: str, policy: Policy, claim: str) -> None:
    sample = BY_NAME[name]
    sample.check(sample.evidence)
    with pytest.raises(Refused) as caught:
        full(name, policy=policy).check(sample.evidence)
    assert caught.value.claim == claim and caught.value.expected and caught.value.found


def test_a_policy_is_met() -> None:
    launched = BY_NAME["snp-vcek"].check(BY_NAME["snp-vcek"].evidence)
    policy = Policy(
        minimum_tcb={"Milan": {"snp": 8, "microcode": 115}, "Genoa": {"snp": 99}},
        measurements=frozenset({bytes(48), getattr(launched, "measurement", b"")}),
    )
    full("snp-vcek", policy=policy).check(BY_NAME["snp-vcek"].evidence)
    found = BY_NAME["nitro"].check(BY_NAME["nitro"].evidence)
    registers = getattr(found, "registers", {})
    full("nitro", policy=Policy(registers={0: registers[0], 2: registers[2]})).check(BY_NAME["nitro"].evidence)


def test_the_warning_comes_seven_days_before_the_end_and_the_refusal_at_it() -> None:
    """A calendar of the collateral's life: nothing in it depends on an age."""
    sample = BY_NAME["tdx"]
    end = getattr(sample.check(sample.evidence), "renew_before", None)
    assert end == datetime(2025, 7, 19, 10, 0, 35, tzinfo=UTC)

    def state(at: datetime) -> str:
        try:
            found = full("tdx", at=at).check(sample.evidence)
        except Refused as refusal:
            return f"refused by its {refusal.claim}"
        return "warned" if any("renew it" in note.en for note in getattr(found, "notes", ())) else "quiet"

    calendar = [sample.at + timedelta(hours=hours) for hours in range(0, 24 * 32, 6)]
    wanted = [
        "refused by its collateral" if at > end else "warned" if end - at <= timedelta(days=7) else "quiet"
        for at in calendar
    ]
    assert [state(at) for at in calendar] == wanted and len(set(wanted)) == 3


def test_the_certificate_of_another_chip_endorses_nothing() -> None:
    milan = Endorsements((read("snp/milan_vcek.der"),))
    with pytest.raises(VigieError, match="signature of the SEV-SNP report"):
        full("snp-vcek", endorsements=milan).check(BY_NAME["snp-vcek"].evidence)
    for endorsements in (Endorsements(), Endorsements((read("snp/trustee_vlek.der"),))):
        with pytest.raises(Refused) as caught:
            full("snp-vcek", endorsements=endorsements).check(BY_NAME["snp-vcek"].evidence)
        assert caught.value.claim == "endorsement"


def test_a_tpm_quote_needs_an_endorsed_key_and_the_right_one() -> None:
    sample = BY_NAME["tpm-gce-cos-85-nonce9009-sha256"]
    with pytest.raises(Refused, match="attestation key"):
        full(sample.name, endorsements=Endorsements()).check(sample.evidence)
    other = BY_NAME["tpm-swtpm-simulated"].endorsements
    with pytest.raises(VigieError, match="no endorsed attestation key"):
        full(sample.name, endorsements=other).check(sample.evidence)
    both = Endorsements(keys=other.keys + sample.endorsements.keys)
    assert getattr(full(sample.name, endorsements=both).check(sample.evidence), "report_data", b"") == b"\x90\x09"


def test_the_time_needs_a_zone_and_the_evidence_a_bound() -> None:
    sample = BY_NAME["snp-vcek"]
    with pytest.raises(InputError, match="time zone"):
        verify("sev-snp", sample.evidence, sample.endorsements, sample.at.replace(tzinfo=None), bytes(64))
    with pytest.raises(MalformedEvidence, match="longer than"):
        verify("tpm", bytes(70_000), sample.endorsements, sample.at, bytes(64))


@pytest.mark.parametrize("name", sorted(pins.DIGESTS))
def test_the_pinned_certificates_are_those_of_the_list(name: str) -> None:
    found = pins.pinned(name)
    assert len(found) == len(pins.DIGESTS[name])
    assert found[-1].issuer == found[-1].subject
