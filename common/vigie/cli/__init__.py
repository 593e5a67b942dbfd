"""The command ``vigie``: what signatories, auditors and newcomers do. A group is a module that is listed in `GROUPS`."""

from importlib import import_module
from typing import Final

import typer

from vigie.cli import console

GROUPS: Final = ("member", "convention", "evidence", "approve", "audit", "demo", "synth")
"""Modules of the commands, in the order in which the help shows them; each has ``register(app)``."""

app = typer.Typer(
    name="vigie",
    help="Find companies in difficulty early, together, without handing files over.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _group in GROUPS:
    import_module(f"{__name__}.{_group}").register(app)


def main() -> None:
    """Run the command line."""
    console.run(app)
