"""The enclave root that ``vigie-hub init`` builds: whole, read-only, the same twice, and started from nothing else."""

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from vigie.errors import ConfigError
from vigie.evidence import measure_tree, measurement
from vigie_hub import enclave_root, frames
from vigie_hub.enclave import sandbox
from vigie_hub.launcher import Launcher


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("one") / "enclave"
    enclave_root.build(folder)
    yield folder
    enclave_root.remove(folder / "root")


def test_it_holds_code_and_libraries_and_nothing_that_may_change(built: Path) -> None:
    paths = [path.relative_to(built / "root") for path in (built / "root").rglob("*") if not path.is_dir()]
    names = {path.as_posix() for path in paths}
    library = enclave_root._library()
    for wanted in (
        "bin/python3", "lib/libc.so.6", f"{library}/os.py", f"{library}/numpy/__init__.py",
        f"{library}/vigie/statement.py", f"{library}/vigie_hub/enclave/main.py",
    ):  # fmt: skip
        assert wanted in names
    assert any(name.startswith("lib/ld-") for name in names)
    parts = {part for path in paths for part in path.parts}
    assert not parts & {"__pycache__", "site-packages", "dist-packages", "ensurepip", "idlelib", "tests"}
    assert not any(path.suffix in (".pyc", ".pth", ".pyi") for path in paths)
    ours = {name for name in names if name.startswith(f"{library}/vigie_hub/")}
    assert all(name.startswith((f"{library}/vigie_hub/enclave/", f"{library}/vigie_hub/__init__")) for name in ours)
    assert not any(name.startswith((f"{library}/grpc/", f"{library}/vigie/cli/")) for name in names)


def test_nothing_in_it_may_be_written(built: Path) -> None:
    for path in [built / "root", *(built / "root").rglob("*")]:
        assert not path.is_symlink()
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), path


def test_the_launch_settings_name_no_place_of_this_machine(built: Path) -> None:
    launch = json.loads((built / "launch.json").read_bytes())
    assert not any(argument.startswith("/") for argument in launch["arguments"])
    assert launch["environment"] == dict(sandbox.ENVIRONMENT)


def test_another_build_at_another_place_has_the_same_measurement(built: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "enclave"
    enclave_root.build(again)
    try:
        assert measure_tree(again / "root") == measure_tree(built / "root")
        assert (again / "launch.json").read_bytes() == (built / "launch.json").read_bytes()
    finally:
        enclave_root.remove(again / "root")


def test_a_root_is_not_built_over_another(built: Path) -> None:
    with pytest.raises(ConfigError, match="already"):
        enclave_root.build(built)


def test_it_starts_and_answers_from_its_root_alone(built: Path, tmp_path: Path) -> None:
    async def story() -> None:
        launcher = Launcher(built, tmp_path / "memory")
        taken = launcher.measure()
        assert taken == measurement(measure_tree(built / "root"), json.loads((built / "launch.json").read_bytes()))
        process = await launcher.start()
        await process.channel.begin(conventions=[b"x"], order=b"", challenges={}, measurement=taken, lots=[])
        async with asyncio.timeout(120):
            answer = await process.channel.receive()
        assert isinstance(answer, frames.Failed) and answer.claim == "convention"
        await process.end(at_once=False)
        assert process.process.returncode == 1

    asyncio.run(story())


def test_a_build_that_would_map_a_file_of_the_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With a locale of the host the C library maps its file: the reason why the enclave has the built-in one.
    monkeypatch.setitem(enclave_root.ENVIRONMENT, "LC_ALL", "C.UTF-8")
    folder = tmp_path / "enclave"
    with pytest.raises(ConfigError, match="not in its root"):
        enclave_root.build(folder)
    assert not (folder / "root").exists()
    enclave_root.remove(folder / "root.part")


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("", True),
        ("platform_python_implementation != 'PyPy'", True),
        ("platform_python_implementation == 'PyPy'", False),
        ('python_full_version < "3.11"', False),
        ('implementation_name != "PyPy" and python_version < "3.9"', False),
        ('implementation_name != "PyPy" and python_version >= "3.9"', True),
        ("python_version < '3' or sys_platform == 'linux'", True),
        ("(sys_platform == 'win32')", False),
        ("something_unknown == 'x'", True),
    ],
)
def test_markers_of_requirements(marker: str, holds: bool) -> None:
    assert enclave_root._applies(marker) is holds
