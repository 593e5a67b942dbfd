"""The traps of bdf, diane, ellisphere, paydex and the DGFiP's files, as section 1 of the reference names them."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from support.golden import sample
from support.readings import odd
from vigie.errors import ExtractError, VigieError
from vigie_node.extracts import cells
from vigie_node.extracts.bdf import BDF
from vigie_node.extracts.cells import TEXT, Cell
from vigie_node.extracts.dgfip import AF, DGFIP, INDMAP, JUDGMENTS, RATIOS_DIRCO, declarations_sql
from vigie_node.extracts.diane import DIANE
from vigie_node.extracts.ellisphere import ELLISPHERE
from vigie_node.extracts.kind import Field, Kind
from vigie_node.extracts.paydex import PAYDEX_DELAYS
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.registry import KINDS, kind_of
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("workspace")) as made:
        yield made


@pytest.fixture
def reading(tmp_path: Path, workspace: Workspace) -> Callable[..., Reading]:
    def of(kind: Kind, text: str | bytes, name: str = "extract.csv") -> Reading:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read(kind, [file_source(path)], workspace)

    return of


def rows(found: Reading, columns: str) -> list[tuple[Any, ...]]:
    return found.connection.execute(f"SELECT {columns} FROM {found.table} ORDER BY file, line, rowid").fetchall()


def rejections(found: Reading) -> list[tuple[int, str, str]]:
    return [(one.line, one.column, one.rule) for one in found.findings]


# --------------------------------------------------------------------------------------------------------------- bdf

BDF_HEADER = (
    "D1;ANNEE;ARRETE_BILAN;DENOM;CP;REGION;SECTEUR;"
    "POIDS_FRNG;TX_MARGE;DELAI_FRS;POIDS_DFISC_SOC;POIDS_FIN_CT;POIDS_FRAIS_FIN\n"
)


def bdf(siren: str = "000 111 222", year: str = "2013", closing: str = "31DEC2012", ratio: str = "1.5") -> str:
    return f"{siren};{year};{closing};SOCIETE;87000;BRETAGNE;01 Industrie;{ratio};2;3;4;5;6\n"


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


# ------------------------------------------------------------------------------------------------------------- diane


def diane_text() -> str:
    return sample("diane", "dianeTestData.txt").read_bytes().decode("utf-16")


def diane_bytes(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le")


def diane_columns() -> list[list[str]]:
    return [line[1:-1].split('";"') for line in diane_text().removesuffix("\r\n").split("\r\n")]


def diane_file(table: list[list[str]]) -> bytes:
    return diane_bytes("".join(";".join(f'"{cell}"' for cell in row) + "\r\n" for row in table))


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


# -------------------------------------------------------------------------------------------------------- ellisphere

ELLISPHERE_HEADER = [field.header[0] for field in ELLISPHERE.layouts[0].fields]


def workbook(path: Path, *table: list[Any]) -> Path:
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd"})
    sheet = book.add_worksheet()
    for at, row in enumerate(table):
        sheet.write_row(at, 0, row)
    book.close()
    return path


def group(**changes: Any) -> list[Any]:
    row = dict(zip(ELLISPHERE_HEADER, [
        1234567, "M", "525343432", 1234567, "GROUPE A", "rue", 12345, "VILLE", "FRANCE", 1, 90.2, "A",
        "1000000", "M", "151515151", "AKES38748", "SOCIETE", "rue", 12345, "VILLE", "FRANCE",
    ], strict=True))  # fmt: skip
    return list((row | changes).values())


def ellisphere(tmp_path: Path, workspace: Workspace, *table: list[Any]) -> Reading:
    return read(ELLISPHERE, [file_source(workbook(tmp_path / "groups.xlsx", *table))], workspace)


def test_a_workbook_has_21_columns_found_by_name(tmp_path: Path, workspace: Workspace) -> None:  # section 1.12
    assert len(ELLISPHERE_HEADER) == 21
    moved = ["Nouvelle colonne", *ELLISPHERE_HEADER]
    found = ellisphere(tmp_path, workspace, moved, ["x", *group()])
    assert rows(found, "head_siren, siren, share, level, head_code") == [("525343432", "151515151", 90.2, 1, "1234567")]
    assert found.extra == ["Nouvelle colonne"]
    with pytest.raises(ExtractError, match="column FIL SIREN 9 not found, aborting"):
        ellisphere(tmp_path, workspace, [one for one in ELLISPHERE_HEADER if one != "FIL SIREN 9"], group())


def test_a_head_without_siren_is_kept(tmp_path: Path, workspace: Workspace) -> None:  # section 1.12
    abroad = group(**{"GRP SIREN 9": "HRB 12345", "GRP Pays": "ALLEMAGNE"})
    found = ellisphere(tmp_path, workspace, ELLISPHERE_HEADER, group(**{"GRP SIREN 9": None}), abroad, group())
    assert rows(found, "head_siren, siren") == [(None, "151515151"), (None, "151515151"), ("525343432", "151515151")]
    assert odd(found) == {"head_without_siren:head_siren": 2, "not_siren:GRP SIREN 9": 1}


def test_numbers_of_a_workbook_are_codes_again(tmp_path: Path, workspace: Workspace) -> None:
    found = ellisphere(tmp_path, workspace, ELLISPHERE_HEADER, group(**{"FIL SIREN 9": 5512345, "FIL Code": 12.0}))
    assert rows(found, "siren, code") == [("005512345", "12")]


def test_a_row_of_a_workbook_is_named_as_the_sheet_numbers_it(tmp_path: Path, workspace: Workspace) -> None:
    empty: list[Any] = [None]
    found = ellisphere(
        tmp_path, workspace, empty, ELLISPHERE_HEADER, group(), empty, group(**{"FIL SIREN 9": "x"}), group()
    )
    assert rejections(found) == [(5, "FIL SIREN 9", "not_siren")]
    assert rows(found, "line") == [(3,), (6,)] and found.parsed == 3


def test_shares_and_their_classes_are_compared(tmp_path: Path, workspace: Workspace) -> None:  # section 1.12
    found = ellisphere(
        tmp_path, workspace, ELLISPHERE_HEADER,
        group(**{"% Financier": 50.01, "Tranche % Financier": "A"}), group(**{"% Financier": 50, "Tranche % Financier": "B"}),
        group(**{"% Financier": 25, "Tranche % Financier": "C"}), group(**{"% Financier": 101, "Tranche % Financier": "A"}),
        group(**{"% Financier": 10, "Tranche % Financier": "A"}), group(**{"Tranche % Financier": "D"}),
    )  # fmt: skip
    assert found.valid == 6
    assert odd(found) == {
        "not_a_share:share": 1, "share_of_another_class:share_class": 2, "unknown_code:share_class": 1
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ paydex

PAYDEX_HEADER = (
    "siren,état_organisation,code_paydex,nbr_jrs_retard,nbr_fournisseurs,encours_étudiés,"
    "note_100_alerteur_plus_30,note_100_alerteur_plus_90_jours,date_valeur\n"
)


def test_both_layouts_of_paydex_are_one_table(
    reading: Callable[..., Reading], tmp_path: Path, workspace: Workspace
) -> None:  # section 1.13
    (tmp_path / "old.csv").write_text("SIREN;NB_JOURS;NB_JOURS_LIB;DATE_VALEUR\n000000001;2;2 jours;15/12/2018\n")
    (tmp_path / "new.csv").write_text(PAYDEX_HEADER + "000000001,Actif,078,3,20,104593.746,40,0,2023-01-15\n")
    sources = [file_source(tmp_path / name) for name in ("old.csv", "new.csv")]
    found = read(PAYDEX_DELAYS, sources, workspace)
    assert found.layouts == ["2018", "2022"]
    assert rows(found, "siren, delay_days, value_date, paydex, late_share_30, late_share_90") == [
        ("000000001", 2, date(2018, 12, 15), None, None, None),
        ("000000001", 3, date(2023, 1, 15), "078", 0.4, 0.0),
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (PAYDEX_HEADER.replace("siren", "SIREN"), "column 1 is 'SIREN'"),
        (PAYDEX_HEADER.replace("état", "etat"), "état_organisation not found"),
        (PAYDEX_HEADER.replace("\n", ",more\n"), "column 10 is 'more'"),
        (
            PAYDEX_HEADER.replace("code_paydex,nbr_jrs_retard", "nbr_jrs_retard,code_paydex"),
            "column 3 is 'nbr_jrs_retard'",
        ),
    ],
)
def test_the_header_of_2022_is_compared_letter_by_letter(
    reading: Callable[..., Reading], header: str, said: str
) -> None:  # section 1.13
    with pytest.raises(ExtractError, match=said) as refused:
        reading(PAYDEX_DELAYS, header + "000000001,Actif,078,3,20,1,,,2023-01-15\n")
    assert refused.value.hint


@pytest.mark.parametrize("code", ["78", "0780", "07A", " ", ""])
def test_a_paydex_has_three_digits(reading: Callable[..., Reading], code: str) -> None:  # section 1.13
    good = "000000001,Actif,078,3,20,1,,,2023-01-15\n"
    found = reading(PAYDEX_DELAYS, PAYDEX_HEADER + good.replace("078", code) + good)
    ((line, column, rule),) = rejections(found)
    assert (line, column) == (2, "code_paydex") and rule in ("not_paydex", "empty")


def test_notes_are_clipped_to_shares_and_what_is_not_known_stays_unknown(
    reading: Callable[..., Reading],
) -> None:  # section 1.13
    notes = [("-5", "120"), ("0", "100"), ("12.5", ""), ("", "")]
    text = "".join(f"000000001,Actif,078,3,20,1,{a},{b},2023-01-15\n" for a, b in notes)
    found = reading(PAYDEX_DELAYS, PAYDEX_HEADER + text)
    assert rows(found, "late_share_30, late_share_90") == [(0.0, 1.0), (0.0, 1.0), (0.125, None), (None, None)]
    assert odd(found) == {"clipped:note_30": 1, "clipped:note_90": 1}


@pytest.mark.parametrize("day", ["01/15/2019", "15/01/19", "2019-01-15", ""])
def test_an_invalid_day_rejects_the_row(reading: Callable[..., Reading], day: str) -> None:  # section 1.13
    text = f"SIREN;NB_JOURS;NB_JOURS_LIB;DATE_VALEUR\n000000001;6;6 jours;{day}\n000000001;6;6 jours;15/01/2019\n"
    ((line, column, _),) = rejections(reading(PAYDEX_DELAYS, text))
    assert (line, column) == (2, "DATE_VALEUR")


# ------------------------------------------------------------------------------------------------------------- DGFiP


def piped(kind: Kind, *table: dict[str, str]) -> str:
    names = [field.header[0] for field in kind.layouts[0].fields]
    base = dict.fromkeys(names, "1.5") | {
        "siren": "552100554", "date_deb_exercice": "2020-01-01", "date_fin_exercice": "2020-12-31", "no_ocfi": "00001",
        "annee_exercice": "2020", "djug": "20200131", "najug": "4",
    }  # fmt: skip
    lines = ["|".join((*names, "not_read"))]
    lines += ["|".join([*((base | row)[name] for name in names), "x"]) for row in table]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("kind", DGFIP, ids=lambda kind: kind.name)
def test_files_of_the_dgfip_are_under_fiscal_secrecy_and_told_apart(kind: Kind, tmp_path: Path) -> None:  # section 1.15
    path = tmp_path / "a.csv"
    path.write_text(piped(kind, {}))
    assert kind.owner == "fiscal" and kind_of(file_source(path)) is kind


@pytest.mark.parametrize(
    ("change", "rejection"),
    [
        ({"date_fin_exercice": "2019-12-31"}, "closing_before_opening"),
        ({"date_fin_exercice": "31/12/2020"}, "not_date"),
        ({"no_ocfi": ""}, "empty"),
        ({"annee_exercice": "20"}, "not_year"),
        ({"siren": "5521005545"}, "not_siren"),
    ],
)
def test_a_declaration_without_its_key_is_rejected(
    reading: Callable[..., Reading], change: dict[str, str], rejection: str
) -> None:
    found = reading(INDMAP, piped(INDMAP, change, {}))
    assert [(line, rule) for line, _, rule in rejections(found)] == [(2, rejection)]


def test_a_figure_that_is_no_number_is_empty_and_counted(reading: Callable[..., Reading]) -> None:
    found = reading(AF, piped(AF, {"mnt_af_ca": "NC"}, {"mnt_af_ca": ""}, {"mnt_af_ca": "-12,5"}))
    assert rows(found, "turnover") == [(None,), (None,), (-12.5,)]
    assert odd(found) == {"not_number:mnt_af_ca": 1} and found.extra == ["not_read"]


def test_halves_of_declarations_are_joined_on_their_five_keys(reading: Callable[..., Reading]) -> None:  # section 1.15
    reading(INDMAP, piped(INDMAP, {"d_dvs_376_nbr_pers": "7"}, {"siren": "111111111"}, {"no_ocfi": "2"}))
    reading(AF, piped(AF, {"mnt_af_ca": "100"}, {"siren": "222222222"}, {"annee_exercice": "2021"}))
    query = "SELECT siren, obligation, declared_year, staff, turnover, quick_ratio FROM ({}) ORDER BY ALL"
    found = reading(RATIOS_DIRCO, piped(RATIOS_DIRCO, {"rto_56": ""}, {"rto_56": "2"}, {"siren": "333333333"}))
    joined = found.connection.execute(query.format(declarations_sql(ratios=True))).fetchall()
    assert joined == [
        ("111111111", "00001", 2020, 1.5, None, None),  # a half alone is kept
        ("222222222", "00001", 2020, None, 1.5, None),
        ("552100554", "00001", 2020, 7.0, 100.0, 2.0),  # the row of ratios with fewest nulls
        ("552100554", "00001", 2021, None, 1.5, 2.0),
        ("552100554", "2", 2020, 1.5, None, 2.0),
    ]
    without = found.connection.execute(query.format(declarations_sql(ratios=False))).fetchall()
    assert [row[:5] for row in without] == [row[:5] for row in joined] and {row[5] for row in without} == {None}


def test_only_judgments_that_open_a_proceeding_are_kept(reading: Callable[..., Reading]) -> None:  # section 1.15
    codes = "123456789A"
    found = reading(JUDGMENTS, piped(JUDGMENTS, *({"najug": code} for code in codes), {"djug": "2020-01-31"}))
    assert "".join(code for (code,) in rows(found, "nature")) == "12348"
    assert found.rules == {
        ("plan_after_a_judgment", "najug"): 4, ("unknown_code", "najug"): 1, ("not_compact_date", "djug"): 1
    }  # fmt: skip
    assert (found.parsed, found.valid, found.skipped, found.rejected) == (11, 5, 5, 1)


# ------------------------------------------------------------------------------------------------- grammars and bytes


def value(cell: Cell, text: str) -> Any:
    ((found,),) = duckdb.execute(f"SELECT {cell.parse('x')} FROM (SELECT CAST(? AS VARCHAR) AS x)", [text]).fetchall()
    return found


@settings(max_examples=150)
@given(st.one_of(st.from_regex(r"[0-9 \u00a0\u202f]{1,12}", fullmatch=True), st.text(max_size=12)))
def test_loose_sirens_are_those_of_a_plain_twin(text: str) -> None:
    digits = re.sub("[ \u00a0\u202f]", "", text)
    sound = re.fullmatch("[0-9]{1,9}", digits) and text[0] in "0123456789" and text[-1] in "0123456789"
    assert value(cells.LOOSE_SIREN, text) == (digits.zfill(9) if sound else None)


@settings(max_examples=150)
@given(st.one_of(st.from_regex(r"[0-9]{1,5}", fullmatch=True), st.text(max_size=5)))
def test_years_and_paydex_are_those_of_plain_twins(text: str) -> None:
    assert value(cells.YEAR, text) == (int(text) if re.fullmatch("(19|20)[0-9]{2}", text, re.ASCII) else None)
    assert value(cells.PAYDEX, text) == (text if re.fullmatch("[0-9]{3}", text) else None)


SEEDS = {
    BDF: (BDF_HEADER + bdf()).encode(),
    PAYDEX_DELAYS: (PAYDEX_HEADER + "000000001,Actif,078,3,20,1,,,2023-01-15\n").encode(),
    DIANE: diane_bytes(diane_text()),
    ELLISPHERE: sample("ellisphere", "ellisphereTestData.excel").read_bytes(),
    **{kind: piped(kind, {}).encode() for kind in DGFIP},
}


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("kind", SEEDS, ids=lambda kind: kind.name)
def test_no_bytes_however_malformed_raise_anything_but_our_own_error(
    kind: Kind, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, workspace: Workspace
) -> None:
    seed = SEEDS[kind]
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(seed))] * 2)))
    cut = data.draw(st.sampled_from((start, min(start + 3, end), end)))
    spoilt = seed[:start] + data.draw(st.binary(max_size=8)) + seed[cut:]
    path = tmp_path_factory.getbasetemp() / f"spoilt-{kind.name}"
    path.write_bytes(spoilt)
    try:
        found = read(kind, [file_source(path)], workspace)
    except VigieError:
        return
    assert found.parsed == found.valid + found.rejected + found.skipped


def test_every_kind_here_is_registered() -> None:
    assert all(KINDS[kind.name] is kind for kind in SEEDS)
