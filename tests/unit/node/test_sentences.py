"""A reason as an agent reads it: numbers of the language, units, and what is not known said to be unknown."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie_hub.enclave.features.catalogue import BUILT_IN_FEATURES
from vigie_node import sentences
from vigie_node.sentences import number, sentence

THIN, HARD, MINUS = "\u202f", "\u00a0", "\u2212"


def test_a_value_against_what_is_usual() -> None:
    meaning = "dette Urssaf rapportée à la cotisation mensuelle moyenne"
    assert sentence(meaning, 3.2, "ratio", (0.0, 0.4)) == (
        "Dette Urssaf rapportée à la cotisation mensuelle moyenne : 3,2 (habituel dans le secteur : 0 à 0,4)"
    )
    assert sentence("social debt", 3.2, "ratio", (0.0, 0.4), language="en") == (
        "Social debt: 3.2 (usual in the sector: 0 to 0.4)"
    )


@pytest.mark.parametrize(
    ("unit", "value", "french", "english"),
    [
        ("EUR", 12345.6, f"12{THIN}346{HARD}€", f"12,346{HARD}EUR"),
        ("ratio", -0.25, f"{MINUS}0,25", f"{MINUS}0.25"),
        ("share", 0.4, "0,4", "0.4"),
        ("", 7.0, "7", "7"),
        ("%", 12.5, f"12,5{HARD}%", "12.5%"),
        ("days", 1.0, f"1{HARD}jour", f"1{HARD}day"),
        ("days", 1.5, f"1,5{HARD}jour", f"1.5{HARD}days"),
        ("days", 45.0, f"45{HARD}jours", f"45{HARD}days"),
        ("months", 1.0, f"1{HARD}mois", f"1{HARD}month"),
        ("months", 6.0, f"6{HARD}mois", f"6{HARD}months"),
        ("h", 151.67, f"152{HARD}h", f"152{HARD}h"),
        ("persons", 0.0, f"0{HARD}salarié", f"0{HARD}persons"),
        ("persons", 12.0, f"12{HARD}salariés", f"12{HARD}persons"),
        ("establishments", 2.0, f"2{HARD}établissements", f"2{HARD}establishments"),
        ("interquartile ranges", -2.5, f"{MINUS}2,5{HARD}écarts interquartiles", f"{MINUS}2.5{HARD}interquartile ranges"),
        ("0 or 1", 1.0, "oui", "yes"),
        ("0 or 1", 0.0, "non", "no"),
        ("0 or 1", 0.5, "0,5", "0.5"),
        ("section, 1 for A … 21 for U", 6.0, "F", "F"),
        ("section, 1 for A … 21 for U", 22.0, "22", "22"),
        ("tonnes", 3.0, f"3{HARD}tonnes", f"3{HARD}tonnes"),
    ],
)  # fmt: skip
def test_each_unit(unit: str, value: float, french: str, english: str) -> None:
    assert sentence("x", value, unit, (None, None)) == f"X : {french} (habituel dans le secteur : inconnu)"
    assert sentence("x", value, unit, (None, None), language="en") == f"X: {english} (usual in the sector: unknown)"


def test_every_unit_of_the_catalogue_is_known() -> None:
    known = {*sentences._UNITS, *sentences._BARE, *sentences._CODES}
    assert {feature.unit for feature in BUILT_IN_FEATURES} - known == set()


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_what_is_missing_is_unknown_and_never_zero(missing: float | None) -> None:
    assert sentence("x", missing, "EUR", (0.0, 300.0)) == f"X : inconnu (habituel dans le secteur : 0 à 300{HARD}€)"
    for usual in ((missing, 1.0), (1.0, missing), (missing, missing)):
        assert sentence("x", 2.0, "ratio", usual) == "X : 2 (habituel dans le secteur : inconnu)"
        assert sentence("x", 2.0, "ratio", usual, language="en") == "X: 2 (usual in the sector: unknown)"


def test_a_range_that_may_not_be_told_is_withheld_whatever_it_is() -> None:
    for usual in ((0.0, 1.0), (None, None)):
        assert sentence("x", 2.0, "", usual, range_withheld=True).endswith(
            "(habituel dans le secteur : non communiqué)"
        )
        assert sentence("x", 2.0, "", usual, language="en", range_withheld=True).endswith(
            "(usual in the sector: withheld)"
        )


def test_a_range_of_one_value_is_said_once() -> None:
    assert sentence("x", 2.0, "days", (0.0, 0.0)).endswith(f"(habituel dans le secteur : 0{HARD}jour)")
    assert sentence("x", 2.0, "days", (-3.0, 5.0)).endswith(f"(habituel dans le secteur : {MINUS}3 à 5{HARD}jours)")


@pytest.mark.parametrize(
    ("value", "french", "english"),
    [
        (0.0, "0", "0"),
        (-0.0, "0", "0"),
        (0.001, "0,001", "0.001"),
        (0.0009, f"<{HARD}0,001", f"<{HARD}0.001"),
        (-1e-300, f">{HARD}{MINUS}0,001", f">{HARD}{MINUS}0.001"),
        (0.12345, "0,123", "0.123"),
        (9.996, "10", "10"),
        (999.6, f"1{THIN}000", "1,000"),
        (100.0, "100", "100"),
        (1234567.0, f"1{THIN}234{THIN}567", "1,234,567"),
        (-1234567.0, f"{MINUS}1{THIN}234{THIN}567", f"{MINUS}1,234,567"),
        (1.5e18, f"1,5{HARD}×{HARD}10^18", f"1.5{HARD}×{HARD}10^18"),
        (1.7976931348623157e308, f"1,8{HARD}×{HARD}10^308", f"1.8{HARD}×{HARD}10^308"),
    ],
)
def test_numbers(value: float, french: str, english: str) -> None:
    assert number(value) == french
    assert number(value, "en") == english


@given(
    st.floats(
        allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15, exclude_min=True, exclude_max=True
    )
)
def test_a_number_is_read_back_to_three_digits(value: float) -> None:
    said = number(value)
    if said.startswith(("<", ">")):
        assert 0 < abs(value) < 0.001
        return
    read = float(said.replace(THIN, "").replace(MINUS, "-").replace(",", "."))
    assert read == pytest.approx(value, rel=0.0051)
