"""Which establishment an account stood for, and on which day (reference section 1.2)."""

from datetime import date, timedelta
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.readings import places, read_lines, text_source, values
from vigie.errors import ExtractError
from vigie_node.extracts.admin_urssaf import ADMIN_URSSAF
from vigie_node.extracts.ccsf import CCSF
from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.reading import read
from vigie_node.extracts.workspace import Workspace

HEADER = "Urssaf_gestion;Dep;Compte;Etat_compte;Siren;Siret;Date_crea_siret;Date_disp_siret"
PLANS = "Urssaf_gestion;Dep;Compte;Date_de_traitement;Code_externe_stade;Code_externe_action"
DEBTS = (
    "Urssaf_gestion;Dep;num_cpte;Siren;Dt_immat;Etat_cpte;Cd_pro_col;Periode;Num_Ecn;Num_Hist_Ecn;Dt_trt_ecn;"
    "Mt_PO;Mt_PP;Cd_op_ecn;Motif_ecn;Recours_en_cours"
)
A, B, C = "73282932000074", "73282932000082", "73282932000090"


def account(number: str, siret: str, closed: str = "", created: str = "1000101") -> str:
    return f"049;05;{number};1;{siret[:9]};{siret};{created};{closed}"


def plan(number: str, day: str) -> str:
    return f"152;75;{number};{day};DEBUT;CCSF"


def test_the_first_establishment_that_closes_after_the_day(workspace: Workspace) -> None:
    """In the order of closing dates, whatever the order of the lines."""
    read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", C), account("1", B, "1150601"), account("1", A, "1100101"))
    days = ["1091231", "1100101", "1150531", "1150601", "1200101"]
    reading = read_lines(workspace, CCSF, PLANS, *(plan("1", day) for day in days))
    assert [siret for (siret,) in values(reading, "siret")] == [A, B, B, C, C]


def test_the_day_of_creation_is_not_looked_at(workspace: Workspace) -> None:
    read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", A, created="1180101"))
    assert values(read_lines(workspace, CCSF, PLANS, plan("1", "1100101")), "siret") == [(A,)]


def test_without_an_establishment_on_its_day_a_row_is_skipped_and_not_rejected(workspace: Workspace) -> None:
    read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", A, "1100101"))
    reading = read_lines(workspace, CCSF, PLANS, plan("1", "1100101"), plan("2", "1090101"), plan("1", "1090101"))
    assert (reading.parsed, reading.valid, reading.rejected, reading.skipped) == (3, 1, 0, 2)
    assert reading.rules == {("account_without_siret", ""): 2}


def test_a_bad_date_rejects_and_does_not_skip(workspace: Workspace) -> None:
    read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", A))
    reading = read_lines(workspace, CCSF, PLANS, plan("1", "1101301"))
    assert places(reading) == [(2, "Date_de_traitement", "not_urssaf_date", "9999999")]


def test_provisional_establishments_are_no_answer(workspace: Workspace) -> None:
    """The real system leaves them out of its mapping."""
    accounts = read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", "UR117P00000001"), account("2", A))
    assert (accounts.valid, accounts.skipped) == (1, 1)
    reading = read_lines(workspace, CCSF, PLANS, plan("1", "1100101"), plan("2", "1100101"))
    assert (reading.valid, reading.skipped) == (1, 1)


def test_debts_are_looked_up_at_their_period_and_not_at_the_event(workspace: Workspace) -> None:
    """``debit.go``: the account moved after the period in debt and before the event."""
    read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", A, "1110801"), account("1", B))
    reading = read_lines(workspace, DEBIT, DEBTS, "838;36;1;222222222;20050501;1;1;201012;738;4;1121018;100;200;2;1;0")
    assert values(reading, "siret, period_start, treated") == [(A, date(2010, 2, 1), date(2012, 10, 18))]


def test_a_later_file_says_all_of_the_accounts_that_it_names(workspace: Workspace) -> None:
    files = [
        text_source("\n".join((HEADER, *lines)) + "\n")
        for lines in ((account("1", A), account("2", A)), (account("1", B, "1100101"),))
    ]
    read(ADMIN_URSSAF, files, workspace)
    reading = read_lines(workspace, CCSF, PLANS, plan("1", "1090101"), plan("1", "1100101"), plan("2", "1100101"))
    assert values(reading, "account, siret") == [("1", B), ("2", A)]


def test_a_file_without_siret_needs_the_accounts() -> None:
    with Workspace() as empty, pytest.raises(ExtractError, match="needs the table of accounts") as caught:
        read_lines(empty, CCSF, PLANS, plan("1", "1100101"))
    assert "admin_urssaf" in caught.value.hint


def test_an_unreadable_closing_date_rejects_its_line_only(workspace: Workspace) -> None:
    """The real system gives up the whole file."""
    reading = read_lines(workspace, ADMIN_URSSAF, HEADER, account("1", A, "99"), account("2", B))
    assert places(reading) == [(2, "Date_disp_siret", "not_urssaf_date", "99")]
    assert values(reading, "account") == [("2",)]


LINES = st.lists(
    st.tuples(st.sampled_from("12"), st.sampled_from([A, B, C]), st.one_of(st.none(), st.integers(0, 6))), max_size=8
)


@settings(max_examples=30)
@given(lines=LINES, days=st.lists(st.tuples(st.sampled_from("12"), st.integers(-1, 7)), min_size=1, max_size=6))
def test_the_mapping_agrees_with_a_plain_twin(
    lines: list[tuple[str, str, int | None]], days: list[tuple[str, int]], lasting: Workspace
) -> None:
    def urssaf(day: int) -> str:
        return str(int(f"{date(2010, 1, 1) + timedelta(day):%Y%m%d}") - 19_000_000)

    texts = [account(number, siret, "" if end is None else urssaf(end)) for number, siret, end in lines]
    read_lines(lasting, ADMIN_URSSAF, HEADER, account("9", A), *texts)
    reading = read_lines(lasting, CCSF, PLANS, *(plan(number, urssaf(day)) for number, day in days))
    by_end = sorted(lines, key=lambda line: (line[0], 99 if line[2] is None else line[2]))
    known = {number: list(found) for number, found in groupby(by_end, key=lambda line: line[0])}
    expected = []
    for at, (number, day) in enumerate(days, start=2):
        ends = [siret for _, siret, end in known.get(number, []) if end is None or day < end]
        expected += [(at, ends[0])] if ends else []
    assert values(reading, "line, siret") == expected
    assert reading.skipped == len(days) - len(expected)
