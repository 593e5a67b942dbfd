"""The outside witness: each layer that a claim names and the kernel contradicts, by name."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vigie.errors import Refused, Unavailable
from vigie_hub.enclave import sandbox
from vigie_hub.isolation import witness
from vigie_hub.isolation.launch import Launch
from vigie_hub.isolation.witness import Seen

LAUNCH = Launch(("lib/loader", "-m", "x"), {"TZ": "UTC"}, {"B": ((), ()), "C": ((), ())})
CLAIM = dict.fromkeys(sandbox.NAMES, "enforced")
UID = 60_800
GOOD = Seen(
    uids=(UID,) * 4, gids=(UID,) * 4, groups=(), capabilities=1 << 14, no_new_privileges=True, seccomp=(2, 2), threads=2,
    locked=4, limits={"core": ("0", "0"), "fsize": ("0", "0")}, shut=True, descriptors=(3,),
    environment=("PWD=/", "TZ=UTC"),
    own_namespaces={**dict.fromkeys(("network", "pids", "ipc", "uts", "cgroups", "mounts"), True), "user": False},
    in_root=True, foreign=(),
)  # fmt: skip


def test_what_agrees_passes() -> None:
    assert witness.disagreements(GOOD, CLAIM, "C", UID, LAUNCH) == []
    witness.check(GOOD, CLAIM, "C", UID, LAUNCH)
    assert Seen.from_json(GOOD.to_json()) == GOOD


@pytest.mark.parametrize(
    ("layer", "change"),
    [
        ("user", {"uids": (0, UID, UID, UID)}), ("user", {"gids": (UID, UID, UID, 0)}), ("user", {"groups": (27,)}),
        ("user", {"capabilities": 1 << 19}), ("new_privileges", {"no_new_privileges": False}),
        ("seccomp", {"seccomp": (2, 0)}), ("memory_lock", {"locked": 0}), ("dumpable", {"shut": False}),
        ("core_dump", {"limits": {"core": ("0", "unlimited"), "fsize": ("0", "0")}}),
        ("limits", {"limits": {"core": ("0", "0"), "fsize": ("unlimited", "unlimited")}}),
        ("descriptors", {"descriptors": (1, 3)}), ("environment", {"environment": ("LD_PRELOAD=x", "TZ=UTC")}),
        ("mounts", {"in_root": False}), ("files", {"foreign": ("libevil.so",)}),
        *[
            (layer, {"own_namespaces": {**(GOOD.own_namespaces or {}), layer: False}})
            for layer in ("network", "pids", "ipc", "uts", "cgroups", "mounts")
        ],
        ("user", {"own_namespaces": {**(GOOD.own_namespaces or {}), "user": True}}),
    ],
)  # fmt: skip
def test_a_contradiction_names_the_layer_and_ends_the_order(layer: str, change: dict[str, Any]) -> None:
    seen = replace(GOOD, **change)
    (said,) = witness.disagreements(seen, CLAIM, "C", UID, LAUNCH)
    assert said.startswith(f"{layer}: ")
    with pytest.raises(Refused, match=layer) as refused:
        witness.check(seen, CLAIM, "C", UID, LAUNCH)
    assert refused.value.claim == "isolation"


def test_a_namespace_that_mode_b_cannot_have_is_a_contradiction() -> None:
    found = witness.disagreements(GOOD, CLAIM, "B", UID, LAUNCH)
    assert [line.split(":")[0] for line in found] == ["network", "pids", "ipc", "uts", "cgroups", "mounts"]


def test_what_is_not_claimed_is_not_held_against_it() -> None:
    bad = replace(GOOD, seccomp=(0,), shut=False, locked=0, descriptors=(1, 2, 3))
    nothing = dict.fromkeys(sandbox.NAMES, "not enforced: nothing of it")
    assert witness.disagreements(bad, nothing, "B", 0, LAUNCH) == []


def test_what_this_reader_may_not_see_contradicts_nothing() -> None:
    shut = replace(GOOD, descriptors=None, environment=None, own_namespaces=None, in_root=None, foreign=None)
    assert witness.disagreements(shut, CLAIM, "C", UID, LAUNCH) == []


def test_a_process_without_layers_is_seen_as_it_is(tmp_path: Path) -> None:
    seen = witness.look(os.getpid(), tmp_path, LAUNCH)
    assert set(seen.seccomp) == {0}
    root = os.geteuid() == 0
    # This interpreter is no file of that folder; which files are mapped, root alone may see.
    assert bool(seen.foreign) is root
    found = witness.disagreements(seen, CLAIM, "B", 0, LAUNCH)
    assert {"seccomp", "new_privileges", "limits", *(["files"] if root else [])} <= {
        line.split(":")[0] for line in found
    }


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        witness.look(2**22 + 1, tmp_path, LAUNCH)


def test_a_process_that_ends_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its descriptors are gone then: that is its end, and no contradiction of what it claimed."""
    read = witness._limits
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:

        def read_late(text: str) -> dict[str, tuple[str, str]]:
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            return read(text)

        monkeypatch.setattr(witness, "_limits", read_late)
        with pytest.raises(Unavailable, match="while it was looked at"):
            witness.look(process.pid, tmp_path, LAUNCH)


def test_a_process_that_has_closed_its_channel_has_ended(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "exec sleep 60 <&- >&- 2>&-"], close_fds=True) as process:
        with pytest.raises(Unavailable, match="ended"):
            while witness.look(process.pid, tmp_path, LAUNCH).descriptors:
                pass
        process.kill()
