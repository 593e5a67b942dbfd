"""The auditor's witness beside the partners' nodes: its own process, its own memory, the same rule."""

import asyncio
import signal
from pathlib import Path

from support.hub import eventually, hub_world, make_folder, served
from support.nodes import attending, deposit, lot_of, make_node
from support.processes import command, running
from support.world import World
from vigie.journal.checkpoint import open_checkpoint, witnessed_by


def arguments(world: World, folder: Path, hub: str, member: str = "auditeur") -> list[str]:
    conventions = [part for path in world.convention_paths for part in ("--convention", str(path))]
    return [
        "audit", "witness", "--folder", str(folder), "--keyring", str(world.keyring_path(member)), *conventions,
        "--hub", hub,
    ]  # fmt: skip


def test_cosigns_beside_a_node_and_remembers(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            folder = make_node(world, "acoss", tmp_path / "acoss", hub.address)
            call = arguments(world, tmp_path / "witness", hub.address)

            def both() -> bool:
                note = open_checkpoint(hub.journal.checkpoint(), world.convention.log_key()).note
                return witnessed_by(note, world.convention.witness_keys()) == {"acoss/witness", "auditeur/witness"}

            async with attending(folder, hub):
                async with running("vigie", *call) as witness:
                    await eventually(both, seconds=30)
                    assert hub.attendance.with_ability("release")[0].member == "acoss"
                    assert "auditeur" not in [one.member for one in hub.attendance.with_ability("evaluate")]
                    await witness.end(signal.SIGKILL)
                await deposit(world, hub.address, lot_of(world, "debts"))
                async with running("vigie", *call) as witness:
                    await eventually(both, seconds=30)
                    assert await witness.end() == 0

    asyncio.run(test())


def test_refuses_an_older_convention_and_a_key_that_it_does_not_name(tmp_path: Path) -> None:
    async def test() -> None:
        world = hub_world(tmp_path)
        first = list(world.convention_paths)
        world.amend({"disclosure.rounding": 10})
        async with served(make_folder(tmp_path / "hub", world), world) as hub:
            async with running("vigie", *arguments(world, tmp_path / "witness", hub.address)) as witness:
                await eventually(lambda: witness.said("attending", member="auditeur"), seconds=30)
                assert await witness.end() == 0
            old: list[str | Path] = [
                "audit", "witness", "--folder", tmp_path / "witness", "--keyring", world.keyring_path("auditeur"),
                "--convention", first[0], "--hub", hub.address,
            ]  # fmt: skip
            refused = await command("vigie", *old)
            assert (refused.code, "accepted before" in refused.err) == (5, True), refused.err
            hub_keys = await command("vigie", *arguments(world, tmp_path / "other", hub.address, member="hub"))
            assert (hub_keys.code, "no key for witness" in hub_keys.err) == (6, True), hub_keys.err

    asyncio.run(test())
