"""Lists of companies, published accounts and state-guaranteed loans (reference sections 1.16 and 1.17)."""

from datetime import date
from pathlib import Path

import pytest

from support.golden import copied, golden_table, sample
from support.readings import lines_source, rejections
from vigie.errors import ExtractError
from vigie_node.extracts.company_list import COMPANY_LIST
from vigie_node.extracts.inpi_bce import INPI_BCE
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.pge import PGE
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.registry import kind_of
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

INPI_HEADER = (
    "siren;date_cloture_exercice;chiffre_d_affaires;marge_brute;ebe;ebit;resultat_net;taux_d_endettement;"
    "ratio_de_liquidite;ratio_de_vetuste;autonomie_financiere;poids_bfr_exploitation_sur_ca;couverture_des_interets;"
    "caf_sur_ca;capacite_de_remboursement;marge_ebe;resultat_courant_avant_impots_sur_ca;"
    "poids_bfr_exploitation_sur_ca_jours;rotation_des_stocks_jours;credit_clients_jours;credit_fournisseurs_jours;type_bilan"
)


def rows(kind: Kind, workspace: Workspace, *lines: str) -> Reading:
    return read(kind, [lines_source(*lines)], workspace)


# ------------------------------------------------------------------------------------------------------------- filter


def test_the_golden_perimeter_is_read_as_a_list(workspace: Workspace, tmp_path: Path) -> None:
    """``filter/test_golden.txt`` is sorted, so that its header comes last: it is put first, as the file has it."""
    lines = sample("filter", "test_golden.txt").read_text(encoding="utf-8").split()
    path = tmp_path / "filter_siren_2001.csv"
    path.write_text("\n".join(reversed(lines)) + "\n", encoding="utf-8")
    found = read(kind_of(file_source(path)), [file_source(path)], workspace)
    assert found.kind is COMPANY_LIST
    assert sorted(found.connection.execute("SELECT siren FROM filter").fetchall()) == [(one,) for one in lines[:-1]]


@pytest.mark.parametrize(
    "name", ["test-import.sql.stg_filter_import.golden.txt", "test-export.clean_filter.golden.txt"]
)
def test_a_list_of_nobody_is_refused_where_theirs_is_empty(name: str, workspace: Workspace, tmp_path: Path) -> None:
    """Theirs were made without a filter, and have a header only; read as one it would leave out every row there is."""
    assert golden_table(name) == []
    path = copied(sample("golden", name), "filter_siren_2001.csv", tmp_path)
    with pytest.raises(ExtractError, match="the file has a header and no rows"):
        read(COMPANY_LIST, [file_source(path)], workspace)


def test_a_list_may_be_quoted_and_bad_rows_are_rejected(workspace: Workspace) -> None:
    found = rows(COMPANY_LIST, workspace, "siren", '"732829320"', "73282932", "", "552100554", "siren")
    assert (found.parsed, found.valid) == (4, 2)
    assert rejections(found) == [(3, "siren", "not_siren"), (6, "siren", "not_siren")]


def test_a_file_with_more_columns_is_no_list(workspace: Workspace) -> None:
    with pytest.raises(ExtractError, match="column 2 is 'actif'"):
        rows(COMPANY_LIST, workspace, "siren,actif", "732829320,true")
    assert kind_of(lines_source("siren,actif", "732829320,true")) is PGE


# ---------------------------------------------------------------------------------------------------------------- PGE


def test_unknown_is_not_no(workspace: Workspace) -> None:
    """Sections 1.16 and 3.2: null must differ from false."""
    found = rows(
        PGE, workspace, "siren,actif", "732829320,true", "552100554,false", "356000000,", "542051180,t", "542107651,F"
    )
    stored = found.connection.execute("SELECT active FROM pge ORDER BY line").fetchall()
    assert stored == [(True,), (False,), (None,), (True,), (False,)]
    assert dict(found.warnings) == {"unknown:active": 1}


@pytest.mark.parametrize("written", ["oui", "2", "NULL", "vrai"])
def test_another_word_is_neither(written: str, workspace: Workspace) -> None:
    found = rows(PGE, workspace, "siren,actif", f"732829320,{written}")
    assert rejections(found) == [(2, "actif", "not_truth")]


def test_a_loan_of_nobody_is_rejected(workspace: Workspace) -> None:
    assert rejections(rows(PGE, workspace, "siren,actif", ",true")) == [(2, "siren", "empty")]


# --------------------------------------------------------------------------------------------------------------- INPI


def test_published_accounts_have_the_columns_of_entreprise_bce(workspace: Workspace) -> None:
    """Section 1.16: 22 columns."""
    assert [one.header[0] for one in INPI_BCE.layouts[0].fields] == INPI_HEADER.split(";")
    assert len(INPI_HEADER.split(";")) == 22
    figures = ";".join(str(number) for number in range(1, 20))
    source = lines_source(INPI_HEADER, f"732829320;2022-12-31;{figures};C", f"732829320;20211231;{figures};K")
    assert kind_of(source) is INPI_BCE
    found = read(INPI_BCE, [source], workspace)
    assert not found.warnings
    stored = found.connection.execute("SELECT * FROM inpi_bce ORDER BY line").fetchall()
    assert stored[0] == (0, 2, "732829320", date(2022, 12, 31), *map(float, range(1, 20)), "C")
    assert stored[1][3] == date(2021, 12, 31)


def test_a_figure_that_is_none_is_empty_and_its_row_kept(workspace: Workspace) -> None:
    figures = ";".join(["-1500,5", "inf", "9" * 40, "", "NaN", *["1.5"] * 14])
    found = rows(INPI_BCE, workspace, INPI_HEADER, f"732829320;2022-12-31;{figures};Z")
    stored = found.connection.execute(
        "SELECT turnover, gross_margin, ebitda, ebit, net_result, stock_days FROM inpi_bce"
    )
    assert stored.fetchall() == [(-1500.5, None, None, None, None, 1.5)]
    assert dict(found.warnings) == {
        "not_number:marge_brute": 1, "not_number:ebe": 1, "not_number:resultat_net": 1, "unknown_code:statement": 1
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("73282932;2022-12-31", (2, "siren", "not_siren")),
        (";2022-12-31", (2, "siren", "empty")),
        ("732829320;", (2, "date_cloture_exercice", "empty")),
        ("732829320;31/12/2022", (2, "date_cloture_exercice", "not_date")),
        ("732829320;2022-02-30", (2, "date_cloture_exercice", "not_date")),
    ],
)
def test_accounts_without_company_or_date_are_rejected(
    key: str, place: tuple[int, str, str], workspace: Workspace
) -> None:
    assert rejections(rows(INPI_BCE, workspace, INPI_HEADER, f"{key};{';' * 18};C")) == [place]


def test_accounts_separated_by_commas_are_refused_with_the_reason(workspace: Workspace) -> None:
    with pytest.raises(ExtractError) as refused:
        rows(INPI_BCE, workspace, INPI_HEADER.replace(";", ","), "732829320,2022-12-31")
    assert "separator looks like ','" in (refused.value.hint or "")
