"""The convention as values: who takes part, what may be sent, computed and received (docs/spec/convention.md).

Everything here is frozen and pure. The questions that the rest of Vigie asks ("may this member deposit that dataset?")
are methods of :class:`Convention`, so that there is one answer to each.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Final

from vigie.convention.hardware import HARDWARE, SOFTWARE, HardwareRule
from vigie.datasets import Dataset
from vigie.errors import Missing
from vigie.note import ED25519, VerifierKey

ROLES: Final = frozenset({"partner", "custodian", "witness", "auditor", "hub"})
"""What a member may do. A signatory is named by ``signatories``, not by a role."""
OUTPUTS: Final = ("score", "level", "topics", "reasons")
"""What a purpose may compute about a company."""
FREEABLE: Final = ("score", "level", "topics")
"""Outputs that a declassification may free. Reasons show their sources' values, so they never can be."""
TARGETS: Final = ("failure", "failure-or-default", "default")
"""Targets that are worked out; any other is a column ``dataset.column`` of a declared dataset."""
LEVELS: Final = ("A0", "A1", "A2", "A3", "A4")
"""Assurance levels, weakest first (docs/spec/evidence.md)."""
PLATFORMS: Final = (SOFTWARE, *HARDWARE)


@dataclass(frozen=True)
class Member:
    """One member: its public keys and what it may do.

    Attributes:
        name: ``[a-z][a-z0-9-]*``.
        organisation: the legal person; every threshold counts these.
        roles: out of :data:`ROLES`.
        population: companies that the member declares, for its budget of blind evaluations.
        certificate: its TLS certificate, DER.
        keys: verifier keys by use (``signing``, ``witness``, ``host``, ``operator``), those that it has.
        log: public key of the journal, 32 bytes, for the hub.
        sealing: MLKEM768-X25519 public key, 1216 bytes, for who receives sealed things.
    """

    name: str
    organisation: str
    roles: frozenset[str]
    population: int
    certificate: bytes
    keys: Mapping[str, VerifierKey]
    log: bytes | None
    sealing: bytes | None

    @property
    def certificate_sha256(self) -> bytes:
        """SHA-256 of the certificate's DER: what a caller is recognised by."""
        return hashlib.sha256(self.certificate).digest()

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM, as gRPC wants it."""
        body = base64.encodebytes(self.certificate).replace(b"\n", b"")
        lines = [body[place : place + 64] for place in range(0, len(body), 64)]
        return b"\n".join([b"-----BEGIN CERTIFICATE-----", *lines, b"-----END CERTIFICATE-----", b""])


@dataclass(frozen=True)
class DatasetRule:
    """A dataset of the convention: its definition, who may deposit it, and what it demands of an enclave.

    ``maximum_rejected`` is the share of parsed rows, 0 to 1, that may be rejected before a delivery is refused.
    """

    definition: Dataset
    owners: tuple[str, ...]
    minimum_level: str
    maximum_rejected: float

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.definition.name


@dataclass(frozen=True)
class Purpose:
    """Why and how data is consolidated. ``required``: partners without whom there is no run; ``horizon``: months.

    ``target`` is one of :data:`TARGETS`, or the 0/1 column ``dataset.column`` of a declared dataset (:attr:`label`).
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    required: tuple[str, ...]
    perimeter: str
    target: str
    outputs: tuple[str, ...]
    horizon: int

    @property
    def label(self) -> tuple[str, str] | None:
        """Dataset and column of a declared target; None for one that is worked out."""
        dataset, dot, column = self.target.partition(".")
        return (dataset, column) if dot else None


@dataclass(frozen=True)
class Grant:
    """What one recipient may receive of one purpose: rows ``all`` or ``alerted``, outputs, labels that it may see."""

    name: str
    recipient: str
    purpose: str
    rows: str
    columns: tuple[str, ...]
    labels: frozenset[str]


@dataclass(frozen=True)
class Declassification:
    """All signatories agree that an output of a purpose is shown to recipients who may not see its sources."""

    purpose: str
    output: str


@dataclass(frozen=True)
class Custodian:
    """A custodian of the pseudonym in one epoch, with its VOPRF public key (32 bytes)."""

    member: str
    key: bytes


@dataclass(frozen=True)
class Epoch:
    """A period during which one set of pseudonym keys counts; both days inclusive, custodians in their order."""

    number: int
    start: date
    end: date
    custodians: tuple[Custodian, ...]

    def custodian(self, member: str) -> Custodian:
        """The custodian of that name.

        Raises:
            Missing: that member is not a custodian of this epoch.
        """
        for custodian in self.custodians:
            if custodian.member == member:
                return custodian
        raise Missing(f"{member} is not a custodian of epoch {self.number}")


@dataclass(frozen=True)
class EnclaveRule:
    """What an enclave must be: approvals by so many organisations, platform, level, layers that must be enforced.

    ``hardware``: what is accepted of the platforms that are not software.
    """

    approvals: int
    platforms: tuple[str, ...]
    minimum_level: str
    layers: tuple[str, ...]
    hardware: tuple[HardwareRule, ...] = ()


@dataclass(frozen=True)
class WitnessRule:
    """How many other organisations must have cosigned a checkpoint before keys are released under it."""

    release_quorum: int


@dataclass(frozen=True)
class CustodyRule:
    """How many custodians' organisations together open the joint key of the model."""

    threshold: int


@dataclass(frozen=True)
class Retention:
    """Months for which lots and results are kept."""

    lots_months: int
    results_months: int


@dataclass(frozen=True)
class Disclosure:
    """Rule for published aggregates: companies per cell, largest share of one company, rounding of counts."""

    minimum_cell: int
    dominance: float
    rounding: int


@dataclass(frozen=True)
class PerimeterRule:
    """Which companies are looked at, who works that out, and with whom it is shared (docs/spec/perimeter.md).

    Attributes:
        owner: the partner that works the perimeter out.
        minimum_headcount: persons that a company must have employed in one month of the window at least.
        window_months: how many months, up to the last one with any headcount, are looked at.
        recent_months: a headcount must be known in one of the last so many months; 0 asks for none.
        excluded_legal_forms: legal forms (four digits, Insee) that are left out.
        excluded_activities: activity codes (NAF, ``85.10Z``) or their beginnings (``84``) that are left out.
        head_office_in_france: companies whose head office is in no French département are left out.
        shared_with: partners that receive it, and drop rows about other companies before they send.
    """

    owner: str
    minimum_headcount: int
    window_months: int
    recent_months: int
    excluded_legal_forms: tuple[str, ...]
    excluded_activities: tuple[str, ...]
    head_office_in_france: bool
    shared_with: tuple[str, ...]

    def binds(self, member: str) -> bool:
        """Whether a member sends nothing about companies outside the perimeter."""
        return member == self.owner or member in self.shared_with


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
