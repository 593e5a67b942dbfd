"""The generated code in the tree is, byte for byte, what the .proto files give with the pinned generator."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def generate(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the tree's own scripts/gen-proto under the interpreter of this test."""
    return subprocess.run(
        [str(tree / "scripts/gen-proto"), *options],
        env={**os.environ, "VIGIE_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_checked_in_code_is_what_the_proto_files_give(tmp_path: Path) -> None:
    done = generate(ROOT, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    made = contents(tmp_path / "vigie/v1")
    kept = contents(ROOT / "common/vigie/v1")
    assert "__init__.py" in made
    assert any(name.endswith("_pb2.pyi") for name in made)
    assert sorted(made) == sorted(kept), "a .proto file was added or removed: run scripts/gen-proto"
    different = [name for name in made if made[name] != kept[name]]
    assert not different, f"run scripts/gen-proto: {different}"


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    """A tree with only what generation needs, so that a fault can be planted in it."""
    tree = tmp_path / "tree"
    for part in ("proto", "scripts", "common/vigie/v1"):
        shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("__pycache__"))
    return tree


def test_check_accepts_a_fresh_tree(copied_tree: Path) -> None:
    done = generate(copied_tree, "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("fault", ["edited", "missing", "left over", "proto changed"])
def test_check_refuses_a_stale_tree_and_mends_nothing(copied_tree: Path, fault: str) -> None:
    generated = copied_tree / "common/vigie/v1"
    victim = min(generated.glob("*_pb2.py"))
    if fault == "edited":
        victim.write_bytes(victim.read_bytes() + b"\n")
    elif fault == "missing":
        victim.unlink()
    elif fault == "left over":
        (generated / "gone_pb2.py").write_bytes(b"")
    else:
        source = min((copied_tree / "proto/vigie/v1").glob("*.proto"))
        source.write_bytes(source.read_bytes() + b"\nmessage PlantedByTheTest { string name = 1; }\n")
    before = contents(generated)

    done = generate(copied_tree, "--check")

    assert done.returncode == 1
    assert "hint: scripts/gen-proto" in done.stderr
    assert contents(generated) == before


def test_generating_mends_a_stale_tree(copied_tree: Path) -> None:
    generated = copied_tree / "common/vigie/v1"
    (generated / "gone_pb2.py").write_bytes(b"")
    min(generated.glob("*_pb2.py")).unlink()
    done = generate(copied_tree)
    assert done.returncode == 0, done.stderr
    assert contents(generated) == contents(ROOT / "common/vigie/v1")
