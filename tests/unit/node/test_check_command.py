"""``vigie-node check`` as it is typed: what it prints, saves and answers."""

import json
import subprocess
from pathlib import Path

import pytest

from vigie.demo.programs import BINARIES, environment
from vigie.synth.extracts import Written, write_extracts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write_extracts(tmp_path_factory.mktemp("made"), companies=60, months=24, seed=5)


def check(place: Path, *arguments: str | Path, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BINARIES / "vigie-node"), "check", "--period", "2021-04", *map(str, arguments)],
        cwd=place, env=environment(), input=data.decode(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_sound_extract_is_told_in_words_and_the_whole_report_is_saved(made: Written, tmp_path: Path) -> None:
    done = check(tmp_path, made.files["cotisation"])
    assert done.returncode == 0, done.stderr
    assert "intégration terminée" in done.stdout and "will be sent, by company under a pseudonym" in done.stdout
    extract, dataset = json.loads((tmp_path / "vigie-report.json").read_text())
    assert (extract["dataset"], extract["about"], dataset["dataset"]) == ("cotisation", "extract", "contributions")
    assert dataset["made_from"] == ["cotisation"] and dataset["rows"] > 0
    page = (tmp_path / "vigie-report.html").read_text()
    assert "cotisations sociales dues" in page and "social contributions due" in page


def test_too_many_rejected_rows_end_with_2_and_the_report_says_where(made: Written, tmp_path: Path) -> None:
    header, *rows = made.files["debit"].read_text().splitlines()
    bad = tmp_path / "sigfaible_debits.csv"
    bad.write_text("\n".join([header, *rows[:10], rows[10].replace(";", ";x", 9)]) + "\n")
    done = check(tmp_path, bad, "--report", tmp_path / "mine" / "april")
    assert done.returncode == 2
    assert "error: too many rejected rows: sigfaible_debits.csv" in done.stderr and "hint:" in done.stderr
    (finding,) = json.loads((tmp_path / "mine" / "april.json").read_text())[0]["rejections"]
    assert (finding["line"], finding["file"]) == (12, "sigfaible_debits.csv")
    assert not (tmp_path / "vigie-report.json").exists()


def test_a_file_that_cannot_be_used_ends_with_2_and_saves_nothing(made: Written, tmp_path: Path) -> None:
    data = made.files["debit"].read_bytes().replace(b";", b",")
    (tmp_path / "sigfaible_debits.csv").write_bytes(data)
    done = check(tmp_path, "sigfaible_debits.csv")
    assert done.returncode == 2 and "separator" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["sigfaible_debits.csv"]


def test_standard_input_is_recognised_and_the_report_can_be_read_by_programs(made: Written, tmp_path: Path) -> None:
    done = check(tmp_path, "-", "--json", data=made.files["cotisation"].read_bytes())
    assert done.returncode == 0, done.stderr
    assert [one["dataset"] for one in json.loads(done.stdout)] == ["cotisation", "contributions"]
