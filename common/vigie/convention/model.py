"""The convention as values: who takes part, what may be sent, computed and received (docs/spec/convention.md).

Everything here is frozen and pure. The questions that the rest of Vigie asks ("may this member deposit that dataset?")
are methods of :class:`Convention`, so that there is one answer to each.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from vigie.convention.parts import (
    CustodyRule,
    DatasetRule,
    Declassification,
    Disclosure,
    EnclaveRule,
    Epoch,
    Grant,
    Member,
    PerimeterRule,
    Purpose,
    Retention,
    WitnessRule,
)
from vigie.errors import Missing
from vigie.note import ED25519, VerifierKey


@dataclass(frozen=True)
class Convention:
    """A convention whose parts fit together. That it is *signed* is judged by :mod:`vigie.chain`.

    Attributes:
        text: its TOML, exactly as read.
        digest: SHA-256 of the statement's text, by which other statements name it.
        previous: digest of the convention that it amends; None for the first.
        start: first day in force.
        end: last day in force.
        hub: name of the member that runs the hub.
        origin: name of the journal and of its key.
        perimeter: how the companies looked at are worked out and shared; None when the members agreed on none.
    """

    text: bytes
    digest: bytes
    id: str
    title: str
    version: int
    previous: bytes | None
    start: date
    end: date
    hub: str
    origin: str
    signatories: tuple[str, ...]
    members: Mapping[str, Member]
    datasets: Mapping[str, DatasetRule]
    purposes: Mapping[str, Purpose]
    grants: Mapping[str, Grant]
    declassifications: frozenset[Declassification]
    buckets: int
    epochs: tuple[Epoch, ...]
    custody: CustodyRule
    enclave: EnclaveRule
    witness: WitnessRule
    retention: Retention
    disclosure: Disclosure
    perimeter: PerimeterRule | None = None

    def in_force(self, now: datetime) -> bool:
        """Whether ``now`` (aware, UTC) lies on one of the convention's days."""
        return self.start <= now.date() <= self.end

    def member(self, name: str) -> Member:
        """The member of that name.

        Raises:
            Missing: there is none.
        """
        found = self.members.get(name)
        if found is None:
            raise Missing(f"the convention names no member {name[:63]!r}")
        return found

    def member_by_certificate(self, sha256: bytes) -> Member | None:
        """The member whose TLS certificate has that SHA-256, or None."""
        return self._by_certificate.get(sha256)

    def verifier(self, member: str, use: str) -> VerifierKey:
        """The key of a member for a use (``signing``, ``witness``, ``host``, ``operator``).

        Raises:
            Missing: no such member, or it has no such key.
        """
        found = self.member(member).keys.get(use)
        if found is None:
            raise Missing(f"the convention names no key {member}/{use}")
        return found

    def log_key(self) -> VerifierKey:
        """The journal's key; its name is the origin (tlog-checkpoint)."""
        public = self.members[self.hub].log
        if public is None:  # excluded by the reader; kept for the type
            raise Missing("the convention names no journal key")
        return VerifierKey(self.origin, ED25519, public)

    def witness_keys(self) -> dict[VerifierKey, str]:
        """Every witness's key, with the organisation that it counts for."""
        return {
            member.keys["witness"]: member.organisation for member in self.members.values() if "witness" in member.keys
        }

    def counting_witnesses(self, member: str) -> dict[VerifierKey, str]:
        """Witnesses that count for a release by ``member``: of other organisations, and never the hub's own."""
        never = {self.organisation_of(member), self.organisation_of(self.hub)}
        return {key: organisation for key, organisation in self.witness_keys().items() if organisation not in never}

    def organisation_of(self, member: str) -> str:
        """The legal person that a member belongs to.

        Raises:
            Missing: no such member.
        """
        return self.member(member).organisation

    def partners(self) -> tuple[str, ...]:
        """Names of the members that deposit or receive data, in the convention's order."""
        return tuple(name for name, member in self.members.items() if "partner" in member.roles)

    def owned_datasets(self, member: str) -> tuple[str, ...]:
        """Names of the datasets that a member may deposit."""
        return tuple(name for name, rule in self.datasets.items() if member in rule.owners)

    def may_deposit(self, member: str, dataset: str) -> bool:
        """Whether ``member`` may deposit lots of ``dataset``; False for names that the convention does not know."""
        rule = self.datasets.get(dataset)
        return rule is not None and member in rule.owners

    def epoch(self, number: int) -> Epoch:
        """The epoch of that number.

        Raises:
            Missing: there is none.
        """
        for epoch in self.epochs:
            if epoch.number == number:
                return epoch
        raise Missing(f"the convention has no pseudonym epoch {number}")

    def epoch_at(self, day: date) -> Epoch:
        """The epoch that counts on a day.

        Raises:
            Missing: there is none.
        """
        for epoch in self.epochs:
            if epoch.start <= day <= epoch.end:
                return epoch
        raise Missing(
            f"the convention has no pseudonym epoch on {day.isoformat()}",
            hint="the signatories must amend the convention with a further epoch",
        )

    def grants_of(self, purpose: str) -> tuple[Grant, ...]:
        """Grants of a purpose, in the convention's order."""
        return tuple(grant for grant in self.grants.values() if grant.purpose == purpose)

    def purpose_labels(self, purpose: str) -> frozenset[str]:
        """Union of the labels of everything that a purpose reads: what its score derives from."""
        labels: frozenset[str] = frozenset()
        for name in self.purposes[purpose].datasets:
            labels |= self.datasets[name].definition.labels
        return labels

    def is_declassified(self, purpose: str, output: str) -> bool:
        """Whether all signatories freed an output of a purpose."""
        return Declassification(purpose, output) in self.declassifications

    def may_receive(self, grant: str, wanted: str | Iterable[str]) -> bool:
        """Whether a grant lets its recipient have something.

        Args:
            grant: name of the grant; an unknown one may receive nothing.
            wanted: an output (``score``, ``level``, ``topics``, ``reasons``), or the set of labels that one value
                derives from. ``reasons`` only asks whether reasons are granted at all: each of them is then asked for
                again by its own labels.
        """
        found = self.grants.get(grant)
        if found is None:
            return False
        if not isinstance(wanted, str):
            return frozenset(wanted) <= found.labels
        if wanted not in found.columns:
            return False
        if wanted == "reasons" or self.is_declassified(found.purpose, wanted):
            return True
        return self.purpose_labels(found.purpose) <= found.labels

    @cached_property
    def known_keys(self) -> tuple[VerifierKey, ...]:
        """Every key of every member and the journal's: a line of one of these that fails refuses a statement."""
        return (*(key for member in self.members.values() for key in member.keys.values()), self.log_key())

    @cached_property
    def _by_certificate(self) -> dict[bytes, Member]:
        return {member.certificate_sha256: member for member in self.members.values()}
