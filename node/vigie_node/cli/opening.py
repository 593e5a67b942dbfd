"""Opening a node for a command that needs its keys."""

from pathlib import Path

from vigie.passphrase import read_passphrase
from vigie_node.folder import Node, NodeFolder


def open_node(folder: Path, passphrase_fd: int | None) -> Node:
    """Open the node in a folder, asking for the passphrase of its keyring.

    Raises:
        As :meth:`vigie_node.folder.Node.open`.
    """
    keyring = NodeFolder.open(folder).config.keyring
    return Node.open(folder, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
