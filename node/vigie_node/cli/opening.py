"""Opening a node for a command that needs its keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio

from vigie.cli.reaching import reach
from vigie.passphrase import read_passphrase
from vigie_node.folder import Node, NodeFolder


def open_node(folder: Path, passphrase_fd: int | None) -> Node:
    """Open the node in a folder, asking for the passphrase of its keyring.

    Raises:
        As :meth:`vigie_node.folder.Node.open`.
    """
    keyring = NodeFolder.open(folder).config.keyring
    return Node.open(folder, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))


@asynccontextmanager
async def connected(node: Node) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the node's hub, which answers.

    Raises:
        Unavailable: it does not.
    """
    channel = node.channel()
    try:
        hint = "`vigie-node doctor` tells why; the same command later goes on where this one stopped"
        await reach(channel, node.config.hub, hint)
        yield channel
    finally:
        await channel.close()
