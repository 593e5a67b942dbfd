"""Mutated evidence: nothing of it verifies, and nothing but our own errors comes out of the verifier."""

import json
import random
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from support.attestation import Sample, samples
from vigie.errors import Refused, VigieError
from vigie.hardware import Endorsements, certificates

PER_SAMPLE = 260
SAMPLES = samples()
assert PER_SAMPLE * len(SAMPLES) >= 10_000


def mutations(data: bytes, seed: str, count: int) -> Iterator[bytes]:
    """Flipped bits and bytes, cut, doubled, zeroed, filled and exchanged ranges; never the data itself.

    Zero bytes that a quote's buffer had left at the end are no part of it: a mutation changes what stands before them.
    """
    rng = random.Random(seed)
    content = len(data.rstrip(b"\0"))
    yielded = 0
    while yielded < count:
        kind = rng.randrange(10)
        at = rng.randrange(content)
        size = min(rng.choice((1, 2, 4, 8, 32, 48, 64, 200)), content - at)
        mutated = bytearray(data)
        if kind < 4:
            mutated[at] ^= 1 << rng.randrange(8)
        elif kind < 6:
            mutated[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 6:
            mutated[at : at + size] = rng.choice((b"\0", b"\xff")) * size
        elif kind == 7:
            del mutated[at : rng.choice((at + size, len(mutated)))]
        elif kind == 8:
            mutated[at:at] = rng.choice((mutated[at : at + size], rng.randbytes(size)))
        else:
            other = rng.randrange(content - size + 1)
            mutated[at : at + size], mutated[other : other + size] = (
                data[other : other + size],
                data[at : at + size],
            )
        if mutated.rstrip(b"\0") != data.rstrip(b"\0"):
            yielded += 1
            yield bytes(mutated)


def verdict(sample: Sample, evidence: bytes) -> str:
    try:
        sample.check(evidence)
    except VigieError as error:
        return error.claim if isinstance(error, Refused) else type(error).__name__
    return "verified"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_no_mutation_verifies(sample: Sample) -> None:
    assert verdict(sample, sample.evidence) == (sample.refused or "verified")
    found = [(verdict(sample, one), one) for one in mutations(sample.evidence, sample.name, PER_SAMPLE)]
    assert [one.hex() for state, one in found if state == "verified"] == []


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_nothing_that_is_no_evidence_verifies(sample: Sample) -> None:
    for junk in (b"", b"\0", bytes(1184), bytes(65_536), b"\xff" * 5000, b"\x9f" * 5000, b"\xd8\x1c" * 3000, b"{}"):
        assert verdict(sample, junk) != "verified"


@pytest.mark.parametrize("name", ["snp-vcek", "snp-vlek", "azure-snp_evidence-genoa"])
def test_no_mutated_chip_certificate_endorses(name: str) -> None:
    sample = next(one for one in SAMPLES if one.name == name)
    (leaf,) = (certificates.load(one)[0] for one in sample.endorsements.certificates)
    der = leaf.public_bytes(Encoding.DER)
    sound = _with(sample, Endorsements((der,)))
    assert verdict(sound, sample.evidence) == "verified"
    for mutated in mutations(der, name, 200):
        assert verdict(_with(sample, Endorsements((mutated,))), sample.evidence) != "verified"


@pytest.mark.parametrize("name", ["tdx", "tdx-v5", "sgx"])
@pytest.mark.parametrize(
    "field",
    ["tcb_info", "qe_identity", "tcb_info_signature", "qe_identity_signature", "root_ca_crl", "pck_crl"],
)
def test_no_mutated_collateral_endorses(name: str, field: str) -> None:
    sample = next(one for one in SAMPLES if one.name == name)
    stated = json.loads(sample.endorsements.collateral)
    is_text = field in {"tcb_info", "qe_identity"}
    original = stated[field].encode() if is_text else bytes.fromhex(stated[field])
    for mutated in mutations(original, name + field, 30):
        value = mutated.decode("latin-1") if is_text else mutated.hex()
        collateral = json.dumps({**stated, field: value}).encode()
        assert verdict(_with(sample, Endorsements(collateral=collateral)), sample.evidence) != "verified"


@pytest.mark.parametrize("name", ["tdx", "sgx"])
def test_collateral_that_is_no_collateral_is_refused(name: str) -> None:
    sample = next(one for one in SAMPLES if one.name == name)
    stated = json.loads(sample.endorsements.collateral)
    # One field is read by nobody: the list of the PCK authority is checked with the chain inside the quote.
    read = set(stated) - {"pck_crl_issuer_chain"}
    bad = [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 5000, b" " * (1 << 21), b'{"tcb_info": 1}']
    bad += [
        json.dumps({**stated, field: value}).encode() for field in read for value in ("", "00", 7, None, "[]", "{}")
    ]
    bad += [json.dumps({key: value for key, value in stated.items() if key != field}).encode() for field in stated]
    for collateral in bad:
        assert verdict(_with(sample, Endorsements(collateral=collateral)), sample.evidence) != "verified"


def _with(sample: Sample, endorsements: Endorsements) -> Sample:
    return Sample(sample.name, sample.platform, sample.evidence, sample.at, endorsements, sample.policy)
