"""What is usual in a company's sector: the range that a reason's value is told against (docs/spec/result.md, section 3).

A range is the first and the third quartile of one feature among the companies of one division of the NAF that are scored in
this run, those already in proceedings left out.  It is an aggregate over other companies' data: it is told only where the
feature itself may be, of enough companies, and rounded, because a quartile of few values is nearly one company's own.
"""

import math
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from vigie.convention import Disclosure
from vigie_hub.enclave.features.sectors import LEAST, usual_ranges
from vigie_hub.enclave.model import Panel

SECTOR_SOURCES: Final = ("legal_units.as_of", "legal_units.activity_division")
"""Columns that a company's sector is known from: a range carries their labels too."""

DIGITS: Final = 2
"""Significant digits of a range."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Usual:
    """The usual ranges of one run; each feature's are worked out once, when the first reason names it.

    Attributes:
        values: features of the companies scored, shape (n, features); unknown is NaN.
        sector: division of the NAF of each, -1 unknown; length n.
        counted: whether each counts in its sector's range; length n.
        least: fewest known values, each of another company, of a range that is told.
    """

    values: Floats
    sector: npt.NDArray[np.int64]
    counted: npt.NDArray[np.bool_]
    least: int
    _made: dict[int, tuple[Floats, Floats]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, panel: Panel, rule: Disclosure) -> Self:
        """Over the companies of a panel, under the disclosure rule of the convention."""
        return cls(panel.scored, panel.scored_sector.astype(np.int64), ~panel.strong, least_of(rule))

    def range(self, feature: int) -> tuple[Floats, Floats]:
        """Low and high end of the usual range of a feature, for each company scored; NaN where there is none.

        Args:
            feature: index into the catalogue.
        """
        if feature not in self._made:
            cells = np.where(self.counted, self.sector, -1)
            count = int(self.sector.max(initial=-1)) + 1
            found = usual_ranges(self.values[:, feature], cells, count, self.least)
            # One more cell, which -1 reads: companies whose sector is not known.
            low, high = (np.array([*map(_rounded, quartile), np.nan]) for quartile in (found.first, found.third))
            self._made[feature] = low[self.sector], high[self.sector]
        return self._made[feature]


def least_of(rule: Disclosure) -> int:
    """Fewest companies of a range: what a place in a sector needs, and what the disclosure rule wants of a cell."""
    return max(LEAST, rule.minimum_cell, math.ceil(1 / rule.dominance))


def _rounded(value: float) -> float:
    """To :data:`DIGITS` significant digits, decimal, so that the last bit is the same everywhere; never -0."""
    return float(f"{value:.{DIGITS - 1}e}") + 0.0 if math.isfinite(value) else math.nan
