"""The usual range of a sector: of enough companies, of no company in proceedings, the same whatever keys and order."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.histories import Town
from vigie.convention import Disclosure
from vigie_hub.enclave.features.sectors import LEAST
from vigie_hub.enclave.model import Panel
from vigie_hub.enclave.usual import Usual, least_of

RULE = Disclosure(3, 0.85, 5)


def made(values: npt.NDArray[np.float64], sector: list[int], counted: list[bool], least: int = 1) -> Usual:
    return Usual(values[:, None], np.array(sector, np.int64), np.array(counted, np.bool_), least)


def test_a_range_is_the_quartiles_of_the_sector_to_two_digits() -> None:
    usual = made(np.array([0.0, 1.0, 2.0, 3.456, 1000.0]), [5, 5, 5, 5, 7], [True] * 5)
    low, high = usual.range(0)
    assert low.tolist() == [0.75] * 4 + [1000.0]
    assert high.tolist() == [2.4] * 4 + [1000.0]


def test_unknown_values_proceedings_and_unknown_sectors_do_not_count() -> None:
    usual = made(np.array([1.0, 3.0, np.nan, 99.0, 99.0]), [5, 5, 5, 5, -1], [True, True, True, False, True], 2)
    low, high = usual.range(0)
    assert low.tolist()[:4] == [1.5] * 4, "a company in proceedings is told what is usual, and counts for nothing"
    assert high.tolist()[:4] == [2.5] * 4
    assert np.isnan([low[4], high[4]]).all()


def test_a_cell_below_the_least_has_no_range_and_one_at_it_has() -> None:
    values = np.arange(float(2 * LEAST - 1))
    sector = [1] * LEAST + [2] * (LEAST - 1)
    low, high = made(values, sector, [True] * len(sector), least_of(RULE)).range(0)
    assert np.isfinite(low[:LEAST]).all()
    assert np.isnan(low[LEAST:]).all()
    assert np.isnan(high[LEAST:]).all()


@pytest.mark.parametrize(
    ("rule", "least"),
    [(RULE, LEAST), (Disclosure(50, 0.85, 5), 50), (Disclosure(3, 0.01, 5), 100), (Disclosure(LEAST, 1.0, 1), LEAST)],
)
def test_the_least_is_what_the_disclosure_rule_wants_too(rule: Disclosure, least: int) -> None:
    assert least_of(rule) == least


def test_nobody_has_no_range() -> None:
    low, high = made(np.zeros(0), [], []).range(0)
    assert len(low) == len(high) == 0


@given(st.permutations(list(range(30))))
def test_no_order_shows(order: list[int]) -> None:
    random = np.random.default_rng(4)
    values, sector = random.normal(size=30) * 1000, random.integers(-1, 3, 30)
    counted = random.random(30) < 0.8
    places = np.array(order)
    low, high = Usual(values[:, None], sector, counted, 2).range(0)
    again = Usual(values[places, None], sector[places], counted[places], 2).range(0)
    assert (again[0].tobytes(), again[1].tobytes()) == (low[places].tobytes(), high[places].tobytes())


def test_other_keys_and_groups_give_the_same_bits() -> None:
    town = Town.made(200, 24)

    def ranges(panel: Panel) -> list[tuple[bytes, ...]]:
        usual = Usual.of(panel, RULE)
        ends = [end for feature in range(panel.scored.shape[1]) for end in usual.range(feature)]
        assert any(np.isfinite(end).any() for end in ends)
        whole = np.column_stack([panel.scored, *ends])
        return sorted((row.tobytes(),) for row in whole)

    assert ranges(town.panel(0, 3)) == ranges(town.panel(5, 7))
