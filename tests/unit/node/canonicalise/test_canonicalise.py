"""The public face: which datasets are made, what their reports say, and that each can be sent."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

import pyarrow as pa
import pytest

from support.typed_tables import all_rows, typed
from vigie.datasets import BUILT_IN, ColumnType
from vigie.errors import ExtractError
from vigie.rows import RowsDigest
from vigie_node.canonicalise import RECIPES, canonicalise
from vigie_node.extracts.reading import Reading
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.workspace import Workspace
from vigie_node.findings import Finding
from vigie_node.lot import PseudonymisedRows

LAST = date(2021, 6, 17)
JUNE = date(2021, 6, 1)
SITE = "11111111100001"
SIREN = "111111111"

EXTRACTS: Final[Mapping[str, dict[str, Any]]] = {
    "cotisation": {"siret": SITE, "period_start": date(2021, 1, 1), "period_stop": date(2021, 4, 1), "due": Decimal(10)},
    "debit": {
        "siret": SITE, "gap": "1", "sequence": 1, "treated": JUNE, "counted_from": date(2021, 5, 1),
        "employee_share": Decimal(1), "employer_share": Decimal(2), "period_start": JUNE, "period_stop": LAST,
    },
    "effectif": {"siret": SITE, "account": "1", "months": [JUNE], "headcounts": [0]},
    "delai": {"siret": SITE, "created": JUNE, "due": LAST, "days": 3, "amount": Decimal(5), "action": "CCSF"},
    "procol": {"siret": SITE, "effective": JUNE, "action": "liquidation", "stage": "ouverture"},
    "apconso": {"siret": SITE, "hours": -0.0, "staff": -0.0, "day": JUNE, "month": JUNE},
    "apdemande": {"siret": SITE, "first_day": JUNE, "last_day": LAST, "authorised_hours": 4.0},
    "bdf": {"siren": SIREN, "year": 2021, "fiscal_year": 2020, "closing_date": JUNE, "margin_rate": float("inf")},
    "ccsf": {"siret": SITE, "treated": JUNE, "stage": "FIN"},
    "inpi_bce": {"siren": SIREN, "closing_date": JUNE, "turnover": 3.0, "statement": "S"},
    "diane": {"siren": SIREN, "closing_date": JUNE, "turnover": 3.0, "fiscal_year": 2021},
    "paydex": {"siren": SIREN, "value_date": LAST, "delay_days": 4},
    "sirene_ul": {"siren": SIREN, "activity": "62.02A", "legal_form": "5710", "active": True},
    "sirene": {"siren": SIREN, "siret": SITE, "department": "2A", "abroad": False, "head_office": True, "active": True},
    "declarations_indmap": {
        "siren": SIREN, "opening_date": date(2020, 1, 1), "closing_date": date(2020, 12, 31), "obligation": "1",
        "declared_year": 2020, "wages": 5.0,
    },
    "declarations_af": {
        "siren": SIREN, "opening_date": date(2020, 1, 1), "closing_date": date(2020, 12, 31), "obligation": "1",
        "declared_year": 2020, "turnover": 5.0,
    },
    "pge": {"siren": SIREN, "active": False},
}  # fmt: skip
"""One row of each extract that something is made from."""


def readings(workspace: Workspace, *names: str) -> dict[str, Reading]:
    return {name: typed(workspace, name, [EXTRACTS[name]]) for name in names or EXTRACTS}


def test_everything_is_made_whatever_the_order_of_the_extracts(workspace: Workspace) -> None:
    found = readings(workspace)
    made = canonicalise(workspace, dict(reversed(found.items())), LAST)
    names = [one.dataset.name for one in made]
    assert names == [name for name in BUILT_IN if name not in ("perimeter", "explanation_requests")]
    assert all(one.report.rows for one in made)
    assert len({one.table for one in made}) == len(made)


def test_each_dataset_stands_in_its_wire_types_with_its_key_and_no_odd_number(workspace: Workspace) -> None:
    for one in canonicalise(workspace, readings(workspace), LAST):
        found = one.connection.sql(f'SELECT * FROM "{one.table}"').to_arrow_table()
        expected = {"siren": pa.string()} | {column.name: column.arrow_type for column in one.dataset.columns}
        assert dict(zip(found.schema.names, found.schema.types, strict=True)) == expected, one.dataset.name
        keys = [tuple(row[name] for name in ("siren", *one.dataset.key)) for row in found.to_pylist()]
        assert len(set(keys)) == len(keys)
        for column in one.dataset.columns:
            cells = found.column(column.name).to_pylist()
            assert column.nullable or None not in cells
            if column.type is ColumnType.NUMBER:
                assert all(cell is None or (abs(cell) < float("inf") and str(cell) != "-0.0") for cell in cells)
        assert not one.connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name LIKE 'making_%'").fetchall()


def test_several_datasets_of_one_database_can_be_sent_each_for_itself(workspace: Workspace) -> None:
    """What sending takes: the companies, the rows by bucket, and their digest, which is that of the rows alone."""
    made = canonicalise(workspace, readings(workspace, "debit", "cotisation", "ccsf"), LAST)
    known = pa.table({"siren": [SIREN], "pseudonym": pa.array([bytes(range(16))], pa.binary(16))})
    keyed = [PseudonymisedRows(one, known, 4) for one in made]
    for one, rows in zip(made, keyed, strict=True):
        assert one.sirens().to_pylist() == [SIREN]
        assert rows.rows == one.report.rows
        total = RowsDigest(one.dataset)
        for number in range(4):
            total.update(rows.bucket(number))
        assert rows.digest(lambda _done, _total: None) == total.digest()
    assert len({rows.digest(lambda _done, _total: None) for rows in keyed}) == 3


def test_balances_go_to_the_month_of_the_extracts_whatever_its_day(workspace: Workspace) -> None:
    (made,) = canonicalise(workspace, readings(workspace, "debit"), LAST)
    assert [row[1] for row in all_rows(made.connection, made.table)] == [date(2021, 5, 1), JUNE]


def test_the_report_says_from_how_many_extract_rows_the_dataset_comes(workspace: Workspace) -> None:
    """Counts of the reading and of the aggregation: parsed = valid + rejected + skipped over both extracts together."""
    found = readings(workspace, "apconso", "apdemande")
    for number, reading in enumerate(found.values(), start=1):
        reading.parsed, reading.rejected, reading.skipped = 10, number, 10 - 1 - number
        reading.rules.update({("not_number", "HEURES"): number, ("outside_perimeter", ""): 9 - number})
        reading.warnings.update({"provisional": 1})
        reading.findings.add_all([Finding(f"{reading.kind.name}.csv", number, "HEURES", "not_number", "aa")] * number)
    (made,) = canonicalise(workspace, found, LAST)
    report = made.report
    assert (report.parsed, report.valid, report.rejected, report.skipped) == (20, 2, 3, 15)
    assert report.rules["not_number:HEURES"] == 3
    assert report.rules["outside_perimeter"] == 15
    assert report.warnings["provisional"] == 2
    assert report.files == ("apconso.csv", "apdemande.csv")
    # Where they stand is told by the reports of the extracts themselves.
    assert report.made_from == ("apconso", "apdemande") and not list(report.rejections)
    assert (report.companies, report.first, report.last) == (1, "2021-06-01", "2021-06-01")
    assert [column["name"] for column in report.columns] == list(made.dataset.names)
    assert report.to_json()["rows"] == 1


def test_only_what_is_asked_for_is_made(workspace: Workspace) -> None:
    (made,) = canonicalise(workspace, readings(workspace), LAST, asked=["debts"])
    assert made.dataset.name == "debts"


def test_a_dataset_whose_extract_is_missing_is_refused_only_when_it_is_asked_for(workspace: Workspace) -> None:
    found = readings(workspace, "apdemande")
    assert canonicalise(workspace, found, LAST) == []
    with pytest.raises(ExtractError, match="short_time_work cannot be made: no extract apconso was given") as raised:
        canonicalise(workspace, found, LAST, asked=["short_time_work"])
    assert "apconso, apdemande" in (raised.value.hint or "")
    with pytest.raises(ExtractError, match="no extract effectif_ent or effectif was given"):
        canonicalise(workspace, found, LAST, asked=["headcount"])


@pytest.mark.parametrize("name", ["group_heads", "nothing"])
def test_what_is_not_made_from_extracts_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(ExtractError, match=f"{name} is not made from extracts"):
        canonicalise(workspace, readings(workspace), LAST, asked=[name])


def test_numbers_beyond_all_bounds_say_so_and_quote_no_cell(workspace: Workspace) -> None:
    row = dict(EXTRACTS["effectif"]) | {"headcounts": [2**63 - 1]}
    found = {"effectif": typed(workspace, "effectif", [row, row | {"account": "2"}])}
    with pytest.raises(ExtractError, match="headcount cannot be made from these extracts") as raised:
        canonicalise(workspace, found, LAST)
    assert str(2**63) not in str(raised.value) + (raised.value.hint or "")
    assert not workspace.connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name LIKE 'making_%'").fetchall()


def test_recipes_name_known_kinds_and_built_in_datasets() -> None:
    order = list(BUILT_IN.values())
    assert all(order.index(one.dataset) < order.index(other.dataset) for one, other in pairwise(RECIPES))
    for recipe in RECIPES:
        assert set(recipe.kinds()) <= set(KINDS)
