"""Requests for and use of short-time work: each trap of section 1.9 of the reference, and a refusal beside each success."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.readings import cell_value, column, lines_source
from vigie.errors import ExtractError
from vigie_node.extracts.apconso import APCONSO, SLASHED_MONTH
from vigie_node.extracts.apdemande import APDEMANDE, SLASHED_OR_ISO_DATE
from vigie_node.extracts.kind import Kind
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.workspace import Workspace

USED = '"ID_DA","ETAB_SIRET","HEURES","MONTANTS","EFFECTIFS","MOIS"'
ASKED = (
    '"ID_DA","ETAB_SIRET","EFF_ENT","EFF_ETAB","DATE_STATUT","DATE_DEB","DATE_FIN","HTA","MTA","EFF_AUTO",'
    '"MOTIF_RECOURS_SE","PERIMETRE_AP","S_HEURE_CONSOM_TOT","S_EFF_CONSOM_TOT","S_MONTANT_CONSOM_TOT","RECOURS_ANTERIEUR"'
)


def used(workspace: Workspace, *rows: str, header: str = USED) -> Reading:
    return read(APCONSO, [lines_source(header, *rows)], workspace)


def asked(workspace: Workspace, **cells: str) -> Reading:
    """One request, sound but for the given cells, as they stand in the file."""
    sound = {
        "ID_DA": '"01234567800"', "ETAB_SIRET": '"73282932000074"', "EFF_ENT": "12.0", "EFF_ETAB": "12.0",
        "DATE_STATUT": '"2020-03-20"', "DATE_DEB": '"2020-03-16"', "DATE_FIN": '"2020-06-30"', "HTA": "1820.04",
        "MTA": "14087.11", "EFF_AUTO": "12.0", "MOTIF_RECOURS_SE": '"5"', "PERIMETRE_AP": '"1"',
        "S_HEURE_CONSOM_TOT": "900.0", "S_EFF_CONSOM_TOT": "12", "S_MONTANT_CONSOM_TOT": "6966.0",
        "RECOURS_ANTERIEUR": '"1"',
    }  # fmt: skip
    return read(APDEMANDE, [lines_source(ASKED, ",".join((sound | cells).values()))], workspace)


def rejection(found: Reading) -> tuple[int, str, str]:
    (one,) = found.findings
    assert (found.parsed, found.valid, found.rejected) == (1, 0, 1)
    return one.line, one.column, one.rule


def test_blank_lines_and_mixed_quotes_are_tolerated(workspace: Workspace) -> None:
    """Section 1.9: records stand apart by blank lines, and a date is quoted in one column and bare in the next."""
    found = used(
        workspace,
        "",
        '"a1","73282932000074",311.54,214.0,0.0,"2004-12-01"',
        "",
        'a2,73282932000074,1,2,"3",2004-12-01',
        "",
    )
    assert (found.parsed, found.valid) == (2, 2)
    assert found.connection.execute("SELECT line FROM apconso ORDER BY 1").fetchall() == [(3,), (5,)]


def test_hours_and_amounts_may_be_empty_and_zero_is_kept_apart(workspace: Workspace) -> None:
    """Section 1.9: nullable since 2022. 0 is a value (section 5, point 10)."""
    found = used(workspace, '"a1","73282932000074",,,,"2022-01-01"', '"a2","73282932000074",0,0.0,0,"2022-01-01"')
    rows = found.connection.execute("SELECT hours, amount, staff FROM apconso ORDER BY line").fetchall()
    assert rows == [(None, None, None), (0.0, Decimal(0), 0.0)]


@pytest.mark.parametrize(
    ("row", "place", "rule"),
    [
        ('"a1",,1,2,3,"2022-01-01"', "ETAB_SIRET", "empty"),
        ('"a1","",1,2,3,"2022-01-01"', "ETAB_SIRET", "empty"),
        ('"a1","7328293200007",1,2,3,"2022-01-01"', "ETAB_SIRET", "not_siret"),
        (',"73282932000074",1,2,3,"2022-01-01"', "ID_DA", "empty"),
        ('"a1","73282932000074",inconnu,2,3,"2022-01-01"', "HEURES", "not_number"),
        ('"a1","73282932000074",' + "9" * 40 + ',2,3,"2022-01-01"', "HEURES", "not_number"),
        ('"a1","73282932000074",1,1.234.5,3,"2022-01-01"', "MONTANTS", "not_money"),
        ('"a1","73282932000074",1,2,3,""', "MOIS", "empty"),
        ('"a1","73282932000074",1,2,3,"01/2022"', "MOIS", "not_date"),
        ('"a1","73282932000074",1,2,3,"2022-02-30"', "MOIS", "not_date"),
        ('"a1","73282932000074",1,2,3', "", "wrong_number_of_fields"),
        ('"a"1,"73282932000074",1,2,3,"2022-01-01"', "", "stray_quote"),
        ('a"1,"73282932000074",1,2,3,"2022-01-01"', "", "stray_quote"),
    ],
)
def test_a_bad_consumption_is_rejected_at_its_place(row: str, place: str, rule: str, workspace: Workspace) -> None:
    assert rejection(used(workspace, row)) == (2, place, rule)


def test_a_month_that_begins_late_is_counted_and_its_month_known(workspace: Workspace) -> None:
    """Section 1.9: normally the first of the month; the fixture has 2020-12-30."""
    found = used(workspace, '"a1","73282932000074",1,2,3,"2020-12-30"')
    assert column(found, "month") == date(2020, 12, 1)
    assert found.warnings["not_first_of_month:day"] == 1


def test_the_older_workbook_has_more_columns_and_months_of_its_own_form(workspace: Workspace) -> None:
    """Section 1.9, older form: DEP, REG, CODE_NAF2, SOURCE …, MOIS as MM/AAAA, decimal commas."""
    header = "ID_DA,ETAB_SIRET,DEP,REG,CODE_NAF2,SOURCE,EFF_ENT,MOIS,HEURES,MONTANTS,EFFECTIFS,Naf38_libelle"
    row = '02512345600,73282932000074,073,84,2573A,EXTRANET,12,03/2014,104.5,"808,83",3,Métallurgie'
    found = used(workspace, row, row.replace("03/2014", "2014-03-01"), header=header)
    assert found.layouts == ["workbook"]
    assert [(one.line, one.column, one.rule) for one in found.findings] == [(3, "MOIS", "not_slashed_month")]
    assert (column(found, "day"), column(found, "hours"), column(found, "amount")) == (
        date(2014, 3, 1), 104.5, Decimal("808.83")
    )  # fmt: skip
    assert "CODE_NAF2" in found.extra


@pytest.mark.parametrize("written", ["2017-09-09", '"2017-09-09"', "2017-09-09 00:00:00", '"2017-09-09 00:00:00"'])
def test_the_last_day_has_two_forms(written: str, workspace: Workspace) -> None:
    """Section 1.9: DATE_FIN had a time of day before September 2025; the form changed without notice."""
    assert column(asked(workspace, DATE_DEB='"2017-08-09"', DATE_FIN=written), "last_day") == date(2017, 9, 9)


@pytest.mark.parametrize("written", ["09/09/2017", '"2017-09-09 25:00"', "20170909", '""', "2017-09-31"])
def test_another_form_of_the_last_day_is_rejected(written: str, workspace: Workspace) -> None:
    line, place, rule = rejection(asked(workspace, DATE_FIN=written))
    assert (line, place) == (2, "DATE_FIN")
    assert rule == ("empty" if written == '""' else "not_date")


def test_amounts_may_have_a_decimal_comma(workspace: Workspace) -> None:
    """Section 1.1, money: MTA in euros, decimal comma tolerated."""
    assert column(asked(workspace, MTA='"666113,56"'), "authorised_amount") == Decimal("666113.56")
    assert rejection(asked(workspace, MTA='"1.234.567,89"')) == (2, "MTA", "not_money")


def test_authorised_hours_and_amounts_may_be_empty(workspace: Workspace) -> None:
    found = asked(workspace, HTA="", MTA="", EFF_AUTO="", S_HEURE_CONSOM_TOT="")
    assert (found.valid, column(found, "authorised_hours"), column(found, "authorised_amount")) == (1, None, None)


def test_quotes_within_a_bare_cell_are_content(workspace: Workspace) -> None:
    """Section 1.1: quotes are lenient for apdemande, and a bare one elsewhere rejects the row."""
    assert column(asked(workspace, ID_DA='01"2'), "request") == '01"2'
    assert rejection(asked(workspace, ID_DA='"01"2')) == (2, "", "stray_quote")


@pytest.mark.parametrize(("reason", "warned"), [("1", 0), ("7", 0), ("8", 1), ("0", 1)])
def test_a_reason_beyond_the_table_is_a_warning(reason: str, warned: int, workspace: Workspace) -> None:
    """Section 1.9: 8 in the fixture of 2019, 0 in the randomised dump; the parser of 2026 drops such rows, and we do not."""
    found = asked(workspace, MOTIF_RECOURS_SE=reason, PERIMETRE_AP=reason.replace("7", "4"))
    assert found.valid == 1
    assert found.warnings["unknown_code:reason"] == found.warnings["unknown_code:scope"] == warned
    assert rejection(asked(workspace, MOTIF_RECOURS_SE="Covid")) == (2, "MOTIF_RECOURS_SE", "not_integer")


def test_an_empty_siret_is_rejected(workspace: Workspace) -> None:
    """Section 1.9."""
    assert rejection(asked(workspace, ETAB_SIRET='""')) == (2, "ETAB_SIRET", "empty")


def test_a_request_that_ends_before_it_begins_is_counted(workspace: Workspace) -> None:
    assert asked(workspace, DATE_FIN='"2020-03-15"').warnings["ends_before_it_begins:last_day"] == 1
    assert "ends_before_it_begins:last_day" not in asked(workspace, DATE_FIN='"2020-03-16"').warnings


@pytest.mark.parametrize("written", ["20/03/14", "20/03/2014", "2014-03-20", "2014-03-20 00:00:00"])
def test_requests_of_the_older_workbook_have_days_of_their_own_form(written: str, workspace: Workspace) -> None:
    """Section 1.9, older form; days are DD/MM/YY in the description of that base."""
    header = ASKED.replace('"', "") + ",AVIS_CE,SOURCE,CODE_NAF2,Date_Statut_Annee"
    row = f'02512345600,73282932000074,12,12,{written},{written},{written},1820.04,"14087,11",12,1,1,9,1,"6,5",3,0,SINAPSE,2573A,2014'
    found = read(APDEMANDE, [lines_source(header, row)], workspace)
    assert (found.layouts, found.valid, column(found, "status_date")) == (["workbook"], 1, date(2014, 3, 20))
    assert column(found, "used_amount") == Decimal("6.5")


@pytest.mark.parametrize("kind", [APCONSO, APDEMANDE], ids=lambda kind: kind.name)
def test_a_missing_column_refuses_the_file_by_name(kind: Kind, workspace: Workspace) -> None:
    """Section 1.1: fatal, and never a shift by position (#303)."""
    header = (USED if kind is APCONSO else ASKED).replace('"', "").split(",")
    lacking = [name for name in header if name != "ETAB_SIRET"]
    with pytest.raises(ExtractError, match="column ETAB_SIRET not found, aborting"):
        read(kind, [lines_source(",".join(lacking), ",".join("1" for _ in lacking))], workspace)


@given(st.dates(date(1900, 1, 1), date(2099, 12, 31)), st.booleans())
def test_a_slashed_month_is_its_first_day(day: date, padded: bool) -> None:
    month = f"{day.month:02d}" if padded else str(day.month)
    assert cell_value(SLASHED_MONTH, f"{month}/{day.year}") == day.replace(day=1)


@given(st.text(st.sampled_from("0123456789/- "), max_size=12))
def test_any_text_is_a_month_or_none_like_its_twin(written: str) -> None:
    month, slash, year = written.partition("/")
    ascii_digits = slash and month.isdigit() and year.isdigit() and len(year) == 4 and 1 <= len(month) <= 2
    known = ascii_digits and 1 <= int(month) <= 12 and year[:2] in {"19", "20"}
    assert cell_value(SLASHED_MONTH, written) == (date(int(year), int(month), 1) if known else None)


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_all_forms_of_a_day_are_the_same_day(day: date) -> None:
    forms = ("%d/%m/%y", "%d/%m/%Y", "%Y-%m-%d", "%Y-%m-%d 00:00:00")
    assert {cell_value(SLASHED_OR_ISO_DATE, day.strftime(form)) for form in forms} == {day}


@pytest.mark.parametrize(
    "written", ["", "32/01/2014", "2014/01/01", "1/1/2014", "01/01/014", "01-01-2014", "29/02/2015"]
)
def test_what_is_no_day_is_none(written: str) -> None:
    assert cell_value(SLASHED_OR_ISO_DATE, written) is None
