"""A whole exchange as a journal, from the convention to the deliveries, that a test can tell with one thing wrong.

Every statement has a name. A test gives changes by name (another body, other signers, left out, moved), and whatever
names the changed statement by its digest follows. The log is real: signed checkpoints, receipts, cosignatures.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from support.merkle_tree import MemoryTree
from support.perimeter import section
from support.world import ORIGIN, SIGNATORIES, World, demo_terms
from vigie import joint as joints
from vigie import statement as statements
from vigie.audit.folder import Export
from vigie.bodies import (
    Approval,
    Body,
    Delivery,
    Erasure,
    Evaluation,
    Evidence,
    Joint,
    Lot,
    Order,
    Perimeter,
    PerimeterShare,
    Quality,
    Reason,
    Refusal,
    Release,
    Run,
    RunResult,
    SealedModel,
    text_for,
)
from vigie.journal.checkpoint import Checkpoint, merge_cosignatures
from vigie.journal.merkle import inclusion_proof
from vigie.journal.proof import Receipt
from vigie.note import Signer, assemble
from vigie.statement import SignsText, Statement

PARTNERS: Final = ("acoss", "banque-de-france", "travail")
WITNESSES: Final = SIGNATORIES
MEASUREMENT: Final = hashlib.sha256(b"enclave").digest()
COSIGNED: Final = 1_774_000_000
DAY: Final = "2026-03-20"
REASON: Final = Reason("policy", "an approval of this order by a person", "no decision yet")


def digest(text: str) -> bytes:
    """32 bytes that are different for each text."""
    return hashlib.sha256(text.encode()).digest()


def enclave_signer(name: str) -> Signer:
    """The key of one enclave."""
    return Signer("enclave/signing", digest(f"seed of {name}"))


@dataclass
class Change:
    """What is different from the good story, by the names of the statements."""

    body: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    signers: Mapping[str, Sequence[SignsText]] = field(default_factory=dict)
    leave_out: frozenset[str] = frozenset()
    arrange: Callable[[list[str]], list[str]] = list
    raw: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)


@cache
def story_world() -> World:
    """The members, and a convention that was amended once; made once in a process."""
    with TemporaryDirectory() as folder:
        world = World.create(Path(folder), now=datetime(2026, 3, 20, tzinfo=UTC), overrides={"perimeter": section()})
        world.amend({"convention.title": "Amended"})
    return world


class Story:
    """The statements of one exchange in the order of the journal, and the export of it."""

    def __init__(self, change: Change | None = None) -> None:
        self.change = change or Change()
        self.world = story_world()
        self.rings = self.world.keyrings
        self.said: dict[str, Statement] = {}
        self._convention = b""
        self._minute = 0
        self._tell()
        names = self.change.arrange(list(self.said))
        self.order = [name for name in names if name not in self.change.leave_out]
        self.entries = tuple(self.change.raw.get(name, bytes)(self.said[name].raw) for name in self.order)

    def index(self, name: str) -> int:
        """Place of a statement in the journal."""
        return self.order.index(name)

    def signer(self, member: str, use: str = "signing") -> Signer:
        """A member's key."""
        return self.rings[member].signer(use)

    def log(self) -> Signer:
        """The journal's key."""
        return self.rings["hub"].log_signer(ORIGIN)

    # -- export

    def checkpoint(self, size: int | None = None, witnesses: Iterable[str] = ()) -> bytes:
        """The checkpoint of the first ``size`` entries, signed by the log and cosigned by these members."""
        tree = MemoryTree(self.entries[:size])
        text = Checkpoint(ORIGIN, tree.frontier.size, tree.frontier.root()).text()
        lines = [self.rings[name].cosigner().cosign(text, COSIGNED) for name in witnesses]
        return merge_cosignatures(assemble(text, [self.log().sign(text)]), lines)

    def receipt(self, name: str, size: int | None = None, witnesses: Iterable[str] = ()) -> bytes:
        """The receipt of a statement, under the first checkpoint that covers it when no size is given."""
        index = self.index(name)
        size = index + 1 if size is None else size
        proof = inclusion_proof(index, size, MemoryTree(self.entries[:size]).read)
        return Receipt(index, tuple(proof), self.checkpoint(size, witnesses)).encode()

    def export(self) -> Export:
        """The export of this journal."""
        digests = {name: statements.parse(self.entries[self.index(name)]).digest for name in self._lots()}
        receipts = {digests[name]: self.receipt(name) for name in digests}
        conventions = tuple(self.said[name].raw for name in self.order if name.startswith("convention "))
        return Export(self.checkpoint(None, WITNESSES), self.entries, conventions, receipts)

    def _lots(self) -> list[str]:
        return [name for name in self.order if name.startswith(("lot ", "perimeter "))]

    # -- telling

    def say(self, name: str, body: Body, *signers: SignsText) -> bytes:
        """Add a statement; return its digest."""
        changed = self.change.body.get(name, lambda same: same)(body)
        made = statements.sign_text(text_for(changed), self.change.signers.get(name, signers))
        assert name not in self.said
        self.said[name] = made
        return made.digest

    def now(self) -> str:
        """The time, a minute later at each call."""
        self._minute += 1
        return f"{DAY}T{9 + self._minute // 60:02d}:{self._minute % 60:02d}:00Z"

    def _agree(self, version: int) -> None:
        name = f"convention {version}"
        said = statements.parse(self.world.raws[version - 1], kind="convention")
        if name in self.change.signers:
            said = statements.sign_text(said.text, self.change.signers[name])
        self.said[name] = said
        self._convention = said.digest

    def _tell(self) -> None:
        self._agree(1)
        for member in PARTNERS:
            self._approve(member)
        self._evaluate("a", "acoss", "banque-de-france", 1, 400, 400)
        self._evaluate("b", "acoss", "banque-de-france", 2, 90, 490)
        self._evaluate("c", "acoss", "travail", 3, 400, 400)
        self._evaluate("d", "travail", "acoss", 1, 120, 120)
        self.say(
            "refusal",
            Refusal(self._convention, "hub", "travail", digest("?"), Reason("base", "a base", "none"), 1, self.now()),
            self.signer("hub", "host"),
        )
        debts = self._lot("lot debts 1", "acoss", "debts", "2026-01")
        self._lot("lot headcount", "acoss", "headcount", "2026-01")
        self._lot("lot ratios", "banque-de-france", "ratios", "2026-01")
        self._lot("lot short time", "travail", "short_time_work", "2026-01")
        debts = self._lot("lot debts 2", "acoss", "debts", "2026-02", supersedes=debts)
        delta = self._lot("lot debts 3", "acoss", "debts", "2026-02", delivery="delta", base=debts)
        self._lot("lot debts 4", "acoss", "debts", "2026-02", delivery="delta", base=debts, supersedes=delta)
        current = ("lot headcount", "lot ratios", "lot short time", "lot debts 2", "lot debts 4")
        self._consolidate_first(current)
        self._agree(2)
        self._consolidate_second(current)
        first = self._share("perimeter 1", "2026-02", None)
        self._share("perimeter 2", "2026-03", first)
        self._erase("erasure", "banque-de-france", ("lot ratios",))

    def _consolidate_first(self, current: Sequence[str]) -> None:
        """Two partners open their lots, the third refuses; the first enclave was killed and a second one ran."""
        order = self._order("order 1", "2026-02", current)
        killed = self._evidence("evidence killed", order)
        self._release("release killed acoss", order, killed, "acoss", current)
        self._refuse("refusal travail", order, None, "travail")
        evidence = self._evidence("evidence 1", order)
        releases = {
            "acoss": self._release("release acoss 1", order, evidence, "acoss", current),
            "banque-de-france": self._release("release bdf 1", order, evidence, "banque-de-france", current),
            "travail": self.said["refusal travail"].digest,
        }
        joint = self._joint("joint 1", order, evidence, None)
        run = self._run(
            "run 1", order, evidence, {name: one.hex() for name, one in releases.items()}, joint=joint,
            sealed=SealedModel(digest("sealed"), 1, 4096),
        )  # fmt: skip
        self._deliver("delivery acoss 1", run, "acoss-list", "acoss")
        self._deliver("delivery bdf 1", run, "banque-de-france-list", "banque-de-france")

    def _consolidate_second(self, current: Sequence[str]) -> None:
        """Under the amended convention, with the model of the first run; one partner does not answer."""
        order = self._order("order 2", "2026-03", current, model=digest("model").hex())
        evidence = self._evidence("evidence 2", order)
        acoss = self._release("release acoss 2", order, evidence, "acoss", current, share=digest("share a"))
        travail = self._release("release travail 2", order, evidence, "travail", current, share=digest("share t"))
        releases = {"acoss": acoss.hex(), "banque-de-france": "none", "travail": travail.hex()}
        joint = self._joint("joint 2", order, evidence, self.said["joint 1"].digest)
        said = {"acoss": "sound", "banque-de-france": "none", "travail": "sound"}
        run = self._run("run 2", order, evidence, releases, joint=joint, shares=said)
        self._deliver("delivery acoss 2", run, "acoss-list", "acoss")

    def _approve(self, member: str) -> None:
        body = Approval(self._convention, MEASUREMENT, member, self.now())
        self.say(f"approval {member}", body, self.signer(member))

    def _evaluate(self, name: str, requester: str, evaluator: str, sequence: int, count: int, total: int) -> None:
        asked = Evaluation(
            self._convention, 1, requester, evaluator, sequence, digest(f"batch {name}"), count, "requested", None, None,
            self.now(),
        )  # fmt: skip
        request = self.say(f"asked {name}", asked, self.signer(requester))
        answered = dataclasses.replace(asked, stage="evaluated", request=request, total=total, created=self.now())
        self.say(f"answered {name}", answered, self.signer(evaluator))

    def _lot(
        self,
        name: str,
        partner: str,
        dataset: str,
        period: str,
        *,
        delivery: Any = "snapshot",
        base: bytes | None = None,
        supersedes: bytes | None = None,
    ) -> bytes:
        lot = digest(name)[:16]
        body = Lot(
            self._convention, 1, lot, digest(name) * 38, partner, dataset, 1, period, f"{period}-28", delivery, base,
            supersedes, False, 512, 96, 65_536, 64, digest(f"root {name}"), Quality(510, 500, 4, 6, 0), self.now(),
        )  # fmt: skip
        self.say(name, body, self.signer(partner))
        return lot

    def _share(self, name: str, period: str, supersedes: bytes | None) -> bytes:
        shares = {to: PerimeterShare(digest(f"{name} {to}"), 5232, 1) for to in ("banque-de-france", "travail")}
        body = Perimeter(
            self._convention, 1, digest(name)[:16], period, "acoss", shares, 96, supersedes, self.now()
        )  # fmt: skip
        self.say(name, body, self.signer("acoss"))
        return body.perimeter

    def _erase(self, name: str, member: str, lots: Sequence[str]) -> bytes:
        named = tuple(self.said[lot].digest for lot in lots)
        body = Erasure(self._convention, member, 1, named, "the extract was wrong", self.now())
        return self.say(name, body, self.signer(member))

    def _joint(self, name: str, order: bytes, evidence: bytes, previous: bytes | None) -> bytes:
        convention = self.world.chain.by_digest(self._convention)
        assert convention is not None
        public = joints.key_of(digest("joint seed"), convention.id, 1).public
        shares, _ = joints.make_shares(digest("joint seed"), convention, public)
        body = Joint(
            self._convention, 1, joints.key_id(public), public, convention.custody.threshold, evidence, order, previous,
            shares, self.now(),
        )  # fmt: skip
        return self.say(name, body, enclave_signer(f"evidence {name[-1]}"))

    def _order(self, name: str, period: str, lots: Sequence[str], model: str = "train") -> bytes:
        digests = tuple(self.said[lot].digest for lot in lots)
        body = Order(self._convention, 1, period, "early-warning", digests, (), model, f"{DAY}T23:00:00Z", self.now())
        return self.say(name, body, self.signer("hub", "operator"))

    def _evidence(self, name: str, order: bytes) -> bytes:
        key = enclave_signer(name)
        layers = dict.fromkeys(demo_terms()["enclave"]["layers"], "enforced")
        body = Evidence(
            self._convention, order, digest(name) * 38, key.verifier.public,
            {member: digest(f"challenge {name} {member}") for member in PARTNERS}, MEASUREMENT, digest("policy"),
            "software", {**layers, "memory_lock": "absent"}, {"kernel": "6.1"}, None, self.now(),
        )  # fmt: skip
        return self.say(name, body, self.signer("hub", "host"), key)

    def _release(
        self, name: str, order: bytes, evidence: bytes, partner: str, lots: Sequence[str], share: bytes | None = None
    ) -> bytes:
        mine = tuple(self.said[lot].digest for lot in lots if self.said[lot].body["partner"] == partner)
        body = Release(
            self._convention, order, evidence, partner, "released", mine, digest(f"blob {name}"), None, self.now(),
            share,
        )  # fmt: skip
        return self.say(name, body, self.signer(partner))

    def _refuse(self, name: str, order: bytes, evidence: bytes | None, partner: str) -> bytes:
        body = Release(self._convention, order, evidence, partner, "refused", (), None, REASON, self.now())
        return self.say(name, body, self.signer(partner))

    def _run(self, name: str, order: bytes, evidence: bytes, releases: dict[str, str], **more: Any) -> bytes:
        grants = (("acoss-list", "acoss"), ("banque-de-france-list", "banque-de-france"))
        results = tuple(RunResult(grant, to, digest(f"{name} {grant}"), 1, 4096) for grant, to in grants)
        body = Run(
            self._convention, evidence, order, releases, digest("model"), {"trees": 50}, {"auc": 0.8}, results, "A1",
            self.now(), **more,
        )  # fmt: skip
        made = "evidence 1" if name == "run 1" else "evidence 2"
        return self.say(name, body, enclave_signer(made))

    def _deliver(self, name: str, run: bytes, grant: str, recipient: str) -> bytes:
        opened = digest(f"run {name[-1]} {grant}")
        body = Delivery(self._convention, run, grant, recipient, opened, "A1", self.now())
        return self.say(name, body, self.signer(recipient))
