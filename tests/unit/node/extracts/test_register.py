"""The register of companies: each trap of section 1.14 of the reference, and a refusal beside each success."""

from datetime import date

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.golden import sample
from support.readings import column, lines_source
from vigie.datasets.departments import code_of, department_of_commune
from vigie.errors import ExtractError
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.register import department_of
from vigie_node.extracts.registry import kind_of
from vigie_node.extracts.sirene import SIRENE
from vigie_node.extracts.sirene_histo import SIRENE_HISTO, status_periods
from vigie_node.extracts.sirene_ul import SIRENE_UL
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

HEADERS = {
    SIRENE: "sireneTestData.csv",
    SIRENE_UL: "sireneULTestData.csv",
    SIRENE_HISTO: "sireneHistoTestData.csv",
}
SOUND = {
    SIRENE.name: {
        "siren": "732829320", "nic": "00074", "siret": "73282932000074", "statutDiffusionEtablissement": "O",
        "dateCreationEtablissement": "1999-01-31", "etablissementSiege": "true", "codePostalEtablissement": "38000",
        "codeCommuneEtablissement": "38185", "etatAdministratifEtablissement": "A",
        "activitePrincipaleEtablissement": "62.02A", "nomenclatureActivitePrincipaleEtablissement": "NAFRev2",
        "longitude": "5.72", "latitude": "45.18",
    },
    SIRENE_UL.name: {
        "siren": "732829320", "dateCreationUniteLegale": "1999-01-31", "etatAdministratifUniteLegale": "A",
        "denominationUniteLegale": "X", "categorieJuridiqueUniteLegale": "5710",
        "activitePrincipaleUniteLegale": "62.02A", "nomenclatureActivitePrincipaleUniteLegale": "NAFRev2",
        "activitePrincipaleNAF25UniteLegale": "62.20Y", "nicSiegeUniteLegale": "00074",
    },
    SIRENE_HISTO.name: {
        "siren": "732829320", "nic": "00074", "siret": "73282932000074", "dateDebut": "2001-02-03",
        "etatAdministratifEtablissement": "A", "changementEtatAdministratifEtablissement": "false",
    },
}  # fmt: skip


def header(kind: Kind) -> list[str]:
    """That of the fixture of the real system, so that a header that changes is told."""
    return sample("sirene", HEADERS[kind]).read_text(encoding="utf-8").splitlines()[0].split(",")


def rows(kind: Kind, workspace: Workspace, *changes: dict[str, str], without: str = "", perimeter: str = "") -> Reading:
    """Read rows that are sound but for some cells each."""
    names = [name for name in header(kind) if name != without]
    lines = [",".join((SOUND[kind.name] | change).get(name, "") for name in names) for change in changes or ({},)]
    return read(kind, [lines_source(",".join(names), *lines)], workspace, perimeter=perimeter)


def rejection(found: Reading) -> tuple[str, str]:
    (one,) = found.findings
    assert (found.parsed, found.rejected, one.line) == (1, 1, 2)
    return one.column, one.rule


@pytest.mark.parametrize("kind", HEADERS, ids=lambda kind: kind.name)
def test_a_file_is_recognised_by_its_header_and_a_sound_row_has_no_warning(kind: Kind, workspace: Workspace) -> None:
    assert kind_of(file_source(sample("sirene", HEADERS[kind]))) is kind
    found = rows(kind, workspace)
    assert (found.parsed, found.valid, dict(found.warnings)) == (1, 1, {})


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (SIRENE, "nic"), (SIRENE, "codeCommuneEtablissement"), (SIRENE, "etablissementSiege"),
        (SIRENE_UL, "categorieJuridiqueUniteLegale"), (SIRENE_UL, "nicSiegeUniteLegale"),
        (SIRENE_HISTO, "siret"), (SIRENE_HISTO, "changementEtatAdministratifEtablissement"),
    ],
)  # fmt: skip
def test_a_missing_column_refuses_the_file_by_name(kind: Kind, missing: str, workspace: Workspace) -> None:
    with pytest.raises(ExtractError, match=f"column {missing} not found, aborting"):
        rows(kind, workspace, without=missing)


@pytest.mark.parametrize(
    ("kind", "optional"),
    [
        (SIRENE, "longitude"),
        (SIRENE, "libelleVoieEtablissement"),
        (SIRENE_UL, "activitePrincipaleNAF25UniteLegale"),
        (SIRENE_UL, "prenom1UniteLegale"),
    ],
)
def test_a_column_that_files_may_lack_is_told_and_no_more(kind: Kind, optional: str, workspace: Workspace) -> None:
    """Coordinates are of the geocoded file only, and the nomenclature of 2025 came in 2026 (section 5, point 2)."""
    found = rows(kind, workspace, without=optional)
    assert found.valid == 1
    assert found.absent == [optional]


def test_the_siret_is_made_of_siren_and_nic(workspace: Workspace) -> None:
    """Section 1.14: the fixture's own column siret disagrees with it; that is counted and changes nothing."""
    found = rows(SIRENE, workspace, {"siret": "73282932000082"})
    assert column(found, "siret") == "73282932000074"
    assert found.warnings["siret_differs:siret"] == 1


@pytest.mark.parametrize(
    ("kind", "column_name", "nomenclature"),
    [
        (SIRENE, "nomenclatureActivitePrincipaleEtablissement", "NAFRev1"),
        (SIRENE, "nomenclatureActivitePrincipaleEtablissement", ""),
        (SIRENE_UL, "nomenclatureActivitePrincipaleUniteLegale", "NAP"),
    ],
)
def test_rows_of_older_nomenclatures_are_skipped_whatever_their_code(
    kind: Kind, column_name: str, nomenclature: str, workspace: Workspace
) -> None:
    """Section 1.14: only NAFRev2 is kept; 17.1P is sound in its own nomenclature, and is no rejection."""
    activity = column_name.removeprefix("nomenclature")
    activity = activity[0].lower() + activity[1:]
    found = rows(kind, workspace, {column_name: nomenclature, activity: "17.1P"}, {})
    assert (found.parsed, found.valid, found.skipped, found.rejected) == (2, 1, 1, 0)
    assert rejection(rows(kind, workspace, {activity: "17.1P"})) == (activity, "not_activity")


@pytest.mark.parametrize(
    ("commune", "department", "postal_code"),
    [
        ("38185", "38", "38000"),
        ("01004", "01", "01500"),
        ("2A004", "2A", "20000"),
        ("2B033", "2B", "20200"),
        ("97411", "974", "97400"),
        ("97502", "975", "97500"),
        ("98818", "988", "98800"),
        ("75056", "75", "92000"),
    ],
)
def test_the_department_is_that_of_the_commune_and_not_of_the_postal_code(
    commune: str, department: str, postal_code: str, workspace: Workspace
) -> None:
    """Section 1.14 and section 5, point 9: three characters overseas, 2A and 2B kept (#517, #545, #547)."""
    found = rows(SIRENE, workspace, {"codeCommuneEtablissement": commune, "codePostalEtablissement": postal_code})
    assert column(found, "department") == department
    assert column(found, "abroad") is False
    assert not found.warnings


@pytest.mark.parametrize("commune", ["", "99131"])
def test_without_a_commune_an_establishment_is_abroad(commune: str, workspace: Workspace) -> None:
    """Section 1.14: empty means foreign."""
    found = rows(SIRENE, workspace, {"codeCommuneEtablissement": commune, "codePostalEtablissement": ""})
    assert (column(found, "department"), column(found, "abroad")) == (None, True)


def test_a_commune_that_is_withheld_is_not_abroad(workspace: Workspace) -> None:
    """Companies opposed to publication have [ND] in the cells of their address."""
    found = rows(SIRENE, workspace, {"codeCommuneEtablissement": "[ND]", "codePostalEtablissement": "[ND]"})
    assert (column(found, "department"), column(found, "abroad")) == (None, False)
    assert dict(found.warnings) == {"withheld:postal_code": 1}


@pytest.mark.parametrize(
    ("kind", "change", "rule"),
    [
        (SIRENE, {"siren": "73282932"}, "not_siren"),
        (SIRENE, {"siren": ""}, "empty"),
        (SIRENE, {"nic": "0001A"}, "not_nic"),
        (SIRENE, {"nic": ""}, "empty"),
        (SIRENE, {"etablissementSiege": "peut-etre"}, "not_truth"),
        (SIRENE, {"codeCommuneEtablissement": "3818"}, "not_commune"),
        (SIRENE, {"codeCommuneEtablissement": "2C004"}, "not_commune"),
        (SIRENE, {"etatAdministratifEtablissement": "C"}, "not_state"),
        (SIRENE, {"activitePrincipaleEtablissement": "6202A"}, "not_activity"),
        (SIRENE_UL, {"siren": "7328293200"}, "not_siren"),
        (SIRENE_UL, {"etatAdministratifUniteLegale": "F"}, "not_state"),
        (SIRENE_UL, {"categorieJuridiqueUniteLegale": "571"}, "not_legal_form"),
        (SIRENE_UL, {"nicSiegeUniteLegale": "74"}, "not_nic"),
        (SIRENE_HISTO, {"siret": "7328293200007"}, "not_siret"),
        (SIRENE_HISTO, {"dateDebut": "2001-02-30"}, "not_date"),
        (SIRENE_HISTO, {"dateFin": "03/02/2001"}, "not_date"),
        (SIRENE_HISTO, {"etatAdministratifEtablissement": ""}, "empty"),
        (SIRENE_HISTO, {"etatAdministratifEtablissement": "C"}, "not_state"),
        (SIRENE_HISTO, {"changementEtatAdministratifEtablissement": "non"}, "not_truth"),
    ],
)
def test_a_bad_cell_is_rejected_at_its_place(
    kind: Kind, change: dict[str, str], rule: str, workspace: Workspace
) -> None:
    assert rejection(rows(kind, workspace, change)) == (next(iter(change)), rule)


@pytest.mark.parametrize(
    ("kind", "change", "warning", "typed"),
    [
        (SIRENE, {"dateCreationEtablissement": "1999-02-30"}, "not_date:dateCreationEtablissement", "created"),
        (SIRENE, {"codePostalEtablissement": "3800"}, "not_postal_code:codePostalEtablissement", "postal_code"),
        (SIRENE, {"longitude": "NOT_VALID"}, "not_number:longitude", "longitude"),
        (SIRENE_UL, {"dateCreationUniteLegale": "invalid_date"}, "not_date:dateCreationUniteLegale", "created"),
        (
            SIRENE_UL,
            {"activitePrincipaleNAF25UniteLegale": "97.90"},
            "not_activity:activitePrincipaleNAF25UniteLegale",
            "activity_2025",
        ),
    ],
)
def test_a_cell_that_is_tolerated_is_empty_and_counted(
    kind: Kind, change: dict[str, str], warning: str, typed: str, workspace: Workspace
) -> None:
    """Section 1.14: invalid dates are tolerated; the register has some, and its company is there all the same."""
    found = rows(kind, workspace, change)
    assert (found.valid, column(found, typed), dict(found.warnings)) == (1, None, {warning: 1})


@pytest.mark.parametrize(
    ("kind", "change", "warning"),
    [
        (SIRENE, {"activitePrincipaleEtablissement": "00.91U"}, "unknown_code:activity"),
        (SIRENE, {"codeCommuneEtablissement": "20004"}, "unknown_code:department"),
        (SIRENE, {"siren": "732829321", "siret": ""}, "siren_check_digit:siret"),
        (SIRENE_UL, {"categorieJuridiqueUniteLegale": "5258"}, "unknown_code:legal_form"),
        (SIRENE_UL, {"activitePrincipaleUniteLegale": "62.02Z"}, "unknown_code:activity"),
        (SIRENE_HISTO, {"dateFin": "2001-02-02"}, "ends_before_it_begins:last_day"),
    ],
)
def test_codes_beyond_the_tables_are_warnings(
    kind: Kind, change: dict[str, str], warning: str, workspace: Workspace
) -> None:
    """Section 1.1: unknown codes and check digits are counted, and reject nothing."""
    found = rows(kind, workspace, change)
    assert (found.valid, found.warnings[warning]) == (1, 1)


def test_the_register_is_read_whole_whatever_the_perimeter(workspace: Workspace) -> None:
    """Section 1.14: sirene and sirene_ul bypass the perimeter, which is computed from them; the history does not."""
    workspace.connection.execute("CREATE TABLE followed AS SELECT '552100554' AS siren")
    for kind in (SIRENE, SIRENE_UL):
        assert rows(kind, workspace, perimeter="followed").valid == 1
    found = rows(SIRENE_HISTO, workspace, perimeter="followed")
    assert (found.valid, found.skipped) == (0, 1)
    assert found.rules == {("outside_perimeter", ""): 1}


def test_the_head_office_is_named_by_its_siret(workspace: Workspace) -> None:
    assert column(rows(SIRENE_UL, workspace), "head_office_siret") == "73282932000074"


def test_a_period_without_any_date_is_skipped_and_one_date_is_enough(workspace: Workspace) -> None:
    """Closed long before anything is computed; ``lib/parsing/sirene_histo/parser.go`` leaves it out as well."""
    found = rows(SIRENE_HISTO, workspace, {"dateDebut": ""}, {"dateDebut": "", "dateFin": "2001-02-03"}, {})
    assert (found.parsed, found.valid, found.skipped) == (3, 2, 1)
    assert found.rules == {("no_dates", "dateDebut"): 1}


def test_periods_are_those_of_the_state_and_close_the_day_before_the_next(workspace: Workspace) -> None:
    """Section 1.14, histo: first row and rows with a change of state; date_fin = next date_debut - 1."""
    changed = {"changementEtatAdministratifEtablissement": "true"}
    closed = {"etatAdministratifEtablissement": "F"} | changed
    found = rows(
        SIRENE_HISTO,
        workspace,
        {"dateDebut": "2010-05-01"} | changed,
        {"dateDebut": "", "dateFin": "1999-12-31"},
        {"dateDebut": "2000-01-01", "dateFin": "2004-06-30"},
        {"dateDebut": "2004-07-01", "dateFin": "2010-04-30"} | closed,
        {"siret": "73282932000082", "dateDebut": "2003-01-01"},
    )
    periods = found.connection.execute(
        f"SELECT * FROM ({status_periods()}) ORDER BY siret, first_day NULLS FIRST"
    ).fetchall()
    assert periods == [
        ("73282932000074", None, date(2004, 6, 30), True),
        ("73282932000074", date(2004, 7, 1), date(2010, 4, 30), False),
        ("73282932000074", date(2010, 5, 1), None, True),
        ("73282932000082", date(2003, 1, 1), None, True),
    ]


@given(st.from_regex(r"[0-9][0-9AB][0-9]{3}", fullmatch=True))
def test_a_department_is_that_of_the_plain_rule(commune: str) -> None:
    query = f"SELECT {department_of('x')} FROM (SELECT CAST(? AS VARCHAR) AS x)"
    ((found,),) = duckdb.execute(query, [commune]).fetchall()
    category = department_of_commune(commune)
    # The plain rule knows listed départements only; a code beyond the list is kept here, and counted.
    assert category is None or found == code_of(category)
    assert found == (None if commune.startswith("99") else commune[: 3 if commune[:2] in {"97", "98"} else 2])
