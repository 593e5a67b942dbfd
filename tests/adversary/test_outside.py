"""Other processes on the hub's host against a sealed enclave: none gets a byte – but for root, and that is said aloud.

The enclave holds a marker and waits; the attempts are those of :mod:`support.intruder.outside`, by another user, by the account
of the hub, by the enclave's own user, and by root.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import sealed
from support.intruder.outside import DEADLY, attempts
from support.sealed import MODES, SealedRoot
from vigie.evidence import LIMITS
from vigie_hub.isolation.launch import Mode
from vigie_hub.isolation.starting import Started

TESTS = Path(__file__).parents[1]
MARKER = b"what no other process may see: 552 100 554"
ANOTHER_USER = 60990
HUBS_ACCOUNT = 60991
HARMLESS = tuple(name for name in attempts(0, 0) if name not in DEADLY)

WAITS = f"""
kept = ctypes.create_string_buffer({MARKER!r}, 64)
def probe():
    os.read(3, 1)
    return kept.raw.hex()
"""


@pytest.fixture(scope="module")
def root(enclave: Path) -> Iterator[SealedRoot]:
    with sealed.shared_sealed_root(enclave) as made:
        yield made


def attack(user: int, pid: int, address: int, *names: str) -> dict[str, str]:
    """Everything that a user tries, in a process of its own."""
    become = [] if user == os.geteuid() else ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    done = subprocess.run(
        [*become, str(Path(sys.executable).resolve()), "-B", "-m", "support.intruder.outside", str(pid), str(address), *names],
        cwd=TESTS, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def looked_at(by: Callable[[int, int], Any]) -> Callable[[Started], Awaitable[Any]]:
    """Have somebody look at the enclave: given its pid on the host, and the user that it became."""

    async def look(started: Started) -> Any:
        pid = started.pid()
        assert pid is not None
        return await asyncio.to_thread(by, pid, started.uid)

    return look


def found_in_memory(pid: int) -> bool:
    """Whether whoever asks finds the marker in the memory of a process, which only root may look through."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            (
                span,
                rights,
                *_,
            ) = line.split()
            begin, end = (int(one, 16) for one in span.split("-"))
            if "rw" not in rights or end - begin > 1 << 30:
                continue
            try:
                memory.seek(begin)
                if MARKER in memory.read(end - begin):
                    return True
            except OSError:
                continue
    return False


USERS = (ANOTHER_USER, HUBS_ACCOUNT) if os.geteuid() == 0 else (os.geteuid(),)
"""Who can be played here: an account that is not root attacks as itself."""


@pytest.mark.parametrize("mode", MODES)
def test_no_other_user_and_not_the_hub_gets_anything(root: SealedRoot, mode: Mode) -> None:
    def everybody(pid: int, uid: int) -> dict[int, dict[str, str]]:
        return {user: attack(user, pid, 0x10000, *HARMLESS) for user in (*USERS, uid or os.geteuid()) if user}

    outcome = sealed.run(root, mode, WAITS, outside=looked_at(everybody))
    assert bytes.fromhex(outcome.value).startswith(MARKER), "it lived on, and its memory was not written to"
    assert outcome.witnessed
    for user, found in outcome.witnessed.items():
        assert len(found) == len(HARMLESS)
        assert {name: said for name, said in found.items() if said not in REFUSALS} == {}, user


REFUSALS = ("refused Operation not permitted", "refused Permission denied")


@pytest.mark.skipif(os.geteuid() != 0, reason="an account that is not root cannot play another")
@pytest.mark.parametrize("mode", MODES)
def test_no_other_user_can_end_it_with_a_signal_that_dumps(root: SealedRoot, mode: Mode) -> None:
    def signals(pid: int, _uid: int) -> list[dict[str, str]]:
        return [attack(user, pid, 0, *DEADLY) for user in USERS]

    outcome = sealed.run(root, mode, WAITS, outside=looked_at(signals))
    assert bytes.fromhex(outcome.value).startswith(MARKER)
    assert outcome.witnessed == [dict.fromkeys(DEADLY, "refused Operation not permitted")] * len(USERS)


def test_the_same_attempts_succeed_on_a_process_without_layers(tmp_path: Path) -> None:
    program = (
        "import ctypes, os, sys; os.dup2(0, 3); kept = ctypes.create_string_buffer("
        f"{MARKER!r}, 64)\nprint(ctypes.addressof(kept), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [str(Path(sys.executable).resolve()), "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    ) as victim:
        assert victim.stdin is not None and victim.stdout is not None
        address = int(victim.stdout.readline())
        found = attack(0 if os.geteuid() == 0 else os.geteuid(), victim.pid, address, *HARMLESS)
        victim.stdin.close()
    # Only root may look at the stack of the kernel, of anybody.
    assert {name for name, said in found.items() if said != "done"} <= {"read_stack"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can show what root can do")
@pytest.mark.parametrize("mode", MODES)
def test_expected_root_reads_a_level_a1_enclave(root: SealedRoot, mode: Mode) -> None:
    """No software stops the administrator of the host, and every result of a level A1 run says so."""
    outcome = sealed.run(root, mode, WAITS, outside=looked_at(lambda pid, _uid: found_in_memory(pid)))
    assert outcome.witnessed is True
    assert any("administrator could read data while a job runs" in sentence for sentence in LIMITS["A1"])


DUMPED = """
import ctypes, resource, signal, sys
sys.path[:0] = {path!r}
from vigie_hub.enclave.sandbox.process import CoreDump, Dumpable
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
kept = ctypes.create_string_buffer({marker!r}, 64)
{layer}
signal.raise_signal(signal.SIGSEGV)
"""


@pytest.mark.parametrize(("layer", "dumps"), [("", True), ("CoreDump().apply()", False), ("Dumpable().apply()", False)])
def test_a_crash_leaves_no_memory_behind(tmp_path: Path, layer: str, dumps: bool) -> None:
    source = Path(__file__).parents[2]
    code = DUMPED.format(path=[str(source / "hub"), str(source / "common")], marker=MARKER, layer=layer)
    pid = os.posix_spawn(
        sys.executable, [sys.executable, "-c", f"import os; os.chdir({str(tmp_path)!r})\n{code}"], dict(os.environ)
    )
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV
    assert os.WCOREDUMP(status) is dumps
    cores = [path for path in tmp_path.iterdir() if MARKER in path.read_bytes()]
    if not Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
        assert bool(cores) is dumps
