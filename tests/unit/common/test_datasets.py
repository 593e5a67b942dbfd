"""Canonical datasets: what is built in, what may be declared, and the demonstration files that must match."""

import csv
import gzip
import hashlib
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.datasets import BUILT_IN, LABELS, Column, ColumnType, Dataset, dataset
from vigie.datasets.page import page
from vigie.datasets.ratios import available_from
from vigie.datasets.short_time_work import authorised_by_month
from vigie.demo.generate import PARTNERS
from vigie.errors import MalformedConvention, Missing

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "tests/data/demo"
FILES = [(partner, name) for partner, names in PARTNERS.items() for name in names]
MONTH = Column("month", ColumnType.MONTH, "month", frozenset({"bdf"}))
VALUE = Column("value", ColumnType.NUMBER, "EUR", frozenset({"bdf"}))


def declare(*columns: Column, time: str = "month", grain: str = "month") -> Dataset:
    return Dataset.declared("panel", 1, grain, time, columns)  # type: ignore[arg-type]


# Built in


def test_built_in_datasets_keep_their_order_and_new_ones_come_last() -> None:
    assert list(BUILT_IN) == [
        "contributions",
        "debts",
        "headcount",
        "payment_plans",
        "proceedings",
        "short_time_work",
        "ratios",
        "ccsf",
        "accounts",
        "payment_delays",
        "legal_units",
        "establishment_departments",
        "tax_accounts",
        "state_guaranteed_loans",
        "perimeter",
        "explanation_requests",
    ]
    assert all(dataset(name) is one for name, one in BUILT_IN.items())


@pytest.mark.parametrize("name, schema", [("nothing", 1), ("debts", 2), ("debts", 0)])
def test_unknown_dataset_or_schema_is_missing(name: str, schema: int) -> None:
    with pytest.raises(Missing, match="no built-in dataset") as caught:
        dataset(name, schema)
    assert "debts" in caught.value.hint


def test_labels_follow_the_owners_and_public_data_has_none() -> None:
    labels = {name: one.labels for name, one in BUILT_IN.items()}
    public = ["headcount", "proceedings", "accounts", "payment_delays", "legal_units", "establishment_departments"]
    assert all(labels[name] == frozenset() for name in (*public, "perimeter", "explanation_requests"))
    assert labels["debts"] == labels["contributions"] == labels["payment_plans"] == labels["ccsf"] == {"urssaf"}
    assert labels["ratios"] == {"bdf"}
    assert labels["short_time_work"] == {"dgefp"}
    assert labels["tax_accounts"] == {"fiscal"}
    assert labels["state_guaranteed_loans"] == {"pge"}
    owners = {name: one.owner_label for name, one in BUILT_IN.items()}
    assert set(owners.values()) == LABELS | {""}
    assert owners["perimeter"] == "urssaf"
    # No column of a dataset is public beside others that are not: a reader is told all of it or nothing.
    assert all(column.labels == one.labels for one in BUILT_IN.values() for column in one.columns)


SEVEN = {
    "contributions": "64d70f8d4a6fd77d",
    "debts": "e6344d500d790a2d",
    "headcount": "b9810ba7d7a378fa",
    "payment_plans": "89f17ebf91788aaa",
    "proceedings": "83bac992a60ad151",
    "short_time_work": "6ff7d40636d423dc",
    "ratios": "cd3e306ec71f72c8",
}
"""Digests of the first schemas, over which conventions were signed: no column of theirs may change or move."""


def described(one: Dataset) -> str:
    """Everything in a schema that is agreed on, as text."""
    columns = [
        (column.name, str(column.type), column.unit, sorted(column.labels), column.nullable, column.categories)
        for column in one.columns
    ]
    return repr((one.name, one.schema, one.grain, one.time, one.available, one.owner_label, columns, one.key))


@pytest.mark.parametrize("name", SEVEN)
def test_first_datasets_are_what_they_were(name: str) -> None:
    assert hashlib.sha256(described(BUILT_IN[name]).encode()).hexdigest()[:16] == SEVEN[name]


@pytest.mark.parametrize("one", BUILT_IN.values(), ids=BUILT_IN)
def test_every_built_in_column_is_explained_in_both_languages(one: Dataset) -> None:
    assert all(column.meaning_fr and column.meaning_en and column.unit for column in one.columns)
    assert one.names[0] == one.time


def test_file_holds_text_and_wire_holds_none() -> None:
    for one in BUILT_IN.values():
        assert one.file_schema().names == ["siren", *one.names]
        assert one.wire_schema().names == ["pseudonym", *one.names]
        assert one.wire_schema().field("pseudonym").type == pa.binary(16)
        assert not any(pa.types.is_string(field.type) for field in one.wire_schema())
    assert dataset("proceedings").file_schema().field("action").type == pa.string()
    assert dataset("proceedings").wire_schema().field("action").type == pa.int16()
    assert not dataset("proceedings").wire_schema().field("action").nullable
    assert dataset("debts").wire_schema().field("employer_share").type == pa.float64()


# Declared


def test_declared_monthly_dataset_makes_its_time_required() -> None:
    panel = declare(MONTH, VALUE)
    assert panel.key == ("month",)
    assert not panel.column("month").nullable
    assert panel.column("value").nullable
    assert panel.labels == {"bdf"}


def test_declared_events_have_the_whole_row_as_key() -> None:
    day = Column("day", ColumnType.DATE, "date", frozenset())
    assert declare(day, VALUE, time="day", grain="event").key == ("day", "value")
    with pytest.raises(MalformedConvention, match="must be a month"):
        declare(day, VALUE, time="day")


def test_declared_yearly_dataset() -> None:
    assert declare(MONTH, VALUE, grain="year").key == ("month",)


@pytest.mark.parametrize(
    "columns, time, grain, said",
    [
        ((MONTH, VALUE), "value", "month", "must be a month"),
        ((MONTH, VALUE), "year", "month", "no column"),
        ((VALUE, MONTH), "month", "month", "first column"),
        ((MONTH, VALUE, VALUE), "month", "month", "two of one name"),
        ((), "month", "month", "no columns"),
        ((MONTH, VALUE), "month", "week", "grain"),
    ],
)
def test_declarations_that_do_not_hold_are_refused(
    columns: tuple[Column, ...], time: str, grain: str, said: str
) -> None:
    with pytest.raises(MalformedConvention, match=said):
        declare(*columns, time=time, grain=grain)


@pytest.mark.parametrize("name", ["", "Debt", "2020", "a-b", "a" * 64, "é", "siren", "pseudonym", "month\n", "a b"])
def test_bad_column_names_are_refused(name: str) -> None:
    with pytest.raises(MalformedConvention):
        Column(name, ColumnType.NUMBER, "EUR", frozenset())


def test_longest_name_is_accepted() -> None:
    assert Column("a" * 63, ColumnType.NUMBER, "EUR", frozenset()).name == "a" * 63


def test_column_with_unknown_label_categories_or_range_is_refused() -> None:
    with pytest.raises(MalformedConvention, match="unknown label"):
        Column("value", ColumnType.NUMBER, "EUR", frozenset({"secret"}))
    with pytest.raises(MalformedConvention, match="must list categories"):
        Column("kind", ColumnType.CATEGORY, "", frozenset())
    with pytest.raises(MalformedConvention, match="must not list categories"):
        Column("value", ColumnType.NUMBER, "", frozenset(), categories=("a",))
    with pytest.raises(MalformedConvention, match="repeat"):
        Column("kind", ColumnType.CATEGORY, "", frozenset(), categories=("a", "a"))
    with pytest.raises(MalformedConvention, match="range"):
        Column("value", ColumnType.NUMBER, "", frozenset(), minimum=1.0, maximum=0.0)


@given(st.text(max_size=70))
def test_any_text_is_a_good_name_or_our_error(name: str) -> None:
    try:
        made = Column(name, ColumnType.NUMBER, "", frozenset())
    except MalformedConvention:
        return
    assert made.name.isascii()
    assert made.name[0].isalpha()
    assert made.name == made.name.lower()


# Rules that go with a dataset


def test_accounts_count_from_the_eighth_month_after_closing() -> None:
    assert available_from(date(2018, 12, 31)) == date(2019, 8, 1)
    assert available_from(date(2020, 2, 29)) == date(2020, 10, 1)
    assert available_from(date(2019, 4, 1)) == date(2019, 12, 1)
    assert available_from(date(2019, 5, 31)) == date(2020, 1, 1)


@given(st.dates(date(1950, 1, 1), date(2200, 12, 31)))
def test_accounts_never_count_from_within_their_year(closing: date) -> None:
    start = available_from(closing)
    assert start.day == 1
    assert (start.year - closing.year) * 12 + start.month - closing.month == 8
    assert closing + timedelta(days=7 * 28) < start


def test_every_amount_and_ratio_of_the_accounts_has_a_range_that_catches_a_wrong_unit() -> None:
    for name in ("accounts", "tax_accounts"):
        numbers = [column for column in dataset(name).columns if column.type is ColumnType.NUMBER]
        assert all(column.minimum is not None and column.maximum is not None for column in numbers)
    assert {
        column.unit for column in dataset("accounts").columns if column.name in {"turnover", "ebitda", "net_result"}
    } == {"kEUR"}


def test_departments_of_a_company_are_rows_of_one_month() -> None:
    one = dataset("establishment_departments")
    assert (one.grain, one.time, one.key) == ("event", "as_of", ("as_of", "department"))
    assert one.column("department").categories == dataset("legal_units").column("head_office_department").categories


def test_the_perimeter_says_nothing_but_its_month() -> None:
    assert dataset("perimeter").names == ("month",)


def test_authorised_hours_are_spread_by_day() -> None:
    assert authorised_by_month([(date(2020, 1, 31), date(2020, 2, 2), 30.0)]) == {
        date(2020, 1, 1): 10.0,
        date(2020, 2, 1): 20.0,
    }


def test_overlapping_requests_are_merged_and_backward_ones_passed_over() -> None:
    first, second = (date(2020, 1, 1), date(2020, 1, 31), 31.0), (date(2020, 1, 31), date(2020, 2, 29), 29.0)
    backward = (date(2020, 5, 2), date(2020, 5, 1), 99.0)
    assert authorised_by_month([second, backward, first]) == {date(2020, 1, 1): 31.0, date(2020, 2, 1): 29.0}


DAYS = st.dates(date(2010, 1, 1), date(2030, 12, 31))


@given(st.lists(st.tuples(DAYS, st.integers(0, 800), st.floats(0.0, 1e6)), max_size=8))
def test_spreading_keeps_the_total_and_the_months(requests: list[tuple[date, int, float]]) -> None:
    spans = [(start, start + timedelta(days=length), hours) for start, length, hours in requests]
    months = authorised_by_month(spans)
    assert sum(months.values()) == pytest.approx(sum(hours for _, _, hours in spans), rel=1e-9, abs=1e-9)
    assert all(month.day == 1 for month in months)
    assert list(months) == sorted(months)


# The reference page


def test_reference_page_is_fresh() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "vigie.datasets"],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "common"), "PYTHONIOENCODING": "utf-8"},
    ).stdout.decode("utf-8")
    assert printed == (ROOT / "docs/spec/datasets.md").read_text(encoding="utf-8")


def test_a_long_list_of_categories_is_told_once() -> None:
    text = page(BUILT_IN.values())
    assert text.count("`d2a`, ") == 1
    assert "`legal_units.head_office_department`, `establishment_departments.department`: `d01`, " in text
    assert "Long lists" not in page([declare(MONTH, VALUE)])


def test_reference_page_follows_the_schema() -> None:
    assert page([declare(MONTH, VALUE)]) != page([declare(MONTH)])
    assert "`value`" in page([declare(MONTH, VALUE)])


# The demonstration files


@pytest.mark.parametrize("partner, name", FILES)
def test_demonstration_file_is_canonical(partner: str, name: str) -> None:
    one = dataset(name)
    table = pq.read_table(DEMO / partner / f"{name}.parquet")
    assert table.schema.equals(one.file_schema())
    rows = table.to_pylist()
    keys = [(row["siren"], *(row[column] for column in one.key)) for row in rows]
    assert len(set(keys)) == len(keys)
    assert all(len(row["siren"]) == 9 and row["siren"].isdigit() for row in rows)
    for column in one.columns:
        cells = {row[column.name] for row in rows}
        assert column.nullable or None not in cells
        if column.type is ColumnType.MONTH:
            assert {cell.day for cell in cells} == {1}
        if column.type is ColumnType.CATEGORY:
            assert cells <= {*column.categories, None}
    order = [(row["siren"], row[one.time]) for row in rows]
    assert order == sorted(order)


def test_demonstration_counts_are_those_of_the_dump() -> None:
    rows = {name: pq.read_table(DEMO / partner / f"{name}.parquet") for partner, name in FILES}
    assert {name: table.num_rows for name, table in rows.items()} == {
        "contributions": 9361,
        "debts": 9361,
        "headcount": 9361,
        "payment_plans": 280,
        "proceedings": 33,
        "ratios": 2509,
        "short_time_work": 3645,
    }
    sirens = set(rows["debts"]["siren"].to_pylist())
    assert len(sirens) == 400
    assert sum(siren.startswith("0") for siren in sirens) == 32
    assert len(set(rows["ratios"]["siren"].to_pylist())) == 386
    assert {"urssaf", "bdf", "dgefp"} <= LABELS
    assert sum(path.stat().st_size for path in DEMO.rglob("*.parquet")) < 2_000_000


def write_csv(path: Path, header: str, *rows: str) -> None:
    text = "\n".join([header, *rows, ""]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def small_dump(folder: Path) -> Path:
    """Two establishments of one company, with each trap that the conversion must know."""
    dump = folder / "dump"
    dump.mkdir()
    (folder / "licence.txt").write_text("free\n")
    write_csv(
        dump / "etablissement_periode_urssaf.csv.gz",
        "siret,siren,periode,cotisation,part_patronale,part_salariale,montant_majorations,effectif",
        "00000000000001,000000000,2020-01-01,0.1,1,2,0,",
        "00000000000002,000000000,2020-01-01,0.2,3,4,0,7",
        "00000000000001,000000000,2020-02-01,-5,0,0,0,",
    )
    write_csv(
        dump / "etablissement_delai.csv",
        "siret,siren,action,date_creation,date_echeance,duree_delai,montant_echeancier,stade",
        "00000000000001,000000000,SUR PO,2020-01-05,2020-03-05,60,0,PRO PR",
        "00000000000002,000000000,SUR PO,2020-01-05,2020-03-05,60,0,PRO PR",
        "00000000000002,000000000,AUTRE,2020-01-05,2020-03-05,60,0,X",
    )
    write_csv(
        dump / "etablissement_procol.csv",
        "siret,siren,date_effet,action_procol,stade_procol",
        "00000000000001,000000000,2020-01-09,redressement,ouverture",
        "00000000000002,000000000,2020-01-09,redressement,ouverture",
    )
    write_csv(
        dump / "etablissement_apconso.csv.gz",
        "siret,siren,id_conso,heure_consomme,montant,effectif,periode",
        "00000000000001,000000000,A,10.5,0,2,2020-01-01",
        "00000000000002,000000000,B,1.5,0,1,2020-01-01",
    )
    write_csv(
        dump / "etablissement_apdemande.csv.gz",
        "siret,siren,id_demande,periode_start,periode_end,hta,motif_recours_se",
        "00000000000001,000000000,A,2020-02-29,2020-03-01,48,0",
    )
    write_csv(
        dump / "entreprise_bdf.csv.gz",
        "siren,arrete_bilan_bdf,annee_bdf,delai_fournisseur,financier_court_terme,poids_frng,dette_fiscale,"
        "frais_financier,taux_marge",
        "000000000,2019-06-30,2019,9,9,9,9,9,9",
        "000000000,2018-12-31,2019,1,2,3,4,5,",
    )
    return dump


def convert(dump: Path, out: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, str(ROOT / "scripts/make_demo_data.py"), "--source", str(dump), "--out", str(out)]
    licence = ["--licence", str(dump.parent / "licence.txt")]
    env = {"PYTHONPATH": str(ROOT / "common")}
    return subprocess.run([*command, *licence], capture_output=True, check=False, env=env)


def test_conversion_sums_establishments_and_keeps_gaps(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = convert(small_dump(tmp_path), out)
    assert done.returncode == 0, done.stderr
    rows = {name: pq.read_table(out / partner / f"{name}.parquet").to_pylist() for partner, name in FILES}
    january, february = date(2020, 1, 1), date(2020, 2, 1)
    assert [(row["month"], row["contribution_due"], row["contribution_paid"]) for row in rows["contributions"]] == [
        (january, 0.30000000000000004, None),
        (february, -5.0, None),
    ]
    assert [(row["employee_share"], row["employer_share"]) for row in rows["debts"]] == [(6.0, 4.0), (0.0, 0.0)]
    assert [row["headcount"] for row in rows["headcount"]] == [7, None]
    assert [(row["action"], row["stage"]) for row in rows["payment_plans"]] == [
        ("other", "other"),
        ("stay_of_enforcement", "pro_pr"),
    ]
    assert [(row["siren"], row["action"]) for row in rows["proceedings"]] == [("000000000", "receivership")]
    (accounts,) = rows["ratios"]
    assert (accounts["fiscal_year"], accounts["closing_date"]) == (2018, date(2019, 6, 30))
    assert accounts["available_from"] == date(2020, 2, 1)
    # March lies after the last month of the Urssaf table: its hours are cut, not moved.
    hours = [(row["month"], row["consumed_hours"], row["authorised_hours"]) for row in rows["short_time_work"]]
    assert hours == [(january, 12.0, None), (february, None, 24.0)]
    assert (out / "LICENSE").read_text() == "free\n"


def test_conversion_gives_the_same_bytes_in_any_row_order(tmp_path: Path) -> None:
    dump = small_dump(tmp_path)
    assert convert(dump, tmp_path / "one").returncode == 0
    path = dump / "etablissement_periode_urssaf.csv.gz"
    header, *rows = list(csv.reader(gzip.decompress(path.read_bytes()).decode().splitlines()))
    write_csv(path, ",".join(header), *(",".join(row) for row in reversed(rows)))
    assert convert(dump, tmp_path / "two").returncode == 0
    for partner, name in FILES:
        file = f"{partner}/{name}.parquet"
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_conversion_without_its_source_says_which_file(tmp_path: Path) -> None:
    dump = small_dump(tmp_path)
    (dump / "etablissement_delai.csv").unlink()
    done = convert(dump, tmp_path / "out")
    assert done.returncode == 2
    assert b"etablissement_delai.csv is not there" in done.stderr
    assert not (tmp_path / "out").exists()
