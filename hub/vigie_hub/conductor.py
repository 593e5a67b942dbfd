"""The life of an order, from its submission to its run (protocol sections 7 and 8).

An order is announced to the partners whose lots it names until all have answered or its deadline has passed; then
attempts are made (:mod:`vigie_hub.attempt`) until one is done or no more may be. Where an order stands is in the
database; whatever else is known about it is asked again. The rule it keeps: a killed hub takes every order up again
that has no run and may still have one, and never makes a second run for an order.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import structlog

from vigie import statement as statements
from vigie.authority import judge
from vigie.bodies import ORDER_GRACE, Order, Release
from vigie.bodies import read as read_body
from vigie.clock import parse_time
from vigie.errors import Missing, Refused, StateError, Unavailable, VigieError
from vigie.statement import Statement
from vigie_hub.attempt import Attempt, asked_by
from vigie_hub.means import EnclaveLost, Means
from vigie_hub.progress import Board, Step
from vigie_hub.questions import Announce, Announced, Noted, ResultReady
from vigie_hub.refusals import RefusalDesk
from vigie_hub.vault import Vault

_log = structlog.get_logger("vigie.hub.conductor")


@dataclass(frozen=True)
class OrderRow:
    """An order, its run when there is one, and where it stands."""

    order: bytes
    run: bytes
    stage: str


@dataclass
class _Answers:
    """What members answered to the announcement."""

    willing: set[str] = field(default_factory=set)
    refused: dict[str, Statement] = field(default_factory=dict)

    def missing(self, owners: list[str]) -> list[str]:
        return [name for name in owners if name not in self.willing and name not in self.refused]


class Conductor:
    """Takes orders and sees them through, one enclave at a time."""

    def __init__(self, means: Means, refusals: RefusalDesk) -> None:
        self._m = means
        self._refusals = refusals
        self._board = Board()
        self._lives: dict[bytes, asyncio.Task[None]] = {}
        self._one_enclave = asyncio.Lock()  # an enclave takes the machine's memory; the next one waits

    @property
    def vault(self) -> Vault:
        """Sealed models and shares."""
        return self._m.vault

    async def submit(self, raw: bytes) -> bytes:
        """Take an order into the journal and start it; the same order again attaches to it. Returns its receipt.

        1. A hub operator signed it, under the current convention, for a purpose of it.
        2. Its deadline is to come, and its period is not.
        3. It names all current lots of the datasets of its purpose, of its epoch, and nothing else; none is withdrawn.
        4. Every partner that the purpose requires has a lot in it.
        5. A model that it names is here, and was trained for its purpose.

        Raises:
            Malformed, Untrusted, Refused: with the claim.
        """
        digest = statements.parse(raw, kind="order").digest
        if self._row(digest) is not None:
            return self._m.journal.receipt(digest)
        # (1)
        self._m.agreement.chain.check_in_force(self._m.clock())
        judged = judge(raw, self._m.agreement.chain, kind="order", current_only=True)
        order = judged.body
        purposes = self._m.agreement.current.purposes
        if not isinstance(order, Order) or order.purpose not in purposes:
            raise Refused("purpose", expected=f"one of {', '.join(purposes)}", found="another")
        # (2)
        if parse_time(order.deadline) <= self._m.clock():
            raise Refused("deadline", expected="a time to come", found=order.deadline)
        now = self._m.clock()
        if order.period > f"{now.year:04d}-{now.month:02d}":
            raise Refused("period", expected="a month that has begun", found=order.period, hint="write it as YYYY-MM")
        # (3), (4)
        self._check_lots(order)
        # (5)
        self._m.vault.check_order(order)
        statement = judged.statement

        def work(db: sqlite3.Connection) -> None:
            place = self._m.journal.append(db, statement).place
            db.execute(
                "INSERT OR IGNORE INTO consolidation (digest, statement, stage, message, place) "
                "VALUES (?, ?, 'announced', '', ?)",
                (statement.digest, statement.raw, place),
            )

        await self._m.store.write(work)
        self._start(statement)
        return self._m.journal.receipt(digest)

    def resume(self) -> int:
        """Take up every order that has no run and has not failed; returns how many. Called once, at the start."""
        rows = self._m.store.reader.execute(
            "SELECT statement FROM consolidation WHERE stage NOT IN ('done', 'failed') ORDER BY place"
        ).fetchall()
        for (raw,) in rows:
            self._start(statements.parse(raw, kind="order"))
        return len(rows)

    async def watch(self, digest: bytes) -> AsyncIterator[Step]:
        """Steps of an order, to its last.

        Raises:
            Missing: there is no such order.
        """
        row = self._row(digest)
        if row is None:
            raise Missing("the hub knows no order with that digest")
        if digest not in self._lives:
            run = self._m.journal.entry(row["run"]) if row["run"] else b""
            yield Step(row["stage"], row["message"], run=run)
            return
        async for step in self._board.watch(digest):
            yield step

    def orders(self) -> list[OrderRow]:
        """All orders, oldest first."""
        rows = self._m.store.reader.execute(
            "SELECT digest, statement, run, stage FROM consolidation ORDER BY place"
        ).fetchall()
        result = []
        for digest, raw, run, stage in rows:
            step = self._board.newest(digest)
            now = step.stage if step is not None else stage
            result.append(OrderRow(raw, self._m.journal.entry(run) if run else b"", now))
        return result

    def standing(self, digest: bytes) -> str:
        """Where an order stands, as a sentence; empty when it is not known."""
        step = self._board.newest(digest)
        return step.message if step is not None else ""

    async def notify(self, member: str) -> None:
        """Tell a member of the results that it has not confirmed by a `delivery`."""
        for row in self._m.outbox.results(member):
            delivered = {
                (body.get("grant"), body.get("recipient"))
                for body in (statements.parse(raw).body for raw in self._m.journal.find("delivery", row.run))
            }
            if (row.grant, member) not in delivered:
                try:
                    question = ResultReady(row.run)
                    await self._m.attendance.ask(member, question, Noted, timeout=self._m.limits.answer_seconds)
                except VigieError as exc:
                    _log.info("notice not taken", member=member, error=exc.message)
                    return

    async def close(self) -> None:
        """Let go of all orders; they are taken up again at the next start."""
        for task in list(self._lives.values()):
            task.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    # -- one order

    def _start(self, statement: Statement) -> None:
        if statement.digest in self._lives:
            return
        self._board.post(statement.digest, Step("announced", "the order is in the journal"))
        task = asyncio.get_running_loop().create_task(self._life(statement))
        self._lives[statement.digest] = task

    async def _life(self, statement: Statement) -> None:
        digest = statement.digest
        try:
            order = read_body(statement, Order)
            answers = await self._announce(statement, order)
            async with self._one_enclave:
                run = await self._attempts(statement, order, answers)
        except Refused as exc:
            await self._refusals.own(exc, subject=digest, now=self._m.clock())
            await self._fail(digest, str(exc))
        except VigieError as exc:
            if isinstance(exc, StateError) and self._m.store.failed is not None:
                return  # the process is going down; the order is taken up again
            await self._fail(digest, exc.message)
        except Exception as exc:  # noqa: BLE001 - whatever it was, the hub goes on and the operator is told
            _log.error("order failed inside", order=digest.hex(), exc_info=exc)
            await self._fail(digest, "an internal error; the hub's log says which")
        else:
            self._board.post(digest, Step("done", "the run is in the journal", run=run.raw))
            _log.info("order done", order=digest.hex(), run=run.digest.hex())
            for recipient in self._m.outbox.recipients(run.digest):
                await self.notify(recipient)

    async def _announce(self, statement: Statement, order: Order) -> _Answers:
        owners = asked_by(self._m, order)
        answers = _Answers(refused=self._refused_before(statement))
        deadline = parse_time(order.deadline)
        while missing := answers.missing(owners):
            left = (deadline - self._m.clock()).total_seconds()
            if left <= 0:
                break
            timeout = min(self._m.limits.answer_seconds, left)
            await asyncio.gather(*(self._ask(name, statement, answers, timeout) for name in missing))
            done = len(owners) - len(answers.missing(owners))
            self._board.post(statement.digest, Step("answers", self._standing(owners, answers), done, len(owners)))
            if answers.missing(owners):
                await asyncio.sleep(min(self._m.limits.announce_seconds, max(left, 0)))
        return answers

    async def _ask(self, name: str, statement: Statement, answers: _Answers, timeout: float) -> None:
        try:
            answer = await self._m.attendance.ask(name, Announce(statement.raw), Announced, timeout=timeout)
            if answer.decision == "willing":
                answers.willing.add(name)
            elif answer.decision == "refused":
                judged = judge(answer.statement, self._m.agreement.chain, kind="release")
                body = judged.body
                if not isinstance(body, Release) or (body.partner, body.order, body.decision) != (
                    name,
                    statement.digest,
                    "refused",
                ):
                    raise Unavailable(f"{name} answered with a statement about something else")
                await self._m.journal.submit([judged.statement])
                answers.refused[name] = judged.statement
        except VigieError as exc:
            # Not an answer: asked again until the deadline.
            _log.info("no answer to the order", member=name, error=exc.message)

    def _refused_before(self, statement: Statement) -> dict[str, Statement]:
        """Refusals of the order itself that are in the journal: a killed hub does not ask those members again."""
        found = {}
        for raw in self._m.journal.find("release", statement.digest):
            entry = statements.parse(raw, kind="release")
            body = read_body(entry, Release)
            if body.decision == "refused" and body.evidence is None:
                found[body.partner] = entry
        return found

    async def _attempts(self, statement: Statement, order: Order, answers: _Answers) -> Statement:
        owners = asked_by(self._m, order)
        required = self._m.agreement.current.purposes[order.purpose].required
        give_up = parse_time(order.deadline) + ORDER_GRACE
        lost = 0
        while True:
            absent = [name for name in required if name not in answers.willing]
            if absent:
                raise Refused(
                    "required_partner", expected=f"{absent[0]} willing", found=self._standing(owners, answers)
                )
            if not answers.willing:
                raise Refused(
                    "releases", expected="at least one willing partner", found=self._standing(owners, answers)
                )
            count = self._row(statement.digest)
            asked = int(count["attempts"]) if count else 0
            if max(lost, asked) >= self._m.limits.attempts:
                raise Refused("attempts", expected=f"a run in {self._m.limits.attempts} attempts", found="none")
            attempt = Attempt(
                self._m,
                statement,
                sorted(answers.willing),
                answers.refused,
                lambda step: self._board.post(statement.digest, step),
                lambda: self._count_attempt(statement.digest),
                patient=self._m.clock() < parse_time(order.deadline),
                final=max(lost, asked) == self._m.limits.attempts - 1,
            )
            try:
                return await attempt.run()
            except EnclaveLost as exc:
                lost += 1
                _log.warning("attempt lost", order=statement.digest.hex(), attempt=lost, error=exc.message)
                self._board.post(statement.digest, Step("answers", f"another attempt: {exc.message}"))
            except Unavailable as exc:
                # Nothing was released. Before the deadline everybody is waited for; after it, whoever is there counts.
                _log.info("attempt not possible yet", order=statement.digest.hex(), error=exc.message)
                self._board.post(statement.digest, Step("answers", f"waiting: {exc.message}"))
                if self._m.clock() >= give_up:
                    raise
                await asyncio.sleep(self._m.limits.announce_seconds)

    async def _count_attempt(self, digest: bytes) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE consolidation SET attempts = attempts + 1, stage = 'released' WHERE digest = ?", (digest,)
            )

        await self._m.store.write(work)

    async def _fail(self, digest: bytes, message: str) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE consolidation SET stage = 'failed', message = ? WHERE digest = ? AND run IS NULL",
                (message, digest),
            )

        _log.warning("order failed", order=digest.hex(), message=message)
        await self._m.store.write(work)
        self._board.post(digest, Step("failed", message))

    # -- pieces

    def _check_lots(self, order: Order) -> None:
        self._check_withdrawn(order)
        convention = self._m.agreement.current
        purpose = convention.purposes[order.purpose]
        wanted = {}
        for row in self._m.deposits.lots(current_only=True):
            if row.dataset in purpose.datasets:
                if row.epoch != order.epoch:
                    raise Refused(
                        "epoch",
                        expected=f"lots of epoch {order.epoch}",
                        found=f"a current lot of {row.partner} of epoch {row.epoch}",
                        hint=f"{row.partner} must send {row.dataset} again under the new epoch",
                    )
                wanted[row.digest] = row.partner
        if not wanted:
            raise Refused("lots", expected="at least one current lot for this purpose", found="none")
        if set(order.lots) != set(wanted) or len(order.lots) != len(wanted):
            raise Refused(
                "lots",
                expected=f"the {len(wanted)} current lots of the datasets of {order.purpose}, each once",
                found=f"{len(order.lots)} lots, {len(set(order.lots) & set(wanted))} of them current",
                hint="a lot came in meanwhile: order again",
            )
        for name in purpose.required:
            if name not in wanted.values():
                raise Refused("required_partner", expected=f"a current lot of {name}", found="none")

    def _check_withdrawn(self, order: Order) -> None:
        for digest in order.lots:
            try:
                row = self._m.deposits.find(digest)
            except Missing:
                continue  # not among the current lots either: refused for that
            if self._m.deposits.withdrawn(row):
                raise Refused(
                    "lots",
                    expected="lots that their partners have not withdrawn",
                    found=f"the lot {digest.hex()} of {row.partner}, withdrawn with its epoch {row.epoch}",
                    hint="order again: `vigie-hub consolidate` takes the lots that are current now",
                )

    def _standing(self, owners: list[str], answers: _Answers) -> str:
        missing = answers.missing(owners)
        return (
            f"{len(answers.willing)} willing, {len(answers.refused)} refused"
            + (f" ({', '.join(sorted(answers.refused))})" if answers.refused else "")
            + (f", waiting for {', '.join(missing)}" if missing else "")
        )

    def _row(self, digest: bytes) -> dict[str, Any] | None:
        row = self._m.store.reader.execute(
            "SELECT stage, message, attempts, run FROM consolidation WHERE digest = ?", (digest,)
        ).fetchone()
        return None if row is None else dict(zip(("stage", "message", "attempts", "run"), row, strict=True))
