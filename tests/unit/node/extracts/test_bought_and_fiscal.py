"""The traps of ellisphere, paydex and the DGFiP's files, as sections 1.12 to 1.15 of the reference name them."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from support.account_files import (
    ELLISPHERE_HEADER,
    PAYDEX_HEADER,
    group,
    piped,
    rows,
    workbook,
)
from support.readings import odd, rejections
from vigie.errors import ExtractError
from vigie_node.extracts.dgfip import AF, DGFIP, INDMAP, JUDGMENTS, RATIOS_DIRCO, declarations_sql
from vigie_node.extracts.ellisphere import ELLISPHERE
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.paydex import PAYDEX_DELAYS
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.registry import kind_of
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace


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
