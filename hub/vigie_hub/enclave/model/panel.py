"""The whole matrix: what the groups of companies gave, put together for one training.

Labelled rows stand by company and month, companies in the order of their content (:mod:`.identity`): the same matrix
whatever the companies' keys are.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie_hub.enclave.features import Group
from vigie_hub.enclave.model.identity import digests
from vigie_hub.enclave.model.target import outcomes, strong_signals

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int32]

UNKNOWN: int = -1
"""Sector or département of a company of which it is not known."""


def _none() -> Integers:
    return np.zeros(0, np.int32)


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
        company: company of each labelled row, 0 … companies - 1, ascending; length t.
        month: month of each labelled row, length t.
        same: rank of each company's content, equal for equal content; length companies.
        proceeding: month of each company's first proceeding, or ``NEVER``; length companies.
        sector, departement: codes of each company, ``UNKNOWN`` where not known; length companies.
        scored_sector: division of the NAF of each company to score, ``UNKNOWN`` where not known; length n.
        horizon: months that the outcomes look ahead.
        plain: whether the purpose asks for the setting of an equality check: no weights, nothing held out.
    """

    keys: pa.Array
    scored: Matrix
    strong: npt.NDArray[np.bool_]
    values: Matrix
    labels: npt.NDArray[np.uint8]
    companies: int
    failing: int
    months: tuple[int, int] | None
    company: Integers = field(default_factory=_none)
    month: Integers = field(default_factory=_none)
    same: Integers = field(default_factory=_none)
    proceeding: Integers = field(default_factory=_none)
    sector: Integers = field(default_factory=_none)
    departement: Integers = field(default_factory=_none)
    scored_sector: Integers = field(default_factory=_none)
    horizon: int = 18
    plain: bool = False


@dataclass
class _Piece:
    """The labelled rows of one group, and what is known of its companies that have any."""

    values: Matrix
    labels: npt.NDArray[np.uint8]
    month: Integers
    starts: npt.NDArray[np.intp]
    facts: Integers
    digests: list[bytes]


class PanelBuilder:
    """Takes groups in ascending order of their keys and lets go of them when the panel is made.

    A target that names a column has no time in it, and chooses the plain setting (docs/spec/run.md section 3).
    """

    def __init__(self, *, target: str, horizon: int, period: int) -> None:
        self._target = target
        self._horizon = horizon
        self._period = period
        self._keys: list[pa.Array] = []
        self._scored: list[Matrix] = []
        self._strong: list[npt.NDArray[np.bool_]] = []
        self._sector: list[Integers] = []
        self._pieces: list[_Piece] = []

    def add(self, group: Group) -> None:
        """Take a group; its keys are all above those of the groups before."""
        counts, outcome = outcomes(group, self._target, self._horizon)
        self._keys.append(group.scored_keys)
        self._scored.append(group.scored[group.inside])
        self._strong.append(strong_signals(group, self._period)[group.inside])
        self._sector.append(group.sector[group.inside].astype(np.int32))
        company, starts = np.unique(group.company[counts], return_index=True)
        values, labels, month = group.candidates[counts], outcome[counts], group.month[counts]
        facts = np.column_stack([group.proceeding[company], group.sector[company], group.departement[company]]).astype(
            np.int32
        )
        found = digests(values, labels, month, starts, facts)
        self._pieces.append(_Piece(values, labels, month, starts, facts, found))

    def build(self) -> Panel:
        """The panel; the builder is empty afterwards."""
        pieces, self._pieces = self._pieces, []
        width = pieces[0].values.shape[1] if pieces else 0
        names = [name for piece in pieces for name in piece.digests]
        lengths = np.concatenate([np.diff([*piece.starts, len(piece.month)]) for piece in pieces] or [_none()])
        facts = np.concatenate([piece.facts for piece in pieces] or [np.zeros((0, 3), np.int32)])
        order = np.array(sorted(range(len(names)), key=names.__getitem__), np.intp)
        # begins[i]: the row of the whole matrix at which the rows of company i, as it came, begin.
        begins = np.zeros(len(names), np.intp)
        begins[order] = np.cumsum(lengths[order]) - lengths[order]
        rows = int(lengths.sum())
        values, labels, month = np.empty((rows, width)), np.empty(rows, np.uint8), np.empty(rows, np.int32)
        end = len(names)
        while pieces:  # from the last on, letting go of each: the peak is one matrix and one piece
            piece = pieces.pop()
            mine = slice(end - len(piece.digests), end)
            end = mine.start
            target = np.repeat(begins[mine] - piece.starts, lengths[mine]) + np.arange(len(piece.month))
            values[target], labels[target], month[target] = piece.values, piece.labels, piece.month
        company = np.repeat(np.arange(len(names), dtype=np.int32), lengths[order])
        return Panel(
            keys=pa.chunked_array(self._keys).combine_chunks() if self._keys else pa.array([], pa.binary()),
            scored=_join(self._scored),
            strong=np.concatenate(self._strong) if self._strong else np.zeros(0, np.bool_),
            values=values,
            labels=labels,
            companies=len(names),
            failing=len(np.unique(company[labels == 1])),
            months=(int(month.min()), int(month.max())) if rows else None,
            company=company,
            month=month,
            same=_ranks([names[place] for place in order]),
            proceeding=facts[order, 0],
            sector=facts[order, 1],
            departement=facts[order, 2],
            scored_sector=np.concatenate(self._sector) if self._sector else _none(),
            horizon=self._horizon,
            plain="." in self._target,
        )


def _ranks(ordered: list[bytes]) -> Integers:
    """Rank of each, equal for equals."""
    new = [place > 0 and one != ordered[place - 1] for place, one in enumerate(ordered)]
    return np.cumsum(new, dtype=np.int32) if new else _none()


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
