"""Nothing that the product can be told makes it believe a maker of one's own: no root, no simulator, from nowhere."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from support.simulated import Machine, maker
from vigie import attestation, hardware
from vigie.convention import HARDWARE, PLATFORMS
from vigie.convention.hardware import HardwareRule
from vigie.errors import VigieError
from vigie.hardware import Endorsements, Policy, certificates, pins, snp
from vigie.hardware.bundle import QuoteBundle

ROOT = Path(__file__).parents[2]
PRODUCT = sorted(path for part in ("common", "hub", "node") for path in (ROOT / part).rglob("*.py"))
LIBRARY = ROOT / "common" / "vigie" / "hardware"


def calls_of(path: Path, name: str) -> list[ast.Call]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func
            if (isinstance(called, ast.Name) and called.id == name) or (
                isinstance(called, ast.Attribute) and called.attr == name
            ):
                found.append(node)
    return found


def test_roots_come_from_the_list_of_digests_alone() -> None:
    """``pinned`` is called with names of that list only, and only the library and its warm-up call it."""
    callers: dict[str, list[str]] = {}
    for path in PRODUCT:
        for call in calls_of(path, "pinned"):
            callers.setdefault(path.relative_to(ROOT).as_posix(), []).append(ast.unparse(call.args[0]))
    assert set(callers) == {
        f"common/vigie/{name}.py" for name in ("attestation", "hardware/nitro", "hardware/quote", "hardware/snp")
    }
    constants = {name.strip("'") for names in callers.values() for name in names if name.startswith("'")}
    assert constants <= set(pins.DIGESTS)
    variables = {name for names in callers.values() for name in names if not name.startswith("'")}
    # One walks over the digests, the other over the library's own table of generations.
    assert variables == {"name", "file"}
    assert {file for files in snp._FILES.values() for file in files} <= set(pins.DIGESTS)


def test_no_function_takes_a_root_but_the_check_of_a_chain() -> None:
    taking = set()
    for path in [*sorted(LIBRARY.glob("*.py")), ROOT / "common" / "vigie" / "attestation.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
                if names & {"root", "roots", "anchor", "anchors", "trust", "pins"}:
                    taking.add((path.name, node.name))
    assert taking == {("certificates.py", "check_chain")}
    for path in PRODUCT:
        for call in calls_of(path, "check_chain"):
            assert path.parent == LIBRARY and ast.unparse(call.args[1]) == "root"


def test_nothing_of_the_outside_is_read_by_the_library() -> None:
    for path in [*LIBRARY.glob("*.py"), ROOT / "common" / "vigie" / "attestation.py"]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\b(environ|getenv|socket|urllib|requests|open\(|utc_now|get_collateral)", text), (
            path.name
        )
        assert "with_root_ca" not in text
    for path in PRODUCT:
        assert "verify_with_root_ca" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_samples_without_a_binding_are_accepted_by_tests_only(path: Path) -> None:
    if path.parent != LIBRARY:
        assert "accept_unbound_sample" not in path.read_text(encoding="utf-8")


def test_a_simulator_is_no_platform_and_its_maker_no_root() -> None:
    assert set(HARDWARE) == set(hardware.PLATFORMS) and not any("sim" in name for name in PLATFORMS)
    root, authority, chip = maker()
    assert all(root.certificate not in pins.pinned(name) for name in pins.DIGESTS)
    given = Machine().quote(bytes(64))
    for extra in ((), (root.der,), (authority.der,), (authority.der, root.der), (chip.der, authority.der, root.der)):
        with pytest.raises(VigieError, match=r"endorsement|root|not signed by|not issued by"):
            snp.verify(
                given.evidence,
                Endorsements((chip.der, *extra)),
                root.certificate.not_valid_before_utc.replace(year=2026),
                Policy(),
            )


def test_what_a_convention_or_a_bundle_can_say_has_no_place_for_a_root() -> None:
    said = {*inspect.signature(HardwareRule).parameters, *inspect.signature(QuoteBundle).parameters}
    assert not any("root" in name or name == "ca" for name in said)
    assert set(inspect.signature(Policy).parameters) == {
        "refused_generations", "minimum_tcb", "tcb_statuses", "maximum_vmpl", "registers", "measurements", "vlek",
    }  # fmt: skip
    assert set(inspect.signature(attestation.verify).parameters) == {"claim", "convention", "quote", "at"}
    assert certificates.check_chain.__module__ == "vigie.hardware.certificates"
