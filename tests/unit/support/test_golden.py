"""The comparison with golden outputs must itself find what differs, and what is listed and does not."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from support.golden import ABSENT, ROW, Difference, assert_same, differences, text_of

THEIRS = [{"siret": "1", "numero_ecart": "a"}, {"siret": "2", "numero_ecart": "b"}]
OURS = [{"siret": "1", "numéro_écart": "a"}, {"siret": "2", "numéro_écart": "b"}]


def test_accents_and_further_columns_of_ours_do_not_count() -> None:
    assert_same(THEIRS, [row | {"more": "x"} for row in OURS])


def test_a_cell_that_differs_fails_unless_it_is_listed() -> None:
    ours = [OURS[0], {"siret": "2", "numéro_écart": "c"}]
    with pytest.raises(AssertionError, match="not listed"):
        assert_same(THEIRS, ours)
    assert_same(THEIRS, ours, listed=[Difference(1, "numero_ecart", "b", "c", "it is c in the file")])


def test_a_listed_difference_that_is_none_fails() -> None:
    with pytest.raises(AssertionError, match="no difference"):
        assert_same(THEIRS, OURS, listed=[Difference(1, "numero_ecart", "b", "c", "it is c in the file")])


def test_a_difference_without_a_reason_fails() -> None:
    with pytest.raises(AssertionError, match="reason"):
        assert_same(THEIRS, OURS[:1], listed=[Difference(1, "", ROW, "", "")])


def test_a_row_that_one_side_lacks_is_a_difference() -> None:
    assert differences(THEIRS, OURS[:1]) == {(1, "", ROW, "")}
    assert differences(THEIRS[:1], OURS) == {(1, "", "", ROW)}
    assert_same(THEIRS, OURS[1:], listed=[Difference(0, "", ROW, "", "it is rejected")])
    assert_same(THEIRS[1:], OURS, listed=[Difference(0, "", "", ROW, "it is sound")])
    with pytest.raises(AssertionError):
        assert_same(THEIRS, OURS, listed=[Difference(0, "", ROW, "", "it is rejected")])


def test_a_column_that_we_lack_is_a_difference() -> None:
    assert differences(THEIRS[:1], [{"siret": "1"}]) == {(0, "numero_ecart", "a", ABSENT)}


def test_names_and_cells_are_compared_as_far_as_they_are_shown() -> None:
    assert_same([{"numero_hist": "12345"}], [{"numéro_historique": "1234567"}], cut=11, listed=[
        Difference(0, "numero_hist", "12345", "1234567", "cells are cut at eleven"),
    ])  # fmt: skip
    assert_same([{"numer": "12345"}], [{"numéro": "1234567"}], cut=5)


def test_nothing_to_compare_with_is_no_success() -> None:
    with pytest.raises(AssertionError, match="nothing"):
        assert_same([], [])


@pytest.mark.parametrize(
    "value, text",
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        (Decimal("0.0000"), "0"),
        (Decimal("100.0000"), "100"),
        (Decimal("-0.0300"), "-0.03"),
        (1e21, "1000000000000000000000"),
        (88.5, "88.5"),
        (559.0, "559"),
        (date(2018, 1, 30), "2018-01-30"),
        (datetime.fromisoformat("2018-01-30"), "2018-01-30"),
        ("2018-01-30T00:00:00Z", "2018-01-30"),
    ],
)
def test_values_are_written_as_the_real_system_writes_them(value: object, text: str) -> None:
    assert text_of(value) == text
