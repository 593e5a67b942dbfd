"""Who attends: the one open stream of each member, and questions with their answers over it.

Members only make outbound connections, so whatever the hub wants of a member it asks here. Questions of one stream run
side by side, matched by their ids. The rule it keeps: a stream that ends answers every open question with
:class:`Unavailable` at once; nobody waits for a member that is gone.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog

from vigie.errors import MalformedFrame, Unavailable
from vigie.wire import revive
from vigie_hub.questions import Answer, Failure, Question

A = TypeVar("A")

WAITING: Final = 256
"""Questions that may wait for one stream; more are refused at once, so that a slow member cannot fill the hub."""

_log = structlog.get_logger("vigie.hub.attendance")


@dataclass(eq=False)
class Session:
    """One open stream of a member."""

    member: str
    abilities: frozenset[str]
    version: str
    _outgoing: "asyncio.Queue[tuple[int, Question] | None]" = field(default_factory=lambda: asyncio.Queue(WAITING))
    _open: "dict[int, asyncio.Future[Answer]]" = field(default_factory=dict)
    _next: int = 1
    closed: bool = False

    async def outgoing(self) -> AsyncIterator[tuple[int, Question]]:
        """Questions to send, until the session is closed."""
        while not self.closed:
            item = await self._outgoing.get()
            if item is None:
                return
            yield item

    def answered(self, number: int, answer: Answer) -> None:
        """Take an answer in; one to a question that nobody asks any more is dropped."""
        waiting = self._open.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask(self, question: Question, wanted: type[A], *, timeout: float) -> A:
        """Ask and return the answer.

        Raises:
            Unavailable: the stream ended, is clogged, or the answer did not come in time.
            VigieError: the error that the member named, whatever its class.
        """
        if self.closed:
            raise Unavailable(f"{self.member} is not attending")
        number, self._next = self._next, self._next + 1
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._open[number] = waiting
        try:
            self._outgoing.put_nowait((number, question))
            async with asyncio.timeout(timeout):
                answer = await waiting
        except asyncio.QueueFull as exc:
            raise Unavailable(f"{self.member} does not keep up with the hub's questions") from exc
        except TimeoutError as exc:
            raise Unavailable(f"{self.member} did not answer in time") from exc
        finally:
            self._open.pop(number, None)
        if isinstance(answer, Failure):
            raise revive(answer.code, f"{self.member}: {answer.message}")
        if not isinstance(answer, wanted):
            raise MalformedFrame(f"{self.member} answered another question")
        return answer

    def close(self) -> None:
        """End the session; open questions fail."""
        self.closed = True
        for waiting in self._open.values():
            if not waiting.done():
                waiting.set_result(Failure("Unavailable", "the connection to it ended"))
        self._open.clear()
        if not self._outgoing.full():
            self._outgoing.put_nowait(None)


class Attendance:
    """All open sessions, one for each member."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._listeners: list[Callable[[Session], None]] = []

    def join(self, session: Session) -> None:
        """Take a session in; an older one of the same member ends."""
        older = self._sessions.get(session.member)
        self._sessions[session.member] = session
        if older is not None:
            older.close()
        _log.info("attending", member=session.member, abilities=sorted(session.abilities))
        for listener in self._listeners:
            listener(session)

    def leave(self, session: Session) -> None:
        """End a session; a newer one of the same member stays."""
        session.close()
        if self._sessions.get(session.member) is session:
            del self._sessions[session.member]
            _log.info("left", member=session.member)

    def listen(self, listener: Callable[[Session], None]) -> None:
        """Have ``listener`` called whenever a member begins to attend."""
        self._listeners.append(listener)

    def names(self) -> list[str]:
        """Members that attend, sorted."""
        return sorted(self._sessions)

    def with_ability(self, ability: str) -> list[Session]:
        """Sessions whose member answers that kind of question."""
        return [session for _, session in sorted(self._sessions.items()) if ability in session.abilities]

    async def ask(self, member: str, question: Question, wanted: type[A], *, timeout: float) -> A:
        """Ask a member; see :meth:`Session.ask`."""
        session = self._sessions.get(member)
        if session is None:
            raise Unavailable(
                f"{member} is not attending", hint=f"its node must run; {member} can tell why it does not"
            )
        return await session.ask(question, wanted, timeout=timeout)

    def close(self) -> None:
        """End all sessions."""
        for session in list(self._sessions.values()):
            self.leave(session)
