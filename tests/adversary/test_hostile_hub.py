"""A dishonest hub, with the hub's own keys, against real nodes: whatever it changes is refused, and nothing is kept.

Blind batches relabelled, altered or answered by another key; keys asked for again, or for another enclave; results
altered, cut, exchanged or replayed. The honest twin of each is the same exchange through the same dishonest hub while it
changes nothing.
"""

import json
import random
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.compute as pc
import pytest

from support.exchange import PERIOD, Exchange, make_data, persist
from support.hostile import ATTEND, EVALUATE, FETCH, LIST, HostileHub, Spoil
from support.merkle_tree import MemoryTree
from vigie import bodies, result, sealing, segment, statement
from vigie.audit import folder as exports
from vigie.chain import ConventionChain
from vigie.convention import Convention
from vigie.demo.programs import CommandFailed
from vigie.demo.story import AUDITOR, GRANTS, HUB, PARTNERS
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.proof import Receipt
from vigie.note import Signer, assemble
from vigie.sealing import SealingPrivateKey, generate
from vigie.v1 import exchange_pb2 as pb
from vigie_node.results import check
from vigie_node.wire import FetchedResult

VICTIM = "acoss"
REFUSED = {3, 4, 5}
"""Exit codes of what is malformed, untrusted or refused."""


@dataclass
class HostileExchange(Exchange):
    """An exchange whose members all speak to the dishonest hub."""

    hostile: HostileHub | None = None

    def start(self) -> None:
        """Start the honest hub, and the dishonest one before it."""
        super().start()
        keyrings = {name: self.keyring(name) for name in (*PARTNERS, AUDITOR, HUB)}
        self.hostile = HostileHub(self.address, self.agreed, keyrings)
        self.address = self.hostile.start()

    def stop(self) -> None:
        """Stop everything."""
        super().stop()
        if self.hostile is not None:
            self.hostile.stop()

    @property
    def agreed(self) -> Convention:
        """The convention."""
        return ConventionChain.open([self.convention.read_bytes()]).current


@dataclass
class Told:
    """The exchange, the dishonest hub, and what it has seen."""

    exchange: HostileExchange
    hub: HostileHub
    folder: Path
    releases: dict[str, pb.ReleaseRequest] = field(default_factory=dict)
    run: bytes = b""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, member: str, method: str, up: bool, message: bytes) -> bytes | None:
        """Change nothing but results, which are kept from the victim; remember the questions for keys."""
        if method == ATTEND and not up:
            question = pb.AttendRequest.FromString(message)
            if question.WhichOneof("request") == "release":
                self.releases[member] = question.release
        if method == FETCH and member == VICTIM and not up:
            return None
        return message


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, enclave: Path) -> Iterator[Told]:
    """An exchange that has begun; nothing is sent yet."""
    base = tmp_path_factory.mktemp("hostile")
    data = make_data(base / "data")
    exchange = HostileExchange.make(base / "story", data, enclave)
    try:
        exchange.begin()
        assert exchange.hostile is not None
        yield Told(exchange, exchange.hostile, base)
    finally:
        exchange.stop()


@pytest.fixture(scope="module")
def done(begun: Told) -> Told:
    """The same after a run, whose results the dishonest hub still keeps from the victim."""
    begun.hub.spoil = begun.watch
    begun.exchange.send_all()
    begun.run = bytes.fromhex(begun.exchange.consolidate(PERIOD)["run"])
    assert set(begun.releases) == set(PARTNERS)
    return begun


@pytest.fixture
def spoil(begun: Told) -> Iterator[Callable[[Spoil], None]]:
    """Have the hub spoil something for the time of a test."""
    before = begun.hub.spoil

    def start(how: Spoil) -> None:
        begun.hub.spoil = how

    yield start
    begun.hub.spoil = before


# -- blind batches -------------------------------------------------------------------------------------------------------


def fresh_extract(folder: Path, seed: int) -> Path:
    """Debts of three companies that nobody has a pseudonym for."""
    drawn = random.Random(seed)
    sirens = [f"{drawn.randrange(10**8, 10**9):09d}" for _ in range(3)]
    path = folder / f"new-{seed}" / "debts.csv"
    path.parent.mkdir(exist_ok=True)
    rows = [f"{siren},2021-03-01,1,2" for siren in sirens]
    path.write_text("\n".join(["siren,month,employee_share,employer_share", *rows, ""]))
    return path


def send(told: Told, path: Path) -> str:
    node = str(told.exchange.node(VICTIM))
    return told.exchange.run(
        [
            "vigie-node", "send", "--folder", node, "--period", PERIOD, "--delivery", "snapshot", "--confirm-shrink",
            str(path),
        ],
        VICTIM,
    )  # fmt: skip


def other_elements(member: str, method: str, up: bool, message: bytes) -> bytes:
    """Blinded elements exchanged against each other on the way to a custodian: each is a good one."""
    if method != ATTEND or up:
        return message
    question = pb.AttendRequest.FromString(message)
    if question.WhichOneof("request") == "evaluate":
        elements = question.evaluate.elements
        question.evaluate.elements = elements[32:] + elements[:32]
    return question.SerializeToString()


class Relabel:
    """Gives every custodian the batch that was signed for the other one."""

    def __init__(self) -> None:
        self.seen: dict[str, pb.EvaluateRequest] = {}

    def __call__(self, member: str, method: str, up: bool, message: bytes) -> bytes | None:
        if method != ATTEND or up:
            return message
        question = pb.AttendRequest.FromString(message)
        if question.WhichOneof("request") != "evaluate":
            return message
        self.seen[member] = pb.EvaluateRequest.FromString(question.evaluate.SerializeToString())
        others = [seen for name, seen in self.seen.items() if name != member]
        if others:
            question.evaluate.CopyFrom(others[0])
        return question.SerializeToString()


def another_custodians_answer() -> Spoil:
    """The output of one custodian in the place of another's: evaluated with a good key, the wrong one."""
    seen: list[bytes] = []

    def how(member: str, method: str, up: bool, message: bytes) -> bytes:
        if method != EVALUATE or up:
            return message
        answer = pb.EvaluateResponse.FromString(message)
        seen.append(answer.output)
        answer.output = seen[0] if len(seen) > 1 else answer.output[:-1] + bytes([answer.output[-1] ^ 1])
        return answer.SerializeToString()

    return how


def another_batchs_statement() -> Spoil:
    """The signed answer of one custodian in the place of another's."""
    seen: list[bytes] = []

    def how(member: str, method: str, up: bool, message: bytes) -> bytes:
        if method != EVALUATE or up:
            return message
        answer = pb.EvaluateResponse.FromString(message)
        seen.append(answer.statement)
        answer.statement = seen[0] if len(seen) > 1 else answer.statement.replace(b'"count":3', b'"count":2')
        return answer.SerializeToString()

    return how


@pytest.mark.parametrize(
    "how, said",
    [
        (lambda: other_elements, "expected the digest that was signed, found other elements"),
        (Relabel, "a refusal of something else"),
        (another_custodians_answer, "does not verify against the custodian's key"),
        # Two answers come at once, each with another fault; whichever is looked at first ends the command.
        (another_batchs_statement, "(is not signed by|does not fit this text)"),
    ],
    ids=["elements", "relabelled", "wrong key", "another statement"],
)
def test_a_spoilt_batch_gives_no_pseudonym_and_no_lot(
    begun: Told, spoil: Callable[[Spoil], None], how: Callable[[], Spoil], said: str
) -> None:
    path = fresh_extract(begun.folder, len(said))
    before = begun.exchange.receipts(VICTIM)
    spoil(how())
    with pytest.raises(CommandFailed) as failed:
        send(begun, path)
    assert failed.value.code in REFUSED and re.search(said, failed.value.said), failed.value
    assert begun.exchange.receipts(VICTIM) == before
    for line in path.read_text().splitlines()[1:]:
        assert line[:9] not in failed.value.said, "the refusal names a company"


# -- keys ----------------------------------------------------------------------------------------------------------------


def asked(done: Told, question: pb.ReleaseRequest) -> bodies.Release:
    """Ask the victim's node for its keys; return its signed answer."""
    answer = done.hub.ask(VICTIM, pb.AttendRequest(release=question))
    assert answer.WhichOneof("answer") == "release", answer
    signed = statement.parse(answer.release.statement, kind="release")
    release = bodies.read(signed, bodies.Release)
    assert release.partner == VICTIM
    if release.decision == "refused":
        assert not answer.release.blob
    return release


def test_the_same_question_for_keys_again_gets_none(done: Told) -> None:
    release = asked(done, done.releases[VICTIM])
    assert release.decision == "refused"
    assert release.reason is not None
    assert release.reason.claim in {"challenge", "policy"}, release.reason


def test_keys_are_not_sealed_to_an_enclave_that_is_not_in_the_journal(done: Told) -> None:
    """At level A1 the hub signs evidence itself, for any enclave: what it cannot do is leave it out of the journal."""
    question = done.releases[VICTIM]
    signed = statement.parse(question.evidence, kind="evidence")
    key = SealingPrivateKey.from_seed(generate())
    enclave = Signer("enclave/signing", bytes(range(32)))
    forged = replace(
        bodies.read(signed, bodies.Evidence),
        enclave_key=key.public,
        enclave_signing_key=enclave.verifier.public,
    )
    evidence = statement.sign_text(bodies.text_for(forged), [enclave, done.hub.keyrings[HUB].signer("host")])
    changed = pb.ReleaseRequest.FromString(question.SerializeToString())
    changed.evidence = evidence.raw
    release = asked(done, changed)
    assert release.decision == "refused"
    assert release.reason is not None
    assert release.reason.claim == "journal", release.reason


# -- results -------------------------------------------------------------------------------------------------------------


def fetched(messages: list[bytes]) -> tuple[pb.FetchResultResponse.Header, list[bytes]]:
    """Header and parts of a fetched result."""
    answers = [pb.FetchResultResponse.FromString(message) for message in messages]
    assert answers[0].WhichOneof("item") == "header"
    return answers[0].header, [answer.part for answer in answers[1:]]


Result = tuple[pb.FetchResultResponse.Header, list[bytes]]


def altered_part(mine: Result, _: Result) -> None:
    part = bytearray(mine[1][-1])
    part[len(part) // 2] ^= 1
    mine[1][-1] = bytes(part)


def parts_of_another(mine: Result, other: Result) -> None:
    mine[1][:] = other[1]


def all_of_another(mine: Result, other: Result) -> None:
    mine[0].CopyFrom(other[0])
    mine[1][:] = other[1]


def missing_part(mine: Result, _: Result) -> None:
    mine[1].pop()


def parts_out_of_order(mine: Result, _: Result) -> None:
    mine[1].reverse()
    assert len(mine[1]) > 1


def altered_run(mine: Result, _: Result) -> None:
    mine[0].run = mine[0].run.replace(b'"level":"A1"', b'"level":"A4"')


def evidence_in_its_place(mine: Result, _: Result) -> None:
    mine[0].run = mine[0].evidence


def altered_evidence(mine: Result, _: Result) -> None:
    mine[0].evidence = mine[0].evidence.replace(b'"platform":"software"', b'"platform":"sev-snp"')


def altered_order(mine: Result, _: Result) -> None:
    mine[0].order = mine[0].order.replace(b'"period":"2021-04"', b'"period":"2021-05"')


def receipt_of_the_order(mine: Result, _: Result) -> None:
    """A good receipt in a good journal, of another entry."""
    receipt = Receipt.parse(mine[0].run_receipt)
    mine[0].run_receipt = Receipt(receipt.index - 1, receipt.proof, receipt.checkpoint).encode()


@pytest.mark.parametrize(
    "how, said",
    [
        (altered_part, "not those that the run names"),
        (parts_of_another, "not those that the run names"),
        (all_of_another, "not those that the run names"),
        (missing_part, "not those that the run names"),
        (parts_out_of_order, "not those that the run names"),
        (altered_run, "does not fit this text"),
        (evidence_in_its_place, "kind evidence, not run"),
        (altered_evidence, "does not fit this text"),
        (altered_order, "does not fit this text"),
        # Its words depend on where the two entries stand in the tree: another root, or a proof of another length.
        (receipt_of_the_order, "inclusion proof"),
    ],
)
def test_a_spoilt_result_is_refused_and_nothing_of_it_is_kept(
    done: Told, spoil: Callable[[Spoil], None], how: Callable[[Result, Result], None], said: str
) -> None:
    mine = fetched(done.hub.fetch(VICTIM, done.run, GRANTS[VICTIM]))
    other = fetched(done.hub.fetch("travail", done.run, GRANTS["travail"]))
    before = [mine[0].SerializeToString(), *mine[1]]
    how(mine, other)
    assert [mine[0].SerializeToString(), *mine[1]] != before, "nothing was spoilt"
    served = [
        pb.FetchResultResponse(header=mine[0]).SerializeToString(),
        *(pb.FetchResultResponse(part=part).SerializeToString() for part in mine[1]),
    ]
    spoil(serving(served, done.watch))
    with pytest.raises(CommandFailed) as failed:
        done.exchange.run(["vigie-node", "results", "fetch", "--folder", str(done.exchange.node(VICTIM))], VICTIM)
    assert failed.value.code in REFUSED and said in failed.value.said, failed.value
    assert listed(done, VICTIM) == []
    kept = list((done.exchange.node(VICTIM) / "results").rglob("*.parquet"))
    assert not kept, "a result that was refused is there in clear"


def forged_result(done: Told) -> tuple[Result, bytes]:
    """A result of the hub's own making, flawless in itself; and the digest of its run.

    The hub signs evidence for an enclave key that it holds, signs a run with that key, enters it into a journal that
    it shows nobody else, and seals scores that it made up to the recipient, whose key everybody knows.
    """
    header, parts = fetched(done.hub.fetch(VICTIM, done.run, GRANTS[VICTIM]))
    hub, victim = done.hub.keyrings[HUB], done.hub.keyrings[VICTIM]
    enclave = Signer("enclave/signing", bytes(range(32)))
    order = statement.parse(header.order, kind="order").digest
    true = statement.parse(header.evidence, kind="evidence")
    claim = replace(bodies.read(true, bodies.Evidence), enclave_signing_key=enclave.verifier.public)
    evidence = statement.sign_text(bodies.text_for(claim), [enclave, hub.signer("host")])

    def info(of: bytes, number: int) -> bytes:
        return sealing.result_info(order, of, GRANTS[VICTIM], number)

    rows, about = result.decode(
        [victim.sealing().open(info(true.digest, number), part) for number, part in enumerate(parts)]
    )
    place = rows.schema.get_field_index("score")
    rows = rows.set_column(place, rows.schema.field(place), pc.subtract(1.0, rows.column(place)))
    made = [
        sealing.seal(victim.sealing().public, info(evidence.digest, number), part)
        for number, part in enumerate(result.encode(rows, {**about, "evidence": evidence.digest.hex()}))
    ]
    run = bodies.read(statement.parse(header.run, kind="run"), bodies.Run)
    root = segment.segment_root([segment.segment_id(part) for part in made])
    results = tuple(replace(one, digest=root) if one.recipient == VICTIM else one for one in run.results)
    forged = statement.sign_text(bodies.text_for(replace(run, evidence=evidence.digest, results=results)), [enclave])
    tree = MemoryTree([forged.raw])
    head = Checkpoint(done.hub.convention.origin, 1, tree.frontier.root())
    signed = assemble(head.text(), [hub.log_signer(head.origin).sign(head.text())])
    header.run, header.evidence = forged.raw, evidence.raw
    header.run_receipt = Receipt(0, (), signed).encode()
    del header.part_ids[:]
    header.part_ids.extend(segment.segment_id(part) for part in made)
    return (header, made), forged.digest


def test_a_made_up_result_in_a_journal_of_its_own_is_refused(done: Told, spoil: Callable[[Spoil], None]) -> None:
    (header, parts), run = forged_result(done)
    # All that proves the result holds: only the node's own memory of the journal speaks against it.
    check(
        FetchedResult(header.run, header.run_receipt, header.evidence, header.order, (), (), tuple(parts)),
        GRANTS[VICTIM], member=VICTIM, chain=ConventionChain.open([done.exchange.convention.read_bytes()]),
    )  # fmt: skip
    served = [
        pb.FetchResultResponse(header=header).SerializeToString(),
        *(pb.FetchResultResponse(part=part).SerializeToString() for part in parts),
    ]
    serve = serving(served, done.watch)

    def how(member: str, method: str, up: bool, message: bytes) -> bytes | None:
        if member == VICTIM and method == LIST and not up:
            listing = pb.ListResultsResponse.FromString(message)
            for record in listing.results:
                record.run = run
            return listing.SerializeToString()
        if member == VICTIM and method == FETCH and up:
            return pb.FetchResultRequest(run=done.run, grant=GRANTS[VICTIM]).SerializeToString()
        return serve(member, method, up, message)

    spoil(how)
    with pytest.raises(CommandFailed, match="another journal than the one that this node witnessed"):
        done.exchange.run(["vigie-node", "results", "fetch", "--folder", str(done.exchange.node(VICTIM))], VICTIM)
    assert listed(done, VICTIM) == []


def serving(messages: list[bytes], otherwise: Spoil) -> Spoil:
    """Serve these messages to the victim, one for one, in the place of the true ones."""

    def how(member: str, method: str, up: bool, message: bytes) -> bytes | None:
        if method != FETCH or member != VICTIM or up:
            return otherwise(member, method, up, message)
        if pb.FetchResultResponse.FromString(message).WhichOneof("item") == "header":
            left[:] = messages
        return left.pop(0) if left else None

    left: list[bytes] = []
    return how


def listed(told: Told, name: str) -> list[str]:
    said = told.exchange.run(["vigie-node", "results", "list", "--json", "--folder", str(told.exchange.node(name))])
    return [str(one["grant"]) for one in json.loads(said)]


def test_the_same_hub_when_it_changes_nothing(done: Told) -> None:
    """The honest twin of all of the above: another recipient has its result, and the journal is good."""
    persist(lambda: done.exchange.results("travail", "parquet"))
    assert listed(done, "travail") == [GRANTS["travail"]]
    said = done.exchange.audit()
    assert "nothing is wrong" in said
    entries = [statement.parse(raw) for raw in exports.read(done.exchange.folder / "audit").entries]
    assert sum(entry.kind == "run" for entry in entries) == 1
