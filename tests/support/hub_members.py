"""Members that attend a hub in tests: the real stream, real statements and seals, decisions as a test wants them."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio

from support.world import World
from vigie import custody, statement
from vigie.attend import Attendant, Declined, Handlers, Pending, ReleaseQuestion, Willing
from vigie.bodies import Evaluation, Evidence, Reason, Refusal, Release, read
from vigie.client import channel_under
from vigie.clock import stamp, utc_now
from vigie.durable import open_database
from vigie.errors import Refused, VigieError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.statement import Statement
from vigie.witness_service import WITNESS_SCHEMA, Witness, WitnessStore


@dataclass
class TestMember:
    """One member: what it decides may be changed while it attends; what it was asked is kept."""

    __test__ = False

    world: World
    name: str
    folder: Path
    decision: str = "willing"
    release: str = "released"
    witnesses: bool = True
    lots: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    notices: list[bytes] = field(default_factory=list)
    questions: list[ReleaseQuestion] = field(default_factory=list)
    welcomed: asyncio.Event = field(default_factory=asyncio.Event)
    before_release: Callable[[], None] = lambda: None

    def handlers(self) -> Handlers:
        database = open_database(self.folder / f"{self.name}.sqlite", [WITNESS_SCHEMA])
        witness = Witness(
            self.world.convention.log_key(),
            self.world.keyrings[self.name].cosigner(),
            WitnessStore(database),
            utc_now,
        )
        return Handlers(
            evaluate=self.evaluate,
            witness=witness.answer if self.witnesses else None,
            announce=self.announce,
            challenge=self.challenge,
            release=self.answer_release,
            result=self.result,
        )

    async def announce(self, order: bytes) -> Willing | Pending | Declined:
        self.asked.append("announce")
        if self.decision == "pending":
            return Pending()
        if self.decision == "refused":
            return Declined(self._refusal(statement.parse(order).digest, None).raw)
        return Willing()

    async def challenge(self, order: bytes) -> bytes:
        self.asked.append("challenge")
        return secrets.token_bytes(32)

    async def answer_release(self, question: ReleaseQuestion) -> tuple[bytes, bytes, bytes]:
        self.asked.append("release")
        self.questions.append(question)
        self.before_release()
        order, evidence = statement.parse(question.order), statement.parse(question.evidence)
        log_key = self.world.convention.log_key()
        sizes = {
            verify_receipt(Receipt.parse(receipt), entry.raw, log_key).checkpoint.size
            for receipt, entry in ((question.order_receipt, order), (question.evidence_receipt, evidence))
        }
        assert len(sizes) == 1
        if self.release == "lost":
            raise asyncio.CancelledError
        if self.release == "refused":
            return self._refusal(order.digest, evidence.digest).raw, b"", b""
        blob = custody.seal_release(
            read(evidence, Evidence).enclave_key, evidence.digest, order.digest, {b"\x01" * 16: b"\x02" * 96}
        )
        body = Release(
            self.world.chain.digest, order.digest, evidence.digest, self.name, "released", tuple(self.lots),
            hashlib.sha256(blob).digest(), None, stamp(utc_now()),
        )  # fmt: skip
        made = self.world.sign(self.name, body)
        return made.raw, blob if self.release != "other-blob" else blob + b"x", b""

    async def evaluate(self, raw: bytes, elements: bytes) -> tuple[bytes, bytes]:
        self.asked.append("evaluate")
        asked = read(statement.parse(raw), Evaluation)
        if self.decision == "refused":
            reason = Reason("budget", "fewer elements", "more")
            refusal = Refusal(
                self.world.chain.digest, self.name, asked.requester, statement.parse(raw).digest, reason, 1,
                stamp(utc_now()),
            )  # fmt: skip
            return self.world.sign(self.name, refusal).raw, b""
        if self.decision == "failing":
            raise Refused("epoch", expected="the current epoch", found="another")
        count = asked.count + (self.decision == "other-batch")
        body = Evaluation(
            asked.convention, asked.epoch, asked.requester, asked.evaluator, asked.sequence, asked.elements, count,
            "evaluated", statement.parse(raw).digest, count, stamp(utc_now()),
        )  # fmt: skip
        return self.world.sign(self.name, body).raw, b"output"

    async def result(self, run: bytes) -> None:
        self.notices.append(run)

    def _refusal(self, order: bytes, evidence: bytes | None) -> Statement:
        reason = Reason("policy", "an approval by a person", "none")
        body = Release(
            self.world.chain.digest, order, evidence, self.name, "refused", (), None, reason, stamp(utc_now())
        )
        return self.world.sign(self.name, body)


@asynccontextmanager
async def attending(address: str, members: Sequence[TestMember]) -> AsyncIterator[None]:
    """Members that attend, from when the hub has welcomed them all."""
    async with AsyncExitStack() as stack:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(_attendant(address, member).run(stop)) for member in members]

        async def leave() -> None:
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)

        stack.push_async_callback(leave)
        await asyncio.wait_for(asyncio.gather(*(member.welcomed.wait() for member in members)), 20)
        yield


def _attendant(address: str, member: TestMember) -> Attendant:
    key, certificate = member.world.keyrings[member.name].tls()

    def channel() -> grpc.aio.Channel:
        return channel_under(member.world.convention, address, key_pem=key, cert_pem=certificate)

    def lost(error: VigieError) -> None:
        member.welcomed.clear()

    return Attendant(
        channel,
        member.handlers(),
        convention=lambda: member.world.chain.digest,
        version="test",
        welcomed=lambda _: member.welcomed.set(),
        lost=lost,
        jitter=lambda: 0.0,
    )
