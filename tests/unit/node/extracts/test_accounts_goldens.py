"""Accounts and what is bought, compared cell by cell with the real system's golden outputs."""

import csv

from support.golden import Difference, Row, assert_same, golden_json, golden_report, printed, report_of, sample, text_of
from support.readings import odd, read_sample
from vigie_node.extracts.bdf import BDF
from vigie_node.extracts.diane import DIANE
from vigie_node.extracts.ellisphere import ELLISPHERE
from vigie_node.extracts.paydex import PAYDEX_DELAYS
from vigie_node.extracts.reading import Reading
from vigie_node.extracts.workspace import Workspace

COUNTS = ("is_fatal", "lines_parsed", "lines_rejected", "lines_skipped", "lines_valid", "summary")


def report(found: Reading) -> Row:
    return {name: report_of(found)[name] for name in COUNTS}


def their_report(folder: str, name: str) -> Row:
    return {key: value for key, value in golden_report(folder, name).items() if key in COUNTS}


def test_bdf_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, BDF, "bdf", "bdfTestData.csv")
    assert_same(golden_json("bdf", "expectedBdfOutput.json"), printed(found))
    assert_same([their_report("bdf", "expectedBdfOutput.json")], [report(found)])
    assert not found.rules and not odd(found)


def test_diane_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, DIANE, "diane", "dianeTestData.txt")
    goods = "they take the column of all purchases, goods and supplies together, for that of goods"
    never = "a day that is not given is not the first day of year 1"
    listed = [Difference(row, "achat_marchandises", theirs, ours, goods) for row, theirs, ours in GOODS]
    listed += [Difference(row, "arrete_bilan_diane", "0001-01-01", "", never) for row in (15, 16, 17)]
    ours = printed(found, order="line, fiscal_year")
    assert_same(golden_json("diane", "expectedDiane.json"), ours, listed=listed)
    assert_same([their_report("diane", "expectedDiane.json")], [report(found)])
    assert not found.rules and not odd(found)


GOODS = [
    (1, "6", "7"), (2, "2", "3"), (3, "3", "1"), (4, "4", "0"), (5, "5", ""), (6, "61", "2"), (7, "49", "6"),
    (9, "58", "3"), (10, "1", "9"), (11, "90", "2"), (12, "909", "5839"), (13, "6159", "4584"), (14, "3775", "3265"),
]  # fmt: skip
"""Row, what stands under "Achats march. et autres approv.", what stands under "Achats de march."."""


def test_the_pivot_of_diane_is_the_golden_conversion(workspace: Workspace) -> None:
    """expectedDianeConvert.csv has the cells as they stand: each is typed here by a twin of the grammar, then compared."""
    found = read_sample(workspace, DIANE, "diane", "dianeTestData.txt")
    with sample("diane", "expectedDianeConvert.csv").open(encoding="utf-8", newline="") as file:
        theirs = list(csv.DictReader(file))
    fields = {one.header[0]: one for one in DIANE.layouts[0].fields if one.stored}
    columns = ", ".join(f'"{one.name}"' for one in fields.values())
    ours = [
        dict(zip(fields, (text_of(cell) for cell in row), strict=True))
        for row in found.connection.execute(f"SELECT {columns} FROM diane ORDER BY line, fiscal_year").fetchall()
    ]
    assert len(theirs[0]) == len(fields) + 3  # and Marquée, the proceeding's words, the last year available
    assert_same([{name: typed(fields[name].cell.name, row[name]) for name in fields} for row in stripped(theirs)], ours)


def stripped(rows: list[Row]) -> list[Row]:
    return [{name.strip(): cell for name, cell in row.items()} for row in rows]


def typed(grammar: str, cell: str) -> str:
    match grammar:
        case _ if not cell:
            return ""
        case "number":
            return text_of(float(cell.replace(",", ".")))
        case "integer":
            return str(int(cell))
        case "french_date":
            day, month, year = cell.split("/")
            return f"{year}-{month}-{day}"
        case _:
            return cell


def test_ellisphere_is_the_golden_output(workspace: Workspace) -> None:
    found = read_sample(workspace, ELLISPHERE, "ellisphere", "ellisphereTestData.excel")
    theirs = golden_json("ellisphere", "expectedEllisphere.json")
    # They leave out what is empty.
    assert_same([{"siren_groupe": "", **row} for row in theirs], printed(found))
    why = "they take the header for a row, and reject it"
    summary = (
        "ellisphereTestData.excel: intégration terminée, {} lignes traitées, 0 erreurs fatales, {} lignes rejetées, "
    )
    summary += "0 lignes filtrées, 6 lignes valides"
    assert_same(
        [their_report("ellisphere", "expectedEllisphere.json")],
        [report(found)],
        listed=[
            Difference(0, "lines_parsed", "7", "6", why),
            Difference(0, "lines_rejected", "1", "0", why),
            Difference(0, "summary", summary.format(7, 1), summary.format(6, 0), why),
        ],
    )


def test_paydex_is_the_golden_output_and_rejects_the_same_row(workspace: Workspace) -> None:
    found = read_sample(workspace, PAYDEX_DELAYS, "paydex", "paydexTestData.csv")
    assert_same(golden_json("paydex", "expectedPaydex.json"), printed(found))
    assert_same([their_report("paydex", "expectedPaydex.json")], [report(found)])
    # Theirs is "Line 3: invalid date: 01/15/2019", which counts rows and shows the cell.
    (rejected,) = found.findings
    assert (rejected.line, rejected.column, rejected.rule, rejected.shape) == (
        4, "DATE_VALEUR", "not_french_date", "99/99/9999"
    )  # fmt: skip


def test_the_zipped_delivery_of_paydex_is_read_as_it_comes(workspace: Workspace) -> None:
    """Section 1.13, layout of 2022: the four rows of datapi's own fixture."""
    found = read_sample(workspace, PAYDEX_DELAYS, "paydex", "test_paydex.zip")
    rows = found.connection.execute(
        "SELECT siren, state, paydex, delay_days, suppliers, outstanding, note_30, note_90, late_share_30, late_share_90, "
        "CAST(value_date AS VARCHAR) FROM paydex ORDER BY line"
    ).fetchall()
    assert rows == [
        ("000000000", "Actif", "078", 3, 20, 104593.746, None, None, None, None, "2023-01-15"),
        ("000000000", "Actif", "078", 3, 21, 139321.632, None, None, None, None, "2022-12-15"),
        ("111111111", "Actif", "078", 3, 22, 150023.553, 11.0, 11.0, 0.11, 0.11, "2022-11-15"),
        ("111111111", "Actif", "078", 3, 22, 150785.798, 11.0, 11.0, 0.11, 0.11, "2022-10-15"),
    ]
    assert (found.parsed, found.valid, found.layouts) == (4, 4, ["2022"])
