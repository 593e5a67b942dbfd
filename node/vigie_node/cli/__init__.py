"""The command ``vigie-node``. A verb is a module that is listed in `VERBS` and has ``register(app)``."""

from importlib import import_module
from typing import Final

import typer

from vigie.cli import console

VERBS: Final = (
    "init", "check", "perimeter", "send", "run", "status", "orders", "results", "share", "doctor", "withdraw",
)  # fmt: skip
"""Modules of the verbs, in the order in which the help shows them."""

app = typer.Typer(
    name="vigie-node",
    help="A partner's node: sends its extracts, attends the exchange, opens its results.",
    no_args_is_help=True,
    add_completion=False,
)
for _verb in VERBS:
    import_module(f"{__name__}.{_verb}").register(app)


def main() -> None:
    """Run the command line."""
    console.run(app)
