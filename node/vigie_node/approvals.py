"""Approvals of enclave measurements: taken from the node's folder ``approvals``, kept, and put into the journal.

``vigie approve`` signs one into a file. Nothing here signs: a file that this member did not sign is left alone, and said.
"""

from collections.abc import Iterator
from pathlib import Path

import structlog

from vigie import authority
from vigie.bodies import Approval
from vigie.errors import VigieError
from vigie_node.folder import LockedNode, read_statement

_log = structlog.get_logger("vigie.node.approvals")


def collect(node: LockedNode) -> int:
    """Keep every valid approval of this member that lies in the folder; return how many are new."""
    return sum(node.ledger.record_approval(raw) for _, raw in _valid(node))


def take(node: LockedNode, raw: bytes) -> None:
    """Keep an approval found in the journal, when it is this member's; others' come with each release question."""
    try:
        judged = authority.judge(raw, node.chain, kind="approval")
    except VigieError:
        return
    if isinstance(judged.body, Approval) and judged.body.member == node.member:
        node.ledger.record_approval(raw, submitted=True)


def _valid(node: LockedNode) -> Iterator[tuple[Path, bytes]]:
    known = set(node.ledger.approvals())
    for path in sorted(node.folder.approvals.glob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        try:
            raw = read_statement(path)
            if raw in known:
                continue
            judged = authority.judge(raw, node.chain, kind="approval")
        except VigieError as error:
            _log.warning("this file is not a valid approval", file=path.name, reason=str(error))
            continue
        body = judged.body
        if not isinstance(body, Approval) or body.member != node.member:
            _log.warning("this approval is another member's", file=path.name)
            continue
        yield path, raw
