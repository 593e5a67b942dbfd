"""Options that several verbs of ``vigie-node`` share."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[
    Path,
    typer.Option("--folder", "-f", envvar="VIGIE_NODE", help="The node's folder.", show_envvar=True),
]
"""Where the node lives."""

PassphraseDescriptor = Annotated[
    int | None,
    typer.Option(
        "--passphrase-fd", help="File descriptor to read the passphrase from; else VIGIE_PASSPHRASE, or a prompt."
    ),
]
"""Where the keyring's passphrase comes from."""

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output on standard output.")]
"""Print JSON."""
