"""A list at the terminal."""

import pyarrow as pa
import pytest

from vigie import result
from vigie_node import export, showing
from vigie_node.changes import with_changes

ABOUT = {"features": {"plan_age": {"fr": "ancienneté du délai", "en": "age of the plan", "unit": "months"}}}


@pytest.fixture
def listed() -> pa.Table:
    fields = [pa.field("siren", pa.string(), nullable=False), *list(result.schema())[1:]]
    reason = {"reason_1": "plan_age", "reason_1_value": 6.0, "reason_1_low": 0.0, "reason_1_high": 2.0}
    rows = [
        {"siren": "000000001", "level": "Alerte seuil F1", **reason},
        {"siren": "000000002", "level": "Alerte seuil F2", "reason_1": "plan_age"},
        {"siren": "000000003", "level": "Pas d'alerte"},
        {"siren": "000000004"},
    ]
    return with_changes(pa.Table.from_pylist(rows, schema=pa.schema(fields)), None)


def test_each_company_is_followed_by_its_reasons(listed: pa.Table) -> None:
    assert showing.lines(listed, ABOUT, language="fr") == [
        "000000001  Alerte seuil F1  première alerte",
        "  Motif 1 – Ancienneté du délai : 6\u00a0mois (habituel dans le secteur : 0 à 2\u00a0mois)",
        "000000002  Alerte seuil F2  première alerte",
        "  Motif 1 – Ancienneté du délai : inconnu (habituel dans le secteur : inconnu)",
        "000000003  Pas d'alerte",
        "000000004  procédure collective connue",
    ]


def test_where_levels_are_withheld_nothing_is_said_of_proceedings(listed: pa.Table) -> None:
    assert showing.lines(listed, {**ABOUT, "withheld": {"level": ["bdf"]}}, language="fr")[-1] == "000000004"
    said = showing.lines(listed, ABOUT, language="en", company="000000004")
    assert said == ["000000004  a collective proceeding is known"]


def test_english_the_first_ones_and_one_alone(listed: pa.Table) -> None:
    kept = export.with_sentences(listed, ABOUT, "fr")
    assert showing.lines(kept, ABOUT, language="en", top=1) == [
        "000000001  Alert, threshold F1 (high)  first alert",
        "  Reason 1 – Age of the plan: 6\u00a0months (usual in the sector: 0 to 2\u00a0months)",
    ]
    assert showing.lines(kept, ABOUT, language="fr", company="000000003", top=1) == ["000000003  Pas d'alerte"]
    assert showing.lines(kept, ABOUT, language="fr", company="999999999") == []
