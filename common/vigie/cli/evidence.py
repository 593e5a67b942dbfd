"""``vigie evidence``: what an enclave root measures, and what evidence is worth."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vigie.cli import console, evidence_verify
from vigie.errors import InputError
from vigie.evidence import measure_tree, measurement

app = typer.Typer(no_args_is_help=True, help="Measure the enclave's code; say what evidence is worth.")


def register(parent: typer.Typer) -> None:
    """Add the group."""
    evidence_verify.register(app)
    parent.add_typer(app, name="evidence")


@app.command("measure")
def measure(
    root: Annotated[Path, typer.Option("--root", help="Enclave root, as `vigie-hub init` makes it.")],
    launch: Annotated[
        Path | None, typer.Option("--launch", help="Launch settings; else launch.json beside the root.")
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="List the files that are measured.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the measurement of an enclave root: everything that the enclave can read or map, and how it is started."""
    settings = launch or root.parent / "launch.json"
    try:
        described = json.loads(settings.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{settings} cannot be read as JSON", hint="vigie-hub init writes it beside the root"
        ) from error
    if not isinstance(described, dict):
        raise InputError(f"{settings} does not hold launch settings", hint="vigie-hub init writes it beside the root")
    found = measure_tree(root)
    digest = measurement(found, described).hex()
    if as_json:
        listed = {one.path: one.sha256.hex() for one in found} if files else len(found)
        console.print_json({"measurement": digest, "files": listed, "launch": described})
        return
    if files:
        for one in found:
            console.show(f"{one.sha256.hex()}  {one.path}")
    console.show(digest)
