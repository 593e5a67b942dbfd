"""The extracts tell of the same world as the canonical generator: aggregated by the rules they give its tables."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support import extract_rules as aggregate
from vigie.datasets import payment_plans as plan_codes
from vigie.datasets import proceedings as proceeding_codes
from vigie.demo.generate import generate
from vigie.synth.extracts import Options, write_extracts

CENT = Fraction(1, 200)


@dataclass(frozen=True)
class Both:
    """Canonical tables and extracts of one world."""

    canonical: Path
    extracts: Path
    late: int

    def table(self, file: str) -> list[dict[str, Any]]:
        return pq.read_table(self.canonical / f"{file}.parquet").to_pylist()  # type: ignore[no-any-return]

    def months(self) -> list[aggregate.Month]:
        days = {row["month"] for row in self.table("acoss/contributions")}
        return sorted((day.year, day.month) for day in days)


# The second ends in the middle of a quarter and is large enough for plans, failures and the health crisis to show.
WORLDS = [(60, 24, 3, "2021-04", 2), (700, 26, 8, "2020-11", 0), (50, 3, 1, "2025-12", 6)]


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: f"{world[0]}x{world[1]}")
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    companies, months, seed, last, late = request.param
    folder = tmp_path_factory.mktemp("both")
    arguments = {"companies": companies, "months": months, "seed": seed, "last_month": last}
    generate(folder / "canonical", **arguments)
    write_extracts(folder / "extracts", **arguments, options=Options(late_headcount=late))
    return Both(folder / "canonical", folder / "extracts", late)


def close(one: Fraction | None, other: float | None, most: Fraction = CENT) -> bool:
    if one is None or other is None:
        return one is None and other is None
    return abs(one - Fraction(other)) < most


def test_contributions_add_up_over_establishments_and_quarters(both: Both) -> None:
    made = aggregate.contributions(both.extracts / "acoss/sigfaible_cotisdues.csv")
    expected = both.table("acoss/contributions")
    assert made.keys() == {(row["siren"], row["month"]) for row in expected}
    for row in expected:
        due, paid = made[row["siren"], row["month"]]
        assert close(due, row["contribution_due"])
        assert close(paid, row["contribution_paid"])


def test_debts_at_months_end_are_the_latest_rows_of_every_ecart(both: Both) -> None:
    made = aggregate.debts(both.extracts / "acoss/sigfaible_debits.csv", both.months())
    expected = {(row["siren"], row["month"]): row for row in both.table("acoss/debts")}
    owing = 0
    for key, row in expected.items():
        employee, employer = made.pop(key, (0, 0))
        assert (employee, employer) == (round(row["employee_share"] * 100), round(row["employer_share"] * 100))
        owing += employee + employer > 0
    assert owing > 0
    # Carried forward beyond a company's last month, nothing remains: what it owed was written off.
    assert all(owed == (0, 0) for owed in made.values())


@pytest.mark.parametrize("file", ["sigfaible_effectif_siret.csv", "sigfaible_effectif_siren.csv"])
def test_headcounts_add_up_over_accounts_but_for_months_not_delivered(both: Both, file: str) -> None:
    made = aggregate.headcount(both.extracts / "acoss" / file)
    months = both.months()
    delivered = months[: max(len(months) - both.late, 1)]
    expected = {
        (row["siren"], row["month"]): row["headcount"]
        for row in both.table("acoss/headcount")
        if row["headcount"] is not None and (row["month"].year, row["month"].month) in delivered
    }
    assert made == expected


def test_distinct_plans_and_proceedings_are_those_of_the_generator(both: Both) -> None:
    actions = plan_codes.ACTIONS
    made = {
        (siren, created, due, days, amount, actions[action], plan_codes.STAGES[stage])
        for siren, created, due, days, amount, action, stage in aggregate.plans(
            both.extracts / "acoss/sigfaible_delais.csv"
        )
    }
    expected = {
        (
            *(row[name] for name in ("siren", "created", "due", "duration_days")),
            Fraction(round(row["amount"] * 100), 100),
            row["action"],
            row["stage"],
        )
        for row in both.table("acoss/payment_plans")
    }
    assert made == expected
    events = {
        (siren, day, proceeding_codes.ACTIONS[action], proceeding_codes.STAGES[stage])
        for siren, day, action, stage in aggregate.proceedings(both.extracts / "acoss/sigfaible_pcoll.csv")
    }
    assert events == {
        (row["siren"], row["effective_date"], row["action"], row["stage"]) for row in both.table("acoss/proceedings")
    }


def test_hours_authorised_by_merged_requests_and_hours_consumed(both: Both) -> None:
    authorised = aggregate.authorised(both.extracts / "travail/demande_ap.csv")
    consumed = aggregate.consumed(both.extracts / "travail/consommation_ap.csv")
    expected = both.table("travail/short_time_work")
    assert authorised.keys() == {(row["siren"], row["month"]) for row in expected}
    assert consumed.keys() <= authorised.keys()
    for row in expected:
        key = (row["siren"], row["month"])
        hours, staff = consumed.get(key, (None, None))
        assert close(authorised[key], row["authorised_hours"], Fraction(1, 10**6))
        assert close(hours, row["consumed_hours"], Fraction(1, 10**6))
        assert close(staff, row["staff_concerned"])


def test_ratios_are_equal_to_the_last_place(both: Both) -> None:
    made = aggregate.ratios(both.extracts / "banque-de-france/bdf.csv")
    expected = both.table("banque-de-france/ratios")
    assert len(made) == len(expected) > 0
    for row in expected:
        siren, closing, _, year, *values = row.values()
        assert isinstance(closing, date)
        assert made[siren, closing] == (year, values)
