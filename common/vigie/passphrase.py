"""Where a keyring's passphrase comes from: a file descriptor, the environment, or a person at a terminal.

The rule it keeps: never from a command line, which every process of the machine can read; and never from two places at
once, so that nobody wonders which one counted.
"""

import getpass
import os
import sys

from vigie.errors import ConfigError, InputError

MINIMUM = 8
"""The fewest characters of a passphrase that protects a new keyring."""

_LONGEST = 4096


def read_passphrase(fd: int | None, prompt: str, env: str = "VIGIE_PASSPHRASE", *, confirm: bool = False) -> str:
    """Read a passphrase.

    Args:
        fd: descriptor to read it from, up to its end; one final line end does not count.
        prompt: what a person at the terminal is asked.
        env: variable of the environment that may hold it.
        confirm: it is new: ask twice, and refuse one that is too short.

    Raises:
        ConfigError: given both by ``fd`` and by ``env``, or the descriptor cannot be read.
        InputError: none given and no terminal to ask at; empty; too short; or the two answers differ.
    """
    given = os.environ.get(env)
    if fd is not None and given is not None:
        raise ConfigError(
            f"a passphrase is given twice: by file descriptor and by {env}",
            hint=f"unset {env}, or leave the option out",
        )
    if fd is not None:
        return _checked(_from_descriptor(fd), new=confirm)
    if given is not None:
        return _checked(given, new=confirm)
    if not sys.stdin.isatty():
        raise InputError(
            "there is no passphrase and no terminal to ask for one", hint=f"use --passphrase-fd, or set {env}"
        )
    answer = _checked(getpass.getpass(prompt), new=confirm)
    if confirm and getpass.getpass("the same again: ") != answer:
        raise InputError("the two passphrases differ", hint="start again; nothing was written")
    return answer


def _from_descriptor(fd: int) -> str:
    try:
        with open(fd, "rb", closefd=False) as file:
            data = file.read(_LONGEST + 2)
        text = data.decode()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no passphrase can be read from file descriptor {fd}", hint="open it for reading: command 3<file"
        ) from error
    return text.removesuffix("\n").removesuffix("\r")


def _checked(text: str, *, new: bool) -> str:
    if not text or len(text) > _LONGEST:
        raise InputError("the passphrase is empty or too long", hint="one line, at most 4096 characters")
    if new and len(text) < MINIMUM:
        raise InputError(f"a passphrase has at least {MINIMUM} characters", hint="several random words are best")
    return text
