"""Measuring and starting: the memory of hashes never hides a change, and an enclave gets one descriptor and no more."""

import asyncio
import errno
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


NUMBER = {"root": "ROOT", "files": {"two": [1, 1, 1, 1, 1, "00" * 32]}}


@pytest.mark.parametrize(
    "memory",
    [
        "", "not json", "[]", '{"root": 1}', '{"root": "ROOT", "files": {"two": [1]}}', '{"root": "ROOT", "files": []}',
        '{"root": "ROOT", "files": {"two": 7}}', '{"root": "ROOT", "files": {"two": [1, 1, 1, 1, 1, 1]}}',
        json.dumps(NUMBER), json.dumps(NUMBER).replace("00", "zz"), json.dumps(NUMBER)[:-9], "[" * 100_000,
    ],
)  # fmt: skip
def test_a_lost_or_torn_memory_is_no_memory(tmp_path: Path, memory: str) -> None:
    folder = make(tmp_path / "enclave")
    (tmp_path / "memory").write_text(memory.replace("ROOT", str((folder / "root").resolve())))
    launcher = Launcher(folder, tmp_path / "memory")
    expected = measurement(measure_tree(folder / "root"), LAUNCH)
    assert launcher.measure() == expected
    (tmp_path / "memory").unlink()
    assert launcher.measure() == expected


def test_a_memory_of_another_root_is_not_used(tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    Launcher(one, tmp_path / "memory").measure()
    two = make(tmp_path / "two")
    (two / "root" / "two").write_bytes(b"23")
    assert Launcher(two, tmp_path / "memory").measure() == measurement(measure_tree(two / "root"), LAUNCH)


@pytest.mark.parametrize("place", range(5))
def test_a_file_whose_identity_differs_in_one_number_is_hashed_again(tmp_path: Path, place: int) -> None:
    """Size, both times, inode and device: each alone is enough, a restored time of modification hides nothing."""
    folder = make(tmp_path / "enclave")
    memory = tmp_path / "memory"
    launcher = Launcher(folder, memory)
    honest = launcher.measure()
    said = json.loads(memory.read_bytes())
    entry = said["files"]["two"]
    status = (folder / "root" / "two").stat()
    assert entry[:5] == [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
    # The hub's own user can forge it, and nothing can be done about that at this level (docs/threats.md) ...
    said["files"]["two"] = [*entry[:5], "11" * 32]
    memory.write_text(json.dumps(said))
    assert launcher.measure() != honest
    # ... but what was remembered for a file of any other identity is never taken.
    said["files"]["two"][place] += 1
    memory.write_text(json.dumps(said))
    assert launcher.measure() == honest


def test_a_changed_byte_with_a_restored_time_is_noticed(tmp_path: Path) -> None:
    folder = make(tmp_path / "enclave")
    launcher = Launcher(folder, tmp_path / "memory")
    before = launcher.measure()
    two = folder / "root" / "two"
    status = two.stat()
    with two.open("r+b") as file:  # the same inode, size and time of modification: only the time of change tells
        file.write(b"2!")
    os.utime(two, ns=(status.st_atime_ns, status.st_mtime_ns))
    now = two.stat()
    assert (now.st_ino, now.st_size, now.st_mtime_ns) == (status.st_ino, status.st_size, status.st_mtime_ns)
    assert launcher.measure() not in (before, b"") and launcher.measure() == measurement(
        measure_tree(folder / "root"), LAUNCH
    )


def test_the_memory_is_for_its_owner_alone(tmp_path: Path) -> None:
    Launcher(make(tmp_path / "enclave"), tmp_path / "memory").measure()
    assert (tmp_path / "memory").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("launch", ["", "[]", "{}", '{"arguments": 3, "environment": {}}', '{"arguments": []}'])
def test_a_folder_without_an_enclave_is_refused(tmp_path: Path, launch: str) -> None:
    folder = make(tmp_path / "enclave")
    (folder / "launch.json").write_text(launch)
    with pytest.raises(ConfigError):
        Launcher(folder, tmp_path / "memory")


async def started(folder: Path, code: str) -> EnclaveProcess:
    make(folder, [sys.executable, "-I", "-c", code, "3"])
    return await Launcher(folder, folder / "memory").start()


def test_an_enclave_that_this_user_may_not_read_is_not_called_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make(tmp_path / "enclave")

    def denied(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ConfigError, match="cannot be read by this user") as raised:
        Launcher(folder, tmp_path / "memory")
    assert "chmod a+rx" in (raised.value.hint or "")


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
