"""What a partner installs: the wheel holds our three packages whole, and nothing else takes a name of theirs."""

import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"vigie": "common", "vigie_hub": "hub", "vigie_node": "node"}


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        section = tomllib.load(file)["project"]
    assert isinstance(section, dict)
    return section


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel of this tree, built with the installed backend: no isolation, hence no network."""
    out = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.Path(built)


def test_the_wheel_is_one_pure_distribution(wheel: zipfile.Path, project: dict[str, object]) -> None:
    assert wheel.name == f"vigie-{project['version']}-py3-none-any.whl"
    assert {entry.name for entry in wheel.iterdir()} == {*PACKAGES, f"vigie-{project['version']}.dist-info"}


def test_the_wheel_holds_the_packages_whole(wheel: zipfile.Path) -> None:
    """Data files beside the modules count: a package that works only from the tree would be found out too late."""
    packed = {name for name in wheel.root.namelist() if ".dist-info/" not in name and not name.endswith("/")}
    tree = {
        path.relative_to(ROOT / folder).as_posix()
        for package, folder in PACKAGES.items()
        for path in (ROOT / folder / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == tree


def test_the_wheel_is_typed(wheel: zipfile.Path) -> None:
    names = set(wheel.root.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    generated = {name for name in names if name.startswith("vigie/v1/") and name.endswith("_pb2.py")}
    assert generated
    assert {f"{name}i" for name in generated} <= names


def test_each_person_has_a_command(wheel: zipfile.Path, project: dict[str, object]) -> None:
    commands = {"vigie": "vigie.cli:main", "vigie-node": "vigie_node.cli:main", "vigie-hub": "vigie_hub.cli:main"}
    assert project["scripts"] == commands
    listed = (wheel / f"vigie-{project['version']}.dist-info" / "entry_points.txt").read_text()
    for command, target in commands.items():
        assert f"{command} = {target}\n" in listed


def test_the_commands_lead_somewhere() -> None:
    """As installed here, by scripts/setup, each command names a function that exists."""
    found = metadata.distribution("vigie").entry_points.select(group="console_scripts")
    assert {entry.name for entry in found} == {"vigie", "vigie-node", "vigie-hub"}
    for entry in found:
        assert callable(entry.load()), entry.name


def test_the_version_is_in_the_changelog(project: dict[str, object]) -> None:
    assert f"\n## {project['version']}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_lock_is_hashed_and_names_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [index for index, line in enumerate(lines) if line and line[0] not in "# "]
    assert pinned
    for index in pinned:
        assert "==" in lines[index], lines[index]
        assert lines[index + 1].startswith("    --hash=sha256:"), lines[index]
    assert not [line for line in lines if "://" in line or line.startswith("-") or " @ " in line]


def test_the_lock_covers_what_the_project_asks_for(project: dict[str, object]) -> None:
    """scripts/setup installs the project with --no-deps: what the lock forgets is missing."""
    locked = {
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1].isalnum()
    }
    dependencies, extras = project["dependencies"], project["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    asked = {
        requirement.split(">")[0].split("=")[0].strip().lower()
        for requirement in [*dependencies, *(one for extra in extras.values() for one in extra)]
    }
    assert asked <= locked
