"""Hardware through the one interface: real quotes hold in everything but what they bind, and levels come of proofs alone."""

import hashlib
import itertools
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from support.attestation import Sample, samples
from support.quotes import WHOLE, bound, bundle_of, claim, convention_of, policy_of, rule_of, verified
from support.world import World
from vigie import attestation, evidence
from vigie.body_codec import encode
from vigie.convention import SOFTWARE
from vigie.errors import Refused, VigieError
from vigie.hardware.bundle import MAGIC, decode

D = b"\x11" * 32
BY_NAME = {sample.name: sample for sample in samples()}
ONE_OF_EACH = [
    next(one for one in WHOLE if one.platform == platform) for platform in dict.fromkeys(one.platform for one in WHOLE)
]
REFUSED = [one for one in samples() if one.refused and one.platform in {whole.platform for whole in WHOLE}]


def accepting(folder: Path, sample: Sample, **changes: Any) -> World:
    return convention_of(folder, rule_of(sample, **changes))


def refusal(world: World, sample: Sample, quote: bytes | None, **changes: Any) -> Refused:
    said = claim(world.convention, sample.platform, sample.at, quote, **changes)
    with pytest.raises(Refused) as caught:
        attestation.verify(said, world.convention, quote)
    found = caught.value
    assert found.claim and found.expected and found.found
    assert evidence.level(said, world.convention, attestation.proof(said, world.convention, quote)[0]) == "A0"
    return found


# -- every real sample --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", WHOLE, ids=lambda one: one.name)
def test_a_real_quote_fails_only_by_what_it_binds(tmp_path: Path, sample: Sample) -> None:
    world = accepting(tmp_path, sample)
    found = refusal(world, sample, bundle_of(sample))
    said = claim(world.convention, sample.platform, sample.at, bundle_of(sample))
    assert found.claim == "quote"
    assert attestation.binding(said).hex() in found.expected
    assert found.found == (verified(sample).report_data.hex() or "nothing")


@pytest.mark.parametrize("sample", REFUSED, ids=lambda one: one.name)
def test_what_its_source_refuses_is_refused_before_that(tmp_path: Path, sample: Sample) -> None:
    """Debug evidence, five real samples of it, among them: validly signed, and refused by name."""
    like = next(one for one in WHOLE if one.platform == sample.platform)
    world = convention_of(tmp_path, rule_of(like, **policy_of(sample)))
    quote = bundle_of(sample)
    said = claim(world.convention, sample.platform, sample.at, quote)
    with pytest.raises(VigieError) as caught:
        attestation.verify(said, world.convention, quote)
    assert not isinstance(caught.value, Refused) or caught.value.claim != "quote"
    if sample.refused == "debug":
        assert isinstance(caught.value, Refused) and caught.value.claim == "debug"
    assert attestation.proof(said, world.convention, quote)[0] is None


def test_there_are_enough_of_them() -> None:
    assert len({one.evidence for one in samples()}) >= 20 and len({one.family for one in WHOLE}) == 6
    assert sum(one.refused == "debug" for one in REFUSED) >= 5


# -- what follows for a quote that binds --------------------------------------------------------------------------


@pytest.mark.parametrize("sample", WHOLE, ids=lambda one: one.name)
def test_a_quote_that_binds_gives_its_level_and_nothing_less_does(tmp_path: Path, sample: Sample) -> None:
    world = accepting(tmp_path, sample)
    said = claim(world.convention, sample.platform, sample.at, bundle_of(sample))
    (rule,) = world.convention.enclave.hardware
    proved = bound(verified(sample), said, rule)
    wanted = "A2" if sample.platform == "tpm" else "A3"
    assert evidence.level(said, world.convention, proved) == wanted
    assert evidence.check(said, world.convention, ["debts"], proved) == wanted
    sentences = evidence.limits(said, world.convention, proved)
    assert sentences[0].startswith(f"Level {wanted}:")
    assert [note.en for note in proved.verified.notes] == list(sentences[2:-1])
    french = evidence.limits(said, world.convention, proved, language="fr")
    assert [note.fr for note in proved.verified.notes] == list(french[2:-1])
    others = [
        None,
        replace(proved, verified=verified(sample)),
        replace(proved, verified=replace(proved.verified, debug=True)),
        replace(proved, verified=replace(proved.verified, platform="sgx" if sample.platform != "sgx" else "tdx")),
        replace(proved, rule=replace(rule, name="another")),
    ]
    assert [evidence.level(said, world.convention, one) for one in others] == ["A0"] * len(others)
    for missing in (dict.fromkeys(said.layers, "partial"), {}):
        assert evidence.level(replace(said, layers=missing), world.convention, proved) == "A0"


CHANGES: dict[str, Any] = {
    "convention": b"\x01" * 32, "order": b"\x01" * 32, "enclave_key": b"\x01" * 1216,
    "enclave_signing_key": b"\x01" * 32, "challenges": {"acoss": b"\x01" * 32}, "measurement": b"\x01" * 32,
    "policy": b"\x01" * 32, "host": {"kernel": "6.2"}, "created": "2025-06-19T12:00:01Z",
}  # fmt: skip


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("sample", ONE_OF_EACH, ids=lambda one: one.platform)
def test_every_field_of_the_body_is_bound(tmp_path: Path, sample: Sample, field: str) -> None:
    world = accepting(tmp_path, sample)
    said = claim(world.convention, sample.platform, sample.at, bundle_of(sample))
    proved = bound(verified(sample), said, world.convention.enclave.hardware[0])
    assert evidence.level(said, world.convention, proved) != "A0"
    changed = replace(said, **{field: CHANGES[field]})
    assert attestation.binding(changed) != attestation.binding(said)
    assert evidence.level(changed, world.convention, proved) == "A0"
    more = replace(said, layers={**said.layers, "seccomp": "enforced"})
    assert evidence.level(more, world.convention, proved) == "A0"


@pytest.mark.parametrize("sample", ONE_OF_EACH, ids=lambda one: one.platform)
def test_the_binding_is_what_the_specification_says(tmp_path: Path, sample: Sample) -> None:
    world = accepting(tmp_path, sample)
    said = claim(world.convention, sample.platform, sample.at, bundle_of(sample))
    body = encode(said)
    body["quote"] = None
    algorithm = "sha256" if sample.platform in ("tpm", "azure-sev-snp", "azure-tdx") else "sha512"
    assert attestation.binding(said) == hashlib.new(algorithm, b"vigie/evidence/1" + rfc8785.dumps(body)).digest()
    assert attestation.binding(replace(said, quote=None)) == attestation.binding(said)


def test_another_operator_makes_a4_only_on_the_machines_that_are_named(tmp_path: Path) -> None:
    sample = BY_NAME["snp-vcek"]
    machine = verified(sample).machine
    assert len(machine) == 128
    world = accepting(tmp_path / "a", sample, operator="OVH", machines=[machine])
    quote = bundle_of(sample)
    said = claim(world.convention, sample.platform, sample.at, quote)
    proved = bound(verified(sample), said, world.convention.enclave.hardware[0])
    assert evidence.level(said, world.convention, proved) == "A4"
    assert refusal(world, sample, quote).claim == "quote"
    elsewhere = replace(proved, verified=replace(proved.verified, machine="ab" * 64))
    assert evidence.level(said, world.convention, elsewhere) == "A3"
    other = accepting(tmp_path / "b", sample, operator="OVH", machines=["ab" * 64])
    with pytest.raises(Refused) as caught:
        attestation.verify(claim(other.convention, sample.platform, sample.at, quote), other.convention, quote)
    # The machine is looked at only after the quote is known to bind: a real sample does not come so far.
    assert caught.value.claim == "quote"


@pytest.mark.parametrize("name", ["snp-vcek", "tdx", "sgx", "nitro"])
def test_a_machine_has_a_name_where_its_evidence_says_one(name: str) -> None:
    assert verified(BY_NAME[name]).machine
    assert verified(BY_NAME["snp-vlek"]).machine == ""


# -- the bundle beside the evidence -------------------------------------------------------------------------------


def test_the_bundle_must_be_there_and_be_the_one_that_is_named(tmp_path: Path) -> None:
    sample = BY_NAME["snp-vcek"]
    world = accepting(tmp_path, sample)
    quote = bundle_of(sample)
    said = claim(world.convention, "sev-snp", sample.at, quote)
    for other in (None, b"", quote + b"\0", MAGIC, bundle_of(BY_NAME["snp-vlek"])):
        with pytest.raises(Refused) as caught:
            attestation.verify(said, world.convention, other)
        assert caught.value.claim == "quote" and said.quote is not None and said.quote.hex() in caught.value.expected
    unnamed = replace(said, quote=None)
    with pytest.raises(Refused, match="names its quote"):
        attestation.verify(unnamed, world.convention, quote)
    assert evidence.level(unnamed, world.convention, attestation.proof(unnamed, world.convention, quote)[0]) == "A0"


def test_a_bundle_of_another_platform_is_refused(tmp_path: Path) -> None:
    sample = BY_NAME["snp-vcek"]
    world = convention_of(tmp_path, rule_of(sample), rule_of(BY_NAME["tdx"], name="other"))
    for claimed, given in (("tdx", sample), ("sev-snp", BY_NAME["tdx"])):
        quote = bundle_of(given)
        said = claim(world.convention, claimed, given.at, quote)
        with pytest.raises(Refused) as caught:
            attestation.verify(said, world.convention, quote)
        assert (caught.value.claim, caught.value.expected) == ("platform", claimed)


def test_no_platform_counts_that_the_convention_does_not_describe(tmp_path: Path) -> None:
    sample = BY_NAME["snp-vcek"]
    world = accepting(tmp_path, sample)
    tdx = BY_NAME["tdx"]
    quote = bundle_of(tdx)
    said = claim(world.convention, "tdx", tdx.at, quote)
    with pytest.raises(Refused) as caught:
        attestation.verify(said, world.convention, quote)
    assert caught.value.claim == "platform"
    simulator = replace(said, platform="simulator")  # type: ignore[arg-type]
    assert evidence.level(simulator, world.convention) == "A0"
    assert attestation.proof(replace(said, platform=SOFTWARE, quote=None), world.convention, None) == (None, "")


@pytest.mark.parametrize(
    ("name", "changes", "wanted"),
    [
        ("snp-vcek", {"measurements": ["00" * 48]}, "launch measurement"),
        ("snp-vcek", {"minimum_tcb": ["Milan snp 9"]}, "tcb"),
        ("snp-vcek", {"minimum_tcb": ["Genoa snp 1"]}, "tcb"),
        ("snp-vcek", {"refused_generations": ["Milan"]}, "generation"),
        ("snp-vlek", {"vlek": False}, "signer"),
        ("snp-vlek", {"maximum_vmpl": 0}, "vmpl"),
        ("tdx", {"registers": [f"1={'00' * 48}"]}, "register 1"),
        ("tdx", {"refused_generations": ["b0c06f000000"]}, "generation"),
        ("sgx", {"tcb_statuses": ["UpToDate"]}, "tcb"),
        ("nitro", {"registers": [f"3={'00' * 48}"]}, "register 3"),
        ("nitro", {"measurements": ["00" * 48]}, "launch measurement"),
        ("azure-snp_evidence-v1", {"registers": [f"7={'00' * 32}"]}, "register 7"),
        ("tpm-gce-cos-85-nonce9009-sha256", {"registers": [f"0={'00' * 32}"]}, "register 0"),
        (
            "tpm-gce-cos-85-nonce9009-sha256",
            {"refused_generations": ["firmware 2016051100162800"]},
            "generation",
        ),
    ],
)
def test_what_the_convention_does_not_accept_is_named(
    tmp_path: Path, name: str, changes: dict[str, Any], wanted: str
) -> None:
    sample = BY_NAME[name]
    assert refusal(accepting(tmp_path / "a", sample), sample, bundle_of(sample)).claim == "quote"
    assert refusal(accepting(tmp_path / "b", sample, **changes), sample, bundle_of(sample)).claim == wanted


def test_one_of_several_rules_is_enough(tmp_path: Path) -> None:
    sample = BY_NAME["snp-vcek"]
    world = convention_of(tmp_path, rule_of(sample, measurements=["00" * 48]), rule_of(sample, name="second"))
    assert refusal(world, sample, bundle_of(sample)).claim == "quote"
    both = convention_of(
        tmp_path / "b", rule_of(sample, measurements=["00" * 48]), rule_of(sample, name="second", vlek=True)
    )
    assert refusal(both, BY_NAME["snp-vlek"], bundle_of(BY_NAME["snp-vlek"])).claim == "signer"


def test_the_time_that_counts_is_the_evidences_own(tmp_path: Path) -> None:
    sample = BY_NAME["tdx"]
    world = accepting(tmp_path, sample)
    quote = bundle_of(sample)
    later = claim(world.convention, "tdx", sample.at.replace(year=2026), quote)
    with pytest.raises(Refused) as caught:
        attestation.verify(later, world.convention, quote)
    assert caught.value.claim == "collateral"
    own = claim(world.convention, "tdx", sample.at, quote)
    with pytest.raises(Refused) as again:
        attestation.verify(own, world.convention, quote, at=sample.at.replace(year=2026))
    assert again.value.claim == "collateral"


# -- mutations through the whole interface ------------------------------------------------------------------------

ROUNDS = 10_000


def test_no_mutated_bundle_proves_anything(tmp_path: Path) -> None:
    """Renamed in the evidence each time, so that the digest does not spare the verifier the work."""
    worlds = {one.name: accepting(tmp_path / one.name, one) for one in ONE_OF_EACH}
    rng = random.Random(7)
    claims: set[str] = set()
    for number, sample in zip(range(ROUNDS), itertools.cycle(ONE_OF_EACH), strict=False):
        data = bytearray(bundle_of(sample))
        for _ in range(1 + number % 3):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        quote = bytes(data)
        said = claim(worlds[sample.name].convention, sample.platform, sample.at, quote)
        try:
            attestation.verify(said, worlds[sample.name].convention, quote)
        except VigieError as error:
            claims.add(error.claim if isinstance(error, Refused) else type(error).__name__)
            assert attestation.proof(said, worlds[sample.name].convention, quote)[0] is None
            continue
        pytest.fail(f"mutation {number} of {sample.name} verified")
    assert {"MalformedEvidence", "BadSignature"} <= claims


def test_a_mutated_quote_does_not_hold_even_where_nothing_is_compared(tmp_path: Path) -> None:
    """The binding alone would refuse all of the above: here the quote inside a bundle is changed and verified without it."""
    rng = random.Random(8)
    for sample in ONE_OF_EACH:
        opened = decode(bundle_of(sample))
        for _ in range(40):
            changed = bytearray(opened.evidence)
            changed[rng.randrange(len(opened.evidence.rstrip(b"\0")))] ^= 1 << rng.randrange(8)
            with pytest.raises(VigieError):
                sample.check(bytes(changed))
