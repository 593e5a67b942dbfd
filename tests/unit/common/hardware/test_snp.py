"""Reports of a maker that only tests know: judged field by field once it is pinned, worth nothing before."""

import pytest

from support.maker import AMD, AT, Holder, certify, product, report, revocation_list, tcb_extensions
from vigie.errors import BadSignature, MalformedEvidence, Refused, VigieError
from vigie.hardware import Endorsements, Policy, Verified, snp, verify

CHIP = bytes(range(1, 65))
MILAN = {"3.1": 4, "3.2": 1, "3.3": 24, "3.8": 217}
MILAN_TCB = bytes([4, 1, 0, 0, 0, 0, 24, 217])
TURIN = {"3.9": 2, "3.1": 3, "3.2": 1, "3.3": 5, "3.8": 130}
TURIN_TCB = bytes([2, 3, 1, 5, 0, 0, 0, 130])

ROOT = certify("ARK-Milan", authority=True)
AUTHORITY = certify("SEV-Milan", ROOT, authority=True)


def chip_key(
    kind: str = "SEV-VCEK",
    issuer: Holder = AUTHORITY,
    label: str = "Milan-B0",
    tcb: dict[str, int] = MILAN,
    chip: bytes = CHIP,
) -> Holder:
    extensions = product(label) | tcb_extensions(tcb) | ({AMD + "4": chip} if chip else {})
    return certify(kind, issuer, extensions=extensions)


VCEK = chip_key()


def checked(evidence: bytes, *holders: Holder, policy: Policy | None = None, lists: tuple[bytes, ...] = ()) -> Verified:
    endorsements = Endorsements(tuple(one.der for one in holders), lists)
    return verify("sev-snp", evidence, endorsements, AT, b"\x5a" * 64, policy=policy or Policy())


def sound(signer: Holder = VCEK, **fields: bytes) -> bytes:
    return report(signer, **({"at_180": MILAN_TCB, "at_1a0": CHIP} | fields))


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maker of the tests in the place of AMD, for every generation."""
    monkeypatch.setattr(snp, "pinned", lambda _file: (AUTHORITY.certificate, ROOT.certificate))


def refusal(evidence: bytes, *holders: Holder, policy: Policy | None = None, lists: tuple[bytes, ...] = ()) -> str:
    with pytest.raises(Refused) as caught:
        checked(evidence, *(holders or (VCEK,)), policy=policy, lists=lists)
    return caught.value.claim


def test_a_simulated_maker_is_never_a_real_one() -> None:
    for extra in ((), (AUTHORITY,), (AUTHORITY, ROOT), (ROOT,)):
        with pytest.raises(VigieError):
            checked(sound(), VCEK, *extra)
    lent = certify("SEV-VLEK-Genoa", ROOT, authority=True)
    vlek = chip_key("SEV-VLEK", lent, "Genoa-B1")
    with pytest.raises(BadSignature):
        checked(sound(vlek, at_48=b"\x04"), vlek, lent, ROOT)


@pytest.mark.usefixtures("pinned")
def test_a_sound_report_verifies_once_its_maker_is_pinned() -> None:
    found = checked(sound(), VCEK)
    assert (found.generation, found.signer, found.measurement) == ("Milan", "VCEK", b"\x3c" * 48)
    assert found.tcb == "boot loader 4, tee 1, snp 24, microcode 217" and not found.debug


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize(
    ("fields", "claim"),
    [
        ({"at_0a": b"\x0b"}, "debug"),
        ({"at_30": b"\x01"}, "vmpl"),
        ({"at_180": bytes([4, 1, 0, 0, 0, 0, 23, 217])}, "tcb"),
        ({"at_180": bytes([4, 1, 0, 0, 0, 0, 24, 218])}, "tcb"),
        ({"at_1a0": CHIP[::-1]}, "chip"),
        ({"at_00": b"\x03", "at_188": b"\x19\x11"}, "generation"),
        ({"at_00": b"\x03", "at_188": b"\x17\x01"}, "generation"),
        ({"at_48": b"\x04"}, "endorsement"),
        ({"at_50": b"\x5b"}, "report data"),
    ],
)
def test_a_signed_field_that_is_not_right_is_refused_by_name(fields: dict[str, bytes], claim: str) -> None:
    assert refusal(sound(VCEK, **fields)) == claim


@pytest.mark.usefixtures("pinned")
def test_what_is_allowed_is_said() -> None:
    assert any("migration" in note.en for note in checked(sound(at_0a=b"\x07"), VCEK).notes)
    assert any("hides" in note.en for note in checked(sound(at_1a0=bytes(64)), VCEK).notes)
    assert checked(sound(at_00=b"\x03", at_188=b"\x19\x01"), VCEK).generation == "Milan"
    assert checked(sound(at_30=b"\x02"), VCEK, policy=Policy(maximum_vmpl=2)).signer == "VCEK"
    vlek = chip_key("SEV-VLEK", chip=b"")
    assert any(
        "cloud provider" in note.en
        for note in checked(sound(vlek, at_48=b"\x04"), vlek, policy=Policy(vlek=True)).notes
    )


@pytest.mark.usefixtures("pinned")
def test_turin_has_its_own_versions_and_a_short_chip_identity() -> None:
    turin = chip_key(label="Turin-C1", tcb=TURIN, chip=CHIP[:8])
    fields = {"at_180": TURIN_TCB, "at_1a0": CHIP[:8].ljust(64, b"\0")}
    found = checked(sound(turin, **fields), turin)
    assert (found.generation, found.tcb) == ("Turin", "fmc 2, boot loader 3, tee 1, snp 5, microcode 130")
    assert refusal(sound(turin, **fields | {"at_180": MILAN_TCB}), turin) == "tcb"
    assert refusal(sound(turin, **fields | {"at_1a0": CHIP}), turin) == "chip"
    assert refusal(sound(turin, **fields), turin, policy=Policy(minimum_tcb={"Turin": {"fmc": 3}})) == "tcb"


@pytest.mark.usefixtures("pinned")
def test_a_revoked_chip_key_and_an_unknown_generation_are_refused() -> None:
    assert refusal(sound(), lists=(revocation_list(AUTHORITY, (7,)),)) == "revocation"
    vlek = chip_key("SEV-VLEK", chip=b"")
    assert refusal(sound(vlek, at_48=b"\x04"), vlek) == "signer"
    assert checked(sound(), VCEK, lists=(revocation_list(AUTHORITY),)).renew_before is not None
    for label in ("Naples-B1", "Milano", ""):
        assert refusal(sound(), chip_key(label=label)) == "generation"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data[:-1], "1183 bytes"),
        (lambda data: b"\x09" + data[1:], "version 9"),
        (lambda data: data[:0x34] + b"\x02" + data[0x35:], "not ECDSA"),
        (lambda data: data[:0x48] + b"\x1c" + data[0x49:], "VCEK or a VLEK"),
        (lambda data: data[:-1] + b"\x01", "behind its signature"),
    ],
)
def test_another_layout_is_no_report(change: object, why: str) -> None:
    assert callable(change)
    snp.parse(sound())
    with pytest.raises(MalformedEvidence, match=why):
        snp.parse(change(sound()))
