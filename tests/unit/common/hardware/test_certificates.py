"""Chains up to a pinned root, at the evidence's own time, with revocation."""

from datetime import timedelta

import pytest

from support.maker import AT, END, START, Holder, certify, revocation_list
from vigie.errors import BadSignature, MalformedEvidence, Refused
from vigie.hardware import certificates

ROOT = certify("root", authority=True)
AUTHORITY = certify("authority", ROOT, authority=True, serial=8)
LEAF = certify("leaf", AUTHORITY, serial=9)
DAY = timedelta(days=1)


def check(*holders: Holder, root: Holder = ROOT, lists: tuple[bytes, ...] = (), days: int = 0) -> object:
    loaded = [certificates.load_revocation_list(one) for one in lists]
    chain = [one.certificate for one in holders]
    return certificates.check_chain(chain, root.certificate, AT + days * DAY, loaded)


def claim(*holders: Holder, root: Holder = ROOT, lists: tuple[bytes, ...] = (), days: int = 0) -> str:
    with pytest.raises(Refused) as caught:
        check(*holders, root=root, lists=lists, days=days)
    assert caught.value.expected and caught.value.found
    return caught.value.claim


def test_a_chain_holds_between_its_dates() -> None:
    for days in (-365, 0, 365):
        assert check(LEAF, AUTHORITY, ROOT, days=days) is None
    assert claim(LEAF, AUTHORITY, ROOT, days=-366) == "certificate"
    assert claim(LEAF, AUTHORITY, ROOT, days=366) == "certificate"


def test_every_certificate_has_its_own_dates() -> None:
    for start, end in ((AT + DAY, END), (START, AT - DAY)):
        other = certify("authority", ROOT, authority=True, start=start, end=end)
        assert claim(certify("leaf", other), other, ROOT) == "certificate"


def test_the_root_is_the_pinned_one_byte_for_byte() -> None:
    twin = certify("root", authority=True)
    other = certify("authority", twin, authority=True)
    leaf = certify("leaf", other)
    assert check(leaf, other, twin, root=twin) is None
    assert claim(leaf, other, twin) == "root"
    assert claim() == "root"
    with pytest.raises(BadSignature, match="not signed by"):
        check(leaf, other, ROOT)


def test_a_certificate_must_be_issued_by_the_next_and_the_next_may_issue() -> None:
    with pytest.raises(BadSignature):
        check(LEAF, ROOT)
    child = certify("child", LEAF)
    assert claim(child, LEAF, AUTHORITY, ROOT) == "authority"


def test_a_list_counts_at_its_time_and_names_the_revoked() -> None:
    clean = revocation_list(AUTHORITY, (77,), end=AT + 3 * DAY)
    roots = revocation_list(ROOT, end=AT + 2 * DAY)
    assert check(LEAF, AUTHORITY, ROOT, lists=(clean,)) == AT + 3 * DAY
    assert check(LEAF, AUTHORITY, ROOT, lists=(clean, roots)) == AT + 2 * DAY
    assert claim(LEAF, AUTHORITY, ROOT, lists=(clean,), days=4) == "revocation list"
    assert claim(LEAF, AUTHORITY, ROOT, lists=(revocation_list(AUTHORITY, start=AT + DAY),)) == "revocation list"
    assert claim(LEAF, AUTHORITY, ROOT, lists=(revocation_list(AUTHORITY, (9,)),)) == "revocation"
    assert claim(LEAF, AUTHORITY, ROOT, lists=(clean, revocation_list(ROOT, (8,)))) == "revocation"


def test_a_list_of_another_issuer_says_nothing_and_a_forged_one_is_refused() -> None:
    stranger = certify("stranger", authority=True)
    assert check(LEAF, AUTHORITY, ROOT, lists=(revocation_list(stranger, (8, 9)),)) is None
    with pytest.raises(BadSignature, match="revocation list of"):
        check(LEAF, AUTHORITY, ROOT, lists=(revocation_list(AUTHORITY, signer=stranger),))


def test_what_is_no_certificate_is_named() -> None:
    assert certificates.load(LEAF.der) == (LEAF.certificate,)
    for broken in (
        b"",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        LEAF.der[:-1],
        LEAF.der + b"\0",
    ):
        with pytest.raises(MalformedEvidence, match="no certificate"):
            certificates.load(broken)
    for broken in (b"", LEAF.der, revocation_list(ROOT)[:-1]):
        with pytest.raises(MalformedEvidence, match="no revocation list"):
            certificates.load_revocation_list(broken)


def test_the_dates_of_the_tests_are_years() -> None:
    assert timedelta(days=730) == END - START
