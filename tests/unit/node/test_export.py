"""Exports: what an agent reads. Denied and unknown cells stay empty, never 0; every list says what it is."""

import csv
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vigie import result
from vigie_node import export

ABOUT: dict[str, Any] = {
    "grant": "acoss-list", "recipient": "acoss", "purpose": "early-warning", "period": "2026-05", "order": "00",
    "evidence": "00", "level": "A1", "limits": ["Niveau A1 : limite"], "withheld": {"other_sources": ["bdf"]},
    "missing_partners": ["travail"], "freshness": {"debts": {"partner": "acoss", "period": "2026-05", "as_of": "2026-05-31"}},
    "features": {"debt_ratio": {"fr": "dette sur cotisation", "en": "debt over contribution", "unit": "", "topic": ""}},
    "notice_fr": "Avis.", "notice_en": "Notice.",
}  # fmt: skip


def table() -> pa.Table:
    names = ["siren", *result.schema().names[1:]]
    row: dict[str, Any] = dict.fromkeys(names)
    row |= {"siren": "012345678", "level": "Alerte seuil F1", "score": 0.5, "reason_1": "debt_ratio"}
    row |= {"reason_1_value": 3.2, "reason_1_low": 0.0, "reason_1_high": 0.4}
    other: dict[str, Any] = dict.fromkeys(names)
    other |= {"siren": "000000001", "score": 0.0}
    fields = [pa.field("siren", pa.string()), *list(result.schema())[1:]]
    return pa.Table.from_pylist([row, other], schema=pa.schema(fields))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_csv_is_in_words_and_french_by_default(tmp_path: Path) -> None:
    export.write(table(), ABOUT, tmp_path / "list.csv", form="csv", language="fr")
    first, second = read_csv(tmp_path / "list.csv")
    assert first["SIREN"] == "012345678"
    assert first["Niveau d'alerte"] == "Alerte seuil F1"
    assert first["Motif 1"] == "Dette sur cotisation : 3,2 (habituel dans le secteur : 0 à 0,4)"
    assert (first["Bas habituel du secteur, motif 1"], first["Haut habituel du secteur, motif 1"]) == ("0.0", "0.4")
    assert (first["Motif 2"], second["Motif 1"]) == ("", "")
    assert first["Autres sources (total) (non communiqué)"] == ""
    assert second["Score"] == "0.0"
    assert second["Niveau d'alerte"] == ""


def test_the_notice_beside_the_csv_says_what_is_withheld_missing_and_not_protected(tmp_path: Path) -> None:
    export.write(table(), ABOUT, tmp_path / "list.csv", form="csv", language="fr")
    said = (tmp_path / "list.txt").read_text()
    for part in ("Avis.", "A1", "limite", "travail", "2026-05-31", "non communiqué (bdf)"):
        assert part in said


def test_english_is_a_switch(tmp_path: Path) -> None:
    export.write(table(), ABOUT, tmp_path / "list.csv", form="csv", language="en")
    first, _ = read_csv(tmp_path / "list.csv")
    assert first["Alert level"].startswith("Alert, threshold F1")
    assert first["Reason 1"] == "Debt over contribution: 3.2 (usual in the sector: 0 to 0.4)"
    assert first["Other sources (total) (withheld)"] == ""


def test_parquet_keeps_names_types_and_what_it_is_about(tmp_path: Path) -> None:
    export.write(table(), ABOUT, tmp_path / "list.parquet", form="parquet", language="fr")
    back = pq.read_table(tmp_path / "list.parquet")
    assert export.without_sentences(back).replace_schema_metadata(None).equals(table())
    assert export.about(back) == ABOUT


def test_parquet_says_each_reason_in_a_sentence_and_anew_in_another_language(tmp_path: Path) -> None:
    export.write(table(), ABOUT, tmp_path / "list.parquet", form="parquet", language="fr")
    back = pq.read_table(tmp_path / "list.parquet")
    assert back.column_names[back.column_names.index("reason_1") + 1] == "reason_1_sentence"
    french = "Dette sur cotisation : 3,2 (habituel dans le secteur : 0 à 0,4)"
    assert back.column("reason_1_sentence").to_pylist() == [french, None]
    assert back.column("reason_2_sentence").null_count == 2
    export.write(back, ABOUT, tmp_path / "again.parquet", form="parquet", language="en")
    again = pq.read_table(tmp_path / "again.parquet")
    assert again.column_names == back.column_names
    assert again.column("reason_1_sentence")[0].as_py() == (
        "Debt over contribution: 3.2 (usual in the sector: 0 to 0.4)"
    )
    for form in ("csv", "xlsx"):
        export.write(back, ABOUT, tmp_path / f"list.{form}", form=form, language="en")
    assert not any("sentence" in name for name in read_csv(tmp_path / "list.csv")[0])


def test_a_range_that_is_withheld_is_said_to_be(tmp_path: Path) -> None:
    withheld = {"reason_1_low": ["fiscal"], "reason_1_high": ["fiscal"]}
    export.write(table(), {**ABOUT, "withheld": withheld}, tmp_path / "list.csv", form="csv", language="fr")
    assert read_csv(tmp_path / "list.csv")[0]["Motif 1"].endswith("(habituel dans le secteur : non communiqué)")


def test_a_reason_whose_meaning_is_not_told_stands_under_its_name(tmp_path: Path) -> None:
    export.write(table(), {**ABOUT, "features": {}}, tmp_path / "list.csv", form="csv", language="fr")
    assert read_csv(tmp_path / "list.csv")[0]["Motif 1"].startswith("Debt_ratio : 3,2 ")


def test_xlsx_holds_the_list_and_a_sheet_to_read(tmp_path: Path) -> None:
    export.write(table(), ABOUT, tmp_path / "list.xlsx", form="xlsx", language="fr")
    with zipfile.ZipFile(tmp_path / "list.xlsx") as book:
        strings = book.read("xl/sharedStrings.xml").decode()
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    for part in ("012345678", "Alerte seuil F1", "Dette sur cotisation : 3,2 (habituel", "non communiqué", "Avis."):
        assert part in strings
    last = len(result.schema().names)
    assert f'r="{_column(last - 1)}2"' not in sheet, "a withheld cell is not written at all"


def _column(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else "A" + chr(ord("A") + place - 26)


@pytest.mark.parametrize("form", export.FORMATS)
def test_a_write_that_fails_leaves_no_half_file(tmp_path: Path, form: str) -> None:
    target = tmp_path / "missing" / f"list.{form}"
    with pytest.raises(OSError, match="missing"):
        export.write(table(), ABOUT, target, form=form, language="fr")
    assert list(tmp_path.iterdir()) == []
