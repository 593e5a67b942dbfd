import stat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.custodians import agreement, keyrings
from vigie.errors import StateError
from vigie.pseudonym import combine
from vigie_node.pseudonyms.cache import PseudonymCache, keys_digest, siren_numbers, siren_texts

NAMES = ["acoss", "travail"]


def output(custodian: str, siren: int) -> bytes:
    return f"{custodian}{siren}".encode().ljust(64, b"\0")


def filled(path: Path, sirens: list[int], names: list[str] = NAMES) -> PseudonymCache:
    cache = PseudonymCache(path)
    for name in names:
        numbers = np.array(sirens, np.int64)
        cache.store(1, name, numbers, [output(name, siren) for siren in sirens])
    return cache


def test_a_pseudonym_exists_once_all_custodians_answered(tmp_path: Path) -> None:
    cache = filled(tmp_path / "c", [3, 552100554])
    cache.store(1, "acoss", np.array([9]), [output("acoss", 9)])
    assert cache.combine(1, NAMES) == 2
    assert cache.count(1) == 2
    assert cache.table(1).to_pylist() == [
        {"siren": f"{one:09d}", "pseudonym": combine(1, [output("acoss", one), output("travail", one)])}
        for one in (3, 552100554)
    ]
    assert cache.missing(1, np.array([3, 9, 10])).tolist() == [9, 10]
    assert cache.unanswered(1, "acoss", np.array([9, 10])).tolist() == [10]
    assert cache.unanswered(1, "travail", np.array([9, 10])).tolist() == [9, 10]
    assert cache.combine(1, NAMES) == 0
    cache.store(1, "travail", np.array([9]), [output("travail", 9)])
    assert cache.combine(1, NAMES) == 1
    assert cache._connection.execute("SELECT count(*) FROM output").fetchone() == (0,)
    cache.close()


def test_the_order_of_the_custodians_and_the_epoch_count(tmp_path: Path) -> None:
    made = []
    for number, names in enumerate((NAMES, NAMES[::-1], ["acoss"])):
        cache = filled(tmp_path / str(number), [3])
        cache.combine(1, names)
        made.append(cache.table(1)["pseudonym"][0].as_py())
        assert cache.table(2).num_rows == 0
        assert cache.missing(2, np.array([3])).tolist() == [3]
        cache.close()
    assert len(set(made)) == 3


def test_what_was_stored_is_there_after_closing_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "c"
    filled(path, [3]).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with PseudonymCache(path) as again:
        assert again.combine(1, NAMES) == 1


def test_sequences_count_per_custodian_and_epoch_and_never_go_back(tmp_path: Path) -> None:
    with PseudonymCache(tmp_path / "c") as cache:
        assert [cache.next_sequence(1, "acoss") for _ in range(3)] == [1, 2, 3]
        assert cache.next_sequence(1, "travail") == cache.next_sequence(2, "acoss") == 1
    with PseudonymCache(tmp_path / "c") as cache:
        assert cache.next_sequence(1, "acoss") == 4


def test_an_epoch_is_bound_to_its_custodians_keys(tmp_path: Path) -> None:
    first, second = agreement(keyrings()), agreement(keyrings())
    with PseudonymCache(tmp_path / "c") as cache:
        cache.bind("demo", second.epochs[0])
        cache.bind("demo", first.epochs[0])  # nothing was made with the other keys
        cache.store(1, "acoss", np.array([3]), [output("acoss", 3)])
        cache.bind("demo", first.epochs[0])
        cache.bind("demo", second.epochs[1])
        for convention_id, epoch in (("demo", second.epochs[0]), ("other", first.epochs[0])):
            assert keys_digest(convention_id, epoch) != keys_digest("demo", first.epochs[0])
            with pytest.raises(StateError, match="keys changed"):
                cache.bind(convention_id, epoch)


def test_pseudonyms_turn_back_into_sirens_where_they_are_known(tmp_path: Path) -> None:
    cache = filled(tmp_path / "c", [3, 552100554])
    cache.combine(1, NAMES)
    known = cache.table(1)["pseudonym"].to_pylist()
    asked = pa.array([known[1], bytes(16), known[0], None, known[1]], pa.binary(16))
    assert cache.reidentify(1, asked).to_pylist() == ["552100554", None, "000000003", None, "552100554"]
    assert cache.reidentify(2, asked).to_pylist() == [None] * 5
    assert cache.reidentify(1, asked.slice(0, 0)).to_pylist() == []
    cache.close()


@given(st.lists(st.integers(0, 999_999_999)))
def test_numbers_and_texts_of_sirens(numbers: list[int]) -> None:
    texts = [f"{one:09d}" for one in numbers]
    found = siren_numbers(texts)
    assert found.tolist() == sorted(set(numbers))
    assert siren_texts(found).to_pylist() == sorted(set(texts))
    assert siren_numbers(pa.chunked_array([texts, texts], pa.string())).tolist() == found.tolist()


@pytest.mark.parametrize(
    "wrong", ["", "12345678", "1234567890", "12345678x", "123456789\n", "-12345678", "١٢٣٤٥٦٧٨٩", None]
)
def test_what_is_no_siren_is_refused_without_naming_it(wrong: str | None) -> None:
    with pytest.raises(ValueError, match="nine digits") as caught:
        siren_numbers(pa.array(["123456789", wrong], pa.string()))
    assert "1234" not in str(caught.value)
