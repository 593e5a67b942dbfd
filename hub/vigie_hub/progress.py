"""How far an order is, for whoever watches it.

Only the newest step of an order is kept: a watcher that comes late sees where it stands now, and one that is slow
skips steps but never the last.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

STAGES: Final = (
    "announced", "answers", "started", "evidence", "witnessed", "released", "shares", "opened", "features", "trained", "scored",
    "sealed", "done", "failed",
)  # fmt: skip
"""The stable words, in the order in which a run goes through them; ``failed`` ends one instead of ``done``."""

FROM_ENCLAVE: Final = {"opening": "opened", "training": "trained", "scoring": "scored", "sealing": "sealed"}
"""What the enclave says while it is at it, as the stable word for that part of the run."""


@dataclass(frozen=True)
class Step:
    """Where an order stands. ``run`` is the signed run, on the last step of a run that was done."""

    stage: str
    message: str
    done: int = 0
    total: int = 0
    run: bytes = b""

    @property
    def last(self) -> bool:
        """Whether nothing more will come."""
        return self.stage in ("done", "failed")


class Board:
    """The newest step of each order."""

    def __init__(self) -> None:
        self._steps: dict[bytes, Step] = {}
        self._changed: dict[bytes, asyncio.Event] = {}

    def post(self, order: bytes, step: Step) -> None:
        """Put up a step and wake the watchers."""
        self._steps[order] = step
        waiting = self._changed.pop(order, None)
        if waiting is not None:
            waiting.set()

    def newest(self, order: bytes) -> Step | None:
        """The newest step of an order, None when there is none yet."""
        return self._steps.get(order)

    async def watch(self, order: bytes) -> AsyncIterator[Step]:
        """Steps of an order from where it stands now to its last."""
        seen: Step | None = None
        while True:
            step = self._steps.get(order)
            if step is not None and step is not seen:
                yield step
                if step.last:
                    return
                seen = step
                continue
            await self._changed.setdefault(order, asyncio.Event()).wait()
