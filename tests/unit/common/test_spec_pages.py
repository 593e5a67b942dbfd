"""The pages of the specification against the code: their examples verify, and no key is left out."""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from vigie import note, statement
from vigie.bodies import (
    BODIES,
    Approval,
    JointShare,
    PerimeterShare,
    Quality,
    Reason,
    RunResult,
    SealedModel,
    read,
)
from vigie.convention import LEVELS, OUTPUTS, PLATFORMS, ROLES, TARGETS
from vigie.convention.reading import SECTIONS
from vigie.convention.writing import _KEYS
from vigie.datasets import LABELS
from vigie.errors import BadSignature
from vigie.evidence import measurement

SPEC = Path(__file__).parents[3] / "docs" / "spec"


def page(name: str) -> str:
    return (SPEC / f"{name}.md").read_text(encoding="utf-8")


def words(text: str) -> set[str]:
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {word for quoted in re.findall(r"`([^`]+)`", prose) for word in re.split(r"[^a-z0-9_-]+", quoted)}


def test_the_statement_of_the_page_verifies() -> None:
    text = page("statement")
    raw = text.split("```\n")[1].encode()
    vkey, digest = (line.strip() for line in text.split("(a test reads them here):\n\n")[1].split("\n")[:2])
    key = note.VerifierKey.parse(vkey)
    opened = statement.parse(raw, kind="approval")
    assert note.verify(opened.note, [key]) == {key} and opened.digest.hex() == digest
    assert read(opened, Approval).member == "acoss"
    with pytest.raises(BadSignature):
        note.verify(statement.parse(raw.replace(b"2026-03-20", b"2026-03-21")).note, [key])


def test_the_page_of_statements_names_every_kind_and_key() -> None:
    text = page("statement")
    rows = dict(
        re.findall(r"^\| `([a-z]+)` \| (.*) \|$", text.split("## 3. Bodies")[1].split("## 4.")[0], re.MULTILINE)
    )
    assert set(rows) == set(BODIES)
    parts = (JointShare, PerimeterShare, Quality, Reason, RunResult, SealedModel)
    below = {field.name for cls in parts for field in dataclasses.fields(cls)}
    for kind, cls in BODIES.items():
        named = {field.name for field in dataclasses.fields(cls)} - {"convention", "created"}
        assert named <= words(rows[kind]) | set(re.findall(r"[a-z_]+", rows[kind])), kind
    assert below <= words(text)
    assert f"Version {statement.SPEC_VERSION}." in text and f"{statement.LIMIT:,}".replace(",", " ") in text


@pytest.mark.parametrize("section", SECTIONS)
def test_the_page_of_conventions_names_every_section_and_key(section: str) -> None:
    text = page("convention")
    assert f"[{section}]" in text
    keys = {key for path, keys in _KEYS.items() if path.split(".")[0] == section for key in keys}
    assert keys <= words(text)


def test_the_page_of_conventions_names_every_word_that_may_stand_there() -> None:
    every = {*ROLES, *OUTPUTS, *TARGETS, *PLATFORMS, *LABELS}
    assert every <= words(page("convention"))


def test_the_measurement_of_the_page_is_measured() -> None:
    text = page("evidence")
    launch: dict[str, Any] = json.loads(re.findall(r"`(\{\"arguments.*?\})` measure", text, re.DOTALL)[0])
    files = [
        (name, hashlib.sha256(data).digest()) for name, data in (("bin/python", b"abc"), ("lib/a.py", b"print(1)\n"))
    ]
    found = measurement(files, launch).hex()
    assert f"    {found}\n" in text
    assert measurement(files[:1], launch).hex() not in text


def test_the_page_of_evidence_names_every_level() -> None:
    assert all(f"| {level} |" in page("evidence") for level in LEVELS)
