"""A confidential machine that exists in tests only: chip, certificates and maker are made here, for the length of a process.

Nothing in the product can be told to believe it. A test that wants it believed puts its maker into the place of AMD's, inside
the library, by ``pinned`` – which no setting, option or argument of the product reaches (tests/unit/test_simulated.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from unittest import mock

from support.maker import AMD, Holder, certify, product, report, revocation_list, tcb_extensions
from vigie.hardware import Endorsements, snp
from vigie.hardware.bundle import QuoteBundle

START, END = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
CHIP = bytes(range(1, 65))
TCB = bytes([4, 1, 0, 0, 0, 0, 24, 217])
MEASURED = b"\x3c" * 48
RULE: dict[str, Any] = {
    "name": "simulated", "platform": "sev-snp", "measurements": [MEASURED.hex()], "minimum_tcb": ["Milan snp 24"],
    "refused_generations": [], "vlek": False,
}  # fmt: skip


@cache
def maker() -> tuple[Holder, Holder, Holder]:
    """Root, authority and chip key."""
    root = certify("ARK-Milan", authority=True, start=START, end=END)
    authority = certify("SEV-Milan", root, authority=True, start=START, end=END)
    extensions = product("Milan-B0") | tcb_extensions({"3.1": 4, "3.2": 1, "3.3": 24, "3.8": 217}) | {AMD + "4": CHIP}
    return root, authority, certify("SEV-VCEK", authority, start=START, end=END, extensions=extensions)


class Machine:
    """The machine of a hub in a test: a `vigie_hub.quoting.Quoter`.

    Args:
        spoil: changes what it is asked to bind.
        list_end: end of the revocation list that it sends along, when it sends one.
        fields: of the report, as for `support.maker.report`.
    """

    platform = "sev-snp"

    def __init__(
        self, spoil: Callable[[bytes], bytes] = bytes, list_end: datetime | None = None, **fields: bytes
    ) -> None:
        self._spoil, self._list_end, self._fields = spoil, list_end, fields
        self.asked: list[bytes] = []

    def quote(self, binding: bytes) -> QuoteBundle:
        self.asked.append(binding)
        _, authority, chip = maker()
        signed = report(
            chip, **{"at_180": TCB, "at_1a0": CHIP, "at_50": self._spoil(binding).ljust(64, b"\0"), **self._fields}
        )
        lists = (revocation_list(authority, start=START, end=self._list_end),) if self._list_end else ()
        return QuoteBundle("sev-snp", signed, Endorsements((chip.der,), lists))


@contextmanager
def pinned() -> Iterator[None]:
    """The maker of the tests in the place of AMD, in this process and block."""
    root, authority, _ = maker()
    with mock.patch.object(snp, "pinned", return_value=(authority.certificate, root.certificate)):
        yield
