"""A whole release question that is right in every point, made of real keys and signatures, to be spoilt one at a time.

The members are those of the demonstration: four organisations, and the hub belongs to the Banque de France. The journal
is a list of statements under its log key; ``acoss`` is the node that judges.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from support.world import ORIGIN, World
from vigie import bodies, note, statement
from vigie.attend import ReleaseQuestion
from vigie.chain import ConventionChain
from vigie.clock import stamp
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash
from vigie.journal.proof import Receipt
from vigie.keyring import Keyring
from vigie.note import Signer
from vigie_node.config import Policy
from vigie_node.known import Challenge, Standing
from vigie_node.own_lots import OwnLot
from vigie_node.release import Known

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MEASUREMENT = b"m" * 32
NOTHING_YET = Standing(None, 0, 0, 0, run_seen=False, run_of_order=False)

_FOLDER = tempfile.TemporaryDirectory(prefix="vigie-release-")


@cache
def world() -> World:
    """The demonstration's members and convention; made once for all these tests."""
    return World.create(Path(_FOLDER.name) / "plain", now=NOW)


def stricter(path: str, value: Any) -> ConventionChain:
    """A convention of the same members, with one term changed."""
    return World.create(Path(_FOLDER.name) / "other", now=NOW, overrides={path: value}).chain


def chain() -> ConventionChain:
    return world().chain


def keyring(member: str) -> Keyring:
    return world().keyrings[member]


class Journal:
    """The log: entries in order, checkpoints and receipts of any size."""

    def __init__(self, signer: Signer | None = None) -> None:
        self.signer = signer or keyring("hub").log_signer(ORIGIN)
        self.entries: list[bytes] = []
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.frontier = Frontier()
        self.roots = {0: self.frontier.root()}

    def append(self, entry: bytes) -> int:
        for level, index, value in self.frontier.append(leaf_hash(entry)):
            self.nodes[level, index] = value
        self.entries.append(entry)
        self.roots[len(self.entries)] = self.frontier.root()
        return len(self.entries) - 1

    def checkpoint(self, size: int, witnesses: Sequence[str] = ()) -> bytes:
        text = Checkpoint(ORIGIN, size, self.roots[size]).text()
        lines = [self.signer.sign(text)]
        lines += [keyring(name).cosigner().cosign(text, int(NOW.timestamp())) for name in witnesses]
        return note.assemble(text, lines)

    def consistency(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, lambda level, at: self.nodes[level, at])

    def receipt(self, entry: bytes, size: int | None = None, witnesses: Sequence[str] = ()) -> bytes:
        size = len(self.entries) if size is None else size
        index = self.entries.index(entry)
        proof = inclusion_proof(index, size, lambda level, at: self.nodes[level, at])
        return Receipt(index, tuple(proof), self.checkpoint(size, witnesses)).encode()


def sign(body: bodies.Body, *signers: Signer) -> bytes:
    return statement.sign_text(bodies.text_for(body), signers).raw


def digest(raw: bytes) -> bytes:
    return statement.parse(raw).digest


def make_lot(number: int, **changed: Any) -> bytes:
    partner = str(changed.get("partner", "acoss"))
    body = bodies.Lot(
        convention=chain().digest, epoch=1, lot=bytes([number]) * 16, lot_key=b"k" * 1216, partner=partner,
        dataset="debts", schema=1, period="2026-01", as_of="2026-02-01", delivery="snapshot", base=None,
        supersedes=None, shrink_confirmed=False, rows_class=4, companies_class=4, bytes=1, segments=1,
        segment_root=b"r" * 32, quality=bodies.Quality(1, 1, 0, 0, 0), created=stamp(NOW),
    )  # fmt: skip
    return sign(replace(body, **changed), keyring(partner).signer())


def own(raw: bytes) -> OwnLot:
    return OwnLot.read(raw, b"")


def make_order(lots: Sequence[bytes], /, *signers: Signer, **changed: Any) -> bytes:
    body = bodies.Order(
        convention=chain().digest, epoch=1, period="2026-01", purpose="early-warning",
        lots=tuple(digest(lot) for lot in lots), states=(), model="train", deadline=stamp(NOW + timedelta(hours=1)),
        created=stamp(NOW),
    )  # fmt: skip
    return sign(replace(body, **changed), *(signers or (keyring("hub").signer("operator"),)))


def make_approval(member: str, measurement: bytes = MEASUREMENT, *signers: Signer) -> bytes:
    body = bodies.Approval(chain().digest, measurement, member, stamp(NOW))
    return sign(body, *(signers or (keyring(member).signer(),)))


@dataclass
class Case:
    """A release question under construction. Change a part, then call :meth:`question` and :meth:`known`."""

    lots: list[bytes] = field(default_factory=lambda: [make_lot(1)])
    others: list[bytes] = field(default_factory=lambda: [make_lot(9, partner="banque-de-france", dataset="ratios")])
    named: list[bytes] | None = None
    order_changed: dict[str, Any] = field(default_factory=dict)
    order_signers: tuple[Signer, ...] = ()
    evidence_changed: dict[str, Any] = field(default_factory=dict)
    evidence_signers: tuple[Signer, ...] | None = None
    challenge: bytes = b"c" * 32
    drawn: datetime = NOW
    used: bool = False
    challenge_order: bytes | None = None
    own_approvals: list[bytes] = field(default_factory=lambda: [make_approval("acoss")])
    approvals: list[bytes] = field(default_factory=lambda: [make_approval("travail")])
    witnesses: tuple[str, ...] = ("acoss", "travail")
    witnessed: dict[int, bytes] | None = None
    policy: Policy = "auto"
    standing: Standing = NOTHING_YET
    journal: Journal = field(default_factory=Journal)

    def __post_init__(self) -> None:
        self.enclave = Signer("enclave/signing", b"e" * 32)

    def order(self) -> bytes:
        named = [self.lots[0], *self.others] if self.named is None else self.named
        return make_order(named, *self.order_signers, **self.order_changed)

    def evidence(self) -> bytes:
        body = bodies.Evidence(
            convention=chain().digest, order=digest(self.order()), enclave_key=b"k" * 1216,
            enclave_signing_key=self.enclave.verifier.public, challenges={"acoss": self.challenge},
            measurement=MEASUREMENT, policy=b"p" * 32, platform="software",
            layers=dict.fromkeys(chain().current.enclave.layers, "enforced") | {"network": "absent"}, host={"kernel": "6.1"}, quote=None,
            created=stamp(NOW),
        )  # fmt: skip
        signers = (keyring("hub").signer("host"), self.enclave)
        return sign(
            replace(body, **self.evidence_changed),
            *(signers if self.evidence_signers is None else self.evidence_signers),
        )

    def question(self) -> ReleaseQuestion:
        order, evidence = self.order(), self.evidence()
        for entry in (b"an entry before", order, evidence, b"an entry after"):
            if entry not in self.journal.entries:
                self.journal.append(entry)
        return ReleaseQuestion(
            order,
            evidence,
            self.journal.receipt(order, witnesses=self.witnesses),
            self.journal.receipt(evidence, witnesses=self.witnesses),
            tuple(self.approvals),
        )

    def known(self) -> Known:
        seen = self.journal.roots if self.witnessed is None else self.witnessed
        order = digest(self.order()) if self.challenge_order is None else self.challenge_order
        challenges = {self.challenge: Challenge(self.challenge, order, self.drawn, self.used)}
        return Known(
            own_lots=tuple(own(lot) for lot in self.lots),
            witnessed_root=seen.get,
            challenge=challenges.get,
            approvals=tuple(self.own_approvals),
            policy=self.policy,
            standing=self.standing,
        )
