"""One history: what a hub shows must stand in the journal that this node witnessed."""

from collections.abc import Awaitable, Callable, Sequence

from vigie.errors import BadProof
from vigie.journal.checkpoint import Checkpoint
from vigie.journal.merkle import verify_consistency
from vigie_node.state import NodeState

Consistency = Callable[[int, int], Awaitable[Sequence[bytes]]]
"""Asks the hub for the proof that its tree of one size extends that of another; unverified."""


async def same_history(state: NodeState, origin: str, tree: Checkpoint, consistency: Consistency, what: str) -> None:
    """Refuse a tree that is not one history with the journal that this node witnessed.

    A hub could show a made-up statement in another journal. As long as nothing was witnessed, there is nothing to hold
    the tree against.

    Args:
        state: the node's state.
        origin: name of the journal.
        tree: the one in which something stands, signed by the journal.
        consistency: asks the hub.
        what: what stands there, for the message.

    Raises:
        BadProof: another history.
    """
    seen = state.witness.state(origin)
    if not seen.size:
        return
    (old, old_root), (new, new_root) = sorted([(seen.size, seen.root), (tree.size, tree.root)])
    proof = () if old == new else await consistency(old, new)
    try:
        verify_consistency(old, new, old_root, new_root, proof)
    except BadProof as exc:
        raise BadProof(
            f"{what} stands in another journal than the one that this node witnessed",
            hint="the journal shows different histories: keep the state folder and tell the auditor",
        ) from exc
