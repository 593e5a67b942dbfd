"""What the model learns to foresee: a first collective proceeding, a default, or what a column of a declared dataset says.

Rules kept: a row is labelled only when its whole horizon is observed; a company already in proceedings (a *strong
signal*) is never a row, because telling what everybody knows would flatter every figure; for a target with defaults the
same holds for a company that is in default.  A declared target has its labels from the partner that owns its dataset, and
none of these rules: whatever carries a label is a row.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from vigie.errors import MalformedConvention
from vigie_hub.enclave.features import Group

_PROCEEDINGS: Final = ("proceedings.effective_date",)
_DEBTS: Final = ("debts.employee_share", "debts.employer_share", "contributions.contribution_due")

SOURCES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"failure": _PROCEEDINGS, "default": _DEBTS, "failure-or-default": (*_PROCEEDINGS, *_DEBTS)}
)
"""Columns that the outcome itself is made from, for each target that is worked out."""

Mask = npt.NDArray[np.bool_]


def declared(target: str) -> bool:
    """Whether a target is a column of a declared dataset, written ``dataset.column``."""
    return "." in target


def outcomes(group: Group, target: str, horizon: int) -> tuple[Mask, npt.NDArray[np.uint8]]:
    """Which training candidates count, and what became of them.

    Args:
        group: the companies' features; every candidate's month + ``horizon`` is observed, unless the target is declared.
        target: ``failure`` (a first proceeding dated after the month and at most ``horizon`` months later), ``default``
            (three consecutive months with a debt ratio above 1 that end in them), ``failure-or-default`` (either), or a
            column ``dataset.column``.
        horizon: months looked ahead; a declared target does not look at it.

    Returns:
        A mask over the candidates, and their outcomes (0 or 1), both of length t.

    Raises:
        MalformedConvention: another target.
    """
    if declared(target):
        return group.label >= 0, np.maximum(group.label, 0).astype(np.uint8)
    if target not in SOURCES:
        raise MalformedConvention(f"there is no target {target[:40]!r}", hint=f"targets are {', '.join(SOURCES)}")
    counts = ~strong_candidates(group)
    bad = np.zeros(len(group.month), np.bool_)
    if target != "default":
        ahead = group.proceeding[group.company].astype(np.int64) - group.month
        bad |= ahead <= horizon
    if target != "failure":
        column = group.month.astype(np.int64) - group.first
        # defaults[c, m]: months in default among the first m of the grid, so a window is one difference.
        defaults = np.zeros((len(group.keys), group.in_default.shape[1] + 1), np.int64)
        np.cumsum(group.in_default, axis=1, out=defaults[:, 1:])
        last = np.minimum(column + 1 + horizon, defaults.shape[1] - 1)
        bad |= defaults[group.company, last] > defaults[group.company, column + 1]
        counts &= ~group.in_default[group.company, column]
    return counts, (counts & bad).astype(np.uint8)


def strong_candidates(group: Group) -> Mask:
    """Training candidates in or after the month of a first proceeding: never trained on, and reported apart."""
    return np.asarray(group.proceeding[group.company] <= group.month)


def strong_signals(group: Group, period: int) -> Mask:
    """Companies with a proceeding at or before the period: scored, but given no alert level."""
    return np.asarray(group.proceeding <= period)
