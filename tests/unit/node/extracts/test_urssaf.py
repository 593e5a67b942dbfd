"""Traps of contributions, debts, plans and proceedings of Urssaf (reference sections 1.3 to 1.7)."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.readings import places, read_lines, text_source, values
from vigie.errors import ExtractError, VigieError
from vigie_node.extracts.ccsf import CCSF
from vigie_node.extracts.cotisation import COTISATION
from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.delai import DELAI
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.procol import PROCOL
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import parquet_source
from vigie_node.extracts.workspace import Workspace

SIRET = "73282932000074"
DUES = "Urssaf_gestion;Dep;Siret;Compte;periode;mer;enc_direct;cotis_due"
DEBTS = (
    "Urssaf_gestion;Dep;num_cpte;Siren;Siret;Dt_immat;Etat_cpte;Cd_pro_col;Periode;Num_Ecn;Num_Hist_Ecn;Dt_trt_ecn;"
    "Mt_PO;Mt_PP;Cd_op_ecn;Motif_ecn;Recours_en_cours"
)
PLANS = (
    "Urssaf_gestion;Dep;Siret;Numero_compte_externe;Numero_structure;Date_creation;Date_echeance;Duree_delai;"
    "Denomination_premiere_ligne;Indic_6M;Annee_creation;Montant_global_echeancier;Code_externe_stade;Code_externe_action"
)
COMMISSION = "Urssaf_gestion;Dep;Siret;Compte;Date_de_traitement;Code_externe_stade;Code_externe_action"
EVENTS = "Siret;Siren;Dt_effet;Cat_v2;Lib_actx_stdx"
HEADERS: dict[str, tuple[Kind, str]] = {
    "cotisation": (COTISATION, DUES),
    "debit": (DEBIT, DEBTS),
    "delai": (DELAI, PLANS),
    "ccsf": (CCSF, COMMISSION),
    "procol": (PROCOL, EVENTS),
}


def due(period: str = "201712", paid: str = "5", owed: str = "7", siret: str = SIRET) -> str:
    return f"671;14;{siret};636043216536562844;{period};5;{paid};{owed}"


def debt(
    period: str = "201712", treated: str = "1180320", po: str = "195907", pp: str = "864497", codes: str = "3;3;0",
    state: str = "1",
) -> str:  # fmt: skip
    return f"939;27;111982477292496174;732829320;{SIRET};20150708;{state};0;{period};101;9;{treated};{po};{pp};{codes}"


def plan(
    created: str = "01/01/2020", until: str = "01/07/2020", days: str = "182", year: str = "2020", amount: str = "5065.79",
    codes: str = "APPROB;SUR PO", six: str = "INF",
) -> str:  # fmt: skip
    return f"217;63;{SIRET};111982477292496174;5856690802766;{created};{until};{days};nom;{six};{year};{amount};{codes}"


def event(glued: str, day: str = "26MAY2014") -> str:
    return f"{SIRET};732829320;{day};1;{glued}"


# ------------------------------------------------------------------------------------------- contributions, section 1.3


@pytest.mark.parametrize(
    "code, start, stop",
    [
        ("201712", date(2017, 2, 1), date(2017, 3, 1)),
        ("201631", date(2016, 7, 1), date(2016, 8, 1)),
        ("1031", date(2010, 7, 1), date(2010, 8, 1)),
        ("201740", date(2017, 10, 1), date(2018, 1, 1)),
        ("201762", date(2017, 1, 1), date(2018, 1, 1)),
    ],
)
def test_a_period_is_a_month_a_quarter_or_a_year(code: str, start: date, stop: date, workspace: Workspace) -> None:
    """Sections 1.1 and 1.3: 201712 is February, not December."""
    reading = read_lines(workspace, COTISATION, DUES, due(code))
    assert values(reading, "period_start, period_stop") == [(start, stop)]
    assert not reading.warnings


@pytest.mark.parametrize("code", ["20171", "2017123", "301712", "2017-02", ""])
def test_what_is_no_period_rejects_its_row(code: str, workspace: Workspace) -> None:
    ((line, column, _, _),) = places(read_lines(workspace, COTISATION, DUES, due(code)))
    assert (line, column) == (2, "periode")


def test_contributions_are_euros_and_negative_ones_are_kept(workspace: Workspace) -> None:
    """Section 1.3: regularisations, whole or with a decimal comma."""
    reading = read_lines(workspace, COTISATION, DUES, due(paid="-68231", owed="-21099,50"), due(owed="12.5"))
    assert values(reading, "paid, due") == [(Decimal(-68231), Decimal("-21099.5")), (Decimal(5), Decimal("12.5"))]
    assert reading.warnings == {"negative_amount:due": 1, "repeated_key": 1}


def test_an_amount_that_is_not_there_is_no_zero(workspace: Workspace) -> None:
    reading = read_lines(workspace, COTISATION, DUES, due(paid="", owed=""))
    assert values(reading, "paid, due") == [(None, None)]
    assert reading.warnings == {"empty_amount:due": 1}


@pytest.mark.parametrize("amount", ["1 234", "12€", "1.2.3", "1e3", "-"])
def test_what_is_no_amount_rejects_its_row(amount: str, workspace: Workspace) -> None:
    ((_, column, rule, _),) = places(read_lines(workspace, COTISATION, DUES, due(owed=amount)))
    assert (column, rule) == ("cotis_due", "not_money")


def test_a_quote_within_a_cell_of_contributions_is_content(workspace: Workspace) -> None:
    """Section 1.1: lenient quotes for this file, and for debts a rejected row."""
    reading = read_lines(workspace, COTISATION, DUES, f'6"7;14;{SIRET};636;201712;5;5;7')
    assert (reading.valid, reading.rejected) == (1, 0)
    strict = read_lines(workspace, DEBIT, DEBTS, debt(), debt().replace("939", '9"9', 1))
    assert places(strict) == [(3, "", "stray_quote", "")]


def test_the_period_of_the_web_api_must_be_one(workspace: Workspace) -> None:
    header = "siret,numéro_compte,période,encaissé,du"
    good = "1999-10-01 00:00:00-2000-01-01 00:00:00"
    bad = [
        "2000-01-01 00:00:00-1999-10-01 00:00:00",
        "1999-13-01 00:00:00-2000-01-01 00:00:00",
        "1999-10-01-2000-01-01",
    ]
    reading = read_lines(workspace, COTISATION, header, *(f"{SIRET},1,{one},0,-5" for one in (good, *bad)))
    assert values(reading, "period_start, period_stop") == [(date(1999, 10, 1), date(2000, 1, 1))]
    assert [one[:3] for one in places(reading)] == [(line, "période", "not_period") for line in (3, 4, 5)]


def test_identifiers_lead_to_warnings_and_provisional_ones_to_skipping(workspace: Workspace) -> None:
    """Section 1.1."""
    reading = read_lines(
        workspace, COTISATION, DUES,
        due(), due(siret="73282932000075"), due(siret="73282932070007"), due(siret="UR117P00000001"), due(siret="123"),
    )  # fmt: skip
    assert (reading.parsed, reading.valid, reading.rejected, reading.skipped) == (5, 3, 1, 1)
    assert reading.warnings == {"siret_check_digit:siret": 2, "pseudo_siret:siret": 1}


# --------------------------------------------------------------------------------------------------- debts, section 1.4


def test_debts_are_centimes(workspace: Workspace) -> None:
    reading = read_lines(workspace, DEBIT, DEBTS, debt(), debt(po="3", pp="-2"))
    assert values(reading, "employee_share, employer_share") == [
        (Decimal("1959.07"), Decimal("8644.97")), (Decimal("0.03"), Decimal("-0.02"))
    ]  # fmt: skip


@pytest.mark.parametrize("po, pp, column", [("", "1", "Mt_PO"), ("1", "", "Mt_PP")])
def test_an_empty_amount_rejects_its_row_where_the_real_system_breaks_off(
    po: str, pp: str, column: str, workspace: Workspace
) -> None:
    """Section 1.4: nil dereference in its parser."""
    reading = read_lines(workspace, DEBIT, DEBTS, debt(po=po, pp=pp), debt())
    assert places(reading) == [(2, column, "empty", "(empty)")]
    assert reading.valid == 1


def test_a_decimal_amount_of_centimes_is_refused_and_not_rounded(workspace: Workspace) -> None:
    assert places(read_lines(workspace, DEBIT, DEBTS, debt(po="1959,07"))) == [(2, "Mt_PO", "not_centimes", "9999,99")]


@pytest.mark.parametrize(
    "treated, day, counted",
    [
        ("990505", date(1999, 5, 5), date(1999, 5, 1)),
        ("1050824", date(2005, 8, 24), date(2005, 9, 1)),
        ("1180320", date(2018, 3, 20), date(2018, 3, 1)),
        ("1180321", date(2018, 3, 21), date(2018, 4, 1)),
        ("1181231", date(2018, 12, 31), date(2019, 1, 1)),
    ],
)
def test_a_debt_counts_from_the_month_that_the_20th_decides(
    treated: str, day: date, counted: date, workspace: Workspace
) -> None:
    reading = read_lines(workspace, DEBIT, DEBTS, debt(treated=treated))
    assert values(reading, "treated, counted_from") == [(day, counted)]


def test_codes_beyond_the_tables_are_counted_and_kept(workspace: Workspace) -> None:
    """Section 1.4: the real fixture holds state 5, operation 63 and reason 74."""
    reading = read_lines(workspace, DEBIT, DEBTS, debt(codes="63;74;1", state="5"), debt(codes="x;27;0"), debt())
    assert (reading.valid, reading.rejected) == (3, 0)
    assert reading.warnings == {
        "unknown_code:operation": 1, "unknown_code:reason": 1, "unknown_code:account_state": 1
    }  # fmt: skip


def test_the_rows_of_a_debt_are_kept_as_they_are(workspace: Workspace) -> None:
    """Section 1.4: a row is the balance after an event; what remains is for who puts them together."""
    reading = read_lines(workspace, DEBIT, DEBTS, debt(po="100", pp="200"), debt(po="0", pp="0"))
    assert values(reading, "employee_share, employer_share") == [(1, 2), (0, 0)]


# --------------------------------------------------------------------------------------------------- plans, section 1.5


def test_a_plan_is_read_and_its_trade_name_is_not(workspace: Workspace) -> None:
    reading = read_lines(workspace, DELAI, PLANS, plan())
    assert values(reading, "created, due, days, amount, stage, action") == [
        (date(2020, 1, 1), date(2020, 7, 1), 182, Decimal("5065.79"), "APPROB", "SUR PO")
    ]
    assert "Denomination_premiere_ligne" in reading.extra
    assert not reading.warnings


def test_inconsistent_plans_are_kept_and_counted(workspace: Workspace) -> None:
    reading = read_lines(workspace, DELAI, PLANS, plan(days="456", year="5647", six="lhm", codes="nbz sk;cya ng"))
    assert reading.warnings == {
        "duration_and_dates_differ:days": 1, "year_and_date_differ:created_year": 1,
        "unknown_code:six_months": 1, "unknown_code:stage": 1, "unknown_code:action": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "row, column, rule",
    [
        (plan(days="0"), "Duree_delai", "below_one_day"),
        (plan(days="-5"), "Duree_delai", "below_one_day"),
        (plan(amount="0"), "Montant_global_echeancier", "below_one_cent"),
        (plan(created="2020-01-01"), "Date_creation", "not_french_date"),
        (plan(until="31/02/2020"), "Date_echeance", "not_french_date"),
    ],
)
def test_a_plan_that_is_none_is_rejected(row: str, column: str, rule: str, workspace: Workspace) -> None:
    """A plan of no days would be divided by its length further on."""
    assert [one[:3] for one in places(read_lines(workspace, DELAI, PLANS, row))] == [(2, column, rule)]


def test_a_plan_that_is_delivered_twice_is_read_twice(workspace: Workspace) -> None:
    """Issue 234 of datapi: what is the same plan is decided where plans are put together."""
    assert read_lines(workspace, DELAI, PLANS, plan(), plan()).valid == 2


# ---------------------------------------------------------------------------------------------- commission, section 1.6


def test_a_line_of_too_few_fields_is_an_error_and_stops_nothing(workspace: Workspace) -> None:
    reading = read_lines(workspace, CCSF, COMMISSION, f"152;75;{SIRET}", f"152;75;{SIRET};1;1180130;DEBUT;CCSF")
    assert places(reading) == [(2, "", "wrong_number_of_fields", "")]
    assert reading.head_rejected() == ["Line 1: record on line 2: wrong number of fields"]
    assert values(reading, "treated, stage, action") == [(date(2018, 1, 30), "DEBUT", "CCSF")]


def test_messages_say_the_place_and_the_rule_and_never_the_cell(workspace: Workspace) -> None:
    """The real system prints the cell (``strconv.ParseFloat: parsing …``); ours must not leave its node."""
    reading = read_lines(workspace, COTISATION, DUES, due(), due(owed="secret"), due(period=""))
    assert reading.head_rejected() == [
        "Line 2: record on line 3: column cotis_due: not money",
        "Line 3: record on line 4: column periode: empty",
    ]
    assert reading.head_rejected(most=1) == ["Line 2: record on line 3: column cotis_due: not money"]


def test_unknown_stages_of_the_commission_are_counted(workspace: Workspace) -> None:
    rows = [f"152;75;{SIRET};1;1180130;{stage};CCSF" for stage in ("DEBUT", "REFUS", "APPROB", "FIN", "REJ", "AUTRE")]
    assert read_lines(workspace, CCSF, COMMISSION, *rows).warnings == {"unknown_code:stage": 1}


# --------------------------------------------------------------------------------------------- proceedings, section 1.7


@pytest.mark.parametrize(
    "glued, action, stage",
    [
        ("Solde_procedure_redressement", "redressement", "solde_procedure"),
        ("redressement_solde_procedure", "redressement", "solde_procedure"),
        ("LIQUIDATION_OUVERTURE", "liquidation", "ouverture"),
        ("plan_sauvegarde_continuation", "sauvegarde", "plan_continuation"),
        ("liquidation", "liquidation", ""),
        ("liquidation_redressement", "liquidation", "redressement"),
    ],
)
def test_action_and_stage_are_told_apart_in_any_order_and_case(
    glued: str, action: str, stage: str, workspace: Workspace
) -> None:
    assert values(read_lines(workspace, PROCOL, EVENTS, event(glued)), "action, stage") == [(action, stage)]


def test_a_cell_without_action_is_rejected(workspace: Workspace) -> None:
    """The real system keeps it, without action."""
    reading = read_lines(workspace, PROCOL, EVENTS, event("Solde_procedure"), event("ouverture_liquidation"))
    assert places(reading) == [(2, "Lib_actx_stdx", "not_event", "aaaaa_aaaaaaaaa")]


@pytest.mark.parametrize("day", ["26MAI2014", "26may2014", "26MAY2014"])
def test_days_have_the_name_of_their_month(day: str, workspace: Workspace) -> None:
    reading = read_lines(workspace, PROCOL, EVENTS, event("ouverture_liquidation", day))
    assert values(reading, "effective") == [(date(2014, 5, 26),)]


def test_a_day_that_is_none_is_rejected(workspace: Workspace) -> None:
    reading = read_lines(workspace, PROCOL, EVENTS, event("ouverture_liquidation", "31JUN2014"))
    assert places(reading) == [(2, "Dt_effet", "not_named_date", "99aaa9999")]


def test_one_event_of_a_company_stands_once_for_each_establishment(workspace: Workspace) -> None:
    """All are read; they are one event again where they are put together by company."""
    rows = [event("ouverture_liquidation"), event("ouverture_liquidation").replace(SIRET, "73282932000082")]
    reading = read_lines(workspace, PROCOL, EVENTS, *rows)
    assert values(reading, "left(siret, 9), effective, action, stage")[0] == values(
        reading, "left(siret, 9), effective, action, stage"
    )[1]  # fmt: skip


PARTS = st.sampled_from(
    ["liquidation", "redressement", "Sauvegarde", "ouverture", "fin", "procedure", "", "é", "judiciaire2"]
)


@settings(max_examples=40)
@given(cells=st.lists(st.lists(PARTS, min_size=1, max_size=5).map("_".join).filter(bool), min_size=1, max_size=8))
def test_events_agree_with_a_plain_twin(cells: list[str], lasting: Workspace) -> None:
    reading = read_lines(lasting, PROCOL, EVENTS, *map(event, cells))
    expected = []
    for line, cell in enumerate(cells, start=2):
        parts = cell.lower().split("_")
        found = [at for at, part in enumerate(parts) if re.search("liquidation|redressement|sauvegarde", part)]
        if found:
            expected.append((line, parts[found[0]], "_".join(parts[: found[0]] + parts[found[0] + 1 :])))
    assert values(reading, "line, action, stage") == expected


# ------------------------------------------------------------------------------------------------------------ all kinds


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_a_missing_column_refuses_the_file_and_shifts_nothing(name: str, workspace: Workspace) -> None:
    """Section 1.1, issue 303 of the real system."""
    kind, header = HEADERS[name]
    columns = header.split(";")
    for gone in kind.layouts[0].required():
        if gone == "Siret" and name != "procol":
            continue
        with pytest.raises(ExtractError, match=f"column {gone} not found, aborting"):
            read_lines(workspace, kind, ";".join(column for column in columns if column != gone), "x")


def test_a_carriage_return_within_a_line_is_a_rejection(workspace: Workspace) -> None:
    reading = read(COTISATION, [text_source(f"{DUES}\n{due()}\r\x01\n{due()}\r\n")], workspace)
    assert places(reading) == [(2, "", "stray_carriage_return", "")]
    assert reading.valid == 1


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_columns_are_found_by_name_in_any_order_and_case(name: str, workspace: Workspace) -> None:
    kind, header = HEADERS[name]
    rows = {"cotisation": due(), "debit": debt(), "delai": plan(), "ccsf": f"152;75;{SIRET};1;1180130;FIN;CCSF"}
    row = rows.get(name) or event("fin_procedure_liquidation")
    straight = values(read_lines(workspace, kind, header, row), "*")
    back = ";".join(reversed(header.upper().split(";"))), ";".join(reversed(row.split(";")))
    assert values(read_lines(workspace, kind, *back), "*") == straight != []


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_no_bytes_escape_as_anything_but_our_own_error(name: str, lasting: Workspace) -> None:
    kind, header = HEADERS[name]
    row = {"cotisation": due(), "debit": debt(), "delai": plan(), "ccsf": f"1;2;{SIRET};1;1180130;FIN;CCSF"}.get(name)
    cells = (row or event("fin_liquidation")).split(";")
    junk = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=9)

    @st.composite
    def files(draw: st.DrawFn) -> bytes:
        lines = [
            ";".join(draw(junk) if draw(st.integers(0, 9)) == 0 else cell for cell in cells)
            for _ in range(draw(st.integers(1, 4)))
        ]
        return "\n".join((header, *lines)).encode() + draw(st.binary(max_size=9))

    @settings(max_examples=25)
    @given(data=st.one_of(files(), st.binary(max_size=120)))
    def holds(data: bytes) -> None:
        try:
            reading = read(kind, [text_source(data)], lasting)
        except VigieError:
            return
        assert reading.parsed == reading.valid + reading.rejected + reading.skipped
        assert len(reading.findings) == reading.rejected

    holds()


def test_a_table_of_a_warehouse_is_read_by_its_types(workspace: Workspace, tmp_path: Path) -> None:
    """Days as dates, truth as truth, whole numbers as decimals: what they say is what the text of a file would say."""
    columns: dict[str, pa.Array] = {name: pa.array(["1", "1"]) for name in DEBTS.split(";")}
    columns |= {
        "Siret": pa.array([SIRET, SIRET]),
        "Periode": pa.array([201712, 201762], pa.int64()),
        "Dt_trt_ecn": pa.array([date(2018, 3, 20), date(2018, 3, 21)]),
        "Mt_PO": pa.array([195907.0, 1.5], pa.float64()),
        "Mt_PP": pa.array([Decimal("3.00"), Decimal("2.00")]),
        "Recours_en_cours": pa.array([True, False]),
    }
    pq.write_table(pa.table(columns), tmp_path / "debits.parquet")
    reading = read(DEBIT, [parquet_source(tmp_path / "debits.parquet")], workspace)
    assert values(reading, "line, period_start, treated, employee_share, employer_share, disputed") == [
        (1, date(2017, 2, 1), date(2018, 3, 20), Decimal("1959.07"), Decimal("0.03"), True)
    ]
    assert places(reading) == [(2, "Mt_PO", "not_centimes", "9.9")]


def test_every_kind_of_urssaf_is_registered() -> None:
    owned = {name for name, kind in KINDS.items() if kind.owner == "urssaf"}
    assert owned >= {"admin_urssaf", "ccsf", "cotisation", "debit", "delai", "effectif", "effectif_ent", "procol"}
