"""Byte code in a root: made the same everywhere, and refused by name when it is not what the source makes."""

import importlib.util
import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vigie import bytecode, compiling
from vigie.errors import ConfigError
from vigie.evidence import measure_tree

SOURCES = {
    "lib/python3.11/one.py": "def f(x: int = 1) -> set[str]:\n    return {'a', 'b', 'c', 'dé'} if x in {'p', 'q', 'r', 2, 3.5} else set()\n",
    "lib/python3.11/two/__init__.py": "'''Doc.'''\nassert True\nNAMES = ('one', 'two', frozenset({1, 2}))\nclass A:\n    x = lambda self: NAMES\n",
    "lib/python3.11/empty.py": "",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root that holds this interpreter and three sources with their byte code."""
    made = tmp_path / "root"
    for name, text in SOURCES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    for name, ours in bytecode._interpreter():
        (made / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ours, made / name)
    bytecode.write(made, [str(bytecode._interpreter()[0][1])], files(made))
    return made


def files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def pyc(root: Path, name: str) -> Path:
    return root / compiling.place(name)


def test_what_the_builder_writes_is_accepted_and_measured(root: Path) -> None:
    measured = [one.path for one in measure_tree(root)]
    assert sorted(measured) == files(root)
    for name in SOURCES:
        assert compiling.place(name) in measured
    assert bytecode.sources_of(measured) == sorted(SOURCES)


def test_python_runs_it_and_not_the_source(root: Path) -> None:
    """The form is right: Python takes the byte code without looking at the source or its times again."""
    source = root / "lib/python3.11/one.py"
    source.write_text("raise SystemExit('the source was compiled')\n")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c",
         f"import sys; sys.path.insert(0, {str(source.parent)!r}); import one; print(sorted(one.f(2)), one.f.__code__.co_filename)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == f"['a', 'b', 'c', 'dé'] {source}"


def test_it_names_no_place_and_no_time(root: Path) -> None:
    name = "lib/python3.11/one.py"
    content = pyc(root, name).read_bytes()
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == 1  # PEP 552: by hash, unchecked
    assert content[8:16] == importlib.util.source_hash((root / name).read_bytes())
    assert marshal.loads(content[16:]).co_filename == name  # noqa: S302 -- what we have just written
    assert str(root).encode() not in content


@pytest.mark.parametrize(
    "settings",
    [
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "4294967295", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONOPTIMIZE": "2"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "fr_FR.UTF-8", "TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0"},
        {"SOURCE_DATE_EPOCH": "1", "PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1", "PYTHONIOENCODING": "latin-1"},
    ],
)
def test_the_same_under_every_environment(root: Path, tmp_path: Path, settings: dict[str, str]) -> None:
    other = tmp_path / "elsewhere" / "deeper"
    for name, text in reversed(SOURCES.items()):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(text)
        os.utime(other / name, (86400, 86400))
    # Run as a program with that environment, as nothing in the product does, so that the environment can matter.
    subprocess.run(
        [sys.executable, compiling.__file__, "write", str(other)],
        input="".join(f"{name}\n" for name in reversed(SOURCES)), text=True, env=settings, check=True, umask=0o077,
    )  # fmt: skip
    for name in SOURCES:
        assert pyc(other, name).read_bytes() == pyc(root, name).read_bytes()


def test_a_source_without_that_form_of_byte_code_has_none(root: Path) -> None:
    bad = root / "lib/python3.11/template.py"
    bad.write_text("def {{ name }}(): pass\n")
    bytecode.write(root, [sys.executable], files(root))
    assert not pyc(root, "lib/python3.11/template.py").exists()
    measure_tree(root)
    pyc(root, "lib/python3.11/template.py").write_bytes(pyc(root, "lib/python3.11/empty.py").read_bytes())
    with pytest.raises(ConfigError, match=r"template\.py is not what its source makes"):
        measure_tree(root)


def other_code(root: Path) -> bytes:
    """Byte code of the right form with the source's own hash that does something else: the attack that matters."""
    evil = compile("print('evil')", "lib/python3.11/one.py", "exec")
    return pyc(root, "lib/python3.11/one.py").read_bytes()[:16] + marshal.dumps(evil, 2)


def test_code_that_hides_behind_a_harmless_source_is_refused_by_name(root: Path) -> None:
    pyc(root, "lib/python3.11/one.py").write_bytes(other_code(root))
    with pytest.raises(ConfigError, match=r"the byte code of lib/python3\.11/one\.py is not what its source makes"):
        measure_tree(root)
    bytecode.paired(root, files(root))  # what this one alone does not see, and the measurement shows


@pytest.mark.parametrize("place", [0, 4, 8, 15, 16, 40, -1])
def test_every_changed_byte_is_refused(root: Path, place: int) -> None:
    path = pyc(root, "lib/python3.11/two/__init__.py")
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"two/__init__\.py is not what"):
        measure_tree(root)


def test_a_changed_source_is_refused_with_its_old_byte_code(root: Path) -> None:
    (root / "lib/python3.11/empty.py").write_text("\n")
    (root / "lib/python3.11/one.py").write_text("pass\n")
    with pytest.raises(ConfigError, match=r"empty\.py is not what its source makes, nor is that of 1 others"):
        measure_tree(root)


@pytest.mark.parametrize(
    "name",
    [
        "lib/python3.11/one.pyc", "one.pyo", "lib/python3.11/__pycache__/none.cpython-311.pyc",
        "lib/python3.11/__pycache__/one.cpython-312.pyc", "lib/python3.11/__pycache__/one.cpython-311.opt-1.pyc",
        "lib/python3.11/__pycache__/one.pyc", "lib/python3.11/__pycache__/.cpython-311.pyc", "lib/python311.zip",
    ],
)  # fmt: skip
def test_what_has_no_source_beside_it_is_refused(root: Path, name: str) -> None:
    (root / name).write_bytes(b"")
    for check in (bytecode.paired, bytecode.verify):
        with pytest.raises(ConfigError, match=r"hides what runs|would take modules from"):
            measure_tree(root, byte_code=check)


def test_byte_code_of_another_python_alone_is_refused(root: Path) -> None:
    name = "lib/python3.11/one.py"
    pyc(root, name).rename(pyc(root, name).with_name("one.cpython-399.pyc"))
    with pytest.raises(ConfigError, match=r"one\.py is not what its source makes"):
        measure_tree(root)


def test_another_interpreter_is_never_run(root: Path, tmp_path: Path) -> None:
    (root / "bin/python3").write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    (root / "bin/python3").chmod(0o755)
    with pytest.raises(ConfigError, match="another Python"):
        measure_tree(root)
    assert not (tmp_path / "was-run").exists()


def test_a_root_without_byte_code_needs_no_interpreter(root: Path) -> None:
    shutil.rmtree(root / "bin")
    for name in SOURCES:
        pyc(root, name).unlink()
    assert len(measure_tree(root)) == len(files(root))


def test_what_does_not_compile_at_all_is_an_error_of_ours(root: Path) -> None:
    with pytest.raises(ConfigError, match="could not be compiled"):
        bytecode.write(root, [sys.executable, "-c", "raise SystemExit(3)"], files(root))
