"""Words on paper, typed in again: from a terminal, share by share, or from a file descriptor."""

import os
import sys
from typing import Final

from vigie import words as paper
from vigie.cli import console
from vigie.errors import ConfigError, InputError, Malformed, Refused

_LONGEST_WORDS: Final = 262_144


def read_words(words_fd: int | None, passphrase_fd: int | None) -> list[tuple[str, ...]]:
    """Ask a person for shares, or read them from a file descriptor.

    Args:
        words_fd: where they come from; None for the terminal.
        passphrase_fd: where the passphrase comes from.

    Raises:
        InputError: there is no terminal to ask at.
        ConfigError: both come from one descriptor, or it cannot be read.
        Malformed: a word that is not in the list.
    """
    if words_fd is None and not sys.stdin.isatty():
        raise InputError("there are no words and no terminal to ask for them", hint="use --words-fd")
    if words_fd is not None and words_fd == passphrase_fd:
        raise ConfigError("the words and the passphrase come from one file descriptor", hint="give two")
    return _ask_words() if words_fd is None else paper.parse_sheets(_from_descriptor(words_fd))


def _ask_words() -> list[tuple[str, ...]]:
    """Ask a person for one share after the other; each is checked before the next, and asked for again when it is wrong."""
    console.say("type the words of one share, over as many lines as you like; an empty line ends it,")
    console.say("a second empty line ends the whole; the first four letters of a word are enough")
    shares: list[tuple[str, ...]] = []
    while True:
        place = len(shares) + 1
        console.say(f"share {place}:")
        lines = []
        while line := sys.stdin.readline().strip():
            lines.append(line)
        if not lines:
            return shares
        try:
            typed = paper.parse_sheets("\n".join(lines), first=place)
            for number, words in enumerate(typed, start=place):
                paper.parse_share(words, number)
        except (Malformed, Refused) as error:
            console.explain(error)
            console.say("type it again:")
            continue
        shares += typed


def _from_descriptor(fd: int) -> str:
    try:
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(_LONGEST_WORDS + 1).decode()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no words can be read from file descriptor {fd}", hint="open it for reading: command 4<file"
        ) from error
