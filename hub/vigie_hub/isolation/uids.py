"""The users that enclaves run as: a reserved range of numbers, one for each enclave that runs at a time.

Nobody may log in as one, own a file as one, or run anything else as one: two enclaves under one user could look at each
other. Which are taken is held by names in the abstract socket namespace, which the kernel frees when a process ends.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from vigie.errors import ConfigError, Unavailable

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
    def taken(self) -> Iterator[int]:
        """Take a number that no other launcher on this host has now.

        Raises:
            Unavailable: all are taken.
        """
        for uid in range(self.first, self.last + 1):
            held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            with held:
                try:
                    held.bind(f"\0vigie/enclave-user/{uid}")
                except OSError:
                    continue
                yield uid
                return
        raise Unavailable("every user that an enclave may have is taken", hint="widen enclave_uids in hub.toml")
