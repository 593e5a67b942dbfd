"""Withdrawing an epoch: destroying its seed, so that none of its lots can ever be opened again (docs/spec/erasure.md).

The order of events: the intention is durable; the seed is gone from the keyring; the erasure is signed and kept; it is
in the journal; its receipt is kept. Killed anywhere and run again, it goes on at that step. A hub that cannot be reached
holds up none of the first three.

The rule it keeps: once the intention is durable, nothing of this node opens a lot of that epoch.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vigie import authority, custody
from vigie import statement as statements
from vigie.bodies import Erasure, text_for
from vigie.body_codec import decode, encode
from vigie.clock import stamp
from vigie.erasing import Copy, copies, erase_epoch
from vigie.errors import InputError, Missing, StateError
from vigie.journal.proof import Receipt, verify_receipt
from vigie.keyring import Keyring
from vigie_node.folder import Node
from vigie_node.outbox import Spool
from vigie_node.own_lots import OwnLot

LOTS_OF_STATEMENT: Final = 800
"""Lots named in one erasure, so that it stays below the size of a statement; more make further statements."""


@dataclass(frozen=True)
class Foreseen:
    """What a withdrawal destroys, before it does.

    Attributes:
        epoch: the epoch's number.
        lots: every lot of it that this node knows.
        sealed: how many of them open with the seed in the keyring, by their public keys.
        here: whether the seed is in the keyring.
        words: day on which its words were recorded as kept on paper; None when nobody recorded it.
        copies: files in the node's and the keyring's folders that could bring the seed back.
        going_on: whether another epoch of the convention, with a seed here, counts today.
        begun: whether the withdrawal was confirmed before.
    """

    epoch: int
    lots: tuple[OwnLot, ...]
    sealed: int
    here: bool
    words: str | None
    copies: tuple[Copy, ...]
    going_on: bool
    begun: bool


def foresee(node: Node, passphrase: str, epoch: int, *, now: datetime) -> Foreseen:
    """Look at what withdrawing an epoch would destroy, and what could undo it; nothing is changed.

    Args:
        node: the opened node.
        passphrase: of its keyring.
        epoch: the epoch's number.
        now: current time.

    Raises:
        Missing: the convention has no such epoch, or this member never had a seed for it.
    """
    convention = node.convention
    convention.epoch(epoch)
    begun = epoch in node.withdrawals.epochs()
    # Read again: the node's own copy in memory has forgotten what a withdrawal was begun for.
    ring = Keyring.load(node.folder.keyring, passphrase)
    here = epoch in ring.epochs()
    lots = tuple(lot for lot in node.state.lots() if lot.body.epoch == epoch)
    if not (here or begun or lots):
        raise Missing(f"the keyring of {node.member} has no seed of epoch {epoch}, and this node no lot of it")
    seed = ring.epoch_seed(epoch) if here else None
    opening = 0
    if seed is not None:
        opening = sum(custody.lot_public_key(seed, lot.body.lot) == lot.body.lot_key for lot in lots)
    try:
        current = convention.epoch_at(now.date()).number
    except Missing:
        current = 0
    return Foreseen(
        epoch, lots, opening, here, ring.words_on_paper(epoch), tuple(remaining(node, passphrase, epoch, seed=seed)),
        current != epoch and current in ring.epochs(), begun,
    )  # fmt: skip


def remaining(node: Node, passphrase: str, epoch: int, *, seed: bytes | None = None) -> list[Copy]:
    """Return the files in the node's and the keyring's folders that could bring an epoch's seed back."""
    keyring = node.folder.keyring.resolve()
    return copies(keyring, (node.folder.root, keyring.parent), passphrase, epoch, seed=seed)


def erase(node: Node, passphrase: str, epoch: int, *, reason: str | None, clock: Callable[[], datetime]) -> None:
    """Destroy an epoch's seed and sign that it was done: the steps that need no hub. May be run again.

    Args:
        node: the opened node; nothing else may run it, for it would hold the seed in memory.
        passphrase: of its keyring.
        epoch: the epoch's number; a person has confirmed what is lost.
        reason: why; None when nobody says.
        clock: gives the time now.

    Raises:
        MalformedStatement: the reason is no sentence that a statement can hold; nothing was done.
        StateError, OSError: the disk or the keyring; what was done stays done, run it again.
    """
    decode(Erasure, encode(Erasure(node.chain.digest, node.member, epoch, (), reason, stamp(clock()))))
    withdrawal = node.withdrawals.intend(epoch, reason=reason, now=clock())
    if epoch in node.keyring.epochs():
        node.keyring.forget_epoch(epoch)
    # Also when it was erased before: a keyring that was restored from a copy has the seed again.
    erase_epoch(node.folder.keyring, passphrase, epoch)
    spool = Spool(node.folder.spool)
    for lot in node.state.lots():
        if lot.body.epoch == epoch:
            spool.forget(lot.body.lot)
    node.withdrawals.mark_erased(epoch, now=clock())
    if not node.withdrawals.statements(epoch):
        node.withdrawals.keep(_signed(node, epoch, withdrawal.reason, clock()))


async def announce(node: Node, submit: Callable[[bytes], Awaitable[bytes]]) -> int:
    """Put the signed erasures that are not there yet into the journal; return how many, their receipts verified.

    Raises:
        VigieError: the hub cannot be reached or refuses; the statements stay and are sent again.
    """
    waiting = node.withdrawals.unsubmitted()
    for raw in waiting:
        receipt = await submit(raw)
        judged = authority.judge(raw, node.chain, kind="erasure")
        # The hub's first statement counts: its signatures are those of the entry.
        verify_receipt(Receipt.parse(receipt), judged.statement.raw, judged.convention.log_key())
        node.withdrawals.keep_receipt(raw, receipt)
    return len(waiting)


def check_unattended(node: Node) -> None:
    """Refuse while a process runs the node: it holds the seed in its memory, where nothing here can erase it.

    Raises:
        InputError: one does.
    """
    if node.folder.is_attended():
        raise InputError(
            f"a process runs the node in {node.folder.root}, with the seed in its memory",
            hint="stop it first; start it again afterwards: it sends what the journal does not have yet",
        )


def _signed(node: Node, epoch: int, reason: str | None, now: datetime) -> Sequence[bytes]:
    digests = [lot.digest for lot in node.state.lots() if lot.body.epoch == epoch]
    groups = [digests[at : at + LOTS_OF_STATEMENT] for at in range(0, len(digests), LOTS_OF_STATEMENT)] or [[]]
    signer = node.keyring.signer("signing")
    if any(epoch == one for one in node.keyring.epochs()):
        raise StateError("an erasure was about to be signed while the seed is there")
    return [
        statements.sign_text(
            text_for(Erasure(node.chain.digest, node.member, epoch, tuple(group), reason, stamp(now))), [signer]
        ).raw
        for group in groups
    ]
