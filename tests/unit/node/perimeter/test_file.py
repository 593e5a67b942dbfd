"""The file of a perimeter: read strictly, refused at its line, and never quoted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigie.errors import ExtractError
from vigie_node.perimeter.file import read_sirens


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "line 1"),
        ("siren", "no company"),
        ("sirene\n100000000\n", "line 1"),
        ("100000000\n", "line 1"),
        ("siren;x\n100000000;1\n", "line 1"),
        ("siren\n100000000\n10000000\n", "line 3, column siren: not nine digits but 99999999"),
        ("siren\n10000000A\n", "line 2, column siren: not nine digits but 99999999a"),
        ("siren\n100000000\n\n", "line 3, column siren: not nine digits but (empty)"),
        ("siren\n 100000000\n", "line 2"),
        ("siren\n100000000\n200000000\n100000000\n", "line 4: the same company stands on line 2"),
        ("siren\n１00000000\n", "line 2"),
    ],
)
def test_a_file_that_is_not_a_list_of_companies_is_refused_at_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "filter_siren_2104.csv"
    path.write_text("siren\r\n200000000\r\n100000000\r\n")
    assert read_sirens(path).to_pylist() == ["100000000", "200000000"]
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ExtractError) as refused:
        read_sirens(path)
    assert said in str(refused.value) and refused.value.hint
    assert not any(siren in str(refused.value) for siren in ("100000000", "200000000"))


def test_what_is_not_a_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"siren\n\xe9\n")
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "latin.csv"):
        with pytest.raises(ExtractError) as refused:
            read_sirens(path)
        assert refused.value.hint


@given(st.lists(st.integers(0, 999_999_999), min_size=1, unique=True, max_size=50), st.booleans(), st.booleans())
def test_a_list_comes_back_in_order(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], windows: bool, ended: bool
) -> None:
    path = tmp_path_factory.mktemp("list") / "filter.csv"
    end = "\r\n" if windows else "\n"
    text = end.join(["siren", *(f"{number:09d}" for number in numbers)]) + (end if ended else "")
    path.write_bytes(text.encode("utf-8-sig" if windows else "utf-8"))
    assert read_sirens(path).to_pylist() == [f"{number:09d}" for number in sorted(numbers)]


@given(st.binary(max_size=60) | st.text(alphabet="0123456789siren\r\n;\t é", max_size=60).map(str.encode))
def test_any_file_is_read_or_refused_by_our_own_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "filter.csv"
    path.write_bytes(b"siren\n" + content)
    try:
        found = read_sirens(path).to_pylist()
    except ExtractError:
        return
    assert found and all(len(siren) == 9 and siren.isascii() and siren.isdigit() for siren in found)
