"""The second pass: where a company's value stands among those of its sector in that month.

What is said of a company here depends on all others, so it is worked out when every group of companies has been computed:
the first pass leaves the value itself in the column, and :func:`place_in_sectors` puts the place in its stead.  A *cell* is one division
of the NAF in one month.  Its usual range is the median and the quartiles of the known values of the companies that have a
row in that month, those already in proceedings left out; a place is ``(value - median) / (third - first quartile)``.

Rules kept:

* **Point in time.**  A cell holds rows of one month, each made of what was known by its end, and a company's division is the
  one that the register gave by then.
* **No order can matter.**  Quartiles are taken of sorted values, so neither the keys, the groups nor the order of rows show.
* **Unknown stays unknown**: without a division, in a cell of fewer than :data:`LEAST` known values, or where the quartiles
  are equal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vigie_hub.enclave.features.catalogue import Catalogue
from vigie_hub.enclave.features.group import Group

LEAST: Final = 20
"""Fewest known values of a cell that has a usual range."""

Values = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int64]

_QUARTILES: Final = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Ranges:
    """The usual range of each cell; NaN where there are too few values.

    Attributes:
        first: first quartile, by cell.
        median: by cell.
        third: third quartile, by cell.
    """

    first: Values
    median: Values
    third: Values


def usual_ranges(values: Values, cells: Cells, count: int, least: int = LEAST) -> Ranges:
    """Median and quartiles (linear between neighbours) of the known values of each cell.

    Args:
        values: of one feature; unknown is NaN.
        cells: the cell of each, 0 to ``count`` - 1, or -1 for a value that belongs to none.
        count: number of cells.
        least: fewest known values of a range.
    """
    counted = (cells >= 0) & ~np.isnan(values)
    some, where = values[counted], cells[counted]
    ordered = some[np.lexsort((some, where))]
    sizes = np.bincount(where, minlength=count)
    starts = np.cumsum(sizes) - sizes
    enough = sizes >= max(least, 1)
    result = np.full((len(_QUARTILES), count), np.nan)
    for row, share in enumerate(_QUARTILES):
        rank = (sizes[enough] - 1) * share
        low = np.floor(rank).astype(np.int64)
        high = np.minimum(low + 1, sizes[enough] - 1)
        left, right = ordered[starts[enough] + low], ordered[starts[enough] + high]
        with np.errstate(invalid="ignore"):
            result[row, enough] = left + (rank - low) * (right - left)
    return Ranges(*result)


def place_in_sectors(groups: Sequence[Group], catalogue: Catalogue, least: int = LEAST) -> None:
    """Finish the groups of a whole panel: put places in sectors where :func:`compute` left the values.  In place, once.

    Args:
        groups: all groups of the panel.
        catalogue: whose features their columns are.
        least: fewest known values of a cell.
    """
    columns = [number for number, feature in enumerate(catalogue.features) if feature.in_sector]
    rows = sum(len(group.month) + len(group.keys) for group in groups)
    if not columns or not rows:
        return
    found = [_rows(group) for group in groups]
    # Cells are numbered anew, so that their number is that of those that exist.
    told = np.concatenate([cells for cells, _ in found])
    names, numbers = np.unique(told, return_inverse=True)
    cells = np.where(told >= 0, numbers, -1)
    inside = np.where(np.concatenate([judged for _, judged in found]), cells, -1)
    for column in columns:
        values = np.concatenate(
            [part for group in groups for part in (group.candidates[:, column], group.scored[:, column])]
        )
        _write(groups, column, _placed(values, cells, usual_ranges(values, inside, len(names), least)))


def _rows(group: Group) -> tuple[Cells, npt.NDArray[np.bool_]]:
    """The cell of each row, candidates first, and whether it counts in its range."""
    sector = np.concatenate([group.candidate_sector, group.sector]).astype(np.int64)
    month = np.concatenate([group.month, np.full(len(group.keys), group.period, np.int32)]).astype(np.int64)
    proceeding = np.concatenate([group.proceeding[group.company], group.proceeding])
    return np.where(sector >= 0, (sector << 32) | month, -1), proceeding > month


def _placed(values: Values, cells: Cells, ranges: Ranges) -> Values:
    with np.errstate(invalid="ignore", divide="ignore"):
        width = ranges.third - ranges.first
        result = (values - ranges.median[cells]) / np.where(width > 0, width, np.nan)[cells]
    result[(cells < 0) | ~np.isfinite(result)] = np.nan
    return result + 0.0


def _write(groups: Sequence[Group], column: int, placed: Values) -> None:
    at = 0
    for group in groups:
        for matrix in (group.candidates, group.scored):
            matrix[:, column] = placed[at : at + len(matrix)]
            at += len(matrix)
