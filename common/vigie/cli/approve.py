"""``vigie approve``: a member accepts an enclave measurement, after having looked at what is behind it."""

import re
from pathlib import Path
from typing import Annotated

import typer

from vigie import durable
from vigie.bodies import Approval, text_for
from vigie.chain import ConventionChain
from vigie.cli import console
from vigie.cli.evidence import described, read_list
from vigie.cli.files import read_conventions, signing_key
from vigie.clock import stamp, utc_now
from vigie.errors import InputError, Refused
from vigie.keyring import Keyring
from vigie.passphrase import read_passphrase
from vigie.statement import sign_text


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("approve")(approve)


def approve(
    measurement: Annotated[str, typer.Option("--measurement", help="64 hexadecimal digits; `vigie evidence measure`.")],
    convention: Annotated[
        list[Path], typer.Option("--convention", help="The signed convention; its ancestors first, one option each.")
    ],
    keyring: Annotated[Path, typer.Option("--keyring", help="The member's keyring.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; in a node's approvals folder, the node submits it.")
    ],
    files: Annotated[
        Path | None, typer.Option("--files", help="The list behind it: shown in words, and refused if it has another.")
    ] = None,
    passphrase_fd: Annotated[
        int | None, typer.Option("--passphrase-fd", help="File descriptor to read the passphrase from.")
    ] = None,
) -> None:
    """Sign an approval of an enclave measurement.

    With --files, what is approved is shown in words from that list, whose own measurement must be the one approved.
    """
    if re.fullmatch(r"[0-9a-f]{64}", measurement) is None:
        raise InputError("--measurement is not 64 lower-case hexadecimal digits", hint="copy it whole")
    if output.exists():
        raise InputError(f"{output} exists", hint="an approval is never overwritten; give another name")
    if files is not None:
        listed = read_list(files)
        if listed.measurement.hex() != measurement:
            raise Refused(
                "measurement", expected=f"{measurement[:16]}…", found=f"{listed.measurement.hex()[:16]}… of {files}"
            )
        for line in described(listed):
            console.say(line)
    chain = ConventionChain.open(read_conventions(convention), now=utc_now())
    keys = Keyring.load(keyring, read_passphrase(passphrase_fd, f"passphrase of {keyring.name}: "))
    signer = signing_key(keys)
    if chain.current.verifier(keys.member, "signing") != signer.verifier:
        raise Refused("key", expected=f"the signing key of {keys.member} in the convention", found="another key")
    body = Approval(chain.digest, bytes.fromhex(measurement), keys.member, stamp(utc_now()))
    output.parent.mkdir(parents=True, exist_ok=True)
    durable.write_file(output, sign_text(text_for(body), [signer]).raw, mode=0o644)
    console.say(f"{keys.member} approves {measurement[:16]}… under version {chain.current.version}: {output}")
