"""The enclave root that ``vigie-hub init`` builds: whole, read-only, the same twice, and started from nothing else."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from vigie import bytecode, enclave_files
from vigie.errors import ConfigError
from vigie.evidence import file_digest, measure_tree, measurement
from vigie_hub import enclave_root
from vigie_hub.enclave import messages, sandbox
from vigie_hub.enclave.sandbox import calls
from vigie_hub.launcher import Launcher


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("one") / "enclave"
    enclave_root.build(folder)
    yield folder
    enclave_root.remove(folder / "root")


def test_every_user_may_enter_it(built: Path) -> None:
    # A hub without root reads what root built, and in mode B the enclave is a user of its own.
    assert stat.S_IMODE(built.stat().st_mode) == stat.S_IMODE((built / "root").stat().st_mode) | 0o200 == 0o755


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
    assert not parts & {
        "site-packages",
        "dist-packages",
        "ensurepip",
        "idlelib",
        "tests",
        "scipy.libs",
        "f2py",
        "asyncio",
    }
    assert names >= {f"{library}/scipy/sparse.py", f"{library}/narwhals/typing.py", "contents.json"}
    assert not any(path.name.startswith(("libssl", "libX11", "libsqlite3", "libreadline")) for path in paths)
    assert not any(path.suffix in (".pth", ".pyi") for path in paths)
    ours = {name for name in names if name.startswith(f"{library}/vigie_hub/")}
    allowed = ("enclave/", "__init__.py", "__pycache__/__init__.")
    assert all(name.removeprefix(f"{library}/vigie_hub/").startswith(allowed) for name in ours)
    assert not any(
        name.startswith((f"{library}/grpc/", f"{library}/vigie/cli/", f"{library}/vigie/synth/")) for name in names
    )


def test_nothing_in_it_may_be_written(built: Path) -> None:
    for path in [built / "root", *(built / "root").rglob("*")]:
        assert not path.is_symlink()
        assert not path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH), path


def test_the_launch_settings_name_no_place_of_this_machine(built: Path) -> None:
    launch = json.loads((built / "launch.json").read_bytes())
    assert not any(argument.startswith("/") for argument in launch["arguments"])
    assert launch["environment"] == dict(sandbox.ENVIRONMENT)


def test_another_build_by_anybody_anywhere_has_the_same_measurement(built: Path, tmp_path: Path) -> None:
    """Another folder, file system, user, umask, locale, time zone, and every variable that could have changed a byte."""
    place = Path("/dev/shm") / f"vigie-{os.getpid()}"  # another file system, which lists in another order
    place.mkdir()
    place.chmod(0o777)
    other = place / "somewhere else" / "enclave"
    # Its own user, who may read what is installed for root here and write nowhere but in its folder.
    stranger = ["setpriv", "--reuid=61002", "--regid=61002", "--clear-groups", "--inh-caps=+dac_read_search",
                "--ambient-caps=+dac_read_search"] if os.getuid() == 0 else []  # fmt: skip
    settings = {
        "HOME": "/nowhere", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "77", "PYTHONOPTIMIZE": "2", "SOURCE_DATE_EPOCH": "86400", "TZ": "Pacific/Kiritimati",
    }  # fmt: skip
    code = f"import os; from pathlib import Path; from vigie_hub import enclave_root; enclave_root.build(Path({str(other)!r}))"
    try:
        done = subprocess.run(
            [*stranger, sys.executable, "-c", code],
            env=settings, umask=0o077, cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        if stranger:
            assert (other / "root").stat().st_uid == 61002
        assert [*map(str, measure_tree(other / "root"))] == [*map(str, measure_tree(built / "root"))]
        assert (other / "launch.json").read_bytes() == (built / "launch.json").read_bytes()
    finally:
        enclave_root.remove(other / "root")
        shutil.rmtree(place)


def test_times_owners_and_modes_are_not_measured(built: Path) -> None:
    before = measured(built)
    for path in [*(built / "root").glob("lib/python3*/*.py"), built / "root/bin/python3"]:
        os.utime(path, (86400, 86400))
    assert measured(built) == before


def measured(folder: Path) -> bytes:
    launch = json.loads((folder / "launch.json").read_bytes())
    return measurement(measure_tree(folder / "root", byte_code=bytecode.paired), launch)


def test_one_changed_byte_anywhere_is_another_measurement(built: Path) -> None:
    """In a sample of every kind of file: interpreter, loader, system library, dependency, our code, byte code."""
    library = enclave_root._library()
    sample = [
        "bin/python3", "lib/libc.so.6", "contents.json", f"{library}/os.py", f"{library}/__pycache__/os.cpython-*.pyc",
        f"{library}/numpy/__init__.py", f"{library}/lightgbm/lib/*.so", f"{library}/vigie/sealing.py",
        f"{library}/vigie_hub/enclave/sandbox/calls.py", f"{library}/vigie_hub/enclave/__pycache__/main.*.pyc",
        f"{library}/scipy/sparse.py", f"{library}/rfc8785-*/METADATA", "lib/ld-*",
    ]  # fmt: skip
    launch = json.loads((built / "launch.json").read_bytes())
    files = {one.path: one.sha256 for one in measure_tree(built / "root", byte_code=bytecode.paired)}
    seen = {measurement(files.items(), launch)}
    for pattern in sample:
        (path, *_) = sorted((built / "root").glob(pattern))
        name, mode = path.relative_to(built / "root").as_posix(), path.stat().st_mode
        content = path.read_bytes()
        path.chmod(0o600)
        try:
            with path.open("r+b") as file:
                file.seek(len(content) // 2)
                file.write(bytes([content[len(content) // 2] ^ 1]))
            changed = measurement({**files, name: file_digest(path)}.items(), launch)
        finally:
            path.write_bytes(content)
            path.chmod(mode)
        assert changed not in seen, name
        seen.add(changed)
    assert len(seen) == len(sample) + 1


def test_another_policy_of_the_layers_is_another_measurement(built: Path) -> None:
    """The policy is what measured code says it is, and no word of it changes without the measurement."""
    launch = json.loads((built / "launch.json").read_bytes())
    files = {one.path: one.sha256 for one in measure_tree(built / "root", byte_code=bytecode.paired)}
    code = "import sys; from vigie_hub.enclave.sandbox import policy_text; sys.stdout.write(policy_text())"
    said = subprocess.run(
        [*launch["arguments"][: launch["arguments"].index("-m")], "-c", code],
        cwd=built / "root", env=launch["environment"], capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said == sandbox.policy_text()
    box = sandbox.Sandbox(sandbox.NAMESPACES, 1)
    modules = {type(layer).__module__ for layer in (*box.early, *box.sealed)} | {calls.__name__}
    assert len(modules) > 4
    seen = {measurement(files.items(), launch)}
    for module in sorted(modules):
        name = f"{enclave_root._library()}/{module.replace('.', '/')}.py"
        content = (built / "root" / name).read_bytes()
        marked = b'    "read", "write"' if module == calls.__name__ else b"policy = "
        places = [one.start() for one in re.finditer(re.escape(marked), content)]
        assert places, name
        for place in places:
            changed = content[: place + len(marked)] + b' "execve", ' + content[place + len(marked) :]
            seen.add(measurement({**files, name: hashlib.sha256(changed).digest()}.items(), launch))
    assert len(seen) > len(box.early)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calls, "FREE", (*calls.FREE, "execve"))
        assert calls.policy() not in said
    assert calls.policy() in said


def leaves(value: Any, change: Callable[[str], str]) -> Iterator[Any]:
    """The value with one text in it changed, for each text in it."""
    if isinstance(value, dict):
        for name in value:
            yield from ({**value, name: other} for other in leaves(value[name], change))
            yield {other: one for other, one in value.items() if other != name}
    elif isinstance(value, list):
        for place in range(len(value)):
            yield from ([*value[:place], other, *value[place + 1 :]] for other in leaves(value[place], change))
            yield [*value[:place], *value[place + 1 :]]
    else:
        yield change(str(value))


def test_every_word_of_the_launch_settings_is_measured(built: Path) -> None:
    """Each argument, variable and the policy text: changed, or left out."""
    files = measure_tree(built / "root", byte_code=bytecode.paired)
    launch = json.loads((built / "launch.json").read_bytes())
    assert launch.keys() >= {"arguments", "environment", "policy"}
    changed = [one for change in ("{}x".format, str.swapcase) for one in leaves(launch, change) if one != launch]
    found = {measurement(files, launch), *(measurement(files, one) for one in changed)}
    assert len(found) == len({json.dumps(one, sort_keys=True) for one in [launch, *changed]})
    assert len(changed) > 2 * len(launch["arguments"])


def test_code_that_its_source_does_not_show_is_refused_by_name(built: Path) -> None:
    path = built / "root" / enclave_root._library() / "vigie_hub/enclave/__pycache__"
    (path,) = path.glob("main.*.pyc")
    content, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o600)
    try:
        path.write_bytes(content.replace(b"drawn", b"taken", 1))
        with pytest.raises(ConfigError, match=r"vigie_hub/enclave/main\.py is not what its source makes"):
            measure_tree(built / "root")
    finally:
        path.write_bytes(content)
        path.chmod(mode)


def test_its_page_of_contents_names_every_distribution_and_every_file_has_a_group(built: Path) -> None:
    launch = json.loads((built / "launch.json").read_bytes())
    listed = enclave_files.of_root(built / "root", launch, byte_code=bytecode.paired)
    assert listed.measurement == measured(built)
    assert enclave_files.decode(enclave_files.encode(listed)) == listed
    found = {group.name: group for group in enclave_files.groups(listed)}
    assert found.keys() > {"numpy", "duckdb", "pyarrow", "lightgbm", "cryptography", "protobuf", "vigie"}
    assert not {"narwhals", "scipy"} & found.keys()
    for name, one in listed.contents.distributions.items():
        assert one.version == metadata.version(name) and one.licence != "not stated"
    standard = {
        one.path.split("/")[2] for one in found[enclave_files.INTERPRETER].files if one.path.startswith("lib/python")
    }
    modules = {name.removesuffix(".py") for name in standard if name.endswith(".py")}
    assert {name for name in modules if not name.startswith("_sysconfigdata")} <= {
        *sys.stdlib_module_names,
        "__hello__",
        "_distutils_system_mod",  # of Debian's Python
    }


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
        assert isinstance(answer, messages.Failed) and answer.claim == "convention"
        await process.end(at_once=False)
        assert process.process.returncode == 1

    asyncio.run(story())


def test_a_build_that_would_map_a_file_of_the_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # With a locale of the host the C library maps its file: the reason why the enclave has the built-in one. (A user that
    # the host does not know has the same effect without HOME: the test with another user builds as one.)
    monkeypatch.setattr(enclave_root, "ENVIRONMENT", {**sandbox.ENVIRONMENT, "LC_ALL": "C.UTF-8"})
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
    assert enclave_root.applies(marker) is holds
