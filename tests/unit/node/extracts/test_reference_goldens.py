"""The reference tables by which codes are known, compared cell by cell with the golden tables of the real system."""

from support.golden import ABSENT, CUT, Difference, assert_same, golden_table
from vigie.datasets.activities import activity
from vigie.datasets.departments import DEPARTMENTS
from vigie.datasets.reference import activities, departments, legal_forms

OLD_WORDS = "Insee's words until SCOP were no longer said to be of workers; the code is what rules look at"
CLOSED = {"5498", "5720", "6588"}
"""Forms that the golden table has dropped, and that companies of the register still have."""


def test_departments_and_regions_are_the_golden_table() -> None:
    ours = [
        {"departement": one.code, "libelle_departement": one.name, "region": one.region, "libelle_region": one.region_name}
        for one in departments().values()
    ]
    theirs = golden_table("test-import.sql.labels_departement_region.golden.txt")
    places = {row["departement"]: place for place, row in enumerate(theirs)}
    assert_same(theirs, sorted(ours, key=lambda row: places[row["departement"]]), cut=CUT)
    assert [row["departement"] for row in ours] == list(DEPARTMENTS)


def test_activities_are_the_golden_table() -> None:
    ours = []
    for code, label in activities().items():
        found = activity(code)
        assert found is not None
        ours.append(
            {"niv5": code, "niv4": code[:5], "niv3": code[:4], "niv2": code[:2], "niv1": found.section.upper(),
             "niv5_libelle": label}
        )  # fmt: skip
    theirs = golden_table("test-import.sql.naf_codes.golden.txt")
    sections = [
        Difference(row, "niv1_libelle", cells["niv1_libelle"], ABSENT, "the label of a section is shown nowhere")
        for row, cells in enumerate(theirs)
    ]
    assert_same(theirs, ours, listed=sections, cut=CUT)
    assert len(ours) == 732


def test_legal_forms_are_the_golden_table_and_those_that_are_closed() -> None:
    theirs = golden_table("test-import.sql.categories_juridiques.golden.txt")
    ours = [{"code": code, "libelle": label} for code, label in legal_forms().items()]
    known = {row["code"] for row in theirs}
    listed = [
        Difference(53, "libelle", "SARL coopérative de", "SARL coopérative ou", OLD_WORDS),
        Difference(78, "libelle", "SA coopérative de p", "SA coopérative ouvr", OLD_WORDS),
        Difference(103, "libelle", "SA coopérative de p", "SA coopérative ouvr", OLD_WORDS),
    ]
    assert_same(theirs, [row for row in ours if row["code"] in known], listed=listed, cut=CUT)
    assert {row["code"] for row in ours} - known == CLOSED
