"""``vigie audit witness``: the auditor's own witness, a process that attends the hub and cosigns its journal.

It needs no node: a small folder holds every tree head that it cosigned and the newest convention that it accepted. The
hub cannot show one history to a partner and another to the auditor without one of them holding the proof.
"""

import asyncio
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from vigie import logs
from vigie.attend import Attendant, Handlers, Welcomed
from vigie.chain import ConventionChain
from vigie.cli.files import read_conventions
from vigie.client import channel_under
from vigie.clock import utc_now
from vigie.durable import open_database, transaction
from vigie.errors import ConfigError
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase
from vigie.witness_service import WITNESS_SCHEMA, Witness, WitnessStore

_ACCEPTED: Final = "CREATE TABLE accepted (one INTEGER PRIMARY KEY CHECK (one = 1), digest BLOB NOT NULL) STRICT;"

_log = structlog.get_logger("vigie.witness")


def register(app: typer.Typer) -> None:
    """Add the verb to ``vigie audit``."""
    app.command("witness")(witness)


def witness(
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Folder of this witness; made when it is not there.")],
    keyring: Annotated[Path, typer.Option("--keyring", help="The auditor's keyring.")],
    convention: Annotated[
        list[Path], typer.Option("--convention", help="The signed convention; its ancestors first, one option each.")
    ],
    hub: Annotated[str, typer.Option("--hub", help="The hub's host:port.")],
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")
    ] = None,
) -> None:
    """Witness the hub's journal until told to stop. Logs are JSON lines on standard error."""
    keys = Keyring.load(keyring, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
    raws = read_conventions(convention)
    logs.configure()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(serve_witness(folder, keys, raws, hub, clock=utc_now))


async def serve_witness(
    folder: Path,
    keyring: Keyring,
    conventions: list[bytes],
    hub: str,
    *,
    clock: Callable[[], datetime],
    stop: asyncio.Event | None = None,
) -> None:
    """Attend as a witness and nothing else, until ``stop`` or a signal.

    Args:
        folder: where the memory of this witness lies.
        keyring: the witness's keys.
        conventions: the signed conventions, oldest first.
        hub: ``host:port``.
        clock: gives the time now.
        stop: set to end; when not given, SIGTERM and SIGINT end it.

    Raises:
        ConfigError: the convention does not name this witness's key.
        Refused, Untrusted: the conventions do not verify, or are older than those accepted before.
        StateError: the memory is damaged.
    """
    database = open_database(folder / "witness.sqlite", (WITNESS_SCHEMA, _ACCEPTED))
    try:
        seen = database.execute("SELECT digest FROM accepted").fetchone()
        chain = ConventionChain.accept(conventions, None if seen is None else bytes(seen[0]))
        with transaction(database) as connection:
            connection.execute("INSERT OR REPLACE INTO accepted (one, digest) VALUES (1, ?)", (chain.digest,))
        cosigner = keyring.cosigner()
        if cosigner.verifier not in chain.current.witness_keys():
            raise ConfigError(f"the convention names no witness with the key of {keyring.member}")
        answers = Witness(chain.current.log_key(), cosigner, WitnessStore(database), clock)
        key, certificate = keyring.tls()
        attendant = Attendant(
            lambda: channel_under(chain.current, hub, key_pem=key, cert_pem=certificate),
            Handlers(witness=answers.answer),
            convention=lambda: chain.digest,
            version="vigie audit witness",
            welcomed=lambda said: _attending(keyring.member, hub, said),
        )
        if stop is None:
            stop = asyncio.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await attendant.run(stop)
    finally:
        database.close()


def _attending(member: str, hub: str, said: Welcomed) -> None:
    _log.info("attending", member=member, hub=hub, convention=said.convention.hex())
