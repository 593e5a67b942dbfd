"""The way to the hub: one mutual-TLS channel that trusts exactly one certificate, the hub's, and nothing else.

The rule: a caller trusts what the convention names. The hub's certificate is the only root, and the name it is checked
against is the hub's member name; DNS and public authorities have no say. Errors of calls become ours in
:mod:`vigie.wire`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import grpc
import grpc.aio

from vigie import wire
from vigie.convention import Convention
from vigie.errors import VigieError

KEEPALIVE_MILLISECONDS: Final = 20_000
"""A connection is probed this often while a stream is open, so that a dead path is noticed. The hub allows it."""
_KEEPALIVE_TIMEOUT_MILLISECONDS: Final = 10_000

ChannelFactory = Callable[[], grpc.aio.Channel]
"""Opens a new channel to the hub; called again for each new connection."""


def hub_channel(
    address: str, *, key_pem: bytes, cert_pem: bytes, hub_cert_pem: bytes, hub_name: str
) -> grpc.aio.Channel:
    """Open a channel to the hub. Nothing is sent yet.

    Args:
        address: ``host:port``.
        key_pem: this member's TLS private key, PKCS #8.
        cert_pem: this member's certificate, by which the hub knows it.
        hub_cert_pem: the hub's certificate: the only one that is trusted.
        hub_name: the hub's member name; its certificate is for ``<name>.vigie``.
    """
    credentials = grpc.ssl_channel_credentials(hub_cert_pem, key_pem, cert_pem)
    options: list[tuple[str, str | int]] = [
        ("grpc.ssl_target_name_override", f"{hub_name}.vigie"),
        ("grpc.max_receive_message_length", wire.MESSAGE_CAP),
        ("grpc.max_send_message_length", wire.MESSAGE_CAP),
        ("grpc.keepalive_time_ms", KEEPALIVE_MILLISECONDS),
        ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MILLISECONDS),
        ("grpc.keepalive_permit_without_calls", 0),
        # A proxy of the environment would end TLS before the hub; and each channel is one connection of its own.
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.aio.secure_channel(address, credentials, options)


def channel_under(convention: Convention, address: str, *, key_pem: bytes, cert_pem: bytes) -> grpc.aio.Channel:
    """Open a channel to the hub of a convention (see `hub_channel`)."""
    hub = convention.member(convention.hub)
    return hub_channel(address, key_pem=key_pem, cert_pem=cert_pem, hub_cert_pem=hub.certificate_pem, hub_name=hub.name)


def translate(failure: grpc.aio.AioRpcError) -> VigieError:
    """Return our error for a failed call."""
    return wire.from_rpc(failure)


@contextmanager
def our_errors() -> Iterator[None]:
    """Turn a failed call inside into the error that the hub meant."""
    try:
        yield
    except grpc.aio.AioRpcError as failure:
        raise translate(failure) from failure
