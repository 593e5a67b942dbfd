"""How a verb speaks to the running hub: as the hub's own member, over the same mutual TLS as everybody."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from vigie import statement
from vigie.chain import ConventionChain
from vigie.cli.reaching import reach
from vigie.client import channel_under, our_errors
from vigie.errors import ConfigError, InputError, Unavailable
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
        ConfigError, InputError, Missing: the keyring of another member, no passphrase, a wrong one, or no keyring.
    """
    keyring = Keyring.load(config.keyring, read_passphrase(passphrase_fd, f"passphrase of {config.keyring.name}: "))
    if keyring.member != config.member:
        raise ConfigError(
            f"the keyring {config.keyring.name} is that of {keyring.member}, and the hub is {config.member}",
            hint="set `keyring` in hub.toml to the hub's",
        )
    return keyring


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
        address = _address(config)
        channel = channel_under(chain.current, address, key_pem=key, cert_pem=certificate)
        try:
            await reach(channel, address, f"is it running? vigie-hub serve --folder {folder}")
            with our_errors():
                return await work(Desk(config, keyring, chain, rpc.OperatorStub(channel)))
        finally:
            await channel.close()

    return asyncio.run(connect())


def check_listen(text: str) -> None:
    """Refuse what is no address to listen on.

    Raises:
        InputError: it is not host:port.
    """
    if re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", text) is None:
        raise InputError(f"--listen {text[:80]!r} is not host:port", hint="for example 0.0.0.0:7443")


def body_of(raw: bytes) -> tuple[bytes, dict[str, object]]:
    """Digest and JSON body of a statement, to be shown."""
    parsed = statement.parse(raw)
    return parsed.digest, dict(parsed.body)


def _address(config: HubConfig) -> str:
    try:
        return (config.folder / ADDRESS_FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        if config.listen.endswith(":0"):
            raise Unavailable(
                "the hub does not run", hint=f"start it: vigie-hub serve --folder {config.folder}"
            ) from None
        return config.listen
