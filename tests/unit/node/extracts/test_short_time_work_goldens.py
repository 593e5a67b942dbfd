"""Requests for and use of short-time work, compared cell by cell with the real system's golden outputs."""

from support.golden import (
    CUT,
    Row,
    assert_same,
    golden_csv,
    golden_json,
    golden_log,
    golden_report,
    golden_table,
    printed,
    report_of,
)
from support.readings import read_sample
from vigie_node.extracts.apconso import APCONSO
from vigie_node.extracts.apdemande import APDEMANDE, REASONS
from vigie_node.extracts.workspace import Workspace

CONSUMED = {"id_conso": "ID", "heure_consomme": "HeureConsommee"}
REQUESTED = {"hta": "heures_autorisées", "mta": "montants_autorisés"}


def counted(row: Row) -> Row:
    """A report without the words about the file, which stands under another name here and there."""
    return {name: cell for name, cell in row.items() if name != "summary"}


def test_apconso_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, APCONSO, "dgefp", "apconsoTestData.csv")
    assert_same(golden_csv("test-import.apconso.golden.txt"), printed(found))
    staged = {"id_demande": "ID", "heures": "HeureConsommee"}
    assert_same(
        golden_table("test-import.sql.stg_apconso.golden.txt"), printed(found, order="siret"), names=staged, cut=CUT
    )
    assert_same([golden_log("apconso")], [report_of(found)])


def test_apconso_of_before_2025_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, APCONSO, "dgefp-legacy", "apconsoTestData.csv")
    assert_same(golden_json("dgefp-legacy", "expectedApconso.json"), printed(found), names=CONSUMED)
    assert_same([golden_report("dgefp-legacy", "expectedApconso.json")], [report_of(found)])


def test_apdemande_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, APDEMANDE, "dgefp", "apdemandeTestData.csv")
    assert_same(golden_csv("test-import.apdemande.golden.txt"), printed(found))
    staged = {
        "heures": "heures_autorisées", "montant": "montants_autorisés", "effectif": "effectif_autorisé",
        "motif_recours": "motif_recours_se",
    }  # fmt: skip
    assert_same(
        golden_table("test-import.sql.stg_apdemande.golden.txt"), printed(found, order="request"), names=staged, cut=CUT
    )
    assert_same([golden_log("apdemande")], [report_of(found)])


def test_apdemande_of_the_parser_itself_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, APDEMANDE, "dgefp", "apdemandeTestData.unit.csv")
    names = REQUESTED | {"heures_consommees": "heure_consommee"}
    assert_same(golden_json("dgefp", "expectedApdemande.json"), printed(found), names=names)
    assert_same([counted(golden_report("dgefp", "expectedApdemande.json"))], [counted(report_of(found))])


def test_apdemande_of_before_2025_is_the_golden_output_with_its_reason_beyond_the_table(workspace: Workspace) -> None:
    """Section 1.9: today's parser of the real system drops the row whose reason is 8; its golden output of then keeps it."""
    found = read_sample(workspace, APDEMANDE, "dgefp-legacy", "apdemandeTestData.csv")
    names = REQUESTED | {"montant_consommee": "montant_consomme"}
    assert_same(golden_json("dgefp-legacy", "expectedApdemande.json"), printed(found), names=names)
    assert_same([golden_report("dgefp-legacy", "expectedApdemande.json")], [report_of(found)])
    assert found.warnings["unknown_code:reason"] == 1


def test_the_reasons_are_those_of_the_golden_table() -> None:
    ours = [{"id": str(code), "label": label} for code, label in REASONS.items()]
    assert_same(golden_table("test-import.sql.labels_motif_recours.golden.txt"), ours, cut=CUT)
