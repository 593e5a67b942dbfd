"""Sources: the same extract from a file, an archive, Parquet, DuckDB or standard input is the same table and report."""

import gzip
import io
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from support.readings import told
from vigie.errors import ExtractError, VigieError
from vigie_node.extracts.databases import duckdb_source
from vigie_node.extracts.debit import DEBIT
from vigie_node.extracts.reading import read
from vigie_node.extracts.registry import kind_of
from vigie_node.extracts.sources import HEAD_BYTES, Source, file_source, stream_source
from vigie_node.extracts.typed import readable
from vigie_node.extracts.workspace import Workspace

NAMES = (
    "Urssaf_gestion;Dep;num_cpte;Siren;Siret;Dt_immat;Etat_cpte;Cd_pro_col;Periode;Num_Ecn;Num_Hist_Ecn;"
    "Dt_trt_ecn;Mt_PO;Mt_PP;Cd_op_ecn;Motif_ecn;Recours_en_cours"
)
HEADER = NAMES.split(";")
SOUND = [
    "939;27;111982477292496174;000000000;00000000000000;20150708;5;0;201712;659;9;990505;195907;864497;3;74;0",
    "939;27;111982477292496174;111111111;11111111111111;20150708;1;0;201762;101;1;1160318;-5;0;1;;1",
    "939;27;111982477292496174;111111111;11111111111111;20150708;1;;201710;201;2;1160320;12;7;2;1;",
]
BAD = ["939;27;111982477292496174;111111111;1111;20150708;1;0;201712;1;1;990505;1;1;3;74;0"]


def text(rows: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in [";".join(HEADER), *rows]).encode()


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def cells(rows: list[str]) -> pa.Table:
    table = [[cell or None for cell in row.split(";")] for row in rows]
    return pa.table([pa.array(column, pa.string()) for column in zip(*table, strict=True)], names=HEADER)


def typed(rows: list[str]) -> pa.Table:
    """The same rows with the types that a warehouse would give them."""
    table = cells(rows)
    days = pa.array([date(1999, 5, 5), date(2016, 3, 18), date(2016, 3, 20)], pa.date32())

    def become(name: str, column: Any) -> None:
        nonlocal table
        table = table.set_column(HEADER.index(name), name, column)

    for name in ("Mt_PO", "Periode", "Etat_cpte"):
        become(name, table[name].cast(pa.int64()))
    for name in ("Num_Hist_Ecn", "Motif_ecn", "Cd_pro_col", "Num_Ecn"):
        become(name, table[name].cast(pa.float64()))
    become("Mt_PP", table["Mt_PP"].cast(pa.decimal128(18, 2)))
    become("Dt_trt_ecn", days.cast(pa.timestamp("us")))
    become("Recours_en_cours", table["Recours_en_cours"].cast(pa.int8()).cast(pa.bool_()))
    become("Siret", table["Siret"].dictionary_encode())
    become("num_cpte", table["num_cpte"].cast(pa.large_string()))
    return table


def database(path: Path, table: pa.Table) -> Path:
    with duckdb.connect(str(path)) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE debits AS SELECT * FROM given")
    return path


def workbook(path: Path, rows: list[str]) -> Path:
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet()
    for at, row in enumerate([HEADER, *(row.split(";") for row in rows)]):
        sheet.write_row(at, 0, row)
    book.close()
    return path


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def parquet(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


FORMS: dict[str, Callable[[Path, list[str]], Source]] = {
    "file": lambda at, rows: file_source(written(at / "a.csv", text(rows))),
    "file with mark and CRLF": lambda at, rows: file_source(
        written(at / "a.csv", b"\xef\xbb\xbf" + text(rows).replace(b"\n", b"\r\n"))
    ),
    "gzip": lambda at, rows: file_source(written(at / "a.csv.gz", gzip.compress(text(rows)))),
    "gzip without its name": lambda at, rows: file_source(written(at / "a.csv", gzip.compress(text(rows)))),
    "zip": lambda at, rows: file_source(zipped(at / "a.zip", ("a.csv", text(rows)))),
    "workbook": lambda at, rows: file_source(workbook(at / "a.xlsx", rows)),
    "Parquet of text": lambda at, rows: file_source(parquet(at / "a.parquet", cells(rows))),
    "DuckDB": lambda at, rows: duckdb_source(database(at / "a.duckdb", cells(rows)), "SELECT * FROM debits;"),
    "standard input": lambda at, rows: stream_source(io.BytesIO(text(rows))),
    "standard input, gzipped": lambda at, rows: stream_source(io.BytesIO(gzip.compress(text(rows)))),
}
TYPED: dict[str, Callable[[Path, list[str]], Source]] = {
    "Parquet with types": lambda at, rows: file_source(parquet(at / "a.parquet", typed(rows))),
    "DuckDB with types": lambda at, rows: duckdb_source(database(at / "a.duckdb", typed(rows)), "FROM debits"),
}


@pytest.fixture
def expected(tmp_path: Path) -> Callable[[list[str]], tuple[Any, ...]]:
    def of(rows: list[str]) -> tuple[Any, ...]:
        with Workspace(tmp_path / "expected") as other:
            return told(read(DEBIT, [file_source(written(tmp_path / "expected.csv", text(rows)))], other), 1)

    return of


@pytest.mark.parametrize("form", FORMS)
def test_the_same_extract_in_every_form_is_the_same_table_and_report(
    form: str, tmp_path: Path, workspace: Workspace, expected: Callable[[list[str]], tuple[Any, ...]]
) -> None:
    rows = [*SOUND, *BAD]
    source = FORMS[form](tmp_path, rows)
    assert kind_of(source) is DEBIT  # what is looked at to recognise it is not lost
    found = told(read(DEBIT, [source], workspace), 0 if form.startswith(("Parquet", "DuckDB")) else 1)
    assert found == expected(rows)
    assert found[2] == (4, 3, 1, 0) and found[1] == [(4, "Siret", "not_siret", "9999")]


@pytest.mark.parametrize("form", TYPED)
def test_columns_that_a_warehouse_has_typed_are_the_same_table_and_report(
    form: str, tmp_path: Path, workspace: Workspace, expected: Callable[[list[str]], tuple[Any, ...]]
) -> None:
    source = TYPED[form](tmp_path, SOUND)
    assert kind_of(source) is DEBIT
    assert told(read(DEBIT, [source], workspace), 0) == expected(SOUND)


# --------------------------------------------------------------------------------------------------------- typed columns


def test_a_day_with_a_time_zone_is_refused_for_it_depends_on_it() -> None:
    column = pa.array([datetime(2020, 1, 1)], pa.timestamp("us", tz="Europe/Paris"))  # noqa: DTZ001 - the zone is Arrow's
    with pytest.raises(ExtractError, match="time zone") as refused:
        readable(column, "Dt_trt_ecn", "x")
    assert "cast it to date" in refused.value.hint


@pytest.mark.parametrize(
    "column", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([timedelta(1)]), pa.array([b"\xff"], pa.binary())]
)
def test_a_type_that_has_no_cell_is_refused_by_its_column(column: pa.Array) -> None:
    with pytest.raises(ExtractError, match="column 'Siret' has a type") as refused:
        readable(column, "Siret", "x")
    assert "cast it to text" in refused.value.hint


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["x"], pa.large_string()), pa.array([b"x"], pa.binary()), pa.array(["x"]).dictionary_encode(),
        pa.array(["x"], pa.string_view()), pa.ExtensionArray.from_storage(pa.opaque(pa.string(), "numeric", "P"), pa.array(["x"])),
    ],
)  # fmt: skip
def test_text_in_other_clothes_is_text(column: pa.Array) -> None:
    assert readable(column, "a", "x").equals(pa.array(["x"]))


# -------------------------------------------------------------------------------------------------------- standard input


def test_a_stream_is_read_once_and_its_beginning_may_be_looked_at_again() -> None:
    data = text(SOUND * 40_000)  # longer than what is kept
    assert len(data) > 2 * HEAD_BYTES
    source = stream_source(io.BytesIO(data))
    assert source.head() == source.head() == data[:HEAD_BYTES]
    with source.open() as stream:
        assert stream.read() == data
    with pytest.raises(ExtractError, match="once only") as refused:
        source.head()
    assert refused.value.hint


@pytest.mark.parametrize("compress", [False, True])
def test_a_pipe_is_read_as_it_comes(compress: bool, workspace: Workspace) -> None:
    data = text(SOUND * 20_000)
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(gzip.compress(data, 1) if compress else data)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb") as file:
        source = stream_source(file)
        assert kind_of(source) is DEBIT
        found = read(DEBIT, [source], workspace)
    thread.join()
    assert (found.parsed, found.valid, found.files) == (60_000, 60_000, ["-"])


class Counting(io.RawIOBase):
    """A stream that knows the most that was asked of it at once."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)
        self.most = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.most = max(self.most, len(buffer))
        return self._data.readinto(buffer)


def test_a_stream_is_not_taken_into_memory_as_a_whole(workspace: Workspace) -> None:
    stream = Counting(text(SOUND * 70_000))
    found = read(DEBIT, [stream_source(io.BufferedReader(stream))], workspace)
    assert found.valid == 210_000 and stream.most <= 16 << 20


@pytest.mark.parametrize("magic", [b"PAR1", b"PK\x03\x04"])
def test_what_cannot_be_streamed_is_refused_with_a_hint(magic: bytes) -> None:
    with pytest.raises(ExtractError, match="cannot be read from standard input") as refused:
        kind_of(stream_source(io.BytesIO(magic + b"...")))
    assert "save it as a file" in refused.value.hint


def test_an_empty_stream_is_refused(workspace: Workspace) -> None:
    with pytest.raises(ExtractError, match="empty"):
        read(DEBIT, [stream_source(io.BytesIO(b""))], workspace)


# ---------------------------------------------------------------------------------------------------------------- files


def test_damaged_files_are_refused_as_what_they_are(tmp_path: Path, workspace: Workspace) -> None:
    whole = gzip.compress(text(SOUND))
    archive = zipped(tmp_path / "b.zip", ("a.csv", text(SOUND * 50))).read_bytes()
    packed = parquet(tmp_path / "b.parquet", cells(SOUND)).read_bytes()
    book = workbook(tmp_path / "b.xlsx", SOUND).read_bytes()
    at = archive.index(b"a.csv") + 20
    cases = {
        "cut.csv.gz": (whole[:-20], "damaged or cut off"),
        "not.csv.gz": (text(SOUND), "not a gzip file"),
        "cut.zip": (archive[:-30], "damaged or cut off"),
        "spoilt.zip": (archive[:at] + bytes(8) + archive[at + 8 :], "damaged or cut off"),
        "cut.parquet": (packed[: len(packed) // 2], "not a readable Parquet file"),
        "spoilt.parquet": (packed[:4] + bytes(60) + packed[64:], "not a readable Parquet file"),
        "cut.xlsx": (book[: len(book) // 2], "damaged or cut off|not a readable workbook"),
        "empty.csv": (b"", "the file is empty"),
    }
    for name, (data, said) in cases.items():
        with pytest.raises(ExtractError, match=said) as refused:
            read(DEBIT, [file_source(written(tmp_path / name, data))], workspace)
        assert name in str(refused.value) and refused.value.hint
    with pytest.raises(ExtractError, match="no such file"):
        file_source(tmp_path / "absent.csv")


def test_an_archive_of_several_files_or_with_a_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExtractError, match="an archive of 2 files") as refused:
        file_source(zipped(tmp_path / "a.zip", ("a.csv", b"a"), ("b.csv", b"b")))
    assert "unpack" in refused.value.hint
    locked = bytearray(zipped(tmp_path / "b.zip", ("a.csv", b"a")).read_bytes())
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ExtractError, match="password"):
        file_source(written(tmp_path / "b.zip", bytes(locked)))


def test_an_empty_workbook_is_refused(tmp_path: Path, workspace: Workspace) -> None:
    book = xlsxwriter.Workbook(str(tmp_path / "a.xlsx"))
    book.add_worksheet()
    book.close()
    with pytest.raises(ExtractError, match="its first sheet is empty"):
        read(DEBIT, [file_source(tmp_path / "a.xlsx")], workspace)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with Workspace(tmp_path_factory.mktemp("lasting")) as made:
        yield made


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    made = (
        workbook(folder / "a.xlsx", SOUND),
        parquet(folder / "a.parquet", typed(SOUND)),
        zipped(folder / "a.zip", ("a.csv", text(SOUND))),
        written(folder / "a.csv.gz", gzip.compress(text(SOUND))),
    )
    return {path.name: path.read_bytes() for path in made}


@settings(max_examples=60)
@given(place=st.floats(0, 1), inserted=st.binary(max_size=16), dropped=st.integers(0, 40))
@pytest.mark.parametrize("form", ["a.xlsx", "a.parquet", "a.zip", "a.csv.gz"])
def test_no_spoilt_file_raises_anything_but_our_own_error(
    form: str,
    place: float,
    inserted: bytes,
    dropped: int,
    whole_files: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
    lasting: Workspace,
) -> None:
    whole = whole_files[form]
    at = 4 + int(place * (len(whole) - 5))
    folder = tmp_path_factory.getbasetemp()
    try:
        spoilt = written(folder / f"spoilt-{form}", whole[:at] + inserted + whole[at + dropped :])
        found = read(DEBIT, [file_source(spoilt)], lasting)
    except VigieError:
        return
    assert found.parsed == found.valid + found.rejected + found.skipped
