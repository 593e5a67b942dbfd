"""What every attempt at an order works with, and how one is lost."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from vigie.errors import Unavailable
from vigie.note import Signer
from vigie_hub.agreement import Agreement
from vigie_hub.attendance import Attendance
from vigie_hub.config import Limits
from vigie_hub.deposit import DepositDesk
from vigie_hub.isolation.service import Starter
from vigie_hub.journal import Journal
from vigie_hub.outbox import Outbox
from vigie_hub.packs import Packs
from vigie_hub.quoting import Quoter
from vigie_hub.store import Store
from vigie_hub.vault import Vault
from vigie_hub.witnessing import Witnessing


class EnclaveLost(Unavailable):
    """The enclave ended without a run, or broke the protocol: another attempt may go through."""


@dataclass(frozen=True)
class Means:
    """The parts of the hub that an attempt uses."""

    store: Store
    journal: Journal
    agreement: Agreement
    attendance: Attendance
    witnessing: Witnessing
    deposits: DepositDesk
    lot_packs: Packs
    outbox: Outbox
    vault: Vault
    launcher: Starter
    host: Signer
    limits: Limits
    clock: Callable[[], datetime]
    quoter: Quoter | None = None
