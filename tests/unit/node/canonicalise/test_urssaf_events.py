"""Plans, steps before the commission, and proceedings: distinct by company (reference sections 1.5 to 1.7)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from support.golden import SAMPLES, golden_table
from support.typed_tables import all_rows, typed
from vigie.datasets import BUILT_IN
from vigie_node.canonicalise import canonicalise
from vigie_node.canonicalise.proceedings import clean_procol, procol_at_date
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

LAST = date(2021, 6, 1)
DAY = date(2021, 2, 3)


def category(dataset: str, column: str, name: str) -> int:
    return BUILT_IN[dataset].column(column).categories.index(name)


def plan(**other: Any) -> dict[str, Any]:
    row = {
        "siret": "11111111100001", "account": "1" * 18, "case_file": "7", "created": DAY, "due": date(2021, 8, 1), "days": 100,
        "amount": Decimal("5065.79"), "stage": "APPROB", "action": "SUR PO",
    }  # fmt: skip
    return row | other


def test_plans_that_are_the_same_for_a_company_are_one(workspace: Workspace) -> None:
    """Section 1.5: duplicates are delivered (datapi 234)."""
    rows = [plan(), plan(), plan(siret="11111111100002", case_file="8"), plan(amount=Decimal(1))]
    (made,) = canonicalise(workspace, {"delai": typed(workspace, "delai", rows)}, LAST)
    action, stage = (
        category("payment_plans", "action", "stay_of_enforcement"),
        category("payment_plans", "stage", "approved"),
    )
    assert all_rows(made.connection, made.table) == [
        ("111111111", DAY, date(2021, 8, 1), 100, 1.0, action, stage),
        ("111111111", DAY, date(2021, 8, 1), 100, 5065.79, action, stage),
    ]
    assert dict(made.report.rules) == {"repeated_plan": 2}


@pytest.mark.parametrize(
    ("code", "name"), [("APPROB", "approved"), ("PR", "pr"), ("pro pr ", "pro_pr"), ("nbz sk", "other"), (None, None)]
)
def test_codes_of_plans_beyond_the_table_are_other(workspace: Workspace, code: str | None, name: str | None) -> None:
    (made,) = canonicalise(workspace, {"delai": typed(workspace, "delai", [plan(stage=code)])}, LAST)
    ((*_, stage),) = all_rows(made.connection, made.table)
    assert stage == (None if name is None else category("payment_plans", "stage", name))


def test_steps_before_the_commission_are_distinct(workspace: Workspace) -> None:
    rows = [
        {"siret": f"1111111110000{site}", "account": "1", "treated": DAY, "stage": stage, "action": "CCSF"}
        for site, stage in ((1, "DEBUT"), (2, "DEBUT"), (1, "APPROB"), (1, "XYZ"), (1, None))
    ]
    (made,) = canonicalise(workspace, {"ccsf": typed(workspace, "ccsf", rows)}, LAST)
    names = [category("ccsf", "stage", name) for name in ("opened", "approved", "other")]
    assert all_rows(made.connection, made.table) == [
        *(("111111111", DAY, stage) for stage in sorted(names)),
        ("111111111", DAY, None),
    ]
    assert dict(made.report.rules) == {"repeated_step": 1}


def event(effective: date, action: str, stage: str | None, siret: str = "11111111100001") -> dict[str, Any]:
    return {"siret": siret, "effective": effective, "action": action, "stage": stage}


def test_a_proceeding_of_each_establishment_is_one_of_the_company(workspace: Workspace) -> None:
    """Section 1.7: recorded for each SIRET."""
    rows = [event(DAY, "redressement", "ouverture", f"1111111110000{site}") for site in range(8)]
    rows.append(event(DAY, "redressement", "une_autre"))
    (made,) = canonicalise(workspace, {"procol": typed(workspace, "procol", rows)}, LAST)
    action = category("proceedings", "action", "receivership")
    assert all_rows(made.connection, made.table) == [
        ("111111111", DAY, action, category("proceedings", "stage", "opening")),
        ("111111111", DAY, action, category("proceedings", "stage", "other")),
    ]
    assert dict(made.report.rules) == {"repeated_proceeding": 7}


def test_a_proceeding_of_no_known_kind_is_left_out(workspace: Workspace) -> None:
    rows = [event(DAY, "moratoire", "ouverture"), event(DAY, "sauvegarde", None)]
    (made,) = canonicalise(workspace, {"procol": typed(workspace, "procol", rows)}, LAST)
    assert all_rows(made.connection, made.table) == [
        ("111111111", DAY, category("proceedings", "action", "safeguard"), None)
    ]
    assert dict(made.report.rules) == {"unknown_action": 1}


def test_the_view_of_proceedings_of_the_real_system_is_reproduced(workspace: Workspace) -> None:
    """Its clean_procol: every event of the fixture is an administrative closing, and none is left."""
    reading = read(KINDS["procol"], [file_source(SAMPLES / "urssaf" / "procolTestData.csv")], workspace)
    assert reading.valid
    assert workspace.connection.execute(clean_procol()).fetchall() == []
    assert golden_table("test-export.clean_procol.golden.txt") == []


@pytest.mark.parametrize(
    ("action", "stage", "label"),
    [
        ("redressement", "plan_continuation", "Plan de redressement"),
        ("redressement", "ouverture", "Redressement judiciaire"),
        ("liquidation", "cloture_insuffisance_actif", "Liquidation judiciaire"),
        ("sauvegarde", "plan_continuation", "Plan de sauvegarde"),
        ("sauvegarde", "ouverture", "Sauvegarde"),
        ("sauvegarde", None, "Sauvegarde"),
        ("liquidation", "fin_procedure", "In bonis"),
    ],
)
def test_the_labels_of_the_view_are_those_of_the_real_system(
    workspace: Workspace, action: str, stage: str | None, label: str
) -> None:
    typed(workspace, "procol", [event(DAY, action, stage), event(DAY, action, stage, "11111111100002")])
    assert workspace.connection.execute(clean_procol()).fetchall() == [("111111111", DAY, action, stage, label)]


def on(workspace: Workspace, day: date) -> list[str]:
    return [
        label
        for (label,) in workspace.connection.execute(f"SELECT libelle_procol FROM ({procol_at_date(day)})").fetchall()
    ]


def test_the_status_at_a_day_is_that_of_the_last_event_before_it(workspace: Workspace) -> None:
    """Section 1.7: the status rule."""
    typed(
        workspace,
        "procol",
        [
            event(date(2015, 1, 1), "redressement", "ouverture"),
            event(date(2015, 6, 1), "redressement", "plan_continuation"),
            event(date(2015, 7, 1), "redressement", "solde_procedure"),
        ],
    )
    assert on(workspace, date(2014, 12, 31)) == []
    assert on(workspace, date(2015, 1, 1)) == ["Redressement judiciaire"]
    assert on(workspace, date(2016, 1, 1)) == ["Plan de redressement"]
    # Ten years to the day end a plan.
    assert on(workspace, date(2025, 5, 31)) == ["Plan de redressement"]
    assert on(workspace, date(2025, 6, 1)) == []


@pytest.mark.parametrize("ended", ["fin_procedure", "inclusion_autre_procedure"])
def test_a_proceeding_ends_by_its_stage(workspace: Workspace, ended: str) -> None:
    """Section 1.7: until June 2026 the real system asked the action."""
    typed(workspace, "procol", [event(date(2015, 1, 1), "sauvegarde", "ouverture"), event(DAY, "sauvegarde", ended)])
    assert on(workspace, date(2021, 1, 1)) == ["Sauvegarde"]
    assert on(workspace, DAY) == []


def test_the_gravest_of_several_proceedings_holds(workspace: Workspace) -> None:
    actions = ["sauvegarde", "redressement", "liquidation"]
    labels = ["Sauvegarde", "Redressement judiciaire", "Liquidation judiciaire"]
    for number, label in enumerate(labels, start=1):
        typed(
            workspace,
            "procol",
            [event(date(2020, 1, 5 - at), action, "ouverture") for at, action in enumerate(actions[:number])],
        )
        assert on(workspace, DAY) == [label]


def test_of_two_events_of_a_day_the_one_that_ends_holds(workspace: Workspace) -> None:
    typed(workspace, "procol", [event(DAY, "liquidation", "fin_procedure"), event(DAY, "liquidation", "ouverture")])
    assert on(workspace, DAY) == []
