"""Witness rounds: after the journal has grown, every attending witness is shown the newest checkpoint.

Deposits never wait for a witness; releases do, by :meth:`Witnessing.wait_for`. One task for each session asks in turn,
always for the newest checkpoint, so a burst of entries costs a witness one signature. The rule it keeps: a line enters
the store only after it verified under the witness's key of the current convention.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from vigie import note as notes
from vigie.errors import BadSignature, VigieError
from vigie.journal.checkpoint import witnessed_by
from vigie.note import NoteSignature, VerifierKey
from vigie_hub.agreement import Agreement
from vigie_hub.attendance import Attendance, Session
from vigie_hub.journal import Journal
from vigie_hub.questions import Cosign, Cosigned

DEBOUNCE_SECONDS: Final = 0.05
"""Pause before a round, so that entries that come together are witnessed together."""
RETRY_SECONDS: Final = 5.0
"""Pause after a round that failed."""

_log = structlog.get_logger("vigie.hub.witnessing")


class Witnessing:
    """Gathers cosignatures from the witnesses that attend."""

    def __init__(
        self, journal: Journal, agreement: Agreement, attendance: Attendance, *, answer_seconds: float
    ) -> None:
        self._journal = journal
        self._agreement = agreement
        self._answer_seconds = answer_seconds
        self._grown: dict[Session, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._signed = asyncio.Condition()
        self._attendance = attendance
        journal.listen(self._wake)
        attendance.listen(self._start)

    async def wait_for(
        self, at_least: int, wanted: Iterable[tuple[str, dict[VerifierKey, str], int]], *, timeout: float
    ) -> dict[str, int]:
        """Wait until each member has a checkpoint that it would release under.

        Args:
            at_least: size that the checkpoint must cover.
            wanted: (member, witnesses that count for it with their organisations, how many organisations).
            timeout: seconds.

        Returns:
            For each member whose quorum came in time, the size of the newest checkpoint that has it.
        """
        remaining = list(wanted)
        found: dict[str, int] = {}

        def look() -> bool:
            for item in list(remaining):
                size = self._quorum_at(at_least, *item)
                if size is not None:
                    found[item[0]] = size
                    remaining.remove(item)
            return not remaining

        try:
            async with asyncio.timeout(timeout), self._signed:
                await self._signed.wait_for(look)
        except TimeoutError:
            look()
        return found

    async def close(self) -> None:
        """Stop all rounds."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _quorum_at(self, at_least: int, member: str, keys: dict[VerifierKey, str], quorum: int) -> int | None:
        # A member releases only under a tree head that it cosigned itself, beside those that count for it.
        own = self._agreement.current.member(member).keys.get("witness")
        for size in self._journal.cosigned_sizes(at_least):
            note = notes.parse(self._journal.checkpoint(size))
            names = witnessed_by(note, keys)
            enough = len({organisation for key, organisation in keys.items() if key.name in names}) >= quorum
            if enough and (own is None or own.name in witnessed_by(note, [own])):
                return size
        return None

    def _wake(self) -> None:
        for event in self._grown.values():
            event.set()

    def _start(self, session: Session) -> None:
        if "witness" not in session.abilities:
            return
        self._grown[session] = asyncio.Event()
        self._grown[session].set()
        task = asyncio.get_running_loop().create_task(self._serve(session), name=f"witness {session.member}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, session: Session) -> None:
        event = self._grown[session]
        try:
            while not session.closed:
                await event.wait()
                event.clear()
                await asyncio.sleep(DEBOUNCE_SECONDS)
                try:
                    await self._round(session)
                except VigieError as exc:
                    if session.closed:
                        return
                    _log.warning("witness round failed", member=session.member, error=exc.message)
                    await asyncio.sleep(RETRY_SECONDS)
                    event.set()
        finally:
            self._grown.pop(session, None)

    async def _round(self, session: Session) -> None:
        key = self._agreement.current.verifier(session.member, "witness")
        size = self._journal.size
        old = min(self._journal.cosigned_by(key.name), size)
        if size in (0, old):
            return
        checkpoint = self._journal.checkpoint(size)
        answer = await self._ask(session, old, size, checkpoint)
        if answer.conflict and answer.size <= size:
            # The witness knows better what it signed last (it lost an answer, or we did).
            answer = await self._ask(session, answer.size, size, checkpoint)
        if answer.conflict:
            raise BadSignature(f"{session.member} says that it cosigned {answer.size} entries, the journal has {size}")
        lines = [NoteSignature.parse(line) for line in answer.lines]
        mine = [line for line in lines if (line.name, line.key_id) == (key.name, key.key_id)]
        text = notes.parse(checkpoint).text
        if not mine or key not in notes.verify(notes.Note(text, tuple(mine), b""), [key]):
            raise BadSignature(f"{session.member} sent no cosignature of its own")
        await self._journal.add_cosignatures(size, mine[:1])
        _log.info("witnessed", member=session.member, size=size)
        async with self._signed:
            self._signed.notify_all()

    async def _ask(self, session: Session, old: int, size: int, checkpoint: bytes) -> Cosigned:
        proof = tuple(self._journal.consistency(old, size))
        # Others' lines are left out: a witness judges the log's word alone.
        return await session.ask(Cosign(old, proof, checkpoint), Cosigned, timeout=self._answer_seconds)
