"""What the two desks that take sealed parts in, of lots and of perimeters, have in common."""

from dataclasses import dataclass
from typing import Final

from vigie import sealing, segment

PART_CAP: Final = segment.CAP + sealing.OVERHEAD
"""The largest sealed part, in bytes."""

DRAIN_SECONDS: Final = 2.0
"""How long a stream that is refused is still read: a write that fails would hide from the caller why."""


@dataclass(frozen=True)
class Begun:
    """Answer to Begin: what is missing, or the receipt of the commit that happened before."""

    missing: tuple[bytes, ...] = ()
    receipt: bytes = b""
    committed_statement: bytes = b""
