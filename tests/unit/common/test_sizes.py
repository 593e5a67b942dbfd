import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vectors import FOLDER
from vigie.sizes import count_class, size_class


def test_classes_are_those_of_the_vectors() -> None:
    vectors = json.loads((FOLDER / "sizes/classes.json").read_text())
    assert [[n, size_class(n)] for n, _ in vectors["bytes"]] == vectors["bytes"]
    assert [[n, count_class(n)] for n, _ in vectors["counts"]] == vectors["counts"]


@given(st.integers(0, 2**50), st.sampled_from([1, 1024]))
def test_a_class_holds_its_content_and_wastes_less_than_half_of_it(n: int, unit: int) -> None:
    found = size_class(n, unit=unit)
    assert found >= n
    assert found == 4 * unit or found * 2 <= n * 3 + 2 * unit
    assert size_class(found, unit=unit) == found


def test_a_cap_is_kept_and_a_negative_size_refused() -> None:
    assert size_class(2**20, cap=2**20) == 2**20
    with pytest.raises(ValueError, match="does not fit"):
        size_class(2**20 + 1, cap=2**20)
    with pytest.raises(ValueError, match="negative"):
        size_class(-1)
    with pytest.raises(ValueError, match="negative"):
        count_class(-1)
