"""The disclosure rule (protocol section 8): what may be said in public of groups of companies.

A cell is told when at least ``minimum_cell`` companies are in it and none makes up more than ``dominance`` of it; nobody at
all is told too, for it is about nobody.  Counts are rounded.  Where one cell of several that add up to a known total is
withheld, a second one is as well: the first could be worked out otherwise.
"""

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vigie.convention import Disclosure

T = TypeVar("T")


def disclosed(count: int, rule: Disclosure) -> int | None:
    """A count as it may be published: rounded, or None when it is of fewer companies than a cell must have."""
    if 0 < count < rule.minimum_cell:
        return None
    return (count + rule.rounding // 2) // rule.rounding * rule.rounding


def may_tell(companies: npt.NDArray[np.integer], rule: Disclosure) -> bool:
    """Whether a cell may be told.

    Args:
        companies: the company of each row in the cell, 0 or above.
        rule: of the convention.
    """
    if not len(companies):
        return True
    counts = np.bincount(companies)
    counts = counts[counts > 0]
    return len(counts) >= rule.minimum_cell and bool(counts.max() <= rule.dominance * counts.sum())


def complementary(told: Mapping[str, T | None], size: Mapping[str, int]) -> dict[str, T | None]:
    """Withhold a second cell where exactly one is withheld: the smallest of the rest.

    Args:
        told: the cells, None for one that is withheld.
        size: of each cell; of equals the first name gives way.
    """
    withheld = [name for name, cell in told.items() if cell is None]
    result = dict(told)
    if len(withheld) == 1 and len(told) > 1:
        rest = sorted((size[name], name) for name in told if name not in withheld)
        result[rest[0][1]] = None
    return result
