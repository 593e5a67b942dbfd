"""An order on a hub with hardware, over real gRPC: the quote goes from the device to the journal, the members, the auditor."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from support.hub import connected, hub_world
from support.hub_scene import scene
from support.simulated import RULE, Machine, pinned
from support.world import World
from vigie import attestation
from vigie.audit import folder as folders
from vigie.audit.export import fetch
from vigie.audit.folder import Export
from vigie.audit.verify import verify
from vigie.authority import judge
from vigie.bodies import Evidence, Run
from vigie.client_journal import JournalClient
from vigie.errors import BadProof, Missing, StateError
from vigie.hardware import pins
from vigie.hardware.bundle import digest_of
from vigie_hub import quoting


@pytest.fixture
def world(tmp_path: Path) -> World:
    return hub_world(tmp_path, enclave__platforms=["software", "sev-snp"], enclave__hardware=[RULE])


@pytest.fixture
def machine() -> Iterator[Machine]:
    """The hub finds it where it looks for a device."""
    made = Machine()
    with mock.patch.object(quoting, "find", return_value=made), pinned():
        yield made


async def exported(address: str, world: World) -> Export:
    async with connected(address, world, "auditeur") as channel:
        return await fetch(JournalClient(channel), world.convention.log_key())


def test_the_quote_is_kept_shown_and_verified_again(tmp_path: Path, world: World, machine: Machine) -> None:
    async def story() -> tuple[Export, bytes]:
        async with scene(tmp_path, world, "honest") as told:
            order = told.order()
            last = await told.ends(order)
            assert last.stage == "done", last.message
            (said,) = told.bodies("evidence", Evidence, order.digest)
            assert said.platform == "sev-snp" and machine.asked == [attestation.binding(said)]
            quote = told.hub.journal.quote(said.quote)
            assert digest_of(quote) == said.quote
            asked = [question.quote for member in told.members.values() for question in member.questions]
            assert len(asked) == len(told.members) and set(asked) == {quote}
            (run,) = told.bodies("run", Run, order.digest)
            assert run.level == "A3"
            with pytest.raises(Missing):
                told.hub.journal.quote(bytes(32))
            return await exported(told.hub.address, world), quote

    export, quote = asyncio.run(story())
    assert export.quotes == {digest_of(quote): quote}
    folders.write(export, tmp_path / "export")
    again = folders.read(tmp_path / "export")
    assert again == export
    report = verify(again)
    checks = {check.name: check for check in report.checks}
    assert checks["quotes"].count == 1 and not checks["quotes"].failures and not checks["runs"].failures
    assert any(note.startswith("Level A3") for note in checks["runs"].notes)
    assert any(event.kind == "hardware" and "accepted as simulated" in event.sentence for event in report.events)
    for spoilt in ({}, {digest_of(quote): quote[:-1]}, {digest_of(quote): quote, bytes(32): quote}):
        found = {check.name: check.failures for check in verify(_with(export, spoilt)).checks}
        assert found["quotes"], spoilt


def test_outside_of_the_tests_its_quote_does_not_hold(tmp_path: Path, world: World, machine: Machine) -> None:
    async def story() -> Export:
        async with scene(tmp_path, world, "honest") as told:
            await told.ends(told.order())
            return await exported(told.hub.address, world)

    export = asyncio.run(story())
    with mock.patch("vigie.hardware.snp.pinned", pins.pinned):
        found = {check.name: check.failures for check in verify(export).checks}
    assert "does not hold" in found["quotes"][0].sentence
    assert found["runs"] and found["releases"]


@pytest.mark.parametrize("mode", ["other-quote", "short-binding"])
def test_an_enclave_that_lies_about_its_quote_is_stopped(
    tmp_path: Path, world: World, machine: Machine, mode: str
) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, mode) as told:
            last = await told.ends(told.order())
            assert last.stage == "failed"
            assert told.bodies("evidence", Evidence) == []

    asyncio.run(story())


def test_a_machine_that_the_convention_does_not_accept_is_not_asked(tmp_path: Path, machine: Machine) -> None:
    plain = hub_world(tmp_path / "plain")

    async def story() -> None:
        async with scene(tmp_path, plain, "honest") as told:
            await told.ends(told.order())
            (said,) = told.bodies("evidence", Evidence)
            assert (said.platform, said.quote, machine.asked) == ("software", None, [])

    asyncio.run(story())


def test_a_quote_that_was_lost_or_altered_is_seen(tmp_path: Path, world: World, machine: Machine) -> None:
    async def story() -> None:
        async with scene(tmp_path, world, "honest") as told:
            order = told.order()
            await told.ends(order)
            (raw,) = told.hub.journal.find("evidence")
            evidence = judge(raw, world.chain, kind="evidence").statement
            assert evidence.body["quote"]
            store: Any = told.hub.store
            await store.write(lambda db: db.execute("UPDATE quote SET bundle = CAST(bundle || x'00' AS BLOB)"))
            with pytest.raises(StateError, match="altered"):
                told.hub.journal.verify()
            with pytest.raises(BadProof, match="another quote"):
                await exported(told.hub.address, world)
            await store.write(lambda db: db.execute("DELETE FROM quote"))
            with pytest.raises(StateError, match="gone"):
                told.hub.journal.verify()
            with pytest.raises(Missing):
                await exported(told.hub.address, world)

    asyncio.run(story())


def _with(export: Export, quotes: dict[bytes, bytes]) -> Export:
    return Export(export.checkpoint, export.entries, export.conventions, export.receipts, (), quotes)
