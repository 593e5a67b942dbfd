"""Answers one release question or one witness question again and again, killed with SIGKILL at each SQL statement in turn.

Run as ``python dying_node.py FOLDER QUESTION``. The prepared node in FOLDER is copied for every run; the run is a fork of
this process, which has one thread. Prints one JSON line per run: where it was killed, what it had answered by then, and
what the next start finds in the state.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.world import PASSPHRASE
from vigie.attend import ReleaseQuestion
from vigie.witness_service import Witness
from vigie_node.attend import Desk
from vigie_node.folder import Node


class NothingToRead:
    async def read_to(self, size: int, root: bytes) -> None:
        return None


async def nothing() -> None:
    return None


def desk_of(node: Node, now: datetime) -> Desk:
    witness = Witness(node.convention.log_key(), node.keyring.cosigner(), node.state.witness, lambda: now)
    return Desk(
        node, evaluations=None, witness=witness, reader=NothingToRead(), lots=nothing, results=lambda: None,
        witnessed=lambda: None, failed=lambda error: None, clock=lambda: now, random=os.urandom,
    )  # fmt: skip


def answer(node: Node, asked: dict[str, Any], before: Callable[[], None]) -> str:
    """Answer the question and return, in a word, what would have left the node."""
    desk = desk_of(node, datetime.fromtimestamp(asked["now"], UTC))
    before()
    if asked["kind"] == "witness":
        checkpoint = bytes.fromhex(asked["checkpoint"])
        proof = [bytes.fromhex(item) for item in asked["proof"]]
        return "cosigned" if asyncio.run(desk.witness(asked["old_size"], proof, checkpoint)) else "nothing"
    parts = {name: bytes.fromhex(asked[name]) for name in ("order", "evidence", "order_receipt", "evidence_receipt")}
    approvals = tuple(bytes.fromhex(one) for one in asked["approvals"])
    _, blob, _ = asyncio.run(desk.release(ReleaseQuestion(**parts, approvals=approvals)))
    return "released" if blob else "refused"


def die_at(node: Node, statement: int) -> None:
    seen = 0

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    node.state.connection.set_trace_callback(count)


def one_run(folder: Path, asked: dict[str, Any], statement: int) -> tuple[bool, str]:
    """Whether the run was killed, and what it had answered by then."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        node = Node.open(folder, PASSPHRASE)
        said = answer(node, asked, lambda: die_at(node, statement))
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status), said


def main(prepared: Path, question: Path) -> None:
    asked = json.loads(question.read_text())
    for statement in range(1, 200):
        copy = prepared.with_name(f"{prepared.name}-{statement}")
        shutil.copytree(prepared, copy)
        killed, said = one_run(copy, asked, statement)
        node = Node.open(copy, PASSPHRASE)
        origin = node.convention.origin
        challenge = node.ledger.challenge(bytes.fromhex(asked["challenge"]))
        found = {
            "statement": statement, "killed": killed, "said": said,
            "used": challenge is not None and challenge.used,
            "released": sum(one.decision == "released" for one in node.ledger.answers()),
            "witnessed": node.state.witness.state(origin).size,
            "again": answer(node, asked, lambda: None) if asked["kind"] == "release" else "",
        }  # fmt: skip
        node.close()
        shutil.rmtree(copy)
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        if not killed:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
