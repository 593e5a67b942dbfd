"""What a node remembers of orders and releases: announced orders and decisions, challenges, releases, runs, approvals.

The rule: a challenge is on disk when it leaves the node, and it is marked used and the release counted, in one
transaction, *before* the answer exists. A node that is killed in between has released nothing; one that is killed after
it will not release again on the same challenge.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from vigie import bodies, statement
from vigie.clock import parse_time, stamp
from vigie.durable import transaction
from vigie.errors import Missing, Refused, StateError
from vigie.journal.merkle import HASH_BYTES, Frontier
from vigie_node.known import Answered, Challenge, Decision, KnownOrder, SeenOrder, SeenRun, Standing

CHALLENGE_LIFE = timedelta(minutes=5)
"""A challenge older than this on the node's own clock is worth nothing (protocol section 7)."""
COLLATERAL_END = "collateral"
"""Name under which the state keeps when the collateral of the last hardware evidence that was released to ends."""
NEWEST_MEASUREMENT = "measurement"
"""Name under which the state keeps the measurement of the last evidence in the journal."""
MAX_OPEN_CHALLENGES = 16
"""Challenges of one order that may be fresh and unused at once; a hub that asks for more is refused."""


class ReleaseLedger:
    """The durable record behind releases, on the connection of `vigie_node.state.NodeState`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # -- orders ---------------------------------------------------------------------------------------------------

    def record_order(self, raw: bytes, *, now: datetime) -> KnownOrder:
        """Record an order whose signer was judged; recording again keeps the first.

        Raises:
            MalformedStatement: not an order.
        """
        opened = statement.parse(raw, kind="order")
        body = bodies.read(opened, bodies.Order)
        with transaction(self._connection) as connection:
            connection.execute(
                "INSERT INTO orders (digest, statement, purpose, period, announced) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (opened.digest, raw, body.purpose, body.period, stamp(now)),
            )
        known = self.order(opened.digest)
        if known is None:
            raise StateError("an order that was just recorded is not in the state database")
        return known

    def order(self, digest: bytes) -> KnownOrder | None:
        """Return the order with this digest."""
        row = self._connection.execute(f"{_ORDERS} WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else _known_order(row)

    def orders(self) -> tuple[KnownOrder, ...]:
        """Return all announced orders, oldest first."""
        return tuple(_known_order(row) for row in self._connection.execute(f"{_ORDERS} ORDER BY announced, digest"))

    def find_order(self, prefix: str) -> KnownOrder:
        """Return the one order whose hexadecimal digest begins with ``prefix``.

        Raises:
            Missing: no order, or more than one, begins like that.
        """
        wanted = prefix.strip().lower()
        found = [order for order in self.orders() if wanted and order.digest.hex().startswith(wanted)]
        if len(found) != 1:
            what = "no announced order begins" if not found else f"{len(found)} announced orders begin"
            raise Missing(f"{what} with {prefix[:64]!r}", hint="`vigie-node orders` lists them; give more digits")
        return found[0]

    def decide(self, digest: bytes, decision: Decision, *, reason: str | None, now: datetime) -> None:
        """Record a person's decision on an order; a later one replaces it.

        Raises:
            Missing: no such order.
        """
        with transaction(self._connection) as connection:
            changed = connection.execute(
                "UPDATE orders SET decision = ?, decided = ?, reason = ?, releases_before ="
                " (SELECT count(*) FROM releases WHERE order_digest = ?4 AND decision = 'released') WHERE digest = ?4",
                (decision, stamp(now), reason, digest),
            ).rowcount
            if changed != 1:
                raise Missing("no such order was announced to this node")

    def keep_refusal(self, digest: bytes, raw: bytes) -> bytes:
        """Keep the signed refusal that answers an order's announcement; the first one stays and is returned."""
        with transaction(self._connection) as connection:
            connection.execute("UPDATE orders SET refusal = coalesce(refusal, ?) WHERE digest = ?", (raw, digest))
        known = self.order(digest)
        if known is None or known.refusal is None:
            raise StateError("a refusal that was just kept is not in the state database")
        return known.refusal

    # -- challenges and releases ----------------------------------------------------------------------------------

    def keep_challenge(self, challenge: bytes, order: bytes, *, now: datetime) -> None:
        """Make a freshly drawn challenge durable, before it leaves the node.

        Raises:
            Refused: this order has `MAX_OPEN_CHALLENGES` challenges that are fresh and unused.
        """
        with transaction(self._connection) as connection:
            fresh = connection.execute(
                "SELECT count(*) FROM challenges WHERE order_digest = ? AND used IS NULL AND drawn >= ?",
                (order, stamp(now - CHALLENGE_LIFE)),
            ).fetchone()[0]
            if fresh >= MAX_OPEN_CHALLENGES:
                raise Refused(
                    "challenge", expected=f"at most {MAX_OPEN_CHALLENGES} unused challenges", found="one more asked for"
                )
            # Unused ones that ran out can never be used again: forgetting them keeps the file small.
            connection.execute(
                "DELETE FROM challenges WHERE used IS NULL AND drawn < ?", (stamp(now - timedelta(days=1)),)
            )
            connection.execute(
                "INSERT INTO challenges (challenge, order_digest, drawn) VALUES (?, ?, ?)",
                (challenge, order, stamp(now)),
            )

    def challenge(self, challenge: bytes) -> Challenge | None:
        """Return a challenge that this node drew."""
        row = self._connection.execute(
            "SELECT challenge, order_digest, drawn, used FROM challenges WHERE challenge = ?", (challenge,)
        ).fetchone()
        return None if row is None else Challenge(row[0], row[1], parse_time(row[2]), row[3] is not None)

    def count_release(
        self, *, challenge: bytes, order: bytes, evidence: bytes, purpose: str, period: str, now: datetime
    ) -> None:
        """Mark the challenge used and count the release; to be called inside the transaction of the judgement.

        Raises:
            StateError: the challenge is not there or was used: the judgement was not made in this transaction.
        """
        used = self._connection.execute(
            "UPDATE challenges SET used = ? WHERE challenge = ? AND order_digest = ? AND used IS NULL",
            (stamp(now), challenge, order),
        ).rowcount
        if used != 1:
            raise StateError("a release was about to use a challenge that is not open")
        self._connection.execute(
            "INSERT INTO releases (order_digest, evidence, purpose, period, decision, created)"
            " VALUES (?, ?, ?, ?, 'released', ?)",
            (order, evidence, purpose, period, stamp(now)),
        )

    def note_refused(
        self, reason: bodies.Reason, *, order: bytes, evidence: bytes | None, purpose: str, period: str, now: datetime
    ) -> None:
        """Remember, for people, that a release was refused; the same reason for the same order is kept once."""
        with transaction(self._connection) as connection:
            connection.execute(
                "INSERT INTO releases (order_digest, evidence, purpose, period, decision, claim, expected, found,"
                " created) SELECT ?1, ?2, ?3, ?4, 'refused', ?5, ?6, ?7, ?8 WHERE NOT EXISTS (SELECT 1 FROM releases"
                " WHERE order_digest = ?1 AND decision = 'refused' AND claim = ?5 AND found = ?7)",
                (order, evidence, purpose, period, reason.claim, reason.expected, reason.found, stamp(now)),
            )

    def answers(self) -> tuple[Answered, ...]:
        """Return what was released and refused, oldest first."""
        rows = self._connection.execute(
            "SELECT order_digest, purpose, period, decision, claim, expected, found, created FROM releases"
            " ORDER BY sequence"
        )
        return tuple(
            Answered(order, purpose, period, decision, bodies.Reason(*why) if why[0] else None, parse_time(created))
            for order, purpose, period, decision, *why, created in rows
        )

    def released(self, purpose: str, period: str) -> int:
        """Return how often keys were released for that purpose and period."""
        return self._count(
            "SELECT count(*) FROM releases WHERE decision = 'released' AND purpose = ? AND period = ?", purpose, period
        )

    def released_under(self, order: bytes) -> int:
        """Return how often keys were released for that order."""
        return self._count("SELECT count(*) FROM releases WHERE decision = 'released' AND order_digest = ?", order)

    # -- runs and approvals ---------------------------------------------------------------------------------------

    def standing(self, order: bytes, purpose: str, period: str) -> Standing:
        """Return what this node decided and did so far about an order and its (purpose, period)."""
        known, under = self.order(order), self.released_under(order)
        return Standing(
            decision=None if known is None else known.decision,
            since_decision=under if known is None else under - known.releases_before,
            released_under=under,
            released=self.released(purpose, period),
            run_seen=self.run_seen(purpose, period),
            run_of_order=self.run_of(order),
        )

    def run_seen(self, purpose: str, period: str) -> bool:
        """Whether a run for that purpose and period is known."""
        return self._count("SELECT count(*) FROM runs WHERE purpose = ? AND period = ?", purpose, period) > 0

    def run_of(self, order: bytes) -> bool:
        """Whether a run for that very order is known."""
        return self._count("SELECT count(*) FROM runs WHERE order_digest = ?", order) > 0

    def model_trained(self, model: bytes, purpose: str) -> bool:
        """Whether a run for that purpose trained a model, by the journal that this node read."""
        return self._count("SELECT count(*) FROM models WHERE model = ? AND purpose = ?", model, purpose) > 0

    def record_approval(self, raw: bytes, *, submitted: bool = False) -> bool:
        """Keep an approval that this member signed; returns whether it is new.

        Args:
            raw: the signed approval, judged by the caller.
            submitted: it was found in the journal.

        Raises:
            MalformedStatement: not an approval.
        """
        opened = statement.parse(raw, kind="approval")
        body = bodies.read(opened, bodies.Approval)
        with transaction(self._connection) as connection:
            return (
                connection.execute(
                    "INSERT INTO approvals (digest, measurement, statement, submitted) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (opened.digest, body.measurement, raw, int(submitted)),
                ).rowcount
                == 1
            )

    def approvals(self, measurement: bytes | None = None) -> tuple[bytes, ...]:
        """Return this member's signed approvals, of one measurement or of all."""
        rows = self._connection.execute(
            "SELECT statement FROM approvals WHERE ?1 IS NULL OR measurement = ?1 ORDER BY digest", (measurement,)
        )
        return tuple(row[0] for row in rows)

    def unsubmitted_approvals(self) -> tuple[bytes, ...]:
        """Return the approvals that are not known to be in the journal yet."""
        return tuple(row[0] for row in self._connection.execute("SELECT statement FROM approvals WHERE submitted = 0"))

    def mark_submitted(self, raw: bytes) -> None:
        """Remember that an approval is in the journal."""
        with transaction(self._connection) as connection:
            connection.execute("UPDATE approvals SET submitted = 1 WHERE statement = ?", (raw,))

    # -- reading the journal --------------------------------------------------------------------------------------

    def frontier(self) -> Frontier:
        """Return the right edge of the tree over the entries that this node has read so far."""
        row = self._connection.execute("SELECT size, hashes FROM read_entries").fetchone()
        if row is None:
            return Frontier()
        size, hashes = row
        return Frontier(size, [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)])

    def keep_read(
        self,
        frontier: Frontier,
        orders: Sequence[SeenOrder],
        runs: Sequence[SeenRun],
        measurement: bytes | None,
        *,
        now: datetime,
    ) -> None:
        """Remember how far the journal was read and what was found there, in one step.

        Args:
            frontier: the tree over all entries read; its root has been compared with a witnessed one.
            orders: orders found since the last time.
            runs: runs found since the last time; one whose order is not in the journal before it is passed over.
            measurement: that of the last evidence found since the last time.
            now: current time.
        """
        with transaction(self._connection) as connection:
            connection.executemany(
                "INSERT INTO seen_orders (digest, purpose, period) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(order.digest, order.purpose, order.period) for order in orders],
            )
            connection.executemany(
                "INSERT INTO runs (digest, order_digest, purpose, period, seen)"
                " SELECT ?, digest, purpose, period, ? FROM seen_orders WHERE digest = ? ON CONFLICT DO NOTHING",
                [(run.digest, stamp(now), run.order) for run in runs],
            )
            connection.executemany(
                "INSERT INTO models (model, purpose) SELECT ?, purpose FROM seen_orders WHERE digest = ?"
                " ON CONFLICT DO NOTHING",
                [(run.model, run.order) for run in runs if run.model is not None],
            )
            connection.execute(
                "INSERT OR REPLACE INTO read_entries (one, size, hashes) VALUES (1, ?, ?)",
                (frontier.size, b"".join(frontier.hashes)),
            )
            if measurement is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO named (name, value) VALUES (?, ?)", (NEWEST_MEASUREMENT, measurement)
                )

    def _count(self, sql: str, *arguments: object) -> int:
        return int(self._connection.execute(sql, arguments).fetchone()[0])


_ORDERS = "SELECT digest, statement, announced, decision, decided, reason, releases_before, refusal FROM orders"


def _known_order(
    row: tuple[bytes, bytes, str, Decision | None, str | None, str | None, int, bytes | None],
) -> KnownOrder:
    digest, raw, announced, decision, decided, reason, before, refusal = row
    return KnownOrder(
        digest, raw, parse_time(announced), decision, None if decided is None else parse_time(decided), reason, before,
        refusal,
    )  # fmt: skip
