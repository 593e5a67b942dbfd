"""The grammars of cells, each against a plain twin in Python (reference section 1.1)."""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.readings import cell_value
from vigie_node.extracts import cells
from vigie_node.extracts.cells import Cell


@pytest.mark.parametrize(
    ("code", "start", "stop"),
    [
        ("201712", date(2017, 2, 1), date(2017, 3, 1)),  # February, not December
        ("201631", date(2016, 7, 1), date(2016, 8, 1)),
        ("1031", date(2010, 7, 1), date(2010, 8, 1)),
        ("9910", date(1999, 1, 1), date(1999, 4, 1)),
        ("4910", date(2049, 1, 1), date(2049, 4, 1)),
        ("5010", date(1950, 1, 1), date(1950, 4, 1)),
        ("201762", date(2017, 1, 1), date(2018, 1, 1)),
        ("0962", date(2009, 1, 1), date(2010, 1, 1)),
        ("201740", date(2017, 10, 1), date(2018, 1, 1)),
        ("201743", date(2017, 12, 1), date(2018, 1, 1)),
    ],
)
def test_urssaf_period_codes_are_quarters_and_their_months(code: str, start: date, stop: date) -> None:
    assert cell_value(cells.URSSAF_PERIOD, code) == {"start": start, "stop": stop, "regular": True}


def test_an_irregular_period_is_counted_on_as_the_real_system_does_and_marked() -> None:
    assert cell_value(cells.URSSAF_PERIOD, "199904") == {
        "start": date(1999, 1, 1), "stop": date(1999, 2, 1), "regular": False
    }  # fmt: skip


@pytest.mark.parametrize("code", ["", "2017", "20171", "2017123", "201799", "201700", "20171a", "301712", "201753"])
def test_what_is_no_period_is_refused(code: str) -> None:
    found = cell_value(cells.URSSAF_PERIOD, code)
    assert found is None or code == "2017"  # YYQM of 2020: quarter 1 month 7


@pytest.mark.parametrize(
    ("cell", "text", "expected"),
    [
        (cells.URSSAF_DATE, "1160318", date(2016, 3, 18)),
        (cells.URSSAF_DATE, "990612", date(1999, 6, 12)),
        (cells.URSSAF_DATE, "1160230", None),
        (cells.URSSAF_DATE, "11603", None),
        (cells.NAMED_DATE, "26MAY2014", date(2014, 5, 26)),
        (cells.NAMED_DATE, "31DÉC2014", date(2014, 12, 31)),
        (cells.NAMED_DATE, "31déc.2014", date(2014, 12, 31)),
        (cells.NAMED_DATE, "01janv2013", date(2013, 1, 1)),
        (cells.NAMED_DATE, "30FEB2014", None),
        (cells.NAMED_DATE, "26MAYO2014", None),
        (cells.FRENCH_DATE, "01/02/2003", date(2003, 2, 1)),
        (cells.FRENCH_DATE, "31/02/2003", None),
        (cells.FRENCH_DATE, "2003-02-01", None),
        (cells.ISO_DATE, "2004-12-01", date(2004, 12, 1)),
        (cells.ISO_DATE, "2004-12-01 00:00:00", None),
        (cells.ISO_DATE_OR_TIME, "2004-12-01 00:00:00", date(2004, 12, 1)),
        (cells.COMPACT_DATE, "20150708", date(2015, 7, 8)),
        (cells.COMPACT_DATE, "20151308", None),
        (cells.CENTIMES, "195907", Decimal("1959.07")),
        (cells.CENTIMES, "-5", Decimal("-0.05")),
        (cells.CENTIMES, "1.5", None),
        (cells.MONEY, "-68231", Decimal(-68231)),
        (cells.MONEY, "12,5", Decimal("12.5")),
        (cells.MONEY, "1 234", None),
        (cells.NUMBER, "1e5", 1e5),
        (cells.NUMBER, "nan", None),
        (cells.NUMBER, "inf", None),
        (cells.NUMBER, ",5", 0.5),
        (cells.NATURAL, "1 234", 1234),
        (cells.NATURAL, "089", 89),
        (cells.NATURAL, "0", 0),
        (cells.NATURAL, "1.5", None),
        (cells.NATURAL, "-5", None),
        (cells.SIREN, "012345678", "012345678"),
        (cells.SIREN, "12345678", None),
        (cells.LOOSE_SIREN, "000 111 222", "000111222"),
        (cells.LOOSE_SIREN, "111222", "000111222"),
        (cells.SIRET, "1234567890123A", None),
        (cells.FLAG, "2", None),
        (cells.TRUTH, "True", True),
    ],
)
def test_each_form_is_read_as_it_is_meant(cell: Cell, text: str, expected: object) -> None:
    assert cell_value(cell, text) == expected


def _date(pattern: str, order: Callable[[re.Match[str]], tuple[int, int, int]]) -> Callable[[str], object]:
    def twin(text: str) -> object:
        match = re.fullmatch(pattern, text, re.ASCII)
        try:
            return date(*order(match)) if match else None
        except ValueError:
            return None

    return twin


def _urssaf_date(text: str) -> object:
    if not re.fullmatch(r"[0-9]{6,7}", text):
        return None
    number = int(text) + 19_000_000
    try:
        return date(number // 10000, number // 100 % 100, number % 100)
    except ValueError:
        return None


TWINS: list[tuple[Cell, Callable[[str], object], st.SearchStrategy[str]]] = [
    (cells.URSSAF_DATE, _urssaf_date, st.from_regex(r"[01]?[0-9]{6}", fullmatch=True)),
    (
        cells.FRENCH_DATE,
        _date(r"(\d\d)/(\d\d)/(\d{4})", lambda m: (int(m[3]), int(m[2]), int(m[1]))),
        st.from_regex(r"[0-3][0-9]/[01][0-9]/[12][0-9]{3}", fullmatch=True),
    ),
    (
        cells.COMPACT_DATE,
        _date(r"(\d{4})(\d\d)(\d\d)", lambda m: (int(m[1]), int(m[2]), int(m[3]))),
        st.from_regex(r"[12][0-9]{3}[01][0-9][0-3][0-9]", fullmatch=True),
    ),
    (
        cells.INTEGER,
        lambda text: int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None,
        st.from_regex(r"-?[0-9]{1,18}", fullmatch=True),
    ),
    (
        cells.CENTIMES,
        lambda text: Decimal(int(text)).scaleb(-2) if re.fullmatch(r"-?[0-9]{1,15}", text) else None,
        st.from_regex(r"-?[0-9]{1,15}", fullmatch=True),
    ),
]


@pytest.mark.parametrize("at", range(len(TWINS)), ids=[cell.name for cell, _, _ in TWINS])
def test_a_grammar_agrees_with_its_twin_on_any_text(at: int) -> None:
    cell, twin, likely = TWINS[at]

    @settings(max_examples=80, deadline=None)
    @given(st.one_of(likely, st.text(max_size=10)))
    def holds(text: str) -> None:
        assert cell_value(cell, text.replace("\x00", "")) == twin(text.replace("\x00", ""))

    holds()
