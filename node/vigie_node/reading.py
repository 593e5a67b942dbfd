"""Reading the journal oneself: which orders, runs, conventions, approvals, perimeters and joint keys stand in it.

The hub could tell a partner anything about what has been run. So a node reads every entry, adds its hash to its own copy
of the tree's right edge, and believes what it read only when that tree has the root that the node itself witnessed:
nothing can have been left out, altered or put in. Entries are read once; how far is remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from vigie import bodies, statement
from vigie.errors import BadProof, MalformedStatement, Unavailable
from vigie.journal.merkle import leaf_hash
from vigie.statement import Statement
from vigie_node.known import SeenOrder, SeenRun
from vigie_node.ledger import ReleaseLedger

PAGE: Final = 1024
"""Entries asked for at once; the hub may answer fewer."""

Fetch = Callable[[int, int], Awaitable[Sequence[bytes]]]
"""(start, limit) → entries of the journal from there on."""


@dataclass
class _Found:
    orders: list[SeenOrder] = field(default_factory=list)
    runs: list[SeenRun] = field(default_factory=list)
    told: list[tuple[str, bytes]] = field(default_factory=list)
    measurement: bytes | None = None


class JournalReader:
    """Reads the journal up to witnessed checkpoints.

    Args:
        ledger: where what was read is remembered.
        fetch: asks the hub for entries.
        tell: told (kind, entry) of each convention, approval, perimeter, erasure, lot, evidence and joint key found, in order,
            once what was read is proved. It may be told the same again after a crash.
        clock: gives the time now.
    """

    def __init__(
        self,
        ledger: ReleaseLedger,
        fetch: Fetch,
        *,
        tell: Callable[[str, bytes], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._fetch = fetch
        self._tell = tell
        self._clock = clock
        self._one = asyncio.Lock()  # guards the position: two readers would append the same entries twice

    async def read_to(self, size: int, root: bytes) -> None:
        """Read everything up to a tree head that this node witnessed; afterwards the ledger knows its runs.

        Args:
            size: size of the witnessed tree. Nothing happens when that much was read already.
            root: its root.

        Raises:
            Unavailable: the hub does not give the entries.
            BadProof: the entries that it gives are not those of the witnessed tree. Nothing of them is remembered.
        """
        async with self._one:
            frontier = self._ledger.frontier()
            if frontier.size >= size:
                return
            found = _Found()
            while frontier.size < size:
                entries = await self._fetch(frontier.size, min(PAGE, size - frontier.size))
                if not entries or len(entries) > size - frontier.size:
                    raise Unavailable(f"the hub does not give entry {frontier.size} of its journal")
                for entry in entries:
                    frontier.append(leaf_hash(entry))
                    _sort(entry, found)
            if frontier.root() != root:
                raise BadProof(
                    f"the {size} entries that the hub gives are not those of the journal that this node witnessed",
                    hint="keep the state folder and tell the auditor",
                )
            # First these, which do no harm when they are told again: a crash here must not skip one.
            for kind, entry in found.told:
                self._tell(kind, entry)
            self._ledger.keep_read(frontier, found.orders, found.runs, found.measurement, now=self._clock())


def _sort(entry: bytes, found: _Found) -> None:
    """Keep what matters of one entry. What this version does not understand is part of the tree all the same."""
    try:
        opened = statement.parse(entry)
        if opened.kind == "order":
            found.orders.append(_order(opened))
        elif opened.kind == "run":
            run = bodies.read(opened, bodies.Run)
            found.runs.append(SeenRun(opened.digest, run.order, run.model if run.sealed else None))
        elif opened.kind == "evidence":
            found.measurement = bodies.read(opened, bodies.Evidence).measurement
            found.told.append((opened.kind, entry))
        elif opened.kind in ("convention", "approval", "perimeter", "joint", "erasure", "lot"):
            found.told.append((opened.kind, entry))
    except MalformedStatement:
        return


def _order(opened: Statement) -> SeenOrder:
    body = bodies.read(opened, bodies.Order)
    return SeenOrder(opened.digest, body.purpose, body.period)
