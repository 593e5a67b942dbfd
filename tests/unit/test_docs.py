"""What keeps the documentation true: links, the lists of verbs, exit codes, and where pages claim to be complete."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from support.pages import LASTING, read_page, unseen
from vigie.cli import console
from vigie.cli import files as cli_files
from vigie.demo.programs import BINARIES
from vigie.errors import VigieError

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = ("vigie", "vigie-node", "vigie-hub")
ROLES = ("signatory", "hub-operator", "partner")
PLACES_OF_A_MACHINE = re.compile(r"(?<![\w.])/(?:root|home|work|tmp|Users)/")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


@cache
def anchors(page: Path) -> frozenset[str]:
    """Anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_name_no_place_of_a_machine(page: Path) -> None:
    assert not PLACES_OF_A_MACHINE.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_lists_the_verbs_as_help_does(command: str) -> None:
    (listed,) = re.findall(rf"```help {command}\n(.*?)```", README, re.DOTALL)
    verbs = re.findall(r"^│ ([a-z]+) +(\S.*?) *│$", help_of(command).split("Commands")[1], re.MULTILINE)
    assert verbs
    assert [tuple(line.split(maxsplit=1)) for line in listed.splitlines()] == verbs


@pytest.mark.parametrize("role", [*ROLES, "auditor"])
def test_every_option_on_a_role_page_exists(role: str) -> None:
    text = (ROOT / "docs" / "roles" / f"{role}.md").read_text(encoding="utf-8")
    text = re.sub(r"\$\(([^)]*)\)(.*)", r"\2\n\1\n", text)  # a command inside another one stands on its own
    found = set(re.findall(r"(vigie(?:-node|-hub)?(?: [a-z]+){1,2})((?: [^`\n|]*)?)", text))
    used = {(verb, option) for verb, rest in found for option in re.findall(r"(--[a-z-]+)", rest)}
    assert used
    for verb, option in used:
        assert option in help_of(*known(verb)), f"{verb} has no {option}"


def known(verb: str) -> list[str]:
    """The words of a command without its arguments: ``vigie-node approve node`` is ``vigie-node approve``."""
    words = verb.split()
    return (
        words
        if len(words) < 3
        or words[1]
        in ("member", "convention", "evidence", "audit", "results", "perimeter", "share", "enclave", "model")
        else words[:2]
    )


@cache
def help_of(*words: str) -> str:
    done = subprocess.run(
        [BINARIES / words[0], *words[1:], "--help"],
        env={**os.environ, "COLUMNS": "250", "TERM": "dumb"}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(words)} --help: {done.stderr}"
    return done.stdout


def test_every_exit_code_is_explained_once() -> None:
    rows = re.findall(r"^\| (\d+) \| (?:`(\w+)`)?", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)
    explained = {int(code): family for code, family in rows}
    assert len(explained) == len(rows)
    families = {code: family.__name__ for family, code in console.EXIT_CODES}
    assert {code: family for code, family in explained.items() if family} == families
    others = {0, 1, console.EXIT_DEFECT, console.EXIT_INTERRUPTED, console.EXIT_PIPE}
    assert {code for code, family in explained.items() if not family} == others


@pytest.mark.parametrize("folder", ["docs", "docs/spec"])
def test_an_index_names_every_page(folder: str) -> None:
    index = (ROOT / folder / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / folder).glob("*.md")} - {"README.md"}
    assert pages
    assert {page for page in pages if f"({page})" not in index} == set()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_page_is_played_and_compared(role: str) -> None:
    """Every fence is one that the exchange test types, or shows; no output stands without its command."""
    text = (ROOT / "docs" / "roles" / f"{role}.md").read_text(encoding="utf-8")
    blocks = read_page(role)
    fences = [fence for fence in re.findall(r"^```(.*)$", text, re.MULTILINE) if fence]
    assert fences.count("sh") == len(blocks) == len({block.line for block in blocks})
    assert fences.count("text") == sum(bool(block.seen) for block in blocks)
    assert set(fences) <= {"sh", "text", "ini"}
    assert [block for block in blocks if block.lasting] == [b for b in blocks if b.commands.startswith(LASTING)]


def test_the_names_that_pages_use_are_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    names = {"hub.example:7443", "0.0.0.0:7443", "0123abcd", "signaux-faibles-demo", "acoss", "extracts"}
    text = "".join(block.commands for role in ROLES for block in read_page(role))
    assert {name for name in names if name not in text} == set()
    assert {name for name in names if f"`{name}`" not in index} == set()


def test_what_must_be_seen_is_looked_for_in_order() -> None:
    assert unseen(("one …", "  three"), "one two\n  three\n") is None
    assert unseen(("three", "one …"), "one two\nthree\n") == "one …"
    assert unseen(("one. two",), "one, two\n") == "one. two"


def test_the_readme_begins_with_the_purpose_and_two_commands() -> None:
    before, _, after = README.partition("## How it works")
    assert "./scripts/demo" in before
    assert "./scripts/test" in before
    assert len(before.splitlines()) < 20
    assert after.index("1. The members sign") < after.index("## Set up")


def test_the_demonstration_says_what_its_scores_are_worth() -> None:
    said = " ".join(README.split())
    assert "randomised dump: identifiers and amounts are shuffled, so their scores mean nothing" in said
    assert "--companies 2000" in said


def test_a_hint_is_given_where_there_was_none() -> None:
    with pytest.raises(VigieError) as found, cli_files.hinted("look there"):
        raise VigieError("it went wrong")
    assert found.value.hint == "look there"
    with pytest.raises(VigieError) as found, cli_files.hinted("look there"):
        raise VigieError("it went wrong", hint="here")
    assert found.value.hint == "here"
