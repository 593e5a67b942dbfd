"""The ranking on generated files beside what is simple: a logistic regression with the programme's variables, and its rule.

All three are judged on the rows by which a run judges its own model: months one horizon after everything that was learnt
from, companies that nothing was learnt from, companies in proceedings left out.  No quality on real data may be claimed
from generated files; what they show is whether the trees use what is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import optimize

from bench.central import panel_of
from vigie_hub.enclave.features import Catalogue
from vigie_hub.enclave.model import Panel, split
from vigie_hub.enclave.model.learning import learn
from vigie_hub.enclave.model.measures import Ranked, measure
from vigie_hub.enclave.model.resampling import intervals

Floats = npt.NDArray[np.float64]
Figure = tuple[float, float, float]

G2_VARIABLES = (
    "short_time_hours_12m", "short_time_ratio", "debt_ratio", "debt_per_head", "debt_change_3m", "supplier_delay",
    "working_capital_weight", "margin_rate", "tax_and_social_debt_weight", "short_term_bank_debt_weight",
    "financial_cost_weight", "headcount",
)  # fmt: skip
"""Those of the 2021 logistic models (debt ratio and change of debt per head, short-time work, ratios of the accounts, delays
of payment) that the catalogue has."""
RULE = "debt_ratio"
TREES = "trees"
FIGURES = {"aucpr": "aucpr", "top_1": "top_1.precision"}
"""Name of a figure here to its name among the measures of a run."""
_PENALTY = 1.0


@dataclass(frozen=True)
class Said:
    """What each of the three says of the same rows of one world.

    Attributes:
        scores: name of the ranking to its scores; length rows.
        labels, company: of each row; length rows.
    """

    scores: Mapping[str, Floats]
    labels: npt.NDArray[np.uint8]
    company: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Compared:
    """AUCPR and precision in the top 1 %, with 95 % intervals: means over the worlds.

    Attributes:
        rows, failing: test rows, and failing companies among them.
        base_rate: of the rows.
        figures: name → figure → (value, low, high).
        lead: name of what is simple → figure → by how much the trees are above it, on the same resamples.
    """

    rows: int
    failing: int
    base_rate: float
    figures: Mapping[str, Mapping[str, Figure]]
    lead: Mapping[str, Mapping[str, Figure]]

    @property
    def better(self) -> bool:
        """Whether the trees are above the others in both figures beyond what chance would do."""
        return all(low > 0 for one in self.lead.values() for _, low, _ in one.values())


def say(panel: Panel, catalogue: Catalogue) -> Said:
    """Train the three on the same rows of a panel and let them score the same others.

    Raises:
        ValueError: the panel is too short or too small to be judged.
    """
    learnt = learn(panel, catalogue.names)
    judged = learnt.judged
    if judged is None:
        raise ValueError(f"nothing to judge by: {learnt.unjudged}")
    failing = np.zeros(panel.companies, np.bool_)
    failing[panel.company[panel.labels == 1]] = True
    part = split.parts(panel.same, failing)
    windows = judged.windows
    fit = np.concatenate(
        [
            split.rows_in(panel.month, windows.fit, panel.company, part == split.FIT),
            split.rows_in(panel.month, windows.calibration, panel.company, part == split.HELD),
        ]
    )
    names = [name for name in G2_VARIABLES if name in catalogue.names]
    places = np.array([catalogue.names.index(name) for name in names])
    test = judged.rows
    ratio = panel.values[test, catalogue.names.index(RULE)]
    scores = {
        TREES: judged.score,
        "logistic": logistic(panel.values[np.ix_(fit, places)], panel.labels[fit], panel.values[np.ix_(test, places)]),
        "rule": np.where(np.isnan(ratio), 0.0, ratio > 1).astype(np.float64),
    }
    return Said(scores, panel.labels[test], panel.company[test])


def compare(worlds: Sequence[Said]) -> Compared:
    """Judge what was said of one world or several; companies are resampled over all of them at once."""
    company: list[npt.NDArray[np.int64]] = []
    starts = [0]
    for one in worlds:
        company.append(one.company.astype(np.int64) + (int(company[-1][-1]) + 1 if company else 0))
        starts.append(starts[-1] + len(one.labels))
    ranked = [{name: Ranked.of(score, one.labels) for name, score in one.scores.items()} for one in worlds]

    def measured(weights: Floats) -> dict[str, Floats]:
        found: dict[str, Floats] = {}
        for name in worlds[0].scores:
            each = [
                measure(world[name], weights[:, begin:end], {})
                for world, begin, end in zip(ranked, starts[:-1], starts[1:], strict=True)
            ]
            for figure, key in FIGURES.items():
                found[f"{name} {figure}"] = np.mean([one[key] for one in each], axis=0)
        for name in worlds[0].scores:
            for figure in FIGURES:
                found[f"lead {name} {figure}"] = found[f"{TREES} {figure}"] - found[f"{name} {figure}"]
        return found

    found = intervals(np.concatenate(company), measured)
    labels = np.concatenate([one.labels for one in worlds])
    return Compared(
        rows=len(labels),
        failing=sum(len(np.unique(one.company[one.labels == 1])) for one in worlds),
        base_rate=float(labels.mean()),
        figures={name: {one: found[f"{name} {one}"] for one in FIGURES} for name in worlds[0].scores},
        lead={
            name: {one: found[f"lead {name} {one}"] for one in FIGURES} for name in worlds[0].scores if name != TREES
        },
    )


def logistic(values: Floats, labels: npt.NDArray[np.uint8], wanted: Floats) -> Floats:
    """A logistic regression with an L2 penalty: columns scaled by their quantiles, cut at five scales, unknown as the middle
    with a column that says so, the rare outcome weighed as much as the other.
    """
    middle = np.nan_to_num(np.nanmedian(values, axis=0))
    low, high = np.nan_to_num(np.nanquantile(values, (0.01, 0.99), axis=0))
    scale = np.where(high > low, (high - low) / 4, 1.0)

    def made(matrix: Floats) -> Floats:
        known = np.clip((np.nan_to_num(matrix - middle) / scale), -5, 5)
        return np.column_stack([np.ones(len(matrix)), known, np.isnan(matrix)])

    x, y = made(values), labels.astype(np.float64)
    weight = np.where(y == 1, (len(y) - y.sum()) / y.sum(), 1.0)
    weight /= weight.mean()

    def loss(beta: Floats) -> tuple[float, Floats]:
        z = x @ beta
        probability = 1 / (1 + np.exp(-np.clip(z, -50, 50)))
        penalty = _PENALTY * np.append(0.0, beta[1:]) / len(y)
        value = np.mean(weight * (np.logaddexp(0, z) - y * z)) + penalty @ beta / 2
        return float(value), x.T @ (weight * (probability - y)) / len(y) + penalty

    fitted = optimize.minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    return np.asarray(made(wanted) @ fitted.x, np.float64)


def of_files(folder: Path, period: str, target: str = "failure") -> Said:
    """Let the three score the canonical files of a folder."""
    panel, catalogue = panel_of(folder, period, target=target)
    return say(panel, catalogue)
