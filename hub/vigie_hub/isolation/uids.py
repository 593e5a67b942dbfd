"""The users that enclaves run as: a reserved range of numbers, one for each enclave that runs at a time.

Nobody may log in as one, own a file as one, or run anything else as one: two enclaves under one user could look at each
other. Which are taken is held by locks on files that all launchers of the host share, which the kernel frees when a process
ends. A name in the abstract socket namespace would not do: a launcher with a network namespace of its own, as the shipped unit
has, would not see those of others.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from vigie.errors import ConfigError, StateError, Unavailable

HELD: Final = Path("/run/vigie-enclave-users")
"""Folder of root's with one file for each number; it outlasts the launchers, so that none locks a file that is gone."""

DEFAULT: Final = "60800-60863"
"""A stretch that neither distributions nor systemd give to anybody."""


@dataclass(frozen=True)
class UidRange:
    """Numbers from ``first`` to ``last``, inclusive."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``FIRST-LAST``.

        Raises:
            ConfigError: it is not that, or holds root or a number that users have.
        """
        first, dash, last = text.partition("-")
        if not (dash and first.isascii() and last.isascii() and first.isdecimal() and last.isdecimal()):
            raise ConfigError(f"{text!r} is not a range of user numbers", hint=f"for instance {DEFAULT}")
        found = cls(int(first), int(last))
        if not 1000 <= found.first <= found.last < 2**31:
            raise ConfigError(
                f"{text!r} is not a range of user numbers above 999",
                hint=f"nobody may have them; for instance {DEFAULT}",
            )
        return found

    @contextmanager
    def taken(self, folder: Path = HELD) -> Iterator[int]:
        """Take a number that no other launcher on this host has now.

        Raises:
            Unavailable: all are taken.
            StateError: there is no folder in which to say so.
        """
        uid, held = self._take(folder)
        try:
            yield uid
        finally:
            os.close(held)

    def _take(self, folder: Path) -> tuple[int, int]:
        """A number, and the descriptor that holds it."""
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            for uid in range(self.first, self.last + 1):
                held = os.open(folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(held)
                else:
                    return uid, held
        except OSError as error:
            raise StateError(
                f"no user can be held for an enclave in {folder}: {error.strerror}",
                hint="root has to be able to write there; a unit needs RuntimeDirectory=vigie-enclave-users",
            ) from error
        raise Unavailable("every user that an enclave may have is taken", hint="widen enclave_uids in hub.toml")
