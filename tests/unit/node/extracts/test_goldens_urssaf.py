"""The real system's golden outputs for the files of Urssaf, cell by cell (``tests/data/signaux-faibles/*/SOURCE.md``)."""

import csv
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from support.golden import (
    ABSENT,
    ROW,
    Difference,
    Row,
    assert_same,
    golden_csv,
    golden_json,
    golden_log,
    golden_report,
    golden_table,
    printed,
    report_of,
    sample,
)
from vigie.errors import ExtractError
from vigie_node.extracts.headcount import last_delivered_month
from vigie_node.extracts.reading import Reading, read
from vigie_node.extracts.registry import KINDS
from vigie_node.extracts.sources import file_source
from vigie_node.extracts.workspace import Workspace

Read = Callable[[str, Path], Reading]

FILES = {
    "ccsf": "ccsfTestData.csv",
    "cotisation": "cotisationTestData.csv",
    "debit": "debitTestData.csv",
    "delai": "delaiTestData.csv",
    "effectif": "effectifTestData.csv",
    "effectif_ent": "effectifEntTestData.csv",
    "procol": "procolTestData.csv",
}
NEVER_CLOSED = "their unit test takes all accounts as never closed; comptesTestData.csv closes this one on 2011-08-01"
QUOTE = "the same line and fault, without their parser's words"
NAME = "the trade name is personal data of sole traders and is not read"
ZERO = "zero is a headcount: the old parser left it out (issue 533 of the real system)"


@pytest.fixture
def read_one(workspace: Workspace) -> Read:
    return lambda name, path: read(KINDS[name], [file_source(path)], workspace)


@pytest.mark.parametrize("name", ["ccsf", "cotisation", "debit", "effectif_ent", "procol"])
def test_csv(name: str, read_one: Read) -> None:
    reading = read_one(name, sample("urssaf", FILES[name]))
    theirs = golden_csv(f"test-import.{name}.golden.txt")
    assert_same(theirs, printed(reading))


STAGED: dict[str, tuple[str, dict[str, str]]] = {
    "cotisation": ("siret, period_start", {}),
    "debit": ("siret", {"recours_en_cours": "recours", "debit_id": "debit_id"}),
    "effectif": ("siret, month", {}),
    "effectif_ent": ("siren, month", {"effectif_ent": "effectif_entreprise"}),
    "procol": ("siret", {}),
}


@pytest.mark.parametrize("name", sorted(STAGED))
def test_staged_tables(name: str, read_one: Read) -> None:
    order, names = STAGED[name]
    theirs = golden_table(f"test-import.sql.stg_{name}.golden.txt")
    ours = printed(read_one(name, sample("urssaf", FILES[name])), order=order)
    assert_same(theirs, ours, names=names, cut=20)


@pytest.mark.parametrize("name", sorted(FILES))
def test_import_logs(name: str, read_one: Read) -> None:
    """Their summary is cut after 20 characters of a path of theirs: it is compared in whole with the JSON reports."""
    reading = read_one(name, sample("urssaf", FILES[name]))
    assert_same([golden_log(name)], [report_of(reading)])


TUPLES: list[tuple[str, str, str, str, dict[str, str], Sequence[Difference]]] = [
    ("urssaf", "ccsf", "ccsfTestData.csv", "expectedCcsf.json", {}, ()),
    ("urssaf", "cotisation", "cotisationTestData.csv", "expectedCotisation.json", {}, ()),
    ("urssaf", "debit", "debitTestData.csv", "expectedDebit.json", {}, ()),
    ("urssaf", "debit", "debitCorrompuTestData.csv", "expectedDebitCorrompu.json", {}, ()),
    ("urssaf", "procol", "procolTestData.csv", "expectedProcol.json", {}, ()),
    ("urssaf-legacy", "ccsf", "ccsfTestData.csv", "expectedCcsf.json", {}, ()),
    ("urssaf-legacy", "cotisation", "cotisationTestData.csv", "expectedCotisation.json", {}, ()),
    ("urssaf-legacy", "debit", "debitTestData.csv", "expectedDebit.json", {}, ()),
    ("urssaf-legacy", "debit", "debitCorrompuTestData.csv", "expectedDebitCorrompu.json", {}, ()),
    (
        "urssaf-legacy", "delai", "delaiTestData.csv", "expectedDelai.json", {},
        (
            Difference(0, "denomination", "etmlgcthph ecoowixknaae se", ABSENT, NAME),
            Difference(1, "denomination", "mtj n.p. eg saxjoc", ABSENT, NAME),
            Difference(2, "", ROW, "", NEVER_CLOSED),
        ),
    ),
    ("urssaf-legacy", "effectif", "effectifTestData.csv", "expectedEffectif.json", {}, (
        Difference(82, "", "", ROW, ZERO),
        Difference(156, "", "", ROW, ZERO),
    )),
    ("urssaf-legacy", "effectif_ent", "effectifEntTestData.csv", "expectedEffectifEnt.json", {}, (
        Difference(82, "", "", ROW, ZERO),
        Difference(156, "", "", ROW, ZERO),
    )),
    ("urssaf-legacy", "procol", "procolTestData.csv", "expectedProcol.json", {}, ()),
]  # fmt: skip
NAMES: Mapping[str, Mapping[str, str]] = {
    "debit": {
        "numero_historique": "numéro_historique_écart_négatif",
        "recours_en_cours": "recours",
        "DebitID": "debit_id",
    },
    "delai": {"indic_6m": "indic_6mois"},
    "effectif_ent": {"effectif": "effectif_entreprise"},
}
REPORTS: Mapping[tuple[str, str], Sequence[Difference]] = {
    ("urssaf", "expectedDebitCorrompu.json"): (
        Difference(
            0, "head_rejected",
            "Line 2: record on line 3: wrong number of fields\n"
            'Line 4: parse error on line 5, column 4: bare " in non-quoted-field',
            "Line 2: record on line 3: wrong number of fields\nLine 4: record on line 5: stray quote", QUOTE,
        ),
    ),
    ("urssaf-legacy", "expectedDelai.json"): (
        Difference(0, "lines_skipped", "0", "1", NEVER_CLOSED),
        Difference(0, "lines_valid", "3", "2", NEVER_CLOSED),
        Difference(
            0, "summary",
            "delaiTestData.csv: intégration terminée, 3 lignes traitées, 0 erreurs fatales, 0 lignes rejetées, "
            "0 lignes filtrées, 3 lignes valides",
            "delaiTestData.csv: intégration terminée, 3 lignes traitées, 0 erreurs fatales, 0 lignes rejetées, "
            "1 lignes filtrées, 2 lignes valides", NEVER_CLOSED,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "folder, name, file, expected, names, listed", TUPLES, ids=[f"{one[0]}-{one[3]}" for one in TUPLES]
)
def test_tuples_and_reports(
    folder: str,
    name: str,
    file: str,
    expected: str,
    names: Mapping[str, str],
    listed: Sequence[Difference],
    read_one: Read,
) -> None:
    if folder == "urssaf-legacy":
        read_one("admin_urssaf", sample(folder, "comptesTestData.csv"))
    reading = read_one(name, sample(folder, file))
    assert_same(golden_json(folder, expected), printed(reading), names=NAMES.get(name, {}), listed=listed)
    corrupt = REPORTS[("urssaf", "expectedDebitCorrompu.json")] if "Corrompu" in expected else ()
    assert_same(
        [golden_report(folder, expected)], [report_of(reading)], listed=REPORTS.get((folder, expected), corrupt)
    )


def test_legacy_plans_under_the_mapping_of_their_unit_test(read_one: Read, tmp_path: Path) -> None:
    """All accounts open: then the third plan is theirs as well."""
    accounts = tmp_path / "comptes.csv"
    text = sample("urssaf-legacy", "comptesTestData.csv").read_text(encoding="utf-8")
    accounts.write_text(text.replace(";1110701;1110801", ";1110701;"), encoding="utf-8")
    read_one("admin_urssaf", accounts)
    reading = read_one("delai", sample("urssaf-legacy", "delaiTestData.csv"))
    theirs = golden_json("urssaf-legacy", "expectedDelai.json")
    names = [Difference(at, "denomination", row["denomination"], ABSENT, NAME) for at, row in enumerate(theirs)]
    assert_same(theirs, printed(reading), names=NAMES["delai"], listed=names)
    assert_same([golden_report("urssaf-legacy", "expectedDelai.json")], [report_of(reading)])


def test_accounts(read_one: Read) -> None:
    """Theirs asks the mapping once for every account, in December 2018, and counts those without an answer as rejected."""
    reading = read_one("admin_urssaf", sample("urssaf-legacy", "comptesTestData.csv"))
    found = reading.connection.execute(
        "SELECT siret, account, '2018-12-01' FROM account_sirets "
        "WHERE DATE '2018-12-01' >= since AND DATE '2018-12-01' < until ORDER BY account"
    ).fetchall()
    ours: list[Row] = [dict(zip(("siret", "numero_compte", "periode"), row, strict=True)) for row in found]
    assert_same(golden_json("urssaf-legacy", "expectedComptes.json"), ours)
    why = "lines of the file are counted, not questions about accounts; a sound line is no rejection"
    counts = "0 erreurs fatales, {} lignes rejetées, 0 lignes filtrées, {} lignes valides"
    head = "comptesTestData.csv: intégration terminée, 3 lignes traitées, "
    message = "Line 2: Pas de siret associé au compte 450359886246036238 à la période 2018-12-01 00:00:00 +0000 UTC"
    assert_same(
        [golden_report("urssaf-legacy", "expectedComptes.json")],
        [report_of(reading)],
        listed=[
            Difference(0, "lines_rejected", "1", "0", why),
            Difference(0, "lines_valid", "2", "3", why),
            Difference(0, "head_rejected", message, "", f"{why}; an account number is in no message of ours"),
            Difference(0, "summary", head + counts.format(1, 2), head + counts.format(0, 3), why),
        ],
    )


@pytest.mark.parametrize(
    "name, folder, file, month",
    [
        ("effectif", "urssaf", "effectifTestData.csv", "2019-04-01"),
        ("effectif_ent", "filter", "test_data.csv", "2020-01-01"),
    ],
)
def test_the_last_month_delivered_is_their_date_fin_effectif(
    name: str, folder: str, file: str, month: str, read_one: Read
) -> None:
    """Theirs: ``TestDetectDateFinEffectif`` of prepare-import, on the second of these files."""
    assert str(last_delivered_month(read_one(name, sample(folder, file)))) == month


def test_a_fixture_of_theirs_names_no_month(read_one: Read) -> None:
    """``eff202401`` is month 1 of quarter 0, of which their arithmetic makes October 2023: refused, and not guessed."""
    with pytest.raises(ExtractError, match="column eff202401 is no month"):
        read_one("effectif_ent", sample("filter", "minimal_effectif.csv"))


WEB: list[tuple[str, str, Sequence[Difference]]] = [
    ("cotisation", "cotisation.csv", ()),
    ("debit", "debit.csv", ()),
    ("delai", "delai.csv", tuple(Difference(at, "dénomination", "GLIGLOU", ABSENT, NAME) for at in range(2))),
]


@pytest.mark.parametrize("name, member, listed", WEB, ids=[one[0] for one in WEB])
def test_files_of_the_web_api_come_out_as_they_went_in(
    name: str, member: str, listed: Sequence[Difference], read_one: Read, tmp_path: Path
) -> None:
    with tarfile.open(sample("datapi", "urssafTest.tar.gz")) as archive:
        content = archive.extractfile(member)
        assert content is not None
        (tmp_path / member).write_bytes(content.read())
    with (tmp_path / member).open(encoding="utf-8", newline="") as file:
        theirs = list(csv.DictReader(file))
    ours = printed(read_one(name, tmp_path / member))
    for row in ours:
        row["période"] = f"{row.get('période_début')} 00:00:00-{row.get('période_fin')} 00:00:00"
    assert_same(theirs, ours, listed=listed)
