"""Measuring and starting: the memory of hashes never hides a change, and an enclave gets one descriptor and no more."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from vigie.errors import ConfigError
from vigie.evidence import measure_tree, measurement
from vigie_hub.launcher import EnclaveProcess, Launcher

LAUNCH = {"arguments": ["bin/true"], "environment": {"TZ": "UTC"}, "policy": "p"}


def make(folder: Path, arguments: list[str] | None = None) -> Path:
    (folder / "root" / "lib").mkdir(parents=True)
    (folder / "root" / "lib" / "one").write_bytes(b"1")
    (folder / "root" / "two").write_bytes(b"22")
    launch = {**LAUNCH, "arguments": arguments or LAUNCH["arguments"]}
    (folder / "launch.json").write_text(json.dumps(launch))
    return folder


def test_the_measurement_is_that_of_the_tree_and_the_launch(tmp_path: Path) -> None:
    folder = make(tmp_path / "enclave")
    launcher = Launcher(folder, tmp_path / "memory")
    expected = measurement(measure_tree(folder / "root"), LAUNCH)
    assert launcher.measure() == expected == launcher.measure()
    assert Launcher(folder, tmp_path / "memory").measure() == expected


def test_every_change_shows_though_hashes_are_remembered(tmp_path: Path) -> None:
    folder = make(tmp_path / "enclave")
    launcher = Launcher(folder, tmp_path / "memory")
    seen = {launcher.measure()}

    def changed() -> None:
        now = launcher.measure()
        assert now not in seen
        assert now == measurement(measure_tree(folder / "root"), LAUNCH)
        seen.add(now)

    one = folder / "root" / "lib" / "one"
    one.write_bytes(b"2")
    changed()
    status = one.stat()
    one.write_bytes(b"3")
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))  # the same size and time of change as before
    changed()
    one.rename(folder / "root" / "lib" / "uno")
    changed()
    (folder / "root" / "three").write_bytes(b"")
    changed()
    (folder / "root" / "three").unlink()
    (folder / "root" / "three").symlink_to("two")
    changed()


@pytest.mark.parametrize(
    "memory", [b"", b"not json", b"[]", b'{"root": 1}', b'{"root": "ROOT", "files": {"two": [1]}}']
)
def test_a_damaged_memory_is_no_memory(tmp_path: Path, memory: bytes) -> None:
    folder = make(tmp_path / "enclave")
    (tmp_path / "memory").write_bytes(memory.replace(b"ROOT", str((folder / "root").resolve()).encode()))
    assert Launcher(folder, tmp_path / "memory").measure() == measurement(measure_tree(folder / "root"), LAUNCH)


@pytest.mark.parametrize("launch", ["", "[]", "{}", '{"arguments": 3, "environment": {}}', '{"arguments": []}'])
def test_a_folder_without_an_enclave_is_refused(tmp_path: Path, launch: str) -> None:
    folder = make(tmp_path / "enclave")
    (folder / "launch.json").write_text(launch)
    with pytest.raises(ConfigError):
        Launcher(folder, tmp_path / "memory")


async def started(folder: Path, code: str) -> EnclaveProcess:
    make(folder, [sys.executable, "-I", "-c", code, "3"])
    return await Launcher(folder, folder / "memory").start()


def test_an_enclave_has_its_channel_the_fixed_environment_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import json, os, socket\n"
        "channel = socket.socket(fileno=3)\n"
        "def target(n):\n"
        "    try: return os.readlink(f'/proc/self/fd/{n}')\n"
        "    except OSError: return None\n"
        "fds = {n: target(n) for n in range(256)}\n"
        "fds = {n: t for n, t in fds.items() if t}\n"
        "said = json.dumps({'fds': fds, 'environ': dict(os.environ), 'cwd': os.getcwd()}).encode()\n"
        "channel.sendall(len(said).to_bytes(4, 'big') + said)\n"
    )

    async def story() -> None:
        kept, other = socket.socketpair()  # something of ours that it must not get
        other.set_inheritable(True)
        process = await started(tmp_path / "enclave", code)
        loop = asyncio.get_running_loop()
        data = b""
        while chunk := await loop.sock_recv(process.channel._connection, 65536):
            data += chunk
        said = json.loads(data[4:])
        assert set(said["fds"]) == {"0", "1", "2", "3"}
        assert {said["fds"][number] for number in "012"} == {"/dev/null"}
        # LC_CTYPE is what Python itself sets when the locale is the built-in one.
        assert {key: value for key, value in said["environ"].items() if key != "LC_CTYPE"} == {"TZ": "UTC"}
        assert said["cwd"] == str((tmp_path / "enclave" / "root").resolve())
        await process.end(at_once=False)
        assert process.process.returncode == 0
        kept.close()
        other.close()

    asyncio.run(story())


def test_an_enclave_that_stays_is_killed(tmp_path: Path) -> None:
    async def story() -> None:
        process = await started(tmp_path / "enclave", "import time; time.sleep(600)")
        await process.end(at_once=True)
        assert process.process.returncode == -9

    asyncio.run(story())
