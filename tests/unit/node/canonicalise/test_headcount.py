"""Headcount: from companies where they are counted, else from their establishments (reference section 1.8)."""

from datetime import date
from typing import Any

from support.golden import SAMPLES, golden_table
from support.typed_tables import Rows, all_rows, typed
from vigie_node.canonicalise import canonicalise
from vigie_node.extracts.canonical import Checked
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

MAY, JUNE = date(2021, 5, 1), date(2021, 6, 1)


def line(may: int | None, june: int | None, **identifiers: str) -> dict[str, Any]:
    """A line of either file, with two months."""
    return {"months": [MAY, JUNE], "headcounts": [may, june], "account": "1"} | identifiers


def made(workspace: Workspace, **extracts: Rows) -> Checked:
    readings = {name: typed(workspace, name, rows) for name, rows in extracts.items()}
    (found,) = canonicalise(workspace, readings, JUNE)
    return found


def test_establishments_and_accounts_are_summed_and_zero_is_a_headcount(workspace: Workspace) -> None:
    """Section 1.8: 0 is a real value (issue 533); several accounts of an establishment are summed."""
    found = made(
        workspace,
        effectif=[
            line(3, 0, siret="11111111100001"),
            line(4, None, siret="11111111100002"),
            line(5, None, siret="11111111100002", account="2"),
        ],
    )
    assert all_rows(found.connection, found.table) == [("111111111", MAY, 12), ("111111111", JUNE, 0)]
    assert found.report.skipped == 0


def test_a_line_that_repeats_establishment_and_account_counts_once(workspace: Workspace) -> None:
    """Section 1.8: duplicates, where sum or largest must be chosen (prepare-import 50)."""
    once, other = line(3, 4, siret="11111111100001"), line(1, 1, siret="11111111100001", account="2")
    found = made(workspace, effectif=[once, once, other])
    assert all_rows(found.connection, found.table) == [("111111111", MAY, 4), ("111111111", JUNE, 5)]
    assert dict(found.report.rules) == {"repeated_line": 1}
    assert (found.report.parsed, found.report.valid) == (3, 2)


def test_a_company_on_several_lines_of_its_own_file_has_the_largest(workspace: Workspace) -> None:
    found = made(
        workspace,
        effectif_ent=[line(30, None, siren="111111111"), line(40, None, siren="111111111", account="2")],
    )
    assert all_rows(found.connection, found.table) == [("111111111", MAY, 40)]
    assert dict(found.report.rules) == {"repeated_line": 1}


def test_a_company_that_its_own_file_counts_is_not_counted_by_establishments(workspace: Workspace) -> None:
    found = made(
        workspace,
        effectif_ent=[line(30, None, siren="111111111"), line(None, None, siren="222222222")],
        effectif=[line(3, 3, siret="11111111100001"), line(None, 7, siret="22222222200001")],
    )
    assert all_rows(found.connection, found.table) == [("111111111", MAY, 30), ("222222222", JUNE, 7)]
    assert dict(found.report.rules) == {"counted_by_company": 1, "no_headcount": 1}
    assert (found.report.parsed, found.report.valid, found.report.skipped) == (4, 2, 2)
    assert found.report.files == ("effectif_ent.csv", "effectif.csv")


def test_a_line_without_any_headcount_is_counted(workspace: Workspace) -> None:
    found = made(workspace, effectif=[line(None, None, siret="11111111100001"), line(1, None, siret="22222222200001")])
    assert found.report.rows == 1
    assert dict(found.report.rules) == {"no_headcount": 1}


def test_the_view_of_the_real_system_holds_the_same(workspace: Workspace) -> None:
    """Its clean_effectif_ent, whose column is_latest is not sent."""
    reading = read(KINDS["effectif_ent"], [file_source(SAMPLES / "urssaf" / "effectifEntTestData.csv")], workspace)
    (found,) = canonicalise(workspace, {"effectif_ent": reading}, JUNE)
    theirs = golden_table("test-export.clean_effectif_ent.golden.txt")
    assert [
        {"siren": siren, "periode": month.isoformat(), "effectif_ent": str(headcount)}
        for siren, month, headcount in all_rows(found.connection, found.table)
    ] == [{key: row[key] for key in ("siren", "periode", "effectif_ent")} for row in theirs]
