"""The consolidation: bucket group by bucket group from sealed segments to features, then one training.

No decrypted table outlives its group of buckets, and its memory is overwritten; what stays is the matrix of features.  Groups hold about
:data:`GROUP_COMPANIES` companies, by the classes that the lots declare.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vigie.errors import Refused
from vigie.wiping import wipe_table
from vigie_hub.enclave.asked import Mask, asked, asks, by_anybody, seen
from vigie_hub.enclave.channel import Channel
from vigie_hub.enclave.features import PERIMETER, Catalogue, Group, catalogue_of, compute, connect, place_in_sectors
from vigie_hub.enclave.intake import NamedLot, Opened, Task
from vigie_hub.enclave.model import Panel, PanelBuilder, Scores, train_and_score
from vigie_hub.enclave.model.target import SOURCES, declared
from vigie_hub.enclave.months import parse_month
from vigie_hub.enclave.reading import LotRows, by_dataset, known_companies, merge, read_lot
from vigie_hub.enclave.usual import Usual

GROUP_COMPANIES: Final = 4000
"""About how many companies are held in clear at once."""

Tell = Callable[[str, int, int], None]
"""Takes the stage, what is done and the total."""


@dataclass(frozen=True)
class Consolidation:
    """What came out of the join and the model.

    Attributes:
        scores: of every company of the perimeter.
        panel: what the model was trained on.
        catalogue: the features.
        known: for each partner of the run, whether its lots say anything about each company scored.
        asked: for each partner of the run, whether it asks for the reasons of each company scored.
        present: for each dataset, the partners whose lots were opened.
        usual: what is usual in each company's sector.
    """

    scores: Scores
    panel: Panel
    catalogue: Catalogue
    known: Mapping[str, Mask]
    asked: Mapping[str, Mask]
    present: Mapping[str, frozenset[str]]
    usual: Usual


def consolidate(channel: Channel, task: Task, opened: Opened, tell: Tell, model: bytes | None = None) -> Consolidation:
    """Open, join, compute features, train – or take the ``model`` that was trained before – and score.

    Raises:
        Refused: claim ``perimeter``, ``segment``, ``rows`` or ``training``.
        MalformedFrame: the host breaks the protocol.
    """
    lots = [lot for lot in task.lots if lot.place in opened.keys]
    if task.purpose.perimeter not in {lot.body.partner for lot in lots if not asks(lot)}:
        raise Refused(
            "perimeter", expected=f"lots of {task.purpose.perimeter}, who decides the perimeter", found="none"
        )
    _check_listed(task, lots)
    convention = task.convention
    catalogue = catalogue_of(
        (convention.datasets[name].definition for name in task.purpose.datasets), task.purpose.target
    )
    builder = PanelBuilder(target=task.purpose.target, horizon=task.purpose.horizon, period=task.period)
    last_training = last_labelled(task, lots)
    partners = sorted({lot.body.partner for lot in lots})
    known: dict[str, list[Mask]] = {partner: [] for partner in partners}
    requests: dict[str, list[Mask]] = {partner: [] for partner in partners}
    # A place in a sector depends on every company, so all groups are computed before the first is taken.
    made: deque[Group] = deque()
    connection = connect()
    try:
        for first, last in groups([lot.body.companies_class for lot in lots], convention.buckets):
            clear: list[pa.Table] = []
            try:
                rows: list[LotRows] = []
                for lot in lots:
                    key = opened.keys[lot.place]
                    rows.append(read_lot(channel, lot, key, convention.id, convention.buckets, first, last))
                    clear.append(rows[-1].rows)
                    del key
                told = [one for one in rows if not asks(one.lot)]
                tables = {name: merge(connection, found) for name, found in by_dataset(told).items()}
                clear += tables.values()
                own = [one for one in told if one.lot.body.partner == task.purpose.perimeter]
                perimeter = {name: merge(connection, found) for name, found in by_dataset(own).items()}
                clear += perimeter.values()
                group = compute(
                    connection,
                    tables,
                    perimeter=perimeter,
                    catalogue=catalogue,
                    period=task.period,
                    last_training=last_training,
                )
                made.append(group)
                for partner in partners:
                    known[partner].append(_known(told, partner, group.scored_keys))
                    mask, made_here = asked(connection, rows, partner, group.scored_keys, task.period)
                    requests[partner].append(mask)
                    clear += made_here
                    del made_here
                del rows, told, own, tables, perimeter, group
            finally:
                # Whatever came of it: features are copies, and nothing else may look at these rows again.
                for table in clear:
                    wipe_table(table)
            tell("features", last + 1, convention.buckets)
    finally:
        connection.close()
        opened.keys.clear()  # every lot has been read; training needs no key
    place_in_sectors(made, catalogue)
    while made:
        builder.add(made.popleft())
    panel = builder.build()
    if not len(panel.keys) and PERIMETER in _present(lots):
        raise Refused("perimeter", expected="companies that the perimeter's lot names for the period", found="none")
    knows = {partner: np.concatenate(pieces) for partner, pieces in known.items()}
    wanted = seen({partner: np.concatenate(pieces) for partner, pieces in requests.items()}, knows)
    scores = train_and_score(
        panel,
        catalogue,
        lambda done, total: tell("training", done, total),
        model=model,
        asked=by_anybody(wanted.values(), len(panel.keys)),
    )
    return Consolidation(
        scores,
        panel,
        catalogue,
        knows,
        wanted,
        _present(lots),
        Usual.of(panel, convention.disclosure),
    )


def _check_listed(task: Task, lots: list[NamedLot]) -> None:
    """A lot that says who is scored must be opened where there is one: without it others would be."""
    if any(lot.body.dataset == PERIMETER for lot in task.lots) and PERIMETER not in _present(lots):
        raise Refused("perimeter", expected="keys to the lot that names the companies", found="none")


def groups(companies: Sequence[int], buckets: int) -> Iterator[tuple[int, int]]:
    """First and last bucket of each group, in order, by how many companies each lot says it has."""
    step = max(1, min(buckets, GROUP_COMPANIES * buckets // max(1, *companies)))
    for first in range(0, buckets, step):
        yield first, min(first + step, buckets) - 1


def last_labelled(task: Task, lots: list[NamedLot]) -> int:
    """Last month whose whole horizon was observed: by the order's period and by the lots that tell outcomes.

    A declared target is observed when its label is given, so the period itself is the last month.
    """
    if declared(task.purpose.target):
        return task.period
    telling = {source.partition(".")[0] for source in SOURCES.get(task.purpose.target, ())}
    newest: dict[str, int] = {}
    for lot in lots:
        if lot.body.dataset in telling:
            month = parse_month(lot.body.period)
            newest[lot.body.dataset] = max(newest.get(lot.body.dataset, month), month)
    return min(task.period, *newest.values(), task.period) - task.purpose.horizon


def _known(rows: list[LotRows], partner: str, keys: pa.Array) -> Mask:
    mask = np.zeros(len(keys), np.bool_)
    for one in rows:
        if one.lot.body.partner == partner:
            said = known_companies(one.rows, one.lot.definition)
            mask |= pc.is_in(keys, value_set=said).to_numpy(zero_copy_only=False)
    return mask


def _present(lots: list[NamedLot]) -> dict[str, frozenset[str]]:
    present: dict[str, frozenset[str]] = {}
    for lot in lots:
        present[lot.body.dataset] = present.get(lot.body.dataset, frozenset()) | {lot.body.partner}
    return present
