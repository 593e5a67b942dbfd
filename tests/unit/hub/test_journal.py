"""The journal: idempotent, one checkpoint for each batch, receipts that never change, and damage that is noticed."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from support.hub import make_lot
from support.world import World
from vigie.errors import BadProof, Missing, StateError
from vigie.journal.checkpoint import open_checkpoint, witnessed_by
from vigie.journal.merkle import leaf_hash, verify_consistency, verify_inclusion
from vigie.journal.proof import Receipt, verify_receipt
from vigie.note import Signer, parse
from vigie.statement import Statement
from vigie_hub.journal import Journal
from vigie_hub.store import Store

Run = Callable[[Coroutine[Any, Any, None]], None]


def opened(folder: Path, world: World) -> tuple[Store, Journal]:
    store = Store(folder)
    return store, Journal(store, world.keyrings["hub"].log_signer(world.convention.origin))


def entries(world: World, count: int) -> list[Statement]:
    return [make_lot(world, per_bucket=(1, 1, 1, 1), size=4).statement for _ in range(count)]


def test_an_entry_has_a_receipt_that_verifies_and_never_changes(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        first, *more = entries(world, 12)
        (receipt,) = await journal.submit([first])
        for statement in more:
            await journal.submit([statement])
        checkpoint = verify_receipt(Receipt.parse(receipt), first.raw, world.convention.log_key())
        assert checkpoint.checkpoint.size == 1
        assert await journal.submit([first]) == [receipt] == [journal.receipt(first.digest)]
        assert journal.size == journal.verify() == 12
        store.close()
        store, journal = opened(tmp_path, world)
        assert journal.receipt(first.digest) == receipt
        store.close()

    run(story())


def test_what_comes_together_shares_one_checkpoint(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        given = entries(world, 40)
        receipts = await asyncio.gather(*(journal.submit([statement]) for statement in given))
        sizes = set()
        for statement, (receipt,) in zip(given, receipts, strict=True):
            opened_at = verify_receipt(Receipt.parse(receipt), statement.raw, world.convention.log_key())
            sizes.add(opened_at.checkpoint.size)
        assert journal.verify() == 40
        assert max(sizes) == 40 and len(sizes) < 20
        store.close()

    run(story())


def test_the_same_statement_many_times_at_once_is_one_entry(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        (statement,) = entries(world, 1)
        receipts = await asyncio.gather(*(journal.submit([statement]) for _ in range(20)))
        assert len({receipt for (receipt,) in receipts}) == 1
        assert journal.size == 1
        store.close()

    run(story())


def test_proofs_between_all_sizes_verify(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        given = entries(world, 9)
        roots = {0: leaf_hash(b"")}
        for statement in given:
            await journal.submit([statement])
            tree = open_checkpoint(journal.checkpoint(), world.convention.log_key()).checkpoint
            roots[tree.size] = tree.root
        for new in range(1, 10):
            for old in range(1, new + 1):
                verify_consistency(old, new, roots[old], roots[new], journal.consistency(old, new))
            for place in range(new):
                receipt = Receipt.parse(journal.receipt_at(given[place].digest, new))
                verify_inclusion(leaf_hash(given[place].raw), place, new, receipt.proof, roots[new])
        with pytest.raises(BadProof):
            verify_consistency(3, 9, roots[4], roots[9], journal.consistency(3, 9))
        store.close()

    run(story())


def test_what_is_not_there_is_missing(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        first, second = entries(world, 2)
        await journal.submit([first])
        for ask in (
            lambda: journal.receipt(second.digest),
            lambda: journal.receipt_at(first.digest, 2),
            lambda: journal.entry(second.digest),
            lambda: journal.consistency(0, 2),
            lambda: journal.entries(2, 10),
            lambda: journal.checkpoint(7),
        ):
            with pytest.raises(Missing):
                ask()
        assert journal.entries(1, 10) == []
        assert journal.entries(0, 10) == [first.raw]
        store.close()

    run(story())


def test_entries_are_found_by_what_they_are_about(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        approvals = world.approve(b"\x11" * 32) + world.approve(b"\x22" * 32, ["travail"])
        await journal.submit([*approvals, *entries(world, 2)])
        assert journal.find("approval", b"\x11" * 32) == [one.raw for one in approvals[:3]]
        assert journal.find("approval", b"\x33" * 32) == []
        assert len(journal.find("lot")) == 2
        store.close()

    run(story())


def test_cosignatures_are_kept_with_their_checkpoint_and_not_in_the_first_receipt(
    tmp_path: Path, world: World, run: Run
) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        (statement,) = entries(world, 1)
        (receipt,) = await journal.submit([statement])
        cosigner = world.keyrings["travail"].cosigner()
        line = cosigner.cosign(parse(journal.checkpoint()).text, 1_800_000_000)
        await journal.add_cosignatures(1, [line])
        keys = world.convention.witness_keys()
        assert witnessed_by(parse(journal.checkpoint()), keys) == {"travail/witness"}
        assert journal.receipt(statement.digest) == receipt
        later = verify_receipt(
            Receipt.parse(journal.receipt_at(statement.digest)), statement.raw, world.convention.log_key()
        )
        assert witnessed_by(later.note, keys) == {"travail/witness"}
        assert (journal.cosigned_by("travail/witness"), journal.cosigned_by("acoss/witness")) == (1, 0)
        store.close()

    run(story())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entry SET raw = CAST('x' AS BLOB) WHERE place = 1",
        "UPDATE node SET hash = zeroblob(32) WHERE level = 0 AND place = 2",
        "UPDATE node SET hash = zeroblob(32) WHERE level = 1 AND place = 0",
        "DELETE FROM node WHERE level = 0 AND place = 0",
        "UPDATE checkpoint SET root = zeroblob(32) WHERE size = 2",
        "DELETE FROM checkpoint WHERE size = 4",
        "DELETE FROM entry WHERE place = 3",
    ],
)
def test_damage_on_disk_is_noticed(tmp_path: Path, world: World, run: Run, damage: str) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        for statement in entries(world, 4):
            await journal.submit([statement])
        assert journal.verify() == 4
        store.close()
        db = sqlite3.connect(tmp_path / "hub.sqlite")
        with db:
            db.execute(damage)
        db.close()
        store = Store(tmp_path)
        with pytest.raises(StateError):
            Journal(store, world.keyrings["hub"].log_signer(world.convention.origin)).verify()
        store.close()

    run(story())


def test_another_logs_journal_is_refused(tmp_path: Path, world: World, run: Run) -> None:
    async def story() -> None:
        store, journal = opened(tmp_path, world)
        await journal.submit(entries(world, 1))
        store.close()
        store = Store(tmp_path)
        with pytest.raises(StateError, match="not one of this hub's key"):
            Journal(store, Signer(world.convention.origin, b"\x01" * 32))
        store.close()

    run(story())


def test_one_process_alone_has_the_folder(tmp_path: Path, world: World) -> None:
    store = Store(tmp_path)
    with pytest.raises(StateError, match="another process"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()
