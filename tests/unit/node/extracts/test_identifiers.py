"""Odd identifiers are counted and kept (reference section 1.1: Luhn, pseudo-SIRET, provisional SIRET)."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie_node.extracts.identifiers import (
    DELIVERED_SIRET,
    LA_POSTE,
    fails_check_digit,
    provisional_siret,
    siren_warnings,
    siret_warnings,
)
from vigie_node.extracts.kind import Check


def broken(checks: tuple[Check, ...], column: str, value: str) -> set[str]:
    """The rules that a value breaks."""
    columns = ", ".join(f"coalesce({check.sql}, false)" for check in checks)
    (found,) = duckdb.execute(f"SELECT {columns} FROM (SELECT CAST(? AS VARCHAR) AS {column})", [value]).fetchall()
    return {check.rule for check, yes in zip(checks, found, strict=True) if yes}


def luhn(text: str) -> bool:
    total = 0
    for place, letter in enumerate(reversed(text)):
        digit = int(letter) * (1 + place % 2)
        total += digit // 10 + digit % 10
    return total % 10 == 0


@given(st.from_regex(r"[0-9]{9}|[0-9]{14}", fullmatch=True))
def test_the_check_digit_is_luhns(text: str) -> None:
    ((fails,),) = duckdb.execute(f"SELECT {fails_check_digit('$1', len(text))}", [text]).fetchall()
    assert fails is not luhn(text)


def test_a_sound_siren_breaks_nothing() -> None:
    assert broken(siren_warnings(), "siren", "732829320") == set()
    assert broken(siret_warnings(), "siret", "73282932000074") == set()


def test_a_mistyped_one_is_told() -> None:
    assert broken(siren_warnings(), "siren", "732829321") == {"siren_check_digit"}
    assert broken(siret_warnings(), "siret", "73282932000075") == {"siret_check_digit"}


def test_nine_zeros_pass_the_check_digit_and_are_told_all_the_same() -> None:
    assert broken(siren_warnings(), "siren", "000000000") == {"identifier_of_zeros"}
    assert broken(siret_warnings(), "siret", "00000000000000") == {"identifier_of_zeros"}


@pytest.mark.parametrize(
    "siret, odd",
    [
        ("35600000000048", False),  # its head office follows Luhn by chance and has the digits 26
        ("35600000049837", False),  # 3+5+6+4+9+8+3+7 = 45
        ("35600000049838", True),
    ],
)
def test_la_poste_has_a_rule_of_its_own(siret: str, odd: bool) -> None:
    assert siret.startswith(LA_POSTE)
    follows = sum(map(int, siret)) % 5 == 0 or luhn(siret)
    assert follows is not odd
    assert ("siret_check_digit" in broken(siret_warnings(), "siret", siret)) is odd


@pytest.mark.parametrize("tenth", "0123456789")
def test_the_tenth_digit_tells_a_pseudo_siret(tenth: str) -> None:
    assert ("pseudo_siret" in broken(siret_warnings(), "siret", f"732829320{tenth}0007")) is (tenth in "5679")


@pytest.mark.parametrize(
    "text, kept, skipped",
    [
        ("73282932000074", True, False),
        ("73282932A00074", True, True),
        ("UR117P00000001", True, True),
        ("7328293200007", False, True),
        ("73282932a00074", False, True),
        ("73282932 00074", False, True),
    ],
)
def test_letters_make_a_siret_provisional_and_skip_its_row(text: str, kept: bool, skipped: bool) -> None:
    ((value,),) = duckdb.execute(f"SELECT {DELIVERED_SIRET.parse('$1')}", [text]).fetchall()
    assert (value == text) is kept
    assert bool(broken((provisional_siret(),), "siret", value or "")) is skipped
