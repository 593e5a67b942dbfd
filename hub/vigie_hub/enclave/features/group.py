"""The features of a group of companies, as arrays: what :func:`~vigie_hub.enclave.features.compute` gives."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Matrix = npt.NDArray[np.float64]
Months = npt.NDArray[np.int32]
Codes = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Group:
    """The features of a group of companies.

    Attributes:
        keys: companies that are scored or trained on, ascending; length n.
        inside: whether each is to be scored at the period; length n.
        scored: their features at the period, shape (n, features); unknown is NaN.
        company: index into ``keys`` of each training candidate, length t, ascending.
        month: month of each training candidate, length t.
        candidates: features of the training candidates, shape (t, features).
        candidate_sector: division of the NAF of each candidate's company, as the register said by its month, -1 unknown;
            length t.
        label: 0 or 1 as the target's column says of each candidate, -1 where no column is the target; length t.
        proceeding: month of each company's first proceeding, or ``NEVER``; length n.
        sector: division of the NAF of each company as the register said by the period, -1 unknown; length n.
        departement: place of its head office's département in :data:`vigie.datasets.departments.CATEGORIES`, from the
            same row, -1 unknown; length n.
        period: month of the scores.
        first: month of the first column of ``in_default``.
        in_default: whether a company is in default at each month up to the period, shape (n, months).
    """

    keys: pa.Array
    inside: npt.NDArray[np.bool_]
    scored: Matrix
    company: npt.NDArray[np.int32]
    month: Months
    candidates: Matrix
    candidate_sector: Codes
    label: npt.NDArray[np.int8]
    proceeding: Months
    sector: Codes
    departement: Codes
    period: int
    first: int
    in_default: npt.NDArray[np.bool_]

    @property
    def scored_keys(self) -> pa.Array:
        """The companies to be scored, ascending."""
        return self.keys.filter(pa.array(self.inside))
