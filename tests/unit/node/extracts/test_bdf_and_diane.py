"""The traps of bdf and diane, as sections 1.10 and 1.11 of the reference name them."""

import re
from collections.abc import Callable
from datetime import date

import pytest

from support.account_files import (
    BDF_HEADER,
    bdf,
    diane_columns,
    diane_file,
    diane_text,
    rows,
)
from support.golden import sample
from support.readings import odd, rejections
from vigie.errors import ExtractError
from vigie_node.extracts.bdf import BDF
from vigie_node.extracts.cells import TEXT
from vigie_node.extracts.diane import DIANE
from vigie_node.extracts.kind import Field
from vigie_node.extracts.reading import Reading


@pytest.mark.parametrize(
    ("written", "siren"),
    [
        ("000 111 222", "000111222"),
        ("111222", "000111222"),
        ("111 222", "000111222"),
        ("552\u00a0100\u202f554", "552100554"),
    ],
)
def test_a_siren_with_spaces_or_lost_zeros_is_mended(
    reading: Callable[..., Reading], written: str, siren: str
) -> None:  # sections 1.1 and 1.10
    assert rows(reading(BDF, BDF_HEADER + bdf(siren=written)), "siren") == [(siren,)]


@pytest.mark.parametrize("written", ["1234567890", "12345678A", "0 123 456 789", "-1", "1.0", "12;"])
def test_what_is_no_siren_rejects_the_row(reading: Callable[..., Reading], written: str) -> None:
    found = reading(BDF, BDF_HEADER + bdf(siren=written) + bdf())
    assert (found.valid, found.rejected) == (1, 1) and rejections(found)[0][0] == 2


@pytest.mark.parametrize(
    ("written", "closing"),
    [
        ("31DEC2012", date(2012, 12, 31)),
        ("31DÉC2014", date(2014, 12, 31)),
        ("31déc2014", date(2014, 12, 31)),
        ("28FÉV2013", date(2013, 2, 28)),
        ("31janv2013", date(2013, 1, 31)),
        ("31AOÛ2013", date(2013, 8, 31)),
        ("30JUIN2013", date(2013, 6, 30)),
        ("31JUIL2013", date(2013, 7, 31)),
        ("31MAY2013", date(2013, 5, 31)),
        ("31MAI2013", date(2013, 5, 31)),
    ],
)
def test_months_are_english_or_french(
    reading: Callable[..., Reading], written: str, closing: date
) -> None:  # sections 1.1 and 1.10
    assert rows(reading(BDF, BDF_HEADER + bdf(closing=written)), "closing_date") == [(closing,)]


@pytest.mark.parametrize(
    ("row", "rejection"),
    [
        (bdf(closing="31JUI2013"), (2, "ARRETE_BILAN", "not_named_date")),  # June or July?
        (bdf(closing="31/12/2013"), (2, "ARRETE_BILAN", "not_named_date")),
        (bdf(closing=""), (2, "ARRETE_BILAN", "empty")),
        (bdf(year="13"), (2, "ANNEE", "not_year")),
        (bdf(siren=""), (2, "D1", "empty")),
    ],
)
def test_what_says_whose_and_when_is_not_lenient(
    reading: Callable[..., Reading], row: str, rejection: tuple[int, str, str]
) -> None:
    assert rejections(reading(BDF, BDF_HEADER + row + bdf())) == [rejection]


def test_a_bad_ratio_leaves_its_field_empty_keeps_the_row_and_is_counted(
    reading: Callable[..., Reading],
) -> None:  # section 1.10
    found = reading(BDF, BDF_HEADER + bdf(ratio="n.c.") + bdf(ratio="1 000") + bdf(ratio="") + bdf(ratio="-37.5"))
    assert rows(found, "working_capital_weight, margin_rate") == [(None, 2), (None, 2), (None, 2), (-37.5, 2)]
    assert (found.parsed, found.valid, found.rejected) == (4, 4, 0)
    assert odd(found) == {"not_number:POIDS_FRNG": 2} and not len(found.findings)


def test_bad_ratios_of_rejected_rows_are_not_counted_twice(reading: Callable[..., Reading]) -> None:
    found = reading(BDF, BDF_HEADER + bdf(siren="x", ratio="n.c.") + bdf(ratio="n.c."))
    assert (found.valid, found.rejected) == (1, 1) and odd(found) == {"not_number:POIDS_FRNG": 1}


def test_two_rows_of_a_company_and_year_are_both_kept(reading: Callable[..., Reading]) -> None:
    """Section 1.10: 129 duplicates of (siren, annee); which one holds is decided when rows are put together."""
    found = reading(BDF, BDF_HEADER + bdf(ratio="1") + bdf(ratio="2"))
    assert rows(found, "siren, year, fiscal_year, working_capital_weight") == [
        ("000111222", 2013, 2012, 1.0), ("000111222", 2013, 2012, 2.0)
    ]  # fmt: skip


def test_accounts_closed_after_their_year_are_a_warning(reading: Callable[..., Reading]) -> None:
    found = reading(BDF, BDF_HEADER + bdf(year="2011") + bdf(year="2012"))
    assert found.valid == 2 and odd(found) == {"closed_after_its_year:closing_date": 1}


def test_a_lenient_field_must_be_countable() -> None:
    with pytest.raises(ValueError, match="stored and nullable"):
        Field("x", ("X",), TEXT, lenient=True, stored=False)
    with pytest.raises(ValueError, match="stored and nullable"):
        Field("x", ("X",), TEXT, lenient=True, nullable=False)


def test_diane_is_wide_and_becomes_one_row_for_each_company_and_year(
    reading: Callable[..., Reading],
) -> None:  # section 1.11
    found = reading(DIANE, sample("diane", "dianeTestData.txt").read_bytes(), "diane.txt")
    counts = found.connection.execute(
        "SELECT count(*), count(DISTINCT siren), count(DISTINCT line) FROM diane"
    ).fetchall()
    assert counts == [(18, 3, 3)]
    years = found.connection.execute("SELECT DISTINCT fiscal_year FROM diane ORDER BY 1").fetchall()
    assert [year for (year,) in years] == [2012, 2013, 2014, 2015, 2016, 2017]


def test_the_order_of_years_and_doubled_spaces_do_not_count(reading: Callable[..., Reading]) -> None:  # section 1.11
    table = diane_columns()
    place = {re.sub(" +", " ", name).strip(): at for at, name in enumerate(table[0])}
    # The fixture has its years in different orders, and spaces doubled in some headers.
    assert [name for name in table[0] if "  " in name] and place["Equilibre financier 2015"] < place[
        "Equilibre financier 2016"
    ]
    backwards = [list(reversed(row)) for row in table]
    backwards[0] = [name.replace(" ", "   ") for name in backwards[0]]
    columns = ", ".join(f'"{name}"' for name in DIANE.columns())
    query = f"SELECT {columns} FROM diane ORDER BY line, fiscal_year"
    one = reading(DIANE, diane_file(table), "diane.txt").connection.execute(query).fetchall()
    other = reading(DIANE, diane_file(backwards), "diane.txt").connection.execute(query).fetchall()
    assert one == other and len(one) == 18


def test_a_year_that_lacks_one_figure_has_it_empty(reading: Callable[..., Reading]) -> None:
    table = diane_columns()
    gone = table[0].index("Nombre de mois 2014")
    found = reading(DIANE, diane_file([row[:gone] + row[gone + 1 :] for row in table]), "diane.txt")
    months = found.connection.execute("SELECT fiscal_year, count(months) FROM diane GROUP BY 1 ORDER BY 1").fetchall()
    assert (2014, 0) in months and (2015, 2) in months and found.valid == 18


def test_fewer_figures_than_diane_has_refuse_the_file(reading: Callable[..., Reading]) -> None:  # section 1.11
    table = diane_columns()
    kept = [at for at, name in enumerate(table[0]) if not name.startswith("Charges fin.")]
    with pytest.raises(ExtractError, match=r"Charges fin\. kEUR and has it for no year \(441 columns"):
        reading(DIANE, diane_file([[row[at] for at in kept] for row in table]), "diane.txt")
    renamed = [[name.replace("Charges fin.", "Charges financ.") for name in table[0]], *table[1:]]
    with pytest.raises(ExtractError) as refused:
        reading(DIANE, diane_file(renamed), "diane.txt")
    assert "charges financ. keur" in refused.value.hint


def test_a_static_column_that_is_missing_refuses_the_file(reading: Callable[..., Reading]) -> None:
    table = diane_columns()
    gone = table[0].index("Nombre d’ES")
    with pytest.raises(ExtractError, match="Nombre d’ES"):
        reading(DIANE, diane_file([row[:gone] + row[gone + 1 :] for row in table]), "diane.txt")


def test_words_for_numbers_are_empty_and_counted(reading: Callable[..., Reading]) -> None:  # section 1.11
    table = diane_columns()
    place = table[0].index("Endettement % 2015")
    for row, word in zip(table[1:], ("n.d.", "1 234,5", "12,5"), strict=True):
        row[place] = word
    table[1][table[0].index("Date de clôture 2015")] = "31/02/2015"
    found = reading(DIANE, diane_file(table), "diane.txt")
    figures = found.connection.execute(
        "SELECT debt_to_resources FROM diane WHERE fiscal_year = 2015 ORDER BY line"
    ).fetchall()
    assert figures == [(None,), (None,), (12.5,)] and found.valid == 18 and not found.rejected
    assert odd(found) == {"not_number:Endettement %": 2, "not_french_date:Date de clôture": 1}


def test_a_bad_siren_rejects_the_rows_of_its_line(reading: Callable[..., Reading]) -> None:
    table = diane_columns()
    table[2][table[0].index("Numéro Siren")] = "not a siren"
    found = reading(DIANE, diane_file(table), "diane.txt")
    assert (found.parsed, found.valid, found.rejected) == (18, 12, 6)
    assert set(rejections(found)) == {(3, "Numéro Siren", "not_siren")}


@pytest.mark.parametrize(("word", "truth"), [("Oui", True), ("oui", True), ("Non", False), ("", False)])
def test_a_proceeding_is_the_word_oui(reading: Callable[..., Reading], word: str, truth: bool) -> None:
    table = diane_columns()
    table[1][table[0].index("Procédure collective")] = word
    found = reading(DIANE, diane_file(table), "diane.txt")
    assert found.connection.execute("SELECT DISTINCT in_proceeding FROM diane WHERE line = 2").fetchall() == [(truth,)]


def test_diane_in_another_encoding_is_refused_with_a_hint(reading: Callable[..., Reading]) -> None:
    with pytest.raises(ExtractError) as refused:
        reading(DIANE, diane_text().encode("utf-8"), "diane.txt")
    assert refused.value.hint
    cut = sample("diane", "dianeTestData.txt").read_bytes()[:-1]
    with pytest.raises(ExtractError, match="in the middle of a character"):
        reading(DIANE, cut, "diane.txt")
