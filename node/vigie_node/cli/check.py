"""``vigie-node check FILE…``: what is right and wrong with extracts, before anything leaves. Needs no key and no hub."""

import io
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from vigie import durable
from vigie.cli import console
from vigie.convention import Convention
from vigie.datasets import BUILT_IN, Dataset
from vigie.errors import ExtractError, InputError
from vigie_node.cli.options import AsJson
from vigie_node.extracts.canonical import Checked, check, dataset_name
from vigie_node.folder import LockedNode
from vigie_node.quality import SHOWN, Report, write_json, write_page

Files = Annotated[list[Path], typer.Argument(help="Canonical files, <dataset>.parquet or <dataset>.csv.")]
AsDataset = Annotated[str | None, typer.Option("--dataset", help="Dataset of the files, when their names do not say.")]
SaveAs = Annotated[
    Path | None, typer.Option("--report", help="Save the whole report as this name with .json and .html.")
]
MaybeFolder = Annotated[
    Path | None, typer.Option("--folder", "-f", envvar="VIGIE_NODE", help="The node's folder, for its convention.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check_files)


def check_files(
    files: Files, folder: MaybeFolder = None, dataset: AsDataset = None, report: SaveAs = None, as_json: AsJson = False
) -> None:
    """Read extracts and report every row that would not be sent, with its place and the shape of the cell."""
    convention, member = None, ""
    if folder is not None:
        node = LockedNode.look(folder)
        convention, member = node.convention, node.member
        node.close()
    with ExitStack() as opened:
        checked = []
        for path in files:
            checked.append(read(path, convention, dataset))
            opened.callback(checked[-1].connection.close)
        reports = [one.report for one in checked]
        if as_json:
            write_json(reports, sys.stdout)
        for found in [] if as_json else reports:
            show(found)
            if convention is not None and not convention.may_deposit(member, found.dataset):
                owners = ", ".join(convention.datasets[found.dataset].owners)
                console.say(f"  note: the convention lets {owners} send {found.dataset}, not {member}")
        if report is not None:
            for place in save(reports, report):
                console.say(f"the whole report: {place}")
    too_many = []
    for one in checked:
        allowed = 0.01 if convention is None else convention.datasets[one.dataset.name].maximum_rejected
        if one.report.rejected_share > allowed:
            said = f"{one.report.rejected_share:.1%} of its rows, {allowed:.1%} are allowed"
            too_many.append(f"{', '.join(one.report.files)} ({said})")
    if too_many:
        raise ExtractError(
            f"too many rejected rows: {', '.join(too_many)}", hint="mend the rows listed above; nothing was sent"
        )


def read(path: Path, convention: Convention | None, dataset: str | None = None) -> Checked:
    """Check one file as the dataset that it is named after, or is said to be.

    Raises:
        ExtractError: no such dataset, or the file cannot be used.
    """
    if not path.is_file():  # before its name is taken for that of a dataset
        raise ExtractError(f"{path}: there is no such file", hint="check the path; a folder is not a file")
    name = dataset or dataset_name(path)
    return check(path, definition(name, convention, path))


def definition(name: str, convention: Convention | None, path: Path) -> Dataset:
    """Return the dataset of that name in the convention, or among the built-in ones.

    Raises:
        ExtractError: there is none.
    """
    known = BUILT_IN if convention is None else {rule.name: rule.definition for rule in convention.datasets.values()}
    found = known.get(name)
    if found is None:
        raise ExtractError(
            f"{path.name}: there is no dataset called {name[:63]!r}",
            hint=f"name the file after its dataset, or give --dataset; datasets are {', '.join(known)}",
        )
    return found


def save(reports: list[Report], target: Path) -> tuple[Path, Path]:
    """Save reports as ``target``.json, with every rejection, and as ``target``.html, which opens without a network.

    Raises:
        InputError: they cannot be written there.
    """
    places = target.with_name(target.name + ".json"), target.with_name(target.name + ".html")
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for place, write in zip(places, (write_json, write_page), strict=True):
            with durable.replacing(place) as file:
                text = io.TextIOWrapper(file, "utf-8")
                write(reports, text)
                text.detach()  # flushes, and leaves the file open: it is not durable yet
    except OSError as error:
        raise InputError(f"the report cannot be written to {target}", hint=f"{error.strerror}") from error
    return places


def show(report: Report) -> None:
    """Print a report in words."""
    console.show(report.summary())
    console.show(
        f"  {report.companies} companies, {report.first or '-'} to {report.last or '-'}; "
        f"parsed {report.parsed} = valid {report.valid} + rejected {report.rejected} + skipped {report.skipped}"
    )
    if report.rows != report.valid and not report.extract:
        console.show(f"  {report.rows} rows will be sent, made from the valid ones")
    for rule, rows in report.rules.most_common():
        console.show(f"  rejected or skipped: {rule}: {rows}")
    for finding in report.shown():
        console.show(
            f"    {finding.file}, line {finding.line}, column {finding.column or '(row)'}: {finding.rule}, "
            f"cell like {finding.shape or '-'}"
        )
    if report.rejected > SHOWN:
        console.show(f"    … and {report.rejected - SHOWN} more; the saved report (--report) and --json list them all")
    for warning, rows in report.warnings.most_common():
        console.show(f"  warning: {warning}: {rows}")
    for note in report.notes:
        console.show(f"  note: {note}")
    sent = ", ".join(f"{column['name']} ({column['empty']:.0%} empty)" for column in report.columns)
    console.show(f"  will be sent, by company under a pseudonym: {sent}")
