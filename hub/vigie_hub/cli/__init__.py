"""The command ``vigie-hub``: what the operator of the hub does. One module for each verb, listed in `VERBS`."""

from importlib import import_module
from typing import Final

import typer

from vigie.cli import console

VERBS: Final = ("init", "serve", "status", "lots", "consolidate", "runs", "model", "enclave")
"""Modules of the verbs, in the order in which the help shows them; each has ``register(app)``."""

app = typer.Typer(
    name="vigie-hub",
    help="Run the hub of the exchange: it keeps sealed lots and the journal, and never sees a row.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _verb in VERBS:
    import_module(f"{__name__}.{_verb}").register(app)


def main() -> None:
    """Run the command line."""
    console.run(app)
