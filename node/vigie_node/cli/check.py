"""``vigie-node check FILE…``: what is right and wrong with extracts, before anything leaves. Needs no key and no hub."""

import io
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from vigie import durable
from vigie.cli import console
from vigie.clock import utc_now
from vigie.convention import Convention
from vigie.errors import ExtractError, InputError
from vigie_node.cli.giving import AsDataset, AsKind, Complete, Files, Query, asked_of, known_datasets, say_unnamed
from vigie_node.cli.options import AsJson
from vigie_node.delivery import Delivery
from vigie_node.folder import LockedNode
from vigie_node.profiles import Profiles
from vigie_node.quality import SHOWN, Report, write_json, write_page

SaveAs = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Where to save the whole report, as .json and .html; else the node's reports, or vigie-report here.",
        show_default=False,
    ),
]
MaybeFolder = Annotated[
    Path | None, typer.Option("--folder", "-f", envvar="VIGIE_NODE", help="The node's folder, for its convention.")
]
MaybePeriod = Annotated[
    str | None, typer.Option("--period", help="Month that the extracts are for, YYYY-MM; else the last whole month.")
]

REJECTED: Final = 0.01
"""Share of the rows that may be rejected where no convention says otherwise."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check_files)


def check_files(
    files: Files,
    folder: MaybeFolder = None,
    kind: AsKind = None,
    dataset: AsDataset = None,
    period: MaybePeriod = None,
    complete: Complete = None,
    query: Query = "",
    report: SaveAs = None,
    as_json: AsJson = False,
) -> None:
    """Read extracts and report every row that would not be sent, with its place and the shape of the cell."""
    convention, member, profiles, scratch, reports = None, "", None, None, None
    if folder is not None:
        node = LockedNode.look(folder)
        convention, member = node.convention, node.member
        profiles, scratch, reports = Profiles(node.folder.profiles), node.folder.scratch, node.folder.reports
        node.close()
    asked = asked_of(period or _last_month(), kind, dataset, complete, query)
    with Delivery.take(files, known_datasets(convention), asked, scratch=scratch, progress=console.say) as delivery:
        if profiles is not None:
            for one in delivery.checked:
                profiles.compare(one, f"{asked.month:%Y-%m}")
        if as_json:
            write_json(delivery.reports, sys.stdout)
        else:
            for found in delivery.reports:
                show(found)
                _say_whose(convention, member, found)
        say_unnamed(delivery)
        place = report or (Path("vigie-report") if reports is None else reports / f"{asked.month:%Y-%m}-check")
        for written in save(delivery.reports, place):
            (console.say if as_json else console.show)(f"the whole report: {written}")
        beyond = [said for one in delivery.reports if (said := too_many(one, convention))]
    if beyond:
        raise ExtractError(
            f"too many rejected rows: {', '.join(beyond)}", hint="mend the rows listed above; nothing was sent"
        )


def _last_month() -> str:
    now = utc_now()
    return f"{now.year - (now.month == 1):04d}-{(now.month - 2) % 12 + 1:02d}"


def _say_whose(convention: Convention | None, member: str, report: Report) -> None:
    if convention is None or report.extract or convention.may_deposit(member, report.dataset):
        return
    owners = ", ".join(convention.datasets[report.dataset].owners)
    console.say(f"  note: the convention lets {owners} send {report.dataset}, not {member}")


def too_many(report: Report, convention: Convention | None) -> str:
    """Say that an extract or a dataset has more rejected rows than the convention allows; empty when it has not."""
    rules = {} if convention is None else convention.datasets
    if report.dataset in rules:
        allowed = rules[report.dataset].maximum_rejected
    else:
        allowed = min((rule.maximum_rejected for rule in rules.values()), default=REJECTED)
    if report.rejected_share <= allowed:
        return ""
    found = f"{report.rejected_share:.1%} of its rows, {allowed:.1%} are allowed"
    return f"{', '.join(report.files)} ({found})"


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
    # Where the rejected rows of a dataset made from extracts stand is told with the extracts.
    for finding in [] if report.made_from else report.shown():
        console.show(
            f"    {finding.file}, line {finding.line}, column {finding.column or '(row)'}: {finding.rule}, "
            f"cell like {finding.shape or '-'}"
        )
    if report.rejected > SHOWN and not report.made_from:
        console.show(f"    … and {report.rejected - SHOWN} more; the saved report and --json list them all")
    for warning, rows in report.warnings.most_common():
        console.show(f"  warning: {warning}: {rows}")
    for note in report.notes:
        console.show(f"  note: {note}")
    if report.columns:
        sent = ", ".join(f"{column['name']} ({column['empty']:.0%} empty)" for column in report.columns)
        console.show(f"  will be sent, by company under a pseudonym: {report.dataset}, {report.rows} rows: {sent}")
