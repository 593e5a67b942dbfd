"""Real panels of companies, cut among three partners, and what one process makes of the whole table.

Nothing here is the product's: the cut, the folds and the figures are worked out with numpy, and the scores by plain
LightGBM on the table sorted by key, its columns in the order of the file (tests/data/bankruptcy/SOURCE.md).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from vigie.demo.sirens import check_digit

FOLDER: Final = Path(__file__).parents[1] / "data" / "bankruptcy"
LABELS: Final = {"acoss": "urssaf", "banque-de-france": "bdf", "travail": "dgefp"}
"""What a partner's columns are labelled."""
SETTINGS: Final[dict[str, Any]] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 20, "max_bin": 255,
    "deterministic": True, "force_row_wise": True, "seed": 0, "num_threads": 2, "verbose": -1,
}  # fmt: skip
"""docs/spec/run.md section 3, ``plain``."""
ROUNDS: Final = 300

Matrix = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_POLISH_DEBTS: Final = {2, 4, 12, 15, 16, 26, 30, 32, 33, 34, 40, 41, 46, 50, 51, 52, 62, 63}
_POLISH_ACTIVITY: Final = {5, 9, 13, 20, 21, 36, 42, 43, 44, 45, 47, 56, 58, 60, 61, 64}
_TAIWAN_DEBTS: Final = re.compile(
    r"liabilit|debt|borrow|interest|\btax|current ratio|quick ratio|credit interval", re.IGNORECASE
)
_TAIWAN_ACTIVITY: Final = re.compile(r"per person|expense|turnover|revenue|operating profit", re.IGNORECASE)


def _polish(name: str) -> str:
    number = int(name.removeprefix("Attr"))
    if number in _POLISH_DEBTS:
        return "acoss"
    return "travail" if number in _POLISH_ACTIVITY else "banque-de-france"


def _taiwan(name: str) -> str:
    if _TAIWAN_DEBTS.search(name):
        return "acoss"
    return "travail" if _TAIWAN_ACTIVITY.search(name) else "banque-de-france"


def _credit(name: str) -> str:
    if name.startswith("PAY_"):
        return "acoss"
    return "travail" if name in ("SEX", "EDUCATION", "MARRIAGE", "AGE") else "banque-de-france"


@dataclass(frozen=True)
class Published:
    """What a centralised fit of this set reached: means over the folds, and the Brier score of all rows."""

    auc: float
    aucpr: float
    brier: float


@dataclass(frozen=True)
class Kind:
    """A set: its file, its column of outcomes, whose each column is, the folds, and what was published of it."""

    file: str
    outcome: str
    owner: Callable[[str], str]
    folds: int
    published: Published
    left_out: tuple[str, ...] = ()


KINDS: Final[Mapping[str, Kind]] = {
    "polish_1year": Kind("polish_1year", "class", _polish, 10, Published(0.9636, 0.8041, 0.0161)),
    "polish_2year": Kind("polish_2year_63attr", "class", _polish, 10, Published(0.9378, 0.7226, 0.0194)),
    "taiwan": Kind("taiwan", "Bankrupt?", _taiwan, 10, Published(0.9415, 0.5152, 0.0245)),
    "credit": Kind(
        "uci_default_credit", "default.payment.next.month", _credit, 5, Published(0.7794, 0.5600, 0.1344), ("ID",)
    ),
}


@dataclass(frozen=True)
class Panel:
    """A table of companies, one row each, sorted by SIREN.

    Attributes:
        name: of the set.
        sirens: nine digits each, ascending, most with leading zeros; length n.
        columns: names as in the file.
        owners: partner of each column.
        whole: which columns hold whole numbers in the file.
        values: shape (n, columns); what is not known is NaN.
        outcome: 0 or 1; length n.
        fold: in which fold each row is tested; length n.
        folds: how many there are.
        published: of the set.
        present: for each partner, whether it has a row of each company.
    """

    name: str
    sirens: tuple[str, ...]
    columns: tuple[str, ...]
    owners: tuple[str, ...]
    whole: tuple[bool, ...]
    values: Matrix
    outcome: Integers
    fold: Integers
    folds: int
    published: Published
    present: Mapping[str, npt.NDArray[np.bool_]]

    @classmethod
    def read(cls, name: str) -> "Panel":
        """Read a set; the SIREN of a row is made from its number, so that sorting by SIREN keeps the file's order."""
        kind = KINDS[name]
        table = pq.read_table(FOLDER / f"{kind.file}.parquet")
        columns = [column for column in table.column_names if column not in (kind.outcome, *kind.left_out)]
        values = np.column_stack([table.column(column).cast(pa.float64()).to_numpy() for column in columns])
        outcome = table.column(kind.outcome).cast(pa.int64()).to_numpy()
        numbers = np.arange(1, table.num_rows + 1, dtype=np.int64)
        return cls(
            name=name,
            sirens=tuple(f"{number:09d}" for number in (numbers * 10 + check_digit(numbers)).tolist()),
            columns=tuple(columns),
            owners=tuple(map(kind.owner, columns)),
            whole=tuple(pa.types.is_integer(table.schema.field(column).type) for column in columns),
            values=values,
            outcome=outcome,
            fold=stratified_folds(outcome, kind.folds),
            folds=kind.folds,
            published=kind.published,
            present={partner: np.ones(table.num_rows, np.bool_) for partner in LABELS},
        )

    def withheld(self, share: float, seed: int) -> "Panel":
        """The same where each partner does not know a share of the companies: those cells are empty."""
        random = np.random.default_rng(seed)
        present = {partner: random.random(len(self.sirens)) >= share for partner in LABELS}
        values = self.values.copy()
        for partner, there in present.items():
            mine = [place for place, owner in enumerate(self.owners) if owner == partner]
            values[np.ix_(~there, np.array(mine))] = np.nan
        return replace(self, values=values, present=present)

    def places(self, partner: str) -> list[int]:
        """Which columns are a partner's, in the file's order."""
        return [place for place, owner in enumerate(self.owners) if owner == partner]

    def reference(self, fold: int) -> Matrix:
        """What plain LightGBM, taught by the other folds, says of the rows of a fold."""
        known = self.fold != fold
        settings = {**SETTINGS, "bin_construct_sample_cnt": int(known.sum())}
        data = lightgbm.Dataset(self.values[known], self.outcome[known])
        return np.asarray(lightgbm.train(settings, data, ROUNDS).predict(self.values[~known]), np.float64)


def stratified_folds(outcome: Integers, folds: int, seed: int = 0) -> Integers:
    """The folds of scikit-learn's ``StratifiedKFold(folds, shuffle=True, random_state=seed)``, by its own steps."""
    random = np.random.RandomState(seed)
    _, first, inverse = np.unique(outcome, return_index=True, return_inverse=True)
    encoded = np.argsort(np.argsort(first))[inverse]  # classes by first appearance
    ordered = np.sort(encoded)
    shares = np.array([np.bincount(ordered[start::folds], minlength=len(first)) for start in range(folds)])
    found = np.empty(len(outcome), np.int64)
    for one in range(len(first)):
        dealt = np.arange(folds).repeat(shares[:, one])
        random.shuffle(dealt)
        found[encoded == one] = dealt
    return found


def auc(outcome: Integers, score: Matrix) -> float:
    """Area under the ROC curve; equal scores count half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    bad = int(outcome.sum())
    return float((ranks[outcome == 1].sum() - bad * (bad + 1) / 2) / (bad * (len(outcome) - bad)))


def aucpr(outcome: Integers, score: Matrix) -> float:
    """Average precision; equal scores are one step."""
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.cumsum(outcome[order])[last]
    return float((np.diff(hits, prepend=0) * hits / (last + 1)).sum() / outcome.sum())


def brier(outcome: Integers, score: Matrix) -> float:
    """Mean squared error of the announced probabilities."""
    return float(np.mean((score - outcome) ** 2))
