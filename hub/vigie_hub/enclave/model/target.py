"""What the model learns to foresee: a first collective proceeding, or a default, within the horizon.

Rules kept: a row is labelled only when its whole horizon is observed; a company already in proceedings (a *strong
signal*) is never a row, because telling what everybody knows would flatter every figure; for the target
``failure-or-default`` the same holds for a company that is in default.
"""

import numpy as np
import numpy.typing as npt

from vigie.errors import MalformedConvention
from vigie_hub.enclave.features import Group

SOURCES = {
    "failure": ("proceedings.effective_date",),
    "failure-or-default": (
        "proceedings.effective_date",
        "debts.employee_share",
        "debts.employer_share",
        "contributions.contribution_due",
    ),
}
"""Columns that the outcome itself is made from, for each target that a purpose may have."""


def outcomes(group: Group, target: str, horizon: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
    """Which training candidates count, and what became of them.

    Args:
        group: the companies' features; every candidate's month + ``horizon`` is observed.
        target: ``failure`` (a first proceeding dated after the month and at most ``horizon`` months later), or
            ``failure-or-default`` (that, or three consecutive months with a debt ratio above 1 that end in them).
        horizon: months looked ahead.

    Returns:
        A mask over the candidates, and their outcomes (0 or 1), both of length t.

    Raises:
        MalformedConvention: another target.
    """
    if target not in SOURCES:
        raise MalformedConvention(f"there is no target {target[:40]!r}", hint=f"targets are {', '.join(SOURCES)}")
    month = group.month.astype(np.int64)
    ahead = group.proceeding[group.company].astype(np.int64) - month
    counts = ahead > 0
    bad = counts & (ahead <= horizon)
    if target == "failure-or-default":
        column = month - group.first
        # defaults[c, m]: months in default among the first m of the grid, so a window is one difference.
        defaults = np.zeros((len(group.keys), group.in_default.shape[1] + 1), np.int64)
        np.cumsum(group.in_default, axis=1, out=defaults[:, 1:])
        last = np.minimum(column + 1 + horizon, defaults.shape[1] - 1)
        bad |= counts & (defaults[group.company, last] > defaults[group.company, column + 1])
        counts &= ~group.in_default[group.company, column]
    return counts, bad.astype(np.uint8)


def strong_signals(group: Group, period: int) -> npt.NDArray[np.bool_]:
    """Companies with a proceeding at or before the period: scored, but given no alert level."""
    return np.asarray(group.proceeding <= period)
