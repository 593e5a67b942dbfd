"""Arguments and folders: each file as the kind that it is, and those of no kind named."""

import io
from pathlib import Path
from typing import BinaryIO, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vigie.errors import ExtractError
from vigie_node.extracts.gathering import by_kind, sources_of

NAMES: Final = (
    "num_cpte;Siret;Etat_cpte;Cd_pro_col;Periode;Num_Ecn;Num_Hist_Ecn;Dt_trt_ecn;Mt_PO;Mt_PP;Cd_op_ecn;Motif_ecn;"
    "Recours_en_cours"
)
ROW: Final = "111982477292496174;00000000000000;5;0;201712;659;9;990505;195907;864497;3;74;0"
FILE: Final = f"{NAMES}\n{ROW}\n".encode()
TABLE: Final = pa.table({name: [cell] for name, cell in zip(NAMES.split(";"), ROW.split(";"), strict=True)})


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_folder_stands_for_its_files_by_kind(tmp_path: Path) -> None:
    _written(tmp_path / "2.csv", FILE)
    pq.write_table(TABLE, tmp_path / "1.parquet")
    _written(tmp_path / "old_paydex.csv", b"SIREN;NB_JOURS;NB_JOURS_LIB;DATE_VALEUR\n000000001;2;2 jours;15/12/2018\n")
    _written(tmp_path / ".hidden", b"x")
    (tmp_path / "within").mkdir()
    found = by_kind(sources_of([str(tmp_path)]))
    assert {name: [one.name for one in sources] for name, sources in found.items()} == {
        "debit": ["1.parquet", "2.csv"], "paydex": ["old_paydex.csv"]
    }  # fmt: skip


def test_unknown_files_of_a_folder_are_named(tmp_path: Path) -> None:
    _written(tmp_path / "a.csv", FILE)
    for number in range(22):
        _written(tmp_path / f"x{number:02}.txt", b"hello\nworld\n")
    with pytest.raises(ExtractError, match=r"22 files are extracts of no known type: x00\.txt, .*x19\.txt and 2 more"):
        by_kind(sources_of([str(tmp_path)]))
    for number in range(1, 22):
        (tmp_path / f"x{number:02}.txt").unlink()
    with pytest.raises(ExtractError, match=r"x00\.txt: not an extract of any known type"):
        by_kind(sources_of([str(tmp_path)]))


def test_a_folder_without_any_extract_says_so(tmp_path: Path) -> None:
    _written(tmp_path / "a.txt", b"hello\nworld\n")
    _written(tmp_path / "b.txt", b"hello\nworld\n")
    with pytest.raises(ExtractError, match="none of the 2 files is an extract of any known type") as refused:
        by_kind(sources_of([str(tmp_path)]))
    assert "a.txt" in refused.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(ExtractError, match="the folder holds no file"):
        sources_of([str(tmp_path / "empty")])


def test_arguments_keep_their_order_and_are_refused_when_they_make_no_sense(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.csv", FILE)
    data = tmp_path / "a.duckdb"
    with duckdb.connect(str(data)) as connection:
        connection.register("given", TABLE)
        connection.execute("CREATE TABLE debits AS FROM given")
    stdin: BinaryIO = io.BytesIO(FILE)
    found = sources_of(["-", str(path), f"duckdb:{data}"], query="FROM debits", standard_input=stdin)
    assert [one.name for one in found] == ["-", "a.csv", "duckdb:a.duckdb"]
    assert {name: len(sources) for name, sources in by_kind(found).items()} == {"debit": 3}
    for arguments, query, said in [
        (["-", "-"], "", "given twice"),
        (["-"], "", "no standard input"),
        ([str(path)], "SELECT 1", "no database to ask"),
        ([f"duckdb:{data}"], "", "read by a query"),
        ([f"duckdb:{data}"], " ; ", "read by a query"),
        (["env:VIGIE_NOWHERE"], "SELECT 1", "'VIGIE_NOWHERE' is empty or not set"),
    ]:
        with pytest.raises(ExtractError, match=said) as refused:
            sources_of(arguments, query=query)
        assert refused.value.hint
