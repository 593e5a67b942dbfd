"""``vigie demo``: a whole exchange on this machine, command by command, left in a folder to explore."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from vigie import durable
from vigie.cli import console
from vigie.demo.programs import run
from vigie.demo.story import OWNER, PARTNERS, Story
from vigie.errors import InputError

PERIOD = "2021-04"
"""Last month of the demonstration's data."""

POPULATION = 1000
"""Companies that each member declares, where they are not made to measure."""

KEPT_BESIDE = "passphrase"
"""File beside each member's keyring, so that the commands can be tried afterwards. A real passphrase is never kept so."""

FIRST_ALERTS = 5
"""How many alerts the closing table shows."""


def register(parent: typer.Typer) -> None:
    """Add the command."""
    parent.command("demo")(demo)


def demo(
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Folder to make; everything stays there.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with one folder of extracts for each partner.")
    ] = None,
    companies: Annotated[int | None, typer.Option("--companies", help="Make this many companies instead.")] = None,
    months: Annotated[int, typer.Option("--months", help="Months of history of made companies.")] = 36,
    seed: Annotated[int, typer.Option("--seed", help="Seed of made companies: the same seed, the same companies.")] = 1,
    enclave_root: Annotated[
        Path | None, typer.Option("--enclave-root", help="An enclave root that was built before.", hidden=True)
    ] = None,
) -> None:
    """Run one complete exchange: three partners, a hub, an enclave, an auditor, each a process of its own."""
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty", hint="give another --folder, or remove it")
    if (data is None) == (companies is None):
        raise InputError("give either --data or --companies", hint="--companies 2000 makes companies of its own")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = (folder / "extracts" if data is None else data).resolve()
    if companies is not None:
        with _step(f"0. extracts of {companies} companies over {months} months are made, as partners deliver them"):
            made = ["--companies", str(companies), "--months", str(months), "--seed", str(seed), "--last-month", PERIOD]
            run(["vigie", "synth", *made, "--output", str(source)], echo=_echo)
    story = Story(folder.resolve(), source, _echo, console.say, enclave_root)
    began = time.monotonic()
    try:
        _tell(story, companies or POPULATION)
    finally:
        story.stop()
    _close(story, time.monotonic() - began, made=companies is not None)


def _tell(story: Story, population: int) -> None:
    with _step("1. every member draws its keys and sends its card"):
        story.members()
        for name, passphrase in story.passphrases.items():
            durable.write_file(story.member(name) / KEPT_BESIDE, f"{passphrase}\n".encode())
    with _step("2. the convention is drafted from the cards, and every signatory signs it"):
        story.agree(population)
    with _step("3. the hub is set up, its enclave is measured; it starts"):
        measurement = story.set_up()
        console.say(f"   the enclave measures {measurement}")
        story.start()
    with _step("4. each partner sets up its node, approves the measurement, and comes to attend; so does the auditor"):
        story.nodes()
        story.approve(measurement)
        story.attend()
    if story.delivered:
        with _step("   the perimeter is worked out, shared as pseudonyms, and fetched: everybody filters by it"):
            story.perimeter(PERIOD)
    for name in PARTNERS:
        with _step(f"5. {name} checks its extracts, and sends them pseudonymised and sealed"):
            story.send(name, PERIOD)
    with _step("6. the hub orders a consolidation; partners release their keys to the enclave's evidence"):
        story.consolidate(PERIOD)
    for name in PARTNERS:
        with _step(f"7. {name} fetches, checks, opens and exports what it may see"):
            story.results(name, "csv")
            story.export(name, "xlsx")
    with _step(f"   what an agent of {OWNER} reads: the most alarming companies and why, in a sentence each"):
        console.say(_indented(story.show(OWNER, FIRST_ALERTS)))
    with _step("8. the auditor takes a copy of the journal and checks it offline"):
        console.say(_indented(story.audit()))


def _close(story: Story, seconds: float, *, made: bool) -> None:
    if not made:
        console.say("these companies come from a randomised dump: identifiers and amounts are shuffled, so the scores")
        console.say("mean nothing; the demonstration proves the path. `--companies 2000` makes companies with a fate")
    console.say("")
    console.say(f"done in {seconds:.0f} s: {len(PARTNERS)} partners, one hub, one enclave, one auditor")
    console.say("nothing of it runs any more; README.md says how to start it again. Where to look:")
    for path, what in (
        ("reports/", "what was found in the extracts, row by row: open the .html files in a browser"),
        ("results/", "the lists that each partner may see, CSV and XLSX"),
        ("convention.note", "the signed convention: vigie convention show"),
        ("audit/", "the auditor's copy of the journal: vigie audit verify"),
        ("hub/", "what the hub keeps: sealed segments, journal, enclave root"),
        ("nodes/", "each partner's node: vigie-node status --folder …"),
        ("members/", "each member's keyring, with its passphrase beside it: for a demonstration only"),
        ("logs/", "what every process said"),
    ):
        console.say(f"  {story.folder / path}  {what}")


def _echo(command: str) -> None:
    console.say(f"   {command}")


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.rstrip().splitlines())


@contextmanager
def _step(title: str) -> Iterator[None]:
    console.say("")
    console.say(title)
    began = time.monotonic()
    yield
    console.say(f"   ({time.monotonic() - began:.1f} s)")
