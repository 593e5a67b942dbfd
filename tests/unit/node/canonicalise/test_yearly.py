"""Yearly figures and payment delays: which of several rows holds, and from when (reference sections 1.10 to 1.16, 2.1)."""

from datetime import date
from typing import Any

import pytest

from support.typed_tables import Rows, all_rows, typed
from vigie.datasets import BUILT_IN
from vigie.datasets.ratios import available_from
from vigie_node.canonicalise import canonicalise
from vigie_node.extracts.canonical import Checked
from vigie_node.extracts.workspace import Workspace

LAST = date(2021, 6, 1)
SIREN = "000111222"


def made(workspace: Workspace, **extracts: Rows) -> Checked:
    (found,) = canonicalise(workspace, {name: typed(workspace, name, rows) for name, rows in extracts.items()}, LAST)
    return found


def named(found: Checked) -> list[dict[str, Any]]:
    """The rows by column, without empty cells and with categories as words."""
    rows = []
    for cells in all_rows(found.connection, found.table):
        row = dict(zip(("siren", *found.dataset.names), cells, strict=True))
        for column in found.dataset.columns:
            if column.categories and row[column.name] is not None:
                row[column.name] = column.categories[row[column.name]]
        rows.append({name: cell for name, cell in row.items() if cell is not None})
    return rows


def bdf(year: int, closing: date, margin: float | None, **other: Any) -> dict[str, Any]:
    return {
        "siren": SIREN,
        "year": year,
        "fiscal_year": year - 1,
        "closing_date": closing,
        "margin_rate": margin,
    } | other


def test_ratios_count_from_the_eighth_month_after_their_closing(workspace: Workspace) -> None:
    """Section 2.1: closing month, one month, seven months; section 1.10: exercice = annee - 1."""
    closing = date(2018, 12, 31)
    row = bdf(
        2019, closing, 1.5, supplier_days=88.5, tax_and_social_debt=561, short_term_loans=5.2, financial_costs=-9.4
    )
    assert named(made(workspace, bdf=[row | {"working_capital_weight": -37.5}])) == [
        {
            "siren": SIREN, "closing_date": closing, "available_from": date(2019, 8, 1), "fiscal_year": 2018,
            "working_capital_weight": -37.5, "margin_rate": 1.5, "supplier_delay": 88.5, "tax_and_social_debt_weight": 561.0,
            "short_term_bank_debt_weight": 5.2, "financial_cost_weight": -9.4,
        }
    ]  # fmt: skip


def test_of_several_ratios_for_a_year_the_last_delivered_hold(workspace: Workspace) -> None:
    """Section 1.10: duplicates of company and year."""
    early, late = date(2018, 6, 30), date(2018, 12, 31)
    found = made(workspace, bdf=[bdf(2019, late, 1), bdf(2019, early, 2), bdf(2018, early, 3)])
    assert [(row["fiscal_year"], row["margin_rate"]) for row in named(found)] == [(2018, 1.0), (2017, 3.0)][::-1]
    assert dict(found.report.rules) == {"repeated_year": 1}
    # A newer file holds, even when its accounts close earlier; within a file the last line does.
    found = made(workspace, bdf=[bdf(2019, late, 1), bdf(2019, early, 2, file=1), bdf(2019, early, 4, file=1)])
    assert [row["margin_rate"] for row in named(found)] == [4.0]


@pytest.mark.parametrize("closing", [date(2018, 12, 31), date(2020, 2, 29), date(2019, 5, 1), date(2019, 4, 30)])
def test_the_day_from_which_figures_count_is_that_of_the_datasets(workspace: Workspace, closing: date) -> None:
    (ratio,) = named(made(workspace, bdf=[bdf(2019, closing, 1)]))
    (figure,) = named(made(workspace, inpi_bce=[{"siren": SIREN, "closing_date": closing, "turnover": 1.0}]))
    assert ratio["available_from"] == available_from(closing)
    assert figure["available_from"] == available_from(closing)


def test_accounts_that_close_after_the_month_of_the_extracts_are_left_out(workspace: Workspace) -> None:
    """They cannot be known yet: the date is wrong, up to one that has no eighth month after it."""
    for closing in (date(2021, 7, 1), date(9999, 12, 31)):
        found = made(workspace, bdf=[bdf(2021, closing, 1), bdf(2020, date(2021, 6, 30), 2)])
        assert [row["margin_rate"] for row in named(found)] == [2.0]
        assert dict(found.report.rules) == {"after_period": 1}
        found = made(
            workspace,
            diane=[{"siren": SIREN, "fiscal_year": 2021, "closing_date": closing, "turnover": 1.0}],
            inpi_bce=[{"siren": SIREN, "closing_date": closing, "turnover": 1.0}],
        )
        assert (found.report.rows, dict(found.report.rules)) == (0, {"after_period": 2})
        found = made(
            workspace,
            declarations_indmap=[declaration(closing=closing, wages=1.0)],
            declarations_af=[declaration(turnover=1.0)],
        )
        assert [row["closing_date"] for row in named(found)] == [date(2020, 12, 31)]
        assert dict(found.report.rules) == {"declaration_not_used": 1}


def paydex(day: int, delay: int, **other: Any) -> dict[str, Any]:
    return {"siren": SIREN, "value_date": date(2021, 5, day), "delay_days": delay} | other


def test_of_several_delays_in_a_month_the_last_day_holds(workspace: Workspace) -> None:
    """Section 1.13."""
    rows = [paydex(15, 1), paydex(20, 2, late_share_30=0.5, suppliers=3, outstanding=10.5), paydex(1, 3)]
    found = made(workspace, paydex=rows)
    assert named(found) == [
        {
            "siren": SIREN, "month": date(2021, 5, 1), "delay_days": 2, "late_share_30": 0.5, "suppliers": 3,
            "outstanding_studied": 10.5,
        }
    ]  # fmt: skip
    assert dict(found.report.rules) == {"earlier_in_month": 2}


def test_accounts_of_both_sources_stand_beside_each_other_in_thousands_of_euros(workspace: Workspace) -> None:
    """Sections 1.11 and 1.16: Diane writes kEUR, the INPI euros."""
    closing = date(2020, 12, 31)
    diane = {"siren": SIREN, "fiscal_year": 2020, "closing_date": closing, "turnover": 1500.0, "months": 12, "staff": 7}
    inpi = {"siren": SIREN, "closing_date": closing, "turnover": 1_500_000.0, "equity_ratio": 12.5, "statement": "C"}
    rows = named(made(workspace, diane=[diane], inpi_bce=[inpi, inpi | {"statement": "X"}, inpi | {"statement": None}]))
    assert sorted((row["source"], row.get("statement", ""), row["turnover"]) for row in rows) == [
        ("diane", "", 1500.0),
        ("inpi_bce", "", 1500.0),
        ("inpi_bce", "complete", 1500.0),
        ("inpi_bce", "other", 1500.0),
    ]
    assert [row["staff"] for row in rows if row["source"] == "diane"] == [7]
    assert {row["equity_ratio"] for row in rows if row["source"] == "inpi_bce"} == {12.5}


def test_accounts_delivered_later_hold_and_empty_years_are_none(workspace: Workspace) -> None:
    closing = date(2020, 12, 31)
    rows = [
        {"siren": SIREN, "fiscal_year": 2020, "closing_date": closing, "turnover": 1.0},
        {"siren": SIREN, "fiscal_year": 2020, "closing_date": closing, "turnover": 2.0},
        {"siren": SIREN, "fiscal_year": 2019, "closing_date": None, "turnover": 3.0},
        # Diane repeats these three on every year.
        {"siren": SIREN, "fiscal_year": 2018, "closing_date": date(2018, 12, 31), "subsidiaries": 3, "group_size": 2},
    ]
    found = made(workspace, diane=rows)
    assert [row["turnover"] for row in named(found)] == [2.0]
    assert dict(found.report.rules) == {"repeated_closing": 1, "no_closing_date": 1, "empty_year": 1}
    assert found.report.parsed == found.report.valid + found.report.skipped


def test_every_figure_of_accounts_comes_from_a_source() -> None:
    """A column that no extract has would be empty for ever."""
    from vigie_node.extracts.registry import KINDS

    there = {*KINDS["diane"].columns(), *KINDS["inpi_bce"].columns(), "available_from", "source"}
    assert set(BUILT_IN["accounts"].names) <= there


def declaration(closing: date = date(2020, 12, 31), year: int = 2020, **figures: Any) -> dict[str, Any]:
    opening = date(closing.year, 1, 1)
    return {
        "siren": SIREN, "opening_date": opening, "closing_date": closing, "obligation": "1", "declared_year": year,
    } | figures  # fmt: skip


def test_the_halves_of_a_declaration_are_put_together(workspace: Workspace) -> None:
    """Section 1.15."""
    rows = named(
        made(
            workspace,
            declarations_indmap=[declaration(wages=5.0)],
            declarations_af=[declaration(turnover=100.0)],
            ratios_dirco=[
                {
                    "siren": SIREN,
                    "opening_date": date(2020, 1, 1),
                    "closing_date": date(2020, 12, 31),
                    "quick_ratio": 0.5,
                }
            ],
        )
    )
    assert rows == [
        {
            "siren": SIREN, "closing_date": date(2020, 12, 31), "available_from": date(2021, 8, 1), "months": 12,
            "turnover": 100.0, "wages": 5.0, "quick_ratio": 0.5,
        }
    ]  # fmt: skip


def test_of_several_declarations_the_one_with_fewest_empty_figures_holds(workspace: Workspace) -> None:
    """Section 1.15; and what the others were made of is counted."""
    found = made(
        workspace,
        declarations_indmap=[declaration(wages=5.0, equity=2.0), declaration(year=2021, wages=6.0)],
        declarations_af=[declaration(turnover=100.0), declaration(year=2021, turnover=200.0)],
    )
    assert [(row["wages"], row["turnover"]) for row in named(found)] == [(5.0, 100.0)]
    assert dict(found.report.rules) == {"declaration_not_used": 2}
    assert found.report.notes == ["made without ratios_dirco, which was not given"]
    # Of two that are as full, the one declared last.
    found = made(
        workspace,
        declarations_indmap=[declaration(wages=5.0), declaration(year=2021, wages=6.0)],
        declarations_af=[declaration(closing=date(2019, 12, 31), turnover=1.0)],
        ratios_dirco=[{"siren": SIREN, "opening_date": date(2018, 1, 1), "closing_date": date(2018, 12, 31)}],
    )
    assert [row.get("wages") for row in named(found)] == [None, 6.0]
    assert dict(found.report.rules) == {"declaration_not_used": 1, "ratios_not_used": 1}


def test_a_company_of_which_nothing_is_known_has_no_row_of_loans(workspace: Workspace) -> None:
    """Sections 1.16 and 3.2: unknown differs from no."""
    rows = [{"siren": "111111111", "active": True}, {"siren": "111111111", "active": False}]
    rows += [{"siren": "222222222", "active": False}, {"siren": "333333333", "active": None}]
    found = made(workspace, pge=rows)
    assert all_rows(found.connection, found.table) == [("111111111", LAST, True), ("222222222", LAST, False)]
    assert dict(found.report.rules) == {"repeated_company": 1, "unknown": 1}
