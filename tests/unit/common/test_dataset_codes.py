"""Codes as numbers and categories, and the tables that say what they stand for."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.datasets import dataset, reference
from vigie.datasets.activities import SECTION_OF_DIVISION, SECTIONS, Activity, activity, legal_form
from vigie.datasets.departments import CATEGORIES, DEPARTMENTS, category_of, code_of, department_of_commune

ROOT = Path(__file__).resolve().parents[3]
UPSTREAM = ROOT / "tests/data/signaux-faibles"
TABLES = ROOT / "common/vigie/datasets/reference"


# Activities


@pytest.mark.parametrize("text", ["62.02A", "6202A"])
def test_an_activity_is_cut_into_its_levels(text: str) -> None:
    assert activity(text) == Activity("j", 62, 620, 6202, 1)


def test_leading_zeros_are_kept_and_z_is_the_last_letter() -> None:
    first = activity("01.11Z")
    assert first == Activity("a", 1, 11, 111, 26)
    assert first.text == "01.11Z"


@pytest.mark.parametrize(
    "text",
    ["", "62.02", "62.02a", "62.2A", "62-02A", " 62.02A", "62.02A\n", "62.02AA", "04.00Z", "00.00Z", "NNNNN", "٦٢.02A"],
)
def test_what_is_no_activity_is_none(text: str) -> None:
    assert activity(text) is None


def test_every_code_of_the_nomenclature_is_told_apart_and_comes_back() -> None:
    cut = {code: activity(code) for code in reference.activities()}
    assert len(cut) == len({(one.code, one.letter) for one in cut.values() if one is not None}) == 732
    assert all(one is not None and one.text == code for code, one in cut.items())


def test_sections_are_those_of_the_programme() -> None:
    with (UPSTREAM / "naf/5to1.csv").open(encoding="utf-8", newline="") as file:
        sections = {row["n5"]: row["n1"].lower() for row in csv.DictReader(file, delimiter=";")}
    found = {code: one.section for code in sections if (one := activity(code)) is not None}
    assert found == sections
    assert set(SECTIONS) == set(SECTION_OF_DIVISION.values()) == set(sections.values())
    assert dataset("legal_units").column("activity_section").categories == SECTIONS


@pytest.mark.parametrize("name, get", [("division", 0), ("group", 1), ("class", 2), ("letter", 3)])
def test_every_code_is_plausible(name: str, get: int) -> None:
    column = dataset("legal_units").column(f"activity_{name}")
    cut = [one for code in reference.activities() if (one := activity(code)) is not None]
    values = [(one.division, one.group, one.code, one.letter)[get] for one in cut]
    assert column.minimum is not None and column.maximum is not None
    assert column.minimum <= min(values) and max(values) <= column.maximum


@given(st.text(max_size=8) | st.from_regex(r"\A[0-9]{2}\.?[0-9]{2}[A-Z]\Z"))
def test_any_text_is_an_activity_that_comes_back_or_none(text: str) -> None:
    found = activity(text)
    if found is not None:
        assert found.text.replace(".", "") == text.replace(".", "")
        assert activity(found.text) == found


@pytest.mark.parametrize(
    "text, form",
    [("5710", 5710), ("0000", 0), ("571", None), ("57100", None), ("", None), ("57x0", None), ("5710\n", None)],
)
def test_legal_forms_are_four_digits(text: str, form: int | None) -> None:
    assert legal_form(text) == form


# Départements


def test_categories_stand_for_the_codes_in_their_order() -> None:
    assert len(CATEGORIES) == len(set(CATEGORIES)) == 110
    assert CATEGORIES[:2] == ("d01", "d02")
    assert {"d2a", "d2b", "d971", "d974"} <= set(CATEGORIES)
    assert "d20" not in CATEGORIES
    assert [code_of(category_of(code)) for code in DEPARTMENTS] == list(DEPARTMENTS)


@pytest.mark.parametrize(
    "commune, category",
    [
        ("01004", "d01"),
        ("2A004", "d2a"),
        ("2B033", "d2b"),
        ("75056", "d75"),
        ("97411", "d974"),
        ("97502", "d975"),
        ("98818", "d988"),
        ("99404", None),
        ("96000", None),
        ("20000", None),
        ("97999", None),
        ("", None),
        ("1004", None),
        ("2a004", None),
        ("2C004", None),
    ],
)
def test_the_department_is_that_of_the_commune(commune: str, category: str | None) -> None:
    assert department_of_commune(commune) == category


@given(st.text(max_size=6) | st.from_regex(r"\A[0-9][0-9AB][0-9]{3}\Z"))
def test_any_text_gives_a_listed_department_or_none(text: str) -> None:
    found = department_of_commune(text)
    assert found is None or (found in CATEGORIES and text.startswith(code_of(found)))


# Reference tables


def test_reference_tables_tell_every_code() -> None:
    assert tuple(reference.departments()) == DEPARTMENTS
    corsica = reference.departments()["2A"]
    assert (corsica.name, corsica.region, corsica.region_name) == ("Corse-du-Sud", "94", "Corse")
    assert reference.activities()["62.02A"] == "Conseil en systèmes et logiciels informatiques"
    assert reference.legal_forms()["2800"] == "Assujetti unique à la TVA"
    assert all(legal_form(code) is not None for code in reference.legal_forms())
    assert all(
        label.strip() == label != "" for label in (*reference.activities().values(), *reference.legal_forms().values())
    )


def test_the_perimeter_knows_every_legal_form_that_it_excludes() -> None:
    """§1.17 of the field's rules: the forms of public bodies, unions and churches, and associations of owners."""
    excluded = "4110 4120 4140 4160 7210 7220 7346 7348 7366 7373 7379 7383 7389 7410 7430 7470 7490"
    assert set(excluded.split()) <= reference.legal_forms().keys()


def make(source: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/make_reference.py"), "--source", str(source), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_reference_tables_are_made_again_byte_for_byte(tmp_path: Path) -> None:
    done = make(UPSTREAM, tmp_path)
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in TABLES.glob("*.csv")}
    assert len(made) == 3


def test_a_label_that_is_not_the_golden_one_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "upstream"
    for path in UPSTREAM.rglob("*.*"):
        target = source / path.relative_to(UPSTREAM)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    names = source / "datapi-randomized/departements.csv"
    names.write_text(names.read_text(encoding="utf-8").replace("Yvelines", "Yveline"), encoding="utf-8")
    done = make(source, tmp_path)
    assert done.returncode == 1
    assert "'Yveline' does not begin as the golden one, 'Yvelines'" in done.stderr
    assert not list(tmp_path.glob("*.csv"))


def test_the_licence_travels_with_the_tables() -> None:
    text = re.sub(r"\s+", " ", (TABLES / "SOURCE.md").read_text(encoding="utf-8"))
    for licence in ("opensignauxfaibles", "datapi"):
        upstream = (UPSTREAM / f"LICENSES/{licence}.txt").read_text(encoding="utf-8")
        assert re.sub(r"\s+", " ", upstream).strip() in text
