"""A fault table over one whole deposit: every statement of SQLite and every disk call fails once, before and after it
took effect; then the hub starts again, everything public is verified, and the partner's retry ends with one lot, one
entry and one receipt.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.hub import MadeLot, make_lot
from support.world import World
from vigie.clock import utc_now
from vigie.durable import open_database
from vigie.errors import StateError, Unavailable
from vigie.journal.proof import Receipt, verify_receipt
from vigie_hub.agreement import Agreement
from vigie_hub.config import Limits
from vigie_hub.deposit import DepositDesk
from vigie_hub.journal import Journal
from vigie_hub.packs import Disk, Packs, RealDisk
from vigie_hub.store import Store


@dataclass
class Fault:
    """Fails the call with that number, once; ``after`` lets it take effect first."""

    at: int = -1
    after: bool = False
    code: int = sqlite3.SQLITE_IOERR
    only: tuple[str, ...] = ()
    seen: int = 0
    fired: str = ""

    def around(self, what: str, call: Callable[[], Any], error: Exception) -> Any:
        if self.only and what not in self.only:
            return call()
        self.seen += 1
        if self.seen - 1 != self.at:
            return call()
        self.fired = what
        if self.after:
            call()
        raise error


class Failing:
    """A connection whose statements pass a fault."""

    def __init__(self, real: sqlite3.Connection, fault: Fault) -> None:
        self._real, self._fault = real, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *rest: Any) -> Any:
        return self._fault.around(sql.split(maxsplit=1)[0], lambda: self._real.execute(sql, *rest), self._error())

    def executemany(self, sql: str, rows: Any) -> Any:
        return self._fault.around(sql.split(maxsplit=1)[0], lambda: self._real.executemany(sql, rows), self._error())

    def _error(self) -> sqlite3.OperationalError:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = self._fault.code
        return error


@dataclass
class FailingDisk:
    """A disk whose calls pass a fault."""

    fault: Fault
    real: Disk = field(default_factory=RealDisk)

    def pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        # Half of the bytes are there when a write "took effect" and then failed.
        half = data[: max(1, len(data) // 2)] if self.fault.after and self.fault.seen == self.fault.at else data
        written = self.fault.around(
            "pwrite", lambda: self.real.pwrite(descriptor, half, offset), OSError(28, "No space left on device")
        )
        return int(written)

    def fsync(self, descriptor: int) -> None:
        self.fault.around("fsync", lambda: self.real.fsync(descriptor), OSError(5, "Input/output error"))

    def sync_folder(self, path: Path) -> None:
        self.fault.around("sync_folder", lambda: self.real.sync_folder(path), OSError(5, "Input/output error"))


class Core:
    """The depositing part of a hub, without the wire."""

    def __init__(self, folder: Path, world: World, fault: Fault | None = None, disk: Fault | None = None) -> None:
        def opener(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
            return Failing(open_database(path, schema), fault)  # type: ignore[arg-type, return-value]

        self.world = world
        self.store = Store(folder, opener=opener) if fault else Store(folder)
        self.journal = Journal(self.store, world.keyrings["hub"].log_signer(world.convention.origin))
        try:
            self.packs = Packs(folder / "lots", disk=FailingDisk(disk) if disk else None)
        except OSError:
            self.store.close()
            raise

    async def open(self) -> "Core":
        agreement = await Agreement.open(self.journal, self.world.raws)
        self.desk = DepositDesk(self.store, self.journal, agreement, self.packs, Limits(), utc_now)
        self.packs.sweep(self.desk.packs_named())
        return self

    async def send(self, lot: MadeLot) -> bytes:
        """A whole deposit, in two puts."""
        begun = await self.desk.begin("acoss", lot.statement.raw, lot.ids, lot.parts)
        if begun.receipt:
            return begun.receipt
        wanted = [data for data, id_ in zip(lot.segments, lot.ids, strict=True) if id_ in begun.missing]
        for group in (wanted[:2], wanted[2:]):
            if group:
                await self.desk.put("acoss", lot.body.lot, group)
        return await self.desk.commit("acoss", lot.body.lot)

    def check(self, lot: MadeLot) -> None:
        """Everything public fits, and the lot is whole if it is committed."""
        self.journal.verify()
        committed, _, _ = self.desk.counts()
        entries = self.journal.find("lot", lot.body.lot)
        assert len(entries) == committed <= 1
        if committed:
            _, _, extents, pack = self.desk.segments_of(lot.statement.digest)
            assert [self.packs.read(pack, extent) for extent in extents] == lot.segments
            receipt = Receipt.parse(self.journal.receipt(lot.statement.digest))
            verify_receipt(receipt, lot.statement.raw, self.world.convention.log_key())


async def broken_then_mended(folder: Path, lot: MadeLot, world: World, **faults: Fault) -> None:
    folder.mkdir()  # noqa: ASYNC240 - a test
    fault = next(iter(faults.values()))
    said: bytes | None = None
    core: Core | None = None
    try:
        core = Core(folder, world, **faults)
        await core.open()
        said = await core.send(lot)
    except (StateError, Unavailable):
        pass  # the partner is told that it did not go through
    except OSError:
        assert core is None  # only at the start, where the process ends
    assert fault.fired, "the table went on after the last call"
    if core is not None:
        core.store.close()
    again = await Core(folder, world).open()
    again.check(lot)
    receipt = await again.send(lot)
    assert said in (None, receipt)
    assert await again.send(lot) == receipt
    again.check(lot)
    assert again.desk.counts() == (1, 0, lot.body.bytes)
    assert len(list((folder / "lots" / "acoss").iterdir())) == 1
    again.store.close()


def calls(tmp_path: Path, lot: MadeLot, world: World, **faults: Fault) -> int:
    """How many calls a deposit without faults makes."""

    async def story() -> None:
        (tmp_path / "whole").mkdir()
        core = await Core(tmp_path / "whole", world, **faults).open()
        await core.send(lot)
        core.check(lot)
        core.store.close()

    asyncio.run(story())
    return next(iter(faults.values())).seen


def every(count: int) -> Iterator[tuple[int, bool]]:
    for at in range(count):
        yield at, False
        yield at, True


def test_every_commit_may_fail_before_and_after_it_is_durable(tmp_path: Path, world: World) -> None:
    lot = make_lot(world, size=64)
    count = calls(tmp_path, lot, world, fault=Fault(only=("COMMIT",)))
    assert count == 5  # the convention, Begin, two puts, Commit

    async def table() -> None:
        for at, after in every(count):
            await broken_then_mended(tmp_path / f"{at}-{after}", lot, world, fault=Fault(at, after, only=("COMMIT",)))

    asyncio.run(table())


def test_every_change_may_fail_inside_its_transaction(tmp_path: Path, world: World) -> None:
    # Before and after are the same here: what is not committed is not there.
    lot = make_lot(world, per_bucket=(1, 1, 1, 1), size=64)
    changes = ("BEGIN", "INSERT", "UPDATE", "RELEASE")
    count = calls(tmp_path, lot, world, fault=Fault(only=changes))
    assert count > 20

    async def table() -> None:
        for at in range(count):
            await broken_then_mended(tmp_path / str(at), lot, world, fault=Fault(at, only=changes))

    asyncio.run(table())


def test_every_disk_call_may_fail(tmp_path: Path, world: World) -> None:
    lot = make_lot(world, size=64)
    count = calls(tmp_path, lot, world, disk=Fault())
    assert count >= 9  # one write for each segment, and for each put an fsync of the file and one of its folder

    async def table() -> None:
        for at, after in every(count):
            await broken_then_mended(tmp_path / f"{at}-{after}", lot, world, disk=Fault(at, after))

    asyncio.run(table())


def test_after_a_failed_commit_nothing_more_is_served(tmp_path: Path, world: World) -> None:
    async def story() -> None:
        fault = Fault(only=("COMMIT",), at=2)
        core = await Core(tmp_path, world, fault=fault).open()
        told = asyncio.Event()
        loop = asyncio.get_running_loop()

        def tell() -> None:
            loop.call_soon_threadsafe(told.set)

        core.store.on_failure = tell
        lot = make_lot(world, size=64)
        with pytest.raises(StateError):
            await core.send(lot)
        await asyncio.wait_for(told.wait(), 5)
        with pytest.raises(StateError, match="has stopped"):
            await core.send(lot)
        assert core.store.failed is not None
        core.store.close()

    asyncio.run(story())


def test_a_full_disk_is_no_reason_to_stop(tmp_path: Path, world: World) -> None:
    async def story() -> None:
        fault = Fault(only=("COMMIT",), at=2, code=sqlite3.SQLITE_FULL)
        core = await Core(tmp_path, world, fault=fault).open()
        lot = make_lot(world, size=64)
        with pytest.raises(Unavailable, match="full"):
            await core.send(lot)
        core.check(lot)
        await core.send(lot)  # there is room again
        core.check(lot)
        assert core.desk.counts()[0] == 1
        core.store.close()

    asyncio.run(story())


def test_a_defect_in_one_piece_of_work_stops_the_store_and_keeps_the_disk_whole(tmp_path: Path, world: World) -> None:
    async def story() -> None:
        core = await Core(tmp_path, world).open()

        def defect(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM entry")
            raise ZeroDivisionError

        with pytest.raises(StateError):
            await core.store.write(defect)
        core.store.close()
        again = await Core(tmp_path, world).open()
        assert again.journal.verify() == 1
        again.store.close()

    asyncio.run(story())


def test_a_refusal_undoes_its_own_piece_alone(tmp_path: Path, world: World) -> None:
    async def story() -> None:
        core = await Core(tmp_path, world).open()
        ready = make_lot(world, size=64)
        await core.desk.begin("acoss", ready.statement.raw, ready.ids, ready.parts)
        await core.desk.put("acoss", ready.body.lot, ready.segments)

        def refuse(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM deposit")
            raise Unavailable("no")

        outcomes = await asyncio.gather(
            core.store.write(refuse),
            core.desk.commit("acoss", ready.body.lot),
            core.store.write(refuse),
            return_exceptions=True,
        )
        assert [isinstance(one, Unavailable) for one in outcomes] == [True, False, True]
        core.check(ready)
        assert core.desk.counts()[0] == 1
        core.store.close()

    asyncio.run(story())
