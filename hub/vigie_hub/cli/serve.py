"""``vigie-hub serve``: run the hub until it is told to stop."""

import asyncio
import dataclasses
import json
import logging
import signal
import sys
from typing import Annotated

import structlog
import typer

from vigie import durable
from vigie.errors import StateError
from vigie.keyring import Keyring
from vigie_hub.cli.connecting import ADDRESS_FILE, Fd, Folder, check_listen, open_keyring
from vigie_hub.config import HubConfig, load
from vigie_hub.server import start


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("serve")(serve)


def serve(
    folder: Folder,
    listen: Annotated[str | None, typer.Option("--listen", help="Instead of the address in hub.toml.")] = None,
    passphrase_fd: Fd = None,
) -> None:
    """Run the hub. Prints one line {"listening": …} when ready; the log goes to standard error as JSON."""
    config = load(folder)
    if listen is not None:
        check_listen(listen)
        config = dataclasses.replace(config, listen=listen)
    keyring = open_keyring(config, passphrase_fd)
    configure_log()
    asyncio.run(_serve(config, keyring))


async def _serve(config: HubConfig, keyring: Keyring) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    hub = await start(config, keyring)
    try:
        durable.write_file(config.folder / ADDRESS_FILE, f"{hub.address}\n".encode(), 0o644)
        sys.stdout.write(json.dumps({"listening": hub.address}) + "\n")
        sys.stdout.flush()
        waiting = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(hub.failed.wait())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        failed = hub.store.failed
    finally:
        (config.folder / ADDRESS_FILE).unlink(missing_ok=True)
        await hub.stop()
    if failed is not None:
        raise StateError(f"the hub's store has stopped: {failed}", hint="look at the disk, then start the hub again")


def configure_log() -> None:
    """Log JSON lines to standard error, from INFO on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
