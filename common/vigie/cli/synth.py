"""``vigie synth``: made-up extracts in the partners' own forms, to try a node, a reader or a whole exchange with."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from vigie.cli import console
from vigie.errors import ConfigError, InputError

ALL = "all"
"""Value of ``--faults`` that plants every fault of the catalogue."""


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("synth")(synth)


def synth(
    companies: Annotated[int, typer.Option("--companies", help="How many companies.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into, one folder per partner.")],
    months: Annotated[int, typer.Option("--months", help="Months of history.")] = 36,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same companies.")] = 1,
    last_month: Annotated[str, typer.Option("--last-month", help="Last month of history, YYYY-MM.")] = "2021-04",
    late_headcount: Annotated[
        int, typer.Option("--late-headcount", help="Months at the end whose headcount is not delivered yet.")
    ] = 2,
    legacy_urssaf: Annotated[
        bool, typer.Option("--legacy-urssaf", help="Files of the Urssaf as before 2025: accounts, no SIRET.")
    ] = False,
    old_paydex: Annotated[bool, typer.Option("--old-paydex", help="Payment delays in the layout before 2022.")] = False,
    faults: Annotated[
        str | None,
        typer.Option("--faults", help="Plant faults into copies: 'all', or a seed that draws one for each file."),
    ] = None,
) -> None:
    """Write made-up extracts exactly as partners deliver theirs; no quality of a score may be claimed from them."""
    from vigie.synth.extracts import Options, write_extracts
    from vigie.synth.faults import CATALOGUE, plant_faults

    drawn = _fault_seed(faults)
    if faults is not None and (legacy_urssaf or old_paydex):
        raise InputError(
            "faults are planted into today's layouts only", hint="leave out --legacy-urssaf and --old-paydex"
        )
    written = write_extracts(
        output,
        companies=companies,
        months=months,
        seed=seed,
        last_month=last_month,
        options=Options(legacy_urssaf, old_paydex, late_headcount),
    )
    console.print_table(
        f"{companies} companies x {months} months, seed {seed}: {written.size / 1e6:.1f} MB",
        ["Kind", "Rows", "File"],
        [[kind, str(written.rows[kind]), path.relative_to(output).as_posix()] for kind, path in written.files.items()],
    )
    if faults is None:
        return
    made = plant_faults(written.files, output / "faults", seed if drawn is None else drawn, one_each=drawn is not None)
    console.say(f"{len(made.planted)} faults are planted; {made.folder / CATALOGUE} says where each one stands")
    for kind, many in Counter(fault.kind for fault in made.left_out).items():
        console.say(f"{many} faults of {kind} are left out: its file has no row; make more companies")


def _fault_seed(faults: str | None) -> int | None:
    """The seed that draws one fault for each file; None for all faults, or for none.

    Raises:
        ConfigError: neither ``all`` nor a number.
    """
    if faults is None or faults == ALL:
        return None
    if not (faults.isascii() and faults.isdigit() and len(faults) < 19):
        raise ConfigError("--faults is neither 'all' nor a seed", hint="give --faults all, or a number from 0")
    return int(faults)
