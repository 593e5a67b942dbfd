"""Launch descriptions, modes, users, and what the doctor says of them."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vigie.errors import ConfigError, StateError, Unavailable
from vigie_hub.enclave import sandbox
from vigie_hub.isolation import doctor, launch, modes
from vigie_hub.isolation.uids import DEFAULT, UidRange

DESCRIPTION = {"arguments": ["lib/ld", "bin/python3", "-m", "vigie_hub.enclave", "3"], "environment": {"TZ": "UTC"}}
LAUNCH = launch.read({**DESCRIPTION, **launch.MODES})


def test_both_modes_are_the_same_program_with_their_own_words() -> None:
    b = LAUNCH.command("B", bwrap="", root="/srv/root", uid=60_800)
    c = LAUNCH.command("C", bwrap="/usr/bin/bwrap", root="/srv/root", uid=60_800)
    assert b == [*DESCRIPTION["arguments"], "B", "60800"]
    assert c[0] == "/usr/bin/bwrap" and c[-7:] == [*DESCRIPTION["arguments"], "C", "60800"]
    place = c.index("--ro-bind")
    assert c[place : place + 3] == ["--ro-bind", "/srv/root", "/"]
    assert c.count("--ro-bind") == 1 and not {"--unshare-user", "--uid", "--proc", "--dev", "--bind"} & set(c)
    assert json.loads(json.dumps(launch.MODES)) == launch.MODES  # it is what launch.json holds


def test_a_description_that_names_no_modes_is_started_as_it_stands() -> None:
    old = launch.read(DESCRIPTION)
    assert old.command("B", bwrap="", root="/x", uid=0) == DESCRIPTION["arguments"]
    with pytest.raises(ConfigError, match="mode C"):
        old.command("C", bwrap="/usr/bin/bwrap", root="/x", uid=1)


def test_another_module_is_the_only_difference_of_a_canary() -> None:
    canary = LAUNCH.with_module("vigie_hub.enclave.canary")
    differing = [pair for pair in zip(LAUNCH.arguments, canary.arguments, strict=True) if pair[0] != pair[1]]
    assert differing == [("vigie_hub.enclave", "vigie_hub.enclave.canary")]
    assert (canary.modes, canary.environment) == (LAUNCH.modes, LAUNCH.environment)
    with pytest.raises(ConfigError):
        launch.read({**DESCRIPTION, "arguments": ["bin/true"]}).with_module("x")


@pytest.mark.parametrize("broken", [{}, {"arguments": [], "environment": {}}, {"arguments": ["x"], "environment": 3}])
def test_what_is_no_description(broken: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        launch.read(broken)


def test_without_bubblewrap_it_is_mode_b_and_the_reason_is_said(tmp_path: Path) -> None:
    choice = modes.choose(LAUNCH, tmp_path, search=str(tmp_path))
    assert choice.mode == "B"
    assert choice.reason == ("bubblewrap is not installed" if os.geteuid() == 0 else "the launcher is not root")
    with pytest.raises(ConfigError, match="mode C is wanted and not to be had"):
        modes.choose(LAUNCH, tmp_path, "C", search=str(tmp_path))


def test_bubblewrap_that_does_not_work_here_is_found_out_by_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    choice = modes.choose(LAUNCH, tmp_path, search=str(tmp_path))
    assert (choice.mode, choice.reason) == ("B", "bubblewrap says: bwrap: No permissions to create new namespace")


def test_mode_a_is_never_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no isolation 'A'"):
        modes.choose(LAUNCH, tmp_path, "A")
    assert "--unshare-user" not in launch.BUBBLEWRAP


def test_mode_b_gets_a_user_of_its_own_only_where_that_user_can_go(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    inner.parent.chmod(stat.S_IRWXU)
    assert not modes.others_may_enter(inner)
    assert modes.others_may_enter(Path("/usr"))


def test_a_user_is_given_to_one_enclave_at_a_time(tmp_path: Path) -> None:
    uids, held = UidRange(59_001, 59_002), tmp_path / "held"
    with uids.taken(held) as first:
        with uids.taken(held) as second:
            assert {first, second} == {59_001, 59_002}
            with pytest.raises(Unavailable), uids.taken(held):
                pass
        with uids.taken(held) as again:
            assert again == second
    assert stat.S_IMODE(held.stat().st_mode) == 0o700


def test_a_user_is_taken_for_launchers_in_other_namespaces_and_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    holding = (
        "import sys, time; from pathlib import Path; from vigie_hub.isolation.uids import UidRange\n"
        "with UidRange(59_001, 59_001).taken(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    apart = ["unshare", "--net", "--ipc"] if os.geteuid() == 0 else []
    with subprocess.Popen([*apart, sys.executable, "-c", holding, tmp_path], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(Unavailable), UidRange(59_001, 59_001).taken(tmp_path):
            pass
        holder.kill()
    with UidRange(59_001, 59_001).taken(tmp_path) as uid:
        assert uid == 59_001


def test_where_no_user_can_be_held_no_enclave_starts(tmp_path: Path) -> None:
    (tmp_path / "held").write_text("a file")
    with (
        pytest.raises(StateError, match="no user can be held") as raised,
        UidRange(59_001, 59_001).taken(tmp_path / "held"),
    ):
        pass
    assert "RuntimeDirectory" in (raised.value.hint or "")


@pytest.mark.parametrize("text", ["", "1", "0-5", "500-900", "70000-60000", "a-b", "1000-99999999999", "-1-5", "²-³"])
def test_what_is_no_range_of_users(text: str) -> None:
    with pytest.raises(ConfigError):
        UidRange.parse(text)


def test_the_usual_range() -> None:
    assert UidRange.parse(DEFAULT) == UidRange(60_800, 60_863)


def inspection(mode: str, reason: str = "", **states: str) -> doctor.Inspection:
    layers = {**dict.fromkeys(sandbox.NAMES, "enforced"), **states}
    return doctor.Inspection(mode, reason, layers, {}, ())


@pytest.mark.parametrize(
    ("found", "layer", "remedy"),
    [
        (
            inspection("B", "bubblewrap is not installed", network="not enforced: x"),
            "network",
            "apt-get install bubblewrap",
        ),
        (inspection("B", "the launcher is not root", user="not enforced: x"), "user", "enclave_launcher in hub.toml"),
        (inspection("B", "hub.toml asks for mode B", pids="not enforced: x"), "pids", 'isolation = "auto"'),
        (inspection("B", "bubblewrap says: no", ipc="not enforced: x"), "ipc", "bubblewrap says: no"),
        (inspection("B", "x", memory_lock="failed: ENOMEM"), "memory_lock", "LimitMEMLOCK=infinity"),
        (inspection("C", "", landlock="absent: ENOSYS"), "landlock", "lsm="),
        (inspection("C", "", landlock_tcp="absent: x"), "landlock_tcp", "6.7"),
        (inspection("C", "", landlock_scopes="absent: x"), "landlock_scopes", "6.12"),
        (inspection("C", "", mdwe="absent: x"), "mdwe", "6.3"),
        (inspection("C", "", dumpable="failed"), "dumpable", "report it"),
    ],
)
def test_the_doctor_names_one_remedy_for_each_missing_layer(found: doctor.Inspection, layer: str, remedy: str) -> None:
    judged = {one.layer: one for one in doctor.findings(found, ["seccomp", layer])}
    assert remedy in judged[layer].remedy and judged[layer].demanded and not judged[layer].enforced
    assert [one.layer for one in judged.values() if one.remedy] == [layer]
    assert doctor.Inspection.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_demanded_layer_that_nobody_knows_is_missing() -> None:
    judged = doctor.findings(inspection("C"), ["moat"])
    assert [(one.layer, one.state) for one in judged if not one.enforced] == [("moat", "not named")]


def test_the_doctor_remarks_on_swap_core_pipes_and_root() -> None:
    files = {"/proc/swaps": "head\n/dev/sda2\n", "/proc/sys/kernel/core_pattern": "|/usr/lib/systemd/systemd-coredump"}
    said = " ".join(
        doctor.remarks(inspection("B", "x", memory_lock="failed: ENOMEM"), lambda path: files.get(str(path)))
    )
    for words in ("mode B: x", "swapoff", "core dumps go to a program", "root on this host can read"):
        assert words in said
    quiet = " ".join(doctor.remarks(inspection("C"), lambda _: None))
    assert "swap" not in quiet and "core dumps" not in quiet and "root on this host can read" in quiet
