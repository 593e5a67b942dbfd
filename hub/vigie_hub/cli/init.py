"""``vigie-hub init``: make the hub's folder."""

from pathlib import Path
from typing import Annotated

import typer

from vigie import convention as conventions
from vigie import durable, statement
from vigie.chain import ConventionChain
from vigie.cli import console
from vigie.cli.files import read_conventions
from vigie.errors import ConfigError, InputError
from vigie_hub import config, enclave_root
from vigie_hub.cli.connecting import Folder, Json, check_listen
from vigie_hub.launcher import Launcher


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("init")(init)


def init(
    folder: Folder,
    keyring: Annotated[Path, typer.Option("--keyring", help="The hub's keyring; it stays where it is.")],
    convention: Annotated[
        list[Path], typer.Option("--convention", help="The signed convention; its ancestors too, when it has some.")
    ],
    enclave: Annotated[
        Path | None,
        typer.Option(
            "--enclave-root", help="Use the enclave of another folder (root/ and launch.json); else one is built."
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option("--listen", help="Address and port; port 0 takes a free one.")
    ] = "127.0.0.1:7443",
    as_json: Json = False,
) -> None:
    """Make the hub's folder: its configuration, its conventions and the enclave root."""
    if (folder / config.FILE_NAME).exists():
        raise ConfigError(f"there is a hub in {folder} already", hint="serve it, or choose another folder")
    if not keyring.is_file():
        raise InputError(f"there is no keyring at {keyring}", hint="make one with: vigie member init … --role hub")
    check_listen(listen)
    raws = _in_order(convention)
    chain = ConventionChain.open(raws)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "conventions").mkdir(mode=0o700, exist_ok=True)
    for number, raw in enumerate(raws, start=1):
        durable.write_file(folder / "conventions" / f"{number:04d}.convention", raw)
    place = (folder / "enclave") if enclave is None else enclave
    if enclave is None and not (place / "root").is_dir():
        console.say("building the enclave root …")
        enclave_root.build(place)
    measurement = Launcher(place, folder / "measured.json").measure()
    text = config.text_of(
        chain.current.hub, listen=listen, keyring=_written(keyring, folder), enclave=_written(place, folder)
    )
    # Last: without this file the folder is no hub, and init may be run again.
    durable.write_file(folder / config.FILE_NAME, text.encode())
    if as_json:
        console.print_json({"folder": str(folder), "measurement": measurement.hex(), "enclave": str(place)})
    else:
        console.say(f"members check this and approve it with: vigie approve --measurement {measurement.hex()} …")
        console.show(f"measurement of the enclave: {measurement.hex()}")


def _in_order(files: list[Path]) -> list[bytes]:
    raws = read_conventions(files)
    return sorted(raws, key=lambda raw: conventions.parse(statement.parse(raw, kind="convention").payload).version)


def _written(path: Path, folder: Path) -> str:
    """A path as ``hub.toml`` holds it: relative when it lies in the folder."""
    absolute, base = path.resolve(), folder.resolve()
    return str(absolute.relative_to(base)) if absolute.is_relative_to(base) else str(absolute)
