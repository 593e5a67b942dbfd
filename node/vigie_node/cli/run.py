"""``vigie-node run``: the daemon. It attends the hub until it is told to stop (SIGTERM or Ctrl-C)."""

import asyncio
import signal

import typer

from vigie import logs
from vigie.clock import utc_now
from vigie.passphrase import read_passphrase
from vigie_node.cli.options import Folder, PassphraseDescriptor
from vigie_node.daemon import Daemon
from vigie_node.folder import Node, NodeFolder


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("run")(run)


def run(folder: Folder, passphrase_fd: PassphraseDescriptor = None) -> None:
    """Attend the exchange: evaluate, witness, release, fetch results. Logs are JSON lines on standard error."""
    config = NodeFolder.open(folder).config
    passphrase = read_passphrase(passphrase_fd, f"passphrase of {config.keyring.name}: ")
    node = Node.open(folder, passphrase)
    logs.configure()
    try:
        asyncio.run(_until_told(Daemon(node, clock=utc_now)))
    finally:
        node.close()


async def _until_told(daemon: Daemon) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    await daemon.run()
