"""The shipped systemd units, run by a real systemd as they are: a hub without root, a launcher with it, a whole order."""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from support.exchange import PERIOD, Exchange, make_data
from support.systemd import USER, WHY_NOT, Systemd
from vigie.demo.story import HUB, PARTNERS
from vigie_hub.cli.connecting import ADDRESS_FILE
from vigie_hub.cli.enclave import UNITS
from vigie_hub.enclave import sandbox

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"no systemd can be started here: {WHY_NOT}")

LAUNCHER, SERVICE = UNITS


class Installed(Exchange):
    """An exchange whose hub and launcher are the units."""

    @cached_property
    def units(self) -> Systemd:
        """They, booted or not."""
        assert self.enclave_root is not None
        return Systemd(self.folder / "systemd", self.hub, self.enclave_root)

    def start(self) -> None:
        """Put the hub's files where the units look for them, and boot."""
        shutil.copy(self._keyring(HUB), self.hub / "hub.keyring")
        settings = self.hub / "hub.toml"
        told = {"keyring": "hub.keyring", "enclave": "/opt/vigie/enclave", "listen": f"127.0.0.1:{free_port()}"}
        kept = [line for line in settings.read_text().splitlines() if line.split(" ")[0] not in told]
        place = kept.index("[hub]") + 1
        told["enclave_launcher"] = "/run/vigie/launcher.sock"
        kept[place:place] = [f'{key} = "{value}"' for key, value in told.items()]
        settings.write_text("\n".join(kept) + "\n")
        self.units.start(self.passphrases[HUB])
        self.address = self.listening()

    def listening(self) -> str:
        """Wait for the hub to say where it listens."""
        said = self.hub / ADDRESS_FILE
        wait_until(said.exists, "the hub to listen")
        return said.read_text().strip()

    def stop(self) -> None:
        """Stop the nodes, then the machine."""
        super().stop()
        self.units.stop()


@pytest.fixture(scope="module")
def installed(shared_enclave: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("units")
    exchange = Installed.make(folder / "exchange", make_data(folder / "data"), shared_enclave)
    try:
        exchange.begin()
        yield exchange
    finally:
        exchange.stop()


def test_an_order_goes_all_the_way(installed: Installed) -> None:
    installed.send_all()
    assert installed.consolidate(PERIOD)["level"] == "A1"
    assert all(installed.result(name).num_rows for name in PARTNERS)
    started = [line for line in said(installed, LAUNCHER) if line.get("event") == "enclave started"]
    assert started and {line["mode"] for line in started} == {"C"}
    assert all(60_800 <= line["user"] <= 60_863 for line in started)
    assert not any("enclave started" in str(line.get("event")) for line in said(installed, SERVICE))


def test_the_doctor_finds_every_layer_under_the_units(installed: Installed) -> None:
    program = ["/opt/vigie/.venv/bin/vigie-hub", "enclave", "doctor", "--folder", "/srv/vigie/hub", "--json"]
    done = installed.units.within(*program, user=USER)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mode"] == "C" and set(found["layers"]) == set(sandbox.NAMES)
    assert not {name for name, layer in found["layers"].items() if not layer["state"].startswith(sandbox.ENFORCED)}


def test_who_the_units_are_and_what_they_may(installed: Installed) -> None:
    hub, launcher = (status(installed, name) for name in (SERVICE, LAUNCHER))
    assert hub["Uid"].split() == hub["Gid"].split() == [str(USER)] * 4
    assert int(hub["CapBnd"], 16) == int(hub["CapPrm"], 16) == 0
    assert launcher["Uid"].split() == ["0"] * 4 and 0 < int(launcher["CapBnd"], 16) < int(
        status_of("self")["CapBnd"], 16
    )
    for unit in (hub, launcher):
        assert unit["NoNewPrivs"] == "1"
    assert hub["Seccomp"] == "2"
    ours, its = (Path(f"/proc/{pid}/ns/net").stat().st_ino for pid in ("self", main_pid(installed, LAUNCHER)))
    assert ours != its


def test_the_passphrase_is_on_no_command_line_and_in_no_environment(installed: Installed) -> None:
    secret = installed.passphrases[HUB].encode()
    for unit in UNITS:
        for name in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{main_pid(installed, unit)}/{name}").read_bytes()


def test_another_user_does_not_get_an_enclave(installed: Installed) -> None:
    connecting = (
        "import socket; one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
        "one.connect('/run/vigie/launcher.sock'); one.send(b'measure'); print(len(one.recv(1000)))"
    )
    python = "/opt/vigie/.venv/bin/python"
    assert int(installed.units.within(python, "-c", connecting, user=USER).stdout) > 64
    refused = installed.units.within(python, "-c", connecting, user=USER + 1)
    assert refused.returncode and "PermissionError" in refused.stderr
    assert installed.units.within(python, "-c", connecting).stdout in (
        "",
        "0\n",
    )  # root may connect, and is told nothing


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_that_is_killed_comes_back(installed: Installed, unit: str) -> None:
    before = main_pid(installed, unit)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: main_pid(installed, unit) not in (0, before), f"{unit} to be started again")
    installed.wait_attending({*PARTNERS})
    assert installed.consolidate("2021-03")["level"] == "A1"


def test_systemd_finds_nothing_to_say_about_them(installed: Installed) -> None:
    done = installed.units.within("systemd-analyze", "verify", *(f"{installed.units.place}/{name}" for name in UNITS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def main_pid(installed: Installed, unit: str) -> int:
    """The process of a unit, as this machine numbers it; 0 while there is none."""
    inner = installed.units.systemctl("show", "--property=MainPID", "--value", unit).strip()
    return installed.units.outer(int(inner)) if inner != "0" else 0


def status(installed: Installed, unit: str) -> dict[str, str]:
    """What the kernel says of a unit's process."""
    return status_of(str(main_pid(installed, unit)))


def status_of(process: str) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def said(installed: Installed, unit: str) -> list[dict[str, Any]]:
    """What a unit logged."""
    lines = installed.units.said(unit).read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that is about to happen."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)
