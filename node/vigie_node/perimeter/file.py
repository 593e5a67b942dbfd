"""The file of a perimeter as the real system has it (``filter_siren_<batch>.csv``): ``siren``, then nine digits a line."""

import re
from pathlib import Path
from typing import Final

import pyarrow as pa

from vigie.durable import replacing
from vigie.errors import ExtractError, InputError
from vigie_node.quality import shape_of

HEADER: Final = "siren"

_AT_ONCE: Final = 100_000
_SIREN: Final = re.compile(r"[0-9]{9}")


def read_sirens(path: Path) -> pa.Array:
    """Read the companies of a perimeter, strictly: nothing is mended, skipped or guessed.

    Returns:
        Nine-digit texts, ascending, each once.

    Raises:
        ExtractError: no such file, not UTF-8, no header, no company, a line that is not nine digits, or one that stands
            twice; the message names the line and shows the shape of what is there, never its content.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ExtractError(f"{path.name}: there is no such file", hint="check the path") from error
    except OSError as error:
        raise ExtractError(
            f"{path.name}: the file cannot be read", hint="is it a file, and may you read it?"
        ) from error
    except UnicodeDecodeError as error:
        raise ExtractError(f"{path.name}: the file is not UTF-8", hint="export it as UTF-8") from error
    header, *lines = text.removesuffix("\n").split("\n")
    if header.removesuffix("\r") != HEADER:
        raise ExtractError(
            f"{path.name}, line 1: the header is not {HEADER!r} but has the form {shape_of(header) or '(empty)'}",
            hint="a perimeter file has one column, siren, and its name stands on the first line",
        )
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=2):
        siren = line.removesuffix("\r")
        if _SIREN.fullmatch(siren) is None:
            raise ExtractError(
                f"{path.name}, line {number}, column {HEADER}: not nine digits but {shape_of(siren) or '(empty)'}",
                hint="write every SIREN with its leading zeros, alone on its line, and nothing after the last",
            )
        if siren in seen:
            raise ExtractError(
                f"{path.name}, line {number}: the same company stands on line {seen[siren]}",
                hint="a company stands once; was the file put together of two?",
            )
        seen[siren] = number
    if not seen:
        raise ExtractError(f"{path.name}: the file has a header and no company", hint="was the export cut off?")
    return pa.array(sorted(seen), pa.string())


def write_sirens(path: Path, sirens: pa.Array) -> None:
    """Write the companies of a perimeter as :func:`read_sirens` reads them; the file is there whole or not at all.

    Raises:
        InputError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(path) as file:
            file.write(f"{HEADER}\n".encode())
            for start in range(0, len(sirens), _AT_ONCE):
                file.write("".join(f"{siren}\n" for siren in sirens.slice(start, _AT_ONCE).to_pylist()).encode())
    except OSError as error:
        raise InputError(f"{path.name}: the file cannot be written", hint="may you write there?") from error
