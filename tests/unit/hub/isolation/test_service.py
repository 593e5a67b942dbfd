"""The launcher as a service: one user, one word, one enclave for each connection."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from vigie.errors import ConfigError, Unavailable
from vigie.evidence import measure_tree, measurement
from vigie_hub.isolation.service import LauncherService, RemoteLauncher, check_root_owned, listen
from vigie_hub.launcher import Launcher

ECHO = "import os\nwhile data := os.read(3, 99): os.write(3, data)"


def make(folder: Path) -> Launcher:
    (folder / "root").mkdir(parents=True)
    (folder / "root" / "one").write_bytes(b"1")
    launch = {"arguments": [sys.executable, "-I", "-c", ECHO], "environment": {"TZ": "UTC"}, "policy": ""}
    (folder / "launch.json").write_text(json.dumps(launch))
    return Launcher(folder, folder / "memory")


@asynccontextmanager
async def serving(folder: Path, *, uid: int) -> AsyncIterator[RemoteLauncher]:
    launcher = make(folder)
    with listen(folder / "socket", os.getuid()) as listening:
        task = asyncio.create_task(LauncherService(launcher, uid).serve(listening))
        try:
            yield RemoteLauncher(folder / "socket", launcher.launch)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def test_the_hub_gets_the_channel_of_an_enclave_that_it_did_not_start(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path / "e", uid=os.getuid()) as remote:
            launch = json.loads((tmp_path / "e" / "launch.json").read_text())
            assert await asyncio.to_thread(remote.measure) == measurement(measure_tree(tmp_path / "e" / "root"), launch)
            enclave = await remote.start()
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(enclave.channel._connection, b"hello")
            assert await loop.sock_recv(enclave.channel._connection, 99) == b"hello"
            await enclave.check({})  # it claims nothing
            await enclave.end(at_once=False)

    asyncio.run(story())


def test_an_enclave_ends_with_the_connection_that_asked_for_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path / "e", uid=os.getuid()) as remote:
            enclave = await remote.start()
            enclave.connection.close()
            async with asyncio.timeout(20):
                assert await asyncio.get_running_loop().sock_recv(enclave.channel._connection, 1) == b""
            enclave.channel.close()

    asyncio.run(story())


def test_another_user_is_not_answered(tmp_path: Path) -> None:
    async def story() -> None:
        async with serving(tmp_path / "e", uid=os.getuid() + 1) as remote:
            with pytest.raises(Unavailable):
                await remote.start()
            with pytest.raises(Unavailable):
                await asyncio.to_thread(remote.measure)

    asyncio.run(story())


@pytest.mark.parametrize("word", [b"look", b"wait", b"start /bin/sh", b'{"command": "start"}', b"\0" * 64])
def test_nothing_else_can_be_asked_for(tmp_path: Path, word: bytes) -> None:
    async def story() -> None:
        async with serving(tmp_path / "e", uid=os.getuid()):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
                connection.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(connection, str(tmp_path / "e" / "socket"))
                await loop.sock_sendall(connection, word)
                async with asyncio.timeout(20):
                    assert await loop.sock_recv(connection, 99) == b""

    asyncio.run(story())


def test_a_launcher_that_is_not_there(tmp_path: Path) -> None:
    launcher = make(tmp_path / "e")
    with pytest.raises(Unavailable, match="does not answer"):
        RemoteLauncher(tmp_path / "nothing", launcher.launch).measure()


def test_a_root_that_others_could_change_is_not_started(tmp_path: Path) -> None:
    make(tmp_path / "e")
    (tmp_path / "e" / "root" / "one").chmod(0o666)
    with pytest.raises(ConfigError, match="could be changed by others"):
        check_root_owned(tmp_path / "e")
    with pytest.raises(ConfigError, match="cannot listen"):
        listen(tmp_path / "no folder" / "socket", 0)
