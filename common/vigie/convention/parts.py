"""The parts of a convention as values: members, datasets, purposes, grants, epochs and the rules of enclave and witnesses.

Everything here is frozen and pure; :mod:`vigie.convention.model` puts them together and answers questions about them.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from vigie.convention.hardware import HARDWARE, SOFTWARE, HardwareRule
from vigie.datasets import Dataset
from vigie.errors import Missing
from vigie.note import VerifierKey

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
