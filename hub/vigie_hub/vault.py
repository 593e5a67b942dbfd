"""The joint key at the hub: sealed shares on their way to custodians, and models that nobody here can open.

What an attempt makes is staged and is nobody's until its run is in the journal: one transaction makes the ``joint``
statement and the run entries, the shares and the model theirs. The rule it keeps: a model is found by the digest of its
plain bytes, which a run signed for; what is handed to an enclave is the newest statement about the key that it lies under.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vigie import segment
from vigie import statement as statements
from vigie.authority import judge
from vigie.bodies import Approval, Evidence, Joint, Order, Run, read
from vigie.chain import ConventionChain
from vigie.clock import stamp
from vigie.errors import BadProof, Missing, Refused
from vigie.joint import MOST_PARTS, blobs_fit
from vigie.statement import Statement
from vigie_hub.frames import JointInput
from vigie_hub.journal import Journal
from vigie_hub.outbox import Staged
from vigie_hub.packs import Extent, Packs
from vigie_hub.store import Store

TRAIN = "train"
"""What an order says instead of the digest of a model."""


@dataclass
class Made:
    """What an attempt made of the joint key and the model, until its run is in the journal."""

    joint: Statement | None = None
    shares: Mapping[str, bytes] = field(default_factory=dict)
    model: Staged | None = None


@dataclass(frozen=True)
class ModelRow:
    """A model that the hub holds: digests of itself and of the run that trained it, the id of its key, its pack."""

    run: bytes
    digest: bytes
    key: bytes
    pack: str


class Vault:
    """Holds sealed models and sealed shares."""

    def __init__(self, store: Store, journal: Journal, packs: Packs) -> None:
        self._store = store
        self._journal = journal
        self._packs = packs

    # -- what an attempt is given

    def model(self, digest: bytes) -> ModelRow:
        """The newest sealing of a model, by its digest.

        Raises:
            Missing: there is none.
        """
        for row in reversed(self.models()):
            if row.digest == digest:
                return row
        raise Missing(
            "the hub holds no model with that digest", hint="`vigie-hub model list` shows those that it holds"
        )

    def models(self) -> list[ModelRow]:
        """All models, in the order of their runs in the journal."""
        rows = self._store.reader.execute(
            "SELECT run, model.digest, key_id, pack FROM model JOIN entry ON entry.digest = model.run ORDER BY place"
        )
        return [ModelRow(*row) for row in rows]

    def check_order(self, order: Order) -> None:
        """Refuse an order for a model that is not here, or of another purpose.

        Raises:
            Refused: claim ``model``.
        """
        if order.model == TRAIN:
            return
        try:
            row = self.model(bytes.fromhex(order.model))
        except Missing as error:
            raise Refused("model", expected="a model that the hub holds", found="none", hint=error.hint) from error
        trained = self._order_of(row.run)
        if trained.purpose != order.purpose:
            raise Refused("model", expected=f"a model of {order.purpose}", found=f"one of {trained.purpose}")

    def newest(self, order: Order) -> Statement | None:
        """The newest statement about the joint key that an order's model lies, or will lie, under; None before the first."""
        key = None if order.model == TRAIN else self.model(bytes.fromhex(order.model)).key
        row = self._store.reader.execute(
            "SELECT digest FROM joint_key WHERE CASE WHEN ?1 IS NULL THEN epoch = ?2 ELSE key_id = ?1 END"
            " ORDER BY place DESC LIMIT 1",
            (key, order.epoch),
        ).fetchone()
        return None if row is None else statements.parse(self._journal.entry(row[0]), kind="joint")

    def given(self, order: Order, joint: Statement) -> JointInput:
        """What an enclave is told of the joint key."""
        body = read(joint, Joint)
        evidences = [body.evidence]
        run = run_receipt = run_evidence = run_order = b""
        if order.model != TRAIN:
            trained = self._journal.entry(self.model(bytes.fromhex(order.model)).run)
            said = statements.parse(trained, kind="run")
            of_run = read(said, Run)
            evidences.append(of_run.evidence)
            run, run_receipt = trained, self._journal.receipt(said.digest)
            run_evidence, run_order = self._journal.entry(of_run.evidence), self._journal.entry(of_run.order)
        return JointInput(
            joint.raw,
            self._journal.receipt(joint.digest),
            self._journal.entry(body.evidence),
            self._approvals(evidences),
            run,
            run_receipt,
            run_evidence,
            run_order,
        )

    def parts(self, digest: bytes) -> tuple[ModelRow, list[Extent]]:
        """Where the sealed parts of a model lie, in order.

        Raises:
            Missing: there is no such model.
        """
        row = self.model(digest)
        found = self._store.reader.execute("SELECT start, size FROM model_part WHERE run = ? ORDER BY part", (row.run,))
        return row, [Extent(start, size) for start, size in found]

    def read(self, row: ModelRow, extent: Extent) -> bytes:
        """One sealed part; blocks."""
        return self._packs.read(row.pack, extent)

    # -- what an attempt makes

    def stage(self, evidence: bytes, made: Made, part: int, data: bytes) -> None:
        """Write one sealed part of the model that an attempt trained; blocks until it is durable.

        Raises:
            BadProof: not the next part, or one too many.
            Unavailable: the disk refuses.
        """
        into = made.model or Staged(f"{evidence.hex()[:2]}/{evidence.hex()}")
        if part != len(into.ids) or part >= MOST_PARTS:
            raise BadProof("the enclave's parts of the model are out of order")
        into.extents += self._packs.append(into.pack, into.end, [data])
        into.ids.append(segment.segment_id(data))
        made.model = into

    def check(self, run: Run, made: Made, given: Statement | None, chain: ConventionChain, evidence: Statement) -> None:
        """Hold what an attempt made against what its run says.

        Args:
            run: the body of the run.
            made: the ``joint`` statement, shares and parts that came before it.
            given: the ``joint`` statement that the enclave was given.
            chain: the conventions.
            evidence: of the enclave.

        Raises:
            BadProof: they differ.
            VigieError: the ``joint`` statement does not hold.
        """
        came = None if made.model is None else (len(made.model.ids), segment.segment_root(made.model.ids))
        named = None if run.sealed is None else (run.sealed.parts, run.sealed.digest)
        if came != named:
            raise BadProof("the parts of the model that came out of the enclave are not the ones that its run names")
        newest = given
        if made.joint is not None:
            newest = made.joint
            body: Joint = judge(made.joint.raw, chain, kind="joint", evidence=evidence, current_only=True).body
            if not blobs_fit(body, made.shares):
                raise BadProof("the sealed shares that came out of the enclave are not the ones that it signed for")
            if body.previous != (given.digest if given is not None else None):
                raise BadProof("the enclave's joint key does not follow the one that it was given")
        if run.joint is not None and (newest is None or run.joint != newest.digest):
            raise BadProof("the run names another joint key than the one that was given or made")
        if made.joint is not None and run.joint is None:
            raise BadProof("the enclave made a joint key that its run does not name")

    def keep(self, db: sqlite3.Connection, digest: bytes, run: Run, made: Made) -> None:
        """Make what was checked the hub's, inside the transaction that journals the run with that digest."""
        if made.joint is not None:
            body = read(made.joint, Joint)
            place = self._journal.append(db, made.joint).place
            db.execute("INSERT INTO joint_key VALUES (?, ?, ?, ?)", (made.joint.digest, body.key, body.epoch, place))
            db.executemany(
                "INSERT INTO joint_share VALUES (?, ?, ?, NULL)",
                [(made.joint.digest, name, blob) for name, blob in made.shares.items()],
            )
        if made.model is not None and run.joint is not None:
            (key,) = db.execute("SELECT key_id FROM joint_key WHERE digest = ?", (run.joint,)).fetchone()
            db.execute("INSERT INTO model VALUES (?, ?, ?, ?)", (digest, run.model, key, made.model.pack))
            db.executemany(
                "INSERT INTO model_part VALUES (?, ?, ?, ?)",
                [(digest, part, extent.start, extent.size) for part, extent in enumerate(made.model.extents)],
            )

    def discard(self, made: Made) -> None:
        """Forget what an attempt that failed had staged."""
        if made.model is not None:
            self._packs.remove(made.model.pack)

    # -- custodians

    def share(self, custodian: str, joint: bytes) -> tuple[bytes, bytes]:
        """(evidence, sealed share) of a custodian under one ``joint`` statement.

        Raises:
            Missing: it has none there; another's is as if it were not there.
        """
        row = self._store.reader.execute(
            "SELECT blob FROM joint_share WHERE joint = ? AND custodian = ?", (joint, custodian)
        ).fetchone()
        if row is None:
            raise Missing("there is no such share for you")
        body = read(statements.parse(self._journal.entry(joint), kind="joint"), Joint)
        return self._journal.entry(body.evidence), bytes(row[0])

    async def confirm(self, custodian: str, joint: bytes, *, now: datetime) -> None:
        """Note that a custodian keeps its share; the first time stays.

        Raises:
            Missing: it has none there.
        """
        self.share(custodian, joint)

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE joint_share SET confirmed = coalesce(confirmed, ?) WHERE joint = ? AND custodian = ?",
                (stamp(now), joint, custodian),
            )

        await self._store.write(work)

    def confirmed(self, joint: bytes) -> list[str]:
        """Custodians that confirmed their share of a statement."""
        rows = self._store.reader.execute(
            "SELECT custodian FROM joint_share WHERE joint = ? AND confirmed IS NOT NULL ORDER BY custodian", (joint,)
        )
        return [name for (name,) in rows]

    def custodians(self, order: Order) -> list[str]:
        """Who may give a share to an order's run; nobody when it trains."""
        joint = None if order.model == TRAIN else self.newest(order)
        return [] if joint is None else [share.custodian for share in read(joint, Joint).shares]

    def packs_named(self) -> set[str]:
        """Names of the packs that hold models; any other file is left over from an attempt that died."""
        return {pack for (pack,) in self._store.reader.execute("SELECT pack FROM model")}

    def _order_of(self, run: bytes) -> Order:
        body = read(statements.parse(self._journal.entry(run), kind="run"), Run)
        return read(statements.parse(self._journal.entry(body.order), kind="order"), Order)

    def _approvals(self, evidences: list[bytes]) -> tuple[bytes, ...]:
        """Approvals of the measurements of some evidence, one of each member and measurement."""
        newest: dict[tuple[bytes, str], bytes] = {}
        for digest in evidences:
            measurement = read(statements.parse(self._journal.entry(digest), kind="evidence"), Evidence).measurement
            for raw in self._journal.find("approval", measurement):
                newest[measurement, read(statements.parse(raw), Approval).member] = raw
        return tuple(newest.values())
