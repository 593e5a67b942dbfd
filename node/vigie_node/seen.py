"""What this node has read in the journal about other members, for people who decide on an order: lots and approvals.

Each was judged when it was read, by its signer's key. Nothing here decides anything: releases are judged by what comes
with the question and by this node's own lots (`vigie_node.release`).
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vigie import authority, statement
from vigie.bodies import Approval, Lot
from vigie.chain import ConventionChain
from vigie.durable import transaction
from vigie.errors import VigieError

SEEN_SCHEMA = """
CREATE TABLE seen_lots (
    digest BLOB PRIMARY KEY,
    partner TEXT NOT NULL,
    dataset TEXT NOT NULL,
    period TEXT NOT NULL,
    as_of TEXT NOT NULL,
    delivery TEXT NOT NULL,
    rows_class INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE seen_approvals (
    measurement BLOB NOT NULL,
    member TEXT NOT NULL,
    PRIMARY KEY (measurement, member)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True)
class SeenLot:
    """What a lot's statement says of it; ``rows_class`` is the size class of its number of rows."""

    partner: str
    dataset: str
    period: str
    as_of: str
    delivery: str
    rows_class: int


class Seen:
    """The record, on the connection of `vigie_node.state.NodeState`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def take(self, raw: bytes, chain: ConventionChain) -> None:
        """Take note of a lot or an approval out of the journal; what its signer did not sign is passed over."""
        try:
            body = authority.judge(raw, chain).body
        except VigieError:
            return
        with transaction(self._connection) as connection:
            if isinstance(body, Lot):
                connection.execute(
                    "INSERT INTO seen_lots VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (
                        statement.parse(raw).digest, body.partner, body.dataset, body.period, body.as_of,
                        body.delivery, body.rows_class,
                    ),
                )  # fmt: skip
            elif isinstance(body, Approval):
                connection.execute(
                    "INSERT INTO seen_approvals VALUES (?, ?) ON CONFLICT DO NOTHING", (body.measurement, body.member)
                )

    def lots(self, digests: Iterable[bytes]) -> Mapping[bytes, SeenLot]:
        """Return what is known of lots, by statement digest."""
        found = {}
        for digest in digests:
            row = self._connection.execute(
                "SELECT partner, dataset, period, as_of, delivery, rows_class FROM seen_lots WHERE digest = ?",
                (digest,),
            ).fetchone()
            if row is not None:
                found[digest] = SeenLot(*row)
        return found

    def approvals(self) -> Mapping[bytes, tuple[str, ...]]:
        """Return for each measurement the members that approved it, sorted."""
        found: dict[bytes, tuple[str, ...]] = {}
        for measurement, member in self._connection.execute(
            "SELECT measurement, member FROM seen_approvals ORDER BY measurement, member"
        ):
            found[measurement] = (*found.get(measurement, ()), member)
        return found
