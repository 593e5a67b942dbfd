"""Pseudonyms for an opened node: its own keys, workers and limits, and the other custodians through the hub."""

from collections.abc import Callable

import pyarrow as pa

from vigie.clock import utc_now
from vigie_node.folder import Node
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.pseudonyms.pseudonymise import pseudonymise
from vigie_node.pseudonyms.workers import Workers
from vigie_node.wire import Hub

Progress = Callable[[str, int, int], None]
"""Called with (``pseudonymise``, done, total)."""


async def pseudonyms_for(node: Node, hub: Hub, cache: PseudonymCache, sirens: pa.Array, progress: Progress) -> pa.Table:
    """Give every company a pseudonym of the current epoch; those that have one cost nothing.

    Args:
        node: whose member asks.
        hub: the way to the other custodians.
        cache: the node's.
        sirens: nine-digit texts; repetitions do not matter.
        progress: told after every batch.

    Returns:
        ``siren`` and ``pseudonym`` of every company that the node knows in this epoch.

    Raises:
        As :func:`vigie_node.pseudonyms.pseudonymise.pseudonymise`.
    """
    epoch = node.convention.epoch_at(utc_now().date())
    custodian = any(one.member == node.member for one in epoch.custodians)
    seed = node.keyring.oprf_seed() if custodian else None
    with Workers(seed=seed, convention_id=node.convention.id) as workers:
        await pseudonymise(
            sirens,
            epoch=epoch.number,
            convention=node.convention,
            member=node.member,
            cache=cache,
            workers=workers,
            ask=lambda _custodian, statement, elements: hub.evaluate(statement, elements),
            signer=node.keyring.signer("signing"),
            now=utc_now,
            batch=node.config.limits.batch,
            progress=lambda done, total: progress("pseudonymise", done, total),
        )
    return cache.table(epoch.number)
