"""Hostile code inside an enclave, as a flaw in a decoder or a bad dependency would put it there: nothing gets out.

Every attempt of :mod:`support.intruder` is made with no layer at all, where it must succeed, or its failing elsewhere would
mean nothing; and in each mode that this host gives, from the main thread, from a thread older than the seal and from a worker
of OpenMP, where it must be refused by the answer named here or end the process.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import intruder, sealed
from support.intruder.processes import EXECUTED
from support.sealed import MODES, Outcome, SealedRoot, Thread
from vigie_hub.isolation.launch import Mode

NAME = "vigie_intruder"
PACKAGE = Path(intruder.__file__).parent
TESTS = Path(__file__).parents[1]
AT_ONCE = 3
"""Processes that run side by side; each waits most of the time."""

intruder.libraries.register()
PROBES = intruder.PROBES
OF_LIBRARIES = tuple(name for name, one in PROBES.items() if one.attempt.__module__.endswith("libraries"))

ANSWERED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "open_a_host_file", "openat_a_host_file", "openat2_the_folder", "open_the_folder", "open_own_code",
            "open_own_memory", "open_own_map", "open_environment_of_the_launcher", "open_the_null_device",
            "stat_a_host_file", "statx_a_host_file", "read_a_link", "unnamed_file", "create_a_file_in_tmp",
            "create_a_file_in_shared_memory", "create_a_file_in_var_tmp", "enter_a_namespace",
        ),
        "refused ENOENT",
    ),
    **dict.fromkeys(
        (
            "file_in_memory", "execute_from_memory", "dumpable_again", "parent_death_signal", "change_a_limit",
            "another_filter", "executable_memory", "memory_made_executable", "duplicate_the_channel",
            "settings_of_the_channel", "input_output_control",
        ),
        "refused EPERM",
    ),
    "clone3": "refused ENOSYS",
    "exhaust_memory": "refused ENOMEM",
    "many_threads": "refused RuntimeError",
    "python_subprocess": "refused FileNotFoundError",
}  # fmt: skip
"""Attempts that get an answer, and which; an attempt of a library gets the library's own error; any other ends the process."""

DEADLY = tuple(name for name in PROBES if name not in ANSWERED and name not in OF_LIBRARIES)

SEVERAL = """
import {package} as intruder
if {libraries}:
    intruder.libraries.register()
def probe():
    return json.dumps({{name: intruder.tell(name) for name in {names!r}}})
import json
"""


def code(names: Sequence[str]) -> str:
    return SEVERAL.format(package=NAME, libraries=any(name in OF_LIBRARIES for name in names), names=tuple(names))


@pytest.fixture(scope="module")
def root(enclave: Path) -> Iterator[SealedRoot]:
    with sealed.shared_sealed_root(enclave, {NAME: PACKAGE}) as made:
        yield made


def answers(outcome: Outcome) -> dict[str, str]:
    assert outcome.succeeded, outcome
    return dict(json.loads(outcome.value))


def test_there_are_enough_attempts() -> None:
    assert len(PROBES) >= 60
    assert ANSWERED.keys() <= PROBES.keys()


def unsealed(*names: str) -> list[str]:
    """What comes of attempts in a plain process, in mounts and System V objects of its own where there is root."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        apart = ["unshare", "--mount", "--ipc"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*apart, "/bin/sh", "-c", 'exec "$@" 3<&0 </dev/null', "sh", sys.executable, "-B", "-m", "support.intruder", *names],
            cwd=TESTS, stdin=theirs.fileno(), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    if done.returncode == EXECUTED:
        return ["done"]
    return done.stdout.splitlines() or [done.stderr[-300:]]


def test_every_attempt_succeeds_where_there_is_no_layer() -> None:
    possible = [name for name, one in PROBES.items() if os.geteuid() == 0 or not one.privileged]
    alone = [name for name in possible if name not in OF_LIBRARIES]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {name: said for name, (said,) in zip(alone, pool.map(unsealed, alone), strict=True)}
    # The libraries take seconds to load, and none of these ends the process.
    found |= zip(OF_LIBRARIES, unsealed(*OF_LIBRARIES), strict=True)
    assert {name: said for name, said in found.items() if said != "done"} == {}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("thread", sealed.THREADS)
@pytest.mark.parametrize("mode", MODES)
def test_every_attempt_is_refused_inside(root: SealedRoot, mode: Mode, thread: Thread) -> None:
    asked = sealed.run(root, mode, code(tuple(ANSWERED)), thread=thread)
    assert answers(asked) == ANSWERED
    libraries = answers(sealed.run(root, mode, code(OF_LIBRARIES), thread=thread))
    assert {name: said for name, said in libraries.items() if not said.startswith("refused ")} == {}

    def alone(name: str) -> Outcome:
        return sealed.run(root, mode, code([name]), thread=thread)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(DEADLY, pool.map(alone, DEADLY), strict=True))
    assert {name: outcome for name, outcome in found.items() if not outcome.killed} == {}


@pytest.mark.parametrize(
    ("layer", "through"),
    [
        # Taken away alone, each lets through what only it stands before; the others show that they stand too.
        ("seccomp", ("socket_inet", "socket_vsock", "io_uring", "keyring_of_the_kernel", "pipe", "who_am_i")),
        ("limits", ()),
    ],
)
def test_a_layer_that_is_taken_away_is_missed(root: SealedRoot, layer: str, through: Sequence[str]) -> None:
    outcome = sealed.run(root, "B", code(through), without=[layer])
    assert not outcome.states[layer].startswith("enforced")
    assert answers(outcome) == dict.fromkeys(through, "done")
