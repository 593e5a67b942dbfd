"""What the enclave believes, and why: the convention, the order, its lots and the keys that partners released.

Everything here came through the host, which is treated as hostile.  The order of checks:

1. The conventions form one chain, every link signed by all its signatories; the last is current.
2. A hub operator of the current convention signed the order; its purpose exists and reads only datasets that it lists.
3. Each lot that the order names is there and no other: signed by its partner, which may deposit that dataset; in the
   journal, by its receipt and the journal's key; its list of segments has the root that it names.
4. The lots of a partner and dataset are one snapshot and deltas that build on it.
5. The evidence that came back is the one that was claimed, with the host's signature added.
6. Each release is signed by its partner, for this order and this evidence; the sealed keys are the ones that it names,
   they open with this enclave's key, and each is the private half of its lot's ``lot_key``.  A partner whose release
   fails is a missing partner.
7. Every partner that the purpose requires released.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vigie.authority import judge
from vigie.bodies import Lot, Order, Release
from vigie.chain import ConventionChain
from vigie.convention import SOFTWARE, Convention, Purpose
from vigie.custody import open_release
from vigie.datasets import Dataset
from vigie.errors import Refused, VigieError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.sealing import SealingPrivateKey
from vigie.segment import segment_root
from vigie.statement import Statement
from vigie.wiping import let_go, wipe
from vigie_hub.enclave.messages import Begin, GivenLot, Go, PartnerRelease
from vigie_hub.enclave.months import parse_month
from vigie_hub.enclave.stopping import rule

NO_RELEASE: Final = "none"
"""What a run says of a partner that gave neither a release nor a refusal."""


@dataclass(frozen=True)
class NamedLot:
    """A lot of the order that passed every check but has not been opened.

    Attributes:
        place: its place in the order, by which segments are fetched.
        digest: of its statement.
        body: what its partner signed.
        definition: the columns that its rows must have.
        segment_ids: in (bucket, part) order.
        parts_per_bucket: how many parts each bucket has.
    """

    place: int
    digest: bytes
    body: Lot
    definition: Dataset
    segment_ids: tuple[bytes, ...]
    parts_per_bucket: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """What this enclave was started for.

    Attributes:
        chain: the conventions.
        order_digest: digest of the order statement.
        order: its body.
        purpose: that the order names.
        period: month of the scores.
        lots: in the order's order.
        challenges: the members' challenges, for the evidence.
        measurement: the launcher's word, for the evidence.
        platform: the one that the host can give a quote of; ``software`` when it can give none.
    """

    chain: ConventionChain
    order_digest: bytes
    order: Order
    purpose: Purpose
    period: int
    lots: tuple[NamedLot, ...]
    challenges: Mapping[str, bytes]
    measurement: bytes
    platform: str = SOFTWARE

    @property
    def convention(self) -> Convention:
        """The current convention."""
        return self.chain.current

    @property
    def partners(self) -> tuple[str, ...]:
        """Partners whose lots the order names, sorted."""
        return tuple(sorted({lot.body.partner for lot in self.lots}))


@dataclass(frozen=True)
class Opened:
    """The answers of the partners.

    Attributes:
        keys: private key of each lot that may be opened, by the lot's place; emptied once all lots have been read.
        releases: for each partner of the order, the digest of its release or refusal in hexadecimal, or ``none``.
        missing: partners whose lots stay closed, sorted.
        places: places of the lots that were opened, which stay when ``keys`` is emptied.
    """

    keys: dict[int, SealingPrivateKey]
    releases: Mapping[str, str]
    missing: tuple[str, ...]
    places: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", frozenset(self.keys))

    def sound(self, answer: PartnerRelease) -> bool:
        """Whether an answer was taken as its member's; there is one of each."""
        return self.releases.get(answer.partner, NO_RELEASE) != NO_RELEASE


def read_task(begin: Begin) -> Task:
    """Judge everything that the host gives at the start: steps 1 to 4.

    Raises:
        Refused: claim ``convention``, ``order``, ``purpose``, ``lots`` or ``lot``, or one of :mod:`vigie.authority`.
    """
    # (1)
    with rule("convention", "one chain of conventions, each signed by all its signatories"):
        chain = ConventionChain.open(begin.conventions)
    convention = chain.current
    # (2)
    with rule("order", "an order signed by a hub operator under the current convention"):
        judged = judge(begin.order, chain, kind="order", current_only=True)
        order: Order = judged.body
    purpose = convention.purposes[order.purpose]
    if order.states:
        raise Refused("states", expected="no states, which this version does not read", found=str(len(order.states)))
    # (3)
    if len(begin.lots) != len(order.lots):
        raise Refused("lots", expected=f"the {len(order.lots)} lots of the order", found=str(len(begin.lots)))
    lots = tuple(
        _read_lot(place, given, digest, chain, order, purpose)
        for place, (given, digest) in enumerate(zip(begin.lots, order.lots, strict=True))
    )
    # (4)
    _check_deliveries(lots)
    return Task(
        chain,
        judged.statement.digest,
        order,
        purpose,
        parse_month(order.period),
        lots,
        dict(begin.challenges),
        begin.measurement,
        begin.platform,
    )


def check_go(task: Task, go: Go, claimed: Statement) -> Statement:
    """Return the evidence with both signatures: step 5.

    Raises:
        Refused: claim ``evidence``: it is another one, or lacks the host's signature.
    """
    with rule("evidence", "the evidence that was claimed, with the host's signature"):
        judged = judge(go.evidence, task.chain, kind="evidence", current_only=True)
    if judged.statement.digest != claimed.digest:
        raise Refused(
            "evidence",
            expected="the evidence that was claimed, with the host's signature",
            found="the evidence of another enclave",
        )
    return judged.statement


def open_releases(
    task: Task,
    answers: Sequence[PartnerRelease],
    evidence: bytes,
    private: SealingPrivateKey,
    custodians: Sequence[str] = (),
) -> Opened:
    """Judge the partners' answers and take the keys out of them: steps 6 and 7.

    A release that fails is that partner's failing and not the run's: the partner is missing (docs/spec/release.md).

    Args:
        task: what the enclave was started for.
        answers: as given by the host, at most one for each partner.
        evidence: digest of this enclave's evidence.
        private: this enclave's sealing key.
        custodians: who may answer beside the partners, to give a share of the joint key.

    Raises:
        Refused: claim ``release``: two answers of a member, or one of somebody else; or claim ``required``.
    """
    partners = task.partners
    releases = dict.fromkeys(sorted({*partners, *custodians}), NO_RELEASE)
    keys: dict[int, SealingPrivateKey] = {}
    missing = set(partners)
    answered: set[str] = set()
    for answer in answers:
        if answer.partner not in releases or answer.partner in answered:
            raise Refused("release", expected="one answer of each member that the order asks", found="another one")
        answered.add(answer.partner)
        try:
            judged = judge(answer.statement, task.chain, kind="release", current_only=True)
            body: Release = judged.body
            _check_answer(task, answer, body, evidence)
            releases[answer.partner] = judged.statement.digest.hex()
            if body.decision == "released" and answer.partner in missing:
                keys |= _keys(task, answer, body, evidence, private)
                missing.remove(answer.partner)
        except VigieError as error:
            let_go(error)
    for partner in task.purpose.required:
        if partner not in partners or partner in missing:
            raise Refused("required", expected=f"a sound release by {partner}", found="none")
    return Opened(keys, releases, tuple(sorted(missing)))


def _read_lot(
    place: int, given: GivenLot, digest: bytes, chain: ConventionChain, order: Order, purpose: Purpose
) -> NamedLot:
    convention = chain.current
    with rule("lot", "a lot that its partner signed and was allowed to deposit"):
        judged = judge(given.statement, chain, kind="lot")
        body: Lot = judged.body
    if judged.statement.digest != digest:
        raise Refused("lots", expected=f"the lot that the order names at place {place}", found="another lot")
    with rule("lot", "a receipt that proves the lot's entry in the journal"):
        verify_receipt(Receipt.parse(given.receipt), judged.statement.raw, convention.log_key())
    # The lot may name an older convention: it must still be allowed today.
    if body.dataset not in purpose.datasets or not convention.may_deposit(body.partner, body.dataset):
        raise Refused("lot", expected=f"datasets that the purpose {purpose.name} reads", found=body.dataset)
    definition = convention.datasets[body.dataset].definition
    found = (body.epoch, body.schema)
    if found != (order.epoch, definition.schema):
        raise Refused(
            "lot",
            expected=f"epoch {order.epoch}, schema {definition.schema}",
            found=f"epoch {found[0]}, schema {found[1]}",
        )
    counts = given.parts_per_bucket
    if len(counts) != convention.buckets or min(counts) < 1 or sum(counts) != len(given.segment_ids):
        raise Refused("lot", expected="a part for each bucket and an id for each part", found="another number")
    if body.segments != len(given.segment_ids) or segment_root(given.segment_ids) != body.segment_root:
        raise Refused("lot", expected="the segment ids that the partner signed", found="others")
    return NamedLot(place, digest, body, definition, given.segment_ids, counts)


def _check_deliveries(lots: Sequence[NamedLot]) -> None:
    chains: dict[tuple[str, str], list[Lot]] = {}
    for lot in lots:
        chains.setdefault((lot.body.partner, lot.body.dataset), []).append(lot.body)
    for (partner, dataset), found in chains.items():
        snapshots = [lot for lot in found if lot.delivery == "snapshot"]
        if len(snapshots) != 1 or any(lot.base != snapshots[0].lot for lot in found if lot.delivery == "delta"):
            raise Refused(
                "lots",
                expected=f"one snapshot of {dataset} by {partner} and the deltas based on it",
                found=f"{len(snapshots)} snapshots and {len(found) - len(snapshots)} deltas",
            )


def _check_answer(task: Task, answer: PartnerRelease, body: Release, evidence: bytes) -> None:
    own = {lot.digest for lot in task.lots if lot.body.partner == answer.partner}
    if (body.partner, body.order) != (answer.partner, task.order_digest):
        raise Refused("release", expected=f"an answer of {answer.partner} to this order", found="to another one")
    if body.evidence != evidence and (body.decision == "released" or body.evidence is not None):
        raise Refused("release", expected="an answer to this enclave's evidence", found="to another one")
    if body.decision == "released" and set(body.lots) != own:
        raise Refused("release", expected=f"all lots of {answer.partner} that the order names", found="other lots")


def _keys(
    task: Task, answer: PartnerRelease, body: Release, evidence: bytes, private: SealingPrivateKey
) -> dict[int, SealingPrivateKey]:
    if hashlib.sha256(answer.blob).digest() != body.blob:
        raise Refused("release", expected="the sealed keys that the release names", found="other bytes")
    seeds = open_release(private, evidence, task.order_digest, answer.blob)
    lots = [lot for lot in task.lots if lot.body.partner == answer.partner]
    if set(seeds) != {lot.body.lot for lot in lots}:
        wipe(*seeds.values())
        raise Refused(
            "release", expected="the keys of the lots that the order names, and no others", found="other keys"
        )
    try:
        keys = {lot.place: SealingPrivateKey.from_seed(seeds[lot.body.lot]) for lot in lots}
    finally:
        wipe(*seeds.values())
    for lot in lots:
        if keys[lot.place].public != lot.body.lot_key:
            raise Refused(
                "release", expected="the private half of each lot's key", found=f"another, for {lot.body.dataset}"
            )
    return keys
