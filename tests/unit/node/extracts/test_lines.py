"""Lines of text files: exact places, broken lines told apart, nothing but our own errors whatever the bytes."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigie.errors import ExtractError, VigieError
from vigie_node.extracts.kind import Dialect
from vigie_node.extracts.lines import Lines

Rows = list[tuple[int, list[str | None]]]


def lines(
    data: bytes, dialect: Dialect | None = None, block: int = 1 << 20
) -> tuple[list[str], Rows, list[tuple[int, str]]]:
    """Header, (line, cells) of whole rows, (line, rule) of broken ones."""
    found = Lines("x.csv", io.BytesIO(data), dialect or Dialect(), block_bytes=block)
    rows: Rows = []
    broken = []
    for one in found.blocks():
        numbers = one.rows.lines.to_pylist()
        rows += [(number, list(row.values())) for number, row in zip(numbers, one.rows.cells.to_pylist(), strict=True)]
        broken += [(item.line, item.rule) for item in one.broken]
    return found.header, rows, broken


def test_rows_keep_the_line_at_which_they_stand() -> None:
    data = b'a;b;c\n1;2;3\n\n"x;y";2;3\n1;2\nz"q;1;2\r\n"a"b;1;2\n;;\r\n"";"a""b";\n4;5;6'
    header, rows, broken = lines(data)
    assert header == ["a", "b", "c"]
    assert rows == [
        (2, ["1", "2", "3"]),
        (4, ["x;y", "2", "3"]),
        (8, [None, None, None]),
        (9, [None, 'a"b', None]),
        (10, ["4", "5", "6"]),
    ]
    assert broken == [(5, "wrong_number_of_fields"), (6, "stray_quote"), (7, "stray_quote")]


def test_a_stray_quote_spoils_its_own_line_and_no_other() -> None:
    _, rows, broken = lines(b'a;b\n"1;2\n3;4\n"5;6"\n7";8\n9;10\n')
    assert rows == [(3, ["3", "4"]), (6, ["9", "10"])]
    assert broken == [(2, "stray_quote"), (4, "wrong_number_of_fields"), (5, "stray_quote")]


def test_a_carriage_return_within_a_line_spoils_it_and_makes_no_second_one() -> None:
    _, rows, broken = lines(b'a;b\r\n1;2\r3;4\r\n5;\r6\n7;8\r\n"9";"1\r0"\r\n\r\n1;2\r\r\n3;4\r')
    assert rows == [(4, ["7", "8"]), (8, ["3", "4"])]
    assert broken == [(line, "stray_carriage_return") for line in (2, 3, 5, 7)]


def test_lazy_quotes_leave_a_quote_inside_a_bare_cell() -> None:
    _, rows, broken = lines(b'a,b\nx "y" z,2\n"q",1\n', Dialect(",", lazy_quotes=True))
    assert rows == [(2, ['x "y" z', "2"]), (3, ["q", "1"])] and not broken


@pytest.mark.parametrize("odd", [b"", b"1;2;3\n", b"\n", b'"1;2\n', b'1"2;3\n', b'"1"2;3\n', b"1\r2;3\n"])
def test_a_block_without_an_odd_line_is_cut_as_one_with(odd: bytes) -> None:
    """Sound blocks take a short way; one odd line sends its whole block the long one."""
    sound = b'1;2\n"a;b";"c""d"\r\n"""";""\n;\n"";"e"\n'
    _, rows, broken = lines(b"a;b\n" + sound + odd)
    assert rows == [(2, ["1", "2"]), (3, ["a;b", 'c"d']), (4, ['"', None]), (5, [None, None]), (6, [None, "e"])]
    assert [line for line, _ in broken] == ([7] if odd.strip() else [])


def test_utf_16_with_its_mark_is_read_as_diane_writes_it() -> None:
    data = '\ufeff"a";"b é"\r\n"1,5";"2"\r\n'.encode("utf-16-le")
    header, rows, broken = lines(data, Dialect(encoding="utf-16-le"), block=7)
    assert header == ["a", "b é"] and rows == [(2, ["1,5", "2"])] and not broken


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "is empty"),
        (b"\n1;2\n", "header is empty"),
        (b"a;b\n1;\xe9\n", "line 2: not UTF-8"),
        (b"\xe9;b\n", "line 1: not UTF-8"),
        (b"a;b\n1;2\n1;\x00\n", "line 3: a NUL byte"),
        ("a;b\n1;2\n".encode("utf-16-le"), "a NUL byte"),
        (b"x" * (3 << 20), "a line of more than"),
    ],
)
def test_what_is_no_text_table_is_refused_with_its_line_and_a_hint(data: bytes, word: str) -> None:
    with pytest.raises(ExtractError, match=word) as caught:
        lines(data)
    assert caught.value.hint


cells = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters='\x00\r\n";'), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=30), st.integers(8, 200))
def test_what_a_csv_writer_writes_is_read_whatever_the_blocks(table: list[tuple[str, ...]], block: int) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(["a", "b", "c"])
    writer.writerows(table)
    _, rows, broken = lines(out.getvalue().encode(), block=block)
    assert not broken
    assert rows == [(at, [cell or None for cell in row]) for at, row in enumerate(table, start=2)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["utf-8", "utf-16-le"]), st.booleans(), st.integers(1, 64))
def test_no_bytes_raise_anything_but_our_error(data: bytes, encoding: str, lazy: bool, block: int) -> None:
    dialect = Dialect(";", "utf-8" if encoding == "utf-8" else "utf-16-le", lazy_quotes=lazy)
    try:
        header, rows, broken = lines(data, dialect, block)
    except VigieError:
        return
    assert all(len(row) == len(header) for _, row in rows)
    places = [line for line, _ in rows] + [line for line, _ in broken]
    assert len(set(places)) == len(places)


def test_a_carriage_return_within_a_line_breaks_the_line_and_no_other() -> None:
    data = b'a;b\r\n1;2\r\n,\r0;1\r\n"x\ry";2\r\n\r\r\n3;4\r\n'
    _, rows, broken = lines(data)
    assert rows == [(2, ["1", "2"]), (6, ["3", "4"])]
    assert broken == [(3, "stray_carriage_return"), (4, "stray_carriage_return"), (5, "stray_carriage_return")]


def test_a_byte_order_mark_within_a_file_is_content() -> None:
    _, rows, broken = lines('a;b\n1\n\ufeff"é;2\n\ufeff3;4\n'.encode(), Dialect(lazy_quotes=True))
    assert rows == [(3, ['\ufeff"é', "2"]), (4, ["\ufeff3", "4"])]
    assert broken == [(2, "wrong_number_of_fields")]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"1", b";", b'"', b"\r", b"\n", b"\r\n", b'";"', b"1;2\n", b'""']), max_size=40),
    st.booleans(),
)
def test_the_short_way_finds_what_the_long_way_finds(parts: list[bytes], lazy: bool) -> None:
    class Long(Lines):
        def _sound_cells(self, data: bytes, raw: object, lines: int) -> None:
            return None

    data = b"a;b\n" + b"".join(parts)
    dialect = Dialect(lazy_quotes=lazy)
    for one, other in zip(
        Lines("x.csv", io.BytesIO(data), dialect).blocks(),
        Long("x.csv", io.BytesIO(data), dialect).blocks(),
        strict=True,
    ):
        assert one.rows.cells.to_pylist() == other.rows.cells.to_pylist()
        assert one.rows.lines.to_pylist() == other.rows.lines.to_pylist() and one.broken == other.broken
