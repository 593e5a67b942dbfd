"""What scripts/release publishes is what whoever installs it measures."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from vigie import enclave_files
from vigie.errors import ConfigError
from vigie.evidence import measure_tree
from vigie_hub import enclave_root

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("release") / "dist"
    done = subprocess.run(
        [ROOT / "scripts" / "release", "--output", output], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == enclave_files.decode((output / "measurement.json").read_bytes()).measurement.hex()
    return output


@pytest.fixture
def installed(published: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with the published wheel installed in it, and the enclave root that this one builds, as another would."""
    (wheel,) = published.glob("*.whl")
    where = tmp_path / "installed"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", where, wheel], check=True
    )
    code = f"from pathlib import Path; from vigie_hub import enclave_root; enclave_root.build(Path({str(tmp_path / 'e')!r}))"
    settings = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(where), "TZ": "Asia/Kolkata", "LC_ALL": "fr_FR.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd="/",
        env=settings,
        umask=0o027,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield tmp_path / "e"
    enclave_root.remove(tmp_path / "e" / "root")


def test_the_installed_wheel_builds_the_root_whose_measurement_was_published(published: Path, installed: Path) -> None:
    listed = enclave_files.decode((published / "measurement.json").read_bytes())
    assert [one[:2] for one in listed.files] == [tuple(one) for one in measure_tree(installed / "root")]
    command = (Path(sys.executable).parent / "vigie", "evidence")
    done = subprocess.run(
        [*command, "explain", published / "measurement.json", installed, "--no-check"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f"the same files and the same launch settings: {listed.measurement.hex()}" in done.stdout
    # The platform that it holds for is on the page of contents.
    contents = listed.contents
    assert (contents.python, contents.machine) == (".".join(map(str, sys.version_info[:3])), os.uname().machine)
    assert contents.libc == os.confstr("CS_GNU_LIBC_VERSION")


def test_the_checksums_are_those_of_everything_that_is_published(published: Path) -> None:
    lines = [line.split("  ") for line in (published / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums.keys() == {path.name for path in published.iterdir()} - {"SHA256SUMS"}
    assert sorted(Path(name).suffix for name in sums) == [".gz", ".json", ".whl"]
    for name, digest in sums.items():
        assert hashlib.sha256((published / name).read_bytes()).hexdigest() == digest


def test_wheel_and_source_archive_are_the_same_from_another_folder_clock_and_user(
    published: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "another place"
    left_out = (
        ".venv",
        ".git",
        "build",
        "dist",
        "__pycache__",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
    )
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*left_out, ".import_linter_cache"))
    for path in tree.rglob("*"):
        os.utime(path, (86400, 86400))
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-t", "wheel", "-d", tmp_path / "again"],
        cwd=tree, env={"PATH": "/usr/bin:/bin", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "5"},
        umask=0o077, capture_output=True, check=True,
    )  # fmt: skip
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (published / path.name).read_bytes(), path.name
    assert len(list((tmp_path / "again").iterdir())) == 2


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_release", ROOT / "scripts" / "make_release.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_is_published_over_something(program: ModuleType, published: Path, tmp_path: Path) -> None:
    before = sorted(path.read_bytes() for path in published.iterdir())
    with pytest.raises(ConfigError, match="not empty"):
        program.release(published, tmp_path / "enclave")
    assert sorted(path.read_bytes() for path in published.iterdir()) == before


def test_what_is_not_the_locked_version_is_refused(program: ModuleType) -> None:
    program.check_installed(LOCK)
    with pytest.raises(ConfigError, match=r"rfc8785 0\.1\.4 is installed, and the lock names 0\.1\.3"):
        program.check_installed(LOCK.replace("rfc8785==0.1.4", "rfc8785==0.1.3"))
    with pytest.raises(ConfigError, match="the lock names none"):
        program.check_installed(LOCK.replace("pyarrow==", "pyarrow2=="))


def test_a_file_that_was_changed_after_it_was_installed_is_refused(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(Path(str(__import__("rfc8785").__file__)).parent, tmp_path / "rfc8785")
    (record,) = Path(str(__import__("rfc8785").__file__)).parent.parent.glob("rfc8785-*.dist-info")
    shutil.copytree(record, tmp_path / record.name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(enclave_root, "DISTRIBUTIONS", ("rfc8785",))
    program.check_installed(LOCK)
    with (tmp_path / "rfc8785" / "_impl.py").open("a") as file:
        file.write("\n")
    with pytest.raises(ConfigError, match=r"rfc8785/_impl\.py is not the file that rfc8785 was installed with"):
        program.check_installed(LOCK)
