"""What is learnt, from which rows, in which order; levels and reasons."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.panel import ALL, group, table
from vigie.errors import MalformedConvention, Refused
from vigie_hub.enclave.features import Group
from vigie_hub.enclave.model import Panel, PanelBuilder, train_and_score
from vigie_hub.enclave.model.explanation import strongest, total
from vigie_hub.enclave.model.levels import HIGH, MODERATE, NONE, UNSET, levels
from vigie_hub.enclave.model.target import outcomes
from vigie_hub.enclave.model.training import train
from vigie_hub.enclave.months import last_day, month_of, month_text, parse_month

A, B = "000000001", "900000002"
MONTHS = [month_text(month) for month in range(parse_month("2018-01"), parse_month("2020-06") + 1)]


def labelled(found: Group, target: str = "failure") -> dict[tuple[str, str], int]:
    """(company, month) → outcome, for the rows that count."""
    counts, bad = outcomes(found, target, 18)
    keys = found.keys.to_pylist()
    return {
        (keys[company], month_text(month)): int(outcome)
        for company, month, counted, outcome in zip(
            found.company.tolist(), found.month.tolist(), counts.tolist(), bad.tolist(), strict=True
        )
        if counted
    }


def test_a_failure_is_a_first_proceeding_within_the_horizon() -> None:
    tables = {
        "headcount": table("headcount", [(siren, month, 5) for siren in (A, B) for month in MONTHS]),
        "proceedings": table("proceedings", [(A, "2019-12-31", "receivership"), (A, "2021-01-01", "liquidation")]),
    }
    rows = labelled(group(tables, "2021-12"))
    # 2018-05 + 18 months = 2019-11; the month of the judgment itself is known to everybody.
    assert [rows[A, month] for month in ("2018-01", "2018-05", "2018-06", "2019-11")] == [0, 0, 1, 1]
    assert (A, "2019-12") not in rows
    assert (A, "2020-06") not in rows
    assert set(rows.values()) == {0, 1}
    assert all(rows[B, month] == 0 for month in MONTHS)


def test_only_months_whose_whole_horizon_is_observed_are_labelled() -> None:
    tables = {"headcount": table("headcount", [(A, month, 5) for month in MONTHS])}
    assert max(month for _, month in labelled(group(tables, "2020-12"))) == "2019-06"


def test_a_default_is_three_months_in_a_row_with_more_debt_than_contributions() -> None:
    debts = dict.fromkeys(MONTHS, 0.0)
    debts |= dict.fromkeys(("2019-03", "2019-04"), 200.0)  # two months: none
    debts |= dict.fromkeys(("2019-09", "2019-10", "2019-11", "2019-12"), 200.0)  # default from 2019-11
    tables = {
        "debts": table("debts", [(A, month, owed, 0.0) for month, owed in debts.items()]),
        "contributions": table("contributions", [(A, month, 100.0) for month in MONTHS]),
    }
    found = group(tables, "2021-11")
    rows = labelled(found, "failure-or-default")
    assert [rows[A, month] for month in ("2018-03", "2018-04", "2018-05", "2019-10")] == [0, 0, 1, 1]
    assert (A, "2019-11") not in rows
    assert (A, "2019-12") not in rows
    assert rows[A, "2020-01"] == 0
    assert set(labelled(found).values()) == {0}


def test_an_unknown_target_is_refused() -> None:
    found = group({"headcount": table("headcount", [(A, "2019-01", 1)])}, "2020-12")
    with pytest.raises(MalformedConvention):
        outcomes(found, "success", 18)


def made_panel(seed: int = 0, rows: int = 400) -> Panel:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, len(ALL.features)))
    values[random.random(values.shape) < 0.2] = np.nan
    labels = (np.nan_to_num(values[:, 0]) + random.normal(size=rows) > 1).astype(np.uint8)
    keys = pa.array([b"%016d" % number for number in range(100)], pa.binary(16))
    return Panel(keys, values[:100], np.zeros(100, np.bool_), values, labels, 100, 50, (1, 2))


def test_the_same_rows_in_another_order_give_the_same_model_and_bits() -> None:
    panel = made_panel()
    order = np.random.default_rng(1).permutation(len(panel.labels))
    first = train_and_score(panel, ALL)
    again = train_and_score(
        Panel(panel.keys, panel.scored, panel.strong, panel.values[order], panel.labels[order], 100, 50, (1, 2)), ALL
    )
    assert first.model == again.model
    assert first.score.tobytes() == again.score.tobytes()
    assert first.explanation.contributions.tobytes() == again.explanation.contributions.tobytes()
    # Contributions and base add up to the log-odds of the score.
    alerted = first.score[first.explanation.rows]
    summed = first.explanation.contributions.sum(axis=1) + first.explanation.base
    assert np.allclose(summed, np.log(alerted / (1 - alerted)), atol=1e-6)
    assert len(first.explanation.rows) == np.count_nonzero(first.level > NONE) == 7


def test_one_outcome_alone_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        train(np.zeros((50, 2)), np.zeros(50, np.uint8), ["a", "b"])
    assert refused.value.claim == "training"


def test_levels_are_fixed_shares_without_the_companies_in_proceedings() -> None:
    scores = np.arange(100) / 100
    strong = np.zeros(100, np.bool_)
    strong[[99, 0]] = True
    found = levels(scores, strong)
    assert np.flatnonzero(found == HIGH).tolist() == [97, 98]
    assert np.flatnonzero(found == MODERATE).tolist() == [92, 93, 94, 95, 96]
    assert np.flatnonzero(found == UNSET).tolist() == [0, 99]
    assert (found == NONE).sum() == 91


def test_equal_scores_share_a_level() -> None:
    scores = np.array([0.9] * 5 + [0.5] * 95)
    found = levels(scores, np.zeros(100, np.bool_))
    assert (found[:5] == HIGH).all()
    assert (found[5:] == MODERATE).all()


@pytest.mark.parametrize("count", [0, 1])
def test_levels_of_next_to_nobody(count: int) -> None:
    assert levels(np.full(count, 0.5), np.zeros(count, np.bool_)).tolist() == [HIGH] * count


def test_the_strongest_reasons_speak_for_the_alert_and_may_be_named() -> None:
    contributions = np.array([[0.5, 2.0, -1.0, 0.5], [-0.1, -0.2, -0.3, 0.0]])
    assert strongest(contributions, [0, 1, 2, 3], 3).tolist() == [[1, 0, 3], [-1, -1, -1]]
    assert strongest(contributions, [0, 2], 3).tolist() == [[0, -1, -1], [-1, -1, -1]]
    assert strongest(contributions, [], 2).tolist() == [[-1, -1], [-1, -1]]
    assert total(contributions, [0, 2]).tolist() == [-0.5, -0.1 + -0.3]


def test_a_panel_is_put_together_from_groups() -> None:
    rows = [(f"{number:09d}", month, 5) for number in range(6) for month in MONTHS]
    judged = [("000000001", "2019-06-01", "liquidation"), ("000000004", "2018-01-01", "safeguard")]
    tables = {"headcount": table("headcount", rows), "proceedings": table("proceedings", judged)}
    whole = PanelBuilder(target="failure", horizon=18, period=parse_month("2020-06"))
    whole.add(group(tables, "2020-06"))
    cut = PanelBuilder(target="failure", horizon=18, period=parse_month("2020-06"))
    for first in (0, 3):
        some = pa.array([f"{number:09d}" for number in range(first, first + 3)])
        cut.add(
            group({name: one.filter(pa.compute.is_in(one.column(0), some)) for name, one in tables.items()}, "2020-06")
        )
    one, two = whole.build(), cut.build()
    assert one.keys.equals(two.keys)
    assert one.scored.tobytes() == two.scored.tobytes()
    assert one.values.tobytes() == two.values.tobytes()
    assert one.labels.tobytes() == two.labels.tobytes()
    assert (one.companies, one.failing, one.months) == (two.companies, two.failing, two.months)
    assert (one.companies, one.failing) == (5, 1)
    assert one.strong.tolist() == [False, True, False, False, True, False]
    assert one.months == (parse_month("2018-01"), parse_month("2018-12"))


def test_nobody_at_all() -> None:
    panel = PanelBuilder(target="failure", horizon=18, period=1).build()
    assert len(panel.keys) == 0
    with pytest.raises(Refused):
        train_and_score(panel, ALL)


@given(st.integers(1900 * 12, 2200 * 12))
def test_months_are_told_apart(month: int) -> None:
    assert parse_month(month_text(month)) == month
    assert month_of(last_day(month)) == month
    assert last_day(month).toordinal() + 1 == last_day(month + 1).replace(day=1).toordinal()
