"""AMD's Turin: no public report exists, but the chain of a public chip certificate does."""

from datetime import UTC, datetime

import pytest

from support.attestation import read
from vigie.errors import Refused
from vigie.hardware import Endorsements, certificates, snp

(LEAF,) = certificates.load(read("snp/turin_vcek.der"))


def test_the_chip_certificate_leads_to_the_pinned_root() -> None:
    generation, chain, end = snp.check_certificate(LEAF, Endorsements(), datetime(2025, 1, 1, tzinfo=UTC))
    assert generation == "Turin" and end is None
    assert [one.subject.rfc4514_string().split(",")[0] for one in chain] == ["CN=SEV-Turin", "CN=ARK-Turin"]


@pytest.mark.parametrize("year", [2023, 2032])
def test_it_does_not_outside_its_dates(year: int) -> None:
    with pytest.raises(Refused) as caught:
        snp.check_certificate(LEAF, Endorsements(), datetime(year, 1, 1, tzinfo=UTC))
    assert caught.value.claim == "certificate"
