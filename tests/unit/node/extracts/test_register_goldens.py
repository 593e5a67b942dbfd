"""The register of companies, compared cell by cell with the golden outputs of opensignauxfaibles and datapi."""

import json
from dataclasses import replace
from typing import Any

import pytest

from support.golden import (
    ABSENT,
    CUT,
    Difference,
    Row,
    assert_same,
    golden_csv,
    golden_json,
    golden_log,
    golden_report,
    golden_table,
    printed,
    report_of,
    sample,
    text_of,
)
from support.readings import read_sample
from vigie.datasets.activities import activity
from vigie.datasets.reference import activities, departments, legal_forms
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.sirene import SIRENE
from vigie_node.extracts.sirene_histo import SIRENE_HISTO, status_periods
from vigie_node.extracts.sirene_ul import SIRENE_UL
from vigie_node.extracts.workspace import Workspace

NOWHERE = "a coordinate that is no number is unknown; 0, 0 is a place in the Gulf of Guinea"
NOT_TWICE = "they count the row as rejected for its coordinates, and write it out all the same"
UNUSED = "a column of theirs that nothing has filled since rows of older nomenclatures are left out"


def filled(rows: list[Row], **empty: str) -> list[Row]:
    """Their JSON leaves out what is empty, false or zero: it is put back."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [{name: row.get(name, empty.get(name, "")) for name in names} for row in rows]


def section_of(code: str) -> str:
    """The letter of the section of a listed activity code, else nothing."""
    found = activity(code) if code in activities() else None
    return found.section.upper() if found else ""


def test_sirene_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, SIRENE, "sirene", "sireneTestData.csv")
    ours = printed(found)
    zeros = [Difference(3, name, "0", "", NOWHERE) for name in ("longitude", "latitude")]
    assert_same(golden_csv("test-import.sirene.golden.txt"), ours, listed=zeros)
    names = {"voie": "voie", "numero_voie": "numéro_voie", "date_creation": "création"}
    theirs = filled(golden_json("sirene", "expectedSirene.json"), siege="false")
    assert_same(theirs, ours, names=names)


def test_sirene_is_the_golden_table(workspace: Workspace) -> None:
    found = read_sample(workspace, SIRENE, "sirene", "sireneTestData.csv")
    listed = [Difference(0, name, "0", "", NOWHERE) for name in ("longitude", "latitude")]
    listed += [
        Difference(row, name, "", ABSENT, UNUSED)
        for row in range(4)
        for name in ("code_activite", "nomenclature_activit")
    ]
    assert_same(
        golden_table("test-import.sql.stg_sirene.golden.txt"), printed(found, order="siren"), listed=listed,
        names={"date_creation": "création"}, cut=CUT,
    )  # fmt: skip


def test_the_report_of_sirene_counts_each_row_once(workspace: Workspace) -> None:
    """Section 1.1: parsed = valid + rejected + skipped; a row is valid or rejected, and not both (#359)."""
    found = read_sample(workspace, SIRENE, "sirene", "sireneTestData.csv")
    counts = [
        Difference(0, "lines_rejected", "1", "0", NOT_TWICE),
        Difference(0, "lines_valid", "3", "4", NOT_TWICE),
    ]
    log = Difference(0, "head_rejected", "Line 5: strconv.Par", "", NOT_TWICE)
    assert_same([golden_log("sirene")], [report_of(found)], listed=[*counts, log])
    theirs = golden_report("sirene", "expectedSirene.json")
    ours = report_of(found)
    assert_same(
        [theirs],
        [ours],
        listed=[
            *counts,
            Difference(0, "head_rejected", theirs["head_rejected"], "", NOT_TWICE),
            Difference(0, "summary", theirs["summary"], ours["summary"], NOT_TWICE),
        ],
    )
    assert "4 lignes valides" in ours["summary"] and "0 lignes rejetées, 1 lignes filtrées" in ours["summary"]
    assert found.warnings["not_number:longitude"] == found.warnings["not_number:latitude"] == 1


def test_sirene_as_it_is_exported_is_the_golden_text(workspace: Workspace) -> None:
    """``clean_sirene``: their snapshot sorts the lines of a CSV whose addresses have line ends within."""
    found = read_sample(workspace, SIRENE, "sirene", "sireneTestData.csv")
    lines = []
    for row in printed(found):
        name, region, region_name = "", "", ""
        if place := departments().get(row["département"]):
            name, region, region_name = place.name, place.region, place.region_name
        street = " ".join((row["numéro_voie"], row["indrep"], row["type_voie"], row["voie"])).lstrip()
        head = f"{row['siren']},{row['siret']},{row['siege'][0]}"
        lines += [
            f'{head},"{street} ({row["complement_adresse"]})',
            f"{row['code_postal']} {row['commune']} {row['distribution_speciale']}",
            ",".join(
                (
                    '"',
                    row["code_commune"],
                    row["département"],
                    name,
                    region,
                    region_name,
                    row["ape"],
                    section_of(row["ape"]),
                    row["création"],
                    row["longitude"],
                    row["latitude"],
                    row["est_actif"][0],
                )
            ),
        ]
    theirs = sample("golden", "test-export.clean_sirene.golden.txt").read_text(encoding="utf-8").splitlines()
    zeros = '",63024,63,Puy-de-Dôme,84,Auvergne-Rhône-Alpes,28.41X,,2007-04-20,{},t'
    assert theirs.count(zeros.format("0,0")) == 1, NOWHERE
    theirs[theirs.index(zeros.format("0,0"))] = zeros.format(",")
    assert sorted(theirs[1:]) == sorted(lines)
    assert theirs[0].startswith("siren,siret,siege,adresse,code_commune,departement,libelle_departement,region,")


def test_sirene_ul_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, SIRENE_UL, "sirene", "sireneULTestData.csv")
    ours = printed(found)
    assert_same(golden_csv("test-import.sirene_ul.golden.txt"), ours)
    names = {
        **{f"prenom{number}_unite_legale": f"Prenom{number}UniteLegale" for number in range(1, 5)},
        "nom_unite_legale": "NomUniteLegale",
        "nom_usage_unite_lega": "NomUsageUniteLegale",
        "raison_sociale": "RaisonSociale",
        "categorie_juridique": "CodeStatutJuridique",
        "date_creation": "Creation",
        "est_actif": "EstActif",
        "activite_principale": "APE",
        "activite_principale_": "ape_naf25",
    }
    assert_same(filled(golden_json("sirene", "expectedSireneUL.json")), ours, names=names)
    assert_same(
        golden_table("test-import.sql.stg_sirene_ul.golden.txt"), printed(found, order="siren"), names=names, cut=CUT
    )
    assert_same([golden_log("sirene_ul")], [report_of(found)])
    assert_same([golden_report("sirene", "expectedSireneUL.json")], [report_of(found)])
    assert found.warnings["not_date:dateCreationUniteLegale"] == 1


def test_sirene_ul_as_it_is_exported_is_the_golden_table(workspace: Workspace) -> None:
    """``clean_sirene_ul`` repeats names of columns once they are cut, so that its cells are compared by their place."""
    found = read_sample(workspace, SIRENE_UL, "sirene", "sireneULTestData.csv")
    offices = {
        row["siret"]: row["département"]
        for row in printed(read_sample(workspace, SIRENE, "sirene", "sireneTestData.csv"))
    }
    head_office = "(siren || head_office_nic)"
    rows = []
    for row in printed(found, extra={"office": head_office}, order="siren"):
        sole = f"{row['NomUniteLegale']} {row['NomUsageUniteLegale']} {row['Prenom1UniteLegale']} EI"
        place = departments().get(offices.get(row["office"], ""))
        rows.append(
            [
                row["Siren"],
                row["RaisonSociale"] or sole,
                row["CodeStatutJuridique"],
                legal_forms().get(row["CodeStatutJuridique"], ""),
                row["APE"],
                activities().get(row["APE"], ""),
                *(section_of(row["APE"]), ""),  # and the section's label: no code of theirs is a real one
                row["ape_naf25"],
                # Label, section and its label in the nomenclature of 2025: theirs are empty, as the codes are invented.
                *["", "", ""],
                *([place.code, row["office"], place.name, place.region, place.region_name] if place else [""] * 5),
                row["Creation"],
                row["EstActif"],
            ]
        )
    text = sample("golden", "test-export.clean_sirene_ul.golden.txt").read_text(encoding="utf-8", errors="ignore")
    theirs = [[cell.strip() for cell in line.split("\t")] for line in text.splitlines()[1:]]
    places = [str(place) for place in range(len(rows[0]))]
    assert_same(
        [
            {place: cell.removesuffix(" 00:00:00").replace("NULL", "") for place, cell in zip(places, row, strict=True)}
            for row in theirs
        ],
        [dict(zip(places, row, strict=True)) for row in rows],
        names={place: place for place in places},
        cut=CUT,
    )


def test_sirene_histo_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, SIRENE_HISTO, "sirene", "sireneHistoTestData.csv")
    theirs = filled(golden_json("sirene", "expectedSireneHisto.json"), est_actif="false")
    assert_same(theirs, printed(found))
    assert_same(
        golden_table("test-import.sql.stg_sirene_histo.golden.txt"), printed(found, order="siret, first_day"), cut=CUT,
        names={"changement_statut_ac": "changement_statut_actif"},
    )  # fmt: skip
    assert_same([golden_log("sirene_histo")], [report_of(found)])
    assert_same([golden_report("sirene", "expectedSireneHisto.json")], [report_of(found)])


def test_their_csv_of_sirene_histo_has_no_cell_to_compare_with() -> None:
    """A defect of theirs: the type has no columns for CSV, and its export is one empty line a row."""
    lines = sample("golden", "test-import.sirene_histo.golden.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["==== sirene_histo.csv ====", "", "", "", "", ""]


def test_the_periods_of_an_establishment_are_the_golden_table(workspace: Workspace) -> None:
    """Section 1.14: the first row and those with a change of state are kept; a period ends the day before the next."""
    found = read_sample(workspace, SIRENE_HISTO, "sirene", "sireneHistoTestData.csv")
    names = ("siret", "date_debut", "date_fin", "est_actif")
    rows = found.connection.execute(f"SELECT * FROM ({status_periods()}) ORDER BY 1, 2").fetchall()
    assert_same(
        golden_table("test-export.clean_sirene_histo.golden.txt"),
        [dict(zip(names, map(text_of, row), strict=True)) for row in rows],
        cut=CUT,
    )


def datapi_rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sample("sirene", f"datapi/{name}").read_text(encoding="utf-8"))
    return found


def compared_with_datapi(kind: Kind, source: str, expected: str, workspace: Workspace) -> tuple[list[Row], list[Row]]:
    """Their rows and ours under the headers of the file. datapi keeps rows of older nomenclatures: they are kept here."""
    found = read_sample(workspace, replace(kind, skips=()), "sirene", f"datapi/{source}")
    theirs = datapi_rows(expected)
    columns = {one.header[0].casefold(): one.name for one in kind.layouts[0].fields if one.stored}
    read_too = {name for name in theirs[0] if name.casefold() in columns}
    not_read = {name.casefold() for name in theirs[0]} - {name.casefold() for name in read_too}
    # What is not compared is what is not read: nothing of it is used, and much of it is about persons.
    assert not_read <= {name.casefold() for name in found.extra} | {
        "siret", "typevoieetablissement", "indicerepetitionetablissement",
    }  # fmt: skip
    chosen = ", ".join(f'"{columns[name.casefold()]}" AS "{name}"' for name in sorted(read_too))
    cursor = found.connection.execute(f"SELECT {chosen} FROM {found.table} ORDER BY line")
    names = [one[0] for one in cursor.description]
    ours = [dict(zip(names, map(text_of, row), strict=True)) for row in cursor.fetchall()]
    return [{name: without_day_zero(row[name]) for name in sorted(read_too)} for row in theirs], ours


def without_day_zero(value: object) -> str:
    """A value of theirs; the first day of year 1 is how Go writes that there is none."""
    text = text_of(value)
    return "" if text == "0001-01-01" else text


def test_establishments_are_those_of_datapi(workspace: Workspace) -> None:
    theirs, ours = compared_with_datapi(
        SIRENE, "test_StockEtablissement_utf8_geo.csv.gz", "test_expectedGeoSirene.json", workspace
    )
    for row in theirs:
        row["EtatAdministratifEtablissement"] = text_of(row["EtatAdministratifEtablissement"] == "A")
    assert_same(theirs, ours)
    assert len(theirs[0]) == 21


def test_companies_are_those_of_datapi(workspace: Workspace) -> None:
    theirs, ours = compared_with_datapi(
        SIRENE_UL, "test_StockUniteLegale_utf8.zip", "test_expectedSireneUL.json", workspace
    )
    for row in theirs:
        row["EtatAdministratifUniteLegale"] = text_of(row["EtatAdministratifUniteLegale"] == "A")
    assert_same(theirs, ours)
    assert len(theirs[0]) == 14


@pytest.mark.parametrize(
    ("kind", "name", "valid", "skipped"),
    [
        (SIRENE, "goSirene/StockEtablissement_utf8_geo.csv.gz", 28, 12),
        (SIRENE_UL, "goSirene/StockUniteLegale_utf8.zip", 4, 35),
        (SIRENE, "datapi/test_StockEtablissement_utf8_geo.csv.gz", 0, 4),
        (SIRENE_UL, "datapi/test_StockUniteLegale_utf8.zip", 2, 2),
    ],
)
def test_real_rows_of_the_register_are_sound(
    kind: Kind, name: str, valid: int, skipped: int, workspace: Workspace
) -> None:
    """Real identifiers pass their check digits, real codes are listed, and only older nomenclatures are left out."""
    found = read_sample(workspace, kind, "sirene", name)
    assert (found.parsed, found.valid, found.rejected, found.skipped) == (valid + skipped, valid, 0, skipped)
    assert {rule for rule, _ in found.rules} == {"other_nomenclature"}
    assert not found.warnings
