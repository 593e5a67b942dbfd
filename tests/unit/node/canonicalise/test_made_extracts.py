"""Made companies by two ways: their canonical tables as made, and their extracts read and put together by the node.

Both tell of the same world, so that reading, judging and aggregation are held against something that knows nothing of
them. What a format cannot say is named here, and nothing else may differ.
"""

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from vigie.datasets import BUILT_IN, SIREN, ColumnType
from vigie.demo.generate import PARTNERS, generate
from vigie.synth.extracts import Options, write_extracts
from vigie_node.delivery import Asked, Delivery

COMPANIES, MONTHS, LAST = 700, 30, "2021-04"
TOLERANCE = {"contributions": 0.005, "short_time_work": 1e-6}
"""Largest difference of a number: a quarter's call is in whole cents, and its months are not; hours are sums of days."""


@pytest.fixture(scope="module", params=[False, True], ids=["today", "before 2025"])
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with ``made_<dataset>`` and ``read_<dataset>``, categories as text."""
    folder = tmp_path_factory.mktemp("world")
    generate(folder / "made", companies=COMPANIES, months=MONTHS, seed=11, last_month=LAST)
    options = Options(legacy_urssaf=request.param, late_headcount=0)
    write_extracts(folder / "files", companies=COMPANIES, months=MONTHS, seed=11, last_month=LAST, options=options)
    connection = duckdb.connect()
    for partner, datasets in PARTNERS.items():
        with Delivery.take([str(folder / "files" / partner)], BUILT_IN, Asked(date(2021, 4, 1))) as delivery:
            assert not any(report.rejected for report in delivery.extracts)
            read = {one.dataset.name: one for one in delivery.checked}
            for name in datasets:
                path = folder / "made" / partner / f"{name}.parquet"
                connection.execute(f"CREATE TABLE made_{name} AS SELECT * FROM read_parquet('{path}')")
                one = read[name]
                connection.register("table_read", one.connection.sql(f'SELECT * FROM "{one.table}"').to_arrow_table())
                columns = ", ".join(_as_text(name, column) for column in BUILT_IN[name].names)
                connection.execute(f"CREATE TABLE read_{name} AS SELECT {SIREN}, {columns} FROM table_read")
                connection.unregister("table_read")
    yield connection
    connection.close()


def _as_text(dataset: str, name: str) -> str:
    column = next(one for one in BUILT_IN[dataset].columns if one.name == name)
    if column.type is not ColumnType.CATEGORY:
        return f'"{name}"'
    listed = ", ".join(f"'{category}'" for category in column.categories)
    return f'[{listed}]["{name}" + 1] AS "{name}"'


def number(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    ((found,),) = connection.execute(sql).fetchall()
    return int(found)


@pytest.mark.parametrize("name", ["payment_plans", "proceedings", "ratios"])
def test_events_are_the_same_to_the_last_bit(both: duckdb.DuckDBPyConnection, name: str) -> None:
    assert number(both, f"SELECT count(*) FROM made_{name}") > 0
    for one, other in (("made", "read"), ("read", "made")):
        assert (
            number(both, f"SELECT count(*) FROM (SELECT * FROM {one}_{name} EXCEPT ALL SELECT * FROM {other}_{name})")
            == 0
        )


@pytest.mark.parametrize(
    ("name", "values", "unsaid"),
    [
        ("contributions", ["contribution_due", "contribution_paid"], "false"),
        ("short_time_work", ["consumed_hours", "authorised_hours", "staff_concerned"], "false"),
        # A month whose headcount is not known has an empty cell, which is no row.
        ("headcount", ["headcount"], "m.headcount IS NULL"),
        # A company that owes nothing has no row in a file of debts.
        ("debts", ["employee_share", "employer_share"], "m.employee_share = 0 AND m.employer_share = 0"),
    ],
)
def test_months_are_the_same(both: duckdb.DuckDBPyConnection, name: str, values: list[str], unsaid: str) -> None:
    pairs = f"made_{name} m FULL JOIN read_{name} r USING ({SIREN}, month)"
    assert number(both, f"SELECT count(*) FROM made_{name} m JOIN read_{name} r USING ({SIREN}, month)") > 1000 / (
        10 if name == "short_time_work" else 1
    )
    assert number(both, f"SELECT count(*) FROM {pairs} WHERE r.month IS NULL AND NOT ({unsaid})") == 0
    # A file of debts tells what is still owed from before the first visible month, and a balance is carried to the end of
    # the extract; the made tables begin with that month and end with the company.
    before = f"month < (SELECT min(month) FROM made_{name})"
    beyond = f"{before} OR (r.employee_share = 0 AND r.employer_share = 0)" if name == "debts" else "false"
    assert number(both, f"SELECT count(*) FROM {pairs} WHERE m.month IS NULL AND NOT ({beyond})") == 0
    for value in values:
        both_there = f"m.month IS NOT NULL AND r.month IS NOT NULL AND (m.{value} IS NULL) = (r.{value} IS NULL)"
        assert number(both, f"SELECT count(*) FROM {pairs} WHERE m.month = r.month AND NOT ({both_there})") == 0
        far = f"abs(m.{value} - r.{value}) > {TOLERANCE.get(name, 0.0)!r}"
        assert number(both, f"SELECT count(*) FROM {pairs} WHERE m.month = r.month AND {far}") == 0
