"""What changed since the last list, from the lists that this node opened before."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vigie import result
from vigie.result import LEVELS
from vigie_node import changes, export
from vigie_node.changes import FIRST, LEFT, LOWERED, RAISED, REPEATED, earlier, with_changes
from vigie_node.state import StoredResult

NONE, MODERATE, HIGH = LEVELS
GRANT, PURPOSE = "acoss-list", "early-warning"


def made(levels: dict[str, str | None]) -> pa.Table:
    fields = [pa.field("siren", pa.string(), nullable=False), *list(result.schema())[1:]]
    rows = [{"siren": siren, "level": level, "score": 0.5} for siren, level in levels.items()]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def kept(
    folder: Path,
    period: str,
    levels: dict[str, str | None],
    *,
    grant: str = GRANT,
    purpose: str = PURPOSE,
    run: int = 0,
) -> StoredResult:
    name = f"{period}-{grant}-{purpose}-{run}"
    (folder / name).mkdir()
    pq.write_table(made(levels), folder / name / "result.parquet")
    return StoredResult(bytes([run]) * 32, grant, purpose, period, "A1", name, None, f"2026-01-0{run + 1}T00:00:00Z")


def told(table: pa.Table) -> dict[str, str | None]:
    return dict(zip(table.column("siren").to_pylist(), table.column("change").to_pylist(), strict=True))


def test_each_change_has_its_word(tmp_path: Path) -> None:
    results = [
        kept(tmp_path, "2021-01", {"1": HIGH, "7": MODERATE}),
        kept(
            tmp_path, "2021-02", {"1": MODERATE, "2": MODERATE, "3": HIGH, "4": HIGH, "5": HIGH, "6": NONE, "7": NONE}
        ),
    ]
    before = earlier(tmp_path, results, grant=GRANT, purpose=PURPOSE, period="2021-03")
    assert before is not None
    assert before.period == "2021-02"
    now = {"1": HIGH, "2": MODERATE, "3": MODERATE, "4": NONE, "5": None, "6": MODERATE, "7": MODERATE, "8": NONE}
    assert told(with_changes(made(now), before)) == {
        "1": RAISED, "2": REPEATED, "3": LOWERED, "4": LEFT, "5": LEFT, "6": FIRST, "7": RAISED, "8": None,
    }  # fmt: skip


def test_who_left_a_list_of_alerted_companies_is_told_with_nothing_else(tmp_path: Path) -> None:
    before = earlier(
        tmp_path,
        [kept(tmp_path, "2021-02", {"1": HIGH, "2": MODERATE})],
        grant=GRANT,
        purpose=PURPOSE,
        period="2021-03",
    )
    found = with_changes(made({"1": HIGH}), before)
    assert told(found) == {"1": REPEATED, "2": LEFT}
    gone = found.to_pylist()[1]
    assert {name for name, value in gone.items() if value is not None} == {"siren", "change"}


def test_on_the_first_list_every_alert_is_a_first_one() -> None:
    assert told(with_changes(made({"1": HIGH, "2": NONE, "3": None}), None)) == {"1": FIRST, "2": None, "3": None}


def test_lists_of_others_and_of_the_same_month_are_not_looked_at(tmp_path: Path) -> None:
    results = [
        kept(tmp_path, "2021-02", {"1": HIGH}, grant="other"),
        kept(tmp_path, "2021-02", {"1": HIGH}, purpose="other"),
        kept(tmp_path, "2021-03", {"1": HIGH}),
        kept(tmp_path, "2021-04", {"1": HIGH}),
    ]
    assert earlier(tmp_path, results, grant=GRANT, purpose=PURPOSE, period="2021-03") is None


def test_of_two_lists_of_one_month_the_later_counts_and_a_list_that_is_gone_does_not(tmp_path: Path) -> None:
    first, again = kept(tmp_path, "2021-02", {"1": HIGH}), kept(tmp_path, "2021-02", {"2": HIGH}, run=1)
    gone = StoredResult(bytes(32), GRANT, PURPOSE, "2021-02", "A1", "erased", None, "2026-02-01T00:00:00Z")
    before = earlier(tmp_path, [again, gone, first], grant=GRANT, purpose=PURPOSE, period="2021-03")
    assert before is not None
    assert before.levels == {"2": HIGH}


@pytest.mark.parametrize(("language", "heading", "word"), [("fr", "Évolution", FIRST), ("en", "Change", "first alert")])
def test_the_words_of_an_export(language: str, heading: str, word: str) -> None:
    headings, rows = export.rows_for_people(with_changes(made({"1": HIGH}), None), {}, language)
    assert rows[0][headings.index(heading)] == word
    said = export.notice({"compared_with": "2021-02"}, language)
    assert any("2021-02" in line for line in said)
    assert export.notice({"compared_with": None}, language) != said
    assert set(changes.ENGLISH) == {FIRST, REPEATED, RAISED, LOWERED, LEFT}
