"""The doctor against real hubs: it must see with its own eyes what is wrong, and leave everything as it was."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

from support import world as worlds
from support.hub import hub_world, make_folder, served
from support.nodes import attending, make_node, open_node
from support.world import PASSPHRASE, World, save_cheaply
from vigie import durable
from vigie.clock import utc_now
from vigie.keyring import Keyring
from vigie_node import withdrawing
from vigie_node.config import write_config
from vigie_node.doctor import Finding, diagnose
from vigie_node.examination import examine
from vigie_node.folder import NodeFolder


async def wrong(
    folder: NodeFolder, *, passphrase: str = PASSPHRASE, clock: Callable[[], datetime] = utc_now
) -> dict[str, Finding]:
    findings = diagnose(await examine(folder.root, passphrase, clock=clock))
    return {finding.name: finding for finding in findings if finding.wrong}


def use_keyring(folder: NodeFolder, path: Path) -> None:
    config = replace(folder.config, keyring=path.resolve())
    (folder.root / "node.toml").write_text(write_config(config))


def test_nothing_is_wrong_while_the_node_attends(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            async with attending(folder, hub):
                assert await wrong(folder) == {}
                assert hub.attendance.names() == ["acoss"], "looking does not push the daemon aside"

    asyncio.run(test())


def test_not_attending_and_clock_off(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            assert set(await wrong(folder)) == {"attending"}
            late = await wrong(folder, clock=lambda: utc_now() - timedelta(minutes=10))
            assert set(late) == {"attending", "clock"}
            assert "600 seconds behind" in late["clock"].said or "599 seconds behind" in late["clock"].said

    asyncio.run(test())


def test_the_seed_of_a_withdrawn_epoch_that_is_back(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            kept = folder.keyring.read_bytes()
            node = open_node(folder)
            withdrawing.erase(node, PASSPHRASE, 1, reason=None, clock=utc_now)
            node.close()
            assert set(await wrong(folder)) == {"attending"}
            durable.write_file(folder.keyring, kept)
            found = await wrong(folder)
            assert set(found) == {"attending", "withdrawal"}
            assert "vigie-node withdraw --epoch 1" in found["withdrawal"].todo

    asyncio.run(test())


def test_hub_unreachable(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            address = hub.address
        folder = make_node(world, "acoss", tmp_path / "acoss", address)
        found = await wrong(folder)
        assert set(found) == {"hub", "attending"}
        assert "nothing listens there" in found["hub"].said
        async with attending(folder):
            found = await wrong(folder)
            assert "attending" in found
            assert "no process" not in found["attending"].said

    asyncio.run(test())


def test_another_hub_at_that_address(tmp_path: Path) -> None:
    async def test() -> None:
        world, other = hub_world(tmp_path), hub_world(tmp_path / "other")
        other.keyrings["hub"].rotate_tls(utc_now())
        # The other hub's own convention names its own certificate, so that it serves at all.
        other = _with_hub_certificate(other, tmp_path / "again")
        async with served(make_folder(tmp_path / "hub", other), other) as hub:
            folder = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            found = await wrong(folder)
            assert "another certificate" in found["hub-certificate"].said
            assert set(found) == {"hub-certificate", "attending"}

    asyncio.run(test())


def _with_hub_certificate(world: World, folder: Path) -> World:
    """A world of the same keys, whose convention names the hub's present certificate."""
    keyrings = {name: copy.deepcopy(ring) for name, ring in world.keyrings.items()}
    with mock.patch.object(worlds, "demo_keyrings", return_value=keyrings):
        return World.create(folder, overrides={"pseudonyms.buckets": 4})


def test_a_certificate_that_the_convention_does_not_name(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            ring = copy.deepcopy(world.keyrings["acoss"])
            ring.rotate_tls(utc_now())
            save_cheaply(ring, tmp_path / "rotated.vigie", PASSPHRASE)
            use_keyring(folder, tmp_path / "rotated.vigie")
            found = await wrong(folder)
            assert "not the one that the convention names" in found["certificate"].said
            assert found["hub"].wrong, "the hub does not know this certificate"

    asyncio.run(test())


def test_keyring_of_another_member_or_of_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        folder = make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1")
        use_keyring(folder, world.keyring_path("travail"))
        found = await wrong(folder)
        assert "keyring of travail" in found["node"].said
        fresh = Keyring.create(
            "acoss", "ACOSS", ("partner", "custodian", "witness"), world.convention.id, now=utc_now()
        )
        save_cheaply(fresh, tmp_path / "fresh.vigie", PASSPHRASE)
        use_keyring(folder, tmp_path / "fresh.vigie")
        found = await wrong(folder)
        assert "are not those of this keyring" in found["node"].said
        use_keyring(folder, tmp_path / "nowhere.vigie")
        assert "no keyring" in (await wrong(folder))["node"].said

    asyncio.run(test())


def test_wrong_passphrase(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        folder = make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1")
        found = await wrong(folder, passphrase="something else")
        assert set(found) == {"node"}
        assert "does not open with this passphrase" in found["node"].said

    asyncio.run(test())


def test_expired_convention(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path, convention__to="2026-01-31", pseudonyms__epoch__1__to="2026-01-31")
        folder = make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1")
        found = await wrong(folder)
        assert "ended on 2026-01-31" in found["convention"].said
        assert found["convention"].todo

    asyncio.run(test())


def test_an_older_convention_put_in_place_of_the_newer(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        world.amend({"disclosure.rounding": 10})
        folder = make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1")
        open_node(folder).close()
        folder.convention_path(2).unlink()
        assert "accepted before" in (await wrong(folder))["node"].said

    asyncio.run(test())


def test_an_enclave_that_this_member_did_not_approve(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        (old,) = world.approve(b"o" * 32, ["acoss"])
        folder = make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1")
        node = open_node(folder)
        node.ledger.record_approval(old.raw)
        node.state.keep("measurement", b"m" * 32)
        node.close()
        found = await wrong(folder)
        assert "6d6d" in found["approval"].said
        (new,) = world.approve(b"m" * 32, ["acoss"])
        node = open_node(folder)
        node.ledger.record_approval(new.raw)
        node.close()
        assert "approval" not in await wrong(folder)

    asyncio.run(test())


def test_a_damaged_state_or_node_toml(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        folder = make_node(world, "acoss", tmp_path / "acoss", "127.0.0.1:1")
        folder.state.write_bytes(b"garbage" * 1000)
        assert "state.sqlite" in (await wrong(folder))["node"].said
        (folder.root / "node.toml").write_text("[node]\nmember = 1\n")
        assert "node.toml" in (await wrong(folder))["node"].said

    asyncio.run(test())
