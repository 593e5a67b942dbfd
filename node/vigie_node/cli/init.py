"""``vigie-node init``: make a node's folder from a keyring and the signed convention."""

import os
from pathlib import Path
from typing import Annotated

import typer

from vigie.chain import ConventionChain
from vigie.cli import console
from vigie.cli.files import read_conventions
from vigie.clock import utc_now
from vigie.errors import Refused
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase
from vigie_node.cli.options import PassphraseDescriptor
from vigie_node.config import NodeConfig, check_address, check_policy
from vigie_node.folder import NodeFolder, check_member


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("init")(init)


def init(
    folder: Annotated[Path, typer.Option("--folder", "-f", envvar="VIGIE_NODE", help="Folder to make.")],
    keyring: Annotated[Path, typer.Option("--keyring", help="The member's keyring; it stays where it is.")],
    convention: Annotated[
        list[Path], typer.Option("--convention", help="The signed convention; its ancestors first, one option each.")
    ],
    hub: Annotated[str, typer.Option("--hub", help="The hub's host:port.")],
    policy: Annotated[
        str, typer.Option("--policy", help="auto or manual: who releases keys to approved enclaves.")
    ] = "auto",
    passphrase_fd: PassphraseDescriptor = None,
) -> None:
    """Make a node: check keyring and convention against each other, and write the folder."""
    check_address(hub, where="--hub")
    chosen = check_policy(policy, where="--policy")
    raws = read_conventions(convention)
    chain = ConventionChain.open(raws)
    keys = Keyring.load(keyring, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
    check_member(keys.member, keys, chain.current)
    if "partner" not in chain.current.member(keys.member).roles:
        raise Refused(
            "role", expected="a partner of the convention", found=keys.member,
            hint="an auditor runs `vigie audit witness`, the hub `vigie-hub`",
        )  # fmt: skip
    # Relative to the folder: both can then be moved together, and a mounted volume keeps working.
    place = Path(os.path.relpath(keyring.resolve(), folder.resolve()))
    made = NodeFolder.create(folder, NodeConfig(keys.member, hub, place, chosen), chain.raws)
    if not chain.current.in_force(utc_now()):
        console.say(f"note: the convention is in force from {chain.current.start} to {chain.current.end}, not today")
    console.say(f"the node of {keys.member} is in {made.root}; next: vigie-node doctor, then vigie-node run")
