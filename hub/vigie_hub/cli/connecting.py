"""How a verb speaks to the running hub: as the hub's own member, over the same mutual TLS as everybody."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from vigie import statement
from vigie.chain import ConventionChain
from vigie.client import channel_under, our_errors
from vigie.errors import Unavailable
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase
from vigie.v1 import exchange_pb2_grpc as rpc
from vigie_hub.config import HubConfig, load

T = TypeVar("T")

ADDRESS_FILE: Final = "address"
"""Where ``serve`` writes the address that it listens on, for the other verbs."""
CALL_SECONDS: Final = 30.0

Folder = Annotated[Path, typer.Option("--folder", "-f", help="The hub's folder.")]
Fd = Annotated[int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result for a program.")]


@dataclass(frozen=True)
class Desk:
    """What a verb works with: the configuration, the opened keyring, the conventions, and the operator's stub."""

    config: HubConfig
    keyring: Keyring
    chain: ConventionChain
    operator: "rpc.OperatorAsyncStub"


def open_keyring(config: HubConfig, passphrase_fd: int | None) -> Keyring:
    """Open the hub's keyring.

    Raises:
        InputError, Missing: no passphrase, a wrong one, or no keyring.
    """
    return Keyring.load(config.keyring, read_passphrase(passphrase_fd, f"passphrase of {config.keyring.name}: "))


def with_hub(folder: Path, passphrase_fd: int | None, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Connect to the running hub of ``folder`` and do ``work``.

    Raises:
        ConfigError, Missing, Unavailable: no hub there, or it does not run; and whatever ``work`` raises.
    """
    config = load(folder)
    keyring = open_keyring(config, passphrase_fd)
    raws = [path.read_bytes() for path in sorted(config.conventions.iterdir()) if path.is_file()]
    chain = ConventionChain.open(raws)

    async def connect() -> T:
        key, certificate = keyring.tls()
        channel = channel_under(chain.current, _address(config), key_pem=key, cert_pem=certificate)
        try:
            with our_errors():
                return await work(Desk(config, keyring, chain, rpc.OperatorStub(channel)))
        finally:
            await channel.close()

    return asyncio.run(connect())


def body_of(raw: bytes) -> tuple[bytes, dict[str, object]]:
    """Digest and JSON body of a statement, to be shown."""
    parsed = statement.parse(raw)
    return parsed.digest, dict(parsed.body)


def _address(config: HubConfig) -> str:
    try:
        return (config.folder / ADDRESS_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        if config.listen.endswith(":0"):
            raise Unavailable("the hub does not run", hint=f"start it: vigie-hub serve --folder {config.folder}") from None
        return config.listen
