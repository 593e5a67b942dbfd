"""``vigie-hub enclave``: which layers of isolation this host gives, and the service that gives those that need root."""

import asyncio
import contextlib
import os
import pwd
import signal
import socket
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import typer

from vigie.chain import ConventionChain
from vigie.cli import console
from vigie.errors import ConfigError, InputError, Refused
from vigie_hub.cli.connecting import Folder, Json
from vigie_hub.cli.serve import configure_log
from vigie_hub.config import HubConfig, load
from vigie_hub.isolation import doctor as judging
from vigie_hub.isolation.service import LauncherService, check_root_owned, launcher_of, listen
from vigie_hub.isolation.uids import DEFAULT
from vigie_hub.launcher import Launcher

UNITS: Final = ("vigie-enclave-launcher.service", "vigie-hub.service")

app = typer.Typer(
    no_args_is_help=True, help="Isolation of the enclave: what this host gives, and the launcher's service."
)


def register(parent: typer.Typer) -> None:
    """Add the group."""
    parent.add_typer(app, name="enclave")


@app.command("doctor")
def doctor(folder: Folder, as_json: Json = False) -> None:
    """Say which layers this host gives, what is missing, and what adds it. Starts a sibling of the enclave for a moment."""
    config = load(folder)
    demanded = _demanded(config)
    inspection = asyncio.run(launcher_of(config).inspect())
    found = judging.findings(inspection, demanded)
    remarks = judging.remarks(inspection, _text)
    if as_json:
        layers = {one.layer: {"state": one.state, "demanded": one.demanded, "remedy": one.remedy} for one in found}
        console.print_json(
            {"mode": inspection.mode, "layers": layers, "host": dict(inspection.host), "remarks": remarks}
        )
    else:
        rows = [[one.layer, one.state, "yes" if one.demanded else "", one.remedy] for one in found]
        console.print_table("enclave on this host", ["layer", "state", "demanded", "what adds it"], rows)
        for remark in remarks:
            console.show(remark)
    if missing := [one.layer for one in found if one.demanded and not one.enforced]:
        raise Refused(
            "layers",
            expected=f"{', '.join(demanded)}, all enforced",
            found=f"not enforced: {', '.join(missing)}",
            hint="the column `what adds it` says how; or the members amend the convention",
        )
    if inspection.contradicted:
        raise Refused("isolation", expected="what the enclave claims", found="; ".join(inspection.contradicted))


@app.command("launcher")
def launcher(
    enclave: Annotated[Path, typer.Option("--enclave-root", help="Folder with root/ and launch.json, all of root's.")],
    socket_path: Annotated[
        Path, typer.Option("--socket", help="Where the hub asks; `enclave_launcher` in its hub.toml.")
    ],
    user: Annotated[str, typer.Option("--user", help="The hub's user; nobody else is answered.")],
    state: Annotated[
        Path, typer.Option("--state", help="Folder for what is remembered about hashes; may be lost.")
    ] = Path("/var/lib/vigie-enclave-launcher"),
    uids: Annotated[
        str, typer.Option("--uids", help="Users that enclaves may have; nobody else may have them.")
    ] = DEFAULT,
    isolation: Annotated[str, typer.Option("--isolation", help="auto, or C or B for nothing else.")] = "auto",
) -> None:
    """Start enclaves for a hub that is not root: one for each connection, from one root, and nothing else."""
    if os.geteuid() != 0:
        raise ConfigError(
            "the enclave launcher is for root", hint="a hub without root starts its enclaves itself, in mode B"
        )
    uid = _uid(user)
    check_root_owned(enclave)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    starter = Launcher(enclave, state / "measured.json", isolation=isolation, uids=uids)
    configure_log()
    listening = listen(socket_path, uid)
    console.say(f"listening at {socket_path}, in mode {starter.choice.mode}")
    asyncio.run(_serve(LauncherService(starter, uid), listening))


@app.command("units")
def units(
    name: Annotated[str | None, typer.Argument(help="One of them; else all are printed.")] = None,
) -> None:
    """Print the systemd units of the hub and of its launcher, with the hardening that goes with them."""
    if name is not None and name not in UNITS:
        raise InputError(f"there is no unit {name!r}", hint=f"there are: {', '.join(UNITS)}")
    for one in UNITS if name is None else (name,):
        console.show((resources.files("vigie_hub.isolation") / "units" / one).read_text(encoding="utf-8"))


async def _serve(service: LauncherService, listening: socket.socket) -> None:
    serving = asyncio.current_task()
    assert serving is not None  # noqa: S101 -- this runs in one
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with listening, contextlib.suppress(asyncio.CancelledError):
        await service.serve(listening)


def _demanded(config: HubConfig) -> tuple[str, ...]:
    raws = [path.read_bytes() for path in sorted(config.conventions.iterdir()) if path.is_file()]
    return ConventionChain.open(raws).current.enclave.layers


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def _uid(user: str) -> int:
    if user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise InputError(f"there is no user {user!r}", hint="useradd --system --no-create-home") from error
