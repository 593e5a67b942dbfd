"""The codec of quote bundles: one form of bytes for one content, and nothing but our own error for anything else."""

import random

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.attestation import samples
from support.quotes import bundle_of
from vigie.errors import MalformedEvidence
from vigie.hardware import PLATFORMS, Endorsements
from vigie.hardware.bundle import MAGIC, MOST_BYTES, QuoteBundle, decode, digest_of

GOOD = {"platform": "sev-snp", "evidence": b"e", "certificates": [b"c"], "revocation_lists": [], "collateral": b""}


def packed(**changes: object) -> bytes:
    return MAGIC + cbor2.dumps({**GOOD, **changes}, canonical=True)


@given(
    st.sampled_from(PLATFORMS),
    st.binary(min_size=1, max_size=300),
    st.lists(st.binary(max_size=40), max_size=16),
    st.lists(st.binary(max_size=40), max_size=16),
    st.binary(max_size=300),
)
def test_what_is_written_is_read(
    platform: str, evidence: bytes, certificates: list[bytes], lists: list[bytes], collateral: bytes
) -> None:
    made = QuoteBundle(platform, evidence, Endorsements(tuple(certificates), tuple(lists), collateral))
    assert decode(made.encode()) == made
    assert decode(made.encode()).encode() == made.encode()


@given(st.binary(max_size=400), st.booleans())
def test_anything_else_is_refused_by_our_own_error(data: bytes, begins: bool) -> None:
    whole = MAGIC + data if begins else data
    try:
        found = decode(whole)
    except MalformedEvidence:
        return
    assert found.encode() == whole


def test_no_changed_byte_goes_unseen() -> None:
    """Every change makes another digest; what still reads is another bundle, never the same in another form."""
    rng = random.Random(1)
    for sample in samples():
        data = bundle_of(sample)
        before = decode(data)
        for _ in range(60):
            changed = bytearray(data)
            changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            assert digest_of(bytes(changed)) != digest_of(data)
            try:
                assert decode(bytes(changed)) != before
            except MalformedEvidence:
                continue


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC,
        b"vigie/quote/v2\n" + packed()[len(MAGIC) :],
        packed() + b"\0",
        packed(more=1),
        packed(platform=""),
        packed(platform="x" * 33),
        packed(platform=7),
        packed(evidence=b""),
        packed(evidence="text"),
        packed(evidence=bytes(65_537)),
        packed(certificates=b"c"),
        packed(certificates=[1]),
        packed(certificates=[b""] * 17),
        packed(revocation_lists={}),
        packed(collateral=None),
        packed(collateral=bytes(MOST_BYTES)),
        MAGIC + cbor2.dumps({key: GOOD[key] for key in GOOD if key != "collateral"}, canonical=True),
        MAGIC + cbor2.dumps(dict(reversed(GOOD.items()))),
        MAGIC + b"\x9f" * 3000,
        MAGIC + b"\xd8\x1c" * 3000,
    ],
    ids=lambda data: data[:24].hex(),
)
def test_a_bundle_has_one_form(data: bytes) -> None:
    assert decode(packed()) == QuoteBundle("sev-snp", b"e", Endorsements((b"c",)))
    with pytest.raises(MalformedEvidence):
        decode(data)


def test_a_host_cannot_endorse_a_key() -> None:
    with pytest.raises(MalformedEvidence, match="only a convention endorses"):
        QuoteBundle("tpm", b"e", Endorsements(keys=(b"k",))).encode()


@pytest.mark.parametrize("sample", samples(), ids=lambda one: one.name)
def test_every_real_sample_fits_a_bundle(sample: object) -> None:
    data = bundle_of(sample)  # type: ignore[arg-type]
    assert len(data) < MOST_BYTES and decode(data).encode() == data
