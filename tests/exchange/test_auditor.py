"""The auditor's page, command by command, over a real hub: witness, export, verify, compare."""

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.hub import connected, eventually, hub_world, make_folder, make_lot, served
from support.world import CONVENTION, PASSPHRASE, World, save_cheaply
from vigie.audit import folder
from vigie.bodies import Approval, text_for
from vigie.clock import stamp, utc_now
from vigie.keyring import Keyring
from vigie.statement import sign_text
from vigie_hub.server import Hub as ServedHub
from vigie_node.wire import Hub

PAGE = Path(__file__).parents[2] / "docs" / "roles" / "auditor.md"
COMMANDS = re.findall(r"^```\n((?:vigie|\().*)\n```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
ENVIRONMENT = {**os.environ, "VIGIE_PASSPHRASE": PASSPHRASE, "COLUMNS": "200"}


class Desk:
    """The auditor's machine: a folder with a keyring and a convention, and the commands of the page."""

    def __init__(self, place: Path, world: World, address: str) -> None:
        self.place = place
        self.address = address
        shutil.copy(world.keyring_path("auditeur"), place / "auditeur.vigie")
        shutil.copy(world.convention_path, place / "convention.note")

    def arguments(self, verb: str, *, again: bool = False) -> list[str]:
        """Arguments of the page's command for that verb; ``again`` takes the one that builds on an earlier copy."""
        (line,) = [
            line for line in COMMANDS if line.startswith(f"vigie audit {verb} ") and ("--previous" in line) == again
        ]
        return shlex.split(line.replace("hub.example:7443", self.address))[1:]

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run ``vigie`` to its end: exit code, standard output, standard error."""
        process = await self.begin(*arguments)
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start ``vigie``."""
        code = "from vigie.cli import main; main()"
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, *arguments, cwd=self.place, env=ENVIRONMENT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip


@asynccontextmanager
async def exchange(place: Path) -> AsyncIterator[tuple[ServedHub, Desk, World]]:
    """A hub with two lots in its journal, and the auditor's desk."""
    world = hub_world(place)
    async with served(make_folder(place / "hub", world), world) as hub:
        await deposit(hub, world, "debts")
        await deposit(hub, world, "ratios")
        desk_place = place / "desk"
        desk_place.mkdir()
        yield hub, Desk(desk_place, world, hub.address), world


async def deposit(hub: ServedHub, world: World, dataset: str) -> None:
    """Send a lot as its owner does."""
    lot = make_lot(world, dataset)
    async with connected(hub.address, world, lot.body.partner) as channel:
        wire = Hub(channel)
        await wire.begin(lot.statement.raw, lot.ids, lot.parts)
        async for _ in wire.put(lot.body.lot, lot.segments):
            pass
        await wire.commit(lot.body.lot)


async def approve(hub: ServedHub, world: World) -> None:
    """Let the journal grow by one approval."""
    body = Approval(world.convention.digest, b"\7" * 32, "acoss", stamp(utc_now()))
    async with connected(hub.address, world, "acoss") as channel:
        await Hub(channel).submit(sign_text(text_for(body), [world.signer("acoss")]).raw)


def test_the_page_from_its_first_command_to_its_last(tmp_path: Path) -> None:
    async def story() -> None:
        async with exchange(tmp_path) as (hub, desk, world):
            witness = await desk.begin(*desk.arguments("witness"))
            try:
                await eventually(lambda: hub.journal.cosigned_by("auditeur/witness") == hub.journal.size, seconds=30)
                assert (await desk.run(*desk.arguments("export")))[0] == 0
                code, out, err = await desk.run(*desk.arguments("verify"), "--json")
                assert code == 0, out + err
                report = json.loads(out)
                assert report["ok"]
                assert report["size"] == 3
                checks = {check["name"]: check for check in report["checks"]}
                assert checks["receipts"]["count"] == 2
                assert any("Inspection générale des finances" in note for note in checks["witnesses"]["notes"])
                await approve(hub, world)
                code, out, err = await desk.run(*desk.arguments("export", again=True), "--json")
                assert code == 0, err
                assert json.loads(out) == {"entries": 4, "receipts": 2, "folder": "journal-2"}
                code, out, _ = await desk.run(*desk.arguments("compare"))
                assert (code, out.split(":")[0]) == (0, "one history")
            finally:
                witness.terminate()
                await witness.communicate()
            code, out, _ = await desk.run(*desk.arguments("verify"))
            assert code == 0
            assert "nothing is wrong" in out
            (line,) = [line for line in COMMANDS if line.startswith("(")]
            shell = await asyncio.create_subprocess_shell(line, cwd=desk.place, stdout=subprocess.PIPE)
            assert len((await shell.communicate())[0].split()[0]) == 64

    asyncio.run(story())


def test_a_name_that_is_taken_is_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    async def story() -> None:
        async with exchange(tmp_path) as (_, desk, _):
            (desk.place / "journal").mkdir()
            code, out, err = await desk.run(*desk.arguments("export"))
            assert (code, out) == (2, "")
            assert "there already" in err
            assert list((desk.place / "journal").iterdir()) == []

    asyncio.run(story())


def test_a_changed_copy_ends_with_4(tmp_path: Path) -> None:
    async def story() -> None:
        async with exchange(tmp_path) as (_, desk, _):
            assert (await desk.run(*desk.arguments("export")))[0] == 0
            shutil.copytree(desk.place / "journal", desk.place / "journal-2")
            entry = desk.place / "journal-2" / folder.entry_path(1)
            entry.write_bytes(entry.read_bytes().replace(b"snapshot", b"snapshat"))
            code, out, _ = await desk.run("audit", "verify", "journal-2", "--convention", "convention.note")
            assert code == 4
            assert "WRONG" in out
            code, _, err = await desk.run(*desk.arguments("compare"))
            assert code == 4
            assert "journal-2" in err

    asyncio.run(story())


def test_who_is_no_member_gets_no_copy(tmp_path: Path) -> None:
    async def story() -> None:
        async with exchange(tmp_path) as (_, desk, _):
            stranger = Keyring.create("auditeur", "Press", ["auditor"], CONVENTION, now=utc_now())
            save_cheaply(stranger, desk.place / "auditeur.vigie", PASSPHRASE)
            code, out, _ = await desk.run(*desk.arguments("export"))
            assert code in {5, 7}
            assert out == ""
            assert not (desk.place / "journal").exists()

    asyncio.run(story())
