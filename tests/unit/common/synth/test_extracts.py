"""Made-up extracts are the same for the same arguments, begin alike at any size, and hold what real ones hold."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from support import extract_rules as rules
from vigie.demo.sirens import Sirens
from vigie.errors import ConfigError
from vigie.synth.extracts import Options, Written, write_extracts
from vigie.synth.layout import LAYOUTS

ARGUMENTS = {"companies": 1300, "months": 24, "seed": 11, "last_month": "2020-12"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_extracts(tmp_path_factory.mktemp("made"), **ARGUMENTS)  # type: ignore[arg-type]


def rows(written: Written, kind: str) -> Iterator[dict[str, str]]:
    separator = next(one.separator for one in LAYOUTS if one.kind == kind)
    with written.files[kind].open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter=separator)


def luhn(number: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


# The same, at any size


def test_same_arguments_give_the_same_bytes_and_another_seed_does_not(made: Written, tmp_path: Path) -> None:
    again = write_extracts(tmp_path / "again", **ARGUMENTS)  # type: ignore[arg-type]
    other = write_extracts(tmp_path / "other", **{**ARGUMENTS, "seed": 12})  # type: ignore[arg-type]
    assert again.rows == made.rows
    for kind, path in made.files.items():
        assert again.files[kind].read_bytes() == path.read_bytes(), kind
        assert other.files[kind].read_bytes() != path.read_bytes(), kind


@pytest.mark.parametrize("companies", [1, 60, 1024, 1100])
def test_files_of_more_companies_begin_with_those_of_fewer(made: Written, tmp_path: Path, companies: int) -> None:
    fewer = write_extracts(tmp_path, **{**ARGUMENTS, "companies": companies})  # type: ignore[arg-type]
    assert len(fewer.files) > len(made.files) // 2
    for kind, path in fewer.files.items():
        assert made.files[kind].read_bytes().startswith(path.read_bytes()), kind
        assert fewer.rows[kind] <= made.rows[kind]


def test_rows_are_counted(made: Written) -> None:
    for kind, path in made.files.items():
        text = path.read_text(encoding="utf-16" if kind == "diane" else "utf-8")
        assert text.count("\n") == made.rows[kind] + 1
    assert made.size == sum(path.stat().st_size for path in made.files.values())


@pytest.mark.parametrize("late", [0, 2, 6])
def test_the_last_months_of_headcount_are_not_delivered_yet(tmp_path: Path, late: int) -> None:
    made = write_extracts(tmp_path, companies=50, months=12, seed=4, options=Options(late_headcount=late))
    for kind in ("effectif", "effectif_ent"):
        table = list(rows(made, kind))
        months = [name for name in table[0] if re.fullmatch(r"eff\d{6}", name)]
        delivered = [any(row[month] for row in table) for month in months]
        assert delivered == [True] * (12 - late) + [False] * late


def test_one_month_has_a_headcount_whatever_is_late(tmp_path: Path) -> None:
    made = write_extracts(tmp_path, companies=50, months=1, seed=4, options=Options(late_headcount=6))
    assert any(row["eff202121"] for row in rows(made, "effectif"))


@pytest.mark.parametrize(
    "wrong",
    [{"companies": 0}, {"companies": 10**8}, {"months": 0}, {"months": 601}, {"seed": -1}, {"last_month": "2021-13"}],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, wrong: dict[str, object]
) -> None:
    with pytest.raises(ConfigError):
        write_extracts(tmp_path / "out", **{**ARGUMENTS, **wrong})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("late", [-1, 7])
def test_headcounts_are_at_most_six_months_late(tmp_path: Path, late: int) -> None:
    with pytest.raises(ConfigError):
        write_extracts(tmp_path / "out", **ARGUMENTS, options=Options(late_headcount=late))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_a_failed_run_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_extracts(tmp_path, companies=5, months=3, seed=0)
    before = {path: path.read_bytes() for path in made.files.values()}

    def cut_short(self: Sirens, start: int, count: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sirens, "take", cut_short)
    with pytest.raises(KeyboardInterrupt):
        write_extracts(tmp_path, companies=9, months=3, seed=1)
    assert {path: path.read_bytes() for path in made.files.values()} == before
    assert not list(tmp_path.rglob("*.partial"))


# What real extracts hold


def test_establishments_are_in_the_register_and_pass_the_check(made: Written) -> None:
    register = {row["siret"]: row for row in rows(made, "sirene")}
    assert len(register) == made.rows["sirene"] > 1.2 * ARGUMENTS["companies"]  # type: ignore[operator]
    assert all(
        luhn(siret) and luhn(siret[:9]) and siret == row["siren"] + row["nic"] for siret, row in register.items()
    )
    heads = Counter(row["siren"] for row in register.values() if row["etablissementSiege"] == "true")
    assert set(heads.values()) == {1}
    seats = {row["siren"] + row["nicSiegeUniteLegale"] for row in rows(made, "sirene_ul")}
    assert seats == {siret for siret, row in register.items() if row["etablissementSiege"] == "true"}
    for kind, column in (("cotisation", "Siret"), ("debit", "Siret"), ("procol", "Siret"), ("effectif", "siret")):
        assert {row[column] for row in rows(made, kind)} <= register.keys()
    assert {row["ETAB_SIRET"] for row in rows(made, "apdemande")} <= register.keys()
    assert {row["siren"] + row["nic"] for row in rows(made, "sirene_histo")} == register.keys()


def test_several_accounts_of_one_establishment_are_distinct(made: Written) -> None:
    accounts = Counter(row["siret"] for row in rows(made, "effectif"))
    assert max(accounts.values()) == 2
    numbers = [row["compte"] for row in rows(made, "effectif")]
    assert len(set(numbers)) == len(numbers)


def test_contributions_come_by_month_and_by_quarter_and_are_regularised(made: Written) -> None:
    table = list(rows(made, "cotisation"))
    keys = Counter((row["Siret"], row["Compte"], row["periode"]) for row in table)
    assert set(keys.values()) == {1}
    quarters = sum(row["periode"].endswith("0") for row in table)
    assert 0.01 * len(table) < quarters < 0.2 * len(table)
    assert any(row["cotis_due"].startswith("-") for row in table)
    assert any(row["enc_direct"] == "" for row in table)


def test_debts_are_histories_of_balances_that_fall(made: Written) -> None:
    history: dict[tuple[str, str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows(made, "debit"):
        history[row["Siret"], row["Periode"], row["Num_Ecn"]].append(row)
    assert len(history) > 500
    for events in history.values():
        assert [int(row["Num_Hist_Ecn"]) for row in events] == list(range(1, len(events) + 1))
        balances = [int(row["Mt_PO"]) + int(row["Mt_PP"]) for row in events]
        assert balances == sorted(balances, reverse=True)
        assert balances[0] > 0
        assert events[0]["Cd_op_ecn"] == "1"
        days = [rules.aammjj(row["Dt_trt_ecn"]) for row in events]
        assert days == sorted(days)
        # Owed for a period that was over when it was put in recovery.
        assert (days[0].year, days[0].month) > rules.months_of(events[0]["Periode"])[-1]
    late = sum(rules.aammjj(row["Dt_trt_ecn"]).day > 20 for events in history.values() for row in events)
    assert late > 100, "the rule of the 20th must matter"
    assert {row["Cd_op_ecn"] for events in history.values() for row in events} >= {"1", "2", "5"}


def test_two_payments_of_one_day_are_told_apart_by_their_number_alone(made: Written) -> None:
    days = Counter((row["Siret"], row["Periode"], row["Num_Ecn"], row["Dt_trt_ecn"]) for row in rows(made, "debit"))
    assert max(days.values()) == 2


def test_headcounts_have_zeros_and_gaps(made: Written) -> None:
    cells = Counter(
        "zero" if cell == "0" else "gap" if cell == "" else "some"
        for row in rows(made, "effectif")
        for name, cell in row.items()
        if name.startswith("eff")
    )
    assert cells["zero"] > 0
    assert cells["gap"] > 0
    assert cells["some"] > 5 * cells["gap"]


def test_plans_repeat_and_proceedings_stand_once_for_each_establishment(tmp_path: Path) -> None:
    made = write_extracts(tmp_path, companies=6000, months=36, seed=9)
    plans = Counter(tuple(row.values()) for row in rows(made, "delai"))
    assert max(plans.values()) == 2
    assert len(plans) > 2 * sum(times == 2 for times in plans.values())
    establishments = Counter(row["siren"] for row in rows(made, "sirene"))
    events: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows(made, "procol"):
        events[row["Siren"], row["Dt_effet"]].append(row)
    assert any(len(found) > 1 for found in events.values())
    for (siren, _), found in events.items():
        assert len({row["Siret"] for row in found}) == len(found) == establishments[siren]
    labels = {row["Lib_actx_stdx"] for found in events.values() for row in found}
    assert {"Ouverture_liquidation", "Liquidation_ouverture"} <= labels
    assert {row["Code_externe_stade"] for row in rows(made, "ccsf")} == {"DEBUT", "APPROB", "REFUS"}
    assert {row["Cd_op_ecn"] for row in rows(made, "debit")} == {"1", "2", "3", "5"}
    closed = {row["siren"] for row in rows(made, "sirene") if row["etatAdministratifEtablissement"] == "F"}
    assert closed
    assert closed <= {siren for siren, _ in events}


def test_requests_overlap_and_some_have_an_unknown_reason(made: Written) -> None:
    asked: dict[str, list[tuple[date, date]]] = defaultdict(list)
    reasons: Counter[str] = Counter()
    for row in rows(made, "apdemande"):
        reasons[row["MOTIF_RECOURS_SE"]] += 1
        if row["MOTIF_RECOURS_SE"] < "6":
            span = (date.fromisoformat(row["DATE_DEB"]), date.fromisoformat(row["DATE_FIN"][:10]))
            asked[row["ETAB_SIRET"]].append(span)
    spans = [sorted(found) for found in asked.values()]
    assert any(second[0] <= first[1] for found in spans for first, second in pairwise(found))
    assert 0 < reasons["6"] < 0.1 * reasons.total()
    requests = [row["ID_DA"] for row in rows(made, "apdemande")]
    assert len(set(requests)) == len(requests)
    assert {row["ID_DA"] for row in rows(made, "apconso")} <= set(requests)
    assert all(len(number) == 11 for number in requests)


def test_partners_do_not_know_every_company(made: Written) -> None:
    everybody = {row["siren"] for row in rows(made, "sirene_ul")}
    assert len(everybody) == ARGUMENTS["companies"]
    known = {
        "bank": {row["D1"].replace(" ", "") for row in rows(made, "bdf")},
        "labour": {row["ETAB_SIRET"][:9] for row in rows(made, "apdemande")},
        "altares": {row["siren"] for row in rows(made, "paydex")},
        "inpi": {row["siren"] for row in rows(made, "inpi_bce")},
        "loans": {row["siren"] for row in rows(made, "pge")},
    }
    for name, sirens in known.items():
        assert sirens < everybody, name
        assert len(sirens) > 0.1 * len(everybody), name
    assert known["bank"] - known["labour"]
    assert known["labour"] - known["bank"]


def test_legacy_accounts_lead_to_the_establishments_of_todays_files(made: Written, tmp_path: Path) -> None:
    """For an event at a date, the first establishment of the account that had not left it by then."""
    legacy = write_extracts(tmp_path, **ARGUMENTS, options=Options(legacy_urssaf=True))  # type: ignore[arg-type]
    holders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with legacy.files["admin_urssaf"].open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            holders[row["Compte"]].append((row["Date_disp_siret"] or "9990101", row["Siret"]))
    assert max(len(found) for found in holders.values()) == 2
    today = list(rows(made, "debit"))
    for row, other in zip(today, rows(legacy, "debit"), strict=True):
        assert "Siret" not in other
        at = int(row["Dt_trt_ecn"])
        siret = next(siret for until, siret in sorted(holders[other["num_cpte"]]) if at < int(until))
        assert siret == row["Siret"]
