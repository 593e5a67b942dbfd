"""Reading the text vectors of tests/vectors: ``key: value`` lines in blocks, ``#`` opens a comment."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "vectors"


def blocks(name: str) -> list[dict[str, str]]:
    """The blocks of a vector file, each separated by an empty line."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    lines = [line for line in text.split("\n") if not line.startswith("#")]
    found = [dict(line.split(": ", 1) for line in part.split("\n") if line) for part in "\n".join(lines).split("\n\n")]
    return [block for block in found if block]
