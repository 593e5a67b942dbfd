"""Values worked out by hand of the features that look back, that divide, and that place a company in its sector."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.panel import ALL, group, same_bits, scored, table
from vigie.datasets import BUILT_IN
from vigie_hub.enclave.features import BUILT_IN_FEATURES, Group, Topic, usual_ranges
from vigie_hub.enclave.features.unavailable import BASE
from vigie_hub.enclave.months import month_text, parse_month

A, B = "000000001", "900000002"
PERIOD = "2020-12"
MONTHS = [month_text(month) for month in range(parse_month("2018-12"), parse_month(PERIOD) + 1)]  # 25 of them


def tax(siren: str, closing: str, available: str, **cells: float) -> tuple[Any, ...]:
    names = BUILT_IN["tax_accounts"].names[2:]
    assert set(cells) <= set(names)
    return (siren, closing, available, *(cells.get(name) for name in names))


def accounts(siren: str, closing: str, available: str, source: str, **cells: float) -> tuple[Any, ...]:
    names = BUILT_IN["accounts"].names[3:]
    assert set(cells) <= set(names)
    return (siren, closing, available, source, *(cells.get(name) for name in names))


@pytest.fixture(scope="module")
def found() -> Group:
    """Company A with a past of 25 months, and B about which next to nothing is known."""
    tables = {
        "headcount": table("headcount", [(A, month, 10 + place) for place, month in enumerate(MONTHS)] + [(B, PERIOD, 0)]),
        "contributions": table(
            "contributions",
            [(A, month, 100.0, None if place % 2 else 80.0) for place, month in enumerate(MONTHS)],
        ),
        "debts": table(
            "debts",
            [(A, month, float(place), 10.0 * max(place - 20, 0)) for place, month in enumerate(MONTHS)]
            + [(B, PERIOD, 5.0, 5.0)],
        ),
        "payment_plans": table(
            "payment_plans",
            [
                (A, "2020-06-01", "2020-12-31", 200, 900.0),
                (A, "2020-10-01", "2021-01-30", 120, 400.0),  # the newest that runs: 30 of 120 days are left
                (A, "2020-11-01", "2020-12-15", 45, 50.0),  # over
            ],
        ),
        "ccsf": table("ccsf", [(A, "2020-03-01", "opened"), (A, "2020-08-20", "refused"), (B, "2020-12-31", "approved")]),
        "short_time_work": table(
            "short_time_work", [(A, "2019-12", 10.0, 20.0, 2.0), (A, PERIOD, 151.67 * 17, 151.67 * 34, 8.5)]
        ),
        "payment_delays": table(
            "payment_delays",
            [(A, "2018-12", 1, 0.1, 0.2), (A, "2019-12", 5, 0.3, 0.4), (A, "2020-11", 8), (A, PERIOD, 12, 0.5, 0.6)],
        ),
        "ratios": table(
            "ratios",
            [
                (A, f"{year}-12-31", f"{year + 1}-08-01", year, None, margin)
                for year, margin in ((2016, 1.0), (2017, 2.0), (2018, 4.0), (2019, 8.0), (2020, 16.0))
            ],
        ),
        "accounts": table(
            "accounts",
            [
                accounts(A, "2019-12-31", "2020-08-01", "inpi_bce", turnover=1.0, quick_ratio=2.0),
                accounts(A, "2019-12-31", "2020-08-01", "diane", turnover=300.0, ebitda=30.0, interest=-3.0),
                accounts(A, "2018-12-31", "2019-08-01", "diane", turnover=200.0),
                accounts(B, "2019-12-31", "2020-08-01", "inpi_bce", turnover=0.0, ebitda=30.0, quick_ratio=2.0),
            ],
        ),
        "tax_accounts": table(
            "tax_accounts",
            [
                tax(
                    A, "2019-12-31", "2020-08-01", net_debt=90.0, self_financing_capacity=-30.0, term_debt_ratio=4.0,
                    ebitda=0.0, turnover=10.0, value_added=50.0, staff=5.0, wages=10.0, social_charges=5.0,
                    other_staff_costs=1.0, operating_current_assets=6.0, other_current_assets=2.0, cash=4.0,
                    operating_current_liabilities=0.0, other_current_liabilities=16.0, supplier_payment_days=60.0,
                    customer_payment_days=30.0, equity=-2.0, share_capital=8.0, working_capital_need=1.0,
                ),
                tax(A, "2018-12-31", "2019-08-01", ebitda=1.0, turnover=10.0),
                # Nothing is divided by 0, and what is missing is not 0.
                tax(B, "2019-12-31", "2020-08-01", net_debt=1.0, self_financing_capacity=0.0, ebitda=1.0, wages=1.0, value_added=1.0),
            ],
        ),
        "legal_units": table(
            "legal_units",
            [
                (A, "2019-01", "j", 62, 620, 6202, 1, 5710, "2010-06-15", True, "d2a", False, 3),
                (B, "2020-12", "c", 10, 101, 1011, 1, 5710, "2021-06-15", True, "d75", False, 1),
            ],
        ),
        "state_guaranteed_loans": table("state_guaranteed_loans", [(A, "2020-01", True), (B, "2019-12", True)]),
    }  # fmt: skip
    return group(tables, PERIOD)


EXPECTED = {
    "headcount_12m_ago": 22.0,
    "headcount_change_3m": 3 / 31,
    "headcount_change_24m": 24 / 10,
    "contribution_mean_3m": 100.0,
    "contribution_mean_change_12m": 0.0,
    "contribution_paid_share_12m": 0.8,
    "debt_employee_share": 24.0,
    "debt_employee_share_1m_ago": 23.0,
    "debt_employee_share_24m_ago": 0.0,
    "debt_employee_share_mean_3m": 23.0,
    "debt_employee_share_mean_12m": 18.5,
    "debt_employer_share": 40.0,
    "debt_employer_share_6m_ago": 0.0,
    "debt_employer_share_mean_6m": 100 / 6,
    "debt_ratio": 0.64,
    "debt_ratio_24m_ago": None,  # fewer than three months of contributions then
    "debt_ratio_mean_12m": (sum(range(13, 25)) + 100) / 1200,
    "debt_per_head": 64 / 34,
    "debt_per_head_change_3m": (64 / 34 - 31 / 31) / 3,
    "debt_change_12m": 64.0 - 12.0,
    "debt_months_12m": 12.0,
    "plan_active": 1.0,
    "plan_age": 1.0,
    "plan_remaining_days": 30.0,
    "plan_amount": 400.0,
    "plan_deviation": (64.0 - 400.0 * 30 / 120) / 400.0,
    "ccsf_age": 4.0,
    "ccsf_open": 0.0,
    "short_time_hours_12m_ago": 10.0,
    "short_time_hours_3m": 151.67 * 17,
    "short_time_ratio": 0.5,
    "short_time_ratio_12m": 17 / (34 * 12),
    "short_time_authorised_ratio": 1.0,
    "short_time_staff_share": 0.25,
    "payment_delay_days": 12.0,
    "payment_delay_days_1m_ago": 8.0,
    "payment_delay_days_2m_ago": None,
    "payment_delay_days_24m_ago": 1.0,
    "payment_delay_change_12m": 7.0,
    "late_payment_share_30": 0.5,
    "late_payment_share_90_12m_ago": 0.4,
    "margin_rate": 8.0,
    "margin_rate_1y_ago": 4.0,
    "margin_rate_2y_ago": 2.0,
    "accounts_age": 12.0,
    "public_turnover_change_1y": 0.5,
    "public_ebitda_over_turnover": 0.1,
    "public_quick_ratio": None,  # Diane's row has none, and another formula does not stand in for it
    "public_accounts_age": 12.0,
    "tax_net_debt_over_self_financing": -3.0,
    "tax_term_debt_over_equity": 0.25,
    "tax_ebitda_over_turnover": 0.0,
    "tax_ebitda_over_turnover_1y_ago": 0.1,
    "tax_value_added_per_head": 10.0,
    "tax_staff_costs_over_value_added": 0.32,
    "tax_current_ratio": 0.5,
    "tax_cash_over_current_assets": 0.5,
    "tax_payment_over_collection_days": 2.0,
    "tax_equity_over_share_capital": -0.25,
    "tax_working_capital_need_over_equity": -0.5,
    "tax_stocks_over_turnover": None,
    "company_age": 126.0,
    "activity_section": 10.0,
    "open_establishments": 3.0,
    "state_guaranteed_loan": 1.0,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_value_of_each_feature(found: Group, name: str) -> None:
    value, expected = scored(found, A)[name], EXPECTED[name]
    assert math.isnan(value) if expected is None else value == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_nothing_is_divided_by_zero_and_what_is_missing_is_not_zero(found: Group) -> None:
    values = scored(found, B)
    known = {name for name, value in values.items() if not math.isnan(value)}
    assert known == {
        "headcount", "headcount_age", "debt_employee_share", "debt_employer_share", "debt_months_12m", "ccsf_age", "ccsf_open",
        "public_quick_ratio", "public_accounts_age", "tax_accounts_age", "activity_section", "open_establishments",
    }  # fmt: skip
    # No headcount to divide by, no turnover, no capacity; a company made later has no age; a loan's stock of a year ago is over.
    assert values["ccsf_open"] == 1.0


def test_a_place_in_the_sector_is_counted_in_its_interquartile_ranges() -> None:
    """41 companies of one division with delays of 0 to 40 days: median 20, quartiles 10 and 30."""
    sirens = [f"{number:09d}" for number in range(60)]
    judged = [(sirens[50], "2020-01-05", "liquidation")]
    delays = [(siren, PERIOD, place) for place, siren in enumerate(sirens[:41])]
    delays += [(sirens[50], PERIOD, 700), (sirens[55], PERIOD, 20)]
    register = [(siren, "2020-12", "f", 41) for siren in sirens[:51]] + [
        (siren, "2020-12", "g", 47) for siren in sirens[55:]
    ]
    tables = {
        "headcount": table("headcount", [(siren, PERIOD, 5) for siren in sirens]),
        "proceedings": table("proceedings", judged),
        "payment_delays": table("payment_delays", delays),
        "legal_units": table("legal_units", register),
    }
    found = group(tables, PERIOD, last_training=PERIOD)
    place = ALL.names.index("payment_delay_days_in_sector")
    column = found.scored[:, place]
    assert column[:41].tolist() == [(days - 20.0) / 20.0 for days in range(41)]
    assert column[50] == 34.0  # in proceedings: placed among the others, and no measure of them
    assert np.isnan(column[41:50]).all()  # no delay known
    assert np.isnan(column[51:]).all()  # no division, or a division of one
    assert same_bits(found.candidates[:, place], column)


@given(st.lists(st.tuples(st.integers(-1, 2), st.one_of(st.just(math.nan), st.floats(-1e6, 1e6))), max_size=60))
def test_ranges_are_the_quartiles_of_the_known_values(rows: list[tuple[int, float]]) -> None:
    cells = np.array([cell for cell, _ in rows], np.int64)
    values = np.array([value for _, value in rows], np.float64)
    ranges = usual_ranges(values, cells, 3, least=4)
    for cell in range(3):
        known = values[(cells == cell) & ~np.isnan(values)]
        told = (ranges.first[cell], ranges.median[cell], ranges.third[cell])
        if len(known) < 4:
            assert np.isnan(told).all()
        else:
            assert told == pytest.approx(np.quantile(known, [0.25, 0.5, 0.75]), rel=1e-9, abs=1e-9)


def test_each_feature_says_what_it_is() -> None:
    names = [feature.name for feature in BUILT_IN_FEATURES]
    assert len(set(names)) == len(names)
    for feature in BUILT_IN_FEATURES:
        assert feature.french and feature.english and feature.unit and feature.window >= 1
        assert feature.topic in Topic
        assert set(feature.lags(BUILT_IN)) == feature.datasets
        assert all(source.partition(".")[2] in BUILT_IN[source.partition(".")[0]].names for source in feature.sources)


def test_every_base_variable_of_the_programme_has_a_feature() -> None:
    assert {feature for _, features in BASE for feature in features} <= {feature.name for feature in BUILT_IN_FEATURES}
    assert len(BASE) == 26
