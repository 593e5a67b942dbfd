"""Fetching results: ask the hub, check, open, keep the clear table and what proves it, say that it was delivered.

The order of durable steps is: proofs and table on disk, row in the state, ``delivery`` in the journal, delivery in the
state. A cut between two of them is made good by the next call.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import grpc.aio
import pyarrow as pa
import pyarrow.compute as pc

from vigie import durable, statement
from vigie.bodies import Delivery, Run, read, text_for
from vigie.chain import ConventionChain
from vigie.clock import stamp, utc_now
from vigie.errors import Refused
from vigie.journal.checkpoint import Checkpoint
from vigie.keyring import Keyring
from vigie_node import changes, export
from vigie_node.folder import Node
from vigie_node.history import same_history
from vigie_node.pseudonyms.cache import PseudonymCache
from vigie_node.results import CheckedResult, Identify, OpenedResult, check, open_result
from vigie_node.state import NodeState, StoredResult
from vigie_node.wire import FetchedResult, Hub


@dataclass
class Fetcher:
    """A recipient's side of results.

    Attributes:
        chain: the accepted conventions.
        keyring: this member's opened keyring.
        state: the node's durable state.
        hub: the hub's services.
        folder: where opened results are kept, one folder each.
        identify: from pseudonyms to SIREN, in this node's own table.
        clock: gives the current time, UTC.
    """

    chain: ConventionChain
    keyring: Keyring
    state: NodeState
    hub: Hub
    folder: Path
    identify: Identify
    clock: Callable[[], datetime]

    async def fetch_all(self) -> int:
        """Fetch every result that is not here yet; return how many were opened.

        Raises:
            Malformed, Untrusted, Refused: a result is not what it should be; nothing of it is kept.
            Unavailable: the hub cannot be reached.
        """
        opened = 0
        for record in await self.hub.results():
            kept = self.state.result(record.run, record.grant)
            if kept is None:
                fetched = await self.hub.fetch(record.run, record.grant)
                kept = await self._open(fetched, record.run, record.grant)
                opened += 1
            if kept.delivery is None:
                await self._deliver(kept)
        return opened

    async def _open(self, fetched: FetchedResult, run: bytes, grant: str) -> StoredResult:
        checked = check(fetched, grant, member=self.keyring.member, chain=self.chain)
        if checked.run_statement.digest != run:
            raise Refused("run", expected="the run that was asked for", found="another run")
        self._refuse_older(checked)
        await self._same_history(checked.tree)
        opened = open_result(checked, self.keyring.sealing(), self.identify)
        return self._keep(checked, fetched, opened)

    async def _same_history(self, tree: Checkpoint) -> None:
        """The run must stand in the journal that this node witnessed: a hub could show a made-up run in another one."""
        await same_history(self.state, self.chain.current.origin, tree, self.hub.consistency, "the run of this result")

    def _refuse_older(self, checked: CheckedResult) -> None:
        """A result of an order made before one that was already delivered is a replay, whatever it is wrapped in."""
        for other in self.state.results():
            if (other.grant, other.purpose, other.period) != (
                checked.grant, checked.order.purpose, checked.order.period,
            ):  # fmt: skip
                continue
            order = statement.parse((self.folder / other.path / "order.note").read_bytes(), kind="order")
            if order.body["created"] > checked.order.created:
                raise Refused(
                    "replay", expected="a result newer than those that are here", found="an order made before"
                )

    def _keep(self, checked: CheckedResult, fetched: FetchedResult, opened: OpenedResult) -> StoredResult:
        digest = checked.run_statement.digest
        name = f"{checked.order.period}-{checked.order.purpose}-{checked.grant}-{digest.hex()[:12]}"
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        proofs = {
            "run.note": fetched.run, "run.tlog-proof": fetched.run_receipt,
            "evidence.note": fetched.evidence, "order.note": fetched.order,
        }  # fmt: skip
        for file, content in proofs.items():
            durable.write_file(place / file, content)
        about = {**opened.about, "level": opened.level}
        table = opened.table
        if "level" in about["withheld"]:
            about["withheld"] = {**about["withheld"], changes.CHANGE: about["withheld"]["level"]}
            table = changes.with_changes(table, None)
        else:
            before = changes.earlier(
                self.folder, self.state.results(),
                grant=checked.grant, purpose=checked.order.purpose, period=checked.order.period,
            )  # fmt: skip
            about["compared_with"] = None if before is None else before.period
            table = changes.with_changes(table, before)
        export.write(table, about, place / "result.parquet", form="parquet", language="fr")
        kept = StoredResult(
            digest, checked.grant, checked.order.purpose, checked.order.period, opened.level, name, None,
            stamp(self.clock()),
        )  # fmt: skip
        self.state.record_result(kept)
        return kept

    async def _deliver(self, kept: StoredResult) -> None:
        opened = statement.parse((self.folder / kept.path / "run.note").read_bytes(), kind="run")
        run = read(opened, Run)
        (named,) = (one for one in run.results if one.grant == kept.grant)
        body = Delivery(
            convention=self.chain.digest, run=opened.digest, grant=kept.grant, recipient=self.keyring.member,
            result=named.digest, level=run.level, created=stamp(self.clock()),
        )  # fmt: skip
        signed = statement.sign_text(text_for(body), [self.keyring.signer("signing")])
        await self.hub.submit(signed.raw)
        self.state.record_result(replace(kept, delivery=signed.raw))


async def fetch_all(node: Node, channel: grpc.aio.Channel) -> int:
    """Fetch every result that waits for a node's member; return how many were opened.

    Raises:
        As :meth:`Fetcher.fetch_all`.
    """
    with PseudonymCache(node.folder.pseudonyms) as cache, _alone(node.folder.results):

        def identify(pseudonyms: pa.Array) -> pa.Array:
            return identify_in(cache, [epoch.number for epoch in node.convention.epochs], pseudonyms)

        fetcher = Fetcher(
            node.chain, node.keyring, node.state, Hub(channel), node.folder.results, identify, utc_now
        )  # fmt: skip
        return await fetcher.fetch_all()


def identify_in(cache: PseudonymCache, epochs: list[int], pseudonyms: pa.Array) -> pa.Array:
    """Return the SIREN of each pseudonym, whichever epoch it is of; null where the node does not know the company."""
    found = pa.nulls(len(pseudonyms), pa.string())
    for epoch in epochs:
        found = pc.coalesce(found, cache.reidentify(epoch, pseudonyms))
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder: the daemon and a command that both fetch would sign two deliveries of one result."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
