"""``vigie-node withdraw``: destroy the seed of an epoch, so that none of its lots can ever be opened again."""

import asyncio
from collections import Counter
from typing import Annotated, Any

import typer

from vigie.cli import console
from vigie.clock import utc_now
from vigie.errors import InputError, Unavailable
from vigie.passphrase import read_passphrase
from vigie_node.cli.opening import connected
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.folder import Node, NodeFolder
from vigie_node.outbox import Spool
from vigie_node.own_lots import OwnLot
from vigie_node.sending import Sender
from vigie_node.wire import Hub
from vigie_node.withdrawing import Foreseen, announce, check_unattended, erase, foresee, remaining

_HOLDS = {
    "seed": "a copy of the keyring that has the seed",
    "unknown": "a keyring that does not open with this passphrase",
    "clear": "the seed in clear, or its words",
}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("withdraw")(withdraw)


def withdraw(
    folder: Folder,
    epoch: Annotated[int, typer.Option("--epoch", help="Number of the pseudonym epoch whose lots are withdrawn.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Why, in a sentence; everybody reads it in the journal.")
    ] = "",
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="Only say what would be lost and what could undo it; change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    passphrase_fd: PassphraseDescriptor = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw all lots of an epoch for good: their keys are destroyed, wherever copies of the lots are.

    Nothing can undo it but a copy of the seed: words on paper, or a backup of the keyring.
    """
    keyring = NodeFolder.open(folder).config.keyring
    passphrase = read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: ")
    node = Node.open(folder, passphrase)
    try:
        # What the hub has and this node forgot is lost too: it belongs into the statement.
        reached = asyncio.run(_recover(node))
        seen = foresee(node, passphrase, epoch, now=utc_now())
        for sentence in in_words(node.member, seen):
            console.say(sentence)
        if not reached:
            console.say("The hub cannot be reached: it may hold lots that this node does not know; they are lost too.")
        if rehearse:
            if as_json:
                console.print_json(_said(seen, rehearsed=True, journaled=False))
            console.show("rehearsed: nothing was changed")
            return
        check_unattended(node)
        with node.folder.attending():
            if not (yes or seen.begun):
                _confirm(node.member, epoch)
            erase(node, passphrase, epoch, reason=_reason(reason), clock=utc_now)
            journaled = asyncio.run(_announce(node))
        left = remaining(node, passphrase, epoch)
        _warn(left, seen)
        if as_json:
            console.print_json(_said(seen, rehearsed=False, journaled=journaled))
            return
        console.show(f"epoch {epoch} is withdrawn: nothing in this keyring opens its {_count(seen.lots)} any more")
        if journaled:
            console.show("the journal says so, and its receipt is kept")
        else:
            console.show("the hub cannot be reached: the running node tells it later, or the same command does")
    finally:
        node.close()


def in_words(member: str, seen: Foreseen) -> list[str]:
    """What withdrawing destroys and what could undo it, one thing per sentence."""
    said = [f"Withdrawing epoch {seen.epoch} of {member} destroys the one seed that opens {_count(seen.lots)}:"]
    for dataset, months in _months(seen.lots).items():
        said.append(f"  {dataset}: {months}")
    if seen.here and seen.sealed != len(seen.lots):
        said.append(f"Only {seen.sealed} of them open with the seed in this keyring: another keyring made the others.")
    if not seen.here:
        said.append("The seed is not in the keyring any more.")
    said.append(
        "Results that were computed from them before stay with their recipients, and every receipt stays valid."
    )
    if not seen.going_on:
        said.append("No other epoch with keys counts today: nothing can be sent until the convention has a new one.")
    if seen.words:
        said.append(f"Words of this seed were recorded as kept on paper on {seen.words}: they undo it until destroyed.")
    else:
        said.append("No words of this seed were recorded as kept on paper; if there are any, they undo it.")
    said += [f"{copy.path} is {_HOLDS[copy.holds]}: it undoes it until destroyed." for copy in seen.copies]
    if not seen.copies:
        said.append("Nothing else in the folders of node and keyring could undo it; look for backups kept elsewhere.")
    return said


def _months(lots: tuple[OwnLot, ...]) -> dict[str, str]:
    """Months of the lots of each dataset, in words."""
    found: dict[str, Counter[str]] = {}
    for lot in lots:
        found.setdefault(lot.body.dataset, Counter())[lot.body.period] += 1
    return {
        name: ", ".join(f"{period} ({count})" if count > 1 else period for period, count in sorted(months.items()))
        for name, months in sorted(found.items())
    }


def _confirm(member: str, epoch: int) -> None:
    wanted = f"{member}/{epoch}"
    if typer.prompt(f"This cannot be undone. Type {wanted} to withdraw it", err=True).strip() != wanted:
        raise InputError("nothing was withdrawn", hint=f"what was typed is not {wanted}")


def _reason(text: str) -> str | None:
    said = "".join(c if c.isprintable() else " " for c in text).strip()
    if len(said) > 500:
        raise InputError("the reason is longer than 500 characters")
    return said or None


async def _recover(node: Node) -> bool:
    try:
        async with connected(node) as channel:
            spool = Spool(node.folder.spool)
            await Sender(node.chain, node.keyring, node.state, spool, Hub(channel), utc_now).recover()
    except Unavailable:
        return False
    return True


async def _announce(node: Node) -> bool:
    try:
        async with connected(node) as channel:
            await announce(node, Hub(channel).submit)
    except Unavailable:
        return False
    return True


def _warn(left: list[Any], seen: Foreseen) -> None:
    for copy in left:
        console.say(f"still there: {copy.path}, {_HOLDS[copy.holds]}; destroy it")
    if seen.words:
        console.say("still there: the words on paper; destroy them")


def _count(lots: tuple[OwnLot, ...]) -> str:
    return "1 lot" if len(lots) == 1 else f"{len(lots)} lots"


def _said(seen: Foreseen, *, rehearsed: bool, journaled: bool) -> dict[str, Any]:
    return {
        "epoch": seen.epoch,
        "rehearsed": rehearsed,
        "withdrawn": not rehearsed,
        "journaled": journaled,
        "lots": [
            {"lot": lot.body.lot.hex(), "dataset": lot.body.dataset, "period": lot.body.period} for lot in seen.lots
        ],
        "words_recorded": seen.words,
        "copies": [{"path": str(copy.path), "holds": copy.holds} for copy in seen.copies],
    }
