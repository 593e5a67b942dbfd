"""Every refusal names which rule was judged, what it wants and what there was: walked in the source of all three packages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for package in ("common/vigie", "hub/vigie_hub", "node/vigie_node")
    for path in (ROOT / package).rglob("*.py")
    if "_pb2" not in path.name
)
CLAIM = re.compile(r"[a-z][a-z0-9_ -]{0,62}")
MADE_OF_OTHERS = {"wire.py"}
"""Where a refusal that came over the wire is put together again from what the peer said."""


def refusals(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "Refused":
                yield node


def says_something(value: ast.expr | None) -> bool:
    """Whether a value is not plainly empty: a constant must hold words, an f-string some of them outside its braces."""
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str) and len(value.value.strip()) > 0
    if isinstance(value, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) or says_something(part) for part in value.values)
    if isinstance(value, ast.IfExp):
        return says_something(value.body) and says_something(value.orelse)
    return value is not None


def faults(tree: ast.AST) -> list[int]:
    found = []
    for call in refusals(tree):
        words = {keyword.arg: keyword.value for keyword in call.keywords}
        claim = call.args[0] if call.args else words.get("claim")
        sound = claim is not None and says_something(words.get("expected")) and says_something(words.get("found"))
        if isinstance(claim, ast.Constant):
            sound = sound and isinstance(claim.value, str) and CLAIM.fullmatch(claim.value) is not None
        if not sound:
            found.append(call.lineno)
    return found


def test_every_refusal_names_claim_expected_and_found() -> None:
    total, wrong = 0, []
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        total += sum(1 for _ in refusals(tree))
        if path.name not in MADE_OF_OTHERS:
            wrong += [f"{path.relative_to(ROOT)}:{line}" for line in faults(tree)]
    assert total > 150, "the walk finds them"
    assert wrong == []


@pytest.mark.parametrize(
    "source",
    [
        "Refused()", 'Refused("order")', 'Refused("order", expected="a", found="")', 'Refused("order", found="b")',
        'Refused("Order!", expected="a", found="b")', 'errors.Refused("order", expected=" ", found="b")',
        'Refused("order", expected="a", found="b" if c else "")',
    ],
)  # fmt: skip
def test_the_walk_sees_what_is_lacking(source: str) -> None:
    assert faults(ast.parse(source)) == [1]


def test_the_walk_takes_what_is_whole() -> None:
    whole = 'raise Refused("lots", expected=f"{a}", found=str(b), hint="c")'
    assert faults(ast.parse(whole)) == [] and len(list(refusals(ast.parse(whole)))) == 1


def test_no_refusal_is_hidden_behind_another_error_when_a_person_decides() -> None:
    """What approving and refusing an order refuse is a refusal, not a wrong input."""
    text = (ROOT / "node/vigie_node/cli/orders.py").read_text(encoding="utf-8")
    raised = re.findall(r"raise (\w+)\(", text)
    assert raised.count("Refused") == 1 and raised.count("InputError") == 1  # the second: nobody confirmed
