"""A node killed with SIGKILL at every SQL statement: it never releases twice on one challenge, nor forgets what it signed."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from support import release_case
from support.nodes import make_node, open_node
from support.release_case import NOW, Case, world
from vigie.attend import ReleaseQuestion
from vigie_node.folder import NodeFolder


def run(prepared: NodeFolder, question: dict[str, Any], tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "question.json"
    path.write_text(json.dumps({"now": int(NOW.timestamp()), "challenge": "", **question}))
    script = Path(release_case.__file__).with_name("dying_node.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    done = subprocess.run(
        [sys.executable, str(script), str(prepared.root), str(path)],
        check=True, capture_output=True, text=True, timeout=120, env=environment,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def prepared_node(case: Case, tmp_path: Path) -> tuple[NodeFolder, ReleaseQuestion]:
    """A node that would release: it has the lot, the challenge, its approval, and has witnessed the checkpoint."""
    question = case.question()
    folder = make_node(world(), "acoss", tmp_path / "acoss", "127.0.0.1:1")
    node = open_node(folder)
    size = len(case.journal.entries)
    node.state.witness.advance(0, [], case.journal.checkpoint(size), node.convention.log_key(), now=NOW)
    node.state.record_lot(case.lots[0], case.journal.receipt(question.order), now=NOW)
    node.ledger.record_approval(case.own_approvals[0])
    known = node.ledger.record_order(question.order, now=NOW)
    node.ledger.keep_challenge(case.challenge, known.digest, now=NOW)
    node.close()
    return folder, question


def as_json(question: ReleaseQuestion) -> dict[str, Any]:
    said: dict[str, Any] = {"kind": "release"}
    for name, value in asdict(question).items():
        said[name] = value.hex() if isinstance(value, bytes) else [one.hex() for one in value]
    return said


def real_case() -> Case:
    """The case of the unit tests, with a sealing key that keys can be sealed to."""
    sealing = world().keyrings["travail"].sealing().public
    return Case(evidence_changed={"enclave_key": sealing})


def test_a_release_is_counted_before_it_is_answered_and_never_made_twice(tmp_path: Path) -> None:
    case = real_case()
    folder, question = prepared_node(case, tmp_path)
    runs = run(folder, {**as_json(question), "challenge": case.challenge.hex()}, tmp_path)
    assert len(runs) > 8, "it was killed at several statements"
    assert [one["killed"] for one in runs] == [True] * (len(runs) - 1) + [False]
    for one in runs:
        assert one["used"] == (one["released"] == 1), "used and counted are one step"
        assert one["said"] in ("", "released")
        if one["said"] == "released":
            assert one["used"], "nothing leaves before it is durable"
        # The next start: an unused challenge still counts, a used one never again.
        assert one["again"] == ("refused" if one["used"] else "released")
    assert {one["used"] for one in runs} == {True, False}, "there were kills before and after the durable step"
    assert runs[-1]["said"] == "released"


def test_a_refusal_uses_nothing_up_wherever_it_is_killed(tmp_path: Path) -> None:
    case = real_case()
    folder, question = prepared_node(case, tmp_path)
    unapproved = replace(question, approvals=())
    runs = run(folder, {**as_json(unapproved), "challenge": case.challenge.hex()}, tmp_path)
    assert [one["said"] for one in runs] == [""] * (len(runs) - 1) + ["refused"]
    assert all(one["released"] == 0 and not one["used"] and one["again"] == "refused" for one in runs)


def test_a_witness_has_never_signed_what_it_forgot(tmp_path: Path) -> None:
    case = real_case()
    folder, _ = prepared_node(case, tmp_path)
    old = len(case.journal.entries)
    for number in range(3):
        case.journal.append(f"more {number}".encode())
    new = len(case.journal.entries)
    question = {
        "kind": "witness", "old_size": old, "checkpoint": case.journal.checkpoint(new).hex(),
        "proof": [item.hex() for item in case.journal.consistency(old, new)],
    }  # fmt: skip
    runs = run(folder, question, tmp_path)
    assert len(runs) > 3
    for one in runs:
        assert one["witnessed"] in (old, new)
        if one["said"] == "cosigned":
            assert one["witnessed"] == new
    assert {one["witnessed"] for one in runs} == {old, new}
    assert runs[-1]["said"] == "cosigned"
