"""The whole matrix: what the groups of companies gave, put together for one training."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie_hub.enclave.features import Group
from vigie_hub.enclave.model.target import outcomes, strong_signals

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Everything that training and scoring need.

    Attributes:
        keys: companies to score, ascending; length n.
        scored: their features, shape (n, features).
        strong: whether each is already in proceedings, length n.
        values: features of the labelled rows, shape (t, features).
        labels: their outcomes, length t.
        companies: number of companies among the labelled rows.
        failing: number of companies with a bad outcome among them.
        months: first and last month of the labelled rows, or None without any.
    """

    keys: pa.Array
    scored: Matrix
    strong: npt.NDArray[np.bool_]
    values: Matrix
    labels: npt.NDArray[np.uint8]
    companies: int
    failing: int
    months: tuple[int, int] | None


class PanelBuilder:
    """Takes groups in ascending order of their keys and lets go of them when the panel is made."""

    def __init__(self, *, target: str, horizon: int, period: int) -> None:
        self._target = target
        self._horizon = horizon
        self._period = period
        self._keys: list[pa.Array] = []
        self._scored: list[Matrix] = []
        self._strong: list[npt.NDArray[np.bool_]] = []
        self._values: list[Matrix] = []
        self._labels: list[npt.NDArray[np.uint8]] = []
        self._months: list[int] = []
        self._companies = 0
        self._failing = 0

    def add(self, group: Group) -> None:
        """Take a group; its keys are all above those of the groups before."""
        counts, outcome = outcomes(group, self._target, self._horizon)
        self._keys.append(group.scored_keys)
        self._scored.append(group.scored[group.inside])
        self._strong.append(strong_signals(group, self._period)[group.inside])
        self._values.append(group.candidates[counts])
        self._labels.append(outcome[counts])
        self._companies += len(np.unique(group.company[counts]))
        self._failing += len(np.unique(group.company[counts & (outcome == 1)]))
        if counts.any():
            self._months += [int(group.month[counts].min()), int(group.month[counts].max())]

    def build(self) -> Panel:
        """The panel; the builder is empty afterwards."""
        return Panel(
            keys=pa.chunked_array(self._keys).combine_chunks() if self._keys else pa.array([], pa.binary()),
            scored=_join(self._scored),
            strong=np.concatenate(self._strong) if self._strong else np.zeros(0, np.bool_),
            values=_join(self._values),
            labels=np.concatenate(self._labels) if self._labels else np.zeros(0, np.uint8),
            companies=self._companies,
            failing=self._failing,
            months=(min(self._months), max(self._months)) if self._months else None,
        )


def _join(pieces: list[Matrix]) -> Matrix:
    """Concatenate and let go of each piece on the way: the peak is one matrix and one piece."""
    width = pieces[0].shape[1] if pieces else 0
    whole = np.empty((sum(len(piece) for piece in pieces), width), np.float64)
    end = len(whole)
    while pieces:
        piece = pieces.pop()
        whole[end - len(piece) : end] = piece
        end -= len(piece)
    return whole
