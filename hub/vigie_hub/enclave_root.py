"""Building an enclave root: everything that an enclave can read or map, copied once into one read-only folder.

::

    enclave/
        launch.json           arguments, environment and policy; paths in it are below root/
        root/bin/python3      the interpreter
        root/lib/             the loader and every system library that anything here links to
        root/lib/python3.X/   standard library, run-time distributions, vigie, vigie_hub.enclave
        root/contents.json    which distributions those are, in which version, under which licence

Distributions and our own code lie beside the standard library, so that the one folder that every Python reads is the
only one on the path, with ``-S`` and without ``.pth`` files. Code is copied from where it is installed, a source tree
included; byte code is made anew by the copied interpreter (:mod:`vigie.bytecode`). The rule it keeps: what is started later maps no file outside the root; the builder
proves it by starting the copied interpreter, importing what the enclave imports, and reading what it has mapped.
"""

import fnmatch
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any, Final

from vigie import bytecode
from vigie.durable import sync_folder, write_file
from vigie.errors import ConfigError
from vigie_hub.enclave.sandbox import ENVIRONMENT
from vigie_hub.isolation.launch import MODES
from vigie_hub.root_contents import described, write_contents

DISTRIBUTIONS: Final = (
    "cbor2", "cryptography", "dcap-qvl", "duckdb", "lightgbm", "numpy", "protobuf", "pyarrow", "rfc8785",
    "shamir-mnemonic",
)  # fmt: skip
"""What the enclave's code imports; what these require is added by their own metadata."""

STANDINS: Final = ("narwhals", "scipy")
"""Distributions that those require and the enclave does without: see :mod:`vigie_hub.standins`."""

CONTENTS: Final = "contents.json"
"""File of the root that says what is in it: the distributions with their versions, licences and top-level names."""

PROBE: Final = (
    "numpy", "lightgbm", "pyarrow", "pyarrow.compute", "duckdb", "rfc8785",
    "cryptography.hazmat.primitives.hpke", "google.protobuf", "vigie.v1.enclave_pb2", "vigie.authority",
    "vigie.segment", "vigie_hub.enclave.main",
)  # fmt: skip
"""Imported by the copied interpreter as the last step of a build."""

_STDLIB_LEFT_OUT: Final = frozenset(
    {
        "__phello__", "__pycache__", "asyncio", "curses", "dbm", "dist-packages", "distutils", "ensurepip", "http", "idlelib",
        "lib2to3", "msilib", "multiprocessing", "pydoc_data", "site-packages", "sitecustomize.py", "sqlite3", "test",
        "tests", "tkinter", "turtledemo", "usercustomize.py", "venv", "wsgiref", "xml", "xmlrpc",
    }
)  # fmt: skip
# Windows and terminals, databases, network: what nothing in the enclave asks for, with the libraries that they link to.
_STDLIB_FILES_LEFT_OUT: Final = (
    "_curses*", "_dbm*", "_gdbm*", "_sqlite3*", "_ssl*", "_test*", "_tkinter*", "_xx*", "audioop*", "nis.*",
    "ossaudiodev*", "readline*", "spwd*", "xx*",
)  # fmt: skip
_PACKAGE_LEFT_OUT: Final = ("vigie/audit/*", "vigie/cli/*", "vigie/demo/*", "vigie/synth/*")
_LEFT_OUT: Final = (
    "*/__pycache__/*", "__pycache__/*", "*.pyc", "*.pyi", "*.pxd", "*.pxi", "*.pyx", "*.h", "*.hpp", "*.a", "*.c", "*.cc",
    "*.cpp", "*.cmake", "*/tests/*", "*/include/*", "*.pth", "adbc_driver_duckdb/*", "lightgbm/dask.py",
    "lightgbm/plotting.py", "lightgbm/sklearn.py", "numpy/f2py/*", "pyarrow/*flight*",
)  # fmt: skip
_LIBRARY_LINE: Final = re.compile(r"\s*(?:(\S+) => )?(/\S+|not found)(?: \(0x[0-9a-f]+\))?\s*")


def build(folder: Path) -> None:
    """Build ``folder/root`` and ``folder/launch.json``.

    Raises:
        ConfigError: there is a root already, something needed is not installed, or the result does not start.
    """
    root = folder / "root"
    if root.exists():
        raise ConfigError(f"there is an enclave root in {folder} already", hint="remove it to build another")
    if not folder.exists():
        folder.mkdir(parents=True)
        # Partners are given it, so it hides nothing; a hub without root, and the enclave's own user, have to get in.
        folder.chmod(0o755)
    building = folder / "root.part"
    remove(building)
    building.mkdir(mode=0o700)
    _copy_interpreter(building)
    library = building / _library()
    _copy_standard_library(library)
    contents = {}
    for name in distributions():
        distribution = metadata.distribution(name)
        contents[name] = described(distribution, _copy_distribution(distribution, library))
    for name in STANDINS:
        _copy_package(f"vigie_hub.standins.{name}", library, name=name)
    _copy_package("vigie", library, left_out=_PACKAGE_LEFT_OUT)
    _copy_package("vigie_hub", library, only=("vigie_hub/__init__.py", "vigie_hub/enclave/*"))
    loader = _copy_libraries(building)
    write_contents(building / CONTENTS, contents)
    _compile(building, loader)
    write_file(folder / "launch.json", json.dumps(_launch(loader), indent=2, sort_keys=True).encode() + b"\n", 0o444)
    _make_read_only(building)
    _probe(building, loader)
    building.rename(root)
    sync_folder(folder)


def distributions() -> list[str]:
    """Names of all distributions that a root holds.

    Raises:
        ConfigError: one of them is not installed.
    """
    return _closure(DISTRIBUTIONS)


def remove(root: Path) -> None:
    """Remove an enclave root, read-only as it is; nothing happens when there is none."""
    if not root.exists():
        return
    for path in [root, *root.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(root)


def _launch(loader: str) -> dict[str, Any]:
    return {
        "arguments": [
            f"lib/{loader}", "--inhibit-cache", "--inhibit-rpath", "bin/python3", "--library-path", "lib", "bin/python3",
            "-I", "-S", "-B", "-X", "utf8", "-m", "vigie_hub.enclave", "3",
        ],
        "environment": dict(ENVIRONMENT),
        "policy": "descriptors: 3; working folder: root; layers: as the enclave says in its evidence",
        **MODES,
    }  # fmt: skip


def _library() -> str:
    return f"lib/python{sys.version_info.major}.{sys.version_info.minor}"


def _copy_interpreter(root: Path) -> None:
    base = Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()
    _copy(base, root / "bin/python3")


def _copy_standard_library(target: Path) -> None:
    sources = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")}
    base = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})).resolve()
    extensions = Path(sysconfig.get_config_var("DESTSHARED") or base / "lib-dynload").resolve()
    for source in {base, *sources}:
        for folder, folders, files in os.walk(source):
            folders[:] = sorted(
                name for name in folders if name not in _STDLIB_LEFT_OUT and not name.startswith("config-")
            )
            for name in sorted(files):
                path = Path(folder) / name
                if path.suffix in (".py", ".so") and not _left_out_of_library(name):
                    _copy(path, target / path.relative_to(source))
    if not (target / "lib-dynload").is_dir() and extensions.is_dir():
        for path in sorted(one for one in extensions.glob("*.so") if not _left_out_of_library(one.name)):
            _copy(path, target / "lib-dynload" / path.name)


def _left_out_of_library(name: str) -> bool:
    return name in _STDLIB_LEFT_OUT or _matches(name, _STDLIB_FILES_LEFT_OUT)


def _closure(names: tuple[str, ...]) -> list[str]:
    """The distributions of that name and all that they require on this interpreter, extras left out."""
    found: dict[str, None] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found or name in STANDINS:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError as exc:
            raise ConfigError(f"the enclave needs {name}, which is not installed", hint="install vigie[hub]") from exc
        found[name] = None
        for requirement in requires:
            wanted, _, marker = requirement.partition(";")
            if "extra ==" not in marker and applies(marker.strip()):
                waiting.append(re.split(r"[\s<>=!~\[(]", wanted.strip(), maxsplit=1)[0])
    return sorted(found)


def applies(marker: str) -> bool:
    """Whether an environment marker (PEP 508) holds here, for the few forms that our distributions use."""
    if not marker:
        return True
    values = {
        "implementation_name": sys.implementation.name,
        "platform_python_implementation": "CPython",
        "sys_platform": sys.platform,
        "platform_system": "Linux",
        "os_name": os.name,
        "platform_machine": os.uname().machine,
        "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
        "python_full_version": ".".join(map(str, sys.version_info[:3])),
    }

    def number(text: str) -> tuple[int, ...]:
        return tuple(int(piece) for piece in text.split(".") if piece.isdigit())

    def holds(clause: str) -> bool:
        match = re.fullmatch(r"\(?\s*(\w+)\s*(==|!=|<=|>=|<|>)\s*['\"]([^'\"]*)['\"]\s*\)?", clause.strip())
        if match is None or match[1] not in values:
            return True  # rather one distribution too many than one too few
        left, operator, right = values[match[1]], match[2], match[3]
        if match[1].startswith("python_"):
            order = (number(left) > number(right)) - (number(left) < number(right))
        else:
            order = (left > right) - (left < right)
        return {"==": order == 0, "!=": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[
            operator
        ]

    return any(all(holds(clause) for clause in part.split(" and ")) for part in marker.split(" or "))


def _copy_distribution(distribution: metadata.Distribution, target: Path) -> set[str]:
    """Copy what is kept of a distribution; return the names that it takes beside the standard library."""
    taken = set()
    files = distribution.files
    if files is None:
        raise ConfigError(f"{distribution.name} has no list of its files", hint="install it from a wheel")
    for file in files:
        name = PurePosixPath(file)
        inside = name.parts[0]
        if inside in ("..", "/") or name.is_absolute() or _matches(str(name), _LEFT_OUT):
            continue
        if inside.endswith((".dist-info", ".egg-info")) and name.name != "METADATA":
            continue
        source = Path(str(distribution.locate_file(file)))
        if source.is_file():
            _copy(source, target / name)
            taken.add(inside)
    return taken


def _copy_package(
    package: str, target: Path, *, name: str = "", left_out: tuple[str, ...] = (), only: tuple[str, ...] = ()
) -> None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the package {package} is not installed")
    name = name or package
    for location in spec.submodule_search_locations:
        for path in sorted(Path(location).rglob("*")):
            relative = f"{name}/{path.relative_to(location).as_posix()}"
            if not path.is_file() or _matches(relative, (*_LEFT_OUT, *left_out)) or path.name == "py.typed":
                continue
            if not only or _matches(relative, only):
                _copy(path, target / relative)


def _copy_libraries(root: Path) -> str:
    """Copy every system library that anything in the root links to; return the loader's name."""
    loader = ""
    objects = [root / "bin/python3", *sorted(path for path in root.rglob("*.so*") if path.is_file())]
    grafted = {path.name for path in objects}
    for name, path in sorted(_linked(objects)):
        if path == "not found" and name in grafted:
            continue  # a wheel's own library, found through the search path of what loads it
        if path == "not found":
            raise ConfigError(
                f"the library {name} is not installed", hint="install it with the system's package manager"
            )
        source = Path(path)
        if name.startswith("ld-"):
            loader = name
        if source.resolve().is_relative_to(root.resolve()):
            continue
        _copy(source.resolve(), root / "lib" / name)
    if not loader:
        raise ConfigError("the interpreter has no loader of its own; a dynamically linked Python is needed")
    return loader


def _linked(objects: list[Path]) -> Iterator[tuple[str, str]]:
    listed = subprocess.run(["ldd", *map(str, objects)], capture_output=True, text=True, check=False)
    seen = set()
    for line in listed.stdout.splitlines():
        match = _LIBRARY_LINE.fullmatch(line)
        if match is not None and not line.rstrip().endswith(":"):
            name = match[1] or PurePosixPath(match[2]).name
            found = (PurePosixPath(name).name, match[2])
            if found not in seen:
                seen.add(found)
                yield found


def _compile(root: Path, loader: str) -> None:
    """Put byte code beside every source, made by the copied interpreter."""
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    start = [
        f"lib/{loader}",
        "--inhibit-cache",
        "--inhibit-rpath",
        "bin/python3",
        "--library-path",
        "lib",
        "bin/python3",
    ]
    for runs in (root / "bin/python3", root / "lib" / loader):
        runs.chmod(0o555)
    bytecode.write(root, start, files)


def _probe(root: Path, loader: str) -> None:
    """Start the copied interpreter, import what the enclave imports, and look at what it has mapped."""
    command = _launch(loader)["arguments"]
    code = (
        f"import importlib\nfor name in {PROBE!r}: importlib.import_module(name)\nprint(open('/proc/self/maps').read())"
    )
    started = subprocess.run(
        [*command[: command.index("-m")], "-c", code],
        cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    if started.returncode != 0:
        last = started.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ConfigError(f"the enclave root does not start: {last[0]}")
    mapped = {line.split(maxsplit=5)[5] for line in started.stdout.splitlines() if len(line.split(maxsplit=5)) == 6}
    outside = sorted(path for path in mapped if path.startswith("/") and not Path(path).is_relative_to(root.resolve()))
    if outside:
        raise ConfigError(f"the enclave would map what is not in its root: {', '.join(outside)}")


def _make_read_only(root: Path) -> None:
    for path in root.rglob("*"):
        runs = path.parent.name == "bin" or path.name.startswith("ld-")
        path.chmod(0o555 if path.is_dir() or runs else 0o444)
    root.chmod(0o555)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
