"""What is odd about rows taken together is counted, and changes no row."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from vigie.errors import ExtractError
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import TextSource
from vigie_node.extracts.workspace import Workspace

CONTRIBUTIONS = "Siret;Compte;periode;enc_direct;cotis_due\n"
COMMISSION = "Siret;Compte;Date_de_traitement;Code_externe_stade;Code_externe_action\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path, memory="256MB", threads=1) as opened:
        yield opened


def given(workspace: Workspace, kind: str, *texts: str) -> Reading:
    sources = [source(text.encode(), f"{number}.csv") for number, text in enumerate(texts)]
    return read(KINDS[kind], sources, workspace)


def source(content: bytes, name: str) -> TextSource:
    return TextSource(name, lambda: io.BytesIO(content))


def test_a_row_that_stands_twice_is_told_from_two_that_disagree(workspace: Workspace) -> None:
    row = "73282932000074;1;201711;1,0;{}\n"
    other = "73282932000074;1;201712;1,0;2,0\n"
    found = given(workspace, "cotisation", CONTRIBUTIONS + row.format("2,0") * 3 + row.format("3,0") + other)
    assert found.warnings == {"repeated_row": 2, "repeated_key": 1}
    assert (found.valid, found.rejected) == (5, 0)


def test_a_row_of_another_file_is_repeated_too(workspace: Workspace) -> None:
    text = f"{CONTRIBUTIONS}73282932000074;1;201711;1,0;2,0\n"
    assert given(workspace, "cotisation", text, text).warnings == {"repeated_row": 1}
    assert not given(workspace, "cotisation", text).warnings


@pytest.mark.parametrize(
    ("day", "warned"),
    [("0800101", 0), ("0791231", 1), ("180130", 1), ("1991231", 0), ("2000101", 1)],
)
def test_a_date_that_cannot_be_meant_is_counted(workspace: Workspace, day: str, warned: int) -> None:
    # Reference section 1.2: AAMMJJ is the year less 1900; a lost first digit is a date of the last century.
    rows = f"73282932000074;1;{day};APPROB;CCSF\n73282932000074;1;1180130;APPROB;CCSF\n"
    found = given(workspace, "ccsf", COMMISSION + rows)
    assert found.warnings == ({"date_out_of_range:treated": 1} if warned else {})
    assert found.valid == 2


def test_a_register_has_companies_of_two_centuries(workspace: Workspace) -> None:
    header = (
        "siren,dateCreationUniteLegale,etatAdministratifUniteLegale,categorieJuridiqueUniteLegale,"
        "activitePrincipaleUniteLegale,nomenclatureActivitePrincipaleUniteLegale,nicSiegeUniteLegale\n"
    )
    rows = "732829320,1850-01-01,A,5499,62.02A,NAFRev2,00074\n552100554,1750-01-01,A,5499,62.02A,NAFRev2,00074\n"
    assert given(workspace, "sirene_ul", header + rows).warnings["date_out_of_range:created"] == 1


@pytest.mark.parametrize("cell", ["APP\rROB", "\rAPPROB", "APPROB\r"])
def test_a_carriage_return_within_a_line_spoils_its_row_alone(workspace: Workspace, cell: str) -> None:
    row = "73282932000074;1;1180130;{};CCSF\n"
    found = given(workspace, "ccsf", COMMISSION + row.format("APPROB") + row.format(cell) + row.format("FIN"))
    assert [(one.line, one.rule) for one in found.findings] == [(3, "stray_carriage_return")]
    assert (found.valid, found.rejected) == (2, 1)


def test_a_line_of_content_in_place_of_the_header_is_not_shown(workspace: Workspace) -> None:
    with pytest.raises(ExtractError) as raised:
        given(workspace, "ccsf", "73282932000074;73282932000074;1180130;SECRET;SECRET\n1;2;3;4;5\n")
    assert raised.value.message == "0.csv, line 1: a name stands twice, in columns 1 and 2"
    with pytest.raises(ExtractError, match="the column 'Siret' stands twice, in columns 1 and 6"):
        given(workspace, "ccsf", COMMISSION.replace("\n", ";Siret\n") + "1;2;3;4;5;6\n")


def test_a_column_that_diane_does_not_know_is_told() -> None:
    layout = KINDS["diane"].layouts[0]
    assert layout.reads("numéro siren") and layout.reads("chiffre d'affaires net (h.t.) keur 2017")
    assert not layout.reads("nouveau") and not layout.reads("nouveau 2017")
