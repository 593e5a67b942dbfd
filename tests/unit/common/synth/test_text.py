"""Columns of text say the numbers and days that they were made of, in each of the partners' forms."""

import csv
import io
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from support import extract_rules as rules
from vigie.synth import text

EPOCH = date(1970, 1, 1)
CENTS = st.lists(st.integers(-(10**14), 10**14), min_size=1, max_size=20)
DAYS = st.lists(st.dates(date(1900, 1, 1), date(2200, 12, 31)), min_size=1, max_size=20)
MONTHS = st.lists(st.tuples(st.integers(1950, 2049), st.integers(1, 12)), min_size=1, max_size=20)


def numbers(values: list[int]) -> text.Ints:
    return np.array(values, np.int64)


def days(values: list[date]) -> text.Ints:
    return numbers([(value - EPOCH).days for value in values])


@given(CENTS, st.integers(0, 3))
def test_numbers_are_exact_in_every_form(values: list[int], places: int) -> None:
    exact = [Decimal(value).scaleb(-places) for value in values]
    assert [Decimal(cell) for cell in text.decimal(numbers(values), places).to_pylist()] == exact
    assert [Decimal(cell.replace(",", ".")) for cell in text.comma(numbers(values), places).to_pylist()] == exact
    if places:
        shortest = text.shortest(numbers(values), places).to_pylist()
        assert [Decimal(cell) for cell in shortest] == exact
        assert all(cell[-1] != "0" or cell[-2] == "." for cell in shortest)


@given(CENTS)
def test_euros_are_whole_or_have_two_places_after_a_comma(values: list[int]) -> None:
    cells = text.euros(numbers(values)).to_pylist()
    assert [rules.euros(cell) * 100 for cell in cells] == values
    assert all(
        (("," in cell) is (value % 100 != 0)) and "." not in cell for cell, value in zip(cells, values, strict=True)
    )


@given(DAYS)
def test_days_are_read_back_from_every_form(values: list[date]) -> None:
    made = days(values)
    assert [rules.aammjj(cell) for cell in text.aammjj(made).to_pylist()] == values
    assert [rules.french(cell) for cell in text.french(made).to_pylist()] == values
    assert [rules.upper(cell) for cell in text.upper(made).to_pylist()] == values
    assert [date.fromisoformat(cell) for cell in text.iso(made).to_pylist()] == values
    assert [date.fromisoformat(cell) for cell in text.compact(made).to_pylist()] == values
    assert all(
        len(cell) == (6 if day.year < 2000 else 7)
        for cell, day in zip(text.aammjj(made).to_pylist(), values, strict=True)
    )


@given(MONTHS)
def test_periods_are_read_back_in_both_lengths(values: list[tuple[int, int]]) -> None:
    months = numbers([year * 12 + month - 1 for year, month in values])
    for short in (False, True):
        cells = text.period(months, short=short).to_pylist()
        assert [rules.months_of(cell) for cell in cells] == [[value] for value in values]
        assert {len(cell) for cell in cells} == {4 if short else 6}


def test_known_periods_of_the_urssaf() -> None:
    months = numbers([2017 * 12 + 1, 2016 * 12 + 6, 2010 * 12 + 6])
    assert text.period(months).to_pylist() == ["201712", "201631", "201031"]
    assert text.period(months[2:], short=True).to_pylist() == ["1031"]
    assert text.period(numbers([2021 * 12 + 3]), quarter=np.array([True])).to_pylist() == ["202120"]
    # A century that two digits cannot tell is written whole.
    assert text.period(numbers([2050 * 12]), short=True).to_pylist() == ["205011"]


@given(st.lists(st.tuples(st.text("abcé 0,;", max_size=5), st.integers()), min_size=1, max_size=10))
def test_lines_are_read_back_by_a_csv_reader(rows: list[tuple[str, int]]) -> None:
    columns = [pa.array([cell for cell, _ in rows]), pa.array([str(number) for _, number in rows]), "same"]
    made = text.lines(columns, ";", newline="\r\n", quoted=True).decode()
    read = list(csv.reader(io.StringIO(made, newline=""), delimiter=";"))
    assert read == [[cell, str(number), "same"] for cell, number in rows]
    assert made.count("\r\n") == len(rows)


def test_lines_of_a_slice_are_those_of_the_slice() -> None:
    column = pa.array(["a", "b", "c", "d"]).slice(1, 2)
    assert text.lines([column, "x"], ";") == b"b;x\nc;x\n"
    assert text.lines([pa.array([], pa.string()), "x"], ";") == b""
