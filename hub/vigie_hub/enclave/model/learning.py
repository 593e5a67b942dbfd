"""From a panel to a model, and to the rows that it may be judged by.

The same recipe runs twice: once as if a run had stood a gap and a test window earlier, to be judged by what happened
since, and once with all that is known now, for the model that scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from vigie.errors import Refused
from vigie_hub.enclave.model import split, training
from vigie_hub.enclave.model.calibration import isotonic
from vigie_hub.enclave.model.panel import Panel
from vigie_hub.enclave.model.stored import Model
from vigie_hub.enclave.model.thresholds import choose

Rows = npt.NDArray[np.int32]
Tell = Callable[[int, int], None]

SHORT: Final = "too few months"
FEW: Final = "too few failing companies"
ASKED: Final = "a declared outcome is learnt in the plain setting"


@dataclass(frozen=True)
class Judged:
    """A model of the past and what it said of rows that came a gap later, of companies that it had not seen.

    Attributes:
        model: of the past.
        rows: indices of the test rows into the panel, ascending.
        score: what the model says of each.
        windows: what was learnt from and when it is judged.
        companies: number of companies fitted on, calibrated on, judged by.
    """

    model: Model
    rows: Rows
    score: npt.NDArray[np.float64]
    windows: split.Windows
    companies: tuple[int, int, int]


@dataclass(frozen=True)
class Learnt:
    """The model that scores; ``judged`` is None, for the reason given, where nothing could be measured."""

    model: Model
    judged: Judged | None
    unjudged: str | None


def learn(panel: Panel, names: Sequence[str], tell: Tell | None = None) -> Learnt:
    """Train, and judge the recipe where the history is long enough.

    Raises:
        Refused: claim ``training``: the labelled rows have fewer than two outcomes.
    """
    if len(np.unique(panel.labels)) < 2:
        raise Refused("training", expected="both outcomes among the labelled rows", found="fewer")
    if panel.plain:
        return Learnt(_plain(panel, names, ASKED, tell), None, ASKED)
    if panel.months is None or len(panel.company) != len(panel.labels):
        return Learnt(_plain(panel, names, SHORT, tell), None, SHORT)
    failing = np.zeros(panel.companies, np.bool_)
    failing[panel.company[panel.labels == 1]] = True
    part = split.parts(panel.same, failing)
    windows = split.model_windows(*panel.months)
    if windows is None:
        return Learnt(_plain(panel, names, SHORT, tell), None, SHORT)
    fit, held = _rows(panel, windows.fit, part != split.HELD), _rows(panel, windows.calibration, part == split.HELD)
    if not _enough(panel, fit, held):
        return Learnt(_plain(panel, names, FEW, tell), None, FEW)
    judged, why = _judge(panel, names, part, tell)
    return Learnt(_fitted(panel, names, fit, held, windows, tell), judged, why)


def _judge(
    panel: Panel, names: Sequence[str], part: npt.NDArray[np.int8], tell: Tell | None
) -> tuple[Judged | None, str | None]:
    assert panel.months is not None  # noqa: S101 - learn() has asked
    windows = split.evaluation_windows(*panel.months, panel.horizon)
    if windows is None or windows.test is None:
        return None, SHORT
    fit = _rows(panel, windows.fit, part == split.FIT)
    held = _rows(panel, windows.calibration, part == split.HELD)
    test = _rows(panel, windows.test, part == split.TEST)
    if not _enough(panel, fit, held, test):
        return None, FEW
    # Its own bins: those of the whole matrix would know the test rows' features.
    past = _cut(panel, np.concatenate([fit, held]))
    model = _fitted(
        past, names, np.arange(len(fit), dtype=np.int32), np.arange(len(fit), len(past.labels), dtype=np.int32),
        windows, tell,
    )  # fmt: skip
    said = model.score(panel.values[test])
    counts = tuple(len(np.unique(panel.company[rows])) for rows in (fit, held, test))
    return Judged(model, test, said, windows, (counts[0], counts[1], counts[2])), None


def _cut(panel: Panel, rows: Rows) -> Panel:
    return Panel(
        panel.keys, panel.scored, panel.strong, panel.values[rows], panel.labels[rows], 0, 0, panel.months,
        company=panel.company[rows], month=panel.month[rows],
    )  # fmt: skip


def _fitted(
    panel: Panel, names: Sequence[str], fit: Rows, held: Rows, windows: split.Windows, tell: Tell | None
) -> Model:
    text, rounds, settings = training.train_held(panel.values, panel.labels, names, fit, held, tell)
    bare = Model("plain", None, tuple(names), rounds, settings, None, None, None, text)
    raw, labels = bare.raw(panel.values[held]), panel.labels[held]
    calibration = isotonic(raw, labels)
    score = calibration.apply(raw)
    kept = split.Windows(windows.fit, windows.calibration)
    return Model(
        "split", None, tuple(names), rounds, settings, kept, calibration, choose(score, labels), text
    )  # fmt: skip


def _plain(panel: Panel, names: Sequence[str], reason: str, tell: Tell | None) -> Model:
    booster = training.train(panel.values, panel.labels, names, tell)
    settings = {**training.SETTINGS, "bin_construct_sample_cnt": len(panel.labels)}
    text = booster.model_to_string()
    return Model("plain", reason, tuple(names), booster.num_trees(), settings, None, None, None, text)


def _rows(panel: Panel, window: tuple[int, int], chosen: npt.NDArray[np.bool_]) -> Rows:
    return split.rows_in(panel.month, window, panel.company, chosen)


def _enough(panel: Panel, *several: Rows) -> bool:
    return all(split.enough(panel.labels, panel.company, rows) for rows in several)
