"""What a node knows of an order, a challenge, an answer, and of what stands in the journal: the rows of its ledger."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from vigie import bodies, statement

Decision = Literal["approve", "refuse"]


@dataclass(frozen=True)
class KnownOrder:
    """An order that was announced to this node, with what a person decided.

    ``refusal`` is the signed ``release`` that refused it in answer to an announcement; ``releases_before`` is how many
    releases the order had when the decision was taken.
    """

    digest: bytes
    statement: bytes
    announced: datetime
    decision: Decision | None
    decided: datetime | None
    reason: str | None
    releases_before: int
    refusal: bytes | None

    @property
    def body(self) -> bodies.Order:
        """The order's typed body."""
        return bodies.read(statement.parse(self.statement, kind="order"), bodies.Order)


@dataclass(frozen=True)
class Challenge:
    """A challenge that this node drew for an order; ``used`` once a release answered it."""

    challenge: bytes
    order: bytes
    drawn: datetime
    used: bool


@dataclass(frozen=True)
class Answered:
    """One answer to a release question, for people: what was decided, and why when it was refused."""

    order: bytes
    purpose: str
    period: str
    decision: Literal["released", "refused"]
    reason: bodies.Reason | None
    created: datetime


@dataclass(frozen=True)
class Standing:
    """What this node has decided and done so far about an order and its (purpose, period).

    Attributes:
        decision: what a person decided on this order's digest, if anything.
        since_decision: releases under this order since that decision.
        released_under: releases under this order in all.
        released: releases for the same purpose and period, under any order.
        run_seen: a run for the same purpose and period is in the journal.
        run_of_order: a run for this very order is in the journal.
    """

    decision: Decision | None
    since_decision: int
    released_under: int
    released: int
    run_seen: bool
    run_of_order: bool


@dataclass(frozen=True)
class SeenOrder:
    """An order that stands in the journal."""

    digest: bytes
    purpose: str
    period: str


@dataclass(frozen=True)
class SeenRun:
    """A run that stands in the journal, the digest of its order, and of the model when it trained one."""

    digest: bytes
    order: bytes
    model: bytes | None = None
