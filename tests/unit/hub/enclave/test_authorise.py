"""What each grant opens: rows, columns, reasons, and the folding that keeps one owner's data from being worked out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from support.world import World
from vigie.convention import Convention, Grant
from vigie.datasets import BUILT_IN
from vigie.result import TOPICS
from vigie_hub.enclave.authorise import RANGE_COLUMNS, REASON_COLUMNS, Entitlement, entitlement, rows_of, table_of
from vigie_hub.enclave.features import catalogue_of
from vigie_hub.enclave.model import Model, Scores
from vigie_hub.enclave.model.explanation import Explanation
from vigie_hub.enclave.model.learning import Learnt
from vigie_hub.enclave.usual import Usual

PRESENT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("contributions", "debts", "headcount", "payment_plans", "proceedings"), frozenset({"acoss"})),
    "ratios": frozenset({"banque-de-france"}),
    "short_time_work": frozenset({"travail"}),
}


@pytest.fixture(scope="module")
def convention(tmp_path_factory: pytest.TempPathFactory) -> Convention:
    return World.create(tmp_path_factory.mktemp("world")).convention


def opened(
    convention: Convention,
    grant: str = "acoss-list",
    *,
    missing: Sequence[str] = (),
    freed: Sequence[str] = ("score", "level", "topics"),
    **changed: Any,
) -> Entitlement:
    """What a grant opens after some changes to it and to what the signatories freed."""
    one = replace(convention.grants[grant], **changed)
    kept = frozenset(item for item in convention.declassifications if item.output in freed)
    varied = replace(convention, grants={**convention.grants, grant: one}, declassifications=kept)
    present = {name: partners - set(missing) for name, partners in PRESENT.items()}
    return entitlement(varied, one, catalogue(convention), present)


def catalogue(convention: Convention) -> Any:
    return catalogue_of(rule.definition for rule in convention.datasets.values())


def names(convention: Convention, places: Sequence[int]) -> set[str]:
    return {catalogue(convention).names[place] for place in places}


def test_two_other_owners_are_folded_into_one_figure(convention: Convention) -> None:
    found = opened(convention)
    assert (found.score, found.level, found.topics, found.reasons) == (True, True, True, True)
    assert found.withheld == {}
    assert "debt_ratio" in names(convention, found.visible)
    assert "headcount" in names(convention, found.visible)
    assert {"margin_rate", "short_time_ratio"} <= names(convention, found.folded)
    assert set(found.visible) | set(found.folded) == set(range(len(catalogue(convention).features)))


@pytest.mark.parametrize(("away", "unseen"), [("travail", ("bdf", "dgefp")), ("banque-de-france", ("bdf", "dgefp"))])
def test_one_other_owner_alone_withholds_what_it_could_be_worked_out_from(
    convention: Convention, away: str, unseen: tuple[str, ...]
) -> None:
    found = opened(convention, missing=[away])
    assert (found.score, found.level, found.topics, found.reasons) == (False, True, False, True)
    assert found.folded == ()
    assert set(found.withheld) == {"score", *TOPICS, "other_sources"}
    assert found.withheld["other_sources"] == unseen
    assert "debt_ratio" in names(convention, found.visible)


def test_without_any_other_owner_there_is_nothing_to_hide(convention: Convention) -> None:
    found = opened(convention, missing=["travail", "banque-de-france"])
    assert (found.score, found.topics, found.reasons) == (True, True, True)
    assert found.folded == ()
    assert found.withheld == {}


def test_two_members_of_one_organisation_are_one_owner(convention: Convention) -> None:
    merged = replace(convention.members["travail"], organisation="Banque de France")
    found = opened(replace(convention, members={**convention.members, "travail": merged}))
    assert found.folded == ()
    assert not found.score


def test_without_reasons_a_freed_score_is_shown_whoever_is_away(convention: Convention) -> None:
    found = opened(convention, missing=["travail"], columns=("score", "level"))
    assert (found.score, found.level, found.topics, found.reasons) == (True, True, False, False)
    assert set(found.withheld) == {*TOPICS, *REASON_COLUMNS, "other_sources"}


@pytest.mark.parametrize("output", ["score", "level", "topics"])
def test_an_output_that_was_not_freed_wants_every_label(convention: Convention, output: str) -> None:
    others = {"score", "level", "topics"} - {output}
    columns = set(TOPICS) if output == "topics" else {output}
    denied = opened(convention, freed=sorted(others))
    assert getattr(denied, output) is False
    assert {column: denied.withheld[column] for column in columns} == dict.fromkeys(columns, ("bdf", "dgefp"))
    every = opened(convention, freed=(), labels=frozenset({"urssaf", "bdf", "dgefp"}))
    assert getattr(every, output) is True
    assert every.withheld == {}
    assert every.folded == ()


@pytest.mark.parametrize("output", ["score", "level", "topics", "reasons"])
def test_what_the_grant_does_not_name_is_not_shown(convention: Convention, output: str) -> None:
    columns = tuple(one for one in ("score", "level", "topics", "reasons") if one != output)
    found = opened(convention, columns=columns, labels=frozenset({"urssaf", "bdf", "dgefp"}))
    assert getattr(found, output) is False
    assert found.withheld


def test_what_the_purpose_does_not_put_out_is_not_shown(convention: Convention) -> None:
    purpose = replace(convention.purposes["early-warning"], outputs=("level",))
    found = opened(replace(convention, purposes={"early-warning": purpose}))
    assert (found.score, found.level, found.topics, found.reasons) == (False, True, False, False)


def test_a_recipient_without_labels_is_told_public_features_only(convention: Convention) -> None:
    found = opened(convention, "travail-list", labels=frozenset())
    assert {name.split("_")[0] for name in names(convention, found.visible)} == {"headcount"}


def made_scores(convention: Convention) -> Scores:
    """Four companies: high, moderate, none, in proceedings."""
    features = len(catalogue(convention).features)
    contributions = np.zeros((2, features))
    place = catalogue(convention).names.index
    contributions[0, place("debt_ratio")] = 2.0
    contributions[0, place("headcount")] = 1.0
    contributions[0, place("margin_rate")] = 3.0
    contributions[0, place("short_time_hours")] = 0.25
    contributions[1, place("debt_ratio")] = -1.0
    values = np.full((4, features), np.nan)
    values[:, place("debt_ratio")] = [7.5, 0.5, 99.0, 99.0]
    keys = pa.array([bytes([number]) * 16 for number in range(4)], pa.binary(16))
    explanation = Explanation(np.array([0, 1], np.intp), contributions, -3.0)
    learnt = Learnt(Model("plain", "made by hand", (), 0, {}, None, None, None, ""), None, None)
    return Scores(
        keys,
        np.array([0.9, 0.8, 0.1, 0.7]),
        np.array([2, 1, 0, -1], np.int8),
        values,
        explanation,
        b"m" * 32,
        b"",
        learnt,
    )


def usual_of(scores: Scores, least: int = 1) -> Usual:
    """All companies in one sector, but the third whose sector is not known; the last is in proceedings."""
    return Usual(scores.values, np.array([47, 47, -1, 47]), np.array([True, True, True, False]), least)


NOBODY = np.zeros(4, np.bool_)


def filled(convention: Convention, found: Entitlement, rows: Sequence[int] = (0, 1, 2, 3)) -> list[dict[str, Any]]:
    scores = made_scores(convention)
    table = table_of(found, np.array(rows, np.intp), scores, catalogue(convention), usual_of(scores), NOBODY)
    listed: list[dict[str, Any]] = table.to_pylist()
    return listed


def test_the_rows_say_what_is_granted(convention: Convention) -> None:
    high, moderate, none, strong = filled(convention, opened(convention))
    assert [row["level"] for row in (high, moderate, none, strong)] == [
        "Alerte seuil F1", "Alerte seuil F2", "Pas d'alerte", None,
    ]  # fmt: skip
    assert [row["score"] for row in (high, moderate, none, strong)] == [0.9, 0.8, 0.1, 0.7]
    assert (high["reason_1"], high["reason_1_contribution"], high["reason_1_value"]) == ("debt_ratio", 2.0, 7.5)
    assert (high["reason_2"], high["reason_2_contribution"], high["reason_2_value"]) == ("headcount", 1.0, None)
    assert (high["reason_3"], high["reason_3_contribution"], high["reason_3_value"]) == (None, None, None)
    assert (high["reason_1_low"], high["reason_1_high"]) == (2.2, 5.8), "quartiles 2.25 and 5.75 of 0.5 and 7.5"
    assert [high[column] for column in RANGE_COLUMNS[2:]] == [None] * 4
    assert high["other_sources"] == 3.25
    assert high["topic_dettes_sociales"] == 2.0
    assert high["topic_donnees_financieres"] == 3.0
    assert (moderate["reason_1"], moderate["other_sources"], moderate["topic_dettes_sociales"]) == (None, 0.0, -1.0)
    for row in (none, strong):
        assert all(row[column] is None for column in (*TOPICS, *REASON_COLUMNS, "other_sources"))


def test_only_who_asked_is_told_why_a_company_has_no_alert(convention: Convention) -> None:
    scores, found = made_scores(convention), opened(convention)
    shap = np.vstack([scores.explanation.contributions, np.zeros((2, scores.values.shape[1]))])
    shap[2, catalogue(convention).names.index("debt_ratio")] = 0.5
    shap[2, catalogue(convention).names.index("margin_rate")] = -4.0
    # Somebody asked for the third company and for the fourth, which is in proceedings.
    scores = replace(scores, explanation=Explanation(np.arange(4), shap, -3.0))

    def rows(asked: Sequence[bool]) -> list[dict[str, Any]]:
        mask = np.array(asked, np.bool_)
        told: list[dict[str, Any]] = table_of(
            found, np.arange(4), scores, catalogue(convention), usual_of(scores), mask
        ).to_pylist()
        return told

    asking, other = rows([True, False, True, False]), rows([False] * 4)
    assert other == filled(convention, found), "what another one asks changes nothing"
    assert [asking[place] for place in (0, 1, 3)] == [other[place] for place in (0, 1, 3)]
    assert asking[2]["level"] == "Pas d'alerte"
    assert (asking[2]["reason_1"], asking[2]["reason_1_contribution"]) == ("debt_ratio", 0.5)
    assert (asking[2]["topic_dettes_sociales"], asking[2]["other_sources"]) == (0.5, -4.0)
    assert other[2]["reason_1"] is None


def test_what_is_withheld_is_null_in_every_row(convention: Convention) -> None:
    for found in (
        opened(convention, missing=["travail"]),
        opened(convention, freed=()),
        opened(convention, columns=("level",)),
        opened(convention, columns=()),
    ):
        rows = filled(convention, found)
        assert found.withheld
        assert all(row[column] is None for row in rows for column in found.withheld)


def test_a_hidden_feature_is_never_named(convention: Convention) -> None:
    for row in filled(convention, opened(convention)):
        assert {row["reason_1"], row["reason_2"], row["reason_3"]} <= {None, "debt_ratio", "headcount"}


@pytest.mark.parametrize(("rule", "expected"), [("all", [0, 2, 3]), ("alerted", [0])])
def test_rows_are_companies_that_the_recipient_knows(convention: Convention, rule: str, expected: list[int]) -> None:
    grant: Grant = replace(convention.grants["acoss-list"], rows=rule)
    known = np.array([True, False, True, True])
    assert rows_of(grant, made_scores(convention), known).tolist() == expected


def labelled_sector(convention: Convention, labels: frozenset[str]) -> Any:
    """The catalogue with the register among its datasets, whose sector carries labels."""
    register = BUILT_IN["legal_units"]
    columns = tuple(replace(one, labels=labels) if one.name == "activity_division" else one for one in register.columns)
    one = catalogue(convention)
    return replace(one, definitions={**one.definitions, "legal_units": replace(register, columns=columns)})


@pytest.mark.parametrize(("labels", "shown"), [(frozenset(), True), ({"urssaf"}, True), ({"fiscal"}, False)])
def test_a_range_carries_the_labels_of_the_sector_too(convention: Convention, labels: set[str], shown: bool) -> None:
    one = labelled_sector(convention, frozenset(labels))
    found = entitlement(convention, convention.grants["acoss-list"], one, PRESENT)
    assert found.reasons
    assert found.ranges is shown
    assert found.withheld == ({} if shown else dict.fromkeys(RANGE_COLUMNS, ("fiscal",)))
    high = filled(convention, found)[0]
    assert high["reason_1"] == "debt_ratio"
    assert [high["reason_1_low"], high["reason_1_high"]] == ([2.2, 5.8] if shown else [None, None])


def test_without_reasons_there_are_no_ranges(convention: Convention) -> None:
    found = opened(convention, columns=("score", "level", "topics"))
    assert not found.ranges
    assert {column: found.withheld[column] for column in RANGE_COLUMNS} == dict.fromkeys(RANGE_COLUMNS, ())


def test_a_range_is_of_features_that_may_be_named_only(convention: Convention) -> None:
    """Whatever a grant opens, no range was worked out of a feature that it hides."""
    found, scores = opened(convention), made_scores(convention)
    usual = usual_of(scores)
    table_of(found, np.arange(4), scores, catalogue(convention), usual, NOBODY)
    assert names(convention, sorted(usual._made)) == {"debt_ratio", "headcount"}


def test_a_range_of_too_few_companies_is_null(convention: Convention) -> None:
    scores = made_scores(convention)
    table = table_of(
        opened(convention), np.array([0]), scores, catalogue(convention), usual_of(scores, least=3), NOBODY
    )
    assert table.column("reason_1_value").to_pylist() == [7.5]
    assert [table.column(column).null_count for column in RANGE_COLUMNS] == [1] * 6


def test_the_labels_that_are_lacking_are_named_in_every_case_of_section_9(convention: Convention) -> None:
    """Protocol section 9, case by case: what is shown of totals, fold and level, by how many owners are hidden."""
    totals = {"score", *TOPICS}
    for missing, owners in (
        ((), 2),
        (("travail",), 1),
        (("banque-de-france",), 1),
        (("travail", "banque-de-france"), 0),
    ):
        for freed in (True, False):
            found = opened(convention, missing=missing, freed=("score", "level", "topics") if freed else ("level",))
            assert found.level, "freed by all signatories in every case"
            assert (found.score, found.topics) == ((freed and owners != 1,) * 2)
            assert bool(found.folded) == (owners >= 2)
            expected = set() if freed and owners != 1 else totals
            assert set(found.withheld) == expected | ({"other_sources"} if owners == 1 else set())
            assert all(found.withheld[column] == ("bdf", "dgefp") for column in found.withheld)
            assert not set(found.visible) & set(found.folded)
