"""The pages of docs/roles as something that can be played: their commands, at a desk, in the order of the page.

A block fenced as ``sh`` is typed; a block fenced as ``text`` right after it is what must be seen, line by line and in that
order, ``…`` standing for anything. Other fences are only read.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vigie.demo.programs import BINARIES, environment

DOCS: Final = Path(__file__).parents[2] / "docs"
LASTING: Final = ("vigie-hub serve", "vigie-node run", "vigie audit witness")
"""Commands that run until they are stopped."""


@dataclass(frozen=True)
class Block:
    """One fenced block that is typed.

    Attributes:
        page: name of the page, without its ending.
        section: the heading above it.
        line: line of the page on which it begins.
        commands: what is typed.
        seen: lines that must be seen then.
    """

    page: str
    section: str
    line: int
    commands: str
    seen: tuple[str, ...] = ()

    @property
    def lasting(self) -> bool:
        """Whether the command goes on until it is stopped."""
        return self.commands.startswith(LASTING)


def read_page(page: str) -> list[Block]:
    """Return the blocks of a page of docs/roles that are typed, in their order."""
    found: list[Block] = []
    section, last = "", 0
    for number, language, content, heading in _pieces((DOCS / "roles" / f"{page}.md").read_text(encoding="utf-8")):
        if heading:
            section = heading
        elif language == "sh":
            found.append(Block(page, section, number, content))
            last = number + content.count("\n") + 3
        elif language == "text" and found and number == last:
            one = found.pop()
            found.append(Block(one.page, one.section, one.line, one.commands, tuple(content.splitlines())))
    return found


def _pieces(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield fenced blocks as (line, language, content, "") and headings as (line, "", "", heading)."""
    fence: list[str] | None = None
    language, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if fence is None and line.startswith("```"):
            fence, language, began = [], line[3:].strip(), number
        elif fence is not None and line == "```":
            yield began, language, "\n".join(fence), ""
            fence = None
        elif fence is not None:
            fence.append(line)
        elif line.startswith("## "):
            yield number, "", "", line[3:]


def unseen(expected: tuple[str, ...], output: str) -> str | None:
    """Return the first expected line that the output does not have in its place, or None."""
    lines = iter(" ".join(line.split()) for line in output.splitlines())
    for line in expected:
        pattern = re.compile(
            ".*".join(re.escape(" ".join(part.split())) for part in line.split("…")).join((".*", ".*"))
        )
        if line.strip() and not any(pattern.fullmatch(one) for one in lines):
            return line
    return None


@dataclass
class Desk:
    """One person's machine: a folder, a passphrase, and what the names of the pages mean there.

    Attributes:
        place: the folder in which commands are typed.
        passphrase: of the keyring.
        names: text of the pages to what is typed instead.
        played: blocks that were typed here.
    """

    place: Path
    passphrase: str
    names: dict[str, str] = field(default_factory=dict)
    played: list[Block] = field(default_factory=list)
    _running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def play(self, page: str, section: str, *places: int) -> str:
        """Type the blocks of the section whose heading begins so; return what was seen.

        Args:
            page: its name, without ending.
            section: how the heading begins.
            places: which blocks of the section, from 0; all of them when none is given.

        Raises:
            AssertionError: a command failed, or did not show what the page says.
        """
        blocks = [block for block in read_page(page) if block.section.startswith(section)]
        assert blocks, f"{page}.md has no commands under {section!r}"
        return "".join(self._type(block) for place, block in enumerate(blocks) if not places or place in places)

    def _type(self, block: Block) -> str:
        self.played.append(block)
        where = f"{block.page}.md, line {block.line}"
        output = self._begin(block) if block.lasting else self.type(self.meant(block.commands), where)
        missing = unseen(tuple(self.meant(line) for line in block.seen), output)
        assert missing is None, f"{where}: {missing!r} was not seen in:\n{output}"
        return output

    def meant(self, text: str) -> str:
        """What the text of a page means at this desk."""
        for name, instead in self.names.items():
            text = text.replace(name, instead)
        return text

    def type(self, commands: str, where: str, *, code: int = 0) -> str:
        """Run commands in a shell, answering yes to a question; return everything that was printed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.place, env=self._environment(), input="y\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{where} ended with {done.returncode}:\n{commands}\n{done.stdout}"
        return done.stdout

    def _begin(self, block: Block, limit: float = 90) -> str:
        """Start a lasting command and return what it printed once that has what the page shows."""
        log = self.place / f"{block.page}-{block.line}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {self.meant(block.commands)}"],
                cwd=self.place, env=self._environment(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._running.append(process)
        deadline = time.monotonic() + limit
        expected = tuple(self.meant(line) for line in block.seen)
        while unseen(expected, log.read_text(encoding="utf-8", errors="replace")) is not None:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(encoding="utf-8")
            time.sleep(0.05)
        return log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Stop what still runs here."""
        for process in self._running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _environment(self) -> Mapping[str, str]:
        path = f"{BINARIES}:{os.environ['PATH']}"
        return environment({"VIGIE_PASSPHRASE": self.passphrase, "PATH": path, "COLUMNS": "200"})
