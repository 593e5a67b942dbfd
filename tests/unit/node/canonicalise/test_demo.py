"""The randomised dump of the real system's web application, by our SQL: the same rows as the demonstration data.

``tests/data/demo`` was made from that dump by a plain Python program. Here its tables become typed tables, and the datasets
are made from them. The program adds the float64 of each cell, where the SQL adds the cells' decimals: sums are compared to a
millionth, everything else exactly.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from support.golden import SAMPLES
from support.typed_tables import selected
from vigie.datasets import BUILT_IN, ColumnType
from vigie_node.canonicalise import canonicalise
from vigie_node.extracts.canonical import Checked
from vigie_node.extracts.workspace import Workspace

DUMP: Final = SAMPLES / "datapi-randomized"
DEMO: Final = Path(__file__).resolve().parents[3] / "data" / "demo"
OWNERS: Final = {
    "contributions": "acoss",
    "debts": "acoss",
    "headcount": "acoss",
    "payment_plans": "acoss",
    "proceedings": "acoss",
    "short_time_work": "travail",
    "ratios": "banque-de-france",
}
LAST: Final = date(2021, 4, 1)
"""The last month of the dump's table of Urssaf."""


def table(name: str) -> str:
    """SQL of a table of the dump, all text."""
    return f"read_csv('{DUMP / name}', all_varchar = true, header = true)"


URSSAF: Final = table("etablissement_periode_urssaf.csv.gz")
MONEY: Final = "DECIMAL(18, 4)"

# The dump holds the debt of each month, and no event: a month's debt is the balance of one gap after an event in it. A month
# without a row, after one with a row, is an event that left nothing.
DEBITS: Final = f"""
WITH there AS (
    SELECT siret, CAST(periode AS DATE) AS month, CAST(part_salariale AS {MONEY}) AS employee, CAST(part_patronale AS {MONEY}) AS employer
    FROM {URSSAF}
), gaps AS (
    SELECT siret, CAST(month + INTERVAL 1 MONTH AS DATE) AS month, 0 AS employee, 0 AS employer FROM there
    QUALIFY month < DATE '{LAST}' AND coalesce(lead(month) OVER (PARTITION BY siret ORDER BY month) > month + INTERVAL 1 MONTH, true)
)
SELECT siret, '101' AS gap, 1 AS sequence, month AS treated, DATE '2019-01-01' AS period_start, DATE '2019-02-01' AS period_stop,
    month AS counted_from, coalesce(employee, 0) AS employee_share, coalesce(employer, 0) AS employer_share
FROM (SELECT * FROM there UNION ALL SELECT * FROM gaps)
"""
TABLES: Final = {
    "cotisation": f"SELECT siret, CAST(periode AS DATE) AS period_start, CAST(CAST(periode AS DATE) + INTERVAL 1 MONTH AS DATE) "
    f"AS period_stop, CAST(cotisation AS {MONEY}) AS due FROM {URSSAF}",
    "debit": DEBITS,
    "effectif": f"SELECT siret, list(CAST(periode AS DATE)) AS months, list(CAST(CAST(effectif AS DOUBLE) AS BIGINT)) AS headcounts "
    f"FROM {URSSAF} GROUP BY siret",
    "delai": "SELECT siret, CAST(date_creation AS DATE) AS created, CAST(date_echeance AS DATE) AS due, CAST(duree_delai AS BIGINT) "
    f"AS days, CAST(montant_echeancier AS {MONEY}) AS amount, action, stade AS stage FROM {table('etablissement_delai.csv')}",
    "procol": "SELECT siret, CAST(date_effet AS DATE) AS effective, action_procol AS action, stade_procol AS stage "
    f"FROM {table('etablissement_procol.csv')}",
    "apconso": "SELECT siret, CAST(left(periode, 10) AS DATE) AS month, CAST(heure_consomme AS DOUBLE) AS hours, "
    f"CAST(effectif AS DOUBLE) AS staff FROM {table('etablissement_apconso.csv.gz')}",
    "apdemande": "SELECT siret, CAST(left(periode_start, 10) AS DATE) AS first_day, CAST(left(periode_end, 10) AS DATE) AS last_day, "
    f"CAST(hta AS DOUBLE) AS authorised_hours, CAST(motif_recours_se AS BIGINT) AS reason FROM {table('etablissement_apdemande.csv.gz')}",
    "bdf": "SELECT siren, CAST(annee_bdf AS BIGINT) AS year, CAST(annee_bdf AS BIGINT) - 1 AS fiscal_year, "
    "CAST(left(arrete_bilan_bdf, 10) AS DATE) AS closing_date, CAST(poids_frng AS DOUBLE) AS working_capital_weight, "
    "CAST(taux_marge AS DOUBLE) AS margin_rate, CAST(delai_fournisseur AS DOUBLE) AS supplier_days, "
    "CAST(dette_fiscale AS DOUBLE) AS tax_and_social_debt, CAST(financier_court_terme AS DOUBLE) AS short_term_loans, "
    f"CAST(frais_financier AS DOUBLE) AS financial_costs FROM {table('entreprise_bdf.csv.gz')}",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Checked]]:
    """Every dataset of the demonstration, made from the dump."""
    with Workspace(tmp_path_factory.mktemp("demo"), memory="512MB", threads=1) as workspace:
        readings = {name: selected(workspace, name, select) for name, select in TABLES.items()}
        yield {one.dataset.name: one for one in canonicalise(workspace, readings, LAST)}


def both(made: Checked, name: str) -> tuple[duckdb.DuckDBPyConnection, str, str]:
    """Ours with categories as words, and theirs; as SQL."""
    columns = []
    for column in BUILT_IN[name].columns:
        cell = f'"{column.name}"'
        if column.type is ColumnType.CATEGORY:
            cell = f"list_extract({list(column.categories)!r}, {cell} + 1) AS {cell}"
        columns.append(cell)
    ours = f'SELECT siren, {", ".join(columns)} FROM "{made.table}"'
    theirs = f"SELECT siren, {', '.join(BUILT_IN[name].names)} FROM '{DEMO / OWNERS[name] / name}.parquet'"
    return made.connection, ours, theirs


def rows(connection: duckdb.DuckDBPyConnection, select: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"{select} ORDER BY ALL").fetchall()


def same(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> bool:
    """Whether two tables are the same to a millionth."""
    return len(ours) == len(theirs) and all(
        one == other or (isinstance(one, float) and isinstance(other, float) and abs(one - other) < 1e-6)
        for row, their_row in zip(ours, theirs, strict=True)
        for one, other in zip(row, their_row, strict=True)
    )


@pytest.mark.parametrize("name", ["contributions", "payment_plans", "proceedings", "short_time_work", "ratios"])
def test_the_rows_are_those_of_the_demonstration(made: dict[str, Checked], name: str) -> None:
    connection, ours, theirs = both(made[name], name)
    found = rows(connection, ours)
    assert same(found, rows(connection, theirs))
    assert len(found) == made[name].report.rows > 0


def test_headcount_is_the_same_where_some_establishment_has_one(made: dict[str, Checked]) -> None:
    """The demonstration has a row without headcount where no establishment has one; an extract has no such row."""
    connection, ours, theirs = both(made["headcount"], "headcount")
    assert rows(connection, ours) == rows(connection, f"{theirs} WHERE headcount IS NOT NULL")


def test_debts_are_the_same_and_stay_at_zero_after_the_last_row(made: dict[str, Checked]) -> None:
    """The demonstration ends with the last row of a company's establishments, a balance stays: at 0, as they left it."""
    connection, ours, theirs = both(made["debts"], "debts")
    keys = f"SELECT siren, month FROM ({theirs})"
    known = rows(connection, f"SELECT * FROM ({ours}) WHERE (siren, month) IN ({keys})")
    assert same(known, rows(connection, theirs))
    assert rows(
        connection,
        f"SELECT DISTINCT employee_share, employer_share FROM ({ours}) WHERE (siren, month) NOT IN ({keys})",
    ) in ([], [(0.0, 0.0)])


def test_what_was_merged_is_counted(made: dict[str, Checked]) -> None:
    for one in made.values():
        report = one.report
        assert report.parsed == report.valid + report.rejected + report.skipped
        assert report.skipped == sum(report.rules.values())
    assert made["proceedings"].report.rules["repeated_proceeding"] == made["proceedings"].report.parsed - 33
