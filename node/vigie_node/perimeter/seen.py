"""Perimeters in the journal that this node reads itself: so that a hub which withholds the newest one is noticed."""

from typing import Final

import structlog

from vigie import authority
from vigie.bodies import Perimeter
from vigie.chain import ConventionChain
from vigie.errors import StateError, VigieError
from vigie_node.perimeter.store import KeptPerimeter
from vigie_node.state import NodeState

_DIGEST: Final = 32

_log = structlog.get_logger("vigie.node")


def take(chain: ConventionChain, state: NodeState, raw: bytes) -> None:
    """Remember a perimeter found in the journal that this node witnessed; told in order, told again without harm.

    One that is not signed and shaped as it must be is passed over: the hub could write it to stop everybody's sending.
    """
    try:
        judged = authority.judge(raw, chain, kind="perimeter")
    except StateError:
        raise
    except VigieError as error:
        _log.error("a perimeter in the journal does not count", reason=str(error), hint=error.hint)
        return
    body: Perimeter = judged.body
    seen, digest = state.value(_name(body.epoch)) or b"", judged.statement.digest
    if digest not in _digests(seen):
        state.keep(_name(body.epoch), seen + digest)


def is_outdated(state: NodeState, kept: KeptPerimeter) -> bool:
    """Whether this node read of a perimeter of the same epoch that came after ``kept``."""
    seen = _digests(state.value(_name(kept.body.epoch)) or b"")
    return kept.digest in seen[:-1]


def _name(epoch: int) -> str:
    return f"perimeters/{epoch}"


def _digests(seen: bytes) -> list[bytes]:
    return [seen[at : at + _DIGEST] for at in range(0, len(seen), _DIGEST)]
