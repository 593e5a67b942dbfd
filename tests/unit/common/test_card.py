from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from vigie.card import Card, check_certificate, parse_card
from vigie.errors import Malformed
from vigie.keyring import Keyring

NOW = datetime(2026, 3, 20, 9, 30, tzinfo=UTC)
CARD = Keyring.create("acoss", 'ACOSS "la caisse" é', ["partner", "custodian"], "demo", now=NOW).card()
HUB = Keyring.create("hub", "Banque de France", ["hub"], "demo", now=NOW).card()


@pytest.mark.parametrize("card", [CARD, HUB])
def test_what_is_written_is_read(card: Card) -> None:
    assert parse_card(card.text()) == card
    assert parse_card(card.text()).fingerprint == card.fingerprint


def test_the_fingerprint_is_for_reading_aloud_and_changes_with_every_field() -> None:
    assert CARD.fingerprint.replace(" ", "") == CARD.digest.hex()
    assert len(CARD.fingerprint.split()) == 16
    assert CARD.fingerprint[:39] in CARD.text()
    assert parse_card(CARD.text().replace("la caisse", "la casse")).fingerprint != CARD.fingerprint
    assert parse_card(CARD.text().replace('"custodian"', '"witness"')).fingerprint != CARD.fingerprint


def lines_of(card: Card) -> dict[str, str]:
    return {line.split(" = ")[0]: line for line in card.text().splitlines() if " = " in line}


def test_wrong_cards_are_refused() -> None:
    text, lines = CARD.text(), lines_of(CARD)
    other = lines_of(HUB)
    wrong = [
        "", "name = ", text + "\nmore = 1\n", "surname = 'x'\n" + text,
        *(text.replace(lines[key] + "\n", "") for key in ("name", "organisation", "convention", "roles", "certificate")),
        text.replace('name = "acoss"', 'name = "travail"'),
        text.replace('name = "acoss"', "name = 3"),
        text.replace('convention = "demo"', 'convention = "Not a name"'),
        text.replace('roles = ["partner", "custodian"]', 'roles = "partner"'),
        text.replace('roles = ["partner", "custodian"]', 'roles = ["king"]'),
        text.replace(lines["signing"], lines["witness"].replace("witness =", "signing =")),
        text.replace(lines["signing"], lines["signing"][:-3] + 'A"'),
        text.replace(lines["signing"], other["host"].replace("host =", "signing =")),
        text.replace(lines["sealing"], 'sealing = "AAAA"'),
        text.replace(lines["sealing"], lines["sealing"][:-1] + '="'),
        text.replace(lines["certificate"], other["certificate"]),
        text.replace(lines["certificate"], 'certificate = "AAAA"'),
        text.replace(lines['"1"'], '"1" = "00"'),
        text.replace(lines['"1"'], lines['"1"'].upper()),
        text.replace(lines['"1"'], lines['"1"'].replace('"1"', '"0"')),
        text.replace("[oprf]\n" + lines['"1"'], "oprf = 1"),
        HUB.text().replace(other["log"], 'log = "AAAA"'),
        HUB.text().replace(other["log"], f'log = "{"A" * 43}="'),
    ]  # fmt: skip
    for at, card in enumerate(wrong):
        assert card not in (text, HUB.text()), at
        with pytest.raises(Malformed):
            parse_card(card)


@given(st.text(max_size=200))
def test_any_text_is_our_error(text: str) -> None:
    with pytest.raises(Malformed):
        parse_card(text)


wrong_values = st.sampled_from(["1", '"\\u0001"', "[]", "[1]", "true", "1.5", "2026-01-01", "{a = 1}"])


@given(st.sampled_from(sorted(CARD.as_dict())), wrong_values)
def test_any_value_of_another_type_is_our_error(key: str, value: str) -> None:
    kept = "\n".join(line for name, line in lines_of(CARD).items() if name not in (key, '"1"'))
    with pytest.raises(Malformed):
        parse_card(f"{kept}\n{key} = {value}\n")


def certificate(*, ca: bool, sign: bool, name: str) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, NOW, datetime(2028, 1, 1, tzinfo=UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.KeyUsage(True, False, False, False, False, sign, False, False, False), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.DER)


def test_a_certificate_that_may_sign_others_or_has_another_name_is_refused() -> None:
    check_certificate(certificate(ca=False, sign=False, name="acoss.vigie"), "acoss")
    for ca, sign, name in ((True, True, "acoss.vigie"), (False, True, "acoss.vigie"), (False, False, "hub.vigie")):
        with pytest.raises(Malformed):
            check_certificate(certificate(ca=ca, sign=sign, name=name), "acoss")
