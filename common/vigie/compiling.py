"""Compiles sources to byte code that depends on nothing but the interpreter and the sources.

Run as a program by its path, in a fresh interpreter with a fixed environment: ``compiling.py write|compare ROOT``, the
sources' paths below ROOT on standard input, one a line. ``write`` puts each one's byte code where Python looks for it;
``compare`` prints those whose byte code differs from what it would write. It imports the standard library alone, so that
it runs in a root that holds nothing else yet.

What could make two builds differ, and why it does not: the file name in the code is relative; PEP 552 puts a hash of
the source in place of times; format 2 of ``marshal`` has no references, which would follow reference counts; its sets
are written sorted.
"""

import importlib.util
import marshal
import sys
from pathlib import Path
from typing import Final

UNCHECKED: Final = (1).to_bytes(4, "little")
"""PEP 552: valid by a hash of the source, which is not looked at again when the module is loaded."""

_FORMAT: Final = 2


def byte_code(source: bytes, name: str) -> bytes | None:
    """The whole byte-code file for a source; None if it has none of this form.

    Args:
        source: the source file's content.
        name: its path below the root, which becomes the file name in tracebacks.
    """
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
        body = marshal.dumps(code, _FORMAT)
    except (SyntaxError, ValueError, RecursionError):
        return None  # a template, or a constant that the format lacks: Python compiles it on import, or refuses it
    return importlib.util.MAGIC_NUMBER + UNCHECKED + importlib.util.source_hash(source) + body


def place(name: str) -> str:
    """Where Python looks for the byte code of a source."""
    return importlib.util.cache_from_source(name, optimization="")


def write(root: Path, names: list[str]) -> None:
    """Write the byte code of each source beside it."""
    for name in names:
        made = byte_code((root / name).read_bytes(), name)
        if made is not None:
            target = root / place(name)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(made)


def compare(root: Path, names: list[str]) -> list[str]:
    """The sources whose byte code is not what :func:`write` would write."""
    return [name for name in names if (root / place(name)).read_bytes() != byte_code((root / name).read_bytes(), name)]


def main(arguments: list[str]) -> int:
    """Serve one call; see the module."""
    what, root = arguments
    names = sys.stdin.buffer.read().decode().splitlines()
    if what == "write":
        write(Path(root), names)
    else:
        sys.stdout.buffer.write("".join(f"{name}\n" for name in compare(Path(root), names)).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
