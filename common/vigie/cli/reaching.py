"""The first contact of a command with the hub, so that a hub that is down is said in plain words and at once."""

import asyncio
from typing import Final

import grpc
import grpc.aio

from vigie.errors import Unavailable

SECONDS: Final = 15.0
"""How long a first contact may take where nothing refuses it."""


async def reach(channel: grpc.aio.Channel, address: str, hint: str, *, seconds: float = SECONDS) -> None:
    """Connect a channel, or say that nobody who is the hub answers there.

    Args:
        channel: to the hub.
        address: ``host:port``, for the message.
        hint: what whoever typed the command can do.
        seconds: how long to try.

    Raises:
        Unavailable: the first attempt failed, or took too long.
    """
    try:
        async with asyncio.timeout(seconds):
            state = channel.get_state(try_to_connect=True)
            while state is not grpc.ChannelConnectivity.READY:
                if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                    break
                await channel.wait_for_state_change(state)
                state = channel.get_state(try_to_connect=True)
            else:
                return
    except TimeoutError:
        pass
    raise Unavailable(f"the hub cannot be reached at {address}", hint=hint)
