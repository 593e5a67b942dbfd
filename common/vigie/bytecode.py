"""Byte code in an enclave root: only what the measured interpreter makes of the measured source beside it.

Byte code is what runs, and nobody reads it. It may be in a root because whoever measures one can make it again and
compare (docs/spec/evidence.md section 1). The rule kept: nothing out of the root is run for that. The comparison is
made by the reader's own interpreter, once it has been found equal, byte for byte, to the root's.
"""

import hashlib
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from vigie import compiling
from vigie.errors import ConfigError

SUFFIXES: Final = (".pyc", ".pyo")
_BESIDE: Final = re.compile(r"(.*/)?__pycache__/([^/.]+)\.[^/.]+\.pyc", re.DOTALL)
_ZIP: Final = re.compile(r"lib/python3\d*\.zip")

Check = Callable[[Path, Sequence[str]], None]
"""Judges the byte code of a root: the root, and the paths of all files in it; raises ConfigError."""

_ENVIRONMENT: Final = {"LC_ALL": "C", "PYTHONHASHSEED": "0", "TZ": "UTC"}
_OPTIONS: Final = ("-s", "-S", "-P", "-B", "-X", "utf8")
_SECONDS: Final = 600
_HINT: Final = "build the root again; an enclave root holds no byte code but the builder's own"


def source_of(path: str) -> str:
    """The source that a byte-code file belongs to: ``d/__pycache__/n.cpython-311.pyc`` to ``d/n.py``.

    Raises:
        ConfigError: a name under which Python would not look for the byte code of a source.
    """
    match = _BESIDE.fullmatch(path)
    if match is None:
        raise ConfigError(f"{path} is byte code without a source, which hides what runs", hint=_HINT)
    return f"{match[1] or ''}{match[2]}.py"


def paired(_root: Path, paths: Sequence[str]) -> None:
    """Refuse byte code that stands elsewhere than beside its source; says nothing about what it does.

    Enough for whoever measures a root again whose byte code was compared before: the measurement covers both files.

    Raises:
        ConfigError: a byte-code file whose source is not there.
    """
    sources_of(paths)


def verify(root: Path, paths: Sequence[str]) -> None:
    """Refuse byte code that is not exactly what this interpreter makes of the source beside it; takes seconds.

    Raises:
        ConfigError: a byte-code file without a source or different from what its source makes, named; or the root's
            interpreter is another than this one, so that nothing can be said.
    """
    if not (sources := sources_of(paths)):
        return
    there = frozenset(paths)
    for name, ours in _interpreter():
        if name not in there or _digest(root / name) != _digest(ours):
            raise ConfigError(
                f"the byte code in {root} was made by another Python than the one that runs here",
                hint="compare it on a machine with the same release: build a root there, then `vigie evidence explain`",
            )
    foreign = [source for source in sources if compiling.place(source) not in there]
    if different := foreign or _run([str(_interpreter()[0][1])], "compare", root, sources):
        raise ConfigError(
            f"the byte code of {different[0]} is not what its source makes"
            + (f", nor is that of {len(different) - 1} others" if len(different) > 1 else ""),
            hint=_HINT,
        )


def write(root: Path, interpreter: Sequence[str], paths: Iterable[str]) -> None:
    """Put byte code beside every source of a root that is being built.

    Args:
        root: the folder, still writable.
        interpreter: the root's own interpreter as a command, run with ``root`` as its working folder.
        paths: of all files below it.

    Raises:
        ConfigError: the interpreter does not run.
    """
    _run(interpreter, "write", root, sorted(path for path in paths if path.endswith(".py")))


def sources_of(paths: Sequence[str]) -> list[str]:
    """The sources that have byte code beside them, sorted.

    Raises:
        ConfigError: byte code without a source, two of them for one source, or an archive on Python's own path.
    """
    there = frozenset(paths)
    found = {}
    for path in paths:
        if _ZIP.fullmatch(path):
            raise ConfigError(f"{path} is an archive that Python would take modules from", hint=_HINT)
        if path.endswith(SUFFIXES):
            source = source_of(path)
            if source not in there or source in found:
                raise ConfigError(f"{path} is byte code without a source of its own, which hides what runs", hint=_HINT)
            found[source] = path
    return sorted(found)


def _interpreter() -> list[tuple[str, Path]]:
    """The files that compile here, with the names that they have in a root: the program, and its library if it has one."""
    found = [("bin/python3", Path(getattr(sys, "_base_executable", "") or sys.executable).resolve())]
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split(maxsplit=5)[-1]
        if "/libpython3." in path and all(path != str(one) for _, one in found):
            found.append((f"lib/{Path(path).name}", Path(path)))
    return found


def _run(interpreter: Sequence[str], what: str, root: Path, names: Sequence[str]) -> list[str]:
    import subprocess  # here: the enclave imports this module by way of its evidence, and starts no program

    done = subprocess.run(
        [*interpreter, *_OPTIONS, str(Path(compiling.__file__).resolve()), what, str(root.resolve())],
        input="".join(f"{name}\n" for name in names).encode(),
        cwd=root, env=_ENVIRONMENT, capture_output=True, check=False, timeout=_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise ConfigError("the sources of the enclave root could not be compiled", hint="is its interpreter whole?")
    return done.stdout.decode().splitlines()


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
