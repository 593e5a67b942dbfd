"""One attempt at an order: one enclave, from the challenges to the signed run (protocol section 7).

1.  Each willing member draws a challenge.
2.  The enclave starts and claims what it is; the claim is checked, held against what is seen of the process from outside,
    and countersigned with the hub's ``host`` key.
3.  The evidence enters the journal.
4.  Witnesses cosign a checkpoint that covers it, as many as each member's release wants.
5.  Each willing member is asked for the keys of its lots; every answer enters the journal, then goes to the enclave.
6.  The enclave runs: it fetches sealed segments, and its sealed parts are staged.
7.  The run is checked against all of this; it enters the journal and its parts become results in one transaction.

The rule it keeps: an attempt leaves nothing that counts but what is in the journal. Killed anywhere before 7, it is as
if the enclave had never been; the next attempt has new challenges and new evidence.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from vigie import attestation
from vigie import statement as statements
from vigie.authority import judge
from vigie.bodies import Evidence, Order, Run
from vigie.bodies import read as read_body
from vigie.errors import BadProof, MalformedFrame, Refused, Unavailable, VigieError
from vigie.evidence import check as check_evidence
from vigie.hardware import bundle
from vigie.statement import Statement
from vigie_hub.enclave import messages
from vigie_hub.frames import Channel, LotInput
from vigie_hub.isolation.service import Enclave
from vigie_hub.means import EnclaveLost, Means
from vigie_hub.outbox import Staged
from vigie_hub.progress import FROM_ENCLAVE, Step
from vigie_hub.questions import Challenge, DrawChallenge
from vigie_hub.quoting import Quoter
from vigie_hub.releases import Releases
from vigie_hub.vault import TRAIN, Made

T = TypeVar("T")

LAST_WORDS_SECONDS: Final = 5.0
"""How long is looked for a reason in what an enclave sent before it ended."""


class Attempt:
    """One attempt at one order.

    Args:
        means: what it works with.
        statement: the order.
        willing: members that would release.
        refusals: signed refusals of members that were announced to, for the run to name.
        tell: takes each step.
        asking: awaited once, before the first release is asked for, so that the count of attempts that cost the
            members something is durable.
        patient: a willing member that cannot release yet is a reason for another attempt, instead of missing.
        final: a member that does not answer is missing now, instead of a reason for another attempt.
    """

    def __init__(
        self,
        means: Means,
        statement: Statement,
        willing: Sequence[str],
        refusals: Mapping[str, Statement],
        tell: Callable[[Step], None],
        asking: Callable[[], Awaitable[None]],
        *,
        patient: bool,
        final: bool,
    ) -> None:
        self._m = means
        self._statement = statement
        self._order = read_body(statement, Order)
        self._willing = willing
        self._tell = tell
        self._asking = asking
        self._releases = Releases(means, statement, patient=patient, final=final)
        self._refusals = refusals
        self._staged: dict[str, Staged] = {}
        self._joint = means.vault.newest(self._order)
        self._made = Made()
        self._quote = b""  # the bundle that the evidence names
        self._answers: dict[str, bytes] = {}  # digest of each partner's release or refusal

    async def run(self) -> Statement:
        """Go through all steps; return the run, which is in the journal.

        Raises:
            Refused: a rule says no; another attempt would end the same way.
            EnclaveLost: the enclave ended or broke the protocol.
            Unavailable: a member or a witness was not there; nothing was released.
        """
        self._releases.check_witnesses(self._willing)
        challenges = await self._challenges()
        measurement = await asyncio.to_thread(self._m.launcher.measure)
        self._tell(Step("started", "the enclave is starting"))
        process = await self._m.launcher.start()
        finished = False
        try:
            evidence = await self._claim(process, challenges, measurement)
            await self._release(process.channel, evidence, challenges)
            run = await self._work(process.channel, evidence)
            finished = True
        except MalformedFrame as exc:
            raise EnclaveLost(exc.message) from exc
        finally:
            await process.end(at_once=not finished)
            if not finished:
                self._m.outbox.discard(self._staged)
                self._m.vault.discard(self._made)
        return run

    async def _challenges(self) -> dict[str, bytes]:
        """(1)"""
        question = DrawChallenge(self._statement.digest)

        async def draw(name: str) -> bytes | VigieError:
            try:
                timeout = self._m.limits.answer_seconds
                return (await self._m.attendance.ask(name, question, Challenge, timeout=timeout)).challenge
            except VigieError as exc:
                return exc

        drawn = dict(zip(self._willing, await asyncio.gather(*map(draw, self._willing)), strict=True))
        for name, said in drawn.items():
            if isinstance(said, VigieError):
                self._releases.do_without(name, said.message)
        return {name: said for name, said in drawn.items() if isinstance(said, bytes)}

    async def _claim(self, process: Enclave, challenges: Mapping[str, bytes], measurement: bytes) -> Statement:
        """(2), (3)"""
        channel = process.channel
        chain = self._m.agreement.chain
        await _give(
            channel,
            channel.begin(
                conventions=chain.raws,
                order=self._statement.raw,
                challenges=challenges,
                measurement=measurement,
                lots=[self._lot_input(digest) for digest in self._order.lots],
                platform="" if (quoter := self._quoter()) is None else quoter.platform,
            ),
        )
        self._quote = b"" if quoter is None else await self._give_quote(channel, quoter)
        event = await self._receive(channel, messages.Claim, self._m.limits.claim_seconds)
        with _enclave_errs():
            claimed = statements.parse(event.statement, kind="evidence")
            body = read_body(claimed, Evidence)
        if (body.order, body.convention, body.measurement) != (self._statement.digest, chain.digest, measurement):
            raise EnclaveLost("the enclave claims another order, convention or measurement than it was given")
        if dict(body.challenges) != dict(challenges):
            raise EnclaveLost("the enclave claims other challenges than it was given")
        if body.quote != (bundle.digest_of(self._quote) if self._quote else None):
            raise EnclaveLost("the enclave claims another quote than it was given")
        with _enclave_errs():
            evidence = statements.countersign(claimed, [self._m.host])
            judge(evidence.raw, chain, kind="evidence", current_only=True)
        # No partner would release to less; and what the kernel says of the enclave from outside must be what it claims.
        check_evidence(body, chain.current, hardware=attestation.proof(body, chain.current, self._quote)[0])
        await _give(channel, process.check(body.layers))
        await self._m.journal.submit_evidence(evidence, self._quote)
        self._tell(Step("evidence", "the enclave has said what it is; the evidence is in the journal"))
        return evidence

    async def _release(self, channel: Channel, evidence: Statement, names: Iterable[str]) -> None:
        """(4), (5)"""
        sizes = await self._releases.quorum(evidence, names)
        self._tell(Step("witnessed", "enough witnesses have cosigned the evidence", len(sizes), len(sizes)))
        await self._asking()
        wanted = self._joint.digest if self._joint is not None and self._order.model != TRAIN else b""
        answers = await self._releases.ask(evidence, sizes, wanted)
        if self._joint is not None:
            await _give(channel, channel.joint(self._m.vault.given(self._order, self._joint)))
        for name, refusal in self._refusals.items():
            self._answers[name] = refusal.digest
            await _give(channel, channel.release(name, refusal.raw, b""))
        for name, (answer, _, digest) in answers.items():
            self._answers[name] = digest
            await _give(channel, channel.release(name, answer.statement, answer.blob, answer.share))
        released = sum(body.decision == "released" for _, body, _ in answers.values())
        self._tell(Step("released", "the partners have answered", released, len(answers)))
        await _give(channel, channel.go(evidence.raw))

    async def _work(self, channel: Channel, evidence: Statement) -> Statement:
        """(6)"""
        while True:
            event = await self._next(channel, self._m.limits.silence_seconds)
            match event:
                case messages.Progress(stage, done, total):
                    word = FROM_ENCLAVE.get(stage, stage)
                    self._tell(Step(word, f"the enclave is at work: {stage}", done, total))
                case messages.Fetch():
                    await self._serve(channel, event)
                case messages.FetchModel():
                    await self._serve_model(channel)
                case messages.JointMade(raw, shares):
                    with _enclave_errs():
                        self._made.joint, self._made.shares = statements.parse(raw, kind="joint"), shares
                case messages.ModelPart(part, data):
                    try:
                        await asyncio.to_thread(self._m.vault.stage, evidence.digest, self._made, part, data)
                    except BadProof as exc:
                        raise EnclaveLost(exc.message) from exc
                case messages.ResultPart(grant, part, data):
                    if grant not in self._m.agreement.current.grants:
                        raise EnclaveLost("the enclave sent a result for a grant that does not exist")
                    try:
                        self._staged[grant] = await asyncio.to_thread(
                            self._m.outbox.stage, evidence.digest, grant, self._staged, part, data
                        )
                    except BadProof as exc:
                        raise EnclaveLost(exc.message) from exc
                case messages.Done(run):
                    return await self._finish(run, evidence)
                case messages.Failed():
                    raise _stopped(event)
                case _:
                    raise EnclaveLost("the enclave claims twice what it is")

    async def _serve(self, channel: Channel, wanted: messages.Fetch) -> None:
        """Hand over the sealed parts of a range of buckets."""
        if wanted.lot >= len(self._order.lots):
            raise EnclaveLost("the enclave asks for a lot that the order does not name")
        _, parts, extents, pack = self._m.deposits.segments_of(self._order.lots[wanted.lot])
        if not wanted.first <= wanted.last < len(parts):
            raise EnclaveLost("the enclave asks for buckets that the lot does not have")
        place = sum(parts[: wanted.first])
        for bucket in range(wanted.first, wanted.last + 1):
            for part in range(parts[bucket]):
                data = await asyncio.to_thread(self._m.lot_packs.read, pack, extents[place])
                await _give(channel, channel.segment(wanted.lot, bucket, part, data))
                place += 1

    async def _serve_model(self, channel: Channel) -> None:
        """Hand over the sealed parts of the model that the order names."""
        if self._order.model == TRAIN:
            raise EnclaveLost("the enclave asks for a model that the order does not name")
        row, extents = self._m.vault.parts(bytes.fromhex(self._order.model))
        for part, extent in enumerate(extents):
            data = await asyncio.to_thread(self._m.vault.read, row, extent)
            await _give(channel, channel.model_part(part, data))

    async def _finish(self, raw: bytes, evidence: Statement) -> Statement:
        """(7)"""
        with _enclave_errs():
            judged = judge(raw, self._m.agreement.chain, kind="run", evidence=evidence, quote=self._quote)
        run = judged.body
        if not isinstance(run, Run) or (run.order, run.evidence) != (self._statement.digest, evidence.digest):
            raise EnclaveLost("the run names another order or evidence")
        owners = set(asked_by(self._m, self._order))
        answered = {name: self._answers[name].hex() if name in self._answers else None for name in owners}
        for name, said in run.releases.items():
            # A release that the enclave finds unsound is "none" to it.
            if name not in owners or said not in ("none", answered[name]):
                raise EnclaveLost("the run names other releases than the ones that were given")
        with _enclave_errs():
            self._m.outbox.check(run, self._staged)
            self._m.vault.check(run, self._made, self._joint, self._m.agreement.chain, evidence)
        statement = judged.statement

        def work(db: sqlite3.Connection) -> None:
            self._m.vault.keep(db, statement.digest, run, self._made)  # a joint key stands before the run that made it
            self._m.journal.append(db, statement)
            self._m.outbox.keep(db, statement.digest, run, self._staged)
            db.execute(
                "UPDATE consolidation SET run = ?, stage = 'done', message = '' WHERE digest = ?",
                (statement.digest, self._statement.digest),
            )

        await self._m.store.write(work)
        return statement

    # -- pieces

    def _quoter(self) -> Quoter | None:
        """The device of this host, when the convention accepts its platform."""
        quoter = self._m.quoter
        return quoter if quoter is not None and quoter.platform in self._m.agreement.current.enclave.platforms else None

    async def _give_quote(self, channel: Channel, quoter: Quoter) -> bytes:
        wanted = await self._receive(channel, messages.WantQuote, self._m.limits.claim_seconds)
        if len(wanted.binding) not in (32, 64):
            raise EnclaveLost("the enclave wants a quote over something that is no hash")
        quote = (await asyncio.to_thread(quoter.quote, wanted.binding)).encode()
        await _give(channel, channel.quote(quote))
        return quote

    def _lot_input(self, digest: bytes) -> LotInput:
        row = self._m.deposits.find(digest)
        ids, parts, _, _ = self._m.deposits.segments_of(digest)
        return LotInput(row.statement, self._m.journal.receipt(digest), ids, parts)

    async def _receive(self, channel: Channel, wanted: type[T], seconds: float) -> T:
        event = await self._next(channel, seconds)
        if isinstance(event, messages.Failed):
            raise _stopped(event)
        if not isinstance(event, wanted):
            raise EnclaveLost("the enclave says something else than what is due")
        return event

    async def _next(self, channel: Channel, seconds: float) -> messages.ToHost:
        try:
            async with asyncio.timeout(seconds):
                return await channel.receive()
        except TimeoutError as exc:
            raise EnclaveLost("the enclave has been silent for too long") from exc
        except Unavailable as exc:
            raise EnclaveLost(exc.message) from exc


async def _give(channel: Channel, giving: Awaitable[None]) -> None:
    """Give the enclave something, or look at it; when it is gone, say why.

    Raises:
        Refused: it had sent the reason before it went.
        EnclaveLost: it went without a word.
    """
    try:
        await giving
    except Unavailable as gone:
        reason: VigieError = EnclaveLost(gone.message)
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                while not isinstance(event := await channel.receive(), messages.Failed):
                    pass
            reason = _stopped(event)
        except (VigieError, TimeoutError):
            pass  # it left nothing to be read
        raise reason from gone


@contextmanager
def _enclave_errs() -> Iterator[None]:
    """What the enclave said is judged in the block; whatever is wrong with it is the enclave's fault.

    Raises:
        EnclaveLost: instead of any other error of ours.
    """
    try:
        yield
    except VigieError as exc:
        raise EnclaveLost(f"what the enclave said does not hold: {exc.message}") from exc


def asked_by(means: Means, order: Order) -> list[str]:
    """Who is asked to release for an order: partners that own a lot of it, custodians where it names a model; sorted."""
    owners = {means.deposits.find(digest).partner for digest in order.lots}
    members = means.agreement.current.members
    return sorted(owners | {name for name in means.vault.custodians(order) if name in members})


def _stopped(failed: messages.Failed) -> VigieError:
    """What it means that the enclave stopped: a fault of the moment may pass, a rule will say the same again."""
    if failed.claim in ("internal", "memory"):
        return EnclaveLost(f"the enclave stopped: {failed.expected} was needed, it found {failed.found}")
    return Refused(f"enclave {failed.claim}", expected=failed.expected or "-", found=failed.found or "-")
