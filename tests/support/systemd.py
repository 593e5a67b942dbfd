"""A systemd of its own that runs the shipped units as they are, in namespaces that hide the rest of this machine's services.

What an administrator would have installed is put where the units expect it: program and enclave root below ``/opt/vigie``, the
hub's folder at ``/srv/vigie/hub``, the passphrase in ``/etc/vigie``, a user ``vigie``. All of that is mounts which nobody else
sees and which end with it. No other unit is known but empty targets, so that nothing of the machine is started again.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from support.exchange import children
from support.hub_process import command
from vigie_hub.cli.enclave import UNITS
from vigie_hub.isolation.uids import HELD

PROGRAM: Final = next(
    (path for path in map(Path, ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")) if path.exists()), None
)
USER: Final = 60690
"""Of the user ``vigie``: no other test has it."""

SOURCES: Final = tuple(Path(__file__).resolve().parents[2] / name for name in ("common", "hub", "node"))
TARGETS: Final = ("sysinit", "basic", "shutdown", "network-online", "multi-user")
READY_SECONDS: Final = 60

_MOUNTS: Final = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$WORK"
mkdir "$WORK/upper" "$WORK/under"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$WORK/upper,workdir=$WORK/under" /etc
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
"""
"""What is not granted everywhere."""

_INSTALLED: Final = """
mkdir "$WORK/base" "$WORK/lib" "$WORK/state" "$WORK/enclave" "$WORK/held"
for name in common hub node; do mkdir "$WORK/$name"; mount --bind "$SOURCES/$name" "$WORK/$name"; done
mount --bind "$BASE" "$WORK/base"
mount --bind "$LIB" "$WORK/lib"
mount --bind "$HUB" "$WORK/state"
mount --bind "$ENCLAVE" "$WORK/enclave"
mount --bind "$HELD" "$WORK/held"
cp -r "$UNITS" "$WORK/units"
for hidden in /opt /srv /var/lib /run; do mount -t tmpfs -o mode=0755 tmpfs "$hidden"; done
mkdir -p /opt/vigie/python /opt/vigie/.venv/bin /opt/vigie/.venv/lib /opt/vigie/enclave /srv/vigie/hub /etc/vigie "$HELD"
mount --bind "$WORK/held" "$HELD"
mount --bind "$WORK/base" /opt/vigie/python
mount --bind "$WORK/lib" /opt/vigie/.venv/lib
mount --bind "$WORK/enclave" /opt/vigie/enclave
mount --bind "$WORK/state" /srv/vigie/hub
for name in common hub node; do mkdir "/opt/vigie/$name"; mount --bind "$WORK/$name" "/opt/vigie/$name"; done
printf '/opt/vigie/common\\n/opt/vigie/hub\\n/opt/vigie/node\\n' > /opt/vigie/vigie.pth
mount --bind /opt/vigie/vigie.pth "/opt/vigie/.venv/lib/$PTH"
printf 'home = /opt/vigie/python/bin\\ninclude-system-site-packages = false\\n' > /opt/vigie/.venv/pyvenv.cfg
echo /opt/vigie/python/lib > /etc/ld.so.conf.d/00-vigie.conf  # where a Python finds its library that was built for another place
ldconfig -X
ln -s "/opt/vigie/python/bin/$PYTHON" /opt/vigie/.venv/bin/python
printf '#!/opt/vigie/.venv/bin/python\\nfrom vigie_hub.cli import main\\nmain()\\n' > /opt/vigie/.venv/bin/vigie-hub
chmod 0755 /opt/vigie/.venv/bin/vigie-hub
echo "vigie:x:$USER:$USER::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
echo "vigie:x:$USER:" >> /etc/group
(umask 077; printf '%s\\n' "$PASSPHRASE" > /etc/vigie/passphrase)
unset PASSPHRASE
mount --make-rshared /  # among themselves, as a service manager has it
export container=test SYSTEMD_UNIT_PATH="$WORK/units"
exec "$SYSTEMD" --system --unit=multi-user.target --log-target=null
"""
"""What an administrator would have put there, and the start."""

_NAMESPACES: Final = (
    "unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--mount-proc", "--kill-child",
)  # fmt: skip


def _why_not() -> str:
    if os.geteuid() != 0:
        return "it needs root"
    if PROGRAM is None:
        return "it needs systemd"
    if missing := [name for name in ("unshare", "nsenter", "systemctl", "bwrap") if shutil.which(name) is None]:
        return f"it needs {', '.join(missing)}"
    if (cgroup := _cgroup()) is None or not os.access(cgroup, os.W_OK):
        return "it needs control groups of version 2, and leave to make one"
    with tempfile.TemporaryDirectory() as work:
        tried = subprocess.run(
            [*_NAMESPACES, "sh", "-c", _MOUNTS], env={"PATH": os.environ["PATH"], "WORK": work},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    return tried.stderr.strip() if tried.returncode else ""


def _cgroup() -> Path | None:
    """This process's control group of version 2, as a folder."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    place = next((words[1] for words in mounts if words[2] == "cgroup2"), None)
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    ours = next((line[3:] for line in lines if line.startswith("0::")), None)
    return None if place is None or ours is None else Path(place + ours)


WHY_NOT: Final = _why_not()
"""Why the units cannot be run here; empty where they can."""


@dataclass
class Systemd:
    """The units, running.

    Attributes:
        folder: where this test's copy of the units and what they write to standard output and error are.
        hub: the hub's folder, which becomes the user's.
        enclave: an enclave root's folder, of root.
    """

    folder: Path
    hub: Path
    enclave: Path
    _process: "subprocess.Popen[bytes] | None" = None
    _pid: int = 0
    _groups: Path | None = None

    def start(self, passphrase: str) -> None:
        """Boot, and wait until systemd answers.

        Raises:
            AssertionError: it does not.
        """
        units, work = self.folder / "units", self.folder / "work"
        for made in (units, work, self.folder / "said"):
            made.mkdir(parents=True)
        self._write(units)
        for path in (self.hub, *self.hub.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        HELD.mkdir(mode=0o700, exist_ok=True)
        # A control group of its own: systemd makes those of its units below it, and not among the machine's.
        cgroup = _cgroup()
        assert cgroup is not None
        self._groups = cgroup / f"vigie-units-{os.getpid()}"
        self._groups.mkdir()
        places = {
            "WORK": work, "UNITS": units, "HUB": self.hub, "ENCLAVE": self.enclave, "HELD": HELD, "SOURCES": SOURCES[0].parent,
            "BASE": sys.base_prefix, "LIB": Path(sys.prefix) / "lib", "PTH": _own_pth(), "SYSTEMD": PROGRAM,
            "GROUP": self._groups,
        }  # fmt: skip
        told = {"PYTHON": Path(sys.executable).resolve().name, "USER": str(USER), "PASSPHRASE": passphrase}
        with (self.folder / "boot.err").open("wb") as errors:
            self._process = subprocess.Popen(
                ["sh", "-c", 'echo $$ > "$GROUP/cgroup.procs" && exec "$@"', "sh", *_NAMESPACES, "sh", "-c", _MOUNTS + _INSTALLED],
                env={"PATH": os.environ["PATH"], **{name: str(place) for name, place in places.items()}, **told},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            )  # fmt: skip
        self._await_answer()

    def said(self, unit: str) -> Path:
        """What a unit wrote to standard output and error."""
        return self.folder / "said" / unit

    def systemctl(self, *words: str) -> str:
        """What ``systemctl`` says of these units, whatever its exit code."""
        return self.within("systemctl", "--no-pager", *words).stdout

    def within(self, *argv: str, user: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command where the units are."""
        entering = ["nsenter", f"--target={self._pid}", "--mount", "--pid", f"--setuid={user}", f"--setgid={user}"]
        return subprocess.run(
            [*entering, "--", *argv], capture_output=True, text=True, timeout=120, check=False,
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "COLUMNS": "160"},
        )  # fmt: skip

    @property
    def place(self) -> str:
        """Folder of the units, where they are."""
        return str(self.folder / "work" / "units")

    def outer(self, pid: int) -> int:
        """The number on this machine of a process of theirs; 0 when it is gone."""
        return next((outer for outer in children(self._pid) if _inner(outer) == pid), 0)

    def stop(self) -> None:
        """End systemd and everything that it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
        if self._groups is not None:
            _remove(self._groups)

    def _write(self, units: Path) -> None:
        """Write the units as they are printed, and the targets that they name."""
        for name in TARGETS:
            (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
        wants = units / "multi-user.target.wants"
        wants.mkdir()
        for name in UNITS:
            text = subprocess.run(command("enclave", "units", name), capture_output=True, check=True).stdout
            (units / name).write_bytes(text)
            (wants / name).symlink_to(f"../{name}")
            # No journal runs here; what would be in it is kept. It is all that is added to a unit.
            said = f"StandardOutput=append:{self.said(name)}\nStandardError=append:{self.said(name)}\n"
            (units / f"{name}.d").mkdir()
            (units / f"{name}.d" / "said.conf").write_text(f"[Service]\n{said}")

    def _await_answer(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            self._pid = next(children(self._process.pid), 0)
            booted = self._pid and Path(f"/proc/{self._pid}/comm").read_text() == "systemd\n"
            if booted and self.systemctl("is-system-running").strip() in ("running", "degraded"):
                return
            time.sleep(0.1)
        raise AssertionError(f"systemd did not come up: {(self.folder / 'boot.err').read_text()}")


def _inner(pid: int) -> int:
    """The number that a process has in the innermost namespace that it is in; 0 when it is gone."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)
    return 0


def _remove(group: Path) -> None:
    """Remove a control group whose processes are about to be gone, with those below it."""
    deadline = time.monotonic() + READY_SECONDS
    while "populated 1" in (group / "cgroup.events").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()


def _own_pth() -> str:
    """The file that puts this clone on the path of its environment, below ``lib``."""
    packages = Path(sysconfig.get_path("purelib"))
    for path in packages.glob("*.pth"):
        if str(SOURCES[0]) in path.read_text().splitlines():
            return str(path.relative_to(Path(sys.prefix) / "lib"))
    raise AssertionError("this environment was not made by scripts/setup")
