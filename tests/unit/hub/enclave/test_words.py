"""What may leave the enclave in words: everything that its code can say is declared, and nothing else gets out."""

import ast
import importlib
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vigie_hub.enclave
from vigie import authority, chain
from vigie.errors import MalformedFrame, Refused
from vigie_hub.enclave import words
from vigie_hub.enclave.stopping import failed, rule
from vigie_hub.enclave.words import CLAIMS, SENTENCES, STAGES, UNTOLD, Vocabulary

FOLDER = Path(vigie_hub.enclave.__path__[0])
MODULES = sorted(FOLDER.rglob("*.py"))
SIREN = "552100554"


def module_of(path: Path) -> Any:
    relative = path.relative_to(FOLDER).with_suffix("")
    parts = [part for part in relative.parts if part != "__init__"]
    return importlib.import_module(".".join(["vigie_hub.enclave", *parts]))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def spoken(node: ast.expr, module: Any) -> list[str]:
    """Every text that an expression can be, with ``{}`` for what is only known at run time."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Name(id=name) if isinstance(getattr(module, name, None), str):
            return [str(getattr(module, name))]
        case ast.JoinedStr(values=values):
            return ["".join(pieces) for pieces in product(*(spoken(value, module) for value in values))]
        case ast.FormattedValue(value=value):
            return spoken(value, module)
        case ast.IfExp(body=body, orelse=other):
            return spoken(body, module) + spoken(other, module)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return [one + two for one, two in product(spoken(left, module), spoken(right, module))]
        case _:
            return ["{}"]


def arguments(call: ast.Call) -> dict[str, ast.expr]:
    named = dict(zip(("claim", "expected", "found"), call.args, strict=False))
    return named | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def said() -> list[tuple[str, str, str]]:
    """Module, role and text of everything that the enclave's own code raises or tells."""
    found = []
    for path in MODULES:
        tree, module = ast.parse(path.read_text()), module_of(path)
        for call in calls(tree, "Refused", "rule", "Failed"):
            for role, value in arguments(call).items():
                found += [(path.name, role, text) for text in spoken(value, module)]
        for call in calls(tree, "MalformedFrame"):
            found += [(path.name, "found", text) for text in spoken(call.args[0], module)]
    return found


def test_every_word_that_the_enclave_can_say_is_declared() -> None:
    """Add what this names to CLAIMS or SENTENCES of vigie_hub/enclave/words.py."""
    declared = {re.sub(r"\{\w+\}", "{}", sentence) for sentence in SENTENCES}
    everything = said()
    assert len(everything) > 80, "the walk finds what is raised"
    missing = [
        one
        for one in everything
        if (one[2] not in (CLAIMS | {"{}"}) if one[1] == "claim" else one[1] != "hint" and one[2] not in declared)
    ]
    assert not missing


def test_every_stage_that_the_enclave_can_be_at_is_declared() -> None:
    found = {
        text
        for path in MODULES
        for call in calls(ast.parse(path.read_text()), "tell", "Progress")
        if len(call.args) == 3
        for text in spoken(call.args[0], module_of(path))
    } - {"{}"}
    assert found == STAGES


@pytest.mark.parametrize("module", [authority, chain])
def test_every_claim_of_those_that_judge_for_it_is_declared(module: Any) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    claims = {text for call in calls(tree, "Refused") for text in spoken(call.args[0], module)} - {"{}"}
    helpers = {
        text
        for call in calls(tree, "_partner", "_distinct", "_key")
        for argument in call.args
        for text in spoken(argument, module)
        if re.fullmatch("[a-z_]+", text)
    } - {"signing", "operator", "host"}
    assert claims and claims | helpers <= CLAIMS | {"signing"}


def test_no_declared_word_is_without_use() -> None:
    used = {text for _, role, text in said() if role != "claim"} | {UNTOLD}
    assert {re.sub(r"\{\w+\}", "{}", sentence) for sentence in SENTENCES} - {"{}"} <= used


@pytest.fixture
def vocabulary() -> Vocabulary:
    vocabulary = Vocabulary()
    vocabulary.learn([b'[[member]]\nname = "acoss"\n'])
    return vocabulary


@pytest.mark.parametrize(
    "text",
    [
        "none", "the 7 lots of the order", "a sound release by acoss", "rows in the dataset's one form, debts",
        "an unknown category of stage", "an error of kind BadSeal", "a refusal under purpose", "acoss", "0", "999999",
    ],
)  # fmt: skip
def test_what_is_declared_passes_as_it_is(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.sentence(text) == text


@pytest.mark.parametrize(
    "text",
    [
        SIREN, f"the {SIREN} lots of the order", "1000000", "01", "-1", "1.5", "filature_quimbert", "a sound release by filature",
        "rows in the dataset's one form, 552", "an error of kind Quimbert", "a refusal under quimbert", "None", "none ", "none\n",
        "the \u0661 lots of the order", "", "x" * 5000, "a sound release by acoss, acoss",
    ],
)  # fmt: skip
def test_what_is_not_declared_does_not_leave(vocabulary: Vocabulary, text: str) -> None:
    assert vocabulary.sentence(text) == UNTOLD


@given(st.text(max_size=80))
def test_no_text_leaves_by_chance(text: str) -> None:
    vocabulary = Vocabulary()
    assert vocabulary.sentence(text) in (UNTOLD, text)
    if re.search(r"\d{7}|[^a-zA-Z0-9_ ,'-]", text):
        assert vocabulary.sentence(text) == UNTOLD
    assert vocabulary.claim(text) in CLAIMS


class FilatureQuimbert(ValueError):
    """A class whose name was made of data."""


@pytest.mark.parametrize(
    "error",
    [
        FilatureQuimbert(SIREN), Refused(SIREN, expected=SIREN, found=SIREN), MalformedFrame(SIREN), KeyError(SIREN),
        Refused("rows", expected="none", found=f"the company {SIREN}"),
    ],
)  # fmt: skip
def test_a_fault_with_data_in_it_leaves_without(vocabulary: Vocabulary, error: Exception) -> None:
    told = failed(error)
    left = (vocabulary.claim(told.claim), vocabulary.sentence(told.expected), vocabulary.sentence(told.found))
    assert SIREN not in "".join(left) and "Quimbert" not in "".join(left)
    assert left[0] in CLAIMS


def test_a_refusal_of_somebody_else_keeps_its_claim_and_no_word() -> None:
    with pytest.raises(Refused) as caught, rule("order", "none"):
        raise Refused("purpose", expected="x", found=SIREN)
    assert (caught.value.claim, caught.value.found) == ("purpose", "a refusal under purpose")


def test_a_kind_is_a_class_that_is_declared() -> None:
    assert words.kind_of(FilatureQuimbert()) == "ValueError"
    assert words.kind_of(MalformedFrame("x")) == "MalformedFrame"
