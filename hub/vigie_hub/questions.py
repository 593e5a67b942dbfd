"""What the hub asks a member over the stream that the member keeps open, and what the member answers.

Values only: the codec in :mod:`vigie_hub.services.attending` turns them into messages. The hub forwards statements and
sealed bytes here and can read none of what is sealed.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class Pong:
    """Yes."""


@dataclass(frozen=True)
class Evaluate:
    """Evaluate blinded elements for the requester that signed ``statement``."""

    statement: bytes
    elements: bytes


@dataclass(frozen=True)
class Evaluated:
    """The evaluator's `evaluation` with the output, or its `refusal` with none."""

    statement: bytes
    output: bytes


@dataclass(frozen=True)
class Cosign:
    """Cosign a checkpoint that extends the tree of ``old_size`` entries."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes


@dataclass(frozen=True)
class Cosigned:
    """Signature lines for the checkpoint; on a conflict none, and the size that the witness last signed."""

    lines: tuple[str, ...]
    size: int
    conflict: bool


@dataclass(frozen=True)
class Announce:
    """Would you release for this order?"""

    order: bytes


@dataclass(frozen=True)
class Announced:
    """The member's decision; ``statement`` is its signed refusal when it refused."""

    decision: Literal["willing", "pending", "refused"]
    statement: bytes


@dataclass(frozen=True)
class DrawChallenge:
    """Draw a challenge for one attempt at the order with that digest."""

    order: bytes


@dataclass(frozen=True)
class Challenge:
    """32 bytes that the evidence must carry."""

    challenge: bytes


@dataclass(frozen=True)
class AskRelease:
    """Release the keys of your lots to this evidence, and your share under the ``joint`` statement with that digest.

    ``quote`` is the bundle that the evidence names; it and ``joint`` are empty when there is none.
    """

    order: bytes
    evidence: bytes
    order_receipt: bytes
    evidence_receipt: bytes
    approvals: tuple[bytes, ...]
    joint: bytes = b""
    quote: bytes = b""


@dataclass(frozen=True)
class Released:
    """A signed `release`, the sealed keys when it releases, the sealed share when it gives one."""

    statement: bytes
    blob: bytes
    share: bytes = b""


@dataclass(frozen=True)
class ResultReady:
    """A result for you is in the run with that digest."""

    run: bytes


@dataclass(frozen=True)
class Noted:
    """Understood."""


@dataclass(frozen=True)
class Failure:
    """The member could not answer: a class of :mod:`vigie.errors` and a public sentence."""

    code: str
    message: str


Question = Ping | Evaluate | Cosign | Announce | DrawChallenge | AskRelease | ResultReady
Answer = Pong | Evaluated | Cosigned | Announced | Challenge | Released | Noted | Failure
