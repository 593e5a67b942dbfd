"""What a grant lets its recipient see: which rows, which columns, which reasons (protocol section 9).

Rules kept, in this order:

1. A row is a company of the perimeter about which the recipient itself sent something that is not null, and that the
   grant's row rule selects.
2. An output is shown when the grant names it and holds every label of what it derives from, or when all signatories
   freed it by a declassification.
3. A reason is shown when the grant holds every label of that feature's sources.  All the others are folded into one
   figure, ``other_sources``, and only if two other organisations at least are in it; with exactly one, that figure and
   the exact totals it could be worked out from (score and topics) are withheld, and the level alone is given.
4. The usual range beside a reason carries the labels of its feature and those of the columns that tell a sector.
5. Contributions, topics and reasons are of the companies with an alert, and of those that the recipient itself asked for.
6. What is denied is null in every row and is named in ``withheld`` with the labels that were lacking; never 0 or false.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vigie.convention import Convention, Grant
from vigie.datasets import PSEUDONYM
from vigie.result import LEVELS, REASONS, TOPICS, schema
from vigie_hub.enclave.features import Catalogue, Feature
from vigie_hub.enclave.model import Scores
from vigie_hub.enclave.model.explanation import strongest, total
from vigie_hub.enclave.model.levels import NONE
from vigie_hub.enclave.usual import SECTOR_SOURCES, Usual

RANGE_COLUMNS: Final = tuple(f"reason_{number}{part}" for number in range(1, REASONS + 1) for part in ("_low", "_high"))
"""Columns of what is usual in a company's sector."""

REASON_COLUMNS: Final = (
    *(f"reason_{number}{part}" for number in range(1, REASONS + 1) for part in ("", "_contribution", "_value")),
    *RANGE_COLUMNS,
)
"""Columns of the reasons in a result."""


@dataclass(frozen=True)
class Entitlement:
    """What one grant opens in one run, before any row is looked at.

    Attributes:
        score: whether the score is shown.
        level: whether the level is shown.
        topics: whether the topic totals are shown.
        reasons: whether reasons are shown.
        ranges: whether the usual range of the sector is shown beside a reason.
        visible: indices of the features that may be named, in catalogue order.
        folded: indices of the features whose contributions make up ``other_sources``; empty when it is not shown.
        withheld: each denied column with the labels that the grant lacks for it, sorted; empty when nobody granted it.
    """

    score: bool
    level: bool
    topics: bool
    reasons: bool
    ranges: bool
    visible: tuple[int, ...]
    folded: tuple[int, ...]
    withheld: Mapping[str, tuple[str, ...]]


def entitlement(
    convention: Convention, grant: Grant, catalogue: Catalogue, present: Mapping[str, AbstractSet[str]]
) -> Entitlement:
    """Work out what a grant opens.

    Args:
        convention: in force.
        grant: one of its grants.
        catalogue: of the grant's purpose.
        present: for each dataset of this run, the partners whose lots were opened.
    """
    hidden = [
        place
        for place, feature in enumerate(catalogue.features)
        if not convention.may_receive(grant.name, catalogue.labels(feature))
    ]
    visible = [place for place in range(len(catalogue.features)) if place not in set(hidden)]
    owners = frozenset[str]().union(
        *(_secret_owners(convention, grant, catalogue, catalogue.features[place], present) for place in hidden)
    )
    reasons = _granted(convention, grant, "reasons")
    # With one other owner behind them, the hidden contributions are that owner's data: total minus what is shown.
    exact = not reasons or len(owners) != 1
    shown = {output: exact and _granted(convention, grant, output) for output in ("score", "topics")}
    level = _granted(convention, grant, "level")
    fold = reasons and len(owners) > 1
    sector = _sector_labels(catalogue)
    ranges = reasons and convention.may_receive(grant.name, sector)
    lacking = convention.purpose_labels(grant.purpose) - grant.labels
    unseen = frozenset[str]().union(*(catalogue.labels(catalogue.features[place]) for place in hidden)) - grant.labels
    withheld: dict[str, frozenset[str]] = {}
    withheld |= {} if shown["score"] else {"score": lacking}
    withheld |= {} if level else {"level": lacking}
    withheld |= {} if shown["topics"] else dict.fromkeys(TOPICS, lacking)
    withheld |= {} if reasons else dict.fromkeys(REASON_COLUMNS, frozenset[str]())
    withheld |= {} if ranges or not reasons else dict.fromkeys(RANGE_COLUMNS, sector - grant.labels)
    withheld |= {} if fold or (reasons and not owners) else {"other_sources": unseen}
    named = {column: tuple(sorted(labels)) for column, labels in withheld.items()}
    return Entitlement(
        shown["score"],
        level,
        shown["topics"],
        reasons,
        ranges,
        tuple(visible) if reasons else (),
        tuple(hidden) if fold else (),
        named,
    )


def rows_of(grant: Grant, scores: Scores, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Which companies are in the result, ascending.

    Args:
        grant: whose row rule counts.
        scores: of all companies of the perimeter.
        known: whether the recipient's own lots say anything about each of them.
    """
    chosen = known if grant.rows == "all" else known & (scores.level > NONE)
    return np.flatnonzero(chosen)


def table_of(
    entitled: Entitlement,
    rows: npt.NDArray[np.intp],
    scores: Scores,
    catalogue: Catalogue,
    usual: Usual,
    asked: npt.NDArray[np.bool_],
) -> pa.Table:
    """The rows of a result, in :func:`vigie.result.schema`.

    Args:
        entitled: what the grant opens.
        rows: ascending indices into the companies scored.
        scores: of all companies.
        catalogue: the features, for their names and topics.
        usual: ranges of the sectors.
        asked: whether this recipient asked for the reasons of each company scored.
    """
    # Where each row of the result is among the explained companies; -1 for one that this recipient is not told the why of:
    # what another one asked must not show.
    explained = np.full(len(scores.score), -1, np.intp)
    explained[scores.explanation.rows] = np.arange(len(scores.explanation.rows))
    explained[(scores.level <= NONE) & ~asked] = -1
    place = explained[rows]
    columns: dict[str, pa.Array] = {PSEUDONYM: scores.keys.take(pa.array(rows))}
    if entitled.level:
        columns["level"] = pa.array(
            [LEVELS[level] if level >= 0 else None for level in scores.level[rows]], pa.string()
        )
    if entitled.score:
        columns["score"] = pa.array(scores.score[rows], pa.float64())
    if entitled.topics:
        for column, topic in _topics(catalogue).items():
            columns[column] = _numbers(total(scores.explanation.contributions, topic), place)
    if entitled.reasons:
        columns |= _reasons(entitled, rows, place, scores, catalogue, usual)
    if entitled.folded:
        columns["other_sources"] = _numbers(total(scores.explanation.contributions, entitled.folded), place)
    wanted = schema()
    return pa.Table.from_arrays(
        [columns[field.name] if field.name in columns else pa.nulls(len(rows), field.type) for field in wanted],
        schema=wanted,
    )


def _granted(convention: Convention, grant: Grant, output: str) -> bool:
    return output in convention.purposes[grant.purpose].outputs and convention.may_receive(grant.name, output)


def _secret_owners(
    convention: Convention,
    grant: Grant,
    catalogue: Catalogue,
    feature: Feature,
    present: Mapping[str, AbstractSet[str]],
) -> set[str]:
    """Organisations, the recipient's own not counted, whose data this run has among the sources that it may not see."""
    own = convention.organisation_of(grant.recipient)
    owners = set()
    for source in feature.sources:
        dataset, _, column = source.partition(".")
        if not catalogue.definitions[dataset].column(column).labels <= grant.labels:
            owners |= {convention.organisation_of(partner) for partner in present.get(dataset, ())}
    return owners - {own}


def _topics(catalogue: Catalogue) -> dict[str, list[int]]:
    by_name = {french: column for column, (french, _english) in TOPICS.items()}
    result: dict[str, list[int]] = {column: [] for column in TOPICS}
    for place, feature in enumerate(catalogue.features):
        result[by_name[feature.topic.value]].append(place)
    return result


def _reasons(
    entitled: Entitlement,
    rows: npt.NDArray[np.intp],
    place: npt.NDArray[np.intp],
    scores: Scores,
    catalogue: Catalogue,
    usual: Usual,
) -> dict[str, pa.Array]:
    contributions = scores.explanation.contributions
    chosen = strongest(contributions, entitled.visible, REASONS)
    names = np.array([*catalogue.names, None], object)  # -1, no reason, reads the last
    columns = {}
    for number in range(REASONS):
        feature = np.full(len(rows), -1, np.intp)
        feature[place >= 0] = chosen[place[place >= 0], number]
        there = feature >= 0
        contribution = np.full(len(rows), np.nan)
        contribution[there] = contributions[place[there], feature[there]]
        value = np.full(len(rows), np.nan)
        value[there] = scores.values[rows[there], feature[there]]
        columns[f"reason_{number + 1}"] = pa.array(names[feature], pa.string())
        columns[f"reason_{number + 1}_contribution"] = pa.array(contribution, pa.float64(), from_pandas=True)
        columns[f"reason_{number + 1}_value"] = pa.array(value, pa.float64(), from_pandas=True)
        if entitled.ranges:
            low, high = _usual(feature, rows, usual)
            columns[f"reason_{number + 1}_low"] = pa.array(low, pa.float64(), from_pandas=True)
            columns[f"reason_{number + 1}_high"] = pa.array(high, pa.float64(), from_pandas=True)
    return columns


def _usual(
    feature: npt.NDArray[np.intp], rows: npt.NDArray[np.intp], usual: Usual
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The usual range of each row's reason, -1 for none."""
    low, high = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    for named in np.unique(feature[feature >= 0]).tolist():
        here = feature == named
        ends = usual.range(named)
        low[here], high[here] = ends[0][rows[here]], ends[1][rows[here]]
    return low, high


def _sector_labels(catalogue: Catalogue) -> frozenset[str]:
    """Labels of what tells a company's sector; none when the purpose does not read it, for then there are no ranges."""
    labels = frozenset[str]()
    for source in SECTOR_SOURCES:
        dataset, _, column = source.partition(".")
        if dataset in catalogue.definitions:
            labels |= catalogue.definitions[dataset].column(column).labels
    return labels


def _numbers(values: npt.NDArray[np.float64], place: npt.NDArray[np.intp]) -> pa.Array:
    result = np.full(len(place), np.nan)
    result[place >= 0] = values[place[place >= 0]]
    return pa.array(result, pa.float64(), from_pandas=True)
