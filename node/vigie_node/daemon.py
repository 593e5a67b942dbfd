"""The node's daemon: attends the hub, and beside that reads the journal, submits approvals and fetches results.

One process, one event loop; batches are evaluated in worker processes. Each piece of side work is a task that waits to
be told, works until there is nothing left, and tries again later when the hub is away. The rule: an error of the node's
own state stops everything (exit code 8); any other error stops nothing but the work that met it.
"""

import asyncio
import contextlib
import json
import secrets
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import structlog

from vigie.attend import Attendant, Welcomed
from vigie.clock import stamp
from vigie.durable import open_database
from vigie.errors import Missing, StateError, VigieError
from vigie.witness_service import Witness
from vigie_node import approvals, shares, withdrawals, withdrawing
from vigie_node.attend import Desk, EvaluatesBatches
from vigie_node.folder import Node
from vigie_node.hub_calls import HubCalls
from vigie_node.perimeter import seen as perimeter_seen
from vigie_node.reading import JournalReader

ATTENDANCE: Final = "attendance"
"""Name under which the state keeps the last word about the connection, as JSON, for ``status`` and ``doctor``."""
RETRY_SECONDS: Final = 10.0
"""Pause before side work that failed is tried again."""
APPROVALS_SECONDS: Final = 5.0
"""How often the folder of approvals is looked at."""

_log = structlog.get_logger("vigie.node")


class Daemon:
    """Runs one node until it is told to stop.

    Args:
        node: the opened node.
        clock: gives the time now.
        random: source of challenges.
    """

    def __init__(
        self,
        node: Node,
        *,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._node = node
        self._clock = clock
        self._random = random
        self._stop = asyncio.Event()
        self._fatal: BaseException | None = None
        self._grown = asyncio.Event()
        self._waiting_results = asyncio.Event()
        self._waiting_approvals = asyncio.Event()
        self._forgotten_lots = asyncio.Event()
        self._waiting_shares = asyncio.Event()
        self._waiting_erasures = asyncio.Event()

    def stop(self) -> None:
        """Finish what is being answered and end."""
        self._stop.set()

    async def run(self) -> None:
        """Attend until `stop`.

        Raises:
            InputError: another process runs this node.
            StateError: the node's own state failed; what is on disk counts, start again.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self._node.folder.attending())
            calls = await stack.enter_async_context(HubCalls.connected(self._node, clock=self._clock))
            evaluations = self._evaluations(stack)
            reader = JournalReader(self._node.ledger, calls.entries, tell=self._take, clock=self._clock)
            desk = self._desk(evaluations, reader, calls)
            attendant = Attendant(
                self._node.channel,
                desk.handlers(),
                convention=lambda: self._node.chain.digest,
                version=program_version(),
                welcomed=self._welcomed,
                lost=self._lost,
            )
            await self._serve(attendant, reader, calls)
        if self._fatal is not None:
            raise StateError(
                "the node's own state failed; nothing more was answered",
                hint="check the disk and the log, then start the node again: it goes on from what is on disk",
            ) from self._fatal

    async def _serve(self, attendant: Attendant, reader: JournalReader, calls: HubCalls) -> None:
        side = [
            self._side_work("reading", self._grown, lambda: self._read_journal(reader)),
            self._side_work(
                "approvals", self._waiting_approvals, lambda: self._approve(calls), every=APPROVALS_SECONDS
            ),
            self._side_work("lots", self._forgotten_lots, calls.recover_lots),
            self._side_work("shares", self._waiting_shares, calls.fetch_shares),
            self._side_work("erasures", self._waiting_erasures, lambda: self._withdraw(calls)),
            self._side_work(
                "results", self._waiting_results, calls.fetch_results, every=self._node.config.limits.results_seconds
            ),
        ]
        tasks = [asyncio.create_task(work) for work in side]
        try:
            await attendant.run(self._stop)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._note(state="stopped")

    def _desk(self, evaluations: EvaluatesBatches | None, reader: JournalReader, calls: "HubCalls") -> Desk:
        node = self._node
        witness: Witness | None = None
        with contextlib.suppress(Missing):
            witness = Witness(node.convention.log_key(), node.keyring.cosigner(), node.state.witness, self._clock)
        return Desk(
            node,
            evaluations=evaluations,
            witness=witness,
            reader=reader,
            lots=calls.recover_lots,
            results=self._waiting_results.set,
            witnessed=self._grown.set,
            failed=self._fail,
            clock=self._clock,
            random=self._random,
        )

    def _evaluations(self, stack: AsyncExitStack) -> EvaluatesBatches | None:
        """Open the custodian's desk when this member is a custodian of an epoch."""
        convention, member = self._node.convention, self._node.member
        if not any(custodian.member == member for epoch in convention.epochs for custodian in epoch.custodians):
            return None
        from vigie_node.pseudonyms.evaluator import SCHEMA, EvaluationDesk
        from vigie_node.pseudonyms.workers import Workers

        node = self._node
        database = open_database(node.folder.evaluations, SCHEMA)
        stack.callback(database.close)
        workers = Workers(
            seed=node.keyring.oprf_seed(), convention_id=convention.id, evaluators=node.config.limits.workers
        )
        stack.callback(workers.close)
        return EvaluationDesk(
            database,
            convention=lambda: node.convention,
            member=member,
            signer=node.keyring.signer("signing"),
            evaluate=workers.blind_evaluate,
            now=self._clock,
        )

    # -- side work ------------------------------------------------------------------------------------------------

    async def _side_work(
        self, name: str, wanted: asyncio.Event, work: Callable[[], Awaitable[None]], *, every: float | None = None
    ) -> None:
        """Do ``work`` whenever it is wanted, and every so many seconds; an error puts it off, never ends it."""
        pause = every
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wanted.wait(), pause)
            wanted.clear()
            pause = every
            try:
                await work()
            except (StateError, sqlite3.Error) as error:
                self._fail(error)
                return
            except VigieError as error:
                _log.warning("put off", work=name, reason=str(error), hint=error.hint, again_in=RETRY_SECONDS)
                pause = RETRY_SECONDS
            except Exception:  # noqa: BLE001 - what nobody foresaw puts this work off too; its text stays out of the log
                _log.exception("put off", work=name, again_in=RETRY_SECONDS)
                pause = RETRY_SECONDS

    async def _read_journal(self, reader: JournalReader) -> None:
        seen = self._node.state.witness.state(self._node.convention.origin)
        await reader.read_to(seen.size, seen.root)

    async def _approve(self, calls: HubCalls) -> None:
        approvals.collect(self._node)
        for raw in self._node.ledger.unsubmitted_approvals():
            await calls.submit(raw)
            self._node.ledger.mark_submitted(raw)
            _log.info("an approval is in the journal")

    async def _withdraw(self, calls: HubCalls) -> None:
        if count := await withdrawing.announce(self._node, calls.submit):
            _log.info("erasures are in the journal", statements=count)

    # -- events ---------------------------------------------------------------------------------------------------

    def _welcomed(self, hub: Welcomed) -> None:
        offset = hub.time - int(self._clock().timestamp())
        self._note(
            state="attending", since=stamp(self._clock()), clock_offset=offset, hub_version=hub.version,
            hub_convention=hub.convention.hex(),
        )  # fmt: skip
        _log.info("attending", member=self._node.member, hub=self._node.config.hub, clock_offset=offset)
        if hub.convention != self._node.chain.digest:
            _log.warning("the hub works under another convention", hint="`vigie-node doctor` says what to do")
        for event in (
            self._grown,
            self._waiting_approvals,
            self._forgotten_lots,
            self._waiting_results,
            self._waiting_shares,
            self._waiting_erasures,
        ):
            event.set()

    def _lost(self, reason: VigieError) -> None:
        self._note(state="lost", since=stamp(self._clock()), reason=str(reason), hint=reason.hint)

    def _note(self, **said: str | int) -> None:
        try:
            self._node.state.keep(ATTENDANCE, json.dumps(said, sort_keys=True).encode())
        except sqlite3.Error as error:
            self._fail(error)

    def _take(self, kind: str, raw: bytes) -> None:
        if kind in ("approval", "lot"):
            self._node.state.seen.take(raw, self._node.chain)
        if kind == "lot":
            return
        if kind == "approval":
            approvals.take(self._node, raw)
            return
        if kind == "evidence":
            shares.take_evidence(self._node, raw)
            return
        if kind == "joint" and shares.take(self._node, raw):
            self._waiting_shares.set()
        if kind == "erasure":
            if withdrawals.take(raw, self._node.chain, self._node.keyring, self._node.withdrawals):
                self._waiting_erasures.set()
            return
        if kind == "perimeter":
            perimeter_seen.take(self._node.chain, self._node.state, raw)
            return
        try:
            if self._node.accept_convention(raw):
                _log.info("accepted an amendment of the convention", version=self._node.convention.version)
        except StateError:
            raise
        except VigieError as error:
            _log.error("a convention in the journal was not accepted", reason=str(error), hint=error.hint)

    def _fail(self, error: BaseException) -> None:
        if self._fatal is None:
            self._fatal = error
            _log.error("the node stops: its own state failed", error=type(error).__name__)
        self._stop.set()


def program_version() -> str:
    """Return the version of the installed program."""
    try:
        return version("vigie")
    except PackageNotFoundError:
        return "unknown"
