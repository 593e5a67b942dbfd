"""``vigie-hub`` as operators run it: its verbs, its line, its signals, and what is left after kill -9 at any moment."""

import asyncio
import json
import random
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.hub import MadeLot, connected, hub_world, make_lot, scripted_enclave
from support.hub_process import command, environment, folder_of, run_hub, serve
from support.knocking import knock_together
from support.world import World
from vigie.client import our_errors
from vigie.errors import Unavailable
from vigie.journal.checkpoint import open_checkpoint
from vigie.journal.merkle import leaf_hash, root_of_leaves
from vigie.journal.proof import Receipt, verify_receipt
from vigie.statement import parse
from vigie.v1 import exchange_pb2 as pb
from vigie.v1 import exchange_pb2_grpc as rpc

KILLS = 8
CONNECTIONS = 3200


@pytest.fixture
def world(tmp_path: Path) -> World:
    return hub_world(tmp_path)


async def send(address: str, world: World, lot: MadeLot) -> bytes:
    """A whole deposit; raises when the hub goes away under it."""
    async with connected(address, world, lot.body.partner) as channel:
        stub = rpc.DepositStub(channel)

        async def stream(wanted: set[bytes]) -> AsyncIterator[pb.PutRequest]:
            for data, id_ in zip(lot.segments, lot.ids, strict=True):
                if id_ in wanted:
                    yield pb.PutRequest(lot=lot.body.lot, segment=data)

        with our_errors():
            begun = await stub.Begin(
                pb.BeginRequest(statement=lot.statement.raw, segment_ids=lot.ids, parts_per_bucket=lot.parts),
                timeout=20,
            )
            if begun.receipt:
                return begun.receipt
            put = stub.Put(stream(set(begun.missing)), timeout=20)
            async for _ in put:
                pass
            return (await stub.Commit(pb.CommitRequest(lot=lot.body.lot), timeout=20)).receipt


async def entries(address: str, world: World) -> tuple[list[bytes], bytes]:
    """The whole journal as anybody may read it, and its checkpoint."""
    async with connected(address, world, "auditeur") as channel:
        journal = rpc.JournalStub(channel)
        checkpoint = (await journal.Checkpoint(pb.CheckpointRequest())).checkpoint
        size = open_checkpoint(checkpoint, world.convention.log_key()).checkpoint.size
        found: list[bytes] = []
        while len(found) < size:
            found += (await journal.Entries(pb.EntriesRequest(start=len(found), limit=100))).entries
        return found[:size], checkpoint


def test_the_verbs_of_an_operator(tmp_path: Path, world: World) -> None:
    enclave = scripted_enclave(tmp_path / "enclave", "honest")
    folder = folder_of(world, tmp_path / "hub", enclave)
    run_hub(
        world, "init", "--folder", folder, "--keyring", world.keyring_path("hub"), "--convention",
        world.convention_path, expect=2,
    )  # fmt: skip
    assert "start it" in run_hub(world, "status", "--folder", folder, expect=7).stderr
    hub = serve(world, folder)
    try:
        lot = make_lot(world)
        asyncio.run(send(hub.address, world, lot))
        status = json.loads(run_hub(world, "status", "--folder", folder, "--json").stdout)
        assert (status["journal_entries"], status["lots"], status["open_lots"]) == (2, 1, 0)
        assert len(status["enclave_measurement"]) == 64 and status["attending"] == []
        (shown,) = json.loads(run_hub(world, "lots", "--folder", folder, "--json").stdout)
        assert (shown["lot"], shown["current"]) == (lot.body.lot.hex(), True)
        assert json.loads(run_hub(world, "runs", "--folder", folder, "--json").stdout) == []
        assert "debts" in run_hub(world, "lots", "--folder", folder).stdout
        failed = run_hub(
            world, "consolidate", "--folder", folder, "--purpose", "early-warning", "--period", "2026-05",
            "--deadline", "5s", expect=5,
        )  # fmt: skip
        assert "hint:" in failed.stderr and "acoss" in failed.stderr
        (order,) = json.loads(run_hub(world, "runs", "--folder", folder, "--json").stdout)
        assert (order["stage"], order["run"]) == ("failed", None)
        run_hub(world, "consolidate", "--folder", folder, "--purpose", "none", "--period", "2026-05", expect=2)
    finally:
        assert hub.stop() == 0
    log = [json.loads(line) for line in (folder / "hub.log").read_text().splitlines()]
    assert {line["level"] for line in log} <= {"info", "warning"}
    assert not (folder / "address").exists()


def test_a_wrong_passphrase_and_a_second_hub_end_with_their_codes(tmp_path: Path, world: World) -> None:
    folder = folder_of(world, tmp_path / "hub", scripted_enclave(tmp_path / "enclave", "honest"))
    wrong = subprocess.run(
        command("serve", "--folder", folder), env={**environment(world), "VIGIE_PASSPHRASE": "another one"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert wrong.returncode == 2 and wrong.stdout == "" and "passphrase" in wrong.stderr
    hub = serve(world, folder)
    try:
        assert "another process" in run_hub(world, "serve", "--folder", folder, expect=8).stderr
    finally:
        hub.stop()


def test_members_that_connect_at_the_same_moment_do_not_end_the_hub(tmp_path: Path, world: World) -> None:
    folder = folder_of(world, tmp_path / "hub", scripted_enclave(tmp_path / "enclave", "honest"))
    hub = serve(world, folder)
    try:
        assert knock_together(hub.address, world, times=CONNECTIONS) == CONNECTIONS
        assert len(asyncio.run(entries(hub.address, world))[0]) == 1
    finally:
        assert hub.stop() == 0


def test_nothing_is_lost_or_doubled_by_kill_9_at_any_moment(tmp_path: Path, world: World) -> None:
    folder = folder_of(world, tmp_path / "hub", scripted_enclave(tmp_path / "enclave", "honest"))
    random.seed(4)
    lots = [
        make_lot(world, dataset, per_bucket=(4, 4, 4, 4), size=60_000)
        for dataset in ("debts", "headcount", "contributions", "ratios", "short_time_work")
    ]
    receipts: dict[bytes, set[bytes]] = {lot.body.lot: set() for lot in lots}
    seen: list[tuple[int, bytes]] = []

    async def until_killed(address: str, killer: asyncio.Task[None]) -> None:
        """Send everything again and again, keeping every receipt that came."""
        while not killer.done():
            for lot in lots:
                try:
                    receipts[lot.body.lot].add(await send(address, world, lot))
                except Unavailable:
                    break
            await asyncio.sleep(0)

    async def one_life(number: int) -> None:
        hub = await asyncio.to_thread(serve, world, folder)

        async def kill() -> None:
            await asyncio.sleep(random.uniform(0.0, 0.5))
            await asyncio.to_thread(hub.kill)

        killer = asyncio.create_task(kill())
        await until_killed(hub.address, killer)
        await killer

    for number in range(KILLS):
        asyncio.run(one_life(number))
        check_disk(folder, seen)
    hub = serve(world, folder)
    try:
        for lot in lots:
            receipts[lot.body.lot].add(asyncio.run(send(hub.address, world, lot)))
        found, checkpoint = asyncio.run(entries(hub.address, world))
    finally:
        assert hub.stop() == 0
    assert all(len(all_) == 1 for all_ in receipts.values()), "a receipt changed"
    digests = [parse(raw).digest for raw in found]
    assert sorted(digests) == sorted([world.chain.digest, *(lot.statement.digest for lot in lots)])
    tree = open_checkpoint(checkpoint, world.convention.log_key()).checkpoint
    assert tree.root == root_of_leaves(leaf_hash(raw) for raw in found)
    for lot in lots:
        (receipt,) = receipts[lot.body.lot]
        verify_receipt(Receipt.parse(receipt), lot.statement.raw, world.convention.log_key())
    packs = [path for path in (folder / "lots").rglob("*") if path.is_file()]
    assert len(packs) == len(lots)


def check_disk(folder: Path, seen: list[tuple[int, bytes]]) -> None:
    """After a kill: every tree head that was ever on disk is a prefix of the newest one."""
    db = sqlite3.connect(folder / "hub.sqlite")
    try:
        raws = [raw for (raw,) in db.execute("SELECT raw FROM entry ORDER BY place")]
        size, root = db.execute("SELECT size, root FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    finally:
        db.close()
    assert len(raws) == size
    assert root == root_of_leaves(leaf_hash(raw) for raw in raws)
    for old, old_root in seen:
        assert old_root == root_of_leaves(leaf_hash(raw) for raw in raws[:old])
    seen.append((size, root))
