"""``vigie-node check FILE…``: what is right and wrong with extracts, before anything leaves. Needs no key and no hub."""

from pathlib import Path
from typing import Annotated

import typer

from vigie.cli import console
from vigie.convention import Convention
from vigie.datasets import BUILT_IN, Dataset
from vigie.errors import ExtractError
from vigie_node.cli.options import AsJson
from vigie_node.extracts.canonical import Checked, check, dataset_name
from vigie_node.folder import LockedNode
from vigie_node.quality import SHOWN, Report, dump

Files = Annotated[list[Path], typer.Argument(help="Canonical files, <dataset>.parquet or <dataset>.csv.")]
AsDataset = Annotated[str | None, typer.Option("--dataset", help="Dataset of the files, when their names do not say.")]
MaybeFolder = Annotated[
    Path | None, typer.Option("--folder", "-f", envvar="VIGIE_NODE", help="The node's folder, for its convention.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check_files)


def check_files(files: Files, folder: MaybeFolder = None, dataset: AsDataset = None, as_json: AsJson = False) -> None:
    """Read extracts and report every row that would not be sent, with its place and the shape of the cell."""
    convention, member = None, ""
    if folder is not None:
        node = LockedNode.look(folder)
        convention, member = node.convention, node.member
        node.close()
    reports = []
    too_many = []
    for path in files:
        checked = read(path, convention, dataset)
        reports.append(checked.report)
        allowed = 0.01 if convention is None else convention.datasets[checked.dataset.name].maximum_rejected
        if checked.report.rejected_share > allowed:
            too_many.append(f"{path.name} ({checked.report.rejected_share:.1%} of its rows, {allowed:.1%} are allowed)")
        checked.connection.close()
    if as_json:
        console.print_json([report.to_json() for report in reports])
    else:
        for report in reports:
            show(report)
            if convention is not None and not convention.may_deposit(member, report.dataset):
                owners = ", ".join(convention.datasets[report.dataset].owners)
                console.say(f"  note: the convention lets {owners} send {report.dataset}, not {member}")
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


def save(reports: list[Report], target: Path) -> None:
    """Keep the reports of a sending beside the node's state."""
    from vigie import durable

    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable.write_file(target, dump(reports))


def show(report: Report) -> None:
    """Print a report in words."""
    console.show(report.summary())
    console.show(
        f"  {report.companies} companies, {report.first or '-'} to {report.last or '-'}; "
        f"parsed {report.parsed} = valid {report.valid} + rejected {report.rejected} + skipped {report.skipped}"
    )
    if report.rows != report.valid:
        console.show(f"  {report.rows} rows will be sent, made from the valid ones")
    for kind in report.without:
        console.show(f"  made without {kind}, which was not given")
    for rule, rows in report.rules.most_common():
        console.show(f"  rejected or skipped: {rule}: {rows}")
    for finding in report.rejections[:SHOWN]:
        console.show(
            f"    {finding.file}, line {finding.line}, column {finding.column or '(row)'}: {finding.rule}, "
            f"cell like {finding.shape or '-'}"
        )
    if len(report.rejections) > SHOWN:
        console.show(f"    … and {len(report.rejections) - SHOWN} more; --json lists them")
    for warning, rows in report.warnings.most_common():
        console.show(f"  warning: {warning}: {rows}")
    sent = ", ".join(f"{column['name']} ({column['empty']:.0%} empty)" for column in report.columns)
    console.show(f"  will be sent, by company under a pseudonym: {sent}")
