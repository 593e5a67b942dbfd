"""``vigie-node`` as an operator uses it: real processes, a real hub, exit codes, and words that say what to do."""

import asyncio
import signal
import sqlite3
from pathlib import Path

import pytest

from support.hub import eventually, hub_world, make_folder, make_order, served
from support.nodes import deposit, lot_of
from support.processes import command, running
from support.world import World
from vigie_hub.questions import Announce, Announced
from vigie_hub.server import Hub


async def init(world: World, folder: Path, hub: str, *more: str, member: str = "acoss") -> Path:
    """Make a node by the command line and return its folder."""
    made = await command(
        "vigie-node", "init", "--folder", folder, "--keyring", world.keyring_path(member), "--convention",
        world.convention_path, "--hub", hub, *more,
    )  # fmt: skip
    assert made.code == 0, made.err
    return folder


def test_from_init_to_an_approved_order(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            node = await init(world, tmp_path / "acoss", hub.address, "--policy", "manual")
            lots = [lot_of(world, "debts"), lot_of(world, "ratios")]
            for lot in lots:
                await deposit(world, hub.address, lot)
            order = make_order(world, [lot.statement for lot in lots], minutes=60)
            async with running("vigie-node", "run", "--folder", node) as daemon:
                await eventually(lambda: daemon.said("attending", member="acoss"), seconds=30)
                assert (await _announce(hub, order.raw)).decision == "pending"
                await _look_and_decide(node, order.digest.hex())
                assert (await _announce(hub, order.raw)).decision == "willing"
                refused = await command(
                    "vigie-node", "refuse", order.digest.hex()[:8], "--folder", node, "--reason", "a mistake", "--yes"
                )
                assert refused.code == 0
                assert (await _announce(hub, order.raw)).decision == "refused"
                doctor = await command("vigie-node", "doctor", "--folder", node)
                assert doctor.code == 0, doctor.out
                assert await daemon.end() == 0
            (listed,) = (await command("vigie-node", "orders", "--folder", node, "--json")).json()
            assert (listed["stage"], "a mistake" in listed["standing"]) == ("refused", True)
            after = (await command("vigie-node", "status", "--folder", node, "--json")).json()
            assert after["attendance"]["running"] is False
            assert [lot["dataset"] for lot in after["lots"]] == ["debts"]

    asyncio.run(test())


async def _announce(hub: Hub, order: bytes) -> Announced:
    return await hub.attendance.ask("acoss", Announce(order), Announced, timeout=20)


async def _look_and_decide(node: Path, digest: str) -> None:
    status = (await command("vigie-node", "status", "--folder", node, "--json", passphrase=None)).json()
    assert (status["attendance"]["state"], status["orders"]["waiting"]) == ("attending", [digest])
    shown = await command("vigie-node", "orders", "--folder", node, passphrase=None)
    assert f"vigie-node approve {digest[:12]}" in shown.out
    unsure = await command("vigie-node", "approve", digest[:8], "--folder", node, passphrase=None)
    assert unsure.code != 0, "without a person's yes nothing is decided"
    approved = await command("vigie-node", "approve", digest[:8], "--folder", node, "--yes", passphrase=None)
    assert approved.code == 0
    for said in ("Period: 2026-05", "debts, snapshot for 2026-05", "deadline", "Results go to: acoss"):
        assert said in approved.err, approved.err
    assert (await command("vigie-node", "approve", "ffff", "--folder", node, "--yes")).code == 6


def test_killed_and_started_again(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            node = await init(world, tmp_path / "acoss", hub.address)
            async with running("vigie-node", "run", "--folder", node) as daemon:
                await eventually(lambda: hub.journal.cosigned_by("acoss/witness") == hub.journal.size, seconds=30)
                second = await command("vigie-node", "run", "--folder", node)
                assert (second.code, "already" in second.err) == (2, True)
                assert await daemon.end(signal.SIGKILL) == -signal.SIGKILL
            doctor = await command("vigie-node", "doctor", "--folder", node)
            assert (doctor.code, "no process runs it" in doctor.out) == (1, True)
            await deposit(world, hub.address, lot_of(world, "debts"))
            async with running("vigie-node", "run", "--folder", node):
                await eventually(lambda: hub.journal.cosigned_by("acoss/witness") == hub.journal.size, seconds=30)

    asyncio.run(test())


def test_stops_when_its_own_state_fails(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            node = await init(world, tmp_path / "acoss", hub.address)
            async with running("vigie-node", "run", "--folder", node) as daemon:
                await eventually(lambda: hub.journal.cosigned_by("acoss/witness") == hub.journal.size, seconds=30)
                with sqlite3.connect(node / "state.sqlite") as damaged:
                    damaged.execute("DROP TABLE checkpoints")
                damaged.close()
                await deposit(world, hub.address, lot_of(world, "debts"))
                assert await daemon.ended() == 8
                assert daemon.said("the node stops: its own state failed")
            assert "acoss" not in hub.attendance.names()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--policy", "always"], 2, '"auto" or "manual"'),
        (["--hub", "nowhere"], 2, "host:port"),
        (["--convention", "{folder}/none.note"], 2, "cannot be read"),
        (["--convention", "{folder}/world/acoss/card.toml"], 3, "not a signed statement"),
        (["--keyring", "{folder}/none.vigie"], 6, "no keyring"),
    ],
)
def test_init_refuses(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        given = {
            "--folder": str(tmp_path / "node"), "--keyring": str(world.keyring_path("acoss")),
            "--convention": str(world.convention_path), "--hub": "127.0.0.1:1", "--policy": "auto",
        }  # fmt: skip
        given[arguments[0]] = arguments[1].format(folder=tmp_path)
        ended = await command("vigie-node", "init", *[part for pair in given.items() for part in pair])
        assert (ended.code, said in ended.err) == (code, True), ended.err
        assert "hint:" in ended.err or code == 3
        assert not (tmp_path / "node" / "node.toml").exists()

    asyncio.run(test())


def test_wrong_passphrase_and_no_node(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        node = await init(world, tmp_path / "acoss", "127.0.0.1:1")
        again = await command(
            "vigie-node", "init", "--folder", node, "--keyring", world.keyring_path("acoss"), "--convention",
            world.convention_path, "--hub", "127.0.0.1:1",
        )  # fmt: skip
        assert (again.code, "already" in again.err) == (2, True)
        run = await command("vigie-node", "run", "--folder", node, passphrase="another passphrase")
        assert (run.code, "does not open with this passphrase" in run.err) == (2, True)
        doctor = await command("vigie-node", "doctor", "--folder", node, "--json", passphrase="another passphrase")
        assert doctor.code == 1
        assert doctor.json()[0]["wrong"] is True
        nowhere = await command("vigie-node", "doctor", "--folder", tmp_path / "none")
        assert (nowhere.code, "there is no node" in nowhere.out) == (1, True)
        assert (await command("vigie-node", "status", "--folder", tmp_path / "none")).code == 6

    asyncio.run(test())
