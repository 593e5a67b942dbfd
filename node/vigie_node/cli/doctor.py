"""``vigie-node doctor``: what is wrong with this node and what to do about it; exit code 1 when something is."""

import asyncio
from dataclasses import asdict

import typer

from vigie.cli import console
from vigie.clock import utc_now
from vigie.errors import VigieError
from vigie.passphrase import read_passphrase
from vigie_node.cli.options import AsJson, Folder, PassphraseDescriptor
from vigie_node.doctor import Finding, Observations, diagnose
from vigie_node.examination import examine
from vigie_node.folder import NodeFolder


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(doctor)


def doctor(folder: Folder, passphrase_fd: PassphraseDescriptor = None, as_json: AsJson = False) -> None:
    """Look at this node, its keys, its convention and its hub, and say in words what is wrong."""
    try:
        name = NodeFolder.open(folder).config.keyring.name
    except VigieError as error:
        findings = diagnose(Observations(now=utc_now(), opening=error))
    else:
        passphrase = read_passphrase(passphrase_fd, f"passphrase of {name}: ")
        findings = diagnose(asyncio.run(examine(folder, passphrase, clock=utc_now)))
    if as_json:
        console.print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _show(finding)
    if any(finding.wrong for finding in findings):
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    console.show(f"{'WRONG' if finding.wrong else 'ok   '}  {finding.said}")
    if finding.todo:
        console.show(f"       → {finding.todo}")
