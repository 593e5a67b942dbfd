"""The made-up files have the shape of the real ones: name, header, separator, quotation marks, dates, numbers, encoding."""

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest

from vigie.synth.extracts import Options, Written, write_extracts
from vigie.synth.layout import LAYOUTS, diane_header, effectif_months

FIXTURES = Path(__file__).resolve().parents[4] / "tests/data/signaux-faibles"
NEW_PAYDEX = "paydex/test_paydex.zip"
SAME_HEADER = {
    "cotisation": "urssaf/cotisationTestData.csv",
    "debit": "urssaf/debitTestData.csv",
    "delai": "urssaf/delaiTestData.csv",
    "ccsf": "urssaf/ccsfTestData.csv",
    "procol": "urssaf/procolTestData.csv",
    "apconso": "dgefp/apconsoTestData.csv",
    "apdemande": "dgefp/apdemandeTestData.csv",
    "bdf": "bdf/bdfTestData.csv",
    "paydex": NEW_PAYDEX,
    "sirene": "sirene/sireneTestData.csv",
    "sirene_ul": "sirene/sireneULTestData.csv",
    "sirene_histo": "sirene/sireneHistoTestData.csv",
}
LEGACY_HEADER = {
    "admin_urssaf": "urssaf-legacy/comptesTestData.csv",
    "cotisation": "urssaf-legacy/cotisationTestData.csv",
    "debit": "urssaf-legacy/debitTestData.csv",
    "delai": "urssaf-legacy/delaiTestData.csv",
    "ccsf": "urssaf-legacy/ccsfTestData.csv",
    "paydex": "paydex/paydexTestData.csv",
}
# What a cell of a column looks like, in the fixtures and in ours.
SHAPES = {
    "cotisation": {
        "Urssaf_gestion": r"\d{3}",
        "Siret": r"\d{14}",
        "Compte": r"\d{18}",
        "periode": r"\d{4}",
        "cotis_due": r"-?\d+(,\d\d)?",
    },
    "debit": {
        "Siren": r"\d{9}",
        "Dt_immat": r"\d{8}",
        "Periode": r"\d{6}",
        "Num_Ecn": r"\d{3}",
        "Dt_trt_ecn": r"\d{6,7}",
        "Mt_PO": r"\d+",
        "Mt_PP": r"\d+",
        "Recours_en_cours": r"[01]",
    },
    "delai": {
        "Numero_structure": r"\d{13}",
        "Date_creation": r"\d\d/\d\d/\d{4}",
        "Duree_delai": r"\d+",
        "Montant_global_echeancier": r"\d+\.\d\d",
    },
    "ccsf": {"Date_de_traitement": r"\d{6,7}", "Code_externe_stade": r"[A-Z]+", "Code_externe_action": "CCSF"},
    "procol": {"Dt_effet": r"\d\d[A-Z]{3}\d{4}", "Lib_actx_stdx": r"[A-Z][a-z]+(_[a-z]+)+"},
    "apconso": {"ID_DA": r"\w+", "HEURES": r"\d+\.\d+", "EFFECTIFS": r"\d+\.0", "MOIS": r"\d{4}-\d\d-\d\d"},
    "apdemande": {"HTA": r"\d+\.\d+", "DATE_DEB": r"\d{4}-\d\d-\d\d", "PERIMETRE_AP": r"[1-4]"},
    "bdf": {"D1": r"\d{3} \d{3} \d{3}", "ARRETE_BILAN": r"\d\d[A-Z]{3}\d{4}", "TX_MARGE": r"(-?\d+\.\d+)?"},
    "paydex": {
        "siren": r"\d{9}",
        "code_paydex": r"\d{3}",
        "encours_étudiés": r"\d+\.\d{3}",
        "date_valeur": r"[\d-]{10}",
    },
    "sirene": {
        "nic": r"\d{5}",
        "etablissementSiege": "true|false",
        "activitePrincipaleEtablissement": r"\d\d\.\d\d[A-Z]",
        "dateDernierTraitementEtablissement": r"(\d{4}-\d\d-\d\dT[\d:]{8})?",
    },
    "sirene_ul": {"categorieJuridiqueUniteLegale": r"\d{4}", "nicSiegeUniteLegale": r"\d{5}"},
    "sirene_histo": {"dateDebut": r"\d{4}-\d\d-\d\d", "etatAdministratifEtablissement": "[AF]"},
}


def fixture(name: str) -> str:
    if name == NEW_PAYDEX:
        with zipfile.ZipFile(FIXTURES / name) as archive:
            return archive.read("test_paydex.csv").decode()
    return (FIXTURES / name).read_text(encoding="utf-8")


def first_line(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.readline().removesuffix("\n")


def cells(text: str, separator: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=separator))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_extracts(tmp_path_factory.mktemp("today"), companies=900, months=30, seed=5)


@pytest.fixture(scope="module")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Written:
    options = Options(legacy_urssaf=True, old_paydex=True)
    return write_extracts(tmp_path_factory.mktemp("legacy"), companies=900, months=30, seed=5, options=options)


@pytest.mark.parametrize("kind", SAME_HEADER)
def test_headers_are_those_of_the_real_files(written: Written, kind: str) -> None:
    assert first_line(written.files[kind]) == fixture(SAME_HEADER[kind]).splitlines()[0]


@pytest.mark.parametrize("kind", LEGACY_HEADER)
def test_legacy_headers_are_those_of_the_legacy_files(legacy: Written, kind: str) -> None:
    assert first_line(legacy.files[kind]) == fixture(LEGACY_HEADER[kind]).splitlines()[0]


@pytest.mark.parametrize(
    ("kind", "name", "months", "last"),
    [
        ("effectif", "urssaf/effectifTestData.csv", 112, "2019-04"),
        ("effectif_ent", "urssaf/effectifEntTestData.csv", 5, "2010-05"),
    ],
)
def test_wide_headcounts_have_a_column_for_each_month(
    tmp_path: Path, kind: str, name: str, months: int, last: str
) -> None:
    made = write_extracts(tmp_path, companies=3, months=months, seed=1, last_month=last)
    assert first_line(made.files[kind]) == fixture(name).splitlines()[0]


def test_diane_is_utf_16_with_the_header_of_the_real_export(tmp_path: Path) -> None:
    made = write_extracts(tmp_path, companies=40, months=3, seed=1, last_month="2018-10")
    data = made.files["diane"].read_bytes()
    expected = (FIXTURES / "diane/dianeTestData.txt").read_bytes()
    end = "\r\n".encode("utf-16-le")
    assert data.split(end)[0] == expected.split(end)[0]
    assert data.startswith(b"\xff\xfe")
    assert data.endswith(end)
    lines = data.decode("utf-16").removesuffix("\r\n").split("\r\n")
    assert len(lines) == made.rows["diane"] + 1
    for line in lines:
        assert re.fullmatch(r'"[^"]*"(;"[^"]*")*', line)
        assert line.count(";") + 1 == len(diane_header()) == 447
    by_name = dict(zip(lines[0].split(";"), lines[1].split(";"), strict=True))
    assert re.fullmatch(r'"\d{9}"', by_name['"Numéro Siren"'])
    assert re.fullmatch(r'"(-?\d+,\d\d)?"', by_name['"Endettement % 2016"'])
    assert re.fullmatch(r'"(-?\d+)?"', by_name['"Chiffre d\'affaires net (H.T.) kEUR 2016"'])


@pytest.mark.parametrize("kind", SHAPES)
def test_cells_have_the_shape_of_the_real_ones(written: Written, kind: str) -> None:
    separator = next(one.separator for one in LAYOUTS if one.kind == kind)
    real = cells(fixture(SAME_HEADER[kind]), separator)
    made = cells(written.files[kind].read_text(encoding="utf-8"), separator)
    assert made
    for column, shape in SHAPES[kind].items():
        # The fixture's own SIRENs, codes and dates are not all sound; the amounts of cotisation are integers there.
        assert any(re.fullmatch(shape, row[column]) for row in real), column
        assert all(re.fullmatch(shape, row[column]) for row in made), column


def test_quotation_marks_stand_where_the_ministry_puts_them(written: Written) -> None:
    lines = written.files["apconso"].read_text(encoding="utf-8").splitlines()[1:]
    shape = r'"\w+","\d{14}",\d+\.\d+,\d+\.\d+,\d+\.0,"\d{4}-\d\d-01"'
    assert re.fullmatch(shape, fixture("dgefp/apconsoTestData.csv").splitlines()[2])
    assert all(re.fullmatch(shape, line) for line in lines)


@pytest.mark.parametrize(("last", "hour"), [("2025-08", " 00:00:00"), ("2025-09", "")])
def test_date_fin_lost_its_hour_in_september_2025(tmp_path: Path, last: str, hour: str) -> None:
    made = write_extracts(tmp_path, companies=30, months=4, seed=2, last_month=last)
    rows = cells(made.files["apdemande"].read_text(encoding="utf-8"), ",")
    assert rows
    assert all(re.fullmatch(rf"\d{{4}}-\d\d-\d\d{hour}", row["DATE_FIN"]) for row in rows)


def test_every_row_has_as_many_cells_as_the_header(written: Written, legacy: Written) -> None:
    for made in (written, legacy):
        for kind, path in made.files.items():
            if kind == "diane":
                continue
            separator = next((one.separator for one in LAYOUTS if one.kind == kind), ";")
            separator = ";" if path.name.startswith("E_") and made is legacy else separator
            with path.open(encoding="utf-8", newline="") as file:
                lengths = {len(row) for row in csv.reader(file, delimiter=separator)}
            assert len(lengths) == 1, kind


def test_names_are_those_of_the_deliveries(written: Written) -> None:
    names = {f"{path.parent.name}/{path.name}" for path in written.files.values()}
    assert "acoss/sigfaible_cotisdues.csv" in names
    assert "travail/demande_ap.csv" in names
    assert any(re.fullmatch(r"banque-de-france/E_\d{12}_Retro-Paydex_\d{8}\.csv", name) for name in names)
    assert len(names) == len(LAYOUTS)


def test_codes_of_months_are_those_of_the_urssaf() -> None:
    assert effectif_months(2019 * 12 + 10, 4) == ("eff201942", "eff201943", "eff202011", "eff202012")
