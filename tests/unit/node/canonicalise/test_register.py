"""Legal units and the départements of their establishments (reference section 1.14)."""

from datetime import date
from typing import Any

import pytest

from support.golden import SAMPLES
from support.typed_tables import Rows, all_rows, typed
from vigie.datasets.activities import activity
from vigie.datasets.departments import CATEGORIES, department_of_commune
from vigie.datasets.reference import activities
from vigie_node.canonicalise import canonicalise
from vigie_node.canonicalise.register import activity_columns
from vigie_node.extracts.canonical import Checked
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

LAST = date(2021, 6, 1)
SIREN = "111111111"


def unit(**other: Any) -> dict[str, Any]:
    row = {"siren": SIREN, "created": date(2000, 1, 2), "active": True, "legal_form": "5710", "activity": "62.02A"}
    return row | other


def site(nic: str, department: str | None, **other: Any) -> dict[str, Any]:
    row = {
        "siren": SIREN, "nic": nic, "siret": SIREN + nic, "department": department, "abroad": False, "head_office": False,
        "active": True,
    }  # fmt: skip
    return row | other


def made(workspace: Workspace, dataset: str, **extracts: Rows) -> Checked:
    readings = {name: typed(workspace, name, rows) for name, rows in extracts.items()}
    (found,) = canonicalise(workspace, readings, LAST, asked=[dataset])
    return found


def rows(found: Checked) -> list[tuple[Any, ...]]:
    return all_rows(found.connection, found.table)


def test_a_legal_unit_has_its_codes_its_seat_and_its_open_establishments(workspace: Workspace) -> None:
    sites = [
        site("00001", "2A", head_office=True),
        site("00002", "971"),
        site("00003", "75", active=False),
        site("00004", "75", active=None),
        site("00001", "2A", head_office=True),
        site("00001", "75", siren="999999999", siret="99999999900001"),
    ]
    found = made(workspace, "legal_units", sirene_ul=[unit(activity="47.11F"), unit()], sirene=sites)
    section = found.dataset.column("activity_section").categories.index("j")
    assert rows(found) == [
        (SIREN, LAST, section, 62, 620, 6202, 1, 5710, date(2000, 1, 2), True, CATEGORIES.index("d2a"), False, 2)
    ]
    assert dict(found.report.rules) == {
        "repeated_company": 1,
        "repeated_establishment": 1,
        "establishment_without_company": 1,
    }
    assert (found.report.parsed, found.report.valid) == (8, 5)


@pytest.mark.parametrize(
    ("seat", "department", "abroad"),
    [
        ({"department": None, "abroad": True}, None, True),
        ({"department": None, "abroad": False}, None, False),  # withheld
        ({"department": "99", "abroad": False}, None, False),  # no code of the list
        ({"department": "01", "abroad": False}, "d01", False),
    ],
)
def test_a_seat_abroad_is_told_from_one_that_is_unknown(
    workspace: Workspace, seat: dict[str, Any], department: str | None, abroad: bool
) -> None:
    """Section 1.14: département by commune, empty is abroad; section 5, pain 9: withheld is neither."""
    found = made(workspace, "legal_units", sirene_ul=[unit()], sirene=[site("00001", None, head_office=True) | seat])
    ((*_, place, away, _),) = rows(found)
    assert (place, away) == (None if department is None else CATEGORIES.index(department), abroad)


def test_without_establishments_their_columns_are_empty(workspace: Workspace) -> None:
    found = made(workspace, "legal_units", sirene_ul=[unit(legal_form=None, activity=None, active=None, created=None)])
    assert rows(found) == [(SIREN, LAST, *[None] * 11)]
    assert found.report.notes == ["made without sirene, which was not given"]


def test_a_company_without_establishments_has_none_open_and_no_seat(workspace: Workspace) -> None:
    found = made(workspace, "legal_units", sirene_ul=[unit()], sirene=[site("00001", "75", siren="222222222")])
    ((*_, place, away, opened),) = rows(found)
    assert (place, away, opened) == (None, None, 0)


def test_open_establishments_are_counted_by_departement(workspace: Workspace) -> None:
    sites = [site("00001", "2A"), site("00002", "2A"), site("00002", "2A"), site("00003", "974"), site("00004", None)]
    sites += [site("00005", "2A", active=False), site("00006", "99")]
    found = made(workspace, "establishment_departments", sirene=sites)
    assert rows(found) == [(SIREN, LAST, CATEGORIES.index("d2a"), 2), (SIREN, LAST, CATEGORIES.index("d974"), 1)]
    assert dict(found.report.rules) == {"repeated_establishment": 1, "closed_establishment": 1, "no_department": 2}
    assert (found.report.parsed, found.report.valid, found.report.skipped) == (7, 3, 4)


def test_activity_codes_are_cut_as_the_datasets_cut_them(workspace: Workspace) -> None:
    """All codes of the nomenclature, without their dot too, and what is none."""
    codes = [
        *activities(),
        *(code.replace(".", "") for code in activities()),
        "00.00Z",
        "62.02",
        "6202AB",
        "",
        "99.00Z",
    ]
    workspace.connection.execute("CREATE TABLE codes (code VARCHAR)")
    workspace.connection.execute(f"INSERT INTO codes VALUES {', '.join(['(?)'] * len(codes))}", codes)
    found = workspace.connection.execute(f"SELECT code, {activity_columns('code')} FROM codes").fetchall()
    assert len(found) == len(codes) > 1000
    for code, *levels in found:
        cut = activity(code)
        expected = [None] * 5 if cut is None else [cut.section, cut.division, cut.group, cut.code, cut.letter]
        assert levels == expected, code


def test_the_files_of_the_register_give_the_departements_of_their_communes(workspace: Workspace) -> None:
    """The real fixtures, by the rule of the datasets."""
    readings = {
        kind: read(KINDS[kind], [file_source(SAMPLES / "sirene" / f"{name}.csv")], workspace)
        for kind, name in (("sirene", "sireneTestData"), ("sirene_ul", "sireneULTestData"))
    }
    made = canonicalise(workspace, readings, LAST)
    assert [one.dataset.name for one in made] == ["legal_units", "establishment_departments"]
    found = workspace.connection.execute("SELECT siren, commune_code FROM sirene WHERE active").fetchall()
    expected = {(siren, department_of_commune(commune or "")) for siren, commune in found}
    ours = {(siren, CATEGORIES[place]) for siren, _, place, _ in rows(made[1])}
    assert ours == {pair for pair in expected if pair[1] is not None}
    assert ours
