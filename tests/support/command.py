"""What a command that was run in this process ended with and said."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Vigie = Callable[..., Outcome]
