"""Deliveries: files of any kind become datasets, and nothing that matters is guessed."""

import gzip
import io
import shutil
from datetime import date
from pathlib import Path

import pytest

from vigie.datasets import BUILT_IN, Dataset
from vigie.errors import ExtractError, InputError
from vigie.synth.extracts import write_extracts
from vigie_node.delivery import Asked, Delivery

MONTH = date(2021, 4, 1)
URSSAF = ["contributions", "debts", "headcount", "payment_plans", "proceedings", "ccsf"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("extracts")
    write_extracts(folder, companies=400, months=24, seed=3, last_month="2021-04")
    return folder


def take(*files: Path | str, known: dict[str, Dataset] | None = None, **asked: object) -> Delivery:
    return Delivery.take([str(file) for file in files], known or dict(BUILT_IN), Asked(MONTH, **asked))  # type: ignore[arg-type]


def rows(delivery: Delivery, dataset: str) -> list[tuple[object, ...]]:
    (one,) = (found for found in delivery.checked if found.dataset.name == dataset)
    return one.connection.execute(f'SELECT * FROM "{one.table}" ORDER BY ALL').fetchall()


def test_a_folder_of_extracts_becomes_the_datasets_of_its_owner(made: Path) -> None:
    with take(made / "acoss") as delivery:
        assert [one.dataset.name for one in delivery.checked] == URSSAF
        assert len(delivery.extracts) == 7 and all(report.extract for report in delivery.extracts)
        for report in delivery.reports:
            assert report.parsed == report.valid + report.rejected + report.skipped and not report.rejected
        assert all(report.made_from for report in delivery.reports if not report.extract)


def test_only_what_the_convention_names_is_to_be_sent(made: Path) -> None:
    with take(made / "acoss", known={"debts": BUILT_IN["debts"]}) as delivery:
        assert [one.dataset.name for one in delivery.checked] == ["debts"]
        assert [one.dataset.name for one in delivery.unnamed] == [name for name in URSSAF if name != "debts"]


def test_the_same_file_gives_the_same_rows_gzipped_and_from_standard_input(made: Path, tmp_path: Path) -> None:
    plain = made / "acoss" / "sigfaible_debits.csv"
    zipped = tmp_path / "sigfaible_debits.csv.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    with (
        take(plain) as one,
        take(zipped) as two,
        take("-", standard_input=io.BytesIO(plain.read_bytes())) as three,
    ):
        assert rows(one, "debts") == rows(two, "debts") == rows(three, "debts")
        assert rows(one, "debts")


def test_companies_outside_the_list_are_skipped_and_the_list_becomes_the_perimeter(made: Path, tmp_path: Path) -> None:
    with take(made / "acoss") as everything:
        sirens = sorted({str(row[0]) for row in rows(everything, "headcount")})
        kept = sirens[:10]
    listed = tmp_path / "filter_siren_2104.csv"
    listed.write_text("siren\n" + "".join(f"{siren}\n" for siren in kept))
    with take(made / "acoss", listed) as delivery:
        assert {row[0] for row in rows(delivery, "headcount")} == set(kept)
        assert [row[0] for row in rows(delivery, "perimeter")] == kept
        skipped = {report.dataset: report.rules["outside_perimeter"] for report in delivery.extracts}
        assert skipped["cotisation"] > 0 and skipped["filter"] == 0


def test_a_complete_type_without_a_file_is_an_error(made: Path) -> None:
    with take(made / "acoss", complete=("debit", "effectif")) as delivery:
        assert delivery.checked
    with pytest.raises(ExtractError, match="apconso is said to be complete") as caught:
        take(made / "acoss", complete=("debit", "apconso"))
    assert "wipe its history" in caught.value.hint


def test_one_dataset_from_two_files_of_different_kinds_is_an_error(made: Path, tmp_path: Path) -> None:
    (tmp_path / "debts.csv").write_text("siren,month,employee_share,employer_share\n732829320,2021-04-01,1,2\n")
    with pytest.raises(InputError, match="two files are of the same dataset"):
        take(made / "acoss" / "sigfaible_debits.csv", tmp_path / "debts.csv")


def test_what_is_no_extract_is_refused_with_its_name(made: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a;b\n1;2\n")
    with pytest.raises(ExtractError, match=r"notes\.txt") as caught:
        take(tmp_path / "notes.txt")
    assert "--type" in caught.value.hint
    with pytest.raises(ExtractError, match="no type of extract called 'debits'") as caught:
        take(made / "acoss" / "sigfaible_debits.csv", kind="debits")
    assert "debit" in caught.value.hint
    with pytest.raises(ExtractError, match="column num_cpte not found"):
        take(made / "travail" / "demande_ap.csv", kind="debit")


def test_a_refusal_leaves_no_scratch_folder(made: Path, tmp_path: Path) -> None:
    folder = tmp_path / "given"
    shutil.copytree(made / "acoss", folder)
    (folder / "sigfaible_debits.csv").write_bytes(b"Siret;num_cpte\n1;2\n")
    scratch = tmp_path / "scratch"
    with pytest.raises(ExtractError):
        Delivery.take([str(folder)], BUILT_IN, Asked(MONTH), scratch=scratch)
    assert not scratch.exists() or not list(scratch.iterdir())
