"""Results: checked before they are opened, opened only here, turned back into companies that this node knew already."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from vigie import attestation, authority, evidence, result, sealing, segment
from vigie.bodies import Evidence, Order, Run, RunResult
from vigie.chain import ConventionChain
from vigie.datasets import PSEUDONYM, SIREN
from vigie.errors import BadProof, MalformedSegment, Refused
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.proof import Receipt, verify_receipt
from vigie.sealing import SealingPrivateKey
from vigie.statement import Statement
from vigie_node.wire import FetchedResult

Identify = Callable[[pa.Array], pa.Array]
"""From an array of pseudonyms (16 bytes) to one of SIREN (text), null where this node does not know the company."""


@dataclass(frozen=True)
class CheckedResult:
    """A result whose proofs hold and which is not opened yet.

    ``tree`` is the journal that its run stands in, as the hub shows it here; whether that is the journal which this node
    has witnessed is asked in :mod:`vigie_node.fetching`.
    """

    grant: str
    order: Order
    order_digest: bytes
    evidence_digest: bytes
    run: Run
    run_statement: Statement
    named: RunResult
    level: str
    parts: tuple[bytes, ...]
    tree: Checkpoint


@dataclass(frozen=True)
class OpenedResult:
    """A result by company: ``table`` has ``siren`` first; ``about`` is its metadata; ``level`` this node's own verdict."""

    table: pa.Table
    about: Mapping[str, Any]
    level: str


def check(fetched: FetchedResult, grant: str, *, member: str, chain: ConventionChain) -> CheckedResult:
    """Check everything that proves a result, before a byte of it is opened.

    1. The order is signed by a hub operator.
    2. The evidence is signed by the hub's host and the enclave, and is for that order.
    3. The run is signed by the enclave of that evidence and names both; its level is the one that this node computes.
    4. The run is in the journal.
    5. The grant is in the convention, and its recipient is this member; so it is in the run.
    6. The parts are those that the run names, all of them, in their order.

    Raises:
        Malformed: something is not what it should be.
        BadSignature: a signer is wrong or missing.
        BadProof: the run is not in the journal, or the parts are not those of the run.
        Refused: the result is not for this member or this grant.
    """
    # (1)
    order = authority.judge(fetched.order, chain, kind="order")
    wanted = order.body
    assert isinstance(wanted, Order)  # noqa: S101 - judge() with kind="order" returns no other body
    # (2)
    claim = authority.judge(fetched.evidence, chain, kind="evidence")
    said = claim.body
    assert isinstance(said, Evidence)  # noqa: S101 - as above
    if said.order != order.statement.digest:
        raise Refused("evidence", expected="evidence for the order of this result", found="evidence for another order")
    # (3)
    judged = authority.judge(fetched.run, chain, kind="run", evidence=claim.statement, quote=fetched.quote)
    run = judged.body
    assert isinstance(run, Run)  # noqa: S101 - as above
    if run.order != order.statement.digest or run.evidence != claim.statement.digest:
        raise Refused("run", expected="a run of this order and evidence", found="a run of another")
    hardware, _ = attestation.proof(said, judged.convention, fetched.quote)
    level = evidence.level(said, judged.convention, hardware)
    if run.level != level:
        raise Refused("level", expected=f"level {level}, as this node computes it", found=f"level {run.level}")
    # (4)
    journal = verify_receipt(Receipt.parse(fetched.run_receipt), judged.statement.raw, judged.convention.log_key())
    # (5)
    rule = judged.convention.grants.get(grant)
    if rule is None or rule.recipient != member or rule.purpose != wanted.purpose:
        raise Refused("recipient", expected=f"a grant of the convention to {member}", found=f"grant {grant}")
    mine = [one for one in run.results if one.grant == grant and one.recipient == member]
    if len(mine) != 1:
        raise Refused("grant", expected=f"one result for grant {grant} in the run", found=str(len(mine)))
    # (6)
    ids = [segment.segment_id(part) for part in fetched.parts]
    if len(ids) != mine[0].parts or segment.segment_root(ids) != mine[0].digest:
        raise BadProof(
            "the sealed parts are not those that the run names",
            hint="the hub altered, dropped or mixed parts: keep what was received and tell the auditor",
        )
    return CheckedResult(
        grant,
        wanted,
        order.statement.digest,
        claim.statement.digest,
        run,
        judged.statement,
        mine[0],
        level,
        tuple(fetched.parts),
        journal.checkpoint,
    )


def open_result(checked: CheckedResult, key: SealingPrivateKey, identify: Identify) -> OpenedResult:
    """Open a checked result and turn pseudonyms into SIREN.

    Raises:
        BadSeal: a part was sealed to another member, grant, order, enclave or place.
        MalformedSegment: the parts do not hold one table that is about this result.
    """
    opened = [
        key.open(sealing.result_info(checked.order_digest, checked.evidence_digest, checked.grant, number), part)
        for number, part in enumerate(checked.parts)
    ]
    table, about = result.decode(opened)
    said = (about["grant"], about["order"], about["evidence"])
    if said != (checked.grant, checked.order_digest.hex(), checked.evidence_digest.hex()):
        raise MalformedSegment("the opened result is about another grant, order or enclave")
    sirens = identify(table.column(PSEUDONYM).combine_chunks())
    if sirens.null_count:
        raise Refused(
            "companies",
            expected="only companies that this node has declared",
            found=f"{sirens.null_count} unknown pseudonyms",
            hint="was the node's state restored from before the last sending? send that extract again, then fetch again",
        )
    named = table.drop_columns([PSEUDONYM]).add_column(0, pa.field(SIREN, pa.string(), nullable=False), sirens)
    order = pc.sort_indices(named, sort_keys=_reading_order(named))
    return OpenedResult(named.take(order), about, checked.level)


def _reading_order(table: pa.Table) -> Sequence[tuple[str, str]]:
    """Most alarming first; companies without a score in the order of their number."""
    score = "score" in table.column_names and table.column("score").null_count < table.num_rows
    return [("score", "descending"), (SIREN, "ascending")] if score else [(SIREN, "ascending")]
