"""What an enclave is: every byte of its root and launch counts, and the level is computed, never taken."""

import hashlib
import itertools
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.quotes import WHOLE, convention_of, rule_of
from support.world import World, demo_terms
from vigie import evidence
from vigie.bodies import Evidence
from vigie.convention import HARDWARE, LEVELS
from vigie.errors import ConfigError, MalformedStatement, Refused
from vigie.evidence import MeasuredFile, measure_tree, measurement

D = b"\x11" * 32
AZURE_TDX = {
    "name": "a", "platform": "azure-tdx", "measurements": ["00" * 48], "registers": [f"4={'00' * 32}"],
    "tcb_statuses": ["UpToDate"], "refused_generations": [],
}  # fmt: skip
LAYERS = tuple(demo_terms()["enclave"]["layers"])
LAUNCH: dict[str, Any] = {"arguments": ["bin/python", "-I"], "environment": {"TZ": "UTC"}, "policy": "none"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.create(tmp_path_factory.mktemp("world"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small enclave root with a folder, an empty file and a link."""
    made = tmp_path / "root"
    (made / "lib").mkdir(parents=True)
    (made / "lib" / "a.py").write_bytes(b"print(1)\n")
    (made / "lib" / "empty").write_bytes(b"")
    (made / "lib-b.so").write_bytes(b"\x7fELF")
    (made / "lib" / "b.so").symlink_to("../lib-b.so")
    return made


def claim(world: World, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "convention": world.chain.digest, "order": D, "enclave_key": b"\x33" * 1216, "enclave_signing_key": D,
        "challenges": {"acoss": D}, "measurement": D, "policy": D, "platform": "software",
        "layers": dict.fromkeys(LAYERS, "enforced"), "host": {}, "quote": None, "created": "2026-03-20T09:30:00Z",
    }  # fmt: skip
    return Evidence(**{**fields, **changes})


def without(layer: str, state: str | None = None) -> dict[str, str]:
    layers = {name: "enforced" for name in LAYERS if name != layer}
    return layers if state is None else {**layers, layer: state}


# -- measuring ----------------------------------------------------------------------------------------------------


def test_a_tree_is_its_files_sorted_by_path(root: Path) -> None:
    found = measure_tree(root)
    assert found == [
        MeasuredFile("lib-b.so", hashlib.sha256(b"\x7fELF").digest()),
        MeasuredFile("lib/a.py", hashlib.sha256(b"print(1)\n").digest()),
        MeasuredFile("lib/b.so", hashlib.sha256(b"vigie/link/v1\n../lib-b.so").digest()),
        MeasuredFile("lib/empty", hashlib.sha256(b"").digest()),
    ]


def test_a_measurement_is_what_the_specification_says(root: Path) -> None:
    files = [[path, digest.hex()] for path, digest in measure_tree(root)]
    text = json.dumps({"files": files, "launch": LAUNCH}, sort_keys=True, separators=(",", ":"))
    assert measurement(measure_tree(root), LAUNCH) == hashlib.sha256(b"vigie/measurement/v1\n" + text.encode()).digest()


@pytest.mark.parametrize("change", ["content", "name", "more", "less", "link", "empty-to-link"])
def test_any_change_of_the_tree_changes_the_measurement(root: Path, change: str) -> None:
    before = measurement(measure_tree(root), LAUNCH)
    assert measurement(measure_tree(root), LAUNCH) == before
    match change:
        case "content":
            (root / "lib" / "a.py").write_bytes(b"print(2)\n")
        case "name":
            (root / "lib" / "a.py").rename(root / "lib" / "A.py")
        case "more":
            (root / ".hidden").write_bytes(b"")
        case "less":
            (root / "lib" / "empty").unlink()
        case "link":
            (root / "lib" / "b.so").unlink()
            (root / "lib" / "b.so").symlink_to("a.py")
        case _:
            (root / "lib" / "empty").unlink()
            (root / "lib" / "empty").symlink_to("a.py")
    assert measurement(measure_tree(root), LAUNCH) != before


@pytest.mark.parametrize(
    "changes",
    [{"arguments": ["bin/python"]}, {"environment": {}}, {"policy": ""}, {"more": 1}],
)
def test_any_change_of_the_launch_changes_the_measurement(root: Path, changes: dict[str, Any]) -> None:
    files = measure_tree(root)
    assert measurement(files, LAUNCH | changes) != measurement(files, LAUNCH)
    assert measurement(files, dict(reversed(LAUNCH.items()))) == measurement(files, LAUNCH)


def test_the_place_of_the_root_does_not_count(root: Path, tmp_path: Path) -> None:
    before = measure_tree(root)
    assert measure_tree(root.rename(tmp_path / "moved")) == before


def test_a_given_digest_is_used_for_plain_files_only(root: Path) -> None:
    asked: list[str] = []

    def digest(path: str) -> bytes:
        asked.append(Path(path).name)
        return D

    found = dict(measure_tree(root, digest))
    assert sorted(asked) == ["a.py", "empty", "lib-b.so"]
    assert found["lib/a.py"] == D != found["lib/b.so"]


@pytest.mark.parametrize("name", ["lib/a.pyc", "lib/__pycache__/a.cpython-311.pyc", "a.pyo"])
def test_byte_code_is_refused(root: Path, name: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="byte code"):
        measure_tree(root)


@pytest.mark.parametrize("target", ["../../outside", "/etc/hostname", "lib/../../outside"])
def test_a_link_that_leaves_the_root_is_refused(root: Path, target: str) -> None:
    (root.parent / "outside").write_bytes(b"x")
    (root / "out").symlink_to(target)
    with pytest.raises(ConfigError, match="leaves the enclave root"):
        measure_tree(root)


def test_a_link_to_a_folder_outside_is_refused_and_one_inside_counts(root: Path) -> None:
    (root / "lib64").symlink_to("lib")
    assert "lib64" in dict(measure_tree(root))
    (root / "away").symlink_to("..")
    with pytest.raises(ConfigError, match="leaves the enclave root"):
        measure_tree(root)


def test_what_is_not_a_plain_file_is_refused(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(ConfigError, match="neither a plain file nor a link"):
        measure_tree(root)
    (root / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "s"))
        with pytest.raises(ConfigError, match="neither a plain file nor a link"):
            measure_tree(root)


def test_a_name_that_is_not_utf8_is_refused(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff")).write_bytes(b"")
    with pytest.raises(ConfigError, match="not UTF-8"):
        measure_tree(root)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no enclave root"):
        measure_tree(tmp_path / "nothing")


def test_files_given_twice_or_a_launch_without_canonical_form_are_refused() -> None:
    one = MeasuredFile("a", D)
    assert measurement([one, MeasuredFile("b", D)], {}) == measurement([MeasuredFile("b", D), one], {})
    with pytest.raises(ConfigError, match="stands twice"):
        measurement([one, one], {})
    with pytest.raises(ConfigError, match="canonical form"):
        measurement([one], {"a": float("nan")})


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.binary(min_size=32, max_size=32))
)
def test_other_files_have_another_measurement(files: dict[str, bytes]) -> None:
    listed = list(files.items())
    found = measurement(listed, LAUNCH)
    assert found == measurement(listed[::-1], LAUNCH)
    assert found != measurement([*listed, ("x" * 9, D)], LAUNCH)


# -- levels -------------------------------------------------------------------------------------------------------


def test_with_every_demanded_layer_software_reaches_a1(world: World) -> None:
    said = claim(world)
    assert evidence.level(said, world.convention) == "A1" and evidence.missing_layers(said, world.convention) == ()
    detailed = claim(world, layers=dict.fromkeys(LAYERS, "enforced: read back"))
    assert evidence.level(detailed, world.convention) == "A1"
    assert evidence.required_layers(world.convention) == LAYERS


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "state",
    [
        None,
        "partial",
        "unavailable",
        "failed: EPERM",
        "simulated",
        "Enforced",
        "enforced ",
        "enforced:x",
        "not enforced",
    ],
)
def test_one_layer_less_is_a0_and_is_named(world: World, layer: str, state: str | None) -> None:
    said = claim(world, layers=without(layer, state))
    assert evidence.level(said, world.convention) == "A0"
    assert evidence.missing_layers(said, world.convention) == (layer,)
    with pytest.raises(Refused) as refused:
        evidence.check(said, world.convention)
    assert refused.value.claim == "layers" and layer in refused.value.found


@pytest.mark.parametrize("platform", HARDWARE)
def test_hardware_that_nobody_verified_is_worth_nothing(tmp_path: Path, platform: str) -> None:
    rule = rule_of(next(one for one in WHOLE if one.platform == platform)) if platform != "azure-tdx" else AZURE_TDX
    found = convention_of(tmp_path, rule)
    assert evidence.level(claim(found, platform=platform, quote=D), found.convention) == "A0"
    assert evidence.check(claim(found), found.convention) == "A1"


def test_the_platform_must_be_one_of_the_conventions(world: World) -> None:
    with pytest.raises(Refused) as refused:
        evidence.check(claim(world, platform="tdx"), world.convention)
    assert refused.value.claim == "platform"


def test_each_dataset_may_demand_more(tmp_path: Path) -> None:
    strict = World.create(tmp_path, overrides={"dataset.ratios.minimum_level": "A3"})
    assert evidence.check(claim(strict), strict.convention, ["debts"]) == "A1"
    with pytest.raises(Refused) as refused:
        evidence.check(claim(strict), strict.convention, ["debts", "ratios"])
    assert refused.value.claim == "level" and "A3" in refused.value.expected and "ratios" in refused.value.expected


def test_levels_are_ordered() -> None:
    for low, high in itertools.pairwise(LEVELS):
        assert evidence.at_least(high, low) and evidence.at_least(low, low) and not evidence.at_least(low, high)
    for wrong in ("A5", "", "a1"):
        with pytest.raises(MalformedStatement):
            evidence.at_least(wrong, "A1")
        with pytest.raises(MalformedStatement):
            evidence.at_least("A1", wrong)


def test_limits_are_printed_in_words_with_the_layers_that_were_missing(world: World) -> None:
    whole = evidence.limits(claim(world), world.convention)
    assert "the hub administrator could read data while a job runs" in whole[0]
    assert "The hub alone cannot decrypt stored extracts" in whole[1]
    assert whole[-1] == "Layers that were unavailable on this host: none."
    said = claim(world, layers={**dict.fromkeys(LAYERS, "enforced"), "seccomp": "unavailable", "landlock": "absent"})
    assert (
        evidence.limits(said, world.convention)[-1] == "Layers that were unavailable on this host: landlock, seccomp."
    )
    weak = evidence.limits(claim(world, layers=without("dumpable", "failed")), world.convention)
    assert "protects nothing" in weak[0] and weak[-1].endswith(": dumpable.")


def test_every_level_has_its_sentences_in_both_languages(world: World) -> None:
    assert set(evidence.LIMITS) == set(LEVELS)
    for level, sentences in evidence.LIMITS.items():
        assert sentences[0].startswith(f"Level {level}:")
        assert all(sentence in evidence._FRENCH for sentence in sentences)
    french = evidence.limits(claim(world), world.convention, language="fr")
    assert french[0].startswith("Niveau A1 :") and french[-1].endswith("aucune.")
